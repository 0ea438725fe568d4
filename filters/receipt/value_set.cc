// Membership by linear search for the usual handful, by hash for large sets. The hash is not keyed:
// whoever picks colliding values only spends his own effort.
#include <algorithm>
#include <bit>
#include <functional>

#include "filters/receipt/constraint.h"

namespace mandated::receipt {
namespace {

constexpr std::size_t kLinearMax = 16;
constexpr std::size_t kBytesPerStep = 64;

std::uint64_t hash_of(const json::Value& value) {
  switch (value.kind()) {
    case json::Kind::kString:
      return std::hash<std::string_view>{}(value.string());
    case json::Kind::kNumber:
      return std::bit_cast<std::uint64_t>(value.number() + 0.0);
    case json::Kind::kNull:
    case json::Kind::kFalse:
    case json::Kind::kTrue:
      return static_cast<std::uint64_t>(value.kind());
    case json::Kind::kArray:
    case json::Kind::kObject:
      break;
  }
  return std::hash<std::string>{}(json::canonical(value));
}

std::size_t cost_of(const json::Value& value) { return 1 + value.raw().size() / kBytesPerStep; }

}  // namespace

ValueSet::ValueSet(std::span<const json::Value> values) : values_(values) {
  if (values.size() <= kLinearMax) return;
  index_.reserve(values.size());
  for (std::uint32_t at = 0; at < values.size(); ++at) index_.emplace_back(hash_of(values[at]), at);
  std::sort(index_.begin(), index_.end());
}

std::optional<std::size_t> ValueSet::find(const json::Value& value, Effort& effort) const {
  if (!effort.spend(cost_of(value))) return std::nullopt;
  if (index_.empty()) {
    for (std::size_t at = 0; at < values_.size(); ++at) {
      if (!effort.spend(std::min(cost_of(value), cost_of(values_[at])))) return std::nullopt;
      if (json::equal(values_[at], value)) return at;
    }
    return std::nullopt;
  }
  const std::uint64_t hash = hash_of(value);
  for (auto at = std::lower_bound(index_.begin(), index_.end(), std::pair(hash, std::uint32_t{0}));
       at != index_.end() && at->first == hash; ++at) {
    if (!effort.spend(cost_of(values_[at->second]))) return std::nullopt;
    if (json::equal(values_[at->second], value)) return at->second;
  }
  return std::nullopt;
}

bool ValueSet::contains_all(const ValueSet& other, Effort& effort) const {
  return std::all_of(other.values_.begin(), other.values_.end(),
                     [&](const json::Value& value) { return contains(value, effort); });
}

}  // namespace mandated::receipt
