// What every registered filter must hold, whatever it decides about.
#include <gtest/gtest.h>

#include <set>

#include "filters/registry.h"
#include "tests/support/run_now.h"
#include "tests/unit/filters/call_fixture.h"

namespace mandated {
namespace {

TEST(Filters, NamesAreUniqueAndTheFilterKnowsItsOwn) {
  test::CallFixture call;
  std::set<std::string_view> names;
  for (const RegisteredFilter& entry : registered_filters()) {
    EXPECT_TRUE(names.insert(entry.name).second) << entry.name;
    const auto filter = entry.make(call.deps());
    ASSERT_TRUE(filter) << entry.name;
    EXPECT_EQ((*filter)->name(), entry.name);
  }
  EXPECT_FALSE(names.empty());
}

TEST(Filters, AnUnknownNameIsAnErrorThatNamesIt) {
  test::CallFixture call;
  call.config.filters = {{"mandate"}, {"mandat"}};
  const auto chain = make_filter_chain(call.deps());
  ASSERT_FALSE(chain);
  EXPECT_EQ(chain.error().code, Code::kInvalidConfig);
  EXPECT_NE(chain.error().text.find("\"mandat\""), std::string::npos);
}

TEST(Filters, EachGivesTheSameVerdictTwiceAndChangesNoDeniedCall) {
  test::CallFixture call;
  for (const RegisteredFilter& entry : registered_filters()) {
    const auto filter = entry.make(call.deps());
    ASSERT_TRUE(filter);
    Exchange first = call.exchange("tool_that_nobody_grants");
    Exchange second = call.exchange("tool_that_nobody_grants");
    const Verdict one = test::run_now((*filter)->on_call(first));
    const Verdict two = test::run_now((*filter)->on_call(second));
    ASSERT_TRUE(std::holds_alternative<Deny>(one)) << entry.name;
    ASSERT_TRUE(std::holds_alternative<Deny>(two)) << entry.name;
    EXPECT_EQ(std::get<Deny>(one).refusal.code, std::get<Deny>(two).refusal.code);
    EXPECT_TRUE(first.receipts.empty());
    EXPECT_TRUE(first.proof.empty());
    EXPECT_TRUE(first.chains.empty());
  }
}

class Throws final : public Filter {
 public:
  std::string_view name() const override { return "throws"; }
  Task<Verdict> on_call(Exchange&) const override {
    throw std::runtime_error("a bug");
    co_return Pass{};
  }
  bool shows(const Exchange&, std::string_view) const override { return true; }
};

class Counts final : public Filter {
 public:
  explicit Counts(int& count) : count_(count) {}
  std::string_view name() const override { return "counts"; }
  Task<Verdict> on_call(Exchange&) const override {
    ++count_;
    co_return Pass{};
  }
  bool shows(const Exchange&, std::string_view tool) const override { return tool == "a"; }

 private:
  int& count_;
};

TEST(FilterChain, AFilterThatThrowsDeniesAndEndsTheChain) {
  test::CallFixture call;
  int asked = 0;
  std::vector<std::unique_ptr<const Filter>> filters;
  filters.push_back(std::make_unique<Counts>(asked));
  filters.push_back(std::make_unique<Throws>());
  filters.push_back(std::make_unique<Counts>(asked));
  const FilterChain chain(std::move(filters));
  Exchange exchange = call.exchange();
  const auto decision = test::run_now(chain.decide(exchange));
  ASSERT_TRUE(std::holds_alternative<Deny>(decision));
  EXPECT_EQ(std::get<Deny>(decision).refusal.code, receipt::Code::kInternal);
  EXPECT_EQ(asked, 1);
  EXPECT_TRUE(chain.shows(exchange, "a"));
  EXPECT_FALSE(chain.shows(exchange, "b"));
}

}  // namespace
}  // namespace mandated
