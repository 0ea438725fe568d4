#include "proxy/server/worker.h"

#include <utility>

#include "filters/registry.h"
#include "proxy/base/file.h"
#include "proxy/base/log.h"
#include "proxy/server/connection.h"
#include "proxy/server/web_roots.h"
#include "proxy/wimse/attach.h"
#include "proxy/wimse/http_signature.h"

namespace mandated::server {

namespace {

double seconds_of(config::Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

http::ServerLimits server_limits(const config::Config& config) {
  http::ServerLimits limits;
  limits.header_bytes_max = config.limits.header_bytes_max;
  limits.streams_max = config.limits.streams_max;
  limits.header_timeout = config.timeouts.header;
  limits.idle_timeout = config.timeouts.idle;
  limits.body_timeout = config.timeouts.body;
  return limits;
}

}  // namespace

receipt::Limits receipt_limits(const config::ReceiptLimits& config) {
  receipt::Limits limits;
  limits.token_bytes_max = config.token_bytes_max;
  limits.chain_bytes_max = config.chain_bytes_max;
  limits.tools_max = config.tools_max;
  limits.constraints_per_tool_max = config.constraints_per_tool_max;
  limits.constraint_depth_max = config.constraint_depth_max;
  limits.tool_name_bytes_max = config.tool_name_bytes_max;
  limits.constraint_value_bytes_max = config.constraint_value_bytes_max;
  limits.delegation_depth_max = config.delegation_depth_max;
  limits.iat_skew_max = seconds_of(config.iat_skew_max);
  limits.proof_window = seconds_of(config.proof_window);
  limits.token_lifetime_max = seconds_of(config.token_lifetime_max);
  return limits;
}

Worker::Worker(Shared& shared, Clock& clock, Rng& rng, std::unique_ptr<WalletSource> wallet)
    : shared_(shared),
      clock_(clock),
      rng_(rng),
      gate_(clock.executor()),
      background_(clock.executor()),
      server_limits_(server::server_limits(shared.config)),
      wallet_(std::move(wallet)),
      chains_(shared.config.receipts.cache_entries_max),
      ledger_(shared.ledger),
      replays_(shared.replays) {}

Worker::~Worker() = default;

Result<std::unique_ptr<Worker>> Worker::make(Shared& shared, Clock& clock, Rng& rng,
                                             net::Dialer& dialer,
                                             std::unique_ptr<WalletSource> wallet,
                                             const MakeCommandUpstream& make_command_upstream) {
  std::unique_ptr<Worker> worker(new Worker(shared, clock, rng, std::move(wallet)));
  CHECK(worker->build(dialer, make_command_upstream));
  return worker;
}

Result<void> Worker::build(net::Dialer& dialer, const MakeCommandUpstream& make_command_upstream) {
  fetcher_ = fetch::make_fetcher(dialer, clock_, background_, shared_.web_roots);
  const config::Config& config = shared_.config;
  if (config.receipts.valkey) {
    CHECK(share_through(*config.receipts.valkey, dialer));
  }
  if (config.receipts.evidence) {
    TRY(evidence_, attest::EvidenceDesk::make(*config.receipts.evidence));
  }
  const FilterDeps deps{config,
                        clock_,
                        rng_,
                        shared_.own_spiffe_id,
                        shared_.anchors,
                        receipt_limits(config.receipts.limits),
                        chains_,
                        *replays_,
                        *ledger_,
                        shared_.approvals,
                        *fetcher_,
                        wallet_.get(),
                        shared_.status,
                        evidence_.get()};
  TRY(filters_, make_filter_chain(deps));
  for (const config::Upstream& upstream : config.upstreams) {
    if (upstream.is_command()) {
      upstreams_[upstream.name] = make_command_upstream(upstream);
      continue;
    }
    upstreams_[upstream.name] = upstream::make_http_upstream(
        upstream, config.timeouts, config.limits, shared_.session_key, dialer, clock_, background_,
        [this, name = upstream.name] {
          return identity_lives() ? client_contexts_[name] : nullptr;
        },
        credentials_for(upstream));
  }
  return {};
}

upstream::Credentials Worker::credentials_for(const config::Upstream& upstream) {
  upstream::Credentials credentials;
  if (!upstream.wimse) return credentials;
  const config::UpstreamWimse& rule = *upstream.wimse;
  credentials.attach = [this, &rule](http::RequestHead& head, std::string_view body) {
    return wimse::attach(head, body, rule, identity_ ? identity_->wit.get() : nullptr, rng_,
                         clock_.wall_seconds());
  };
  if (rule.method != config::WimseMethod::kSignature) return credentials;
  credentials.has_own = [](const http::ResponseHead& answer) {
    return wimse::has_signature(answer.fields);
  };
  credentials.check = [this](const http::RequestHead& sent, const http::ResponseHead& answer,
                             std::string_view body) {
    return wimse::check_answer(sent, answer, body, wit_keys(), clock_.wall_seconds());
  };
  return credentials;
}

namespace {

Task<Result<net::StreamPtr>> open_valkey(net::Dialer& dialer, const net::Address& address,
                                         tls::ContextPtr context, bool tls, Clock& clock,
                                         Clock::Time deadline) {
  CO_TRY(net::StreamPtr stream, co_await dialer.dial(address, deadline));
  if (!tls) co_return stream;
  if (!context) co_return fail(Code::kUnavailable, "there is no identity to open TLS with");
  CO_TRY(stream, co_await tls::connect(std::move(stream), context, clock, deadline));
  co_return stream;
}

}  // namespace

// Budgets and proofs are then counted by the server, over a connection of this worker's own.
Result<void> Worker::share_through(const config::Valkey& config, net::Dialer& dialer) {
  valkey::Options options;
  options.user = config.user;
  options.timeout = config.timeout;
  if (!config.password_file.empty()) {
    TRY(options.password, read_secret(config.password_file));
  }
  TRY(net::Address address, net::Address::parse(config.address));
  if (!config.ca_file.empty()) {
    TRY(tls::WebRootsPtr roots, read_web_roots(config.ca_file, "/receipts/valkey/ca_file"));
    TRY(valkey_context_, tls::make_web_client_context(std::move(roots), address.host, {}));
  }
  const bool by_svid = !config.spiffe_ids.empty();
  const bool tls = by_svid || valkey_context_;
  valkey_ = std::make_unique<valkey::Client>(
      std::move(options),
      [this, &dialer, address = std::move(address), tls, by_svid](Clock::Time deadline) {
        const bool proven = !by_svid || identity_lives();
        return open_valkey(dialer, address, proven ? valkey_context_ : nullptr, tls, clock_,
                           deadline);
      },
      clock_, background_);
  const std::string prefix = "{" + config.prefix + "}:";  // one slot, should it be a cluster
  own_ledger_ = make_valkey_ledger(*valkey_, rng_, prefix);
  own_replays_ = make_valkey_replays(*valkey_, rng_, prefix);
  ledger_ = own_ledger_.get();
  replays_ = own_replays_.get();
  return {};
}

Result<void> Worker::set_identity(identity::SnapshotPtr snapshot) {
  std::map<std::string, tls::ContextPtr> servers;
  std::map<std::string, tls::ContextPtr> clients;
  for (const config::Listener& listener : shared_.config.listeners) {
    if (listener.tls != config::ListenerTls::kMtls) continue;
    tls::Options options;
    options.allow_tls12 = listener.allow_tls12;
    options.tickets = shared_.tickets;
    TRY(servers[listener.name], tls::make_server_context(snapshot, options));
  }
  for (const config::Upstream& upstream : shared_.config.upstreams) {
    if (!upstream.tls) continue;
    tls::Options options;
    options.allowed_peers = upstream.spiffe_ids;
    tls::SessionCachePtr& sessions = sessions_[upstream.name];
    if (!sessions) sessions = tls::make_session_cache();
    options.sessions = sessions;
    if (upstream.http_version == config::HttpVersion::k11) options.alpn = {"http/1.1"};
    if (upstream.http_version == config::HttpVersion::k2) options.alpn = {"h2"};
    TRY(clients[upstream.name], tls::make_client_context(snapshot, options));
  }
  if (const auto& valkey = shared_.config.receipts.valkey; valkey && !valkey->spiffe_ids.empty()) {
    tls::Options options;
    options.alpn.clear();
    options.allowed_peers = valkey->spiffe_ids;
    TRY(valkey_context_, tls::make_client_context(snapshot, options));
  }
  server_contexts_ = std::move(servers);
  client_contexts_ = std::move(clients);
  const bool rotated = identity_ != nullptr;
  identity_ = std::move(snapshot);
  wit_keys_ = wimse::read_wit_keys(identity_->jwt_bundles);
  if (rotated) {
    for (const auto& [name, upstream] : upstreams_) upstream->retire_connections();
    if (valkey_) valkey_->retire_connection();
  }
  return {};
}

const wimse::WitKeys& Worker::wit_keys() const {
  static const wimse::WitKeys kNone;
  return identity_lives() ? wit_keys_ : kNone;
}

bool Worker::identity_lives() const {
  return identity_ != nullptr && clock_.wall() < identity_->svid->expires;
}

tls::ContextPtr Worker::server_context(const config::Listener& listener) const {
  if (!identity_lives()) return nullptr;
  const auto found = server_contexts_.find(listener.name);
  return found == server_contexts_.end() ? nullptr : found->second;
}

bool Worker::may_record_refused_peer() {
  constexpr Clock::Duration kApart = std::chrono::seconds(1);
  if (clock_.now() < next_refused_peer_) return false;
  next_refused_peer_ = clock_.now() + kApart;
  return true;
}

audit::Record Worker::new_record() const {
  audit::Record made;
  made.time = clock_.wall();
  made.role = config().role == config::Role::kOutbound ? "outbound" : "inbound";
  return made;
}

Task<Result<void>> Worker::record(audit::Record record) {
  Result<void> recorded = co_await shared_.audit.append(std::move(record));
  if (!recorded) shared_.metrics.audit_failures().add();
  co_return recorded;
}

void Worker::count_cache() {
  shared_.metrics.receipt_cache_hits().add(
      static_cast<double>(chains_.hits() - std::exchange(counted_hits_, chains_.hits())));
  shared_.metrics.receipt_cache_misses().add(
      static_cast<double>(chains_.misses() - std::exchange(counted_misses_, chains_.misses())));
}

void Worker::listen(std::unique_ptr<net::Listener> listener, const config::Listener& config) {
  listeners_.push_back(std::move(listener));
  gate_.spawn(accept_loop(*listeners_.back(), config));
}

Task<void> Worker::accept_loop(net::Listener& listener, const config::Listener& config) {
  const Gate::Registration on_drain(gate_, [&listener] { listener.close(); });
  while (!gate_.draining()) {
    Result<net::StreamPtr> accepted = co_await listener.accept();
    if (!accepted) {
      if (accepted.error().code != Code::kCancelled) {
        log::error("listener.failed", {{"listener", config.name}, {"why", accepted.error().text}});
      }
      co_return;
    }
    if (shared_.connections.fetch_add(1) >= shared_.config.limits.connections_max) {
      shared_.connections.fetch_sub(1);
      shared_.metrics.limit_exceeded(admin::Limit::kConnections);
      (*accepted)->close();
      continue;
    }
    gate_.spawn(serve_connection(*this, config, std::move(*accepted)));
  }
}

Task<void> Worker::drain() {
  gate_.drain();
  const std::unique_ptr<Clock::Timer> cut =
      clock_.call_at(clock_.now() + shared_.config.timeouts.drain, [this] {
        for (net::Stream* stream : live_) stream->close();
      });
  co_await gate_.wait_empty();
  for (const auto& [name, upstream] : upstreams_) upstream->drain();
  background_.drain();
  co_await background_.wait_empty();
}

bool Worker::HeldBytes::add(std::size_t body_bytes) {
  const config::Limits& limits = worker_.config().limits;
  const std::size_t bytes = kBodyCost * body_bytes;
  const std::size_t share =
      std::max(limits.buffered_bytes_max / kPeersShare, kBodyCost * limits.body_bytes_max);
  const auto held = worker_.held_by_peer_.find(peer_);
  if ((held == worker_.held_by_peer_.end() ? 0 : held->second) + bytes > share) return false;
  std::atomic<std::size_t>& all = worker_.shared_.buffered_bytes;
  if (all.fetch_add(bytes) + bytes > limits.buffered_bytes_max) {
    all.fetch_sub(bytes);
    return false;
  }
  worker_.held_by_peer_[peer_] += bytes;
  bytes_ += bytes;
  return true;
}

void Worker::HeldBytes::release() {
  if (bytes_ == 0) return;
  worker_.shared_.buffered_bytes.fetch_sub(bytes_);
  const auto held = worker_.held_by_peer_.find(peer_);
  held->second -= bytes_;
  if (held->second == 0) worker_.held_by_peer_.erase(held);
  bytes_ = 0;
}

Worker::Live::Live(Worker& worker, net::Stream& stream) : worker_(worker) {
  position_ = worker_.live_.insert(worker_.live_.end(), &stream);
}

Worker::Live::~Live() { worker_.live_.erase(position_); }

}  // namespace mandated::server
