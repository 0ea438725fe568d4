// The web server of a simulated world's status list: one list of the person who signs the receipts,
// served over TLS, revoked when told, and sometimes away or behind the times.
#pragma once

#include <optional>
#include <string>

#include "filters/receipt/key.h"
#include "proxy/http/server.h"
#include "proxy/net/socket.h"
#include "tests/support/sim_clock.h"

namespace mandated::sim {

inline constexpr char kListUri[] = "https://lists.sim/1";
inline constexpr int kListEntry = 5;

class ListHost final : public http::Handler {
 public:
  /// Serves what it published ten seconds ago, in which everything is well.
  ListHost(test::SimClock& clock, receipt::PrivateKey issuer);

  Task<void> handle(http::ServerStream& stream) override;

  void revoke();
  /// Serves the first list again, as a stale cache or an attacker would.
  void roll_back();

  bool down = false;
  std::optional<Clock::WallTime> revoked_at;

 private:
  std::string publish(Clock::WallTime at, bool revoked) const;

  test::SimClock& clock_;
  receipt::PrivateKey issuer_;
  std::string first_;
  std::string served_;
};

/// Accepts until the listener is closed.
Task<void> serve_lists(net::Listener& listener, test::SimClock& clock, Gate& gate, ListHost& host);

}  // namespace mandated::sim
