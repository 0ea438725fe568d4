// A clock that stands still until it is told to move: hours of time-outs pass in milliseconds, and
// the same run gives the same order of events every time. It drives the io_context of its test.
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <utility>

#include "proxy/base/clock.h"

namespace mandated::test {

class SimClock final : public Clock {
 public:
  /// Both times start at fixed values: 1 000 000 s, and 2026-06-01T00:00:00Z.
  explicit SimClock(boost::asio::io_context& context);

  Time now() const override { return now_; }
  WallTime wall() const override;
  Executor executor() override { return context_.get_executor(); }
  std::unique_ptr<Timer> call_at(Time when, std::function<void()> callback) override;

  /// Runs what is ready until nothing is; time stands still.
  void run_ready();
  /// run_ready(), then jumps to the next timer and runs what it started. False if there is no
  /// timer.
  bool step();
  /// Lets `duration` pass, stopping at every timer on the way.
  void advance(Duration duration);
  /// Steps until `done` is true or `longest` has passed; returns done().
  bool run_until(const std::function<bool()>& done, Duration longest = std::chrono::hours(1));
  /// Moves wall time only, as an operator or NTP would.
  void jump_wall(Duration by) { wall_offset_ += by; }
  std::size_t timers() const { return timers_.size(); }

 private:
  using Key = std::pair<Time, std::uint64_t>;  // equal times fire in the order of their making
  class SimTimer;

  boost::asio::io_context& context_;
  Time now_;
  Duration wall_offset_{0};
  std::uint64_t made_ = 0;
  std::map<Key, std::function<void()>> timers_;
};

}  // namespace mandated::test
