// Whatever passes a child passes its parent, over random pairs of nested constraints of every type:
// what the proof in tests/property/proof covers by induction only. NESTED_PAIRS and NESTED_SEED say
// how many pairs, and which.
#include <gtest/gtest.h>

#include <cstdlib>
#include <mutex>
#include <thread>

#include "filters/receipt/constraint.h"
#include "tests/property/receipt/attempt.h"

namespace mandated::receipt {
namespace {

using attack::Dice;
using forge::Json;

constexpr int kDepth = 3;

// A few values that all types are about, so that they meet.
const std::vector<Json>& universe() {
  static const std::vector<Json> values = [] {
    std::vector<Json> all{nullptr,
                          true,
                          false,
                          "",
                          "a",
                          "ab",
                          "abc",
                          "b",
                          "/d",
                          "/d/e",
                          "/d/e/f",
                          "/de",
                          "/d/../x",
                          "10.1.2.3",
                          "10.2.0.1",
                          "11.0.0.1",
                          "2001:db8::1",
                          "https://a.example.com/v1",
                          "https://a.example.com/v1/x",
                          "https://b.a.example.com/",
                          "http://a.example.com/v1",
                          "ls",
                          "ls -l",
                          "ls -a x",
                          "git -l",
                          "ls; x"};
    for (int number = 0; number < 8; ++number) all.push_back(number);
    all.push_back(2.5);
    for (const char* text :
         {"[]", "[1]", "[1,2]", R"(["a"])", R"(["a","b",1])", R"([[1]])", R"({"k":1})"})
      all.push_back(Json::parse(text));
    return all;
  }();
  return values;
}

Json scalar(Dice& dice) { return universe()[dice.below(universe().size() - 7)]; }

Json list(Dice& dice, std::size_t longest) {
  Json values = Json::array();
  for (std::size_t count = dice.below(longest + 1); count > 0; --count)
    values.push_back(dice.of(universe()));
  return values;
}

Json range(Dice& dice, int low, int high) {
  Json made{{"constraint_type", "range"}};
  if (dice.below(4) > 0) made["min"] = low;
  if (dice.below(4) > 0) made["max"] = high;
  if (dice.below(4) == 0) made["min_inclusive"] = dice.maybe();
  if (dice.below(4) == 0) made["max_inclusive"] = dice.maybe();
  return made;
}

Json leaf(Dice& dice) {
  const auto number = [&] { return static_cast<int>(dice.below(8)); };
  switch (dice.below(14)) {
    case 0:
      return {{"constraint_type", "exact"}, {"value", scalar(dice)}};
    case 1:
      return {{"constraint_type", "one_of"}, {"values", list(dice, 4)}};
    case 2:
      return {{"constraint_type", "not_one_of"}, {"excluded", list(dice, 3)}};
    case 3:
      return {{"constraint_type", "contains"}, {"required", list(dice, 2)}};
    case 4:
      return {{"constraint_type", "subset"}, {"allowed", list(dice, 5)}};
    case 5:
      return {{"constraint_type", "wildcard"}};
    case 6:
      return {{"constraint_type", "path_containment"}, {"root", dice.of({"/", "/d", "/d/e"})}};
    case 7:
      return {{"constraint_type", "string_prefix"},
              {"prefix", dice.of({"", "a", "ab", "/d", "https://a.", "ls"})}};
    case 8:
      return {{"constraint_type", "cidr"},
              {"net", dice.of({"0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16", "2001:db8::/32"})}};
    case 9:
      return {{"constraint_type", "length"}, {"max", number()}};
    case 10:
      return {{"constraint_type", "glob"},
              {"pattern", dice.of({"*", "**", "a*", "/d/*", "?", "ls*"})}};
    case 11: {
      Json made{{"constraint_type", "shell_command"}, {"programs", {"ls", "git"}}};
      if (dice.maybe()) made["flags"] = dice.maybe() ? Json::array({"-l"}) : Json({"-l", "-a"});
      return made;
    }
    case 12: {
      Json made{{"constraint_type", "url_containment"},
                {"scheme", "https"},
                {"host", dice.of({"a.example.com", "*.example.com", "*.a.example.com"})}};
      if (dice.maybe()) made["path"] = dice.of({"/", "/v1"});
      return made;
    }
    default: {
      const int low = number();
      return range(dice, low, number());
    }
  }
}

Json constraint(Dice& dice, int depth) {
  if (depth == 0 || dice.below(3) == 0) return leaf(dice);
  Json clauses = Json::array();
  for (std::size_t count = dice.below(4); count > 0; --count)
    clauses.push_back(constraint(dice, depth - 1));
  return {{"constraint_type", dice.maybe() ? "all" : "any"}, {"constraints", clauses}};
}

void change_list(Json& values, Dice& dice, bool grow) {
  if (grow || values.empty()) {
    values.push_back(dice.of(universe()));
  } else {
    values.erase(dice.below(values.size()));
  }
}

// One step narrower as a rule, and now and then wider: one in eight lists changes the wrong way.
Json narrower_leaf(const Json& parent, Dice& dice) {
  const std::string type = parent.at("constraint_type");
  const bool wrong = dice.below(8) == 0;
  Json child = parent;
  if (type == "wildcard") return leaf(dice);
  if (type == "one_of") change_list(child["values"], dice, wrong);
  if (type == "subset") change_list(child["allowed"], dice, wrong);
  if (type == "not_one_of") change_list(child["excluded"], dice, !wrong);
  if (type == "contains") change_list(child["required"], dice, !wrong);
  if (type == "range") {
    const int step = wrong ? -1 : 1;
    if (child.contains("min")) child["min"] = child["min"].get<int>() + step;
    if (child.contains("max")) child["max"] = child["max"].get<int>() - step;
    if (dice.below(4) == 0) child[dice.of({"min_inclusive", "max_inclusive"})] = dice.maybe();
  }
  if (type == "length") child["max"] = std::max(0, child["max"].get<int>() + (wrong ? 1 : -1));
  if (type == "string_prefix")
    child["prefix"] = wrong ? "a" : child["prefix"].get<std::string>() + "b";
  if (type == "path_containment")
    child["root"] = child["root"].get<std::string>() + (wrong ? "e" : "/e");
  if (type == "cidr")
    child["net"] = dice.of({"10.1.2.0/24", "10.1.0.0/16", "2001:db8:1::/48", "11.0.0.0/8"});
  if (type == "url_containment")
    child["host"] = dice.of({"a.example.com", "b.a.example.com", "*.a.example.com"});
  if (type == "shell_command") child["flags"] = wrong ? Json::array({"-x"}) : Json::array({"-l"});
  return child;
}

Json child_of(const Json& parent, Dice& dice, int depth) {
  const std::size_t kind = dice.below(16);
  if (kind == 0) return constraint(dice, depth);
  if (kind == 1) return {{"constraint_type", "exact"}, {"value", scalar(dice)}};
  if (kind == 2) return {{"constraint_type", "one_of"}, {"values", list(dice, 2)}};
  if (kind < 6) return parent;
  if (!parent.contains("constraints")) return narrower_leaf(parent, dice);
  Json child = parent;
  Json& clauses = child["constraints"];
  for (Json& clause : clauses) {
    if (dice.maybe()) clause = child_of(clause, dice, depth - 1);
  }
  const bool all = parent.at("constraint_type") == "all";
  if (dice.below(4) == 0 && all != (dice.below(8) == 0))
    clauses.push_back(constraint(dice, std::max(0, depth - 1)));
  if (dice.below(4) == 0 && !clauses.empty() && all == (dice.below(8) == 0))
    clauses.erase(dice.below(clauses.size()));
  if (clauses.size() > 1 && dice.maybe())
    std::swap(clauses[0], clauses[dice.below(clauses.size())]);
  return child;
}

// What the leaves of a constraint name.
void collect(const Json& constraint, std::vector<Json>& out) {
  for (const char* member : {"value", "min", "max", "root", "prefix"}) {
    if (constraint.contains(member)) out.push_back(constraint[member]);
  }
  for (const char* member : {"values", "excluded", "required", "allowed"}) {
    if (!constraint.contains(member)) continue;
    out.push_back(constraint[member]);
    out.insert(out.end(), constraint[member].begin(), constraint[member].end());
  }
  if (!constraint.contains("constraints")) return;
  for (const Json& clause : constraint["constraints"]) collect(clause, out);
}

struct Tally {
  std::uint64_t pairs = 0;
  std::uint64_t nested = 0;    ///< pairs of two composites
  std::uint64_t accepted = 0;  ///< by `within`
  std::uint64_t telling = 0;   ///< of these: not the same, and the parent no wildcard
  std::uint64_t passed = 0;    ///< arguments that passed an accepted child that tells something
  std::uint64_t widening = 0;  ///< pairs that were refused, and rightly so: an argument shows it
  std::vector<std::string> broken;

