#include "proxy/local/server.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "proxy/base/log.h"

namespace mandated::local {

namespace {

constexpr unsigned kConnectionsMax = 64;
constexpr unsigned kStrangersMax = 4;

}  // namespace

Result<std::unique_ptr<Server>> Server::open(const ServerDeps& deps) {
  const config::Wallet& wallet = *deps.config.receipts.wallet;
  TRY(std::unique_ptr<WalletFolder> folder,
      WalletFolder::open(wallet.folder, wallet.holder_key, deps.clock, deps.wallet_changes));
  std::unique_ptr<Server> server(new Server(deps, std::move(folder)));
  CHECK(server->bind(*deps.config.local_api));
  return server;
}

Server::Server(const ServerDeps& deps, std::unique_ptr<WalletFolder> wallet)
    : limits_(deps.server_limits),
      gate_(deps.gate),
      wallet_(std::move(wallet)),
      holdings_(*wallet_, deps.ledger, deps.status, deps.anchors, deps.limits, deps.own_spiffe_id),
      consent_(deps.config.receipts.consent_url, deps.fetcher, deps.clock, deps.gate),
      api_{holdings_,  consent_, deps.audit,
           deps.clock, deps.rng, deps.config.local_api->allowed_callers},
      attestor_(deps.attestor) {}

Result<void> Server::bind(const config::LocalApi& config) {
  const uid_t own = ::geteuid();
  allowed_.assign(config.allowed_uids.begin(), config.allowed_uids.end());
  if (allowed_.empty()) allowed_ = {own};
  const bool shared = std::any_of(allowed_.begin(), allowed_.end(),
                                  [own](uid_t allowed) { return allowed != own; });
  const mode_t group = shared ? S_IRGRP | S_IWGRP : 0;
  net::Address address;
  address.unix_path = config.socket;
  TRY(bound_, net::BoundAddress::bind(address, S_IRUSR | S_IWUSR | group));
  TRY(listener_, bound_->listen(api_.clock));
  log::info("local.up", {{"address", bound_->address().to_string()}});
  return {};
}

Task<void> Server::run() {
  const Gate::Registration on_drain(gate_, [this] { listener_->close(); });
  while (true) {
    Result<net::StreamPtr> stream = co_await listener_->accept();
    if (!stream) co_return;
    const std::optional<net::PeerCredentials> peer = (*stream)->credentials();
    const bool allowed =
        peer && std::find(allowed_.begin(), allowed_.end(), peer->user) != allowed_.end();
    if (!allowed && peer)
      log::warn("local.peer_refused", {{"uid", peer->user}, {"pid", peer->process}});
    unsigned& open = allowed ? connections_ : strangers_;
    // Beyond that they are closed at once, so that whoever waits hears of it.
    if (open >= (allowed ? kConnectionsMax : kStrangersMax)) continue;
    ++open;
    gate_.spawn(serve(std::move(*stream), allowed));
  }
}

Task<void> Server::serve(net::StreamPtr stream, bool allowed) {
  std::unique_ptr<attest::Caller> caller;
  if (allowed) caller = co_await attest::Caller::identify(*stream, attestor_, api_.clock);
  Handler handler(api_, allowed, caller.get());
  static_cast<void>(
      co_await http::serve_http1(*stream, limits_, api_.clock, gate_, handler, "http"));
  --(allowed ? connections_ : strangers_);
}

}  // namespace mandated::local
