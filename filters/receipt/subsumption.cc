// The `subsumes` relation of AAT section 4.5, and of path_containment. A pair of types that is not
// named here is refused, as the section's last sentence demands, even where the child is in fact
// narrower.
#include <algorithm>
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

bool Constraint::within(const Constraint& parent, Effort& effort) const {
  if (!effort.spend(1)) return false;
  if (parent.type_ == ConstraintType::kWildcard) return true;
  if (type_ == ConstraintType::kExact) return exact_within(parent, effort);
  if (type_ == ConstraintType::kOneOf) return one_of_within(parent, effort);
  if (type_ != parent.type_) return false;
  switch (type_) {
    case ConstraintType::kRange:
      return range_within(parent);
    case ConstraintType::kNotOneOf:
    case ConstraintType::kContains:
      return values_.contains_all(parent.values_, effort);
    case ConstraintType::kSubset:
      return parent.values_.contains_all(values_, effort);
    case ConstraintType::kAll:
      return all_within(parent, effort);
    case ConstraintType::kAny:
      return any_within(parent, effort);
    case ConstraintType::kPathContainment:
      return path_within(root_, parent.root_);
    case ConstraintType::kExact:
    case ConstraintType::kOneOf:
    case ConstraintType::kWildcard:
      break;
  }
  return false;
}

bool Constraint::exact_within(const Constraint& parent, Effort& effort) const {
  switch (parent.type_) {
    case ConstraintType::kExact:
    case ConstraintType::kRange:
    case ConstraintType::kOneOf:
    case ConstraintType::kPathContainment:
      return parent.check(*value_, effort);
    default:
      return false;
  }
}

// Under path_containment by profile section 3: every listed value must pass the parent's check.
bool Constraint::one_of_within(const Constraint& parent, Effort& effort) const {
  if (parent.type_ == ConstraintType::kOneOf) return parent.values_.contains_all(values_, effort);
  if (parent.type_ != ConstraintType::kPathContainment) return false;
  return std::all_of(values_.values().begin(), values_.values().end(),
                     [&](const json::Value& value) { return parent.check(value, effort); });
}

bool Constraint::range_within(const Constraint& parent) const {
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

}  // namespace mandated::receipt
