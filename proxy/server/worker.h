// One worker: one thread, one io_context, and everything a call needs on its way, shared with
// nobody. What arrives from outside (a new identity) comes as an immutable snapshot, posted to the
// worker's executor.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "config/config.h"
#include "filters/chain.h"
#include "proxy/admin/metrics.h"
#include "proxy/attest/attestor.h"
#include "proxy/attest/clones.h"
#include "proxy/audit/record.h"
#include "proxy/base/gate.h"
#include "proxy/base/random.h"
#include "proxy/fetch/fetch.h"
#include "proxy/http/server.h"
#include "proxy/identity/identity.h"
#include "proxy/net/socket.h"
#include "proxy/tls/tls.h"
#include "proxy/upstream/http_upstream.h"
#include "proxy/upstream/session_seal.h"
#include "proxy/upstream/upstream.h"
#include "proxy/valkey/client.h"
#include "proxy/wimse/wit.h"

namespace mandated::server {

/// What the workers of a process have in common; all of it is safe from any thread.
struct Shared {
  const config::Config& config;
  audit::Sink& audit;
  admin::Metrics& metrics;
  const receipt::AnchorSet& anchors;
  // Null where each worker asks Valkey (receipts.valkey).
  Replays* replays;
  Ledger* ledger;
  Approvals& approvals;
  upstream::SessionSeal::Key session_key;      ///< random, made anew at each start
  tls::WebRootsPtr web_roots{};                ///< null: nothing is fetched over https
  StatusLists* status = nullptr;               ///< null: none are configured
  tls::TicketSecretPtr tickets{};              ///< null: TLS sessions are not resumed
  std::atomic<std::size_t> buffered_bytes{0};  ///< of bodies held whole, in all workers
  std::atomic<std::size_t> connections{0};
  attest::Attestor* attestor = nullptr;  ///< null: no local process is told
  attest::Clones clones{};
  std::string own_spiffe_id{};         ///< empty where there is no identity
  std::function<void()> stop = [] {};  ///< asks for the end of the process
};

/// Makes a worker's side of an upstream that is a command; null where commands are not offered.
using MakeCommandUpstream =
    std::function<std::unique_ptr<upstream::Upstream>(const config::Upstream& config)>;

class Worker {
 public:
  /// References outlive the worker. `wallet` may be null.
  static Result<std::unique_ptr<Worker>> make(Shared& shared, Clock& clock, Rng& rng,
                                              net::Dialer& dialer,
                                              std::unique_ptr<WalletSource> wallet,
                                              const MakeCommandUpstream& make_command_upstream);
  ~Worker();

  /// Takes a new identity: new connections use it, standing ones keep theirs.
  Result<void> set_identity(identity::SnapshotPtr snapshot);

  /// Accepts and serves until drained.
  void listen(std::unique_ptr<net::Listener> listener, const config::Listener& config);

  /// Takes nothing new, finishes what is under way, and cuts what is left after timeouts.drain.
  Task<void> drain();

  // What connection and exchange use.
  const config::Config& config() const { return shared_.config; }
  Shared& shared() { return shared_; }
  Clock& clock() { return clock_; }
  Rng& rng() { return rng_; }
  Ledger& ledger() { return *ledger_; }
  Replays& replays() { return *replays_; }
  Gate& gate() { return gate_; }
  const FilterChain& filters() const { return *filters_; }
  const http::ServerLimits& server_limits() const { return server_limits_; }
  /// Null without an identity that has not expired.
  tls::ContextPtr server_context(const config::Listener& listener) const;
  /// Of the bundles that stand now; none once our own identity has expired, for then they are
  /// stale.
  const wimse::WitKeys& wit_keys() const;
  /// Never null: the configuration was checked.
  upstream::Upstream& upstream(const std::string& name) const { return *upstreams_.at(name); }
  /// Whether one more peer that was refused in its handshake may take a line of the audit trail:
  /// strangers must not be able to fill the disk. All of them are counted in the metrics.
  bool may_record_refused_peer();
  /// A record with what is the same in all of this worker's: the time and the role.
  audit::Record new_record() const;
  /// Appends it; one that cannot be written is counted.
  Task<Result<void>> record(audit::Record record);
  /// Adds what the receipt cache did since the last call to the metrics.
  void count_cache();

