// Argument constraints: the nine core types of AAT section 3.4, and the extension types of profile
// section 3, which extension.h holds. One tree per constrained argument, parsed once, with views
// into its token's payload. Internal to the engine.
//
// Nesting depth: a constraint that is neither `all` nor `any` has depth 0, a composite one more
// than its deepest clause. MAX_CONSTRAINT_DEPTH (32) therefore allows 32 composites around a leaf.
//
// A member that its type does not define is refused: it could be a restriction that would silently
// be dropped. An empty `all` accepts everything and an empty `any` nothing, as the draft's
// semantics say.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "filters/receipt/chain.h"
#include "filters/receipt/effort.h"
#include "filters/receipt/extension.h"
#include "proxy/json/json.h"

namespace mandated::receipt {

enum class ConstraintType : std::uint8_t {
  kExact,
  kRange,
  kOneOf,
  kNotOneOf,
  kContains,
  kSubset,
  kWildcard,
  kAll,
  kAny,
  kPathContainment,
  kUrlContainment,
  kStringPrefix,
  kCidr,
  kLength,
  kGlob,
  kShellCommand,
};

std::string_view to_string(ConstraintType type);

/// A set of JSON values, equal as RFC 8785 would print them. Large sets are indexed by hash.
class ValueSet {
 public:
  ValueSet() = default;
  explicit ValueSet(std::span<const json::Value> values);

  std::span<const json::Value> values() const { return values_; }
  /// Position of the first equal value.
  std::optional<std::size_t> find(const json::Value& value, Effort& effort) const;
  bool contains(const json::Value& value, Effort& effort) const {
    return find(value, effort).has_value();
  }
  bool contains_all(const ValueSet& other, Effort& effort) const;

 private:
  std::span<const json::Value> values_;
  std::vector<std::pair<std::uint64_t, std::uint32_t>> index_;  // (hash, position), sorted
};

class Constraint {
 public:
  /// kUnknownConstraint, kTooLarge (depth, value length) or kMalformed.
  static Checked<Constraint> parse(const json::Value& source, const Limits& limits,
                                   std::size_t depth = 0);

  ConstraintType type() const { return type_; }
  /// The constraint as it stands in the token.
  std::string_view text() const { return source_->raw(); }

  /// The `check` predicate. If `effort` is exhausted afterwards, the answer means nothing: the
  /// caller must refuse.
  bool check(const json::Value& argument, Effort& effort) const;

  /// The `subsumes` relation of section 4.5: whatever this accepts, `parent` accepts. As with
  /// check, worthless once `effort` is exhausted.
  bool within(const Constraint& parent, Effort& effort) const;

  /// The rules of `within`, one JSON object per line:
  /// {"child":"exact","parent":"range","rule":"values_pass"}. Any other pair is refused.
  static std::string rules();

 private:
  struct Bound {
    double value = 0;
    bool inclusive = true;
  };

  Checked<void> read_value(const Limits& limits);
  Checked<void> read_values(std::string_view member, const Limits& limits);
  Checked<void> read_range();
  Checked<void> read_bound(std::string_view member, std::string_view inclusive,
                           std::optional<Bound>& bound);
  Checked<void> read_clauses(const Limits& limits, std::size_t depth);
  Checked<void> read_extension(const Limits& limits);

  bool in_range(double number) const;
  bool holds_required(const json::Value& argument, Effort& effort) const;
  bool holds_allowed_only(const json::Value& argument, Effort& effort) const;
  bool extension_accepts(const json::Value& argument, Effort& effort) const;

  // The rules of `within`, and the table that says which one holds for which pair of types.
  struct Rules;
  bool anything(const Constraint& parent, Effort& effort) const;
  bool values_pass(const Constraint& parent, Effort& effort) const;
  bool range_within(const Constraint& parent, Effort& effort) const;
  bool lists_more(const Constraint& parent, Effort& effort) const;
  bool lists_less(const Constraint& parent, Effort& effort) const;
  bool all_within(const Constraint& parent, Effort& effort) const;
  bool any_within(const Constraint& parent, Effort& effort) const;
  bool extension_within(const Constraint& parent, Effort& effort) const;

  ConstraintType type_ = ConstraintType::kWildcard;
  const json::Value* source_ = nullptr;
  const json::Value* value_ = nullptr;  // exact
  std::optional<Bound> min_;            // range
  std::optional<Bound> max_;            // range
  ValueSet values_;                     // one_of, not_one_of, contains, subset
  std::vector<Constraint> clauses_;     // all, any
  std::optional<Extension> extension_;  // the extension types
};

}  // namespace mandated::receipt
