#include "proxy/identity/pem.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/support_ca/test_ca.h"

namespace mandated::identity {
namespace {

using testing::HasSubstr;

TEST(Pem, RoundTrips) {
  const test::TestCa ca;
  const std::string text = "a comment\n" + to_pem("CERTIFICATE", ca.certificate_der()) +
                           to_pem("CERTIFICATE", ca.svid("/x").chain_der[0]);
  const auto certificates = parse_pem_certificates(text);
  ASSERT_TRUE(certificates) << certificates.error().text;
  ASSERT_EQ(certificates->size(), 2U);
  EXPECT_EQ(certificates->front(), ca.certificate_der());
  for (std::size_t size = 0; size < 100; ++size) {
    const std::string der(size + 1, static_cast<char>(size));
    const auto blocks = parse_pem(to_pem("THING", der));
    ASSERT_TRUE(blocks);
    EXPECT_EQ(blocks->front().label, "THING");
    EXPECT_EQ(blocks->front().der, der);
  }
}

TEST(Pem, RefusesDamage) {
  const std::string good = to_pem("CERTIFICATE", test::TestCa().certificate_der());
  const auto refused = [](const std::string& text, const std::string& reason) {
    const auto parsed = parse_pem_certificates(text);
    ASSERT_FALSE(parsed);
    EXPECT_EQ(parsed.error().code, Code::kMalformed);
    EXPECT_THAT(parsed.error().text, HasSubstr(reason));
  };
  refused("", "no PEM block");
  refused("no such thing", "no PEM block");
  refused(good + good.substr(0, good.size() / 2), "damaged");
  std::string spoiled = good;
  spoiled[good.size() / 2] = '*';
  refused(good + spoiled, "damaged");
  refused(to_pem("PRIVATE KEY", "x"), "PRIVATE KEY");
  refused(
      "-----BEGIN CERTIFICATE-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END CERTIFICATE-----\n",
      "headers");
}

}  // namespace
}  // namespace mandated::identity
