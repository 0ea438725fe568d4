// Every rule of the X509-SVID standard that a verifier holds a peer to;
// tests/support_ca/malformed.h breaks them one at a time.
#include "proxy/identity/x509_svid.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/nid.h>

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "tests/support_ca/malformed.h"
#include "tests/support_ca/test_ca.h"

namespace mandated::identity {
namespace {

using namespace std::chrono_literals;
using test::TestCa;
using test::TestCertificate;
using test::TestKey;
using testing::HasSubstr;

const Clock::WallTime kNow = TestCa::sim_start();
constexpr char kPath[] = "/agent/x";

Result<SpiffeId> verify(const Svid& svid, const Bundles& bundles,
                        Purpose purpose = Purpose::kClient, Clock::WallTime now = kNow) {
  return verify_x509_svid(svid.chain_der, bundles, purpose, now);
}

void expect_refused(const Result<SpiffeId>& verified, const std::string& reason) {
  ASSERT_FALSE(verified) << "taken for " << verified->text() << ", expected: " << reason;
  EXPECT_EQ(verified.error().code, Code::kPeerIdentity);
  EXPECT_THAT(verified.error().text, HasSubstr(reason));
}

void expect_taken(const Result<SpiffeId>& verified) {
  ASSERT_TRUE(verified) << verified.error().text;
  EXPECT_EQ(verified->text(), "spiffe://test.example/agent/x");
}

using Lie = std::function<void(TestCertificate&)>;

TEST(X509Svid, TakesSoundOnes) {
  const TestCa ca;
  const std::pair<const char*, Lie> cases[] = {
      {"as SPIRE makes it", [](TestCertificate&) {}},
      {"no basicConstraints", [](TestCertificate& says) { says.ca = std::nullopt; }},
      {"no extended key usage", [](TestCertificate& says) { says.extended_usage = {}; }},
      {"DNS names beside", [](TestCertificate& says) { says.dns_names = {"a.example"}; }},
      {"keyEncipherment too", [](TestCertificate& says) { says.key_usage = {0, 2}; }},
      {"P-256", [](TestCertificate& says) { says.key = TestKey::kP256; }},
      {"P-384", [](TestCertificate& says) { says.key = TestKey::kP384; }},
      {"RSA", [](TestCertificate& says) { says.key = TestKey::kRsa2048; }},
      {"unknown extension", [](TestCertificate& says) { says.unknown_extension = true; }},
  };
  for (const auto& [what, lie] : cases) {
    SCOPED_TRACE(what);
    expect_taken(verify(ca.svid(kPath, lie), ca.bundles(), Purpose::kClient));
    expect_taken(verify(ca.svid(kPath, lie), ca.bundles(), Purpose::kServer));
  }
}

TEST(X509Svid, TakesEveryKindOfAuthority) {
  for (const TestKey key : {TestKey::kEd25519, TestKey::kP256, TestKey::kP384, TestKey::kRsa2048}) {
    const TestCa ca("test.example", kNow, key);
    expect_taken(verify(ca.svid(kPath), ca.bundles()));
  }
}

TEST(X509Svid, RefusesEveryMalformedOne) {
  const TestCa ca;
  const std::vector<test::Malformed> all = test::malformed_certificates();
  ASSERT_GE(all.size(), 60U);
  std::set<std::string> names;
  for (const test::Malformed& each : all) {
    SCOPED_TRACE(each.name);
    EXPECT_TRUE(names.insert(each.name).second) << "named twice";
    EXPECT_FALSE(each.reason.empty());
    for (const Purpose purpose : {Purpose::kClient, Purpose::kServer}) {
      expect_refused(verify_x509_svid(each.chain_der, ca.bundles(), purpose, kNow), each.reason);
    }
  }
}

// Section 3.1 asks for it only where the subject is empty.
TEST(X509Svid, TakesANameThatIsNotCriticalBesideASubject) {
  const TestCa ca;
  const Svid svid = ca.svid(kPath, [](TestCertificate& says) {
    says.san_critical = false;
    says.also = [](X509* made) {
      X509_NAME_add_entry_by_NID(X509_get_subject_name(made), NID_commonName, MBSTRING_UTF8,
                                 reinterpret_cast<const std::uint8_t*>("x"), 1, -1, 0);
    };
  });
  expect_taken(verify(svid, ca.bundles()));
}

TEST(X509Svid, RefusesAnAuthorityItDoesNotKnow) {
  const TestCa ca;
  const TestCa stranger("test.example", kNow, TestKey::kEd25519, 2);
  expect_refused(verify(stranger.svid(kPath), ca.bundles()), "issuer");
  // The stranger's own root in the chain makes it no better.
  Svid with_root = stranger.svid(kPath);
  with_root.chain_der.push_back(stranger.certificate_der());
  expect_refused(verify(with_root, ca.bundles()), "self signed");
  expect_refused(verify(ca.svid(kPath), {}), "is unknown");
  expect_refused(verify(ca.svid(kPath), {{"test.example", {}}}), "issuer");
}

TEST(X509Svid, OneTrustDomainCannotVouchForAnother) {
  const TestCa ours;
  const TestCa theirs("other.example", kNow, TestKey::kEd25519, 2);
  Bundles both = ours.bundles();
  both.merge(theirs.bundles());
  expect_taken(verify(ours.svid(kPath), both));
  ASSERT_TRUE(verify(theirs.svid(kPath), both));
  const Svid forged = theirs.svid(
      kPath, [](TestCertificate& says) { says.uris = {"spiffe://test.example/agent/x"}; });
  expect_refused(verify(forged, both), "issuer");
}

TEST(X509Svid, TimesAreThoseOfTheClockGiven) {
  const TestCa ca;
  const Svid svid = ca.svid(kPath);
  expect_taken(verify(svid, ca.bundles(), Purpose::kClient, kNow + 299s));
  expect_refused(verify(svid, ca.bundles(), Purpose::kClient, kNow + 301s), "has expired");
  expect_refused(verify(svid, ca.bundles(), Purpose::kClient, kNow - 11s), "not yet valid");
  // The authority's end counts too.
  const Svid outliving = ca.svid(kPath, [](TestCertificate& says) { says.ends = 24h * 1000; });
  expect_refused(verify(outliving, ca.bundles(), Purpose::kClient, kNow + 24h * 366),
                 "has expired");
}

TEST(X509Svid, IntermediateAuthorities) {
  const TestCa root;
  const TestCa middle = root.intermediate();
  expect_taken(verify(middle.svid(kPath), root.bundles()));
  // A bundle may name the intermediate itself as its anchor.
  expect_taken(verify(middle.svid(kPath), middle.bundles()));

  const TestCa constrained =
      root.intermediate([](TestCertificate& says) { says.permitted_uri_hosts = {"test.example"}; });
  expect_taken(verify(constrained.svid(kPath), root.bundles()));
}

TEST(X509Svid, ChainsAreBounded) {
  const TestCa root;
  const TestCa no_more = root.intermediate([](TestCertificate& says) { says.path_length = 0; });
  expect_taken(verify(no_more.svid(kPath), root.bundles()));
  const TestCa deep = root.intermediate().intermediate().intermediate().intermediate();
  expect_taken(verify(deep.svid(kPath), root.bundles()));
}

TEST(TrustStore, RefusesUnfitBundles) {
  const TestCa ca;
  const auto reason = [](const Bundles& bundles) {
    const auto made = TrustStore::make(bundles);
    EXPECT_FALSE(made);
    if (made) return std::string();
    EXPECT_EQ(made.error().code, Code::kInvalidConfig);
    return made.error().text;
  };
  EXPECT_THAT(reason({{"test.example", {"nonsense"}}}), HasSubstr("cannot be read"));
  EXPECT_THAT(reason({{"test.example", {ca.svid(kPath).chain_der[0]}}}), HasSubstr("no CA"));
  const TestCa weak("test.example", kNow, TestKey::kRsa1024);
  EXPECT_THAT(reason(weak.bundles()), HasSubstr("shorter than 2048"));
  const TestCa mute("test.example", kNow, TestKey::kEd25519, 1,
                    [](TestCertificate& says) { says.key_usage = {6}; });
  EXPECT_THAT(reason(mute.bundles()), HasSubstr("lacks keyCertSign"));
  const TestCa lax("test.example", kNow, TestKey::kEd25519, 1,
                   [](TestCertificate& says) { says.key_usage_critical = false; });
  EXPECT_THAT(reason(lax.bundles()), HasSubstr("not critical"));
  const TestCa bare("test.example", kNow, TestKey::kEd25519, 1,
                    [](TestCertificate& says) { says.key_usage = {}; });
  EXPECT_THAT(reason(bare.bundles()), HasSubstr("absent"));
  EXPECT_THAT(reason({{"test.example", std::vector<std::string>(65, ca.certificate_der())}}),
              HasSubstr("more than 64"));
  // A root that is no SVID, as openssl makes it.
  const TestCa plain("test.example", kNow, TestKey::kEd25519, 1, [](TestCertificate& says) {
    says.uris = {};
    says.key_usage = {};
  });
  EXPECT_TRUE(TrustStore::make(plain.bundles()));
  EXPECT_TRUE(TrustStore::make({{"test.example", {ca.certificate_der(), ca.certificate_der()}}}));
}

TEST(TrustStore, TellsKindsOfRefusalAndExpiry) {
  const TestCa ca;
  const auto store = TrustStore::make(ca.bundles());
  ASSERT_TRUE(store);
  const auto verify_with = [&](const Svid& svid, Clock::WallTime now) {
    const std::vector<std::string_view> chain(svid.chain_der.begin(), svid.chain_der.end());
    return (*store)->verify(chain, Purpose::kClient, now);
  };
  const auto peer = verify_with(ca.svid(kPath), kNow);
  ASSERT_TRUE(peer);
  EXPECT_EQ(peer->id.text(), "spiffe://test.example/agent/x");
  EXPECT_EQ(peer->expires, kNow + 300s);
  const TestCa short_lived = ca.intermediate([](TestCertificate& says) { says.ends = 60s; });
  EXPECT_EQ(verify_with(short_lived.svid(kPath), kNow)->expires, kNow + 60s);

  EXPECT_EQ(verify_with(ca.svid(kPath), kNow + 301s).error().fault, TrustStore::Fault::kExpired);
  const TestCa stranger("test.example", kNow, TestKey::kEd25519, 2);
  EXPECT_EQ(verify_with(stranger.svid(kPath), kNow).error().fault,
            TrustStore::Fault::kUnknownAuthority);
  EXPECT_EQ(verify_with(ca.svid(kPath), kNow - 11s).error().fault,
            TrustStore::Fault::kBadCertificate);
}

TEST(TestCaItself, IsDeterministicWithEd25519) {
  const TestCa first;
  const TestCa second;
  EXPECT_EQ(first.certificate_der(), second.certificate_der());
  EXPECT_EQ(first.svid(kPath).chain_der, second.svid(kPath).chain_der);
}

}  // namespace
}  // namespace mandated::identity
