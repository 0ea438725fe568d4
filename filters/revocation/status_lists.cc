#include "filters/revocation/status_lists.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <cmath>
#include <utility>

#include "filters/receipt/claims.h"
#include "proxy/base/event.h"
#include "proxy/base/log.h"
#include "proxy/fetch/target.h"

namespace mandated {

namespace {

using namespace std::chrono_literals;
using receipt::Checked;
using receipt::PublicKey;
using receipt::Seconds;
using receipt::shown;

constexpr std::size_t kSlots = 8;       // fetches at once: each may hold a whole list
constexpr std::size_t kWantedMax = 16;  // signers that a list is tried with, of those who asked
constexpr std::size_t kSignersMax = 4;  // whose lists of one place are held
constexpr Clock::Duration kBackOffMin = 1s;
constexpr Clock::Duration kBackOffMax = 30s;

Checked<void> unknown(std::string why) {
  return receipt::refuse(
      receipt::Code::kStatusUnknown,
      "Whether the receipt was revoked cannot be found out: " + std::move(why) + ".");
}

Seconds seconds_of(Clock::Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

Clock::Duration duration_of(Seconds seconds) {
  return std::chrono::duration_cast<Clock::Duration>(std::chrono::duration<double>(seconds));
}

std::size_t bytes_of(const status::StatusList& list) {
  return list.size() * static_cast<std::size_t>(list.bits()) / 8;
}

std::string_view without_slash(std::string_view place) {
  return place.ends_with('/') ? place.substr(0, place.size() - 1) : place;
}

}  // namespace

// A list of one signer. Its time of issue is kept when the list itself is given up, so that an
// older one is not taken later.
struct StatusLists::Held {
  PublicKey signer;
  Seconds issued_at = 0;
  std::shared_ptr<const status::StatusList> list;  // null: given up
  Clock::Time fetched;
  Clock::Time until;    // ttl and grace
  Seconds expires = 0;  // wall time
};

struct StatusLists::Place {
  std::string uri;
  std::vector<Held> held;
  std::vector<PublicKey> wanted;  // those who asked and are neither held nor issuers; latest last
  Clock::Time used;
  bool running = false;    // keep() is at it
  bool settled = false;    // …and has tried at least once
  Clock::Time retry_at{};  // not before, when it is not running
  Clock::Duration back_off = kBackOffMin;
  std::string problem;  // of the last try
  std::vector<Waiter> waiters;
};

// One of the fetches that may be under way at once; whoever waits for one gets it handed over.
class StatusLists::Slot {
 public:
  explicit Slot(StatusLists& lists) : lists_(lists), woken_(lists.clock_.executor()) {}
  ~Slot() {
    if (!taken_) return;
    std::list<Slot*>& queue = lists_.renewing_.empty() ? lists_.waiting_ : lists_.renewing_;
    if (queue.empty()) {
      --lists_.slots_;
      return;
    }
    Slot* next = queue.front();
    queue.pop_front();
    next->taken_ = true;
    next->woken_.notify();
  }
  Slot(const Slot&) = delete;
  Slot& operator=(const Slot&) = delete;

  /// False when there is none in time. `renews`: the list is held. Whoever may delegate can name
  /// new lists without end, and must not keep those of others from being renewed.
  Task<bool> take(Clock::Time deadline, bool renews) {
    if (lists_.slots_ < kSlots) {
      ++lists_.slots_;
      taken_ = true;
      co_return true;
    }
    std::list<Slot*>& queue = renews ? lists_.renewing_ : lists_.waiting_;
    queue.push_back(this);
    const std::unique_ptr<Clock::Timer> timer =
        lists_.clock_.call_at(deadline, [this] { woken_.notify(); });
    co_await woken_.wait();
    if (!taken_) queue.remove(this);
    co_return taken_&& lists_.clock_.now() < deadline;
  }

