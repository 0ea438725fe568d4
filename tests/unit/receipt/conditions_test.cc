// What is asked of a call beside the grant: requirements, status, instance, and what it costs.
#include <gtest/gtest.h>

#include "tests/unit/receipt/forge.h"

namespace mandated::receipt {
namespace {

using forge::Chain;
using forge::Draft;
using forge::Json;
using forge::kNow;

/// A chain of two, whose mandates are these.
ChainPtr chain_of(const char* root, const char* leaf) {
  const Chain chain(2, [&](std::size_t hop, Draft& draft) {
    draft.payload["mandate"] = Json::parse(hop == 0 ? root : leaf);
  });
  auto verified = chain.verify();
  if (!verified) throw std::invalid_argument(verified.error().sentence);
  return *verified;
}

struct ConditionCase {
  const char* root;
  const char* leaf;
  const char* tool;
  const char* code;
  int hop;
};

TEST(Conditions, AreRefusedUntilSomethingCanMeetThem) {
  const ConditionCase cases[] = {
      {R"({})", R"({})", "read_file", "", -1},
      {R"({"require":{"read_file":"reason"}})", R"({"require":{"read_file":"reason"}})",
       "read_file", "reason_required", 0},
      {R"({})", R"({"require":{"read_file":"approval"}})", "read_file", "approval_required", 1},
      {R"({})", R"({"require":{"read_file":["clean"]}})", "read_file", "unclean", 1},
      {R"({})", R"({"require":{"read_file":"clean"}})", "list_directory", "", -1},
      {R"({"status":{"uri":"https://x/l","idx":1}})", R"({})", "read_file", "status_unknown", 0},
      {R"({})", R"({"status":{"uri":"https://x/l","idx":1}})", "read_file", "status_unknown", 1},
  };
  for (const auto& each : cases) {
    SCOPED_TRACE(std::string(each.root) + " then " + each.leaf);
    const auto checked = check_conditions(*chain_of(each.root, each.leaf), each.tool);
    EXPECT_EQ(checked ? "" : to_string(checked.error().code), each.code);
    if (!checked) {
      EXPECT_EQ(checked.error().hop, each.hop);
      EXPECT_EQ(checked.error().tool, each.tool);
    }
  }
}

TEST(Conditions, AreMetByWhoeverSaysSo) {
  const ChainPtr chain =
      chain_of(R"({"status":{"uri":"https://x/l","idx":1},"require":{"read_file":"approval"}})",
               R"({"require":{"read_file":["approval","clean"],"list_directory":"approval"}})");
  const auto code = [&](const char* tool, const Met& met) {
    const auto checked = check_conditions(*chain, tool, met);
    return std::string(checked ? "" : to_string(checked.error().code));
  };
  EXPECT_EQ(code("list_directory", {.approval = true, .status = true}), "");
  EXPECT_EQ(code("list_directory", {.approval = true}), "status_unknown");
  EXPECT_EQ(code("list_directory", {.status = true}), "approval_required");
  EXPECT_EQ(code("read_file", {.approval = true, .status = true}), "unclean")
      << "an approval meets nothing else";
}

TEST(Instance, MustBeAttestedInEverySelector) {
  const ChainPtr chain =
      chain_of(R"({"instance":{"unix:uid":"1"}})", R"({"instance":{"unix:uid":"7","pod":"p"}})");
  const auto code = [&](const Selectors* selectors) {
    const auto checked = check_presenter(*chain, Presenter{"", {}, selectors});
    return checked ? "" : to_string(checked.error().code);
  };
  const Selectors right{{"unix:uid", "7"}, {"pod", "p"}, {"more", "x"}};
  const Selectors parents{{"unix:uid", "1"}, {"pod", "p"}};
  const Selectors less{{"unix:uid", "7"}};
  EXPECT_EQ(code(&right), "");
  EXPECT_EQ(code(&parents), "wrong_instance");
  EXPECT_EQ(code(&less), "wrong_instance");
  EXPECT_EQ(code(nullptr), "wrong_instance");
}

struct Figure {
  int hop;
  std::string figure;
  std::uint64_t cost;
  std::uint64_t limit;
};

void expect_charges(const ChainPtr& chain, const char* tool, const char* arguments,
                    const std::vector<Figure>& expected) {
  const json::Document document = forge::parse(arguments);
  const auto charges = charges_of(*chain, tool, document.root());
  ASSERT_TRUE(charges) << charges.error().sentence;
  ASSERT_EQ(charges->size(), expected.size());
  for (std::size_t at = 0; at < expected.size(); ++at) {
    EXPECT_EQ((*charges)[at].hop, expected[at].hop);
    EXPECT_EQ((*charges)[at].figure, expected[at].figure);
    EXPECT_EQ((*charges)[at].cost, expected[at].cost);
    EXPECT_EQ((*charges)[at].limit, expected[at].limit);
    EXPECT_EQ((*charges)[at].expires, chain->expires(static_cast<std::size_t>(expected[at].hop)));
  }
}

TEST(Charges, FallOnEveryHopThatCounts) {
  const ChainPtr chain = chain_of(R"({"budget":{"calls":5,"sum":{"pay.amount":0.3}}})",
                                  R"({"budget":{"calls":4,"tools":{"pay":2},"sum":{"pay.amount":0.2,
                                      "pay.tip":9e9,"payer.amount":1,"pay":7}}})");
  expect_charges(chain, "pay", R"({"amount":0.1,"tip":0})",
                 {{0, "calls", 1, 5},
                  {0, "sum.pay.amount", 100'000, 300'000},
                  {1, "calls", 1, 4},
                  {1, "tools.pay", 1, 2},
                  {1, "sum.pay.amount", 100'000, 200'000},
                  {1, "sum.pay.tip", 0, 9'000'000'000'000'000}});
  expect_charges(chain, "look", R"({})", {{0, "calls", 1, 5}, {1, "calls", 1, 4}});
  expect_charges(chain_of("{}", "{}"), "pay", R"({"amount":1})", {});
}

// What is shown is what is counted.
TEST(Charges, FiguresAreThoseThatCallsAreChargedTo) {
  const ChainPtr chain =
      chain_of(R"({"budget":{"calls":5}})",
               R"({"budget":{"calls":4,"tools":{"pay":2},"sum":{"pay.tip":1}}})");
  const json::Document arguments = forge::parse(R"({"amount":0.1,"tip":0})");
  const auto charges = charges_of(*chain, "pay", arguments.root());
  ASSERT_TRUE(charges) << charges.error().sentence;
  const std::vector<Charge> figures = figures_of(*chain);
  ASSERT_EQ(figures.size(), 4U);
  ASSERT_EQ(charges->size(), figures.size());
  for (std::size_t at = 0; at < figures.size(); ++at) {
    EXPECT_EQ(figures[at].account, (*charges)[at].account);
    EXPECT_EQ(figures[at].figure, (*charges)[at].figure);
    EXPECT_EQ(figures[at].hop, (*charges)[at].hop);
    EXPECT_EQ(figures[at].limit, (*charges)[at].limit);
    EXPECT_EQ(figures[at].cost, 0U);
  }
  EXPECT_TRUE(figures_of(*chain_of("{}", "{}")).empty());
  EXPECT_EQ(figures_of(*chain_of("{}", R"({"budget":{"tools":{"pay":2}}})")).size(), 1U);
}

// However small, a cost is not free; a limit is never rounded up.
TEST(Charges, RoundAgainstTheSpender) {
  const ChainPtr chain = chain_of("{}", R"({"budget":{"sum":{"pay.amount":0.0000019}}})");
  expect_charges(chain, "pay", R"({"amount":0.0000004})", {{1, "sum.pay.amount", 1, 1}});
  expect_charges(chain, "pay", R"({"amount":0})", {{1, "sum.pay.amount", 0, 1}});
  expect_charges(chain, "pay", R"({"amount":5e-324})", {{1, "sum.pay.amount", 1, 1}});
  expect_charges(chain, "pay", R"({"amount":0.000002})", {{1, "sum.pay.amount", 2, 1}});
}

TEST(Charges, WhatCannotBeCountedIsRefused) {
  const ChainPtr chain = chain_of("{}", R"({"budget":{"sum":{"pay.amount":5}}})");
  const std::pair<const char*, const char*> cases[] = {
      {R"({})", "argument_missing"},
      {R"({"amount":null})", "argument_denied"},
      {R"({"amount":"1"})", "argument_denied"},
      {R"({"amount":-1})", "argument_denied"},
      {R"({"amount":[1]})", "argument_denied"},
      {R"({"amount":9000000001})", "argument_denied"},
  };
  for (const auto& [arguments, code] : cases) {
    const json::Document document = forge::parse(arguments);
    const auto charges = charges_of(*chain, "pay", document.root());
    ASSERT_FALSE(charges) << arguments;
    EXPECT_EQ(to_string(charges.error().code), code) << arguments;
    EXPECT_EQ(charges.error().argument, "amount");
    EXPECT_EQ(charges.error().hop, 1);
  }
}

// A name that can be split in two ways is counted both ways.
TEST(Charges, AreNotEscapedByADotInAName) {
  const ChainPtr chain = chain_of("{}", R"({"budget":{"sum":{"a.b.c":5}}})");
  expect_charges(chain, "a.b", R"({"c":1})", {{1, "sum.a.b.c", 1'000'000, 5'000'000}});
  expect_charges(chain, "a", R"({"b.c":2})", {{1, "sum.a.b.c", 2'000'000, 5'000'000}});
}

// An account belongs to who signed the receipt, so that nobody else can spend it by reusing a jti.
TEST(Charges, AccountsAreTheSigners) {
  const auto verified = [](const char* jti) {
    return *Chain(3, [&](std::size_t hop, Draft& draft) {
              draft.payload["jti"] = hop == 2 ? jti : "receipt-" + std::to_string(hop);
            }).verify();
  };
  const ChainPtr chain = verified("c");
  EXPECT_NE(chain->account(1), chain->account(2));
  EXPECT_EQ(verified("c")->account(2), chain->account(2)) << "the same receipt";
  EXPECT_NE(verified("d")->account(2), chain->account(2)) << "another jti";
  EXPECT_EQ(verified("d")->account(1), chain->account(1));
  const ChainPtr other = *Chain(2, [](std::size_t hop, Draft& draft) {
                            draft.payload["jti"] = hop == 1 ? "c" : "receipt-0";
                          }).verify();
  EXPECT_NE(other->account(1), chain->account(2)) << "the same jti, another signer";
}

TEST(Charges, AreNamedInWords) {
  const Charge charge{"", 1, 5, kNow, 1, "calls"};
  const Refusal refusal = budget_spent(charge, "pay");
  EXPECT_EQ(to_string(refusal.code), "budget_spent");
  EXPECT_EQ(refusal.hop, 1);
  EXPECT_EQ(refusal.tool, "pay");
  EXPECT_EQ(refusal.sentence,
            "The budget \"calls\" of the receipt at hop 1 has not enough left for this call.");
  EXPECT_EQ(budget_spent({"", 1, 5, kNow, 0, "sum.pay.amount"}, "pay").sentence,
            "The budget \"sum.pay.amount\" of the root receipt has not enough left for this call.");
}

}  // namespace
}  // namespace mandated::receipt
