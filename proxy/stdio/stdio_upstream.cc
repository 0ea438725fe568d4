#include "proxy/stdio/stdio_upstream.h"

#include <boost/asio/post.hpp>
#include <utility>

#include "proxy/base/watchdog.h"
#include "proxy/protocol/mcp.h"
#include "proxy/stdio/call_on.h"
#include "proxy/stdio/session.h"
#include "proxy/stdio/shared_server.h"

namespace mandated::stdio {

using protocol::CallKind;
using protocol::kInvalidRequest;
using protocol::Message;
using protocol::Rejection;

namespace {

http::Response empty_response(int status) {
  http::Response response;
  response.head.status = status;
  response.head.fields.add("content-length", "0");
  response.body = std::make_unique<http::StringBody>(std::string());
  return response;
}

// The same answer for a session that never was, that has ended, and that is somebody else's.
http::Response no_session(std::string_view id) {
  Rejection rejection{404, kInvalidRequest, "There is no such session.", "null", {}};
  if (!id.empty()) rejection.id = id;
  return protocol::to_response(rejection);
}

Failure cancelled() { return fail(Code::kCancelled, "the caller gave up"); }

}  // namespace

void Abandonment::now() {
  boost::asio::post(home_, [state = state_] {
    if (std::exchange(state->fired, true)) return;
    if (const auto action = std::exchange(state->action, nullptr)) action();
  });
}

StdioUpstream::StdioUpstream(StdioOptions options, std::unique_ptr<ChildFactory> children,
                             Clock& clock, Rng& rng, LogLine log)
    : options_(std::move(options)),
      children_(std::move(children)),
      clock_(clock),
      rng_(rng),
      log_(std::move(log)),
      gate_(clock.executor()) {}

StdioUpstream::~StdioUpstream() = default;

Executor StdioUpstream::home() const { return clock_.executor(); }

Task<Result<http::Response>> StdioUpstream::handle(StdioRequest request,
                                                   AbandonmentPtr abandonment) {
  return call_on(home(), handle_here(std::move(request), std::move(abandonment)));
}

Task<Result<http::Response>> StdioUpstream::handle_here(StdioRequest request,
                                                        AbandonmentPtr abandonment) {
  if (abandonment != nullptr && abandonment->state_->fired) co_return cancelled();
  if (request.kind == CallKind::kStream) co_return open_stream(request, std::move(abandonment));
  if (request.kind == CallKind::kEndSession) {
    const std::shared_ptr<Session> session = find_session(request);
    if (session == nullptr) co_return no_session({});
    sessions_.erase(session->id());
    session->end();
    co_return empty_response(200);
  }

  auto parsed = protocol::parse_message(request.body, protocol::Origin::kClient, options_.json);
  if (!parsed) co_return protocol::to_response(parsed.error());
  const bool stateless = request.version == protocol::kStateless;
  if (stateless && !parsed->is_request()) co_return empty_response(202);
  if (stateless) {
    co_return co_await ask_shared(std::move(*parsed), request.deadline, std::move(abandonment));
  }
  if (request.session_id.empty()) {
    if (parsed->method() == "initialize") {
      co_return co_await open_session(std::move(*parsed), std::move(request),
                                      std::move(abandonment));
    }
    co_return protocol::to_response(Rejection{400,
                                              kInvalidRequest,
                                              "The Mcp-Session-Id header is missing.",
                                              parsed->id().empty() ? "null" : parsed->id(),
                                              {}});
  }
  std::shared_ptr<Session> session = find_session(request);
  if (session == nullptr) co_return no_session(parsed->id());
  if (!parsed->is_request()) co_return tell_session(*session, *parsed);
  if (parsed->method() == "initialize") {
    co_return protocol::to_response(
        Rejection{400, kInvalidRequest, "The session is set up already.", parsed->id(), {}});
  }
  co_return co_await ask_session(std::move(session), std::move(*parsed), request.deadline,
                                 std::move(abandonment));
}

std::shared_ptr<Session> StdioUpstream::find_session(const StdioRequest& request) const {
  const auto found = sessions_.find(request.session_id);
  if (found == sessions_.end() || found->second->peer() != request.peer) return nullptr;
  return found->second;
}

Result<http::Response> StdioUpstream::open_stream(const StdioRequest& request,
                                                  AbandonmentPtr abandonment) {
  if (draining_) return fail(Code::kUnavailable, "draining");
  if (request.session_id.empty()) {
    return protocol::to_response(
        Rejection{400, kInvalidRequest, "The Mcp-Session-Id header is missing.", "null", {}});
  }
  const std::shared_ptr<Session> session = find_session(request);
  if (session == nullptr) return no_session({});
  std::shared_ptr<Outbox> outbox = session->listen(request.deadline);
  if (abandonment != nullptr) {
    abandonment->state_->action = [weak = std::weak_ptr(outbox)] {
      if (const auto live = weak.lock()) live->fail(cancelled().value());
    };
  }
  return stream_response(std::move(outbox), options_.keep_alive);
}

Result<http::Response> StdioUpstream::tell_session(Session& session, const Message& message) {
  TRY(const auto told, session.tell(message));
  if (!told) return protocol::to_response(told.error());
  return empty_response(202);
}

// Waits for the first thing to say: the answer alone is JSON, anything else begins a stream.
Task<Result<http::Response>> StdioUpstream::answer(std::shared_ptr<Outbox> outbox) {
  co_await outbox->wait(outbox->deadline());
  if (outbox->only_last()) {
    co_return http::make_response(outbox->status(), "application/json", *outbox->take());
  }
  if (outbox->error()) co_return tl::unexpected(*outbox->error());
  if (!outbox->empty() || outbox->over()) {
    co_return stream_response(std::move(outbox), options_.keep_alive);
  }
  co_return fail(Code::kTimeout, Side::kUpstream, "the server did not answer in time");
}

Task<Result<http::Response>> StdioUpstream::ask_session(std::shared_ptr<Session> session,
                                                        Message message, Clock::Time deadline,
                                                        AbandonmentPtr abandonment) {
  CO_TRY(auto asked, session->ask(message, deadline));
  if (!asked) co_return protocol::to_response(asked.error());
  const std::shared_ptr<Outbox> outbox = *asked;
  // Before 2026-07-28 a connection that goes away cancels nothing; a deadline of ours does.
  const auto give_up = [weak = std::weak_ptr(outbox), owner = std::weak_ptr(session),
                        id = message.id()] {
    const auto live = weak.lock();
    const auto holder = owner.lock();
    if (live == nullptr || holder == nullptr) return;
    if (live->clock().now() >= live->deadline()) holder->forget(id, live.get());
    live->fail(cancelled().value());
  };
  if (abandonment != nullptr) abandonment->state_->action = give_up;
  outbox->on_leave(give_up);
  auto response = co_await answer(outbox);
  if (!response && response.error().code == Code::kTimeout) {
    session->forget(message.id(), outbox.get());
  }
  co_return response;
}

Task<Result<http::Response>> StdioUpstream::ask_shared(Message message, Clock::Time deadline,
                                                       AbandonmentPtr abandonment) {
  CO_TRY(const std::shared_ptr<SharedServer> server, shared_server());
  CO_TRY(const SharedServer::Asked asked, server->ask(std::move(message), deadline));
  // Under 2026-07-28 whoever goes away cancels.
  const auto give_up = [weak = std::weak_ptr(asked.outbox), owner = std::weak_ptr(server),
                        id = asked.id] {
    if (const auto holder = owner.lock()) holder->cancel(id);
    if (const auto live = weak.lock()) live->fail(cancelled().value());
  };
  if (abandonment != nullptr) abandonment->state_->action = give_up;
  asked.outbox->on_leave(give_up);
  auto response = co_await answer(asked.outbox);
  if (!response) server->cancel(asked.id);
  co_return response;
}

Result<std::shared_ptr<SharedServer>> StdioUpstream::shared_server() {
  if (shared_ != nullptr) return shared_;
  if (draining_) return fail(Code::kUnavailable, "draining");
  if (clock_.now() < shared_rest_until_) {
    return fail(Code::kUnavailable, Side::kUpstream, "the server keeps dying");
  }
  const Parts parts{options_, *children_, clock_, gate_, log_, counters_};
  shared_ = std::make_shared<SharedServer>(parts, [this] {
    shared_ = nullptr;
    shared_rest_until_ = clock_.now() + options_.backoff_max;
  });
  shared_->begin();
  return shared_;
}

Task<Result<http::Response>> StdioUpstream::open_session(Message message, StdioRequest request,
                                                         AbandonmentPtr abandonment) {
  if (draining_) co_return fail(Code::kUnavailable, "draining");
  if (session_processes_ >= options_.sessions_max) {
    co_return fail(Code::kOverloaded, Side::kUpstream, "there are too many sessions");
  }
  const std::string id = rng_.identifier();
  const Parts parts{options_, *children_, clock_, gate_, log_, counters_};
  auto session = std::make_shared<Session>(parts, id, request.peer, [this, id] {
    sessions_.erase(id);
    --session_processes_;
    --counters_.sessions;
  });
  ++session_processes_;
  ++counters_.sessions;
  sessions_.emplace(id, session);
  session->begin();
  auto response =
      co_await ask_session(session, std::move(message), request.deadline, std::move(abandonment));
  if (!response) session->end();
  if (response && session->established()) response->head.fields.add("mcp-session-id", id);
  co_return response;
}

void StdioUpstream::drain() {
  draining_ = true;
  for (const auto& [id, session] : sessions_) session->close_stream();
  if (shared_ != nullptr) shared_->close_streams();
}

Task<void> StdioUpstream::close() {
  drain();
  for (const auto& [id, session] : sessions_) session->end();
  if (shared_ != nullptr) shared_->end();
  co_await gate_.wait_empty();
}

}  // namespace mandated::stdio
