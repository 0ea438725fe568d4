#include "proxy/base/gate.h"

#include <boost/asio/co_spawn.hpp>
#include <cstdio>
#include <exception>

namespace mandated {

Gate::Gate(Executor executor) : executor_(executor), empty_(executor) {}

Gate::~Gate() = default;

void Gate::spawn(Task<void> task) {
  ++active_;
  boost::asio::co_spawn(executor_, std::move(task), [this](const std::exception_ptr& escaped) {
    if (escaped) {
      try {
        std::rethrow_exception(escaped);
      } catch (const std::exception& error) {
        std::fprintf(stderr, "mandated: an exception escaped a coroutine: %s\n", error.what());
      }
      std::abort();
    }
    if (--active_ == 0) empty_.notify();
  });
}

Task<void> Gate::wait_empty() {
  while (active_ > 0) co_await empty_.wait();
}

void Gate::drain() {
  if (draining_) return;
  draining_ = true;
  // A callback may end its own registration: step on before the call.
  for (auto next = on_drain_.begin(); next != on_drain_.end();) (next++)->operator()();
}

Gate::Registration::Registration(Gate& gate, std::function<void()> on_drain) : gate_(gate) {
  position_ = gate_.on_drain_.insert(gate_.on_drain_.end(), std::move(on_drain));
  if (gate_.draining_) (*position_)();
}

Gate::Registration::~Registration() { gate_.on_drain_.erase(position_); }

}  // namespace mandated
