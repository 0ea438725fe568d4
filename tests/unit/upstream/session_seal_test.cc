#include "proxy/upstream/session_seal.h"

#include <gtest/gtest.h>

namespace mandated::upstream {
namespace {

constexpr SessionSeal::Key kKey{1, 2, 3};

TEST(SessionSeal, OpensForThePeerItWasMadeFor) {
  const SessionSeal seal(kKey, "files");
  const std::string sealed = seal.seal("S1", "spiffe://a/x");
  EXPECT_EQ(seal.open(sealed, "spiffe://a/x"), "S1");
  EXPECT_NE(sealed, "S1");
}

TEST(SessionSeal, OpensForNobodyElse) {
  const SessionSeal seal(kKey, "files");
  const std::string sealed = seal.seal("S1", "spiffe://a/x");
  EXPECT_FALSE(seal.open(sealed, "spiffe://a/y"));
  EXPECT_FALSE(SessionSeal(kKey, "other").open(sealed, "spiffe://a/x"));
  EXPECT_FALSE(SessionSeal({9}, "files").open(sealed, "spiffe://a/x"));
  // What belongs to the peer and what to the id cannot be moved.
  EXPECT_FALSE(seal.open(seal.seal("xS1", "spiffe://a/"), "spiffe://a/x"));
}

TEST(SessionSeal, RefusesWhatItDidNotMake) {
  const SessionSeal seal(kKey, "files");
  std::string sealed = seal.seal("S1", "p");
  for (const std::string& other : {std::string(), std::string("S1"), std::string(33, 'a'),
                                   std::string(".") + std::string(32, '0'), sealed + "0",
                                   sealed.substr(1), "S2" + sealed.substr(2)}) {
    EXPECT_FALSE(seal.open(other, "p")) << other;
  }
  sealed.back() = sealed.back() == '0' ? '1' : '0';
  EXPECT_FALSE(seal.open(sealed, "p"));
}

}  // namespace
}  // namespace mandated::upstream
