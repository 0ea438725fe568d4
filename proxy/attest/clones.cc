#include "proxy/attest/clones.h"

#include <algorithm>

namespace mandated::attest {

std::string instance_name(const identity::PeerIdentity& peer) {
  if (peer.instance) {
    return "process " + std::to_string(peer.instance->process) + " (" + peer.instance->executable +
           ", started at tick " + std::to_string(peer.instance->start_time) + ")";
  }
  if (peer.key.empty()) return {};
  return "key " + peer.key + " (" + peer.spiffe_id + ")";
}

std::optional<Clones::Alert> Clones::note(std::string_view receipt,
                                          const identity::PeerIdentity& peer, Clock::Time now) {
  std::string name = instance_name(peer);
  if (name.empty()) return std::nullopt;
  const std::lock_guard lock(mutex_);
  auto found = receipts_.find(receipt);
  if (found == receipts_.end()) {
    if (receipts_.size() >= kReceiptsMax) make_room(now);
    found = receipts_.emplace(std::string(receipt), Uses{}).first;
  }
  std::vector<Use>& uses = found->second.uses;
  std::erase_if(uses, [&](const Use& use) { return now - use.last > kWindow; });
  if (!uses.empty() && uses.front().instance == name) {
    uses.front().last = now;
    return std::nullopt;
  }
  const auto same =
      std::find_if(uses.begin(), uses.end(), [&](const Use& use) { return use.instance == name; });
  std::optional<Alert> alert;
  if (same == uses.end()) {
    uses.insert(uses.begin(), Use{std::move(name), now, now});
    if (uses.size() > kInstancesMax) uses.pop_back();
    return alert;
  }
  // A process does not hand over; one that is back was there all the time.
  const Clock::Duration patience = peer.instance ? Clock::Duration::zero() : kHandover;
  if (now - uses.front().since < patience) return alert;
  std::optional<Clock::Time>& told = found->second.told;
  if (!told || now - *told >= kBetweenAlerts) {
    told.emplace(now);
    alert.emplace(Alert{name, uses.front().instance});
  }
  same->since = now;
  same->last = now;
  std::rotate(uses.begin(), same, same + 1);
  return alert;
}

// Whoever holds a key that anchors name can make receipts at will.
void Clones::make_room(Clock::Time now) {
  std::erase_if(receipts_, [&](const auto& each) {
    const std::vector<Use>& uses = each.second.uses;
    return uses.empty() || now - uses.front().last > kWindow;
  });
  if (receipts_.size() >= kReceiptsMax) receipts_.clear();
}

}  // namespace mandated::attest
