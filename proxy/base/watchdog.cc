#include "proxy/base/watchdog.h"

#include <utility>

namespace mandated {

Watchdog::Watchdog(Clock& clock, std::function<void()> on_expiry)
    : clock_(clock), on_expiry_(std::move(on_expiry)) {}

Watchdog::~Watchdog() = default;

void Watchdog::set_deadline(Clock::Time deadline) {
  deadline_ = deadline;
  expired_ = false;
  if (deadline < scheduled_) schedule(deadline);
}

void Watchdog::schedule(Clock::Time when) {
  scheduled_ = when;
  timer_ = clock_.call_at(when, [this] { fired(); });
}

void Watchdog::fired() {
  scheduled_ = kNever;
  if (deadline_ == kNever) return;
  if (clock_.now() < deadline_) {
    schedule(deadline_);
    return;
  }
  deadline_ = kNever;
  expired_ = true;
  on_expiry_();
}

}  // namespace mandated
