// Messages that an agent might send, good and bad ones by name.
#include "proxy/workload_api/messages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "tests/unit/workload_api/fake_agent.h"

namespace mandated::workload_api {
namespace {

using test::TestCa;
using test::TestCertificate;
using test::to_message;
using test::to_response;
using testing::HasSubstr;

const Clock::WallTime kNow = TestCa::sim_start();

const TestCa& ca() {
  static const TestCa made;
  return made;
}
const TestCa& other() {
  static const TestCa made("other.example", kNow, test::TestKey::kEd25519, 2);
  return made;
}

X509SVIDResponse sound() {
  X509SVIDResponse response = to_response({to_message(ca().svid("/agent/x"), ca(), "internal"),
                                           to_message(ca().svid("/agent/y"), ca())});
  (*response.mutable_federated_bundles())["spiffe://other.example"] = other().certificate_der();
  return response;
}

TEST(X509Svids, Sound) {
  const auto update = read_x509_svids(sound().SerializeAsString(), kNow);
  ASSERT_TRUE(update) << update.error().text;
  ASSERT_EQ(update->svids.size(), 2U);
  const HintedSvid& first = update->svids.front();
  EXPECT_EQ(first.svid.id.text(), "spiffe://test.example/agent/x");
  EXPECT_EQ(first.hint, "internal");
  EXPECT_EQ(first.svid.expires, kNow + std::chrono::minutes(5));
  EXPECT_EQ(first.svid.not_before, kNow - std::chrono::seconds(10));
  EXPECT_EQ(update->bundles.size(), 2U);
  EXPECT_EQ(update->bundles.at("test.example"), std::vector{ca().certificate_der()});
  EXPECT_EQ(update->bundles.at("other.example"), std::vector{other().certificate_der()});
  EXPECT_TRUE(update->ignored.empty());
}

TEST(X509Svids, AnIntermediateGoesWithTheChain) {
  const TestCa below = ca().intermediate();
  const auto response = to_response({to_message(below.svid("/agent/x"), ca())});
  const auto update = read_x509_svids(response.SerializeAsString(), kNow);
  ASSERT_TRUE(update) << update.error().text;
  EXPECT_EQ(update->svids.front().svid.chain_der.size(), 2U);
}

TEST(X509Svids, UnknownFieldsAreOfALaterVersion) {
  std::string bytes = sound().SerializeAsString();
  bytes += std::string("\xfa\x3f\x03new", 6);  // field 1023
  EXPECT_TRUE(read_x509_svids(bytes, kNow));
}

TEST(X509Svids, APartnersMistakeIsLeftOut) {
  const std::pair<const char*, std::function<std::string()>> rows[] = {
      {"no certificate", [] { return std::string("nonsense"); }},
      {"no certificate", [] { return std::string(); }},
      {"no CA", [] { return other().svid("/x").chain_der.front(); }},
      {"no certificate", [] { return other().certificate_der() + "x"; }},
  };
  for (const auto& [why, bundle] : rows) {
    X509SVIDResponse response = sound();
    (*response.mutable_federated_bundles())["spiffe://other.example"] = bundle();
    const auto update = read_x509_svids(response.SerializeAsString(), kNow);
    ASSERT_TRUE(update) << update.error().text;
    EXPECT_FALSE(update->bundles.contains("other.example"));
    ASSERT_EQ(update->ignored.size(), 1U);
    EXPECT_THAT(update->ignored.front(), HasSubstr("other.example"));
    EXPECT_THAT(update->ignored.front(), HasSubstr(why));
  }
}

TEST(X509Svids, RevocationListsAreTold) {
  X509SVIDResponse response = sound();
  response.add_crl("crl");
  const auto update = read_x509_svids(response.SerializeAsString(), kNow);
  ASSERT_TRUE(update);
  EXPECT_THAT(update->ignored, testing::ElementsAre(HasSubstr("revocation lists")));
}

struct Bad {
  const char* name;
  Code code;
  const char* reason;
  std::function<void(X509SVIDResponse&)> spoil;
};
void PrintTo(const Bad& row, std::ostream* out) { *out << row.name; }

class BadX509Svids : public testing::TestWithParam<Bad> {};

TEST_P(BadX509Svids, AreRefused) {
  X509SVIDResponse response = sound();
  GetParam().spoil(response);
  const auto update = read_x509_svids(response.SerializeAsString(), kNow);
  ASSERT_FALSE(update);
  EXPECT_EQ(to_string(update.error().code), to_string(GetParam().code)) << update.error().text;
  EXPECT_EQ(update.error().side, Side::kUpstream);
  EXPECT_THAT(update.error().text, HasSubstr(GetParam().reason));
}

X509SVID& first(X509SVIDResponse& response) { return *response.mutable_svids(0); }

/// Makes the first SVID one that lies.
std::function<void(X509SVIDResponse&)> lying(const std::function<void(TestCertificate&)>& lie) {
  return [lie](X509SVIDResponse& response) {
    first(response) = to_message(ca().svid("/agent/x", lie), ca());
  };
}

INSTANTIATE_TEST_SUITE_P(
    Table, BadX509Svids,
    testing::Values(
        Bad{"no_svids", Code::kMalformed, "without an SVID",
            [](X509SVIDResponse& all) { all.clear_svids(); }},
        Bad{"no_id", Code::kMalformed, "without its ID",
            [](X509SVIDResponse& all) { first(all).clear_spiffe_id(); }},
        Bad{"no_certificate", Code::kMalformed, "without its ID",
            [](X509SVIDResponse& all) { first(all).clear_x509_svid(); }},
        Bad{"no_key", Code::kMalformed, "without its ID",
            [](X509SVIDResponse& all) { first(all).clear_x509_svid_key(); }},
        Bad{"no_bundle", Code::kMalformed, "without its ID",
            [](X509SVIDResponse& all) { first(all).clear_bundle(); }},
        Bad{"the_second_is_empty", Code::kMalformed, "without its ID",
            [](X509SVIDResponse& all) { all.mutable_svids(1)->Clear(); }},
        Bad{"bad_id", Code::kMalformed, "an SVID",
            [](X509SVIDResponse& all) { first(all).set_spiffe_id("spiffe://test.example/../x"); }},
        Bad{"id_of_another_workload", Code::kPeerIdentity, "its certificate names",
            [](X509SVIDResponse& all) { first(all).set_spiffe_id("spiffe://test.example/root"); }},
        Bad{"id_of_another_domain", Code::kPeerIdentity, "trust domain",
            [](X509SVIDResponse& all) { first(all).set_spiffe_id("spiffe://other.example/x"); }},
        Bad{"key_of_another", Code::kMalformed, "not that of its certificate",
            [](X509SVIDResponse& all) {
              first(all).set_x509_svid_key(all.svids(1).x509_svid_key());
            }},
        Bad{"key_is_none", Code::kMalformed, "key cannot be read",
            [](X509SVIDResponse& all) { first(all).set_x509_svid_key("key"); }},
        Bad{"key_and_more", Code::kMalformed, "key cannot be read",
            [](X509SVIDResponse& all) { *first(all).mutable_x509_svid_key() += 'x'; }},
        Bad{"chain_is_none", Code::kMalformed, "no certificate",
            [](X509SVIDResponse& all) { first(all).set_x509_svid("chain"); }},
        Bad{"chain_is_cut", Code::kMalformed, "no certificate",
            [](X509SVIDResponse& all) { first(all).mutable_x509_svid()->pop_back(); }},
        Bad{"bundle_is_none", Code::kMalformed, "the bundle of test.example",
            [](X509SVIDResponse& all) { first(all).set_bundle("bundle"); }},
        Bad{"bundle_of_a_leaf", Code::kInvalidConfig, "no CA",
            [](X509SVIDResponse& all) {
              first(all).set_bundle(ca().svid("/x").chain_der.front());
            }},
        Bad{"bundle_does_not_vouch", Code::kPeerIdentity, "test.example/agent/x",
            [](X509SVIDResponse& all) { first(all).set_bundle(other().certificate_der()); }},
        Bad{"expired", Code::kPeerIdentity, "expired",
            lying([](TestCertificate& says) { says.ends = std::chrono::seconds(-1); })},
        Bad{"not_yet_valid", Code::kPeerIdentity, "not yet valid",
            lying([](TestCertificate& says) { says.begins = std::chrono::seconds(60); })},
        Bad{"client_only", Code::kPeerIdentity, "serverAuth",
            lying([](TestCertificate& says) { says.extended_usage = {NID_client_auth}; })},
        Bad{"a_ca", Code::kPeerIdentity, "CA",
            lying([](TestCertificate& says) { says.ca = true; })},
        Bad{"two_bundles_of_our_domain", Code::kMalformed, "two bundles",
            [](X509SVIDResponse& all) {
              const TestCa next("test.example", kNow, test::TestKey::kEd25519, 9);
              (*all.mutable_federated_bundles())["spiffe://test.example"] = next.certificate_der();
            }},
        Bad{"bundle_under_a_workload", Code::kMalformed, "no trust domain's SPIFFE ID",
            [](X509SVIDResponse& all) {
              (*all.mutable_federated_bundles())["spiffe://third.example/x"] =
                  other().certificate_der();
            }},
        Bad{"bundle_under_a_bare_name", Code::kMalformed, "no trust domain's SPIFFE ID",
            [](X509SVIDResponse& all) {
              (*all.mutable_federated_bundles())["third.example"] = other().certificate_der();
            }},
        Bad{"a_long_hint", Code::kMalformed, "hint",
            [](X509SVIDResponse& all) { first(all).set_hint(std::string(1025, 'h')); }},
        Bad{"many_svids", Code::kMalformed, "more than 64",
            [](X509SVIDResponse& all) {
              while (all.svids_size() < 65) *all.add_svids() = all.svids(0);
            }}),
    [](const testing::TestParamInfo<Bad>& row) { return row.param.name; });

TEST(X509Svids, NoMessageAtAll) {
  for (const std::string bytes : {"", "\x0a\x7f", "not protobuf"}) {
    const auto update = read_x509_svids(bytes, kNow);
    ASSERT_FALSE(update);
    EXPECT_EQ(update.error().code, Code::kMalformed);
  }
}

TEST(X509Bundles, SoundOnesAreTaken) {
  X509BundlesResponse response;
  (*response.mutable_bundles())["spiffe://test.example"] = ca().certificate_der();
  (*response.mutable_bundles())["spiffe://other.example"] = "broken";
  std::vector<std::string> ignored;
  const auto bundles = read_x509_bundles(response.SerializeAsString(), ignored);
  ASSERT_TRUE(bundles);
  EXPECT_EQ(*bundles, ca().bundles());
  EXPECT_EQ(ignored.size(), 1U);
  EXPECT_FALSE(read_x509_bundles("", ignored));
}

TEST(JwtBundles, ByTrustDomain) {
  JWTBundlesResponse response;
  (*response.mutable_bundles())["spiffe://test.example"] = R"({"keys":[]})";
  const auto bundles = read_jwt_bundles(response.SerializeAsString());
  ASSERT_TRUE(bundles);
  EXPECT_EQ(bundles->at("test.example"), R"({"keys":[]})");
  (*response.mutable_bundles())["spiffe://test.example/x"] = "{}";
  EXPECT_FALSE(read_jwt_bundles(response.SerializeAsString()));
  EXPECT_FALSE(read_jwt_bundles(""));
}

TEST(JwtSvids, AskedForAndRead) {
  JWTSVIDRequest request;
  ASSERT_TRUE(request.ParseFromString(jwt_svid_request("them", "spiffe://test.example/x")));
  EXPECT_EQ(request.audience_size(), 1);
  EXPECT_EQ(request.audience(0), "them");
  EXPECT_EQ(request.spiffe_id(), "spiffe://test.example/x");

  JWTSVIDResponse response;
  JWTSVID& svid = *response.add_svids();
  svid.set_spiffe_id("spiffe://test.example/x");
  EXPECT_FALSE(read_jwt_svids(response.SerializeAsString()));  // no token
  svid.set_svid("a.b.c");
  svid.set_hint("internal");
  const auto tokens = read_jwt_svids(response.SerializeAsString());
  ASSERT_TRUE(tokens);
  EXPECT_EQ(tokens->front().token, "a.b.c");
  EXPECT_EQ(tokens->front().hint, "internal");
  svid.set_spiffe_id("x");
  EXPECT_FALSE(read_jwt_svids(response.SerializeAsString()));
  EXPECT_FALSE(read_jwt_svids(""));
}

TEST(JwtValidation, AskedForAndRead) {
  ValidateJWTSVIDRequest request;
  ASSERT_TRUE(request.ParseFromString(validate_jwt_request("them", "a.b.c")));
  EXPECT_EQ(request.audience(), "them");
  EXPECT_EQ(request.svid(), "a.b.c");

  ValidateJWTSVIDResponse response;
  EXPECT_FALSE(read_validated_jwt(response.SerializeAsString()));
  response.set_spiffe_id("spiffe://test.example/x");
  EXPECT_FALSE(read_validated_jwt(response.SerializeAsString())->expires);
  (*response.mutable_claims()->mutable_fields())["exp"].set_string_value("soon");
  EXPECT_FALSE(read_validated_jwt(response.SerializeAsString())->expires);
  (*response.mutable_claims()->mutable_fields())["exp"].set_number_value(1780000000);
  const auto validated = read_validated_jwt(response.SerializeAsString());
  ASSERT_TRUE(validated);
  EXPECT_EQ(validated->id.text(), "spiffe://test.example/x");
  EXPECT_EQ(validated->expires, 1780000000);
}

}  // namespace
}  // namespace mandated::workload_api
