#include "proxy/upstream/pool.h"

#include <algorithm>
#include <utility>

#include "proxy/base/event.h"
#include "proxy/base/watchdog.h"

namespace mandated::upstream {

// Shared with the bodies of responses under way, which may outlive the Pool by a moment at
// shutdown.
struct Pool::State {
  State(PoolOptions options_in, net::Dialer& dialer_in, Clock& clock_in, Gate& gate_in,
        std::function<tls::ContextPtr()> context_in)
      : options(std::move(options_in)),
        dialer(dialer_in),
        clock(clock_in),
        gate(gate_in),
        context(std::move(context_in)),
        reaper(clock_in, [this] { reap(); }) {}

  struct Connection {
    std::shared_ptr<http::ClientConnection> http;
    bool retired = false;
    std::size_t leases = 0;
    Clock::Time idle_since;
    Clock::WallTime expires = Clock::WallTime::max();  // of the first of the SVIDs that opened it
  };
  using ConnectionPtr = std::shared_ptr<Connection>;
  class LeasedBody;

  void forget_dead();
  void retire_expired();
  ConnectionPtr find_available();
  Task<Result<ConnectionPtr>> acquire(Clock::Time call_deadline);
  Task<Result<ConnectionPtr>> connect(Clock::Time call_deadline);
  Task<Result<ConnectionPtr>> open(Clock::Time call_deadline);
  Task<Result<void>> wait_for_release(Clock::Time deadline);
  void release(Connection& connection);
  void wake_one();
  void reap();

  PoolOptions options;
  net::Dialer& dialer;
  Clock& clock;
  Gate& gate;
  std::function<tls::ContextPtr()> context;
  std::vector<ConnectionPtr> connections;
  std::size_t dialing = 0;
  bool shares = false;  // the last connection was HTTP/2: wait for the one being opened
  bool draining = false;
  std::list<Event*> waiters;
  Watchdog reaper;
};

void Pool::State::forget_dead() {
  std::erase_if(connections,
                [](const auto& entry) { return !entry->http->alive() && entry->leases == 0; });
}

// A moment early, so that the peer does not end it under a call that is on its way.
void Pool::State::retire_expired() {
  constexpr std::chrono::seconds kBefore(2);
  const Clock::WallTime now = clock.wall();
  for (const auto& entry : connections) {
    if (entry->retired || entry->expires - kBefore > now) continue;
    entry->retired = true;
    if (entry->leases == 0) entry->http->close();
  }
}

Pool::State::ConnectionPtr Pool::State::find_available() {
  retire_expired();
  forget_dead();
  // The most recently added first: the others may then grow idle and close.
  for (auto entry = connections.rbegin(); entry != connections.rend(); ++entry) {
    if (!(*entry)->retired && (*entry)->http->available()) return *entry;
  }
  return nullptr;
}

Task<Result<void>> Pool::State::wait_for_release(Clock::Time deadline) {
  Event released(clock.executor());
  waiters.push_back(&released);
  const std::unique_ptr<Clock::Timer> timer =
      clock.call_at(deadline, [&released] { released.notify(); });
  co_await released.wait();
  const bool chosen = std::erase(waiters, &released) == 0;
  if (clock.now() >= deadline) {
    if (chosen) wake_one();  // woken too late for itself
    co_return fail(Code::kOverloaded, Side::kUpstream,
                   "no connection to " + options.address.to_string() + " became free in time");
  }
  co_return Result<void>();
}

Task<Result<Pool::State::ConnectionPtr>> Pool::State::connect(Clock::Time call_deadline) {
  const Clock::Time connect_by = std::min(call_deadline, clock.now() + options.connect_timeout);
  CO_TRY(net::StreamPtr stream, co_await dialer.dial(options.address, connect_by));
  bool http2 = options.version == HttpVersion::kHttp2;
  auto connection = std::make_shared<Connection>();
  if (options.scheme == "https") {
    const tls::ContextPtr tls_context = context();
    if (!tls_context) co_return fail(Code::kUnavailable, "there is no identity to open TLS with");
    const Clock::Time handshake_by =
        std::min(call_deadline, clock.now() + options.handshake_timeout);
    CO_TRY(tls::TlsStreamPtr session,
           co_await tls::connect(std::move(stream), tls_context, clock, handshake_by));
    http2 = session->alpn() == "h2";
    connection->expires = std::min(session->peer_expires(), session->own_expires());
    stream = std::move(session);
  }
  connection->http = http2
                         ? http::make_http2_client(std::move(stream), options.limits, clock, gate)
                         : http::make_http1_client(std::move(stream), options.limits, clock, gate);
  connection->idle_since = clock.now();
  shares = http2;
  co_return connection;
}

Task<Result<Pool::State::ConnectionPtr>> Pool::State::open(Clock::Time call_deadline) {
  ++dialing;
  Result<ConnectionPtr> opened = co_await connect(call_deadline);
  --dialing;
  if (!opened) {
    opened.error().side = Side::kUpstream;
    wake_one();
    co_return opened;
  }
  connections.push_back(*opened);
  if (shares) {
    for (Event* waiter : waiters) waiter->notify();
  }
  co_return opened;
}

Task<Result<Pool::State::ConnectionPtr>> Pool::State::acquire(Clock::Time call_deadline) {
  const Clock::Time deadline =
      std::min(call_deadline, clock.now() + options.connect_timeout + options.handshake_timeout);
  while (true) {
    if (draining) co_return fail(Code::kCancelled, "the proxy is shutting down");
    if (ConnectionPtr found = find_available()) co_return found;
    const bool full = connections.size() + dialing >= options.connections_max;
    if (!full && !(shares && dialing > 0)) co_return co_await open(call_deadline);
    CO_CHECK(co_await wait_for_release(deadline));
  }
}

void Pool::State::wake_one() {
  if (!waiters.empty()) {
    Event* first = waiters.front();
    waiters.pop_front();
    first->notify();
  }
}

void Pool::State::release(Connection& connection) {
  --connection.leases;
  connection.idle_since = clock.now();
  if ((connection.retired || draining) && connection.leases == 0) connection.http->close();
  if (reaper.deadline() == Watchdog::kNever) {
    reaper.set_deadline(clock.now() + options.idle_timeout);
  }
  wake_one();
}

void Pool::State::reap() {
  retire_expired();
  const Clock::Time old = clock.now() - options.idle_timeout;
  bool some_left = false;
  for (const auto& entry : connections) {
    if (entry->leases == 0 && entry->idle_since <= old) {
      entry->http->close();
    } else {
      some_left = true;
    }
  }
  forget_dead();
  if (some_left) reaper.set_deadline(clock.now() + options.idle_timeout / 2);
}

// A response body that keeps its connection until it is read to the end, failed, or dropped.
class Pool::State::LeasedBody final : public http::Body {
 public:
  LeasedBody(std::shared_ptr<State> state, ConnectionPtr connection,
             std::shared_ptr<http::ClientStream> stream, Clock::Duration stream_idle)
      : state_(std::move(state)),
        connection_(std::move(connection)),
        stream_(std::move(stream)),
        stream_idle_(stream_idle) {}
  ~LeasedBody() override { end(); }

