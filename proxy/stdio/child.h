// A started server as lines in and lines out. The one place where processes are made stands behind
// this interface, so that tests and the simulator hand in servers that live in memory.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "proxy/base/task.h"

namespace mandated::stdio {

/// One running server. Owned by one executor. Destroyed while it runs, it is killed with its group.
class Child {
 public:
  virtual ~Child() = default;

  /// The next line of its standard output, without the newline. kEnd when it will write no more;
  /// kTooLarge when a line was longer than the limit: that line is gone, reading may go on. One
  /// reader at a time.
  virtual Task<Result<std::string>> read_line() = 0;

  /// All of `bytes` to its standard input; waits while the server does not read. One writer at a
  /// time. `bytes` outlive the call.
  virtual Task<Result<void>> write(std::string_view bytes) = 0;

  /// Begins to end it: standard input is closed (a pending write fails), and whoever has not left
  /// after a grace is told to (SIGTERM to the group), then killed. May be called twice.
  virtual void end() = 0;

  /// Kills it and its group at once.
  virtual void kill() = 0;

  /// Returns when it has exited, after its group was killed. One waiter at a time.
  virtual Task<void> exited() = 0;
};
using ChildPtr = std::unique_ptr<Child>;

class ChildFactory {
 public:
  virtual ~ChildFactory() = default;
  virtual Result<ChildPtr> start() = 0;
};

}  // namespace mandated::stdio