 private:
  StatusLists& lists_;
  Event woken_;
  bool taken_ = false;
};

StatusLists::StatusLists(StatusOptions options, fetch::Fetcher& fetcher, Clock& clock, Rng& rng,
                         Gate& gate)
    : options_(std::move(options)), fetcher_(fetcher), clock_(clock), rng_(rng), gate_(gate) {}

StatusLists::~StatusLists() = default;

// --- asked by calls, on any thread

void StatusLists::want(const receipt::VerifiedChain& chain) {
  for (std::size_t hop = 0; hop < chain.size(); ++hop) {
    const auto& reference = chain.mandate(hop).status;
    if (reference && chain.signer(hop) != nullptr) ask(*reference, *chain.signer(hop), nullptr);
  }
}

Task<Checked<void>> StatusLists::check(const receipt::VerifiedChain& chain) {
  for (std::size_t hop = 0; hop < chain.size(); ++hop) {
    const auto& reference = chain.mandate(hop).status;
    if (!reference) continue;
    const PublicKey* signer = chain.signer(hop);
    MANDATED_ASSERT(signer != nullptr);  // what the proxy decides by was held to anchors
    Answer answer = ask(*reference, *signer, nullptr);
    if (answer.pending) {
      want(chain);  // so that those of the hops below are not waited for one by one
      const Executor executor = co_await boost::asio::this_coro::executor;
      Completion fetched(executor);
      answer = ask(*reference, *signer, fetched.shared());
      if (answer.pending) {
        static_cast<void>(co_await fetched.wait());
        answer = ask(*reference, *signer, nullptr);
      }
    }
    if (answer.stands) continue;
    answer.stands.error().hop = static_cast<int>(hop);
    co_return answer.stands;
  }
  co_return Checked<void>();
}

StatusLists::Answer StatusLists::ask(const receipt::StatusReference& reference,
                                     const PublicKey& signer, const Waiter& waiter) {
  const std::lock_guard lock(mutex_);
  const PlacePtr place = find_or_add(reference.uri);
  if (!place) {
    if (!is_permitted(reference.uri)) {
      return {unknown("its list " + shown(reference.uri) +
                      " is at none of the places that this proxy fetches from")};
    }
    return {unknown("there are more lists than this proxy keeps")};
  }
  place->used = clock_.now();
  if (const Held* held = choose(*place, signer)) {
    return {status::check_entry(*held->list, reference.index)};
  }
  const bool known = is_issuer(signer) || std::find(place->wanted.begin(), place->wanted.end(),
                                                    signer) != place->wanted.end();
  if (!known) {
    if (place->wanted.size() == kWantedMax) place->wanted.erase(place->wanted.begin());
    place->wanted.push_back(signer);
  }
  if (!place->running && clock_.now() >= place->retry_at) start(place);
  if (place->running && !place->settled) {
    if (waiter) place->waiters.push_back(waiter);
    return {unknown("its list " + shown(reference.uri) + " is being fetched"), true};
  }
  std::string why = place->problem;
  if (is_useful(*place)) {
    why = "is not signed by who signed the receipt";
  } else if (why.empty()) {
    why = "has expired";
  }
  return {unknown("its list " + shown(reference.uri) + " " + why)};
}

bool StatusLists::is_permitted(const std::string& uri) const {
  const auto target = fetch::parse_target(uri);
  if (!target || !target->tls) return false;
  return std::any_of(options_.settings.lists.begin(), options_.settings.lists.end(),
                     [&](const std::string& place) {
                       const std::string_view base = without_slash(place);
                       return uri == place || (uri.starts_with(base) && uri.size() > base.size() &&
                                               uri[base.size()] == '/');
                     });
}

StatusLists::PlacePtr StatusLists::find_or_add(const std::string& uri) {
  const auto found = places_.find(uri);
  if (found != places_.end()) return found->second;
  if (!is_permitted(uri)) return nullptr;
  if (places_.size() >= options_.settings.lists_max && !make_room()) return nullptr;
  auto place = std::make_shared<Place>();
  place->uri = uri;
  places_.emplace(uri, place);
  return place;
}

// Forgets the place that holds no list and was asked for the longest ago.
bool StatusLists::make_room() {
  auto oldest = places_.end();
  for (auto at = places_.begin(); at != places_.end(); ++at) {
    if (at->second->running) continue;
    if (oldest == places_.end() || at->second->used < oldest->second->used) oldest = at;
  }
  if (oldest == places_.end()) return false;
  places_.erase(oldest);
  return true;
}

bool StatusLists::may_use(const Held& held) const {
  return held.list && clock_.now() < held.until && clock_.wall_seconds() < held.expires;
}

bool StatusLists::is_useful(const Place& place) const {
  return std::any_of(place.held.begin(), place.held.end(),
                     [&](const Held& one) { return may_use(one); });
}

bool StatusLists::holds_list(const Place& place) const {
  const std::lock_guard lock(mutex_);
  return is_useful(place);
}

bool StatusLists::is_issuer(const PublicKey& key) const {
  const auto& issuers = options_.issuers.anchors();
  return std::any_of(issuers.begin(), issuers.end(),
                     [&](const receipt::Anchor& one) { return one.key == key; });
}

// Of those whose word counts for this signer's receipts, the latest.
const StatusLists::Held* StatusLists::choose(const Place& place, const PublicKey& signer) const {
  const Held* chosen = nullptr;
  for (const Held& one : place.held) {
    if (!may_use(one) || !(one.signer == signer || is_issuer(one.signer))) continue;
    if (chosen == nullptr || one.issued_at > chosen->issued_at) chosen = &one;
  }
  return chosen;
}

void StatusLists::start(const PlacePtr& place) {
  place->running = true;
  place->settled = false;
  boost::asio::post(clock_.executor(), [this, place] { gate_.spawn(keep(place)); });
}

// --- kept fresh, on the clock's thread

Task<void> StatusLists::keep(PlacePtr place) {
  while (true) {
    const Result<Clock::Duration> ttl = co_await refresh(place);
    Clock::Duration pause{};
    if (ttl) {
      place->back_off = kBackOffMin;
      pause = std::max(jittered(*ttl * 9 / 10, 75), kBackOffMin);
    } else {
      log::warn("status.not_fetched", {{"list", place->uri}, {"why", ttl.error().text}});
      pause = jittered(place->back_off, 50);
      place->back_off = std::min(2 * place->back_off, kBackOffMax);
    }
    settle(*place, ttl ? "" : "cannot be had: " + ttl.error().text);
    if (retire(*place, clock_.now() + pause)) co_return;
    co_await rest(pause);
    if (retire(*place, clock_.now())) co_return;
  }
}

Task<Result<Clock::Duration>> StatusLists::refresh(const PlacePtr& place) {
  const Clock::Time deadline = clock_.now() + options_.settings.timeout;
  Slot slot(*this);
  if (gate_.draining()) co_return fail(Code::kCancelled, "the proxy is shutting down");
  if (!co_await slot.take(deadline, holds_list(*place))) {
    co_return fail(Code::kOverloaded, "too many lists are being fetched");
  }
  fetch::Request request;
  request.url = place->uri;
  request.accept = "application/statuslist+jwt";
  request.answer_bytes_max = status::TokenLimits{}.token_bytes_max;
  const Result<fetch::Response> response = co_await fetcher_.fetch(request, deadline);
  if (!response) co_return Failure(response.error());
  if (response->status != 200) {
    co_return fail(Code::kUnavailable, Side::kUpstream,
                   "the server answers " + std::to_string(response->status));
  }
  co_return take(place, response->body);
}

// Checks a fetched list and holds it. Gives the time for which it is fresh.
Result<Clock::Duration> StatusLists::take(const PlacePtr& place, const std::string& token) {
  const Seconds now = clock_.wall_seconds();
  auto verified = status::verify_status_list(token, place->uri, candidates(*place), now);
  if (!verified) return fail(Code::kDenied, Side::kUpstream, verified.error().sentence);
  const Seconds wanted = verified->ttl.value_or(seconds_of(options_.settings.ttl_max));
  const Clock::Duration ttl = duration_of(std::clamp(wanted, seconds_of(options_.settings.ttl_min),
                                                     seconds_of(options_.settings.ttl_max)));
  Held fresh;
  fresh.signer = std::move(verified->signer);
  fresh.issued_at = verified->issued_at;
  fresh.expires =
      verified->expires.value_or(fresh.issued_at + seconds_of(options_.settings.age_max));
  fresh.fetched = clock_.now();
  fresh.until = fresh.fetched + ttl + options_.settings.grace;
  fresh.list = std::make_shared<const status::StatusList>(std::move(verified->list));
  if (now >= fresh.expires) return fail(Code::kDenied, Side::kUpstream, "it is too old");

  const std::lock_guard lock(mutex_);
  std::size_t bytes = bytes_ + bytes_of(*fresh.list);
  for (const Held& one : place->held) {
    if (!(one.signer == fresh.signer)) continue;
    if (one.issued_at > fresh.issued_at) {
      return fail(Code::kDenied, Side::kUpstream, "it is older than the one that was there before");
    }
    if (one.list) bytes -= bytes_of(*one.list);
  }
  if (bytes > options_.settings.bytes_max) {
    return fail(Code::kOverloaded, "all lists together are larger than this proxy keeps");
  }
  const Seconds left = fresh.expires - now;
  store(*place, std::move(fresh));
  return left < seconds_of(ttl) ? duration_of(left) : ttl;
}

// Who may have signed the list: only those whose word could count for somebody. The bound on tries
// falls on the anchors that nobody asked for.
receipt::AnchorSet StatusLists::candidates(const Place& place) {
  std::vector<receipt::Anchor> keys = options_.issuers.anchors();
  const std::lock_guard lock(mutex_);
  for (const Held& one : place.held) keys.push_back({{}, one.signer, std::nullopt});
  for (const PublicKey& key : place.wanted) keys.push_back({{}, key, std::nullopt});
  const auto& anchors = options_.anchors.anchors();
  keys.insert(keys.end(), anchors.begin(), anchors.end());
  return receipt::AnchorSet(std::move(keys));
}

void StatusLists::store(Place& place, Held fresh) {
  bytes_ += bytes_of(*fresh.list);
  std::erase(place.wanted, fresh.signer);
  auto spot = std::find_if(place.held.begin(), place.held.end(),
                           [&](const Held& one) { return one.signer == fresh.signer; });
  if (spot == place.held.end() && place.held.size() == kSignersMax) {
    spot = std::min_element(place.held.begin(), place.held.end(),
                            [](const Held& a, const Held& b) { return a.until < b.until; });
  }
  if (spot == place.held.end()) {
    place.held.push_back(std::move(fresh));
    return;
  }
  if (spot->list) bytes_ -= bytes_of(*spot->list);
  *spot = std::move(fresh);
}

// Tells whoever waited that the first try is over.
void StatusLists::settle(Place& place, std::string problem) {
  const std::lock_guard lock(mutex_);
  ++(problem.empty() ? fetched_ : failed_);
  place.problem = std::move(problem);
  place.settled = true;
  for (const Waiter& waiter : std::exchange(place.waiters, {})) {
    Completion::Shared::complete(waiter, {});
  }
}

// Whether the place is left alone until somebody asks for it: it holds nothing that could be used,
// or nobody has asked for a long time, or the process ends.
bool StatusLists::retire(Place& place, Clock::Time retry_at) {
  const std::lock_guard lock(mutex_);
  const bool idle = clock_.now() - place.used > options_.settings.ttl_max + options_.settings.grace;
  if (is_useful(place) && !idle && !gate_.draining()) return false;
  for (Held& one : place.held) {
    if (one.list) bytes_ -= bytes_of(*one.list);
    one.list = nullptr;
  }
  place.running = false;
  place.retry_at = retry_at;
  return true;
}

// Shorter when the gate drains.
Task<void> StatusLists::rest(Clock::Duration pause) {
  Event woken(clock_.executor());
  const Gate::Registration on_drain(gate_, [&woken] { woken.notify(); });
  const std::unique_ptr<Clock::Timer> timer =
      clock_.call_at(clock_.now() + pause, [&woken] { woken.notify(); });
  co_await woken.wait();
}

// Between that share of it and all of it, so that proxies which began together part.
Clock::Duration StatusLists::jittered(Clock::Duration most, unsigned least_percent) {
  const auto spread = static_cast<std::uint64_t>(most.count()) / 100 * (100 - least_percent);
  return most - Clock::Duration(spread == 0 ? 0 : rng_.next() % spread);
}

StatusLists::Counters StatusLists::counters() const {
  const std::lock_guard lock(mutex_);
  Counters counters{0, 0, fetched_, failed_};
  for (const auto& [uri, place] : places_) {
    for (const Held& one : place->held) {
      if (!may_use(one)) continue;
      ++counters.lists;
      counters.oldest_age = std::max(counters.oldest_age, seconds_of(clock_.now() - one.fetched));
    }
  }
  return counters;
}

std::optional<std::size_t> first_status_hop(const receipt::VerifiedChain& chain) {
  for (std::size_t hop = 0; hop < chain.size(); ++hop) {
    if (chain.mandate(hop).status) return hop;
  }
  return std::nullopt;
}

Task<receipt::Checked<void>> check_status(StatusLists* lists, const receipt::VerifiedChain& chain) {
  receipt::Checked<void> outcome;
  const auto hop = first_status_hop(chain);
  if (!hop) co_return outcome;
  if (lists != nullptr) {
    outcome = co_await lists->check(chain);
  } else {
    outcome =
        receipt::refuse(receipt::Code::kStatusUnknown,
                        "The receipt can be revoked, and this proxy fetches no status lists.");
    outcome.error().hop = static_cast<int>(*hop);
  }
  co_return outcome;
}

}  // namespace mandated
