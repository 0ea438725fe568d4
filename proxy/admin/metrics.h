// Every metric there is, typed, so that a name or a label cannot be mistyped where it is counted.
// Label values come from closed sets or from the configuration; nothing a peer sends becomes one.
// Safe from any thread; what a call counts is resolved to references once, per route.
#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/base/result.h"

namespace prometheus {
class Counter;
class Gauge;
class Histogram;
}  // namespace prometheus

namespace mandated::admin {

// Handles over prometheus-cpp's objects, which stays out of this header. They live as long as their
// Metrics.
class Counter {
 public:
  explicit Counter(prometheus::Counter& counter) : counter_(&counter) {}
  void add(double amount = 1) const;
  double value() const;

 private:
  prometheus::Counter* counter_;
};

class Gauge {
 public:
  explicit Gauge(prometheus::Gauge& gauge) : gauge_(&gauge) {}
  void set(double value) const;
  void add(double amount) const;
  double value() const;

 private:
  prometheus::Gauge* gauge_;
};

class Histogram {
 public:
  explicit Histogram(prometheus::Histogram& histogram) : histogram_(&histogram) {}
  void observe(std::chrono::nanoseconds duration) const;

 private:
  prometheus::Histogram* histogram_;
};

/// What mandated_limit_exceeded_total tells apart.
enum class Limit {
  kBodyBytes,
  kHeaderBytes,
  kJsonDepth,
  kStreams,
  kConnections,
  kSessions,
  kBufferedBytes,
  kUpstreamConnections,
  kReplayMemory,
};

struct BuildInfo {
  std::string version;
  std::string boringssl;
  std::string nghttp2;
  std::string boost;
};

class Metrics {
 public:
  /// Names of the configuration: the only values that these labels take.
  struct Names {
    std::vector<std::string> listeners;
    std::vector<std::string> routes;
    std::vector<std::string> upstreams;
    std::vector<std::string> commands;  ///< those upstreams that are started here
  };
  Metrics(const Names& names, const BuildInfo& build);
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  struct Route {
    Counter permitted;   ///< mandated_requests_total{route,verdict="permit"}
    Counter denied;      ///< mandated_requests_total{route,verdict="deny"}
    Counter failed;      ///< mandated_requests_total{route,verdict="error"}
    Histogram duration;  ///< mandated_request_duration_seconds{route}
  };
  struct Listener {
    Gauge connections;  ///< mandated_connections_active{listener}
  };
  // Precondition of each: a name given to the constructor. The references stay valid.
  const Route& route(std::string_view name) const;
  const Counter& restarts(std::string_view command) const;  ///< mandated_stdio_restarts_total
  const Listener& listener(std::string_view name) const;

  /// mandated_refusals_total{route,code}. A code that receipts.md does not know counts as "other".
  void refused(std::string_view route, std::string_view code);
  /// mandated_upstream_errors_total{upstream,code}
  void upstream_failed(std::string_view upstream, Code code);
  /// mandated_handshake_failures_total{code,reason}
  void handshake_failed(Code code, std::string_view reason);
  /// mandated_limit_exceeded_total{limit}
  void limit_exceeded(Limit limit);

  const Counter& receipt_cache_hits() const;
  const Counter& receipt_cache_misses() const;
  const Histogram& audit_append() const;
  const Counter& audit_failures() const;
  const Counter& receipt_clones() const;   ///< mandated_receipt_clones_total
  const Counter& status_failures() const;  ///< mandated_status_fetch_failures_total
  /// mandated_status_lists, mandated_status_oldest_seconds: absent before the first call.
  void status_lists(std::size_t held, double oldest_seconds);
  /// Unix time. There is no mandated_svid_expiry_seconds before the first call.
  void svid_expires(double seconds);
  const Counter& svid_rotations() const;
  /// mandated_workload_api_connected: absent before the first call.
  void workload_api_connected(bool connected);
  /// mandated_peers_total{trust_domain}: peers that proved who they are. Trust domains whose
  /// bundles we have are the only values; beyond 1000 they count as "other".
  void peer_accepted(std::string_view trust_domain);

  /// The Prometheus text format 0.0.4.
  std::string text() const;

 private:
  struct Families;
  std::unique_ptr<Families> families_;
  std::map<std::string, Route, std::less<>> routes_;
  std::set<std::string, std::less<>> upstreams_;
  std::map<std::string, Counter, std::less<>> restarts_;
  std::map<std::string, Listener, std::less<>> listeners_;
};

}  // namespace mandated::admin
