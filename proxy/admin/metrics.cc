#include "proxy/admin/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <mutex>

#include "filters/receipt/refusal.h"

namespace mandated::admin {

namespace {

// Calls take from tens of microseconds (a refusal) to minutes (a slow tool).
const prometheus::Histogram::BucketBoundaries kCallBuckets = {
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
    0.25,   0.5,     1,      2.5,   5,      10,    30,   60,    120};
const prometheus::Histogram::BucketBoundaries kDiskBuckets = {
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5};

std::string_view label(Limit limit) {
  switch (limit) {
    case Limit::kBodyBytes:
      return "body_bytes";
    case Limit::kHeaderBytes:
      return "header_bytes";
    case Limit::kJsonDepth:
      return "json_depth";
    case Limit::kStreams:
      return "streams";
    case Limit::kConnections:
      return "connections";
    case Limit::kSessions:
      return "sessions";
    case Limit::kBufferedBytes:
      return "buffered_bytes";
    case Limit::kUpstreamConnections:
      return "upstream_connections";
    case Limit::kReplayMemory:
      return "replay_memory";
  }
  return "other";
}

using Labels = std::map<std::string, std::string>;
using Counters = prometheus::Family<prometheus::Counter>;
using Gauges = prometheus::Family<prometheus::Gauge>;
using Histograms = prometheus::Family<prometheus::Histogram>;

Counters& counters(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
}
Gauges& gauges(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry);
}
Histograms& histograms(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildHistogram().Name(name).Help(help).Register(registry);
}

template <class T>
const T& at(const std::map<std::string, T, std::less<>>& all, std::string_view name) {
  const auto found = all.find(name);
  MANDATED_ASSERT(found != all.end());
  return found->second;
}

}  // namespace

void Counter::add(double amount) const { counter_->Increment(amount); }
double Counter::value() const { return counter_->Value(); }
void Gauge::set(double value) const { gauge_->Set(value); }
void Gauge::add(double amount) const { gauge_->Increment(amount); }
double Gauge::value() const { return gauge_->Value(); }
void Histogram::observe(std::chrono::nanoseconds duration) const {
  histogram_->Observe(std::chrono::duration<double>(duration).count());
}

struct Metrics::Families {
  prometheus::Registry registry;
  Counters& requests = counters(registry, "mandated_requests_total", "Calls by route and verdict.");
  Counters& refusals =
      counters(registry, "mandated_refusals_total", "Refused calls by the code of the refusal.");
  Histograms& durations = histograms(registry, "mandated_request_duration_seconds",
                                     "From a call's head to the end of its answer.");
  Counters& upstream_errors = counters(registry, "mandated_upstream_errors_total",
                                       "Calls that failed at the upstream, by error code.");
  Gauges& connections =
      gauges(registry, "mandated_connections_active", "Connections that are open, by listener.");
  Counters& handshake_failures = counters(registry, "mandated_handshake_failures_total",
                                          "TLS handshakes that failed, by error code and reason.");
  Counters& restarts = counters(registry, "mandated_stdio_restarts_total",
                                "Stdio servers started again after they died.");
  Counters& limits = counters(registry, "mandated_limit_exceeded_total",
                              "How often a configured limit was reached.");
  Counter cache_hits{counters(registry, "mandated_receipt_cache_hits_total",
                              "Chains whose verification was remembered.")
                         .Add({})};
  Counter cache_misses{
      counters(registry, "mandated_receipt_cache_misses_total", "Chains that had to be verified.")
          .Add({})};
  Histogram audit_append{histograms(registry, "mandated_audit_append_seconds",
                                    "From a record's queuing to the disk, per batch.")
                             .Add({}, kDiskBuckets)};
  Counter audit_failures{
      counters(registry, "mandated_audit_failures_total", "Records that could not be written.")
          .Add({})};
  Counter receipt_clones{counters(registry, "mandated_receipt_clones_total",
                                  "Receipts seen in use by two instances at once")
                             .Add({})};
  Counter status_failures{counters(registry, "mandated_status_fetch_failures_total",
                                   "Fetches of status lists that gave none that could be used.")
                              .Add({})};
  Gauges& status_lists = gauges(registry, "mandated_status_lists", "Status lists that are held.");
  Gauges& status_oldest = gauges(registry, "mandated_status_oldest_seconds",
                                 "How long ago the oldest of them was fetched.");
  Gauges& svid_expiry = gauges(registry, "mandated_svid_expiry_seconds",
                               "Unix time at which the current SVID expires.");
  Gauges& workload_api = gauges(registry, "mandated_workload_api_connected",
                                "1 while the SPIFFE agent's stream stands, 0 while it is away.");
  Counters& peers = counters(registry, "mandated_peers_total",
                             "Peers that proved who they are, by trust domain.");
  std::mutex trust_domains_mutex;
  std::set<std::string, std::less<>> trust_domains;
  Counter svid_rotations{
      counters(registry, "mandated_svid_rotations_total", "SVIDs received after the first.")
          .Add({})};
};

