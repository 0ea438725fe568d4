#include "proxy/wimse/wit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "filters/receipt/jose.h"
#include "tests/unit/wimse/draft_vectors.h"
#include "tests/unit/wimse/fixture.h"

namespace mandated::wimse {
namespace {

using test::Json;
using test::kNow;
using test::PrivateKey;
using test::WitDraft;
using testing::HasSubstr;
using testing::Not;

receipt::PublicKey public_key(std::string_view jwk) {
  return *receipt::PublicKey::from_jwk(receipt::forge::parse(jwk).root());
}

TEST(Wit, TheDraftsExampleIsGoodWhileItLasts) {
  WitKeys keys;
  keys["example.com"].push_back({"June 5", public_key(vectors::kIssuerJwk)});
  const auto wit = verify_wit(vectors::kWit, keys, 1745512509);
  ASSERT_TRUE(wit) << wit.error().text;
  EXPECT_EQ(wit->subject, "wimse://example.com/specific-workload");
  EXPECT_EQ(wit->expires, 1745512510);
  const auto owner =
      receipt::PrivateKey::from_jwk(receipt::forge::parse(vectors::kWorkloadJwk).root());
  EXPECT_EQ(wit->key, owner->public_key());
  EXPECT_FALSE(verify_wit(vectors::kWit, keys, 1745512510));
}

TEST(Wit, AnySingleChangedCharacterIsRefused) {
  const std::string token = test::wit();
  for (std::size_t i = 0; i < token.size(); ++i) {
    std::string changed = token;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(verify_wit(changed, test::keys(), kNow)) << i;
  }
}

struct Bent {
  const char* name;
  const char* why;
  std::function<void(WitDraft&)> bend;
};

TEST(Wit, EachRuleIsKept) {
  static const PrivateKey other = test::p256(7);
  const Bent cases[] = {
      {"typ of a JWT", "type", [](WitDraft& d) { d.header["typ"] = "JWT"; }},
      {"typ of a WPT", "type", [](WitDraft& d) { d.header["typ"] = "wpt+jwt"; }},
      {"typ of a receipt", "type", [](WitDraft& d) { d.header["typ"] = "delegation-receipt+jwt"; }},
      {"no typ", "type", [](WitDraft& d) { d.header.erase("typ"); }},
      {"alg none", "algorithm", [](WitDraft& d) { d.header["alg"] = "none"; }},
      {"alg HS256", "algorithm", [](WitDraft& d) { d.header["alg"] = "HS256"; }},
      {"alg of another key", "not signed", [](WitDraft& d) { d.header["alg"] = "EdDSA"; }},
      {"its own key", "jwk", [](WitDraft& d) { d.header["jwk"] = d.payload["cnf"]["jwk"]; }},
      {"crit", "crit", [](WitDraft& d) { d.header["crit"] = {"exp"}; }},
      {"unknown kid", "not signed", [](WitDraft& d) { d.header["kid"] = "k2"; }},
      {"no kid", "kid", [](WitDraft& d) { d.header.erase("kid"); }},
      {"signed by the workload", "not signed", [](WitDraft& d) { d.signer = &test::workload(); }},
      {"signed by a stranger", "not signed", [](WitDraft& d) { d.signer = &other; }},
      {"no sub", "sub", [](WitDraft& d) { d.payload.erase("sub"); }},
      {"sub of a trust domain only", "sub",
       [](WitDraft& d) { d.payload["sub"] = "spiffe://td.example"; }},
      {"sub of another scheme", "sub",
       [](WitDraft& d) { d.payload["sub"] = "https://td.example/x"; }},
      {"sub with dots", "sub",
       [](WitDraft& d) { d.payload["sub"] = "spiffe://td.example/a/../b"; }},
      {"sub with percent", "sub",
       [](WitDraft& d) { d.payload["sub"] = "wimse://td.example/a%2fb"; }},
      {"sub with a query", "sub", [](WitDraft& d) { d.payload["sub"] = "wimse://td.example/a?b"; }},
      {"sub with a port", "sub", [](WitDraft& d) { d.payload["sub"] = "wimse://td.example:1/a"; }},
      {"sub with a user", "sub", [](WitDraft& d) { d.payload["sub"] = "wimse://u@td.example/a"; }},
      {"sub of two", "sub", [](WitDraft& d) { d.payload["sub"] = {"spiffe://td.example/a"}; }},
      {"sub of another trust domain", "no keys",
       [](WitDraft& d) { d.payload["sub"] = "spiffe://other.example/a"; }},
      {"no exp", "exp", [](WitDraft& d) { d.payload.erase("exp"); }},
      {"exp as text", "exp", [](WitDraft& d) { d.payload["exp"] = "1999999999"; }},
      {"expired", "expired", [](WitDraft& d) { d.payload["exp"] = kNow; }},
      {"not yet valid", "not valid yet", [](WitDraft& d) { d.payload["nbf"] = kNow + 1; }},
      {"nbf as text", "nbf", [](WitDraft& d) { d.payload["nbf"] = "0"; }},
      {"aud", "aud", [](WitDraft& d) { d.payload["aud"] = "https://tools.example.org"; }},
      {"no cnf", "cnf", [](WitDraft& d) { d.payload.erase("cnf"); }},
      {"cnf without jwk", "cnf", [](WitDraft& d) { d.payload["cnf"] = {{"kid", "x"}}; }},
      {"cnf with two keys", "cnf",
       [](WitDraft& d) { d.payload["cnf"]["jku"] = "https://x.example"; }},
      {"cnf.jwk without alg", "alg", [](WitDraft& d) { d.payload["cnf"]["jwk"].erase("alg"); }},
      {"cnf.jwk of alg none", "alg", [](WitDraft& d) { d.payload["cnf"]["jwk"]["alg"] = "none"; }},
      {"cnf.jwk of another alg", "alg",
       [](WitDraft& d) { d.payload["cnf"]["jwk"]["alg"] = "EdDSA"; }},
      {"cnf.jwk off the curve", "curve",
       [](WitDraft& d) { d.payload["cnf"]["jwk"]["y"] = d.payload["cnf"]["jwk"]["x"]; }},
      {"cnf.jwk private", "private", [](WitDraft& d) { d.payload["cnf"]["jwk"]["d"] = "AA"; }},
      {"cnf.jwk symmetric", "key",
       [](WitDraft& d) {
         d.payload["cnf"]["jwk"] = {{"kty", "oct"}, {"k", "AA"}, {"alg", "HS256"}};
       }},
      {"cnf.jwk of Ed25519 for a SPIFFE ID", "ES256",
       [](WitDraft& d) { d.payload["cnf"] = WitDraft(receipt::forge::key(3)).payload["cnf"]; }},
  };
  EXPECT_TRUE(verify_wit(WitDraft().sign(), test::keys(), kNow));
  for (const Bent& one : cases) {
    WitDraft draft;
    one.bend(draft);
    const auto wit = verify_wit(draft.sign(), test::keys(), kNow);
    ASSERT_FALSE(wit) << one.name;
    EXPECT_EQ(wit.error().code, mandated::Code::kPeerIdentity) << one.name;
    EXPECT_THAT(wit.error().text, HasSubstr(one.why)) << one.name;
    EXPECT_THAT(wit.error().text, Not(HasSubstr("eyJ"))) << one.name;
  }
}

TEST(Wit, WhatIsNoTokenIsRefused) {
  const std::string honest = test::wit();
  for (const std::string& text :
       {std::string(), std::string("."), std::string(".."), std::string("a.b.c"), honest + "=",
        honest + ".x", " " + honest, honest + "," + honest, std::string(8193, 'A')}) {
    EXPECT_FALSE(verify_wit(text, test::keys(), kNow)) << text.substr(0, 20);
  }
  const std::string twice = receipt::forge::sign_text(
      R"({"alg":"ES256","kid":"k1","typ":"wit+jwt"})",
      R"({"sub":"spiffe://td.example/a","sub":"spiffe://td.example/b","exp":1999999999})",
      test::issuer());
  EXPECT_FALSE(verify_wit(twice, test::keys(), kNow));
}

TEST(Wit, ForAWimseUriOneKeyNeedsNoKid) {
  WitDraft draft(receipt::forge::key(3), "wimse://td.example/svc");
  draft.header.erase("kid");
  WitKeys keys = test::keys();
  const auto wit = verify_wit(draft.sign(), keys, kNow);
  ASSERT_TRUE(wit) << wit.error().text;
  EXPECT_EQ(wit->subject, "wimse://td.example/svc");
  keys["td.example"].push_back({"k2", test::p256(7).public_key()});
  EXPECT_FALSE(verify_wit(draft.sign(), keys, kNow));
}

TEST(Wit, KeysOfOneTrustDomainSignForNoOther) {
  WitKeys keys = test::keys();
  keys["other.example"].push_back({"k1", test::p256(8).public_key()});
  const auto wit =
      verify_wit(WitDraft(test::workload(), "spiffe://other.example/agent").sign(), keys, kNow);
  ASSERT_FALSE(wit);
  EXPECT_THAT(wit.error().text, HasSubstr("not signed"));
}

TEST(Wit, UnknownClaimsAndTheIssuerSayNothing) {
  WitDraft draft;
  draft.payload["iss"] = "https://somebody.example";
  draft.payload["example.com/more"] = {1, 2};
  draft.payload["jti"] = "x";
  draft.payload["iat"] = kNow + 100;
  EXPECT_TRUE(verify_wit(draft.sign(), test::keys(), kNow));
}

}  // namespace
}  // namespace mandated::wimse
