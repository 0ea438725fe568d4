// An MCP server that is a command, offered as Streamable HTTP. Under revisions with sessions each
// session has its own process; under 2026-07-28 all calls share one, with their ids changed on the
// way so that clients cannot collide, and a server that speaks only older revisions is translated
// for.
//
// All state lives on one worker, the home executor (the one of `clock`). handle() may be called
// from any worker: it hops there and back (call_on.h), and so does each read of a streamed answer.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "proxy/base/clock.h"
#include "proxy/base/gate.h"
#include "proxy/base/random.h"
#include "proxy/http/message.h"
#include "proxy/protocol/call.h"
#include "proxy/stdio/child.h"
#include "proxy/stdio/outbox.h"
#include "proxy/stdio/posix_child.h"

namespace mandated::stdio {

struct StdioOptions {
  std::string client_version = "0";  ///< of mandated, as a server that we set up is told
  std::size_t sessions_max = 64;
  std::size_t in_flight_max = 256;             ///< requests that wait for one process
  std::size_t outgoing_bytes_max = 8U << 20U;  ///< that one process has not read yet
  OutboxLimits outbox;
  json::Limits json{.bytes_max = 8U << 20U};  ///< of a line that a server writes
  Clock::Duration backoff_min = std::chrono::milliseconds(250);
  Clock::Duration backoff_max = std::chrono::seconds(30);
  Clock::Duration quick_life = std::chrono::seconds(10);  ///< a shorter life is a quick death
  int quick_deaths_max = 5;  ///< in a row; then the session ends, or the shared server rests
  Clock::Duration probe_timeout = std::chrono::seconds(5);
  Clock::Duration handshake_timeout = std::chrono::seconds(30);
  Clock::Duration session_idle = std::chrono::hours(1);
  Clock::Duration keep_alive = std::chrono::seconds(15);
};

/// For metrics; safe from any thread.
struct StdioCounters {
  std::atomic<std::uint64_t> started{0};
  std::atomic<std::uint64_t> died{0};  ///< without being told to
  std::atomic<std::uint64_t> lines_dropped{0};
  std::atomic<std::uint64_t> sessions{0};  ///< now
};

/// Lets the caller's side give up a request from any thread, while handle() runs or the answer is
/// read. Under 2026-07-28 that cancels it at the server; before, it only stops waiting.
class Abandonment {
 public:
  explicit Abandonment(Executor home) : home_(home), state_(std::make_shared<State>()) {}
  void now();

 private:
  friend class StdioUpstream;
  struct State {  // touched on the home executor only
    bool fired = false;
    std::function<void()> action;
  };
  Executor home_;
  std::shared_ptr<State> state_;
};

struct StdioRequest {
  protocol::CallKind kind = protocol::CallKind::kRequest;
  std::string body;        ///< the JSON-RPC message, receipts taken out or put in; else empty
  std::string version;     ///< protocol revision, as Call has it
  std::string session_id;  ///< empty: none
  std::string peer;        ///< whom sessions are bound to: SPIFFE ID, or a name for local callers
  /// Of the whole answer; Watchdog::kNever for kStream and subscriptions/listen.
  Clock::Time deadline = Clock::Time::max();
};

class Session;
class SharedServer;

class StdioUpstream {
 public:
  StdioUpstream(StdioOptions options, std::unique_ptr<ChildFactory> children, Clock& clock,
                Rng& rng, LogLine log);
  /// close() should have returned; processes that still run are killed.
  ~StdioUpstream();
  StdioUpstream(const StdioUpstream&) = delete;
  StdioUpstream& operator=(const StdioUpstream&) = delete;

  /// Any thread. Answers as a Streamable HTTP server does, protocol errors and 404 for sessions
  /// that are not the peer's included. As errors come: kTimeout, kCancelled, kOverloaded (bounds on
  /// sessions, requests or unread input), kUnavailable (draining, or the server keeps dying).
  /// A server that ends before it answers is an answer: 200 with the JSON-RPC error -32000.
  Task<Result<http::Response>> handle(StdioRequest request,
                                      std::shared_ptr<Abandonment> abandonment = nullptr);
  Executor home() const;

  /// Home thread: takes no new session and ends the GET streams.
  void drain();
  /// Home thread: ends every process; returns when they are gone. Nothing may come after.
  Task<void> close();

  const StdioCounters& counters() const { return counters_; }

 private:
  using AbandonmentPtr = std::shared_ptr<Abandonment>;
  Task<Result<http::Response>> handle_here(StdioRequest request, AbandonmentPtr abandonment);
  Result<http::Response> open_stream(const StdioRequest& request, AbandonmentPtr abandonment);
  Task<Result<http::Response>> ask_shared(protocol::Message message, Clock::Time deadline,
                                          AbandonmentPtr abandonment);
  Task<Result<http::Response>> ask_session(std::shared_ptr<Session> session,
                                           protocol::Message message, Clock::Time deadline,
                                           AbandonmentPtr abandonment);
  Task<Result<http::Response>> open_session(protocol::Message message, StdioRequest request,
                                            AbandonmentPtr abandonment);
  Result<http::Response> tell_session(Session& session, const protocol::Message& message);
  std::shared_ptr<Session> find_session(const StdioRequest& request) const;
  Result<std::shared_ptr<SharedServer>> shared_server();
  Task<Result<http::Response>> answer(std::shared_ptr<Outbox> outbox);

  StdioOptions options_;
  std::unique_ptr<ChildFactory> children_;
  Clock& clock_;
  Rng& rng_;
  LogLine log_;
  StdioCounters counters_;
  Gate gate_;
  bool draining_ = false;
  std::size_t session_processes_ = 0;  // also of sessions that are ending
  std::map<std::string, std::shared_ptr<Session>, std::less<>> sessions_;
  std::shared_ptr<SharedServer> shared_;
  Clock::Time shared_rest_until_{};
};

}  // namespace mandated::stdio
