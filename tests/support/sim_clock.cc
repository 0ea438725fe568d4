#include "tests/support/sim_clock.h"

namespace mandated::test {

namespace {

constexpr Clock::Time kStart{std::chrono::seconds(1'000'000)};
constexpr Clock::WallTime kWallStart{std::chrono::seconds(1'780'272'000)};

}  // namespace

class SimClock::SimTimer final : public Clock::Timer {
 public:
  SimTimer(SimClock& clock, Key key) : clock_(clock), key_(key) {}
  ~SimTimer() override { clock_.timers_.erase(key_); }

 private:
  SimClock& clock_;
  Key key_;
};

SimClock::SimClock(boost::asio::io_context& context) : context_(context), now_(kStart) {}

Clock::WallTime SimClock::wall() const {
  return kWallStart + std::chrono::duration_cast<WallTime::duration>(now_ - kStart + wall_offset_);
}

std::unique_ptr<Clock::Timer> SimClock::call_at(Time when, std::function<void()> callback) {
  const Key key(when, ++made_);
  timers_.emplace(key, std::move(callback));
  return std::make_unique<SimTimer>(*this, key);
}

void SimClock::run_ready() {
  context_.restart();
  while (context_.poll() > 0) {
  }
}

bool SimClock::step() {
  run_ready();
  if (timers_.empty()) return false;
  auto first = timers_.begin();
  if (first->first.first > now_) now_ = first->first.first;
  // The callback may destroy its own timer: it leaves the map first.
  const std::function<void()> callback = std::move(first->second);
  timers_.erase(first);
  callback();
  run_ready();
  return true;
}

void SimClock::advance(Duration duration) {
  const Time target = now_ + duration;
  run_ready();
  while (!timers_.empty() && timers_.begin()->first.first <= target) step();
  now_ = target;
  run_ready();
}

bool SimClock::run_until(const std::function<bool()>& done, Duration longest) {
  const Time target = now_ + longest;
  run_ready();
  while (!done() && !timers_.empty() && timers_.begin()->first.first <= target) step();
  return done();
}

}  // namespace mandated::test
