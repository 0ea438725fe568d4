// From one worker to another and back: a session lives on one worker, but its requests come in on
// all of them.
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <utility>

#include "proxy/base/task.h"

namespace mandated::stdio {

/// Runs `task` on `home` and gives its result to the caller, who goes on on his own executor. The
/// task's parameters must be its own (by value). `home` must run until the task is done.
template <class T>
Task<T> call_on(Executor home, Task<T> task) {
  if (home.running_in_this_thread()) co_return co_await std::move(task);
  co_return co_await boost::asio::co_spawn(home, std::move(task), use_task);
}

}  // namespace mandated::stdio
