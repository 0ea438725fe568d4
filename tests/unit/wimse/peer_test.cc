#include "proxy/wimse/peer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proxy/wimse/attach.h"
#include "proxy/wimse/content_digest.h"
#include "proxy/wimse/http_signature.h"
#include "proxy/wimse/structured_field.h"
#include "tests/support/sim_rng.h"
#include "tests/unit/wimse/fixture.h"

#include <openssl/ec_key.h>
#include <openssl/evp.h>
#include <openssl/nid.h>

namespace mandated::wimse {
namespace {

using config::WimseMethod;
using test::kNow;
using testing::HasSubstr;
using Proof = identity::PeerIdentity::Proof;

config::ListenerWimse rule(WimseMethod method = WimseMethod::kAny) {
  config::ListenerWimse rule;
  rule.method = method;
  rule.audiences = {std::string(test::kOrigin)};
  return rule;
}

http::RequestHead request() {
  http::RequestHead head{"POST", "http", "127.0.0.1:1", "/mcp", {}};
  head.fields.add("content-type", "application/json");
  return head;
}

std::shared_ptr<EVP_PKEY> generate() {
  const bssl::UniquePtr<EC_KEY> ec(EC_KEY_new_by_curve_name(NID_X9_62_prime256v1));
  EC_KEY_generate_key(ec.get());
  std::shared_ptr<EVP_PKEY> key(EVP_PKEY_new(), EVP_PKEY_free);
  EVP_PKEY_set1_EC_KEY(key.get(), ec.get());
  return key;
}

// A workload as the embedded trust domain makes one.
identity::WorkloadToken token(
    Clock::WallTime expires = Clock::WallTime(std::chrono::seconds(1'780'000'300))) {
  std::shared_ptr<EVP_PKEY> key = generate();
  const auto holder = receipt::PrivateKey::from_handle(key.get());
  identity::WorkloadToken made;
  made.id = *identity::SpiffeId::parse(test::kSubject);
  made.token = test::wit(*holder);
  made.private_key = key;
  made.expires = expires;
  return made;
}

TEST(Peer, WhatWeAttachProvesWhoWeAre) {
  mandated::test::SimRng rng(1);
  for (const WimseMethod method : {WimseMethod::kToken, WimseMethod::kSignature}) {
    const identity::WorkloadToken own = token();
    http::RequestHead head = request();
    head.fields.add("delegation-receipt", "a.b.c");
    head.fields.add("workload-identity-token", "stale");
    ASSERT_TRUE(attach(head, "{}", {method, "https://tools.example.org"}, &own, rng, kNow));
    const auto proven = prove_peer(head, rule(), test::keys(), kNow);
    ASSERT_TRUE(proven) << proven.error().text;
    ASSERT_TRUE(*proven);
    EXPECT_EQ((*proven)->peer.spiffe_id, test::kSubject);
    EXPECT_EQ((*proven)->peer.key.size(), 43U);
    EXPECT_EQ((*proven)->peer.proof,
              method == WimseMethod::kToken ? Proof::kWorkloadToken : Proof::kHttpSignature);
    EXPECT_TRUE(check_body(**proven, head, "{}"));
    EXPECT_EQ(check_body(**proven, head, "{ }").has_value(), method == WimseMethod::kToken);
    // Each call has a proof of its own.
    http::RequestHead next = request();
    ASSERT_TRUE(attach(next, "{}", {method, "https://tools.example.org"}, &own, rng, kNow));
    EXPECT_NE((*prove_peer(next, rule(), test::keys(), kNow))->once.name, (*proven)->once.name);
    // The other kind is not taken.
    const auto other =
        method == WimseMethod::kToken ? WimseMethod::kSignature : WimseMethod::kToken;
    EXPECT_FALSE(prove_peer(head, rule(other), test::keys(), kNow));
    EXPECT_TRUE(prove_peer(head, rule(method), test::keys(), kNow));
  }
}

TEST(Peer, OnlyKeysForWitsAreTaken) {
  using identity::JwtKey;
  const auto key = generate();
  const identity::JwtBundles bundles = {
      {"td.example", {{"wit", key, JwtKey::Use::kWitSvid}, {"jwt", key, JwtKey::Use::kJwtSvid}}}};
  const WitKeys keys = read_wit_keys(bundles);
  ASSERT_EQ(keys.at("td.example").size(), 1U);
  EXPECT_EQ(keys.at("td.example").front().kid, "wit");
  EXPECT_EQ(keys.at("td.example").front().key, *receipt::PublicKey::from_handle(key.get()));
}

TEST(Peer, TheAudienceIsWhereTheCallGoesUnlessSaidOtherwise) {
  mandated::test::SimRng rng(1);
  const identity::WorkloadToken own = token();
  http::RequestHead head = request();
  ASSERT_TRUE(attach(head, "{}", {WimseMethod::kToken, ""}, &own, rng, kNow));
  EXPECT_FALSE(prove_peer(head, rule(), test::keys(), kNow));
  config::ListenerWimse local = rule();
  local.audiences = {"http://127.0.0.1:1"};
  EXPECT_TRUE(prove_peer(head, local, test::keys(), kNow));
}

TEST(Peer, WithoutATokenNothingLeaves) {
  mandated::test::SimRng rng(1);
  http::RequestHead head = request();
  EXPECT_EQ(attach(head, "", {}, nullptr, rng, kNow).error().code, mandated::Code::kUnavailable);
  const identity::WorkloadToken old = token(Clock::WallTime(std::chrono::seconds(1'780'000'000)));
  EXPECT_EQ(attach(head, "", {}, &old, rng, kNow).error().code, mandated::Code::kUnavailable);
  EXPECT_EQ(head.fields.count("workload-identity-token"), 0U);
}

TEST(Peer, ASignedAnswerIsOfTheFarSideAndToThisRequest) {
  mandated::test::SimRng rng(1);
  const identity::WorkloadToken own = token();
  http::RequestHead sent = request();
  ASSERT_TRUE(attach(sent, "{}", {WimseMethod::kSignature, ""}, &own, rng, kNow));
  http::RequestHead other = request();
  ASSERT_TRUE(attach(other, "{}", {WimseMethod::kSignature, ""}, &own, rng, kNow));
  const auto nonce = nonce_of(sent);
  ASSERT_TRUE(nonce);
  EXPECT_FALSE(nonce_of(request()));

  http::ResponseHead answer;
  answer.status = 200;
  const std::string callee = test::wit();
  answer.fields.add("content-digest", content_digest("[]"));
  answer.fields.add("workload-identity-token", callee);
  const std::string input =
      R"(("@status" "@method";req "@request-target";req "content-digest")"
      R"( "workload-identity-token"))"
      R"(;created=1780000000;expires=1780000060;nonce="m";tag="wimse-workload-to-workload")"
      ";wimse-req-nonce=\"" +
      *nonce + "\"";
  const std::string base =
      "\"@status\": 200\n\"@method\";req: POST\n\"@request-target\";req: /mcp\n"
      "\"content-digest\": " +
      content_digest("[]") + "\n\"workload-identity-token\": " + callee +
      "\n\"@signature-params\": " + input;
  answer.fields.add("signature-input", "wimse=" + input);
  answer.fields.add("signature", "wimse=" + to_text(SfBytes{test::workload().sign(base)}));
  const auto good = check_answer(sent, answer, "[]", test::keys(), kNow);
  EXPECT_TRUE(good) << good.error().text;
  EXPECT_FALSE(check_answer(sent, answer, "[1]", test::keys(), kNow));
  EXPECT_FALSE(check_answer(other, answer, "[]", test::keys(), kNow));
  EXPECT_FALSE(check_answer(sent, answer, "[]", test::keys(), kNow + 60));
  http::ResponseHead bent = answer;
  bent.status = 500;
  EXPECT_FALSE(check_answer(sent, bent, "[]", test::keys(), kNow));
  bent = answer;
  bent.fields.remove("workload-identity-token");
  EXPECT_FALSE(check_answer(sent, bent, "[]", test::keys(), kNow));
}

TEST(Peer, ATokenWithoutItsOneProofProvesNothing) {
  const std::string wit = test::wit();
  const std::string proof = test::WptDraft(wit).sign();
  using Fields = std::vector<http::Field>;
  const std::pair<Fields, const char*> cases[] = {
      {{{"workload-identity-token", wit}}, "without a proof"},
      {{{"workload-proof-token", proof}}, "without the WIT"},
      {{{"signature-input", R"(a=();tag="wimse-workload-to-workload")"}}, "without the WIT"},
      {{{"workload-identity-token", wit},
        {"workload-identity-token", wit},
        {"workload-proof-token", proof}},
       "more than once"},
      {{{"workload-identity-token", wit},
        {"workload-proof-token", proof},
        {"workload-proof-token", proof}},
       "more than once"},
      {{{"workload-identity-token", wit},
        {"workload-proof-token", proof},
        {"signature-input", R"(a=();tag="wimse-workload-to-workload")"}},
       "two kinds"},
      {{{"workload-identity-token", ""}, {"workload-proof-token", proof}}, "three segments"},
      {{{"workload-identity-token", wit}, {"workload-proof-token", ""}}, "three segments"},
  };
  for (const auto& [fields, why] : cases) {
    http::RequestHead head = request();
    for (const http::Field& field : fields) head.fields.add(field.name, field.value);
    const auto proven = prove_peer(head, rule(), test::keys(), kNow);
    ASSERT_FALSE(proven) << why;
    EXPECT_THAT(proven.error().text, HasSubstr(why));
  }
  const auto nobody = prove_peer(request(), rule(), test::keys(), kNow);
  ASSERT_TRUE(nobody);
  EXPECT_FALSE(*nobody);
}

TEST(Peer, ReceiptsInTheBodyAreNotProvenByATokenOfFields) {
  Proven proven{{Proof::kWorkloadToken, std::string(test::kSubject), {}},
                test::workload().public_key(),
                {},
                0};
  http::RequestHead head = request();
  EXPECT_TRUE(check_receipts(proven, head, false, false));
  EXPECT_FALSE(check_receipts(proven, head, true, false));
  EXPECT_FALSE(check_receipts(proven, head, false, true));
  head.fields.add("delegation-receipt", "a.b.c");
  EXPECT_TRUE(check_receipts(proven, head, true, false));
  EXPECT_FALSE(check_receipts(proven, head, true, true));
  head.fields.add("delegation-proof", "a.b.c");
  EXPECT_TRUE(check_receipts(proven, head, true, true));
  proven.peer.proof = Proof::kHttpSignature;  // covers the body, too
  EXPECT_TRUE(check_receipts(proven, request(), true, true));
}

}  // namespace
}  // namespace mandated::wimse
