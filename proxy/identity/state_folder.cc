#include "proxy/identity/state_folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <memory>
#include <system_error>
#include <thread>

#include "proxy/base/file.h"

namespace mandated::identity {

namespace {

constexpr char kLockName[] = "lock";
constexpr int kLockTries = 500;
constexpr std::chrono::milliseconds kLockPause{10};

std::string errno_text() { return std::generic_category().message(errno); }

class File {
 public:
  explicit File(int descriptor) : descriptor_(descriptor) {}
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  int get() const { return descriptor_; }

 private:
  int descriptor_;
};

/// Empty when only this user can get at it.
std::string_view exposure(const struct stat& status) {
  if (status.st_uid != ::geteuid()) return "it belongs to another user";
  if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    return "it is open to others; take their access away (chmod go=)";
  }
  return {};
}

/// "a/b//" as "a/b": with a slash at the end, O_NOFOLLOW would follow a link.
std::string without_end_slash(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

void create_folders(const std::string& path) {
  for (std::size_t slash = path.find('/', 1); slash != std::string::npos;
       slash = path.find('/', slash + 1)) {
    ::mkdir(path.substr(0, slash).c_str(), S_IRWXU);
  }
  ::mkdir(path.c_str(), S_IRWXU);  // what went wrong shows when it is opened
}

}  // namespace

Failure StateFolder::failure(const std::string& name, std::string_view why) const {
  return fail(Code::kStorage, path_ + "/" + name + ": " + std::string(why));
}

Result<StateFolder> StateFolder::open(const std::string& given, Missing missing) {
  const std::string path = without_end_slash(given);
  const auto unfit = [&path](std::string_view why) {
    return fail(Code::kStorage, "state folder " + path + ": " + std::string(why));
  };
  if (path.empty()) return unfit("no path given");
  if (missing == Missing::kCreate) create_folders(path);
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (descriptor < 0) {
    if (errno == ENOENT && missing == Missing::kFail) {
      return fail(Code::kNotFound, "state folder " + path + " does not exist");
    }
    struct stat status{};
    if (::lstat(path.c_str(), &status) == 0 && S_ISLNK(status.st_mode)) {
      return unfit("it is a symbolic link");
    }
    return unfit(errno_text());
  }
  StateFolder folder(descriptor, path);
  struct stat status{};
  if (::fstat(descriptor, &status) != 0) return unfit(errno_text());
  if (const std::string_view why = exposure(status); !why.empty()) return unfit(why);
  return folder;
}

StateFolder::~StateFolder() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Result<std::optional<std::string>> StateFolder::read(const std::string& name,
                                                     std::size_t bytes_max) const {
  const File file(
      ::openat(descriptor_, name.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0) {
    if (errno == ENOENT) return std::nullopt;
    return failure(name, errno == ELOOP ? "it is a symbolic link" : errno_text());
  }
  struct stat status{};
  if (::fstat(file.get(), &status) != 0) return failure(name, errno_text());
  if (!S_ISREG(status.st_mode)) return failure(name, "it is no regular file");
  if (const std::string_view why = exposure(status); !why.empty()) return failure(name, why);
  if (static_cast<std::size_t>(status.st_size) > bytes_max) return failure(name, "it is too large");
  std::string bytes(static_cast<std::size_t>(status.st_size), '\0');
  std::size_t have = 0;
  while (have < bytes.size()) {
    const ssize_t size = ::read(file.get(), bytes.data() + have, bytes.size() - have);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return failure(name, "it cannot be read whole");
    have += static_cast<std::size_t>(size);
  }
  return bytes;
}

Result<void> StateFolder::replace(const std::string& name, std::string_view bytes) const {
  const std::string fresh = name + ".new";
  ::unlinkat(descriptor_, fresh.c_str(), 0);  // of a run that died half-way
  const File file(::openat(descriptor_, fresh.c_str(),
                           O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                           S_IRUSR | S_IWUSR));
  if (file.get() < 0) return failure(fresh, errno_text());
  if (!write_all(file.get(), bytes) || ::fsync(file.get()) != 0 ||
      ::renameat(descriptor_, fresh.c_str(), descriptor_, name.c_str()) != 0 ||
      ::fsync(descriptor_) != 0) {
    const std::string why = errno_text();
    ::unlinkat(descriptor_, fresh.c_str(), 0);
    return failure(name, why);
  }
  return {};
}

Result<std::vector<std::string>> StateFolder::list(std::string_view ending,
                                                   std::size_t count_max) const {
  const int descriptor = ::openat(descriptor_, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return failure("", errno_text());
  const auto close = [](DIR* folder) { ::closedir(folder); };
  const std::unique_ptr<DIR, decltype(close)> folder(::fdopendir(descriptor), close);
  if (!folder) {
    ::close(descriptor);
    return failure("", errno_text());
  }
  std::vector<std::string> names;
  while (const dirent* const entry = ::readdir(folder.get())) {
    const std::string_view name = entry->d_name;
    if (!name.ends_with(ending)) continue;
    if (names.size() == count_max)
      return fail(Code::kTooLarge, path_ + " holds more files than " + std::to_string(count_max));
    names.emplace_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

Result<void> StateFolder::remove(const std::string& name) const {
  if (::unlinkat(descriptor_, name.c_str(), 0) == 0 && ::fsync(descriptor_) == 0) return {};
  if (errno == ENOENT) return fail(Code::kNotFound, path_ + " holds no " + name);
  return failure(name, errno_text());
}

Result<StateFolder::Lock> StateFolder::lock(Patience patience) const {
  const int descriptor = ::openat(descriptor_, kLockName, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC,
                                  S_IRUSR | S_IWUSR);
  if (descriptor < 0) return failure(kLockName, errno_text());
  Lock held(descriptor);
  for (int tries = patience == Patience::kWait ? kLockTries : 1;;) {
    if (::flock(descriptor, LOCK_EX | LOCK_NB) == 0) return held;
    if (errno != EWOULDBLOCK && errno != EINTR) return failure(kLockName, errno_text());
    if (--tries == 0) return fail(Code::kUnavailable, path_ + ": another process holds the lock");
    std::this_thread::sleep_for(kLockPause);
  }
}

StateFolder::Lock::~Lock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

}  // namespace mandated::identity
