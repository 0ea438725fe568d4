// One call on its way through the proxy: what was understood, who asks, and what the filters found
// out. Built by server/exchange, read and annotated by the filters; it knows no sockets.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "config/config.h"
#include "filters/approval/approvals.h"
#include "filters/receipt/chain.h"
#include "proxy/base/clock.h"
#include "proxy/identity/identity.h"
#include "proxy/protocol/call.h"

namespace mandated {

struct Exchange {
  std::string id;  ///< names it in the audit trail and the logs
  Clock::Time started;
  Clock::Time deadline;  ///< of the whole call
  double now = 0;        ///< wall time of the decision, NumericDate: one time for every check
  const config::Route* route = nullptr;
  const config::Upstream* upstream = nullptr;
  identity::PeerIdentity caller;
  protocol::Call call;

  // Found by the filters.
  /// Verified chains that speak for the caller; a permitted tool call has exactly one.
  std::vector<receipt::ChainPtr> chains;
  std::vector<std::string> receipts;     ///< to send on with the call, root first; empty: none
  std::string proof;                     ///< to send on with them; empty: none
  std::vector<receipt::Charge> charges;  ///< made for this call
  std::optional<Approval> approval;      ///< used for this call
};

}  // namespace mandated