  Task<Result<std::string>> read() override {
    if (stream_idle_ > Clock::Duration::zero()) {
      stream_->set_deadline(state_->clock.now() + stream_idle_);
    }
    Result<std::string> piece = co_await stream_->body().read();
    if (!piece) piece.error().side = Side::kUpstream;
    if (!piece || piece->empty()) end();
    co_return piece;
  }
  bool ended() const override { return !stream_ || stream_->body().ended(); }

 private:
  void end() {
    if (!stream_) return;
    stream_.reset();
    state_->release(*connection_);
  }

  std::shared_ptr<State> state_;
  ConnectionPtr connection_;
  std::shared_ptr<http::ClientStream> stream_;
  Clock::Duration stream_idle_;  // zero: the exchange's own deadline stands
};

namespace {

Task<Result<void>> send_payload(http::ClientStream& stream, Pool::Payload payload) {
  if (payload.stream == nullptr) {
    if (payload.bytes.empty()) co_return Result<void>();
    co_return co_await stream.send(payload.bytes, true);
  }
  while (true) {
    CO_TRY(const std::string piece, co_await payload.stream->read());
    const bool last = piece.empty() || payload.stream->ended();
    CO_CHECK(co_await stream.send(piece, last));
    if (last) co_return Result<void>();
  }
}

}  // namespace

Pool::Pool(PoolOptions options, net::Dialer& dialer, Clock& clock, Gate& gate,
           std::function<tls::ContextPtr()> context)
    : state_(std::make_shared<State>(std::move(options), dialer, clock, gate, std::move(context))) {
}

Pool::~Pool() { drain(); }

Task<Result<http::Response>> Pool::send(const http::RequestHead& head, Payload payload,
                                        Clock::Time deadline, Clock::Duration stream_idle,
                                        Progress& progress) {
  const std::shared_ptr<State> state = state_;
  const bool no_body = payload.stream == nullptr && payload.bytes.empty();
  bool may_retry = payload.stream == nullptr;
  const auto given_up = std::make_shared<bool>(false);
  progress.cancel = [given_up] { *given_up = true; };
  while (true) {
    CO_TRY(State::ConnectionPtr connection, co_await state->acquire(deadline));
    if (*given_up) {
      state->wake_one();
      co_return fail(Code::kCancelled, "the caller went away");
    }
    if (state->clock.now() >= deadline) {
      state->wake_one();
      co_return fail(Code::kTimeout, Side::kUpstream,
                     "the call's deadline passed before it was sent");
    }
    ++connection->leases;
    progress.left = true;
    Result<std::unique_ptr<http::ClientStream>> started =
        co_await connection->http->start(head, no_body);
    Result<http::ResponseHead> answer;
    std::shared_ptr<http::ClientStream> stream;
    if (!started) {
      answer = tl::unexpected(std::move(started).error());
    } else {
      stream = std::move(*started);
      stream->set_deadline(deadline);
      progress.cancel = [weak = std::weak_ptr<http::ClientStream>(stream)] {
        if (const auto live = weak.lock()) live->cancel();
      };
      const Result<void> sent = co_await send_payload(*stream, payload);
      if (!sent && sent.error().side == Side::kDownstream) {
        answer = tl::unexpected(sent.error());  // the caller's own body broke off
      } else {
        answer = co_await stream->response();  // also when sending failed: the peer may say why
      }
    }
    if (!answer) {
      Error error = std::move(answer).error();
      if (error.side != Side::kDownstream) error.side = Side::kUpstream;
      stream.reset();
      state->release(*connection);
      if (error.code == Code::kUnavailable && std::exchange(may_retry, false)) continue;
      co_return tl::unexpected(std::move(error));
    }
    http::Response response;
    response.head = std::move(*answer);
    response.body =
        std::make_unique<State::LeasedBody>(state, connection, std::move(stream), stream_idle);
    co_return response;
  }
}

void Pool::drain() {
  state_->draining = true;
  retire_connections();
  for (Event* waiter : state_->waiters) waiter->notify();
}

void Pool::retire_connections() {
  for (const auto& entry : state_->connections) {
    entry->retired = true;
    if (entry->leases == 0) entry->http->close();
  }
  state_->forget_dead();
}

std::size_t Pool::connections() const { return state_->connections.size(); }

}  // namespace mandated::upstream
