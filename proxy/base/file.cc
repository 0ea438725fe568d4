#include "proxy/base/file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace mandated {

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

}  // namespace mandated
