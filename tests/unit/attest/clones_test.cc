#include "proxy/attest/clones.h"

#include <gtest/gtest.h>

namespace mandated::attest {
namespace {

using namespace std::chrono_literals;

identity::PeerIdentity process(std::int64_t id, std::uint64_t start = 100) {
  auto instance = std::make_shared<identity::Instance>();
  instance->process = id;
  instance->start_time = start;
  instance->executable = "/usr/bin/agent";
  identity::PeerIdentity peer;
  peer.instance = std::move(instance);
  return peer;
}

identity::PeerIdentity key(const char* thumbprint) {
  identity::PeerIdentity peer;
  peer.spiffe_id = "spiffe://test.example/agent/x";
  peer.key = thumbprint;
  return peer;
}

class ClonesTest : public testing::Test {
 protected:
  /// "returned | other", or empty.
  std::string note(const identity::PeerIdentity& peer, Clock::Duration at,
                   const char* receipt = "r") {
    const auto alert = clones_.note(receipt, peer, Clock::Time(at));
    return alert ? alert->returned + " | " + alert->other : "";
  }
  Clones clones_;
};

TEST_F(ClonesTest, TwoProcessesInTurnAreBothNamed) {
  EXPECT_EQ(note(process(7), 0s), "");
  EXPECT_EQ(note(process(8), 1s), "");
  EXPECT_EQ(note(process(7), 2s),
            "process 7 (/usr/bin/agent, started at tick 100) | "
            "process 8 (/usr/bin/agent, started at tick 100)");
  EXPECT_EQ(note(process(8), 3s), "") << "told less than a minute ago";
  EXPECT_EQ(note(process(7), 61s), "");
  EXPECT_EQ(note(process(8), 62s).substr(0, 9), "process 8");
}

TEST_F(ClonesTest, OneProcessAfterTheOtherIsNone) {
  for (int id = 1; id < 20; ++id) EXPECT_EQ(note(process(id), id * 1s), "");
  EXPECT_EQ(note(process(20, 100), 20s), "");
  EXPECT_EQ(note(process(20, 101), 21s), "") << "the same id, another process";
}

TEST_F(ClonesTest, OtherReceiptsAndUnknownPeersAreNone) {
  EXPECT_EQ(note(process(7), 0s, "r"), "");
  EXPECT_EQ(note(process(8), 1s, "s"), "");
  EXPECT_EQ(note(process(7), 2s, "r"), "");
  EXPECT_EQ(note({}, 3s), "");
  EXPECT_EQ(note(process(7), 4s), "");
}

TEST_F(ClonesTest, ARotationIsNone) {
  EXPECT_EQ(note(key("A"), 0s), "");
  EXPECT_EQ(note(key("B"), 100s), "");
  EXPECT_EQ(note(key("A"), 109s), "") << "a connection of before";
  EXPECT_EQ(note(key("B"), 110s), "");
  EXPECT_EQ(note(key("C"), 200s), "");
  EXPECT_EQ(note(key("C"), 300s), "");
}

TEST_F(ClonesTest, AKeyThatComesBackLaterIsACopyOfTheReceipt) {
  EXPECT_EQ(note(key("A"), 0s), "");
  EXPECT_EQ(note(key("B"), 100s), "");
  EXPECT_EQ(note(key("A"), 110s),
            "key A (spiffe://test.example/agent/x) | key B (spiffe://test.example/agent/x)");
}

TEST_F(ClonesTest, WhatWasLongAgoIsForgotten) {
  EXPECT_EQ(note(key("A"), 0s), "");
  EXPECT_EQ(note(key("B"), 1s), "");
  EXPECT_EQ(note(key("A"), 11min), "");
}

TEST_F(ClonesTest, RemembersAFewInstancesOfAReceiptAndABoundedNumberOfReceipts) {
  for (int id = 0; id < 5; ++id) EXPECT_EQ(note(process(id), id * 1s), "");
  EXPECT_EQ(note(process(0), 6s), "") << "four others came since";
  EXPECT_NE(note(process(4), 7s), "");
  for (std::size_t i = 0; i < Clones::kReceiptsMax; ++i)
    EXPECT_EQ(note(process(1), 8s, std::to_string(i).c_str()), "");
  EXPECT_EQ(note(process(3), 9s), "") << "there was no room for all";
}

}  // namespace
}  // namespace mandated::attest
