// One process, held so that nothing else can take its place: by its folder in /proc, which stays
// that process's (and becomes useless when it ends), whoever gets its id afterwards. All of it is a
// few system calls; no file's content is read here.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "proxy/attest/cgroup.h"
#include "proxy/net/descriptor.h"
#include "proxy/net/stream.h"

namespace mandated::attest {

/// The file that a process runs, as it was at one moment: a changed file has another.
struct Image {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::int64_t size = 0;
  std::int64_t modified_ns = 0;
  std::int64_t changed_ns = 0;  ///< nobody can set it back
  auto operator<=>(const Image&) const = default;
};
Image image_of(const struct stat& status);

/// Field 22 of /proc/PID/stat (proc(5)): clock ticks since boot. nullopt: the text is no such line,
/// or the process has ended and waits for its parent.
std::optional<std::uint64_t> parse_start_time(std::string_view stat);

class Process {
 public:
  /// `pidfd` vouches that `id` is still the process that is meant. nullopt: it has ended, or /proc
  /// is not that of our PID namespace, or does not show it (mount option hidepid).
  static std::optional<Process> hold(pid_t id, net::Descriptor pidfd);

  std::int64_t id() const { return id_; }
  std::uint64_t start_time() const { return start_time_; }
  /// What it ran when it was held; nullopt: we may not see that (another user's, without
  /// CAP_SYS_PTRACE; not dumpable).
  const std::optional<Image>& image() const { return image_; }
  /// What it runs now.
  std::optional<Image> current_image() const;
  /// Whether it runs at all.
  bool is_alive() const;
  /// The file that it runs, to be read, also where that was deleted; not open when we may not.
  net::Descriptor open_executable() const;
  /// The path of that file, if that is what is found there in our own file system: a process in
  /// another mount namespace can have any file at any path.
  std::optional<std::string> certain_path() const;
  /// As the kernel prints it: a container's own path, or one with " (deleted)" behind it.
  std::string shown_path() const;
  std::optional<Cgroup> cgroup() const;

 private:
  Process(net::Descriptor folder, std::int64_t id) : folder_(std::move(folder)), id_(id) {}
  std::optional<std::string> read(const char* name) const;

  net::Descriptor folder_;
  std::int64_t id_ = 0;
  std::uint64_t start_time_ = 0;
  std::optional<Image> image_;
};

}  // namespace mandated::attest
