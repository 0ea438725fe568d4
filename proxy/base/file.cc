#include "proxy/base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>

namespace mandated {

namespace {

// What was read may have been a key: nothing of it stays on the stack.
struct WipedBuffer {
  std::array<char, 65536> bytes;
  ~WipedBuffer() { ::explicit_bzero(bytes.data(), bytes.size()); }
};

}  // namespace

std::optional<std::string> read_all(int descriptor, std::size_t bytes_max) {
  std::string bytes;
  WipedBuffer wiped;
  auto& buffer = wiped.bytes;
  while (true) {
    const ssize_t count = ::read(descriptor, buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return std::nullopt;
    if (count == 0) return bytes;
    bytes.append(buffer.data(), static_cast<std::size_t>(count));
    if (bytes.size() <= bytes_max) continue;
    errno = EFBIG;
    return std::nullopt;
  }
}

std::optional<std::string> read_file(const std::string& path, std::size_t bytes_max) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return std::nullopt;
  std::optional<std::string> bytes = read_all(descriptor, bytes_max);
  const int why = errno;
  ::close(descriptor);
  errno = why;
  return bytes;
}

bool write_all(int descriptor, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

namespace {

// A rename outlives a crash once its folder is synced.
bool sync_folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return false;
  const bool synced = ::fsync(descriptor) == 0;
  ::close(descriptor);
  return synced;
}

}  // namespace

Result<void> replace_file(const std::string& path, std::string_view text, mode_t mode) {
  const auto unwritten = [&path] {
    return fail(Code::kStorage, path + ": " + std::generic_category().message(errno));
  };
  const std::string fresh = path + ".new";
  ::unlink(fresh.c_str());
  const int descriptor =
      ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
  if (descriptor < 0) return unwritten();
  const bool whole = write_all(descriptor, text) && ::fsync(descriptor) == 0;
  ::close(descriptor);
  if (!whole || ::rename(fresh.c_str(), path.c_str()) != 0) {
    const Failure failure = unwritten();
    ::unlink(fresh.c_str());
    return failure;
  }
  if (!sync_folder_of(path)) return unwritten();
  return {};
}

Result<std::string> read_secret(const std::string& path) {
  constexpr std::size_t kSecretBytesMax = 1024;
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) {
    return fail(Code::kInvalidConfig, path + ": " + std::generic_category().message(errno));
  }
  struct stat status{};
  std::array<char, kSecretBytesMax + 2> buffer{};
  const bool known = ::fstat(descriptor, &status) == 0;
  const ssize_t count = known ? ::read(descriptor, buffer.data(), buffer.size()) : -1;
  ::close(descriptor);
  if (!known || !S_ISREG(status.st_mode) || count < 0) {
    return fail(Code::kInvalidConfig, path + ": it is no file that can be read");
  }
  if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    return fail(Code::kInvalidConfig, path + ": others than its owner can read it; set mode 0600");
  }
  std::string secret(buffer.data(), static_cast<std::size_t>(count));
  if (secret.ends_with('\n')) secret.pop_back();
  if (secret.ends_with('\r')) secret.pop_back();
  if (secret.empty() || secret.size() > kSecretBytesMax) {
    return fail(Code::kInvalidConfig, path + ": expected a password of 1 to 1024 bytes");
  }
  return secret;
}

}  // namespace mandated
