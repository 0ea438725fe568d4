// Proofs seen, until they are too old to be accepted anyway. Forgetting one early would let it in
// twice, so a full memory refuses instead.
#include <algorithm>
#include <mutex>
#include <queue>
#include <unordered_set>
#include <vector>

#include "filters/receipt/chain.h"
#include "filters/receipt/digest.h"

namespace mandated::receipt {

struct ReplayMemory::Entries {
  struct ForgottenLater {
    bool operator()(const Seen& a, const Seen& b) const { return a.until > b.until; }
  };

  std::size_t entries_max;
  Keep keep;
  std::mutex mutex;
  std::unordered_set<std::string> keys;
  std::priority_queue<Seen, std::vector<Seen>, ForgottenLater> by_age;
  // A clock that is set back must not revive what was forgotten.
  Seconds latest = 0;

  void forget_before(Seconds now) {
    latest = std::max(latest, now);
    while (!by_age.empty() && by_age.top().until < latest) {
      keys.erase(by_age.top().key);
      by_age.pop();
    }
  }
};

ReplayMemory::ReplayMemory(std::size_t entries_max, Keep keep)
    : entries_(std::make_unique<Entries>()) {
  entries_->entries_max = entries_max;
  entries_->keep = std::move(keep);
}

void ReplayMemory::restore(const Seen& seen) {
  const std::lock_guard lock(entries_->mutex);
  if (entries_->keys.insert(seen.key).second) entries_->by_age.push(seen);
}

ReplayMemory::~ReplayMemory() = default;

// A digest bounds what one entry costs, however long the jti is.
std::string ReplayMemory::key_of(const PublicKey& holder, const Proof& proof) {
  const std::string_view parts[] = {holder.thumbprint(), proof.jti};
  const Sha256 digest = sha256_framed(parts);
  return {digest.begin(), digest.end()};
}

Checked<void> ReplayMemory::remember(const PublicKey& holder, const Proof& proof, Seconds now,
                                     Seconds window) {
  const Seconds until = proof.issued_at + window;
  Seen seen{key_of(holder, proof), until};

  const std::lock_guard lock(entries_->mutex);
  entries_->forget_before(now);
  if (until < entries_->latest) return refuse(Code::kBadProof, "The proof is too old.");
  if (entries_->keys.contains(seen.key))
    return refuse(Code::kReplayed, "The proof was used before.");
  if (entries_->keys.size() >= entries_->entries_max) {
    return refuse(Code::kInternal,
                  "Too many calls arrived within the proof window; try again shortly.");
  }
  if (entries_->keep && !entries_->keep(seen, entries_->latest)) {
    return refuse(Code::kInternal, "That the proof was used cannot be written down; try later.");
  }
  entries_->keys.insert(seen.key);
  entries_->by_age.push(std::move(seen));
  return {};
}

}  // namespace mandated::receipt
