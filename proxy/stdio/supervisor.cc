#include "proxy/stdio/supervisor.h"

#include <algorithm>
#include <utility>

#include "proxy/base/watchdog.h"

namespace mandated::stdio {

using protocol::Message;
using protocol::Origin;

Supervisor::Supervisor(const Parts& parts)
    : parts_(parts),
      wake_writer_(parts.clock.executor()),
      writer_done_(parts.clock.executor()),
      wake_pause_(parts.clock.executor()) {}

void Supervisor::run(std::shared_ptr<Owner> owner) {
  parts_.gate.spawn(keep_running(std::move(owner), *this));
}

void Supervisor::stop() {
  if (stopping_) return;
  stopping_ = true;
  wake_pause_.notify();
  if (child_ != nullptr) child_->end();
}

Result<std::uint64_t> Supervisor::send(std::string line) {
  if (stopping_) return fail(Code::kUnavailable, Side::kUpstream, "the server has been ended");
  if (waiting_bytes_ + line.size() > parts_.options.outgoing_bytes_max) {
    return fail(Code::kOverloaded, Side::kUpstream, "the server does not read what it is sent");
  }
  line += '\n';
  waiting_bytes_ += line.size();
  waiting_.push_back(Waiting{next_ticket_, std::move(line)});
  wake_writer_.notify();
  return next_ticket_++;
}

bool Supervisor::take_back(std::uint64_t ticket) {
  const auto found = std::find_if(waiting_.begin(), waiting_.end(),
                                  [ticket](const Waiting& each) { return each.ticket == ticket; });
  if (found == waiting_.end()) return false;
  waiting_bytes_ -= found->line.size();
  waiting_.erase(found);
  return true;
}

bool Supervisor::still_waits(std::uint64_t ticket) const {
  return std::any_of(waiting_.begin(), waiting_.end(),
                     [ticket](const Waiting& each) { return each.ticket == ticket; });
}

Task<Result<void>> Supervisor::say(std::string line) {
  line += '\n';
  co_return co_await child_->write(line);
}

Task<Result<Message>> Supervisor::ask(std::string id, std::string line, Clock::Duration timeout) {
  Watchdog watchdog(parts_.clock, [this] { child_->kill(); });
  watchdog.set_deadline(parts_.clock.now() + timeout);
  CO_CHECK(co_await say(std::move(line)));
  while (true) {
    auto answer = co_await child_->read_line();
    if (watchdog.expired()) {
      co_return fail(Code::kTimeout, Side::kUpstream, "the server did not answer in time");
    }
    if (!answer) co_return tl::unexpected(std::move(answer).error());
    auto message = protocol::parse_message(*answer, Origin::kServer, parts_.options.json);
    if (message && message->is_response() && message->id() == id) co_return std::move(*message);
  }
}

Task<void> Supervisor::keep_running(std::shared_ptr<Owner> owner, Supervisor& self) {
  const StdioOptions& options = self.parts_.options;
  Clock::Duration delay = options.backoff_min;
  while (!self.stopping_) {
    const Clock::Time started = self.parts_.clock.now();
    const bool served = co_await self.live(owner);
    if (self.stopping_) break;
    ++self.parts_.counters.died;
    if (served && self.parts_.clock.now() - started >= options.quick_life) {
      self.quick_deaths_ = 0;
      delay = options.backoff_min;
    } else if (++self.quick_deaths_ >= options.quick_deaths_max) {
      self.parts_.log("the server dies again and again; it is not started any more");
      break;
    }
    co_await self.pause(delay);
    delay = std::min(2 * delay, options.backoff_max);
  }
  self.stopping_ = true;
  owner->ended();
}

// One life of the server, from its start until it and its writer are gone. True if it got as far as
// to serve.
Task<bool> Supervisor::live(std::shared_ptr<Owner> owner) {
  auto started = parts_.children.start();
  if (!started) {
    parts_.log(started.error().text);
    owner->lost(started.error().text);
    co_return false;
  }
  child_ = std::move(*started);
  ++parts_.counters.started;
  auto shaken = co_await owner->shake_hands();
  if (shaken && !stopping_) {
    writing_ = true;
    parts_.gate.spawn(write_lines(owner, *this));
    co_await read_lines(*owner);
  } else if (!shaken) {
    parts_.log(shaken.error().text);
  }
  child_->end();
  const bool wrote = std::exchange(writing_, false);
  wake_writer_.notify();
  co_await child_->exited();
  if (wrote) co_await writer_done_.wait();
  child_.reset();
  owner->lost("The server ended.");
  co_return wrote;
}

// `owner` keeps what `self` belongs to.
Task<void> Supervisor::write_lines([[maybe_unused]] std::shared_ptr<Owner> owner,
                                   Supervisor& self) {
  while (self.writing_) {
    if (self.waiting_.empty()) {
      co_await self.wake_writer_.wait();
      continue;
    }
    const std::string line = std::move(self.waiting_.front().line);
    self.waiting_.pop_front();
    auto written = co_await self.child_->write(line);
    self.waiting_bytes_ -= line.size();
    if (!written) break;  // the reader learns of the death
  }
  self.writer_done_.notify();
}

Task<void> Supervisor::read_lines(Owner& owner) {
  while (true) {
    auto line = co_await child_->read_line();
    if (!line && line.error().code == Code::kTooLarge) {
      drop_line(owner, "{", line.error().text);
      continue;
    }
    if (!line) co_return;
    auto message = protocol::parse_message(*line, Origin::kServer, parts_.options.json);
    if (message) {
      owner.received(std::move(*message));
    } else {
      drop_line(owner, *line, message.error().message);
    }
  }
}

// A line that is no message is dropped. If it looks like one, somebody waits for it.
void Supervisor::drop_line(Owner& owner, std::string_view line, std::string_view why) {
  const auto first = line.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return;
  ++parts_.counters.lines_dropped;
  parts_.log("a line of the server's output was dropped: " + std::string(why));
  if (line[first] == '{') owner.unreadable(why);
}

Task<void> Supervisor::pause(Clock::Duration delay) {
  if (stopping_) co_return;
  const auto timer =
      parts_.clock.call_at(parts_.clock.now() + delay, [this] { wake_pause_.notify(); });
  co_await wake_pause_.wait();
}

std::string as_line(const Message& message) {
  const std::string_view bytes = message.bytes();
  if (bytes.find_first_of("\r\n") == std::string_view::npos) return std::string(bytes);
  return json::canonical(message.root());
}

}  // namespace mandated::stdio
