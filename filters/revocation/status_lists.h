// Whether the receipts of a chain still stand: the status lists that they name are fetched,
// checked, and kept fresh in the background, for all workers of a process together.
//
// A list speaks for a receipt only if it is signed by the key that signed that receipt, or by one
// that the operator named; another trusted key's word about it is no word. A list that cannot be
// had afresh is used until its ttl and the grace have passed; after that, and for a list that was
// never had, nothing is known, and the call is refused.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"
#include "filters/receipt/chain.h"
#include "filters/status/token.h"
#include "proxy/base/clock.h"
#include "proxy/base/completion.h"
#include "proxy/base/gate.h"
#include "proxy/base/random.h"
#include "proxy/fetch/fetch.h"

namespace mandated {

struct StatusOptions {
  config::Status settings;     ///< its `issuers` are files, and not looked at
  receipt::AnchorSet issuers;  ///< their lists speak for every receipt
  receipt::AnchorSet anchors;  ///< who signs roots, and so may sign lists
};

class StatusLists {
 public:
  /// Fetches on the clock's executor, in `gate`. What is given outlives this; so does the gate's
  /// work, which ends once the gate drains.
  StatusLists(StatusOptions options, fetch::Fetcher& fetcher, Clock& clock, Rng& rng, Gate& gate);
  ~StatusLists();
  StatusLists(const StatusLists&) = delete;
  StatusLists& operator=(const StatusLists&) = delete;

  // The next two are safe from any thread.

  /// Begins to fetch what check() would have to wait for.
  void want(const receipt::VerifiedChain& chain);
  /// Whether every receipt of the chain that names a list stands in it. Waits for lists that are
  /// being fetched for the first time. kRevoked (suspended, too) and kStatusUnknown, with the hop.
  Task<receipt::Checked<void>> check(const receipt::VerifiedChain& chain);

  /// For the metrics; safe from any thread.
  struct Counters {
    std::size_t lists = 0;  ///< that are held and may be used
    double oldest_age = 0;  ///< seconds since the one of these was fetched that waits the longest
    std::uint64_t fetched = 0;
    std::uint64_t failed = 0;  ///< fetches that gave no list that could be used
  };
  Counters counters() const;

 private:
  struct Held;
  struct Place;
  using PlacePtr = std::shared_ptr<Place>;
  using Waiter = std::shared_ptr<Completion::Shared>;
  struct Answer {
    receipt::Checked<void> stands;
    bool pending = false;  // the first fetch is under way
  };
  class Slot;

  Answer ask(const receipt::StatusReference& reference, const receipt::PublicKey& signer,
             const Waiter& waiter);
  bool is_permitted(const std::string& uri) const;
  PlacePtr find_or_add(const std::string& uri);
  bool make_room();
  bool may_use(const Held& held) const;
  bool is_useful(const Place& place) const;
  bool holds_list(const Place& place) const;
  const Held* choose(const Place& place, const receipt::PublicKey& signer) const;
  bool is_issuer(const receipt::PublicKey& key) const;
  void start(const PlacePtr& place);

  Task<void> keep(PlacePtr place);
  Task<Result<Clock::Duration>> refresh(const PlacePtr& place);
  Result<Clock::Duration> take(const PlacePtr& place, const std::string& token);
  receipt::AnchorSet candidates(const Place& place);
  void store(Place& place, Held fresh);
  Task<void> rest(Clock::Duration pause);
  void settle(Place& place, std::string problem);
  bool retire(Place& place, Clock::Time retry_at);
  Clock::Duration jittered(Clock::Duration most, unsigned least_percent);

  const StatusOptions options_;
  fetch::Fetcher& fetcher_;
  Clock& clock_;
  Rng& rng_;  // of the clock's thread
  Gate& gate_;

  // Of the clock's thread.
  std::size_t slots_ = 0;
  std::list<Slot*> renewing_;  // for lists that are held: they go first
  std::list<Slot*> waiting_;   // for all others

  mutable std::mutex mutex_;  // guards the rest, and what is in the places
  std::map<std::string, PlacePtr, std::less<>> places_;
  std::size_t bytes_ = 0;
  std::uint64_t fetched_ = 0;
  std::uint64_t failed_ = 0;
};

/// The first receipt of the chain that names a list; nullopt: none does.
std::optional<std::size_t> first_status_hop(const receipt::VerifiedChain& chain);

/// StatusLists::check(); where no lists are fetched (null), kStatusUnknown for a chain that names
/// one.
Task<receipt::Checked<void>> check_status(StatusLists* lists, const receipt::VerifiedChain& chain);

}  // namespace mandated
