#include "proxy/base/clock.h"

#include <gtest/gtest.h>

#include <thread>

namespace mandated {
namespace {

// Both have expired before the loop looks; the first to run destroys the other.
TEST(RealClock, ADestroyedTimerDoesNotCallThoughItHasExpired) {
  boost::asio::io_context context(1);
  RealClock clock(context);
  int fired = 0;
  std::unique_ptr<Clock::Timer> first;
  std::unique_ptr<Clock::Timer> second;
  const Clock::Time soon = clock.now() + std::chrono::milliseconds(1);
  first = clock.call_at(soon, [&] {
    ++fired;
    second.reset();
  });
  second = clock.call_at(soon, [&] {
    ++fired;
    first.reset();
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  context.run();
  EXPECT_EQ(fired, 1);
}

}  // namespace
}  // namespace mandated