  /// The memory that one exchange takes for bodies, out of limits.buffered_bytes_max of the
  /// process. Nobody can take it all: a single peer gets a quarter at most on each worker, but
  /// always enough for one body of the greatest size.
  class HeldBytes {
   public:
    HeldBytes(Worker& worker, std::string peer) : worker_(worker), peer_(std::move(peer)) {}
    ~HeldBytes() { release(); }
    HeldBytes(const HeldBytes&) = delete;
    HeldBytes& operator=(const HeldBytes&) = delete;
    /// False when there is no room; nothing is then added.
    bool add(std::size_t body_bytes);
    void release();

   private:
    /// What a byte of a body costs while its call is under way: the text, its values, what goes
    /// out.
    static constexpr std::size_t kBodyCost = 3;
    static constexpr std::size_t kPeersShare = 4;

    Worker& worker_;
    std::string peer_;
    std::size_t bytes_ = 0;
  };

  /// A connection that drain() may have to cut; removed with the registration.
  class Live {
   public:
    Live(Worker& worker, net::Stream& stream);
    ~Live();
    Live(const Live&) = delete;
    Live& operator=(const Live&) = delete;

   private:
    Worker& worker_;
    std::list<net::Stream*>::iterator position_;
  };

 private:
  Worker(Shared& shared, Clock& clock, Rng& rng, std::unique_ptr<WalletSource> wallet);
  Result<void> build(net::Dialer& dialer, const MakeCommandUpstream& make_command_upstream);
  upstream::Credentials credentials_for(const config::Upstream& upstream);
  Result<void> share_through(const config::Valkey& valkey, net::Dialer& dialer);
  bool identity_lives() const;
  Task<void> accept_loop(net::Listener& listener, const config::Listener& config);

  Shared& shared_;
  Clock& clock_;
  Rng& rng_;
  Gate gate_;        // connections, and what they leave behind
  Gate background_;  // upstream connections' readers and writers
  http::ServerLimits server_limits_;
  std::unique_ptr<fetch::Fetcher> fetcher_;
  std::unique_ptr<WalletSource> wallet_;
  receipt::ChainCache chains_;
  std::unique_ptr<attest::EvidenceDesk> evidence_;  // null: none is believed
  std::unique_ptr<valkey::Client> valkey_;
  std::unique_ptr<Ledger> own_ledger_;  // this and the next: over valkey_
  std::unique_ptr<Replays> own_replays_;
  Ledger* ledger_ = nullptr;
  Replays* replays_ = nullptr;
  Clock::Time next_refused_peer_{};
  std::uint64_t counted_hits_ = 0;
  std::uint64_t counted_misses_ = 0;
  std::unique_ptr<const FilterChain> filters_;
  identity::SnapshotPtr identity_;
  wimse::WitKeys wit_keys_;
  std::map<std::string, tls::ContextPtr> server_contexts_;  // by listener
  std::map<std::string, tls::ContextPtr> client_contexts_;  // by upstream
  std::map<std::string, tls::SessionCachePtr> sessions_;    // by upstream
  tls::ContextPtr valkey_context_;
  std::map<std::string, std::unique_ptr<upstream::Upstream>> upstreams_;
  std::vector<std::unique_ptr<net::Listener>> listeners_;
  std::list<net::Stream*> live_;
  std::map<std::string, std::size_t> held_by_peer_;  // bytes; only who holds any
};

/// The receipt engine's bounds as the configuration sets them.
receipt::Limits receipt_limits(const config::ReceiptLimits& config);

}  // namespace mandated::server
