// Laws of `check` and `subsumes` over random constraints (AAT section 3.5.1: sound, deterministic).
#include "filters/receipt/constraint.h"

#include <map>

#include "tests/property/receipt/generators.h"

namespace mandated::receipt {
namespace {

using generate::Json;

struct Parsed {
  json::Document document;
  Constraint constraint;
};

Parsed parse(const Json& json) {
  auto document = forge::parse(json.dump());
  auto constraint = Constraint::parse(document.root(), {});
  RC_ASSERT(constraint.has_value());
  return {std::move(document), std::move(*constraint)};
}

bool accepts(const Json& constraint, const Json& value) {
  Effort effort;
  return parse(constraint).constraint.check(forge::parse(value.dump()).root(), effort);
}

bool within(const Json& child, const Json& parent) {
  Effort effort;
  return parse(child).constraint.within(parse(parent).constraint, effort);
}

bool has_empty_any(const Json& constraint) {
  if (!constraint.contains("constraints")) return false;
  const Json& clauses = constraint["constraints"];
  return (constraint["constraint_type"] == "any" && clauses.empty()) ||
         std::any_of(clauses.begin(), clauses.end(), has_empty_any);
}

void check_soundness(const Json& parent, const Json& child) {
  for (int at = 0; at < 8; ++at) {
    const Json value = *generate::value_for(at % 2 == 0 ? child : parent);
    if (!accepts(child, value)) continue;
    RC_LOG() << "parent " << parent.dump() << "\nchild  " << child.dump() << "\nvalue  "
             << value.dump() << std::endl;
    RC_ASSERT(accepts(parent, value));
  }
}

// Most random pairs say nothing, so each test draws several.
RC_GTEST_PROP(ConstraintLaws, SubsumptionIsSound, ()) {
  int telling = 0;
  for (int at = 0; at < 20; ++at) {
    const Json parent = *generate::constraint();
    const Json child = *generate::child_of(parent);
    if (!within(child, parent)) continue;
    if (child != parent && parent["constraint_type"] != "wildcard") ++telling;
    check_soundness(parent, child);
  }
  RC_CLASSIFY(telling > 0, "telling");
}

// The same for the extension types alone, whose pairs would be rare among all; and each of them
// must be told about: a pair of one type that holds without being the same, and a value that the
// child accepts.
TEST(ConstraintLaws, SubsumptionOfExtensionsIsSound) {
  std::map<std::string, int> telling;
  EXPECT_TRUE(rc::check([&] {
    for (int at = 0; at < 80; ++at) {
      const Json parent = *generate::extension();
      const Json child = *generate::child_of(parent);
      if (!within(child, parent)) continue;
      for (int draw = 0; draw < 8; ++draw) {
        const Json value = *generate::value_for(draw % 2 == 0 ? child : parent);
        if (!accepts(child, value)) continue;
        RC_LOG() << "parent " << parent.dump() << "\nchild  " << child.dump() << "\nvalue  "
                 << value.dump() << std::endl;
        RC_ASSERT(accepts(parent, value));
        if (child != parent) ++telling[parent["constraint_type"]];
      }
    }
  }));
  // A glob is under nothing but itself, so what tells there are listed values.
  for (const char* type : {"path_containment", "url_containment", "string_prefix", "cidr", "length",
                           "glob", "shell_command"})
    EXPECT_GT(telling[type], 20) << type;
}

RC_GTEST_PROP(ConstraintLaws, SubsumptionIsReflexive, ()) {
  const Json constraint = *generate::constraint();
  // AAT section 4.5: a derived `any` must have a clause. (Beside a wildcard it may have none.)
  RC_ASSERT(within(constraint, constraint) || has_empty_any(constraint));
}

RC_GTEST_PROP(ConstraintLaws, SubsumptionIsTransitive, ()) {
  int telling = 0;
  for (int at = 0; at < 20; ++at) {
    const Json grandparent = *generate::constraint();
    const Json parent = *generate::child_of(grandparent);
    const Json child = *generate::child_of(parent);
    if (!within(parent, grandparent) || !within(child, parent)) continue;
    if (child != parent && parent != grandparent) ++telling;
    RC_ASSERT(within(child, grandparent));
  }
  RC_CLASSIFY(telling > 0, "telling");
}

RC_GTEST_PROP(ConstraintLaws, AnythingIsWithinAWildcardAndNothingElseHoldsOne, ()) {
  const Json constraint = *generate::constraint();
  const Json wildcard{{"constraint_type", "wildcard"}};
  RC_ASSERT(within(constraint, wildcard));
  RC_ASSERT(within(wildcard, constraint) == (constraint["constraint_type"] == "wildcard"));
}

// The order of a list's elements, and of an object's members, changes no answer.
RC_GTEST_PROP(ConstraintLaws, OrderDoesNotMatter, ()) {
  const Json constraint = *generate::constraint(1);
  Json reordered = constraint;
  for (const char* member : {"values", "excluded", "required", "allowed", "constraints"}) {
    if (reordered.contains(member))
      std::reverse(reordered[member].begin(), reordered[member].end());
  }
  const Json value = *generate::value_for(constraint);
  RC_ASSERT(accepts(constraint, value) == accepts(reordered, value));
  const Json parent = *generate::child_of(constraint);
  RC_ASSERT(within(constraint, parent) == within(reordered, parent));
}

// The draft's backtracking, word for word, beside the matching of the product.
bool backtracks(const std::vector<Json>& parents, std::size_t at, const std::vector<Json>& children,
                std::vector<bool>& used) {
  if (at == parents.size()) return true;
  for (std::size_t i = 0; i < children.size(); ++i) {
    if (used[i] || !within(children[i], parents[at])) continue;
    used[i] = true;
    if (backtracks(parents, at + 1, children, used)) return true;
    used[i] = false;
  }
  return false;
}

RC_GTEST_PROP(ConstraintLaws, AllMatchesAsTheDraftBacktracks, ()) {
  const auto bound =
      rc::gen::map(rc::gen::pair(rc::gen::inRange(0, 4), rc::gen::inRange(2, 7)), [](auto ends) {
        return Json{{"constraint_type", "range"}, {"min", ends.first}, {"max", ends.second}};
      });
  const auto parents =
      *rc::gen::container<std::vector<Json>>(*rc::gen::inRange<std::size_t>(0, 6), bound);
  const auto children =
      *rc::gen::container<std::vector<Json>>(*rc::gen::inRange<std::size_t>(0, 7), bound);
  std::vector<bool> used(children.size(), false);
  const bool expected = backtracks(parents, 0, children, used);
  RC_CLASSIFY(expected, "matched");
  const bool matched = within(Json{{"constraint_type", "all"}, {"constraints", children}},
                              Json{{"constraint_type", "all"}, {"constraints", parents}});
  RC_ASSERT(matched == expected);
}

}  // namespace
}  // namespace mandated::receipt
