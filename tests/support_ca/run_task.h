// Runs one coroutine to its end on an io_context, from a test's plain function.
#pragma once

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <chrono>
#include <exception>
#include <optional>

#include "proxy/base/task.h"

namespace mandated::test {

/// What `task` returns. Fails the test and throws when it has not ended after a minute.
template <class T>
T run_task(boost::asio::io_context& context, Task<T> task) {
  std::optional<T> outcome;
  boost::asio::co_spawn(context, std::move(task), [&](const std::exception_ptr& escaped, T value) {
    if (escaped) std::rethrow_exception(escaped);
    outcome.emplace(std::move(value));
  });
  context.restart();
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!outcome && context.run_one_until(give_up) > 0) {
  }
  if (!outcome) throw std::runtime_error("the task did not end");
  return std::move(*outcome);
}

inline void run_task(boost::asio::io_context& context, Task<void> task) {
  bool done = false;
  boost::asio::co_spawn(context, std::move(task), [&](const std::exception_ptr& escaped) {
    if (escaped) std::rethrow_exception(escaped);
    done = true;
  });
  context.restart();
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!done && context.run_one_until(give_up) > 0) {
  }
  if (!done) throw std::runtime_error("the task did not end");
}

}  // namespace mandated::test
