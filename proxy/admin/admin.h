// The operator's endpoint: GET /ready, /live and /metrics. Answers from atomics, so that it works
// while everything else is stuck.
#pragma once

#include <atomic>
#include <string>

#include "proxy/admin/metrics.h"
#include "proxy/http/server.h"

namespace mandated::admin {

/// What readiness depends on; set by whoever knows, from any thread.
struct Health {
  std::atomic<bool> identity_present{false};  ///< true as well where none is configured
  std::atomic<bool> identity_expired{false};
  std::atomic<bool> listeners_up{false};
  std::atomic<bool> draining{false};
  std::atomic<bool> audit_healthy{true};

  /// Empty when ready, else why not, one reason a line.
  std::string not_ready() const;
};

class AdminHandler final : public http::Handler {
 public:
  /// Both outlive the handler.
  AdminHandler(const Health& health, const Metrics& metrics) : health_(health), metrics_(metrics) {}
  Task<void> handle(http::ServerStream& stream) override;

 private:
  http::Response answer(const http::RequestHead& head) const;

  const Health& health_;
  const Metrics& metrics_;
};

}  // namespace mandated::admin
