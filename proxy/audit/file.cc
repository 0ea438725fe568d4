#include "proxy/audit/file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>

#include "proxy/base/file.h"
#include "proxy/json/json.h"

namespace mandated::audit {

namespace {

Failure system_failure(const std::string& what) {
  const int error = errno;
  return fail(Code::kStorage, what + ": " + std::strerror(error));
}

/// Owns a descriptor until released.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

Result<void> write_bytes(int fd, std::string_view bytes, const std::string& path) {
  if (!write_all(fd, bytes)) return system_failure("writing " + path);
  return {};
}

class PosixFile final : public File {
 public:
  PosixFile(Descriptor descriptor, std::string path)
      : descriptor_(std::move(descriptor)), path_(std::move(path)) {}

  Result<void> append(std::string_view bytes) override {
    return write_bytes(descriptor_.get(), bytes, path_);
  }
  Result<void> sync() override {
    if (::fdatasync(descriptor_.get()) != 0) return system_failure("syncing " + path_);
    return {};
  }
  Result<void> truncate(std::uint64_t size) override {
    if (::ftruncate(descriptor_.get(), static_cast<off_t>(size)) != 0)
      return system_failure("cutting " + path_ + " back");
    return {};
  }

 private:
  Descriptor descriptor_;
  std::string path_;
};

Result<std::string> read_range(int fd, std::uint64_t begin, std::uint64_t end,
                               const std::string& path) {
  std::string bytes(end - begin, '\0');
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t got =
        ::pread(fd, bytes.data() + done, bytes.size() - done, static_cast<off_t>(begin + done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return system_failure("reading " + path);
    done += static_cast<std::size_t>(got);
  }
  return bytes;
}

/// A new file's name is durable only once its folder is.
Result<void> sync_folder(const std::string& path) {
  std::filesystem::path folder = std::filesystem::path(path).parent_path();
  if (folder.empty()) folder = ".";
  const Descriptor descriptor(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (descriptor.get() < 0 || ::fsync(descriptor.get()) != 0)
    return system_failure("syncing the folder of " + path);
  return {};
}

Result<std::uint64_t> lock_regular_file(int fd, const std::string& path) {
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return fail(Code::kStorage, path + " is in use by another process");
    return system_failure("locking " + path);
  }
  struct stat status{};
  if (::fstat(fd, &status) != 0) return system_failure("reading " + path);
  if (!S_ISREG(status.st_mode)) return fail(Code::kStorage, path + " is not a regular file");
  return static_cast<std::uint64_t>(status.st_size);
}

/// What a crash leaves of a line: its beginning, or blocks never written.
bool may_be_torn(std::string_view tail) {
  constexpr std::string_view kBegin = "{\"seq\":";
  const std::string_view begin = tail.substr(0, std::min(tail.size(), kBegin.size()));
  return kBegin.starts_with(begin) ||
         std::all_of(tail.begin(), tail.end(), [](char c) { return c == '\0'; });
}

Result<std::string> move_aside(std::string_view bytes, const std::string& path, std::uint64_t seq) {
  const std::string aside = path + ".torn-" + std::to_string(seq);
  const Descriptor descriptor(
      ::open(aside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (descriptor.get() < 0) return system_failure("opening " + aside);
  CHECK(write_bytes(descriptor.get(), bytes, aside));
  if (::fsync(descriptor.get()) != 0) return system_failure("syncing " + aside);
  return std::filesystem::path(aside).filename().string();
}

/// The end of the file: its last whole line, and what stands after it.
struct Tail {
  std::optional<std::string> line;
  std::string rest;
};
Result<Tail> read_tail(int fd, std::uint64_t size, const std::string& path) {
  const std::uint64_t begin = size > 2 * kLineBytesMax ? size - 2 * kLineBytesMax : 0;
  TRY(std::string bytes, read_range(fd, begin, size, path));
  Tail tail;
  const std::size_t last = bytes.rfind('\n');
  if (last == std::string::npos) {
    tail.rest = std::move(bytes);
    return tail;
  }
  tail.rest = bytes.substr(last + 1);
  const std::size_t before = last == 0 ? std::string::npos : bytes.rfind('\n', last - 1);
  const std::size_t first = before == std::string::npos ? 0 : before + 1;
  tail.line = bytes.substr(first, last - first);
  return tail;
}

}  // namespace

Result<LineHead> parse_line(std::string_view line) {
  json::Limits limits;
  limits.bytes_max = kLineBytesMax;
  limits.depth_max = 512;
  limits.structurals_max = kLineBytesMax;
  const auto document = json::Document::parse(line, limits);
  if (!document) return fail(Code::kMalformed, "is not JSON: " + document.error().text);
  const json::Value* const seq = document->root().find("seq");
  const std::optional<std::string_view> prev = document->root().find_string("prev");
  if (seq == nullptr || !seq->is_number() || seq->integer().value_or(-1) < 0 || !prev)
    return fail(Code::kMalformed, "is no audit record: seq or prev is missing");
  LineHead head;
  head.seq = static_cast<std::uint64_t>(*seq->integer());
  head.prev = *prev;
  if (document->root().find_string("phase") == "opened") {
    const json::Value* const format = document->root().find("format");
    const bool known = format != nullptr && format->is_number() && format->integer() == kFormat;
    if (!known) return fail(Code::kMalformed, "is of another format than 1");
  }
  return head;
}

Result<OpenedFile> open_file(const std::string& path) {
  Descriptor descriptor(
      ::open(path.c_str(), O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0600));
  if (descriptor.get() < 0) return system_failure("opening " + path);
  OpenedFile opened;
  TRY(opened.size, lock_regular_file(descriptor.get(), path));
  if (opened.size == 0) {
    CHECK(sync_folder(path));
  }
  TRY(const Tail tail, read_tail(descriptor.get(), opened.size, path));
  if (tail.line) {
    const Result<LineHead> last = parse_line(*tail.line);
    if (!last) {
      return fail(Code::kStorage,
                  path + ": the last line " + last.error().text + "; move the file away");
    }
    opened.chain = Chain(last->seq + 1, hash(*tail.line));
  }
  if (!tail.rest.empty()) {
    if (!may_be_torn(tail.rest) || tail.rest.size() > kLineBytesMax)
      return fail(Code::kStorage, path + ": is no audit file; move it away");
    opened.torn_bytes = tail.rest.size();
    TRY(opened.torn, move_aside(tail.rest, path, opened.chain.next_seq()));
    opened.size -= tail.rest.size();
    if (::ftruncate(descriptor.get(), static_cast<off_t>(opened.size)) != 0)
      return system_failure("cutting " + path + " back");
  }
  opened.file = std::make_unique<PosixFile>(std::move(descriptor), path);
  return opened;
}

}  // namespace mandated::audit
