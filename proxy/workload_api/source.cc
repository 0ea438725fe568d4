#include "proxy/workload_api/source.h"

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <optional>
#include <utility>

#include "proxy/identity/jwt_keys.h"
#include "proxy/workload_api/advice.h"

namespace mandated::workload_api {

namespace {

using namespace std::chrono_literals;
using identity::Snapshot;
using identity::SnapshotPtr;

constexpr Clock::Duration kConnectMax = 5s;
constexpr Clock::Duration kAnswerMax = 30s;  // for a stream's first message
constexpr Clock::Duration kPauseMin = 100ms;
constexpr Clock::Duration kPauseMax = 10s;
// An agent that lets three quarters of an SVID's life pass without another one may be stuck: it is
// asked anew, and again after this.
constexpr Clock::Duration kPatienceMin = 10s;

Task<void> keep(Task<Result<SnapshotPtr>> task, std::optional<Result<SnapshotPtr>>& outcome) {
  outcome.emplace(co_await std::move(task));
}

}  // namespace

/// One of the two streams.
struct WorkloadApiSvidSource::Watch {
  Watch(Executor executor, std::string_view method_in, Take take_in, bool is_identity_in)
      : method(method_in), take(take_in), is_identity(is_identity_in), wake(executor) {}

  const std::string_view method;
  const Take take;
  const bool is_identity;  // what it says decides whether the agent counts as there
  Event wake;
  std::unique_ptr<GrpcCall> call;
  bool heard = false;  // the stream has given a message that was taken
};

Result<const HintedSvid*> choose_svid(const std::vector<HintedSvid>& svids,
                                      std::string_view spiffe_id, std::string_view hint) {
  const auto found = std::find_if(svids.begin(), svids.end(), [&](const HintedSvid& one) {
    return (spiffe_id.empty() || one.svid.id.text() == spiffe_id) &&
           (hint.empty() || one.hint == hint);
  });
  if (found != svids.end()) return &*found;
  std::string text = "the agent has no SVID";
  if (!spiffe_id.empty()) text += " of " + std::string(spiffe_id);
  if (!hint.empty()) text += " with the hint '" + std::string(hint) + "'";
  text += "; it has:";
  for (const HintedSvid& one : svids) {
    text += ' ' + one.svid.id.text();
    if (!one.hint.empty()) text += " ('" + one.hint + "')";
  }
  return fail(Code::kNotFound, Side::kUpstream, std::move(text));
}

bool is_final(const Error& error) {
  return error.code == Code::kInternal || error.code == Code::kUnsupported;
}

WorkloadApiSvidSource::WorkloadApiSvidSource(WorkloadApiOptions options)
    : options_(std::move(options)) {}

WorkloadApiSvidSource::~WorkloadApiSvidSource() = default;

Result<SnapshotPtr> WorkloadApiSvidSource::first(Clock::WallTime now) {
  boost::asio::io_context context{1};
  const auto offset = std::chrono::round<std::chrono::seconds>(now - RealClock(context).wall());
  RealClock clock(context, offset);
  Gate gate(context.get_executor());
  std::optional<Result<SnapshotPtr>> outcome;
  gate.spawn(keep(await_first(clock), outcome));
  context.run();
  MANDATED_ASSERT(outcome.has_value());
  return std::move(*outcome);
}

Task<Result<SnapshotPtr>> WorkloadApiSvidSource::await_first(Clock& clock) {
  Gate gate(clock.executor());
  const std::unique_ptr<net::Dialer> dialer = options_.make_dialer(clock);
  const Agent agent{*dialer, clock, gate, options_.endpoint};
  const Clock::Time deadline = clock.now() + options_.startup_timeout;
  Clock::Duration wait = kPauseMin;
  Result<void> fetched = co_await fetch_first(agent, deadline);
  while (!fetched && !is_final(fetched.error()) && clock.now() + wait < deadline) {
    co_await clock.sleep_for(wait);
    wait = std::min(2 * wait, kPauseMax);
    fetched = co_await fetch_first(agent, deadline);
  }
  co_await gate.wait_empty();
  if (fetched) co_return current_;
  Error error = std::move(fetched).error();
  error.text += ". " + advice_for(error, options_.endpoint);
  co_return Failure(std::move(error));
}

/// Until there is an SVID that is ours; the registration entry may be on its way.
Task<Result<void>> WorkloadApiSvidSource::fetch_first(const Agent& agent, Clock::Time deadline) {
  const Clock::Time connect_by = std::min(deadline, agent.clock.now() + kConnectMax);
  CO_TRY(const std::unique_ptr<GrpcCall> call,
         co_await GrpcCall::start(agent, "FetchX509SVID", {}, connect_by));
  call->set_deadline(deadline);
  Result<void> taken;
  do {
    Result<std::optional<Secret>> message = co_await call->next();
    if (!message && !taken) co_return taken;  // why what came before did not do says more
    if (!message) co_return Failure(std::move(message).error());
    if (!*message) co_return fail(Code::kEnd, Side::kUpstream, "the agent ended its stream");
    taken = take_svids((*message)->bytes(), agent.clock.wall());
  } while (!taken);
  co_return taken;
}

Task<void> WorkloadApiSvidSource::run(Clock& clock, std::function<void(SnapshotPtr)> publish) {
  MANDATED_ASSERT(current_ != nullptr);
  publish_ = std::move(publish);
  Gate gate(clock.executor());
  const std::unique_ptr<net::Dialer> dialer = options_.make_dialer(clock);
  const Agent agent{*dialer, clock, gate, options_.endpoint};
  Watch svids(clock.executor(), "FetchX509SVID", &WorkloadApiSvidSource::take_svids, true);
  Watch keys(clock.executor(), "FetchJWTBundles", &WorkloadApiSvidSource::take_jwt_keys, false);
  watches_ = {&svids, &keys};
  for (Watch* one : watches_) gate.spawn(watch(agent, *one));
  co_await gate.wait_empty();
  watches_.clear();
}

void WorkloadApiSvidSource::stop() {
  stopping_ = true;
  for (Watch* one : watches_) {
    one->wake.notify();
    if (one->call) one->call->cancel();
  }
}

Task<void> WorkloadApiSvidSource::watch(const Agent& agent, Watch& watch) {
  Clock::Duration wait = kPauseMin;
  while (!stopping_) {
    const Result<void> ended = co_await follow(agent, watch);
    watch.call.reset();
    if (stopping_) break;
    if (watch.is_identity && options_.on_connected) options_.on_connected(false);
    const std::string words = std::string(watch.method) + ": " + ended.error().text + ". " +
                              advice_for(ended.error(), options_.endpoint);
    if (is_final(ended.error())) {
      report(words + " It is not asked again.");
      break;
    }
    report(words);
    if (watch.heard) wait = kPauseMin;
    watch.heard = false;
    co_await pause(agent.clock, watch, wait);
    wait = std::min(2 * wait, kPauseMax);
  }
}

Task<void> WorkloadApiSvidSource::pause(Clock& clock, Watch& watch, Clock::Duration duration) {
  const auto timer = clock.call_at(clock.now() + duration, [&watch] { watch.wake.notify(); });
  co_await watch.wake.wait();
}

/// One stream, to its end, which is always an error.
Task<Result<void>> WorkloadApiSvidSource::follow(const Agent& agent, Watch& watch) {
  Clock& clock = agent.clock;
  CO_TRY(watch.call, co_await GrpcCall::start(agent, watch.method, {}, clock.now() + kConnectMax));
  watch.call->set_deadline(clock.now() + kAnswerMax);
  while (!stopping_) {
    Result<std::optional<Secret>> message = co_await watch.call->next();
    if (!message) co_return Failure(std::move(message).error());
    if (!*message) break;
    const Result<void> taken = (this->*watch.take)((*message)->bytes(), clock.wall());
    if (taken) {
      watch.heard = true;
      if (watch.is_identity && options_.on_connected) options_.on_connected(true);
    } else {
      report(std::string(watch.method) + ": " + taken.error().text + ". " +
             advice_for(taken.error(), options_.endpoint));
    }
    watch.call->set_deadline(watch.is_identity ? renewal_due(clock) : Clock::Time::max());
  }
  co_return fail(Code::kEnd, Side::kUpstream, "the agent ended its stream");
}

Clock::Time WorkloadApiSvidSource::renewal_due(Clock& clock) const {
  const identity::Svid& svid = *current_->svid;
  const Clock::WallTime due = svid.expires - (svid.expires - svid.not_before) / 4;
  return clock.now() + std::max<Clock::Duration>(due - clock.wall(), kPatienceMin);
}

Result<void> WorkloadApiSvidSource::take_svids(std::string_view message, Clock::WallTime now) {
  TRY(X509Update update, read_x509_svids(message, now));
  for (const std::string& what : update.ignored) report("ignored: " + what);
  const std::string& wanted = current_ ? current_->svid->id.text() : options_.spiffe_id;
  TRY(const HintedSvid* chosen, choose_svid(update.svids, wanted, options_.hint));
  Snapshot snapshot;
  if (current_) snapshot = *current_;
  if (!current_ || chosen->svid.chain_der != current_->svid->chain_der) {
    snapshot.svid = std::make_shared<const identity::Svid>(chosen->svid);
  } else if (update.bundles == current_->bundles) {
    return {};
  }
  snapshot.bundles = std::move(update.bundles);
  take(std::move(snapshot));
  return {};
}

/// The keys of one domain that cannot be read leave that domain without any; the others count.
Result<void> WorkloadApiSvidSource::take_jwt_keys(std::string_view message, Clock::WallTime) {
  TRY(const auto bundles, read_jwt_bundles(message));
  Snapshot snapshot = *current_;
  snapshot.jwt_bundles.clear();
  for (const auto& [trust_domain, keys] : bundles) {
    Result<std::vector<identity::JwtKey>> read = identity::read_jwt_keys(keys);
    if (read) {
      snapshot.jwt_bundles[trust_domain] = std::move(*read);
    } else {
      report("ignored: the JWT authorities of " + trust_domain + ": " + read.error().text);
    }
  }
  take(std::move(snapshot));
  return {};
}

void WorkloadApiSvidSource::take(Snapshot snapshot) {
  current_ = std::make_shared<const Snapshot>(std::move(snapshot));
  if (publish_) publish_(current_);
}

void WorkloadApiSvidSource::report(std::string_view words) const {
  if (options_.log) options_.log(words);
}

}  // namespace mandated::workload_api
