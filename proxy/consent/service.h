// The consent service as a process of its own: `mandated consent serve`.
#pragma once

#include <string>
#include <vector>

#include "proxy/base/result.h"
#include "proxy/consent/origin.h"

namespace mandated::consent {

struct ServiceOptions {
  std::string folder;
  /// Loopback or Unix sockets: TLS is the business of whoever stands in front. Empty: port 8700 of
  /// 127.0.0.1 and, where the machine has IPv6, of [::1], since browsers ask either for localhost.
  std::vector<std::string> addresses;
  Origin origin;
};

/// Serves until SIGTERM or SIGINT, then answers what is under way and returns. kInvalidConfig,
/// kUnavailable or kStorage when it cannot begin.
Result<void> run_service(const ServiceOptions& options);

}  // namespace mandated::consent
