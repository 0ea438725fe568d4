// Verified chains, most recently used first. A chain is taken for one that was verified only if
// every byte of it is the same: entries are found by a cheap hash of the leaf's signature, and then
// compared whole, which is both surer and several times cheaper than hashing the tokens. Chains
// whose leaves collide replace each other.
#include <cstring>
#include <functional>
#include <list>
#include <unordered_map>

#include "filters/receipt/chain.h"
#include "filters/receipt/digest.h"
#include "filters/receipt/verify.h"

namespace mandated::receipt {
namespace {

// Whatever the number of entries, their tokens do not outgrow this.
constexpr std::size_t kBytesMax = 64U << 20U;

struct Entry {
  std::uint64_t slot;
  std::vector<std::string> tokens;
  std::size_t bytes;
  ChainPtr chain;
  // What it was verified under: a removed anchor or a lowered limit ends it.
  std::string anchors;
  Limits limits;

  bool fits(std::span<const std::string_view> other, const AnchorSet& other_anchors,
            const Limits& other_limits) const {
    return std::equal(tokens.begin(), tokens.end(), other.begin(), other.end()) &&
           anchors == other_anchors.fingerprint() && limits == other_limits;
  }
};

std::size_t bytes_of(std::span<const std::string_view> chain) {
  std::size_t total = 0;
  for (const std::string_view token : chain) total += token.size();
  return total;
}

std::uint64_t slot_of(std::span<const std::string_view> chain) {
  constexpr std::size_t kTailSize = 32;
  const std::string_view leaf = chain.empty() ? std::string_view() : chain.back();
  return std::hash<std::string_view>{}(leaf.substr(leaf.size() - std::min(kTailSize, leaf.size())));
}

}  // namespace

struct ChainCache::Entries {
  std::size_t entries_max;
  std::size_t bytes = 0;
  std::list<Entry> by_use;
  std::unordered_map<std::uint64_t, std::list<Entry>::iterator> by_slot;
  std::uint64_t hits = 0;
  std::uint64_t misses = 0;

  void erase(std::list<Entry>::iterator entry) {
    bytes -= entry->bytes;
    by_slot.erase(entry->slot);
    by_use.erase(entry);
  }

  void insert(Entry entry) {
    if (entries_max == 0) return;
    if (const auto found = by_slot.find(entry.slot); found != by_slot.end()) erase(found->second);
    while (!by_use.empty() && (by_use.size() >= entries_max || bytes + entry.bytes > kBytesMax)) {
      erase(std::prev(by_use.end()));
    }
    bytes += entry.bytes;
    by_use.push_front(std::move(entry));
    by_slot[by_use.front().slot] = by_use.begin();
  }
};

ChainCache::ChainCache(std::size_t entries_max) : entries_(std::make_unique<Entries>()) {
  entries_->entries_max = entries_max;
}

ChainCache::~ChainCache() = default;

Checked<ChainPtr> ChainCache::verify(std::span<const std::string_view> chain,
                                     const AnchorSet& anchors, Seconds now, const Limits& limits) {
  const std::uint64_t slot = slot_of(chain);
  const auto found = entries_->by_slot.find(slot);
  if (found != entries_->by_slot.end() && found->second->fits(chain, anchors, limits)) {
    const auto entry = found->second;
    if (auto valid = entry->chain->valid_at(now); !valid) {
      if (valid.error().code == Code::kExpired) entries_->erase(entry);
      return tl::unexpected(std::move(valid.error()));
    }
    ++entries_->hits;
    entries_->by_use.splice(entries_->by_use.begin(), entries_->by_use, entry);
    return entry->chain;
  }
  ++entries_->misses;
  auto verified = verify_chain(chain, anchors, now, limits);
  if (verified) {
    entries_->insert({slot,
                      {chain.begin(), chain.end()},
                      bytes_of(chain),
                      *verified,
                      anchors.fingerprint(),
                      limits});
  }
  return verified;
}

std::size_t ChainCache::size() const { return entries_->by_use.size(); }
std::uint64_t ChainCache::hits() const { return entries_->hits; }
std::uint64_t ChainCache::misses() const { return entries_->misses; }

}  // namespace mandated::receipt
