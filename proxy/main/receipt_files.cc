// Plain POSIX files: a private key must never exist with wider permissions, not even for a moment.
#include "proxy/main/receipt_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstring>

#include "filters/receipt/anchor.h"
#include "filters/receipt/tokens.h"
#include "proxy/base/clock.h"
#include "proxy/base/file.h"

namespace mandated {
namespace {

constexpr std::size_t kFileBytesMax = 4U << 20U;

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ > STDERR_FILENO) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

tl::unexpected<std::string> system_error(const std::string& path, std::string_view doing) {
  return tl::unexpected("cannot " + std::string(doing) + " " + path + ": " + std::strerror(errno));
}

}  // namespace

Read<std::string> read_file(const std::string& path) {
  const Descriptor file(path == "-" ? STDIN_FILENO : ::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) return system_error(path, "open");
  std::optional<std::string> text = read_all(file.get(), kFileBytesMax);
  if (text) return std::move(*text);
  if (errno == EFBIG) return tl::unexpected(path + " is longer than 4 MiB");
  return system_error(path, "read");
}

Read<std::string> read_argument(const std::string& argument) {
  return argument.starts_with('@') ? read_file(argument.substr(1)) : Read<std::string>(argument);
}

Read<void> write_file(const std::string& path, std::string_view text, Overwrite overwrite) {
  const int mode = overwrite == Overwrite::kNo ? O_EXCL : O_TRUNC;
  const Descriptor file(
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | mode, S_IRUSR | S_IWUSR));
  if (file.get() < 0) return system_error(path, "create");
  if (!write_all(file.get(), text) || ::fsync(file.get()) != 0) return system_error(path, "write");
  return {};
}

Read<json::Document> parse_json(std::string_view text, std::string_view what) {
  auto document = json::Document::parse(text);
  if (!document)
    return tl::unexpected(std::string(what) + " is not strict JSON: " + document.error().text);
  return std::move(*document);
}

Read<receipt::PublicKey> read_public_key(const std::string& path) {
  const auto document =
      read_file(path).and_then([&](const std::string& text) { return parse_json(text, path); });
  if (!document) return tl::unexpected(document.error());
  auto key = receipt::PublicKey::from_jwk(document->root());
  if (!key) return tl::unexpected(path + ": " + key.error().sentence);
  return *key;
}

Read<receipt::PrivateKey> read_private_key(const std::string& path) {
  const auto document =
      read_file(path).and_then([&](const std::string& text) { return parse_json(text, path); });
  if (!document) return tl::unexpected(document.error());
  auto key = receipt::PrivateKey::from_jwk(document->root());
  if (!key) return tl::unexpected(path + ": " + key.error().sentence);
  return *key;
}

Read<receipt::AnchorSet> read_anchor_files(const std::vector<std::string>& paths) {
  std::vector<receipt::Anchor> anchors;
  for (const std::string& path : paths) {
    const auto document =
        read_file(path).and_then([&](const std::string& text) { return parse_json(text, path); });
    if (!document) return tl::unexpected(document.error());
    const auto read = receipt::read_anchors(document->root());
    if (read.empty()) {
      const auto alone = receipt::read_anchor(document->root());
      return tl::unexpected(path + " holds no trust anchor: " + alone.error().sentence);
    }
    anchors.insert(anchors.end(), read.begin(), read.end());
  }
  return receipt::AnchorSet(std::move(anchors));
}

Read<std::vector<std::string>> read_chain_file(const std::string& path) {
  const auto document =
      read_file(path).and_then([&](const std::string& text) { return parse_json(text, path); });
  if (!document) return tl::unexpected(document.error());
  if (!document->root().is_array())
    return tl::unexpected(path + " is not a JSON array of receipts");
  auto tokens = receipt::read_tokens(document->root());
  if (!tokens) return tl::unexpected(path + " holds something that is no receipt");
  return std::move(*tokens);
}

std::optional<double> parse_duration(std::string_view text) {
  double total = 0;
  if (text.empty()) return std::nullopt;
  while (!text.empty()) {
    std::uint32_t count = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
    if (error != std::errc{} || end == text.data() + text.size()) return std::nullopt;
    switch (*end) {
      case 's':
        total += count;
        break;
      case 'm':
        total += 60.0 * count;
        break;
      case 'h':
        total += 3600.0 * count;
        break;
      case 'd':
        total += 86400.0 * count;
        break;
      default:
        return std::nullopt;
    }
    text.remove_prefix(static_cast<std::size_t>(end - text.data()) + 1);
  }
  return total;
}

std::optional<double> parse_time(std::string_view text) {
  double seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error == std::errc{} && end == text.data() + text.size()) return seconds;
  constexpr std::string_view kForm = "2026-07-28T12:00:00Z";
  if (text.size() != kForm.size()) return std::nullopt;
  int year = 0;
  unsigned month = 0;
  unsigned day = 0;
  int hour = 0;
  int minute = 0;
  int second = 0;
  int taken = 0;
  if (std::sscanf(std::string(text).c_str(), "%4d-%2u-%2uT%2d:%2d:%2dZ%n", &year, &month, &day,
                  &hour, &minute, &second, &taken) != 6 ||
      taken != static_cast<int>(kForm.size())) {
    return std::nullopt;
  }
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(month),
                                         std::chrono::day(day)};
  const bool clock =
      hour >= 0 && hour < 24 && minute >= 0 && minute < 60 && second >= 0 && second < 60;
  if (!date.ok() || !clock) return std::nullopt;
  const auto days = std::chrono::sys_days(date).time_since_epoch().count();
  return 86400.0 * static_cast<double>(days) + 3600.0 * hour + 60.0 * minute + second;
}

Read<double> time_of(const std::string& text) {
  if (text.empty()) {
    boost::asio::io_context context;
    return RealClock(context).wall_seconds();
  }
  const auto time = parse_time(text);
  if (!time)
    return tl::unexpected(text + " is no time; write 2026-07-28T12:00:00Z or seconds since 1970");
  return *time;
}

}  // namespace mandated
