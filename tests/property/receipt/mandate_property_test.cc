// Laws of the mandate: whatever a child that is accepted lets happen, its parent would have let
// happen too.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <map>
#include <nlohmann/json.hpp>

#include "filters/receipt/capability.h"
#include "filters/receipt/mandate.h"

namespace mandated::receipt {
namespace {

using Json = nlohmann::json;

constexpr const char* kTools[] = {"t", "u"};

// From the whole range from the first try on.
int pick(int first, int end) { return *rc::gen::resize(100, rc::gen::inRange(first, end)); }

Json any_figures(bool whole, const char* suffix) {
  Json figures = Json::object();
  for (const char* tool : kTools) {
    if (pick(0, 2) == 0) continue;
    const int number = pick(0, 5);
    figures[std::string(tool) + suffix] = whole ? Json(number) : Json(number / 2.0);
  }
  return figures;
}

Json any_budget() {
  Json budget = Json::object();
  if (pick(0, 2) == 1) budget["calls"] = pick(0, 5);
  const Json tools = any_figures(true, "");
  const Json sums = any_figures(false, ".a");
  if (!tools.empty()) budget["tools"] = tools;
  if (!sums.empty()) budget["sum"] = sums;
  if (budget.empty()) budget["calls"] = 3;
  return budget;
}

// The parent's with some figures changed, and others beside them.
Json child_of(const Json& parent) {
  Json child = any_budget();
  if (parent.contains("calls") && pick(0, 8) > 0)
    child["calls"] = parent["calls"].get<int>() - pick(-1, 3);
  for (const char* part : {"tools", "sum"}) {
    const Json limits = parent.value(part, Json::object());
    for (const auto& [name, limit] : limits.items()) {
      if (pick(0, 8) == 0) continue;
      const double lower = pick(-1, 3);
      const double value = limit.get<double>() - lower;
      child[part][name] =
          std::string(part) == "tools" ? Json(static_cast<int>(value)) : Json(value);
    }
  }
  return child;
}

std::optional<Mandate> parse(const Json& claim) {
  const auto document = json::Document::parse(claim.dump());
  RC_ASSERT(document.has_value());
  auto mandate = parse_mandate(&document->root());
  if (!mandate) return std::nullopt;
  return std::move(*mandate);
}

Capability granting(const Json& tools) {
  const Json details = Json::array({{{"type", "attenuating_agent_token"}, {"tools", tools}}});
  static std::vector<json::Document> kept;  // a capability holds views
  kept.push_back(*json::Document::parse(details.dump()));
  return *Capability::parse(kept.back().root(), Limits{});
}

// What one budget alone would let through.
class Account {
 public:
  explicit Account(const Budget& budget) : budget_(budget) {}
  bool take(const std::string& tool, double amount) {
    std::map<std::string, std::uint64_t> next = spent_;
    const auto fits = [&](const std::string& figure, std::uint64_t cost, std::uint64_t limit) {
      return (next[figure] += cost) <= limit;
    };
    bool all = !budget_.calls || fits("calls", 1, *budget_.calls);
    if (const auto limit = budget_.tools.find(tool); limit != budget_.tools.end())
      all = fits("tools." + tool, 1, limit->second) && all;
    if (const auto limit = budget_.sums.find(tool + ".a"); limit != budget_.sums.end())
      all = fits("sum." + tool, static_cast<std::uint64_t>(amount * 1e6), limit->second) && all;
    if (all) spent_ = std::move(next);
    return all;
  }

 private:
  const Budget& budget_;
  std::map<std::string, std::uint64_t> spent_;
};

RC_GTEST_PROP(MandateLaws, AChildsBudgetLetsNothingThroughThatItsParentsWouldNot, ()) {
  const Json parent_budget = any_budget();
  const auto parent = parse({{"budget", parent_budget}});
  const auto child = parse({{"budget", child_of(parent_budget)}});
  RC_PRE(parent && child);
  RC_PRE(mandate_within(*child, granting(Json::object()), *parent).has_value());
  Account mine(*child->budget);
  Account theirs(*parent->budget);
  const int calls = pick(1, 12);
  for (int call = 0; call < calls; ++call) {
    const std::string tool = kTools[pick(0, 2)];
    const double amount = pick(0, 5) / 2.0;
    if (mine.take(tool, amount)) RC_ASSERT(theirs.take(tool, amount));
  }
}

RC_GTEST_PROP(MandateLaws, AChildRequiresWhatItsParentRequiresOfEveryToolItGrants, ()) {
  const auto any_requirements = [] {
    Json require = Json::object();
    for (const char* tool : kTools) {
      Json list = Json::array();
      for (const char* each : {"reason", "approval", "clean"}) {
        if (pick(0, 3) > 0) list.push_back(each);
      }
      if (!list.empty()) require[tool] = list;
    }
    return require;
  };
  const Json parent_require = any_requirements();
  const Json child_require = any_requirements();
  RC_PRE(!parent_require.empty() && !child_require.empty());
  const auto parent = parse({{"require", parent_require}});
  const auto child = parse({{"require", child_require}});
  RC_ASSERT(parent && child);
  Json tools = Json::object();
  for (const char* tool : kTools) {
    if (pick(0, 2) == 1) tools[tool] = Json::object();
  }
  const bool accepted = mandate_within(*child, granting(tools), *parent).has_value();
  bool covers = true;
  for (const auto& [tool, wanted] : parent_require.items()) {
    for (const Json& each : wanted) {
      const Json mine = child_require.value(tool, Json::array());
      const bool there = std::find(mine.begin(), mine.end(), each) != mine.end();
      covers = covers && (there || !tools.contains(tool));
    }
  }
  RC_ASSERT(accepted == covers);
}

}  // namespace
}  // namespace mandated::receipt
