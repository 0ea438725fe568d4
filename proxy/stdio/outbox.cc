#include "proxy/stdio/outbox.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <utility>

#include "proxy/protocol/sse.h"
#include "proxy/stdio/call_on.h"

namespace mandated::stdio {

Outbox::Outbox(Clock& clock, const OutboxLimits& limits, Clock::Time deadline)
    : clock_(clock), limits_(limits), deadline_(deadline), wake_(clock.executor()) {}

bool Outbox::offer(std::string message) {
  if (over_ || left_ || messages_.size() >= limits_.messages_max ||
      bytes_ + message.size() > limits_.bytes_max) {
    return false;
  }
  bytes_ += message.size();
  messages_.push_back(std::move(message));
  wake_.notify();
  return true;
}

void Outbox::finish(std::string message, int status) {
  if (over_) return;
  status_ = status;
  over_ = true;
  has_last_ = true;
  bytes_ += message.size();
  messages_.push_back(std::move(message));
  wake_.notify();
}

void Outbox::end(std::optional<Error> error) {
  if (over_) return;
  over_ = true;
  error_ = std::move(error);
  wake_.notify();
}

Task<void> Outbox::wait(Clock::Time until) {
  const auto timer = clock_.call_at(until, [this] { wake_.notify(); });
  while (messages_.empty() && !over_ && clock_.now() < until) co_await wake_.wait();
}

std::optional<std::string> Outbox::take() {
  if (messages_.empty()) return std::nullopt;
  std::string message = std::move(messages_.front());
  messages_.pop_front();
  bytes_ -= message.size();
  return message;
}

void Outbox::leave() {
  if (std::exchange(left_, true)) return;
  if (const auto callback = std::exchange(on_leave_, nullptr); callback && !has_last_) callback();
}

namespace {

Task<Result<std::string>> read_piece(std::shared_ptr<Outbox> outbox, Clock::Duration keep_alive) {
  const Clock::Time now = outbox->clock().now();
  const Clock::Time deadline = outbox->deadline();
  if (outbox->empty() && !outbox->over()) {
    const Clock::Time until = deadline - now > keep_alive ? now + keep_alive : deadline;
    co_await outbox->wait(until);
  }
  if (auto message = outbox->take()) {
    protocol::SseEvent event;
    event.data = std::move(*message);
    co_return protocol::write_sse(event);
  }
  if (outbox->error()) co_return tl::unexpected(*outbox->error());
  if (outbox->over()) co_return std::string();
  if (outbox->clock().now() >= deadline) {
    co_return fail(Code::kTimeout, Side::kUpstream, "the server did not answer in time");
  }
  co_return std::string(protocol::kSseKeepAlive);
}

class OutboxBody final : public http::Body {
 public:
  OutboxBody(std::shared_ptr<Outbox> outbox, Clock::Duration keep_alive)
      : home_(outbox->clock().executor()), outbox_(std::move(outbox)), keep_alive_(keep_alive) {}
  OutboxBody(const OutboxBody&) = delete;
  OutboxBody& operator=(const OutboxBody&) = delete;
  ~OutboxBody() override {
    boost::asio::post(home_, [outbox = std::move(outbox_)] { outbox->leave(); });
  }

  Task<Result<std::string>> read() override {
    return call_on(home_, read_piece(outbox_, keep_alive_));
  }

 private:
  Executor home_;
  std::shared_ptr<Outbox> outbox_;
  Clock::Duration keep_alive_;
};

}  // namespace

http::Response stream_response(std::shared_ptr<Outbox> outbox, Clock::Duration keep_alive) {
  http::Response response;
  response.head.status = 200;
  response.head.fields.add("content-type", "text/event-stream");
  response.head.fields.add("cache-control", "no-cache, no-transform");
  response.head.fields.add("x-accel-buffering", "no");
  response.body = std::make_unique<OutboxBody>(std::move(outbox), keep_alive);
  return response;
}

}  // namespace mandated::stdio
