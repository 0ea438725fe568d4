// What a server has said to one client request, or to a session's GET stream, and nobody has taken
// yet: a bounded queue with one reader. Lives on the home executor; OutboxBody is how another
// worker reads it.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "proxy/base/clock.h"
#include "proxy/base/event.h"
#include "proxy/http/message.h"

namespace mandated::stdio {

struct OutboxLimits {
  std::size_t messages_max = 256;
  std::size_t bytes_max = 4U << 20U;
};

class Outbox {
 public:
  Outbox(Clock& clock, const OutboxLimits& limits, Clock::Time deadline);

  /// False when it is full or over: the message is dropped.
  bool offer(std::string message);
  /// The last message; always taken, once. `status` is the HTTP status should it be the only one.
  void finish(std::string message, int status = 200);
  /// No more messages.
  void close() { end(std::nullopt); }
  void fail(Error error) { end(std::move(error)); }

  /// Waits until there is a message, until it is over, or until `until`. One waiter at a time.
  Task<void> wait(Clock::Time until);
  std::optional<std::string> take();

  bool empty() const { return messages_.empty(); }
  bool over() const { return over_; }
  /// The answer came, and nothing before it that was not taken.
  bool only_last() const { return has_last_ && messages_.size() == 1; }
  int status() const { return status_; }
  const std::optional<Error>& error() const { return error_; }
  Clock::Time deadline() const { return deadline_; }
  Clock& clock() { return clock_; }

  /// The reader went away before the end. Calls `on_leave`.
  void leave();
  bool left() const { return left_; }
  void on_leave(std::function<void()> callback) { on_leave_ = std::move(callback); }

 private:
  void end(std::optional<Error> error);

  Clock& clock_;
  OutboxLimits limits_;
  Clock::Time deadline_;
  Event wake_;
  std::deque<std::string> messages_;
  std::size_t bytes_ = 0;
  bool over_ = false;
  bool has_last_ = false;
  int status_ = 200;
  bool left_ = false;
  std::optional<Error> error_;
  std::function<void()> on_leave_;
};

/// The outbox as an event stream, with a comment every `keep_alive` of silence. May be read and
/// destroyed on any worker. Ends with kTimeout at the outbox's deadline.
http::Response stream_response(std::shared_ptr<Outbox> outbox, Clock::Duration keep_alive);

}  // namespace mandated::stdio
