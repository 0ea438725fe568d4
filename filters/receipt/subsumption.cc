// The `subsumes` relation of AAT section 4.5 and profile section 3. A pair of types that is not in
// the table is refused, as the section's last sentence demands, even where the child is in fact
// narrower.
#include <algorithm>
#include <array>
#include <limits>

#include "filters/receipt/constraint.h"

namespace mandated::receipt {
namespace {

// Assigns each parent clause a child clause of its own (Kuhn's augmenting paths). The draft's
// backtracking asks the same question, whether such an assignment exists, but takes exponential
// time on inputs that a token has room for.
class Matching {
 public:
  Matching(std::span<const Constraint> parents, std::span<const Constraint> children,
           Effort& effort)
      : effort_(effort), children_(children.size()), edges_(parents.size()) {
    for (std::size_t p = 0; p < parents.size(); ++p) {
      for (std::uint32_t c = 0; c < children.size(); ++c) {
        if (children[c].within(parents[p], effort_)) edges_[p].push_back(c);
      }
    }
  }

  bool covers_all_parents() {
    owner_.assign(children_, kNone);
    for (std::size_t p = 0; p < edges_.size(); ++p) {
      visited_.assign(children_, false);
      if (!effort_.spend(1 + children_ / 64) || !assign(p)) return false;
    }
    return true;
  }

 private:
  static constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();

  struct Step {
    std::size_t parent;
    std::size_t next_edge;
  };

  // Depth-first over an explicit stack: a token has room for thousands of clauses.
  bool assign(std::size_t parent) {
    std::vector<Step> path{{parent, 0}};
    while (!path.empty()) {
      Step& step = path.back();
      if (step.next_edge == 0 && find_free(step)) {
        // Everyone along the path takes the child it went through.
        for (const Step& taken : path)
          owner_[edges_[taken.parent][taken.next_edge - 1]] = taken.parent;
        return true;
      }
      if (step.next_edge == edges_[step.parent].size()) {
        path.pop_back();
        continue;
      }
      if (!effort_.spend(1)) return false;
      const std::size_t child = edges_[step.parent][step.next_edge++];
      if (visited_[child]) continue;
      visited_[child] = true;
      path.push_back({owner_[child], 0});
    }
    return false;
  }

  // Looks for a child that nobody has before asking owners to move, which keeps the usual case
  // quadratic.
  bool find_free(Step& step) {
    const auto& edges = edges_[step.parent];
    for (std::size_t at = 0; at < edges.size(); ++at) {
      if (!effort_.spend(1)) return false;
      if (owner_[edges[at]] != kNone) continue;
      step.next_edge = at + 1;
      return true;
    }
    return false;
  }

  Effort& effort_;
  std::size_t children_;
  std::vector<std::vector<std::uint32_t>> edges_;
  std::vector<std::size_t> owner_;
  std::vector<bool> visited_;
};

}  // namespace

// Which rule a child of one type must satisfy under a parent of another. The answer of `within` is
// this table's and nobody else's.
struct Constraint::Rules {
  using Type = ConstraintType;
  struct Row {
    Type child;
    Type parent;
    std::string_view name;
    bool (Constraint::*holds)(const Constraint& parent, Effort& effort) const;
  };
  static constexpr std::array kRows = std::to_array<Row>({
      {Type::kExact, Type::kExact, "values_pass", &Constraint::values_pass},
      {Type::kExact, Type::kRange, "values_pass", &Constraint::values_pass},
      {Type::kExact, Type::kOneOf, "values_pass", &Constraint::values_pass},
      {Type::kExact, Type::kPathContainment, "values_pass", &Constraint::values_pass},
      {Type::kExact, Type::kUrlContainment, "values_pass", &Constraint::values_pass},
      {Type::kExact, Type::kStringPrefix, "values_pass", &Constraint::values_pass},
      {Type::kExact, Type::kCidr, "values_pass", &Constraint::values_pass},
      {Type::kExact, Type::kLength, "values_pass", &Constraint::values_pass},
      {Type::kExact, Type::kGlob, "values_pass", &Constraint::values_pass},
      {Type::kExact, Type::kShellCommand, "values_pass", &Constraint::values_pass},
      {Type::kOneOf, Type::kOneOf, "values_pass", &Constraint::values_pass},
      {Type::kOneOf, Type::kPathContainment, "values_pass", &Constraint::values_pass},
      {Type::kOneOf, Type::kUrlContainment, "values_pass", &Constraint::values_pass},
      {Type::kOneOf, Type::kStringPrefix, "values_pass", &Constraint::values_pass},
      {Type::kOneOf, Type::kCidr, "values_pass", &Constraint::values_pass},
      {Type::kOneOf, Type::kLength, "values_pass", &Constraint::values_pass},
      {Type::kOneOf, Type::kGlob, "values_pass", &Constraint::values_pass},
      {Type::kOneOf, Type::kShellCommand, "values_pass", &Constraint::values_pass},
      {Type::kRange, Type::kRange, "inner_bounds", &Constraint::range_within},
      {Type::kNotOneOf, Type::kNotOneOf, "lists_more", &Constraint::lists_more},
      {Type::kContains, Type::kContains, "lists_more", &Constraint::lists_more},
      {Type::kSubset, Type::kSubset, "lists_less", &Constraint::lists_less},
      {Type::kAll, Type::kAll, "clauses_matched", &Constraint::all_within},
      {Type::kAny, Type::kAny, "clauses_each_within_one", &Constraint::any_within},
      {Type::kPathContainment, Type::kPathContainment, "path_below", &Constraint::extension_within},
      {Type::kUrlContainment, Type::kUrlContainment, "url_parts_narrower",
       &Constraint::extension_within},
      {Type::kStringPrefix, Type::kStringPrefix, "prefix_longer", &Constraint::extension_within},
      {Type::kCidr, Type::kCidr, "block_inside", &Constraint::extension_within},
      {Type::kLength, Type::kLength, "max_lower", &Constraint::extension_within},
      {Type::kGlob, Type::kGlob, "pattern_same", &Constraint::extension_within},
      {Type::kShellCommand, Type::kShellCommand, "words_fewer", &Constraint::extension_within},
      {Type::kExact, Type::kWildcard, "anything", &Constraint::anything},
      {Type::kRange, Type::kWildcard, "anything", &Constraint::anything},
      {Type::kOneOf, Type::kWildcard, "anything", &Constraint::anything},
      {Type::kNotOneOf, Type::kWildcard, "anything", &Constraint::anything},
      {Type::kContains, Type::kWildcard, "anything", &Constraint::anything},
      {Type::kSubset, Type::kWildcard, "anything", &Constraint::anything},
      {Type::kWildcard, Type::kWildcard, "anything", &Constraint::anything},
      {Type::kAll, Type::kWildcard, "anything", &Constraint::anything},
      {Type::kAny, Type::kWildcard, "anything", &Constraint::anything},
      {Type::kPathContainment, Type::kWildcard, "anything", &Constraint::anything},
      {Type::kUrlContainment, Type::kWildcard, "anything", &Constraint::anything},
      {Type::kStringPrefix, Type::kWildcard, "anything", &Constraint::anything},
      {Type::kCidr, Type::kWildcard, "anything", &Constraint::anything},
      {Type::kLength, Type::kWildcard, "anything", &Constraint::anything},
      {Type::kGlob, Type::kWildcard, "anything", &Constraint::anything},
      {Type::kShellCommand, Type::kWildcard, "anything", &Constraint::anything},
  });

