// A deadline that costs a store to move: one timer per watched thing, armed again only when it
// fires early. Every timeout of the proxy is one of these; on expiry the thing watched is closed,
// never reused.
#pragma once

#include <functional>
#include <memory>

#include "proxy/base/clock.h"

namespace mandated {

class Watchdog {
 public:
  static constexpr Clock::Time kNever = Clock::Time::max();

  /// `on_expiry` runs at most once per armed deadline, on the clock's executor.
  Watchdog(Clock& clock, std::function<void()> on_expiry);
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  void set_deadline(Clock::Time deadline);
  Clock::Time deadline() const { return deadline_; }
  bool expired() const { return expired_; }

 private:
  void schedule(Clock::Time when);
  void fired();

  Clock& clock_;
  std::function<void()> on_expiry_;
  Clock::Time deadline_ = kNever;
  Clock::Time scheduled_ = kNever;
  std::unique_ptr<Clock::Timer> timer_;
  bool expired_ = false;
};

}  // namespace mandated
