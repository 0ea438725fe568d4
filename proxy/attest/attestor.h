// What can be told for certain about a process at the other end of a Unix socket. Executables are
// hashed on a thread of their own and remembered, so that a worker neither waits for a disk nor
// hashes the same interpreter for each connection. One for the whole process; any thread.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "proxy/attest/process.h"
#include "proxy/base/clock.h"
#include "proxy/identity/identity.h"

namespace mandated::attest {

class Attestor {
 public:
  /// An executable that is larger is not hashed.
  static constexpr std::int64_t kExecutableMax = std::int64_t{1} << 30;

  Attestor();
  ~Attestor();
  Attestor(const Attestor&) = delete;
  Attestor& operator=(const Attestor&) = delete;

  /// The process as selectors. What cannot be told is left out. `clock` is the caller's.
  Task<identity::InstancePtr> attest(const Process& process, const net::PeerCredentials& peer,
                                     Clock& clock);
  /// SHA-256 (hex) of what the process runs now, if that is still `image`; empty if not, or if it
  /// cannot be read.
  Task<std::string> hash(const Process& process, Image image, Clock& clock);

  /// How many files were read so far.
  std::uint64_t files_read() const;

 private:
  struct Job;
  void run();

  mutable std::mutex mutex_;  // guards the next four
  std::map<Image, std::string> hashes_;
  std::deque<std::shared_ptr<Job>> queue_;
  std::uint64_t files_read_ = 0;
  bool stopping_ = false;
  std::condition_variable wake_;
  std::thread thread_;
};

}  // namespace mandated::attest
