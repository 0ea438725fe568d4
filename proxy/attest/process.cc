#include "proxy/attest/process.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <charconv>

#include "proxy/base/file.h"

namespace mandated::attest {

namespace {

constexpr std::size_t kTextMax = 64U << 10U;

std::int64_t nanoseconds_of(const timespec& time) {
  constexpr std::int64_t kSecond = 1'000'000'000;
  return static_cast<std::int64_t>(time.tv_sec) * kSecond + time.tv_nsec;
}

std::optional<std::string> read_link(int folder, const char* name) {
  std::array<char, 4096> text{};
  const ssize_t size = ::readlinkat(folder, name, text.data(), text.size());
  if (size <= 0 || static_cast<std::size_t>(size) == text.size()) return std::nullopt;
  return std::string(text.data(), static_cast<std::size_t>(size));
}

/// A /proc of another PID namespace would show another process under the same number.
bool proc_is_ours() { return read_link(AT_FDCWD, "/proc/self") == std::to_string(::getpid()); }

bool has_ended(const net::Descriptor& pidfd) {
  pollfd poll{pidfd.get(), POLLIN, 0};
  return ::poll(&poll, 1, 0) != 0;
}

}  // namespace

Image image_of(const struct stat& status) {
  return {status.st_dev, status.st_ino, status.st_size, nanoseconds_of(status.st_mtim),
          nanoseconds_of(status.st_ctim)};
}

std::optional<std::uint64_t> parse_start_time(std::string_view stat) {
  // "id (name) state parent …": the name may hold anything, also ") ".
  const std::size_t name_end = stat.rfind(") ");
  if (name_end == std::string_view::npos) return std::nullopt;
  stat.remove_prefix(name_end + 2);
  if (stat.empty() || stat[0] == 'Z' || stat[0] == 'X' || stat[0] == 'x') return std::nullopt;
  constexpr int kBefore = 19;  // state is field 3
  for (int field = 0; field < kBefore; ++field) {
    const std::size_t end = stat.find(' ');
    if (end == std::string_view::npos) return std::nullopt;
    stat.remove_prefix(end + 1);
  }
  std::uint64_t ticks = 0;
  const auto [end, error] = std::from_chars(stat.data(), stat.data() + stat.size(), ticks);
  if (error != std::errc() || end == stat.data() + stat.size() || *end != ' ') return std::nullopt;
  return ticks;
}

std::optional<Process> Process::hold(pid_t id, net::Descriptor pidfd) {
  if (id <= 0 || !pidfd || !proc_is_ours()) return std::nullopt;
  const std::string path = "/proc/" + std::to_string(id);
  net::Descriptor folder(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  // Still running after its folder was opened: so the folder is its own.
  if (!folder || has_ended(pidfd)) return std::nullopt;
  Process held(std::move(folder), id);
  const std::optional<std::string> stat = held.read("stat");
  const std::optional<std::uint64_t> start = stat ? parse_start_time(*stat) : std::nullopt;
  if (!start) return std::nullopt;
  held.start_time_ = *start;
  held.image_ = held.current_image();
  return held;
}

std::optional<std::string> Process::read(const char* name) const {
  const net::Descriptor file(::openat(folder_.get(), name, O_RDONLY | O_CLOEXEC));
  return file ? read_all(file.get(), kTextMax) : std::nullopt;
}

std::optional<Image> Process::current_image() const {
  struct stat status{};
  if (::fstatat(folder_.get(), "exe", &status, 0) != 0) return std::nullopt;
  return image_of(status);
}

bool Process::is_alive() const {
  const std::optional<std::string> stat = read("stat");
  return stat && parse_start_time(*stat) == start_time_;
}

net::Descriptor Process::open_executable() const {
  return net::Descriptor(::openat(folder_.get(), "exe", O_RDONLY | O_CLOEXEC));
}

std::string Process::shown_path() const { return read_link(folder_.get(), "exe").value_or(""); }

std::optional<std::string> Process::certain_path() const {
  std::string path = shown_path();
  struct stat status{};
  if (!image_ || path.empty() || path[0] != '/' || ::lstat(path.c_str(), &status) != 0) {
    return std::nullopt;
  }
  const Image there = image_of(status);
  if (there.device != image_->device || there.inode != image_->inode) return std::nullopt;
  return path;
}

std::optional<Cgroup> Process::cgroup() const {
  const std::optional<std::string> text = read("cgroup");
  return text ? parse_cgroup(*text) : std::nullopt;
}

}  // namespace mandated::attest