  // Null where no rule holds.
  static const Row* find(Type child, Type parent) {
    constexpr std::size_t kTypes = static_cast<std::size_t>(Type::kShellCommand) + 1;
    using ByParent = std::array<const Row*, kTypes>;
    static constexpr auto kByPair = [] {
      std::array<ByParent, kTypes> by_pair{};
      for (const Row& row : kRows)
        by_pair[static_cast<std::size_t>(row.child)][static_cast<std::size_t>(row.parent)] = &row;
      return by_pair;
    }();
    return kByPair[static_cast<std::size_t>(child)][static_cast<std::size_t>(parent)];
  }
};

bool Constraint::within(const Constraint& parent, Effort& effort) const {
  if (!effort.spend(1)) return false;
  const Rules::Row* row = Rules::find(type_, parent.type_);
  return row != nullptr && (this->*row->holds)(parent, effort);
}

bool Constraint::anything(const Constraint& /*parent*/, Effort& /*effort*/) const { return true; }

// Every value that the child lists must pass the parent's check.
bool Constraint::values_pass(const Constraint& parent, Effort& effort) const {
  const auto values = type_ == ConstraintType::kExact ? std::span(value_, 1) : values_.values();
  return std::all_of(values.begin(), values.end(),
                     [&](const json::Value& value) { return parent.check(value, effort); });
}

bool Constraint::lists_more(const Constraint& parent, Effort& effort) const {
  return values_.contains_all(parent.values_, effort);
}

bool Constraint::lists_less(const Constraint& parent, Effort& effort) const {
  return parent.values_.contains_all(values_, effort);
}

// Two of the same type.
bool Constraint::extension_within(const Constraint& parent, Effort& /*effort*/) const {
  return std::visit(
      [&]<class Type>(const Type& mine) { return mine.within(std::get<Type>(*parent.extension_)); },
      *extension_);
}

bool Constraint::range_within(const Constraint& parent, Effort& /*effort*/) const {
  const auto tighter = [](const std::optional<Bound>& mine, const std::optional<Bound>& theirs,
                          double sign) {
    if (!theirs) return true;
    if (!mine || sign * mine->value < sign * theirs->value) return false;
    return mine->value != theirs->value || theirs->inclusive || !mine->inclusive;
  };
  return tighter(min_, parent.min_, 1) && tighter(max_, parent.max_, -1);
}

bool Constraint::all_within(const Constraint& parent, Effort& effort) const {
  if (parent.clauses_.size() > clauses_.size()) return false;
  return Matching(parent.clauses_, clauses_, effort).covers_all_parents();
}

bool Constraint::any_within(const Constraint& parent, Effort& effort) const {
  if (clauses_.empty()) return false;
  return std::all_of(clauses_.begin(), clauses_.end(), [&](const Constraint& mine) {
    return std::any_of(parent.clauses_.begin(), parent.clauses_.end(),
                       [&](const Constraint& theirs) { return mine.within(theirs, effort); });
  });
}

std::string Constraint::rules() {
  std::string lines;
  for (const Rules::Row& row : Rules::kRows) {
    lines += R"({"child":")" + std::string(to_string(row.child)) + R"(","parent":")" +
             std::string(to_string(row.parent)) + R"(","rule":")" + std::string(row.name) + "\"}\n";
  }
  return lines;
}

}  // namespace mandated::receipt
