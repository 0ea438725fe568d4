// Requests wait, end and are forgotten; bounds hold, and whoever watches is told once.
#include "proxy/consent/request_store.h"

#include <gtest/gtest.h>

namespace mandated::consent {
namespace {

constexpr Seconds kNow = 1000;

Ask receipt_ask(Seconds until) { return {ReceiptAsk{}, until}; }

Ask approval_ask(std::uint64_t min) {
  ApprovalAsk approval;
  approval.approvers.min = min;
  return {std::move(approval), kNow + 300};
}

class StoreTest : public testing::Test {
 protected:
  Status status(std::string_view id, Seconds now) {
    const RequestStore::Request* found = store_.find(id, now);
    EXPECT_NE(found, nullptr);
    return found == nullptr ? Status::kExpired : found->status;
  }

  RequestStore store_{{.requests_max = 3, .bytes_max = 100, .watchers_max = 2, .keep = 60}};
};

TEST_F(StoreTest, SignedRefusedAndExpired) {
  for (const char* id : {"a", "b", "c"})
    ASSERT_TRUE(store_.add(id, receipt_ask(kNow + 30), 1, kNow));
  ASSERT_TRUE(store_.sign("a", "token", "key", kNow + 1));
  ASSERT_TRUE(store_.refuse("b", kNow + 1));
  EXPECT_EQ(status("a", kNow + 2), Status::kSigned);
  EXPECT_EQ(store_.find("a", kNow + 2)->tokens, std::vector<std::string>{"token"});
  EXPECT_EQ(status("b", kNow + 2), Status::kRefused);
  EXPECT_EQ(status("c", kNow + 29), Status::kPending);
  EXPECT_EQ(status("c", kNow + 30), Status::kExpired);
  EXPECT_EQ(status("a", kNow + 60), Status::kSigned) << "what was signed does not expire";
}

TEST_F(StoreTest, WhatHasEndedStaysEnded) {
  ASSERT_TRUE(store_.add("a", receipt_ask(kNow + 30), 1, kNow));
  ASSERT_TRUE(store_.refuse("a", kNow));
  for (const auto& again : {store_.sign("a", "token", "key", kNow), store_.refuse("a", kNow)}) {
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().code, Code::kProtocol);
  }
  EXPECT_TRUE(store_.find("a", kNow)->tokens.empty());
  ASSERT_TRUE(store_.add("b", receipt_ask(kNow + 30), 1, kNow));
  EXPECT_FALSE(store_.sign("b", "token", "key", kNow + 30)) << "nobody signs what has expired";
  const auto unknown = store_.sign("x", "token", "key", kNow);
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, Code::kNotFound);
}

TEST_F(StoreTest, ApprovalsNeedDistinctKeys) {
  ASSERT_TRUE(store_.add("a", approval_ask(2), 1, kNow));
  ASSERT_TRUE(store_.sign("a", "one", "key 1", kNow));
  EXPECT_EQ(status("a", kNow), Status::kPending);
  const auto again = store_.sign("a", "two", "key 1", kNow);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, Code::kProtocol);
  EXPECT_EQ(status("a", kNow), Status::kPending);
  ASSERT_TRUE(store_.sign("a", "two", "key 2", kNow));
  EXPECT_EQ(status("a", kNow), Status::kSigned);
  EXPECT_EQ(store_.find("a", kNow)->tokens, (std::vector<std::string>{"one", "two"}));
}

TEST_F(StoreTest, OutcomesAreForgotten) {
  ASSERT_TRUE(store_.add("a", receipt_ask(kNow + 30), 1, kNow));
  ASSERT_TRUE(store_.add("b", receipt_ask(kNow + 30), 1, kNow));
  ASSERT_TRUE(store_.refuse("b", kNow + 10));
  EXPECT_NE(store_.find("b", kNow + 69), nullptr);
  EXPECT_EQ(store_.find("b", kNow + 70), nullptr);
  EXPECT_NE(store_.find("a", kNow + 89), nullptr);
  EXPECT_EQ(store_.find("a", kNow + 90), nullptr);
  EXPECT_EQ(store_.size(), 0U);
}

TEST_F(StoreTest, CountAndBytesAreBounded) {
  ASSERT_TRUE(store_.add("a", receipt_ask(kNow + 30), 90, kNow));
  const auto heavy = store_.add("b", receipt_ask(kNow + 30), 11, kNow);
  ASSERT_FALSE(heavy);
  EXPECT_EQ(heavy.error().code, Code::kOverloaded);
  ASSERT_TRUE(store_.add("b", receipt_ask(kNow + 30), 9, kNow));
  ASSERT_TRUE(store_.add("c", receipt_ask(kNow + 30), 1, kNow));
  EXPECT_FALSE(store_.add("d", receipt_ask(kNow + 30), 0, kNow)) << "three are enough";
  EXPECT_TRUE(store_.add("d", receipt_ask(kNow + 200), 100, kNow + 90)) << "room again";
}

TEST_F(StoreTest, WatchersAreToldOfEachEnd) {
  ASSERT_TRUE(store_.add("a", receipt_ask(kNow + 30), 1, kNow));
  ASSERT_TRUE(store_.add("b", receipt_ask(kNow + 30), 1, kNow));
  int a = 0;
  int b = 0;
  {
    const RequestStore::Watch first(store_, "a", [&] { ++a; });
    EXPECT_TRUE(store_.may_watch());
    const RequestStore::Watch second(store_, "b", [&] { ++b; });
    EXPECT_FALSE(store_.may_watch());
    ASSERT_TRUE(store_.sign("a", "token", "key", kNow));
    EXPECT_EQ(a, 1);
    EXPECT_EQ(b, 0);
    store_.find("b", kNow + 30);
    EXPECT_EQ(b, 1) << "expiry is an end";
    store_.find("b", kNow + 31);
    EXPECT_EQ(b, 1);
  }
  EXPECT_TRUE(store_.may_watch());
}

TEST_F(StoreTest, SeveralMayWatchOne) {
  ASSERT_TRUE(store_.add("a", receipt_ask(kNow + 30), 1, kNow));
  int told = 0;
  const RequestStore::Watch first(store_, "a", [&] { ++told; });
  {
    const RequestStore::Watch gone(store_, "a", [&] { ++told; });
  }
  const RequestStore::Watch second(store_, "a", [&] { ++told; });
  ASSERT_TRUE(store_.refuse("a", kNow));
  EXPECT_EQ(told, 2);
}

}  // namespace
}  // namespace mandated::consent
