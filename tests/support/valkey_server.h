// A real server for tests, on a Unix socket in a folder of its own, which ends with the test. Its
// program is in Debian's redis-tools, where it goes by another name.
#pragma once

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <string>

#include "proxy/base/result.h"

namespace mandated::test {

class ValkeyServer {
 public:
  explicit ValkeyServer(const std::string& folder) : folder_(folder) { start(); }
  ~ValkeyServer() { stop(); }
  ValkeyServer(const ValkeyServer&) = delete;
  ValkeyServer& operator=(const ValkeyServer&) = delete;

  std::string socket() const { return folder_ + "/valkey.sock"; }
  void start() {
    process_ = ::fork();
    MANDATED_ASSERT(process_ >= 0);
    if (process_ != 0) return;
    const int nothing = ::open("/dev/null", O_RDWR);
    for (const int stream : {0, 1, 2}) ::dup2(nothing, stream);
    const std::string path = socket();
    ::execlp("redis-check-rdb", "redis-server", "--port", "0", "--unixsocket", path.c_str(),
             "--dir", folder_.c_str(), "--save", "", "--appendonly", "yes", "--appendfsync",
             "always", nullptr);
    ::_exit(127);
  }
  void stop() {
    if (process_ <= 0) return;
    ::kill(process_, SIGKILL);
    ::waitpid(process_, nullptr, 0);
    process_ = -1;
    std::filesystem::remove(socket());
  }

 private:
  std::string folder_;
  pid_t process_ = -1;
};

}  // namespace mandated::test
