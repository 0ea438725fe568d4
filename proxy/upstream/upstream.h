// The far side of a call. An upstream acts only on a Permit, which only the filter chain can make
// and which is used up by the act: a call that was not permitted does not compile.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "proxy/base/clock.h"
#include "proxy/http/message.h"
#include "proxy/protocol/call.h"

namespace mandated {

class FilterChain;

/// The right to forward one call. Cannot be copied or made elsewhere.
class Permit {
 public:
  Permit(Permit&&) = default;
  Permit& operator=(Permit&&) = default;
  Permit(const Permit&) = delete;
  Permit& operator=(const Permit&) = delete;

 private:
  friend class FilterChain;
  Permit() = default;
};

namespace upstream {

/// How a call fares, for who waits for it.
struct Progress {
  std::function<void()> cancel;  ///< set, while it lasts, to what ends the call from outside
  bool left = false;             ///< some of it may have reached the far side
};

/// What goes out. References are the caller's and outlive forward().
struct Outgoing {
  const http::RequestHead& head;             ///< as it came in
  const protocol::Call* call = nullptr;      ///< null on routes that pass plain HTTP through
  http::Body* stream = nullptr;              ///< the body, where there is no call
  const std::vector<std::string>& receipts;  ///< to pass on, root first; empty: none
  const std::string& proof;                  ///< to pass on; empty: none
  std::string_view peer;                     ///< whom sessions are bound to
  Clock::Time deadline;
  Progress& progress;
};

class Upstream {
 public:
  virtual ~Upstream() = default;
  /// The answer, whose body may still be under way. Errors have Side::kUpstream unless they are
  /// ours.
  virtual Task<Result<http::Response>> forward(Permit permit, const Outgoing& outgoing) = 0;
  /// The identity changed: new connections only from here on.
  virtual void retire_connections() = 0;
  virtual void drain() = 0;
};

}  // namespace upstream
}  // namespace mandated
