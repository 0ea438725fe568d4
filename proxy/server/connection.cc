#include "proxy/server/connection.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>

#include "proxy/base/log.h"
#include "proxy/server/exchange.h"
#include "proxy/server/lines.h"

namespace mandated::server {

namespace {

// Hands each exchange of a connection to run_exchange.
class Exchanges final : public http::Handler {
 public:
  Exchanges(Worker& worker, const Connection& connection)
      : worker_(worker), connection_(connection) {}
  Task<void> handle(http::ServerStream& stream) override {
    return run_exchange(worker_, connection_, stream);
  }

 private:
  Worker& worker_;
  const Connection& connection_;
};

// Counts a connection for as long as it stands.
class Counted {
 public:
  Counted(Worker& worker, const config::Listener& listener)
      : shared_(worker.shared()), gauge_(shared_.metrics.listener(listener.name).connections) {
    gauge_.add(1);
  }
  ~Counted() {
    gauge_.add(-1);
    shared_.connections.fetch_sub(1);
  }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;

 private:
  Shared& shared_;
  admin::Gauge gauge_;
};

// A peer that could not prove who it is was refused before it asked for anything: one record says
// so.
Task<void> record_refused_peer(Worker& worker, const config::Listener& listener, Error error,
                               tls::HandshakeFailure failure) {
  worker.shared().metrics.handshake_failed(error.code, to_string(failure));
  log::warn("connection.handshake_failed", {{"listener", listener.name},
                                            {"code", to_string(error.code)},
                                            {"reason", to_string(failure)},
                                            {"why", error.text}});
  if (error.code != Code::kPeerIdentity || !worker.may_record_refused_peer()) co_return;
  audit::Record record = worker.new_record();
  record.exchange = worker.rng().identifier();
  record.phase = audit::Phase::kOutcome;
  record.caller_proof = "none";
  record.error = to_string(error.code);
  record.refusal = audit::Refusal{"peer_identity", -1, {}, {}, std::move(error.text)};
  static_cast<void>(co_await worker.record(std::move(record)));
}

// Ends a connection with the SVIDs that opened it: it takes no new calls from a moment before the
// first of them expires, and what is then under way has as long as any call may take.
class Retirement {
 public:
  Retirement(Worker& worker, tls::TlsStream& session)
      : worker_(worker),
        session_(session),
        gate_(worker.clock().executor()),
        with_worker_(worker.gate(), [this] { gate_.drain(); }) {
    const Clock::WallTime expires = std::min(session.peer_expires(), session.own_expires());
    if (expires == Clock::WallTime::max()) return;
    Clock& clock = worker.clock();
    const Clock::Duration left =
        std::chrono::duration_cast<Clock::Duration>(expires - clock.wall()) - kBefore;
    timer_ = clock.call_at(clock.now() + std::min(left, kLongest), [this] { retire(); });
  }
  Retirement(const Retirement&) = delete;
  Retirement& operator=(const Retirement&) = delete;

  Gate& gate() { return gate_; }

 private:
  static constexpr Clock::Duration kBefore = std::chrono::seconds(1);
  static constexpr Clock::Duration kLongest = std::chrono::hours(24 * 365);

  void retire() {
    timer_ = worker_.clock().call_at(worker_.clock().now() + worker_.config().timeouts.call,
                                     [this] { session_.close(); });
    gate_.drain();
  }

  Worker& worker_;
  tls::TlsStream& session_;
  Gate gate_;
  const Gate::Registration with_worker_;
  std::unique_ptr<Clock::Timer> timer_;
};

Task<Result<void>> serve_tls(Worker& worker, const config::Listener& listener,
                             net::StreamPtr stream) {
  const tls::ContextPtr context = worker.server_context(listener);
  if (!context) co_return fail(Code::kUnavailable, "there is no identity to serve TLS with");
  const Clock::Time handshake_by = worker.clock().now() + worker.config().timeouts.handshake;
  auto failure = tls::HandshakeFailure::kClosed;
  Result<tls::TlsStreamPtr> secured =
      co_await tls::accept(std::move(stream), context, worker.clock(), handshake_by, &failure);
  if (!secured) {
    co_await record_refused_peer(worker, listener, std::move(secured).error(), failure);
    co_return Result<void>();
  }
  tls::TlsStream& session = **secured;
  if (const auto id = identity::SpiffeId::parse(session.peer().spiffe_id)) {
    worker.shared().metrics.peer_accepted(id->trust_domain());
  }
  const Worker::Live live(worker, session);
  Retirement retirement(worker, session);
  const Connection connection{listener, session.peer(), session.peer_expires(),
                              session.own_expires()};
  Exchanges exchanges(worker, connection);
  if (session.alpn() == "h2") {
    co_return co_await http::serve_http2(session, worker.server_limits(), worker.clock(),
                                         retirement.gate(), exchanges, "https");
  }
  co_return co_await http::serve_http1(session, worker.server_limits(), worker.clock(),
                                       retirement.gate(), exchanges, "https");
}

Task<Result<void>> serve_plain(Worker& worker, const config::Listener& listener,
                               net::StreamPtr stream) {
  const Worker::Live live(worker, *stream);
  identity::PeerIdentity peer;
  peer.proof = identity::PeerIdentity::Proof::kLocalSocket;
  std::unique_ptr<attest::Caller> caller;
  if (attest::Attestor* const attestor = worker.shared().attestor) {
    caller = co_await attest::Caller::identify(*stream, *attestor, worker.clock());
  }
  const Connection connection{listener, std::move(peer), Clock::WallTime::max(),
                              Clock::WallTime::max(), caller.get()};
  if (listener.is_stdio()) {
    const Result<void> ended = co_await serve_lines(worker, connection, *stream);
    worker.shared().stop();
    co_return ended;
  }
  Exchanges exchanges(worker, connection);
  co_return co_await http::serve_cleartext(*stream, worker.server_limits(), worker.clock(),
                                           worker.gate(), exchanges);
}

}  // namespace

Task<void> serve_connection(Worker& worker, const config::Listener& listener,
                            net::StreamPtr stream) {
  const Counted counted(worker, listener);
  Result<void> ended;
  if (listener.tls == config::ListenerTls::kMtls) {
    ended = co_await serve_tls(worker, listener, std::move(stream));
  } else {
    ended = co_await serve_plain(worker, listener, std::move(stream));
  }
  if (!ended) {
    log::info("connection.ended", {{"listener", listener.name},
                                   {"code", to_string(ended.error().code)},
                                   {"why", ended.error().text}});
  }
}

}  // namespace mandated::server
