// Time as the program sees it. The real clock stands on one io_context; the simulator has its own
// (tests/sim), so that hours pass in milliseconds. Nothing outside base/ asks the operating system
// for the time.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>

#include "proxy/base/task.h"

namespace mandated {

class Clock {
 public:
  using Time = std::chrono::steady_clock::time_point;      ///< monotonic: deadlines
  using WallTime = std::chrono::system_clock::time_point;  ///< UTC: certificates, receipts, records
  using Duration = std::chrono::nanoseconds;

  virtual ~Clock() = default;
  virtual Time now() const = 0;
  virtual WallTime wall() const = 0;
  virtual Executor executor() = 0;

  /// Cancels its callback when destroyed.
  class Timer {
   public:
    virtual ~Timer() = default;
  };
  /// Calls `callback` once on this clock's executor, at `when` or soon after.
  [[nodiscard]] virtual std::unique_ptr<Timer> call_at(Time when,
                                                       std::function<void()> callback) = 0;

  Task<void> sleep_until(Time when);
  Task<void> sleep_for(Duration duration) { return sleep_until(now() + duration); }

  /// Wall time in seconds since the epoch, with fraction: NumericDate of RFC 7519.
  double wall_seconds() const;
};

/// The operating system's clocks. `wall_offset` shifts wall time only; it serves demonstrations and
/// tests of expiry.
class RealClock final : public Clock {
 public:
  explicit RealClock(boost::asio::io_context& context,
                     std::chrono::seconds wall_offset = std::chrono::seconds(0));
  Time now() const override;
  WallTime wall() const override;
  Executor executor() override;
  std::unique_ptr<Timer> call_at(Time when, std::function<void()> callback) override;

 private:
  boost::asio::io_context& context_;
  std::chrono::seconds wall_offset_;
};

}  // namespace mandated
