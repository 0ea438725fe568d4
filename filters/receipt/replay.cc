// Proofs seen, until they are too old to be accepted anyway. Forgetting one early would let it in
// twice, so a full memory refuses instead.
#include <algorithm>
#include <mutex>
#include <queue>
#include <unordered_set>

#include "filters/receipt/chain.h"
#include "filters/receipt/digest.h"

namespace mandated::receipt {

struct ReplayMemory::Entries {
  struct Seen {
    Seconds until;
    std::string key;
    bool operator<(const Seen& other) const {
      return until > other.until;
    }  // the first to be forgotten on top
  };

  std::size_t entries_max;
  std::mutex mutex;
  std::unordered_set<std::string> keys;
  std::priority_queue<Seen> by_age;
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

ReplayMemory::ReplayMemory(std::size_t entries_max) : entries_(std::make_unique<Entries>()) {
  entries_->entries_max = entries_max;
}

ReplayMemory::~ReplayMemory() = default;

Checked<void> ReplayMemory::remember(const PublicKey& holder, const Proof& proof, Seconds now,
                                     Seconds window) {
  const Seconds until = proof.issued_at + window;
  // A digest bounds what one entry costs, however long the jti is.
  const std::string_view parts[] = {holder.thumbprint(), proof.jti};
  const Sha256 digest = sha256_framed(parts);
  std::string key(digest.begin(), digest.end());

  const std::lock_guard lock(entries_->mutex);
  entries_->forget_before(now);
  if (until < entries_->latest) return refuse(Code::kBadProof, "The proof is too old.");
  if (entries_->keys.contains(key)) return refuse(Code::kReplayed, "The proof was used before.");
  if (entries_->keys.size() >= entries_->entries_max) {
    return refuse(Code::kInternal,
                  "Too many calls arrived within the proof window; try again shortly.");
  }
  entries_->keys.insert(key);
  entries_->by_age.push({until, std::move(key)});
  return {};
}

}  // namespace mandated::receipt