Metrics::Metrics(const Names& names, const BuildInfo& build)
    : families_(std::make_unique<Families>()),
      upstreams_(names.upstreams.begin(), names.upstreams.end()) {
  Families& all = *families_;
  gauges(all.registry, "mandated_build_info", "What this binary was built from; always 1.")
      .Add({{"version", build.version},
            {"boringssl", build.boringssl},
            {"nghttp2", build.nghttp2},
            {"boost", build.boost}})
      .Set(1);
  for (const std::string& name : names.routes) {
    const auto requests = [&](const char* verdict) {
      return Counter(all.requests.Add({{"route", name}, {"verdict", verdict}}));
    };
    routes_.emplace(name, Route{requests("permit"), requests("deny"), requests("error"),
                                Histogram(all.durations.Add({{"route", name}}, kCallBuckets))});
  }
  for (const std::string& name : names.commands)
    restarts_.emplace(name, all.restarts.Add({{"upstream", name}}));
  for (const std::string& name : names.listeners)
    listeners_.emplace(name, Listener{Gauge(all.connections.Add({{"listener", name}}))});
}

Metrics::~Metrics() = default;

const Metrics::Route& Metrics::route(std::string_view name) const { return at(routes_, name); }
const Counter& Metrics::restarts(std::string_view command) const { return at(restarts_, command); }
const Metrics::Listener& Metrics::listener(std::string_view name) const {
  return at(listeners_, name);
}

void Metrics::refused(std::string_view route, std::string_view code) {
  at(routes_, route);
  const bool known = receipt::is_code(code);
  families_->refusals
      .Add({{"route", std::string(route)}, {"code", known ? std::string(code) : "other"}})
      .Increment();
}

void Metrics::upstream_failed(std::string_view upstream, Code code) {
  MANDATED_ASSERT(upstreams_.contains(upstream));
  families_->upstream_errors
      .Add({{"upstream", std::string(upstream)}, {"code", std::string(to_string(code))}})
      .Increment();
}

void Metrics::handshake_failed(Code code, std::string_view reason) {
  families_->handshake_failures
      .Add({{"code", std::string(to_string(code))}, {"reason", std::string(reason)}})
      .Increment();
}

void Metrics::limit_exceeded(Limit limit) {
  families_->limits.Add({{"limit", std::string(label(limit))}}).Increment();
}

const Counter& Metrics::receipt_cache_hits() const { return families_->cache_hits; }
const Counter& Metrics::receipt_cache_misses() const { return families_->cache_misses; }
const Histogram& Metrics::audit_append() const { return families_->audit_append; }
const Counter& Metrics::audit_failures() const { return families_->audit_failures; }
const Counter& Metrics::receipt_clones() const { return families_->receipt_clones; }
const Counter& Metrics::status_failures() const { return families_->status_failures; }
void Metrics::status_lists(std::size_t held, double oldest_seconds) {
  families_->status_lists.Add({}).Set(static_cast<double>(held));
  families_->status_oldest.Add({}).Set(oldest_seconds);
}
void Metrics::svid_expires(double seconds) { families_->svid_expiry.Add({}).Set(seconds); }
void Metrics::workload_api_connected(bool connected) {
  families_->workload_api.Add({}).Set(connected ? 1 : 0);
}
void Metrics::peer_accepted(std::string_view trust_domain) {
  constexpr std::size_t kTrustDomainsMax = 1000;
  std::string label(trust_domain);
  {
    const std::lock_guard lock(families_->trust_domains_mutex);
    std::set<std::string, std::less<>>& known = families_->trust_domains;
    if (known.size() < kTrustDomainsMax) known.insert(label);
    if (!known.contains(label)) label = "other";
  }
  families_->peers.Add({{"trust_domain", label}}).Increment();
}
const Counter& Metrics::svid_rotations() const { return families_->svid_rotations; }

std::string Metrics::text() const {
  return prometheus::TextSerializer().Serialize(families_->registry.Collect());
}

}  // namespace mandated::admin
