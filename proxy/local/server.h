// Serves the local API on its socket, on one worker's thread, with all that it stands on. Who
// connected is asked of the system at once (SO_PEERCRED).
#pragma once

#include <sys/types.h>

#include <memory>
#include <vector>

#include "config/config.h"
#include "proxy/base/gate.h"
#include "proxy/fetch/fetch.h"
#include "proxy/local/handler.h"
#include "proxy/net/socket.h"

namespace mandated::local {

/// What the process lends; all of it outlives the server.
struct ServerDeps {
  const config::Config& config;  ///< with `local_api`
  const receipt::AnchorSet& anchors;
  receipt::Limits limits;
  http::ServerLimits server_limits;
  Ledger& ledger;
  StatusLists* status;  ///< null: none are configured
  audit::Sink& audit;
  attest::Attestor& attestor;
  WalletChanges& wallet_changes;
  fetch::Fetcher& fetcher;
  Clock& clock;
  Rng& rng;
  Gate& gate;
  std::string own_spiffe_id;  ///< empty where the proxy has no identity
};

class Server {
 public:
  /// Opens the wallet and binds the socket. kInvalidConfig, kUnavailable.
  static Result<std::unique_ptr<Server>> open(const ServerDeps& deps);

  /// Until the gate drains.
  Task<void> run();

 private:
  Server(const ServerDeps& deps, std::unique_ptr<WalletFolder> wallet);
  Result<void> bind(const config::LocalApi& config);
  Task<void> serve(net::StreamPtr stream, bool allowed);

  http::ServerLimits limits_;
  Gate& gate_;
  std::unique_ptr<WalletFolder> wallet_;
  Holdings holdings_;
  Consent consent_;
  Api api_;
  attest::Attestor& attestor_;
  std::vector<uid_t> allowed_;
  std::unique_ptr<net::BoundAddress> bound_;
  std::unique_ptr<net::Listener> listener_;
  unsigned connections_ = 0;
  unsigned strangers_ = 0;  // connections that are only told that they may not
};

}  // namespace mandated::local
