// Which instance uses which receipt: where one comes back after another has taken its place, both
// hold the receipt at once, and one of them may be a copy. That is only a suspicion (an agent can
// have two processes, a proxy two replicas), so it is told and refuses nothing. One for the
// process; any thread.
#pragma once

#include <cstddef>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/base/clock.h"
#include "proxy/identity/identity.h"

namespace mandated::attest {

/// How an instance is told from others, for people too: the local process, or the key that proved a
/// peer. Empty where neither is known.
std::string instance_name(const identity::PeerIdentity& peer);

class Clones {
 public:
  static constexpr std::size_t kReceiptsMax = 8192;
  static constexpr std::size_t kInstancesMax = 4;  ///< of one receipt that are remembered
  /// An instance that was not seen for as long is forgotten.
  static constexpr Clock::Duration kWindow = std::chrono::minutes(10);
  /// A peer's key changes with its SVID, and calls under way may still show the old one.
  static constexpr Clock::Duration kHandover = std::chrono::seconds(10);
  /// Between two alerts about one receipt.
  static constexpr Clock::Duration kBetweenAlerts = std::chrono::minutes(1);

  struct Alert {
    std::string returned;  ///< who uses the receipt now, and did before the other came
    std::string other;
  };
  /// `peer` uses the receipt of this digest now.
  std::optional<Alert> note(std::string_view receipt, const identity::PeerIdentity& peer,
                            Clock::Time now);

 private:
  struct Use {
    std::string instance;
    Clock::Time since;
    Clock::Time last;
  };
  struct Uses {
    std::vector<Use> uses;  // the latest first
    std::optional<Clock::Time> told;
  };
  void make_room(Clock::Time now);

  std::mutex mutex_;
  std::map<std::string, Uses, std::less<>> receipts_;
};

}  // namespace mandated::attest