  void add(const Tally& other) {
    pairs += other.pairs;
    nested += other.nested;
    accepted += other.accepted;
    telling += other.telling;
    passed += other.passed;
    widening += other.widening;
    broken.insert(broken.end(), other.broken.begin(), other.broken.end());
  }
};

void try_pair(std::uint64_t seed, Tally& tally) {
  constexpr int kArguments = 8;
  Dice dice(seed * 2654435761);
  const Json parent_json = constraint(dice, kDepth);
  const Json child_json = child_of(parent_json, dice, kDepth);
  const auto parent_document = forge::parse(parent_json.dump());
  const auto child_document = forge::parse(child_json.dump());
  const auto parent = Constraint::parse(parent_document.root(), {});
  const auto child = Constraint::parse(child_document.root(), {});
  ++tally.pairs;
  if (!parent || !child) {
    tally.broken.push_back("not read: " + parent_json.dump() + " " + child_json.dump());
    return;
  }
  Effort effort;
  const bool accepted = child->within(*parent, effort);
  const bool telling = child_json != parent_json && parent_json["constraint_type"] != "wildcard";
  if (parent_json.contains("constraints") && child_json.contains("constraints")) ++tally.nested;
  if (accepted) ++tally.accepted;
  if (accepted && telling) ++tally.telling;
  std::vector<Json> near;
  collect(child_json, near);
  bool widens = false;
  for (int at = 0; at < kArguments; ++at) {
    const Json argument = near.empty() || dice.maybe() ? dice.of(universe()) : dice.of(near);
    const auto document = forge::parse(argument.dump());
    if (!child->check(document.root(), effort)) continue;
    if (accepted && telling) ++tally.passed;
    if (parent->check(document.root(), effort)) continue;
    widens = true;
    if (accepted)
      tally.broken.push_back("parent " + parent_json.dump() + " child " + child_json.dump() +
                             " argument " + argument.dump());
  }
  if (!accepted && widens) ++tally.widening;
}

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::stoull(text);
}

TEST(Nesting, NoArgumentPassesAChildAndFailsItsParent) {
  const std::uint64_t pairs = from_environment("NESTED_PAIRS", 40000);
  const std::uint64_t first = from_environment("NESTED_SEED", 1);
  const unsigned threads = std::max(1U, std::thread::hardware_concurrency());
  Tally all;
  std::mutex mutex;
  std::vector<std::thread> workers;
  for (unsigned worker = 0; worker < threads; ++worker) {
    workers.emplace_back([&, worker] {
      Tally mine;
      for (std::uint64_t at = worker; at < pairs && mine.broken.size() < 3; at += threads)
        try_pair(first + at, mine);
      const std::scoped_lock lock(mutex);
      all.add(mine);
    });
  }
  for (std::thread& worker : workers) worker.join();
  std::cout << "pairs " << all.pairs << ", of composites " << all.nested << ", accepted "
            << all.accepted << ", telling " << all.telling << ", arguments that passed "
            << all.passed << ", rightly refused " << all.widening << "\n";
  for (const std::string& each : all.broken) ADD_FAILURE() << each;
  EXPECT_EQ(all.pairs, pairs);
  // Else it says nothing: pairs must be accepted, arguments must pass, and without the rules some
  // would be caught.
  EXPECT_GT(all.telling, pairs / 10);
  EXPECT_GT(all.passed, pairs / 5);
  EXPECT_GT(all.nested, pairs / 4);
  EXPECT_GT(all.widening, pairs / 50);
}

}  // namespace
}  // namespace mandated::receipt
