// What the mandate filter does about receipts that can be taken back: calls, lists of tools, the
// wallet, the cache of chains.
#include <gtest/gtest.h>

#include <cmath>

#include "filters/mandate/mandate.h"
#include "filters/status/token.h"
#include "proxy/base/gate.h"
#include "tests/unit/filters/call_fixture.h"

namespace mandated {
namespace {

using namespace std::chrono_literals;
using test::CallFixture;

constexpr char kUri[] = "https://lists.test.example/1";

class RevocationTest : public testing::Test {
 protected:
  RevocationTest() {
    StatusOptions options;
    options.settings.lists = {"https://lists.test.example"};
    options.anchors = call_.anchors;
    lists_ = std::make_unique<StatusLists>(std::move(options), call_.fetcher, call_.clock,
                                           call_.rng, gate_);
    call_.status = lists_.get();
    publish({});
  }
  ~RevocationTest() override {
    gate_.drain();
    EXPECT_TRUE(call_.clock.run_until([&] { return gate_.active() == 0; }));
  }

  void publish(const std::vector<std::uint64_t>& revoked) {
    status::PublishedList list{kUri, std::floor(call_.clock.wall_seconds()), {}, {},
                               60,   *status::StatusList::make(1, 16)};
    for (const std::uint64_t index : revoked) ASSERT_TRUE(list.list.set(index, status::kInvalid));
    call_.fetcher.answer(kUri, *status::issue_status_list(list, call_.person));
  }
  /// A receipt that can be taken back by its entry.
  std::vector<std::string> chain(int index, std::string_view tools = test::kTools,
                                 const std::string& more = "") const {
    receipt::Grant grant = call_.grant(tools);
    grant.mandate_json = R"({"user":"mailto:alice@test.example",)"
                         R"("holder":"spiffe://test.example/agent/x","status":{"uri":")" +
                         std::string(kUri) + R"(","idx":)" + std::to_string(index) + "}" + more +
                         "}";
    return {*receipt::issue_root(grant, "https://alice.test.example", call_.person)};
  }

  static Task<void> store(Task<Verdict> task, std::optional<Verdict>& outcome) {
    outcome = co_await std::move(task);
  }
  std::string decide(Exchange& exchange) {
    if (!filter_) filter_ = std::move(*make_mandate_filter(call_.deps()));
    std::optional<Verdict> verdict;
    gate_.spawn(store(filter_->on_call(exchange), verdict));
    EXPECT_TRUE(call_.clock.run_until([&] { return verdict.has_value(); }, 10s));
    const Deny* deny = std::get_if<Deny>(&*verdict);
    if (deny == nullptr) return "pass";
    refusal_ = deny->refusal;
    return std::string(receipt::to_string(refusal_.code));
  }
  std::string call_with(const std::vector<std::string>& tokens) {
    Exchange exchange = call_.exchange();
    call_.attach(exchange, tokens);
    return decide(exchange);
  }
  std::string list_with(const std::vector<std::string>& tokens, Exchange& exchange) {
    exchange = call_.listing();
    exchange.call.receipts = tokens;
    return decide(exchange);
  }

  CallFixture call_;
  Gate gate_{call_.clock.executor()};
  std::unique_ptr<StatusLists> lists_;
  std::unique_ptr<const Filter> filter_;
  receipt::Refusal refusal_;
};

TEST_F(RevocationTest, ACallPassesWhileItsReceiptStands) {
  publish({3});
  EXPECT_EQ(call_with(chain(2)), "pass");
  EXPECT_EQ(call_with(chain(3)), "revoked");
  EXPECT_EQ(refusal_.hop, 0);
  EXPECT_EQ(refusal_.tool, "read_file");
  EXPECT_EQ(call_with(chain(16)), "status_unknown");
  EXPECT_EQ(call_with(call_.chain()), "pass") << "names no list";
}

TEST_F(RevocationTest, TheCacheOfChainsHidesNoRevocation) {
  const auto tokens = chain(3);
  EXPECT_EQ(call_with(tokens), "pass");
  EXPECT_EQ(call_with(tokens), "pass");
  publish({3});
  call_.clock.advance(1min);
  const std::uint64_t hits = call_.cache.hits();
  EXPECT_EQ(call_with(tokens), "revoked");
  EXPECT_EQ(call_.cache.hits(), hits + 1);
}

