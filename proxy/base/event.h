// A wake-up between coroutines of one worker: one waits, any notify. Auto-reset: a notify with
// nobody waiting is kept, once. Waiters live in the io_context, so that dropping it frees their
// frames.
#pragma once

#include <boost/asio/basic_waitable_timer.hpp>
#include <chrono>

#include "proxy/base/task.h"

namespace mandated {

class Event {
 public:
  explicit Event(Executor executor);
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  /// Returns once notified. At most one coroutine waits at a time.
  Task<void> wait();
  void notify();

 private:
  boost::asio::basic_waitable_timer<std::chrono::steady_clock,
                                    boost::asio::wait_traits<std::chrono::steady_clock>, Executor>
      timer_;
  bool notified_ = false;
  bool waiting_ = false;
};

}  // namespace mandated
