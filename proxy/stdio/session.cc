#include "proxy/stdio/session.h"

#include <utility>
#include <vector>

namespace mandated::stdio {

using protocol::error_response;
using protocol::Kind;
using protocol::kInvalidRequest;
using protocol::kServerGone;
using protocol::Message;
using protocol::reject;

namespace {

constexpr std::size_t kServerRequestsMax = 256;

// The progress token of a request's _meta, or of a progress notification's params, as JSON.
std::string token_in(const json::Value* object) {
  const json::Value* token = object == nullptr ? nullptr : object->find("progressToken");
  return token == nullptr ? std::string() : json::canonical(*token);
}

}  // namespace

Session::Session(const Parts& parts, std::string id, std::string peer, std::function<void()> on_end)
    : parts_(parts),
      id_(std::move(id)),
      peer_(std::move(peer)),
      on_end_(std::move(on_end)),
      supervisor_(parts),
      idle_(parts.clock,
            [this] {
              drop_expired();
              if (pending_.empty() && !stream_open_) {
                end();
              } else {
                used();
              }
            }),
      stream_(std::make_shared<Outbox>(parts.clock, parts.options.outbox, Watchdog::kNever)) {
  used();
}

void Session::used() { idle_.set_deadline(parts_.clock.now() + parts_.options.session_idle); }

void Session::end() { supervisor_.stop(); }

void Session::close_stream() { stream_->close(); }

Result<Session::Asked> Session::ask(const Message& message, Clock::Time deadline) {
  used();
  drop_expired();
  if (pending_.contains(message.id())) {
    return Asked(
        reject(400, kInvalidRequest, "A request with this id is under way already.", message.id()));
  }
  if (pending_.size() >= parts_.options.in_flight_max) {
    return fail(Code::kOverloaded, Side::kUpstream, "too many requests are under way");
  }
  TRY(const std::uint64_t ticket, supervisor_.send(as_line(message)));
  if (message.method() == "initialize") {
    initialize_id_ = message.id();
    initialize_ = as_line(message);
  }
  auto outbox = std::make_shared<Outbox>(parts_.clock, parts_.options.outbox, deadline);
  pending_.emplace(message.id(), Pending{outbox, token_in(message.meta()), ticket});
  return Asked(std::move(outbox));
}

Result<protocol::Accepted<void>> Session::tell(const Message& message) {
  used();
  if (message.is_response()) {
    const auto question = server_requests_.find(message.id());
    if (question == server_requests_.end()) {
      return protocol::Accepted<void>(
          reject(400, kInvalidRequest, "The server has asked nothing with this id."));
    }
    server_requests_.erase(question);
  }
  if (message.method() == "notifications/initialized") initialized_ = as_line(message);
  CHECK(supervisor_.send(as_line(message)));
  if (message.method() == "notifications/cancelled" && message.params() != nullptr) {
    // The server will not answer it any more.
    const json::Value* id = message.params()->find("requestId");
    const auto cancelled = id == nullptr ? pending_.end() : pending_.find(json::canonical(*id));
    if (cancelled != pending_.end()) {
      fail_one(cancelled->first, cancelled->second, "The client cancelled the request.");
      pending_.erase(cancelled);
    }
  }
  return protocol::Accepted<void>();
}

std::shared_ptr<Outbox> Session::listen(Clock::Time deadline) {
  used();
  const std::shared_ptr<Outbox> old = std::move(stream_);
  stream_ = std::make_shared<Outbox>(parts_.clock, parts_.options.outbox, deadline);
  while (auto message = old->take()) stream_->offer(std::move(*message));
  old->close();
  stream_open_ = true;
  stream_->on_leave([session = weak_from_this(), stream = stream_.get()] {
    const auto self = session.lock();
    if (self == nullptr || self->stream_.get() != stream) return;
    self->stream_open_ = false;
    self->stream_ =
        std::make_shared<Outbox>(self->parts_.clock, self->parts_.options.outbox, Watchdog::kNever);
    self->used();
  });
  return stream_;
}

void Session::forget(const std::string& request_id, const Outbox* outbox) {
  const auto found = pending_.find(request_id);
  if (found == pending_.end() || found->second.outbox.get() != outbox) return;
  const bool unsent = supervisor_.take_back(found->second.ticket);
  pending_.erase(found);
  if (unsent) return;
  // Should even this find no room, the server works on in vain: nobody is hurt.
  (void)supervisor_.send(
      R"({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":)" + request_id +
      R"(,"reason":"The caller's deadline passed."}})");
}

// Answers nobody waited for any more may never have come.
void Session::drop_expired() {
  const Clock::Time now = parts_.clock.now();
  std::erase_if(pending_,
                [now](const auto& each) { return each.second.outbox->deadline() <= now; });
}

Task<Result<void>> Session::shake_hands() {
  if (!established_) {
    if (initialize_.empty() || pending_.contains(initialize_id_)) co_return Result<void>();
    co_return fail(Code::kUnavailable, Side::kUpstream, "the server ended before it was set up");
  }
  auto answer =
      co_await supervisor_.ask(initialize_id_, initialize_, parts_.options.handshake_timeout);
  if (!answer) co_return tl::unexpected(std::move(answer).error());
  if (answer->result() == nullptr) {
    co_return fail(Code::kProtocol, Side::kUpstream, "the server refused to be set up again");
  }
  if (initialized_.empty()) co_return Result<void>();
  co_return co_await supervisor_.say(initialized_);
}

void Session::received(Message message) {
  switch (message.kind()) {
    case Kind::kResponse:
      return answered(message);
    case Kind::kRequest:
      return asked(message);
    case Kind::kNotification:
      break;
  }
  if (message.method() == "notifications/progress") {
    const std::string token = token_in(message.params());
    for (auto& [id, pending] : pending_) {
      if (token.empty() || pending.progress_token != token) continue;
      pending.outbox->offer(as_line(message));
      return;
    }
  }
  deliver(message);
}

void Session::answered(const Message& message) {
  const auto found = pending_.find(message.id());
  if (found == pending_.end()) return;  // too late, or to nothing
  if (found->first == initialize_id_ && !established_) {
    established_ = message.result() != nullptr;
    if (!established_) end();
  }
  found->second.outbox->finish(as_line(message));
  pending_.erase(found);
  used();
}

void Session::asked(const Message& message) {
  const bool room = server_requests_.size() < kServerRequestsMax;
  if (room && !server_requests_.contains(message.id()) && deliver(message)) {
    server_requests_.insert(message.id());
    return;
  }
  (void)supervisor_.send(error_response(message.id(), kServerGone, "The client cannot be asked."));
}

// To the GET stream if the client listens there, else along with the answer to a request that is
// under way, else it waits for a GET stream.
bool Session::deliver(const Message& message) {
  if (!stream_open_) {
    for (auto& [id, pending] : pending_) {
      if (id == initialize_id_ && !established_) continue;
      if (pending.outbox->offer(as_line(message))) return true;
    }
  }
  return stream_->offer(as_line(message));
}

void Session::unreadable(std::string_view why) {
  fail_sent("The server's answer cannot be read: " + std::string(why));
}

void Session::lost(std::string_view why) {
  server_requests_.clear();
  fail_sent(std::string(why) + " Whether it carried out the call is not known.");
  const bool initialize_lost = !initialize_.empty() && !pending_.contains(initialize_id_);
  if (!established_ && initialize_lost) end();
}

void Session::fail_sent(std::string_view why) {
  for (auto each = pending_.begin(); each != pending_.end();) {
    if (supervisor_.still_waits(each->second.ticket)) {
      ++each;
      continue;
    }
    fail_one(each->first, each->second, why);
    each = pending_.erase(each);
  }
}

void Session::fail_one(const std::string& request_id, const Pending& pending,
                       std::string_view why) {
  pending.outbox->finish(error_response(request_id, kServerGone, why));
}

void Session::ended() {
  for (const auto& [id, pending] : pending_) {
    fail_one(id, pending, "The session has ended.");
  }
  pending_.clear();
  stream_->close();
  idle_.set_deadline(Watchdog::kNever);
  if (const auto callback = std::exchange(on_end_, nullptr)) callback();
}

}  // namespace mandated::stdio
