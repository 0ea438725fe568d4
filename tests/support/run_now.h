// Runs a coroutine that needs no waiting to its end, and gives its result.
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <exception>
#include <optional>
#include <utility>

#include "proxy/base/task.h"

namespace mandated::test {

template <class T>
Task<void> keep_result(Task<T> task, std::optional<T>& result) {
  result.emplace(co_await std::move(task));
}

/// Aborts when the task waits for something that does not come.
template <class T>
T run_now(Task<T> task) {
  boost::asio::io_context context;
  std::optional<T> result;
  boost::asio::co_spawn(context, keep_result(std::move(task), result),
                        [](const std::exception_ptr& escaped) {
                          if (escaped) std::rethrow_exception(escaped);
                        });
  context.run();
  MANDATED_ASSERT(result.has_value());
  return std::move(*result);
}

inline void run_now(Task<void> task) {
  boost::asio::io_context context;
  bool done = false;
  boost::asio::co_spawn(context, std::move(task), [&done](const std::exception_ptr& escaped) {
    if (escaped) std::rethrow_exception(escaped);
    done = true;
  });
  context.run();
  MANDATED_ASSERT(done);
}

}  // namespace mandated::test
