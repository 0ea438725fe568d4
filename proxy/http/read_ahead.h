// Reads a connection ahead of whoever wants the bytes, so that a peer's close is seen even while
// nobody asks for more. Bounded: a reader that nobody drains stops reading, and TCP holds the peer
// back.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "proxy/base/event.h"
#include "proxy/base/task.h"
#include "proxy/net/stream.h"

namespace mandated::http {

class ReadAhead {
 public:
  ReadAhead(net::Stream& stream, Executor executor);

  /// Reads until the stream ends, or is closed. The owner spawns it once, and outlives it.
  Task<void> run();
  /// For the owner, after it closed the stream: lets run() return though the buffer be full.
  void stop();

  std::string_view unread() const { return {buffer_.data() + begin_, end_ - begin_}; }
  void consume(std::size_t count);
  /// More unread bytes than this are not asked for.
  void set_bound(std::size_t bytes);

  /// Nothing more will come: the peer's clean end, or an error.
  bool ended() const { return ended_; }
  /// kEnd after a clean end, else what the stream said.
  const Error& end_reason() const { return end_reason_; }
  /// Called once at the end, from within run().
  void on_end(std::function<void()> callback) { on_end_ = std::move(callback); }

  /// Returns after more bytes came, the end came, or wake() was called; also, now and then, for no
  /// reason.
  Task<void> wait() { return changed_.wait(); }
  void wake() { changed_.notify(); }

 private:
  void make_room();
  void finish(Error reason);

  net::Stream& stream_;
  Event changed_;
  Event drained_;
  std::string buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::size_t bound_;
  bool filled_ = false;  // the last read took all the room it had
  bool ended_ = false;
  bool stopped_ = false;
  Error end_reason_;
  std::function<void()> on_end_;
};

}  // namespace mandated::http
