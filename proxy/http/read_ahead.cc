#include "proxy/http/read_ahead.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace mandated::http {

namespace {

constexpr std::size_t kFirstBytes = 2048;  // what an idle connection holds
constexpr std::size_t kReadMin = 1024;     // no read is asked for into less
constexpr std::size_t kBound = 32768;

}  // namespace

ReadAhead::ReadAhead(net::Stream& stream, Executor executor)
    : stream_(stream), changed_(executor), drained_(executor), bound_(kBound) {}

Task<void> ReadAhead::run() {
  while (true) {
    while (end_ - begin_ >= bound_ && !stopped_) co_await drained_.wait();
    if (stopped_) break;
    make_room();
    const std::span<char> room(buffer_.data() + end_, buffer_.size() - end_);
    Result<std::size_t> count = co_await stream_.read_some(room);
    if (!count) {
      finish(std::move(count).error());
      co_return;
    }
    if (*count == 0) {
      finish(Error{Code::kEnd, Side::kLocal, "the peer closed the connection"});
      co_return;
    }
    filled_ = *count == room.size();
    end_ += *count;
    changed_.notify();
  }
  finish(Error{Code::kCancelled, Side::kLocal, "the connection was closed"});
}

void ReadAhead::stop() {
  stopped_ = true;
  drained_.notify();
}

void ReadAhead::consume(std::size_t count) {
  begin_ += count;
  if (end_ - begin_ < bound_) drained_.notify();
}

void ReadAhead::set_bound(std::size_t bytes) {
  bound_ = std::max(bytes, kBound);
  drained_.notify();
}

/// Only here do bytes move: never while a read is under way into them.
void ReadAhead::make_room() {
  if (begin_ == end_) begin_ = end_ = 0;
  const bool fast = filled_ && buffer_.size() < kBound;
  if (buffer_.size() - end_ >= kReadMin && !fast) return;
  if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  if (buffer_.size() - end_ < kReadMin || fast)
    buffer_.resize(std::max(kFirstBytes, 2 * buffer_.size()));
}

void ReadAhead::finish(Error reason) {
  ended_ = true;
  end_reason_ = std::move(reason);
  changed_.notify();
  if (on_end_) on_end_();
}

}  // namespace mandated::http