TEST_F(RevocationTest, WithoutListsWhatCanBeRevokedIsRefused) {
  call_.status = nullptr;
  EXPECT_EQ(call_with(chain(2)), "status_unknown");
  EXPECT_EQ(refusal_.hop, 0);
  EXPECT_EQ(refusal_.tool, "read_file");
  EXPECT_EQ(call_with(call_.chain()), "pass");
  Exchange exchange;
  EXPECT_EQ(list_with(chain(2), exchange), "status_unknown");
}

TEST_F(RevocationTest, WhatIsPassedOnIsCheckedHereToo) {
  publish({3});
  call_.upstream.receipts = config::ReceiptForwarding::kPass;
  EXPECT_EQ(call_with(chain(3)), "revoked");
  EXPECT_EQ(call_with(chain(2)), "pass");
}

TEST_F(RevocationTest, ARevokedReceiptIsChargedNothingAndAsksNobody) {
  publish({3});
  call_.route.mandate.proof = config::ProofMode::kMtls;
  const auto tokens = chain(3, test::kTools, R"(,"budget":{"calls":1})");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(call_with(tokens), "revoked");
  publish({});
  call_.clock.advance(1min);
  EXPECT_EQ(call_with(tokens), "pass");
  EXPECT_EQ(call_with(tokens), "budget_spent");
}

TEST_F(RevocationTest, ARevokedReceiptShowsNoTools) {
  publish({3});
  Exchange exchange;
  EXPECT_EQ(list_with(chain(2), exchange), "pass");
  EXPECT_TRUE(filter_->shows(exchange, "read_file"));
  EXPECT_EQ(list_with(chain(3), exchange), "revoked");
  EXPECT_FALSE(filter_->shows(exchange, "read_file"));
}

constexpr char kReadOnly[] = R"({"read_file":{"path":{"constraint_type":"wildcard"}}})";

TEST_F(RevocationTest, TheWalletsNextReceiptIsTakenWhenOneIsRevoked) {
  publish({3});
  call_.give_wallet({{"narrow", chain(3, kReadOnly)}, {"wide", chain(2)}});
  Exchange exchange = call_.exchange();
  EXPECT_EQ(decide(exchange), "pass");
  ASSERT_EQ(exchange.chains.size(), 1U);
  EXPECT_EQ(exchange.chains[0]->tools().size(), 2U);
  publish({2, 3});
  call_.clock.advance(1min);
  Exchange later = call_.exchange();
  EXPECT_EQ(decide(later), "revoked");
}

TEST_F(RevocationTest, TheWalletShowsWhatStillStands) {
  publish({3});
  call_.give_wallet({{"narrow", chain(2, kReadOnly)}, {"wide", chain(3)}});
  call_.upstream.receipts = config::ReceiptForwarding::kPass;
  Exchange exchange = call_.listing();
  EXPECT_EQ(decide(exchange), "pass");
  EXPECT_TRUE(filter_->shows(exchange, "read_file"));
  EXPECT_FALSE(filter_->shows(exchange, "list_directory"));
  EXPECT_EQ(exchange.receipts.size(), 1U);
  EXPECT_EQ(exchange.chains.size(), 1U);
  publish({2, 3});
  call_.clock.advance(1min);
  call_.route.mandate.discovery = config::Discovery::kReceipt;
  Exchange later = call_.listing();
  EXPECT_EQ(decide(later), "no_receipt");
  EXPECT_TRUE(later.receipts.empty());
}

TEST_F(RevocationTest, AListThatIsGoneRefusesAfterTheGrace) {
  const auto tokens = chain(2);
  EXPECT_EQ(call_with(tokens), "pass");
  call_.fetcher.answers.clear();
  call_.clock.advance(60s + 10min - 1s);
  EXPECT_EQ(call_with(tokens), "pass");
  call_.clock.advance(2s);
  EXPECT_EQ(call_with(tokens), "status_unknown");
}

}  // namespace
}  // namespace mandated
