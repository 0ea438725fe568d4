#include "proxy/base/event.h"

#include <boost/asio/redirect_error.hpp>

namespace mandated {

Event::Event(Executor executor) : timer_(executor, std::chrono::steady_clock::time_point::max()) {}

Task<void> Event::wait() {
  if (!notified_) {
    MANDATED_ASSERT(!waiting_);
    waiting_ = true;
    boost::system::error_code ignored;  // the timer never expires: it ends only by notify's cancel
    co_await timer_.async_wait(boost::asio::redirect_error(use_task, ignored));
    waiting_ = false;
  }
  notified_ = false;
}

void Event::notify() {
  if (notified_) return;
  notified_ = true;
  if (waiting_) timer_.cancel();
}

}  // namespace mandated
