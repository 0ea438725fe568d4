// A folder that belongs to this user alone: the authority's key, the consent service's passkeys.
// Everything is done relative to the opened folder, so that swapping a path component afterwards
// changes nothing.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proxy/base/result.h"

namespace mandated::identity {

class StateFolder {
 public:
  enum class Missing { kCreate, kFail };
  /// kStorage when it is a symbolic link, another user's, or open to others; kNotFound when it is
  /// missing and not to be created.
  static Result<StateFolder> open(const std::string& path, Missing missing);

  StateFolder(StateFolder&& other) noexcept
      : descriptor_(std::exchange(other.descriptor_, -1)), path_(std::move(other.path_)) {}
  StateFolder& operator=(StateFolder&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    std::swap(path_, other.path_);
    return *this;
  }
  StateFolder(const StateFolder&) = delete;
  StateFolder& operator=(const StateFolder&) = delete;
  ~StateFolder();

  const std::string& path() const { return path_; }

  /// The whole file, or nullopt when there is none. kStorage when others may read or write it.
  Result<std::optional<std::string>> read(const std::string& name, std::size_t bytes_max) const;
  /// All or nothing, and on the disk when it returns; mode 0600. Under the lock.
  Result<void> replace(const std::string& name, std::string_view bytes) const;

  /// The names of all files that end so, sorted. kTooLarge when there are more than `count_max`.
  Result<std::vector<std::string>> list(std::string_view ending, std::size_t count_max) const;
  /// kNotFound when there is none of that name. Under the lock.
  Result<void> remove(const std::string& name) const;

  /// Held until destroyed, against other processes.
  class Lock {
   public:
    explicit Lock(int descriptor) : descriptor_(descriptor) {}
    Lock(Lock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
    Lock(const Lock&) = delete;
    Lock& operator=(const Lock&) = delete;
    Lock& operator=(Lock&&) = delete;
    ~Lock();

   private:
    int descriptor_;
  };
  /// kWait blocks the thread, at most five seconds: for start-up only. kUnavailable when it stays
  /// taken.
  enum class Patience { kNone, kWait };
  Result<Lock> lock(Patience patience) const;

 private:
  StateFolder(int descriptor, std::string path) : descriptor_(descriptor), path_(std::move(path)) {}
  Failure failure(const std::string& name, std::string_view why) const;

  int descriptor_;
  std::string path_;
};

}  // namespace mandated::identity
