// Counts what is under way, so that nothing is forgotten at the end: coroutines are spawned through
// a Gate, and whoever owns the Gate waits for it to be empty before it goes. Draining tells the
// members to finish.
#pragma once

#include <cstddef>
#include <functional>
#include <list>

#include "proxy/base/event.h"
#include "proxy/base/task.h"

namespace mandated {

class Gate {
 public:
  explicit Gate(Executor executor);
  ~Gate();
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;

  /// Starts `task` on the gate's executor. An exception that escapes it is a bug: it is reported
  /// and the process aborts.
  void spawn(Task<void> task);
  std::size_t active() const { return active_; }
  /// Waits until nothing spawned here runs any more. One waiter at a time.
  Task<void> wait_empty();

  /// Tells every registered member, once, to finish what it has and take nothing new.
  void drain();
  bool draining() const { return draining_; }

  /// A callback that drain() calls; removed when the registration goes.
  class Registration {
   public:
    Registration(Gate& gate, std::function<void()> on_drain);
    ~Registration();
    Registration(const Registration&) = delete;
    Registration& operator=(const Registration&) = delete;

   private:
    Gate& gate_;
    std::list<std::function<void()>>::iterator position_;
  };

 private:
  Executor executor_;
  Event empty_;
  std::size_t active_ = 0;
  bool draining_ = false;
  std::list<std::function<void()>> on_drain_;
};

}  // namespace mandated
