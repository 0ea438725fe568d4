#include "proxy/base/clock.h"

#include <boost/asio/basic_waitable_timer.hpp>

#include "proxy/base/event.h"

namespace mandated {

namespace {

using SteadyTimer = boost::asio::basic_waitable_timer<
    std::chrono::steady_clock, boost::asio::wait_traits<std::chrono::steady_clock>, Executor>;

class RealTimer final : public Clock::Timer {
 public:
  RealTimer(Executor executor, Clock::Time when, std::function<void()> callback)
      : timer_(executor, when),
        callback_(std::make_shared<std::function<void()>>(std::move(callback))) {
    // An expired timer's handler is queued and can no longer be cancelled: it must find the
    // callback gone.
    timer_.async_wait([weak = std::weak_ptr<std::function<void()>>(callback_)](
                          const boost::system::error_code& error) {
      const std::shared_ptr<std::function<void()>> live = weak.lock();
      if (!error && live) (*live)();
    });
  }

 private:
  SteadyTimer timer_;
  std::shared_ptr<std::function<void()>> callback_;
};

}  // namespace

Task<void> Clock::sleep_until(Time when) {
  Event elapsed(executor());
  const std::unique_ptr<Timer> timer = call_at(when, [&elapsed] { elapsed.notify(); });
  co_await elapsed.wait();
}

double Clock::wall_seconds() const {
  return std::chrono::duration<double>(wall().time_since_epoch()).count();
}

RealClock::RealClock(boost::asio::io_context& context, std::chrono::seconds wall_offset)
    : context_(context), wall_offset_(wall_offset) {}

Clock::Time RealClock::now() const { return std::chrono::steady_clock::now(); }

Clock::WallTime RealClock::wall() const { return std::chrono::system_clock::now() + wall_offset_; }

Executor RealClock::executor() { return context_.get_executor(); }

std::unique_ptr<Clock::Timer> RealClock::call_at(Time when, std::function<void()> callback) {
  return std::make_unique<RealTimer>(context_.get_executor(), when, std::move(callback));
}

}  // namespace mandated
