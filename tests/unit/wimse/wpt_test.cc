#include "proxy/wimse/wpt.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/wimse/draft_vectors.h"
#include "tests/unit/wimse/fixture.h"

namespace mandated::wimse {
namespace {

using test::Json;
using test::kNow;
using test::PrivateKey;
using test::WptDraft;
using testing::HasSubstr;
using testing::Not;

const std::vector<std::string> kAudiences = {std::string(test::kOrigin)};

http::RequestHead request(std::vector<http::Field> fields = {}) {
  http::RequestHead head{"POST", "http", "10.0.0.1:1", "/mcp?x=1", {}};
  for (http::Field& field : fields) head.fields.add(field.name, field.value);
  return head;
}

TEST(Wpt, TheDraftsExampleIsGoodWhileItLasts) {
  WitKeys keys;
  keys["example.com"].push_back(
      {"June 5", *receipt::PublicKey::from_jwk(receipt::forge::parse(vectors::kIssuerJwk).root())});
  const Seconds now = 1745509000;
  const auto wit = verify_wit(vectors::kWit, keys, now);
  ASSERT_TRUE(wit) << wit.error().text;
  http::RequestHead head{"POST", "https", "workload.example.com", "/path", {}};
  head.fields.add("authorization", "Bearer " + std::string(vectors::kAccessToken));
  const std::vector<std::string> audiences = {"https://workload.example.com"};
  const auto once = verify_wpt(vectors::kWpt, vectors::kWit, *wit, head, audiences, 1745509900);
  ASSERT_TRUE(once) << once.error().text;
  EXPECT_EQ(once->name, "wpt __bwc4ESC3acc2LTC1-_x");
  EXPECT_EQ(once->expires, 1745510016);
  EXPECT_FALSE(verify_wpt(vectors::kWpt, vectors::kWit, *wit, head, audiences, 1745510016));
  // 1016 seconds ahead are too many.
  EXPECT_FALSE(verify_wpt(vectors::kWpt, vectors::kWit, *wit, head, audiences, now));
}

struct Bent {
  const char* name;
  const char* why;
  std::function<void(WptDraft&)> bend;
  std::vector<http::Field> fields{};
};

void expect_refused(const Bent& one) {
  const std::string token = test::wit();
  const auto wit = verify_wit(token, test::keys(), kNow);
  ASSERT_TRUE(wit) << wit.error().text;
  WptDraft draft(token);
  one.bend(draft);
  const auto once = verify_wpt(draft.sign(), token, *wit, request(one.fields), kAudiences, kNow);
  ASSERT_FALSE(once) << one.name;
  EXPECT_EQ(once.error().code, mandated::Code::kPeerIdentity) << one.name;
  EXPECT_THAT(once.error().text, HasSubstr(one.why)) << one.name;
  EXPECT_THAT(once.error().text, Not(HasSubstr("eyJ"))) << one.name;
}

TEST(Wpt, EachRuleIsKept) {
  static const PrivateKey other = test::p256(7);
  const auto none = [](WptDraft&) {};
  const std::string hash = receipt::sha256_text("tok");
  const std::vector<http::Field> receipt = {{"delegation-receipt", "a.b.c"}};
  const Bent cases[] = {
      {"typ of a WIT", "type", [](WptDraft& d) { d.header["typ"] = "wit+jwt"; }},
      {"no typ", "type", [](WptDraft& d) { d.header.erase("typ"); }},
      {"alg none", "algorithm", [](WptDraft& d) { d.header["alg"] = "none"; }},
      {"another alg", "algorithm", [](WptDraft& d) { d.header["alg"] = "EdDSA"; }},
      {"another's key", "not signed", [](WptDraft& d) { d.signer = &other; }},
      {"the issuer's key", "not signed", [](WptDraft& d) { d.signer = &test::issuer(); }},
      {"no aud", "aud", [](WptDraft& d) { d.payload.erase("aud"); }},
      {"another host", "meant for",
       [](WptDraft& d) { d.payload["aud"] = "https://evil.example/mcp"; }},
      {"a longer host", "meant for",
       [](WptDraft& d) { d.payload["aud"] = "https://tools.example.org.evil.example/mcp"; }},
      {"another path", "meant for",
       [](WptDraft& d) { d.payload["aud"] = "https://tools.example.org/other"; }},
      {"no path", "meant for", [](WptDraft& d) { d.payload["aud"] = "https://tools.example.org"; }},
      {"the Host that was sent", "meant for",
       [](WptDraft& d) { d.payload["aud"] = "http://10.0.0.1:1/mcp"; }},
      {"two audiences", "aud",
       [](WptDraft& d) {
         d.payload["aud"] = {"https://tools.example.org/mcp", "https://b.example"};
       }},
      {"no exp", "exp", [](WptDraft& d) { d.payload.erase("exp"); }},
      {"expired", "expired", [](WptDraft& d) { d.payload["exp"] = kNow; }},
      {"far ahead", "too long", [](WptDraft& d) { d.payload["exp"] = kNow + 301; }},
      {"no jti", "jti", [](WptDraft& d) { d.payload.erase("jti"); }},
      {"empty jti", "jti", [](WptDraft& d) { d.payload["jti"] = ""; }},
      {"long jti", "jti", [](WptDraft& d) { d.payload["jti"] = std::string(257, 'x'); }},
      {"no wth", "wth", [](WptDraft& d) { d.payload.erase("wth"); }},
      {"another WIT", "wth", [](WptDraft& d) { d.payload["wth"] = receipt::sha256_text("x"); }},
      {"bearer without ath", "ath", none, {{"authorization", "Bearer tok"}}},
      {"dpop without ath", "ath", none, {{"authorization", "DPoP tok"}}},
      {"ath without bearer", "ath", [&](WptDraft& d) { d.payload["ath"] = hash; }},
      {"ath of another",
       "ath",
       [&](WptDraft& d) { d.payload["ath"] = hash; },
       {{"authorization", "Bearer other"}}},
      {"ath of the whole field",
       "ath",
       [](WptDraft& d) { d.payload["ath"] = receipt::sha256_text("Bearer tok"); },
       {{"authorization", "Bearer tok"}}},
      {"basic without oth", "authorization", none, {{"authorization", "Basic tok"}}},
      {"two Authorizations",
       "more than once",
       [&](WptDraft& d) { d.payload["ath"] = hash; },
       {{"authorization", "Bearer tok"}, {"authorization", "Bearer tok"}}},
      {"txn without tth", "tth", none, {{"txn-token", "tok"}}},
      {"tth without txn", "tth", [&](WptDraft& d) { d.payload["tth"] = hash; }},
      {"tth of another",
       "tth",
       [&](WptDraft& d) { d.payload["tth"] = hash; },
       {{"txn-token", "t"}}},
      {"receipt without oth", "delegation-receipt", none, receipt},
      {"receipt's proof without oth", "delegation-proof", none, {{"delegation-proof", "a.b.c"}}},
      {"oth of another receipt", "delegation-receipt",
       [&](WptDraft& d) { d.payload["oth"] = {{"delegation-receipt", hash}}; }, receipt},
      {"oth under another spelling", "delegation-receipt",
       [&](WptDraft& d) {
         d.payload["oth"] = {{"Delegation-Receipt", receipt::sha256_text("a.b.c")}};
       },
       receipt},
      {"two receipts",
       "more than once",
       [&](WptDraft& d) {
         d.payload["oth"] = {{"delegation-receipt", receipt::sha256_text("a.b.c")}};
       },
       {{"delegation-receipt", "a.b.c"}, {"delegation-receipt", "a.b.c"}}},
      {"oth of what is not there", "does not carry",
       [&](WptDraft& d) { d.payload["oth"] = {{"x-token", hash}}; }},
      {"oth of what is there twice",
       "does not carry",
       [&](WptDraft& d) { d.payload["oth"] = {{"x-token", hash}}; },
       {{"x-token", "tok"}, {"x-token", "tok"}}},
      {"oth that is a list", "oth", [&](WptDraft& d) { d.payload["oth"] = {hash}; }},
      {"oth with a number",
       "does not carry",
       [&](WptDraft& d) { d.payload["oth"] = {{"x-token", 1}}; },
       {{"x-token", "tok"}}},
  };
  for (const Bent& one : cases) expect_refused(one);
}

TEST(Wpt, AProofIsForOneWitOnly) {
  const std::string token = test::wit();
  const std::string again = test::wit(test::workload(), "spiffe://td.example/agent/y");
  const std::string proof = WptDraft(token).sign();
  const auto wit = verify_wit(again, test::keys(), kNow);
  ASSERT_TRUE(wit);
  const auto once = verify_wpt(proof, again, *wit, request(), kAudiences, kNow);
  ASSERT_FALSE(once);
  EXPECT_THAT(once.error().text, HasSubstr("wth"));
}

TEST(Wpt, WhatIsMadeCoversEveryTokenAndIsAccepted) {
  const std::string token = test::wit();
  const auto wit = verify_wit(token, test::keys(), kNow);
  http::RequestHead head = request({{"authorization", "Bearer tok"},
                                    {"txn-token", "txn"},
                                    {"delegation-receipt", "a.b.c, d.e.f"},
                                    {"delegation-proof", "g.h.i"}});
  const auto proof = issue_wpt(test::workload(), token, head.fields,
                               {"https://tools.example.org/mcp", "n1", kNow + kProofLifetime});
  ASSERT_TRUE(proof);
  const auto once = verify_wpt(*proof, token, *wit, head, kAudiences, kNow);
  ASSERT_TRUE(once) << once.error().text;
  EXPECT_EQ(once->name, "wpt n1");
  // Whatever is taken away, added or changed on the way is noticed.
  for (const std::string_view name :
       {"authorization", "txn-token", "delegation-receipt", "delegation-proof"}) {
    for (const bool change : {false, true}) {
      http::RequestHead bent = head;
      bent.fields.remove(name);
      if (change) bent.fields.add(std::string(name), "Bearer other");
      EXPECT_FALSE(verify_wpt(*proof, token, *wit, bent, kAudiences, kNow)) << name;
    }
    http::RequestHead doubled = head;
    doubled.fields.add(std::string(name), std::string(*head.fields.single(name)));
    EXPECT_FALSE(verify_wpt(*proof, token, *wit, doubled, kAudiences, kNow)) << name;
    EXPECT_FALSE(issue_wpt(test::workload(), token, doubled.fields, {"a", "n", kNow})) << name;
  }
}

TEST(Wpt, AudiencesAreTakenExactly) {
  const std::vector<std::string> ours = {"https://a.example", "spiffe://td.example/tool",
                                         "https://b.example/mcp"};
  EXPECT_TRUE(is_for_us("https://a.example/mcp", ours, "/mcp?q"));
  EXPECT_TRUE(is_for_us("spiffe://td.example/tool", ours, "/anything"));
  EXPECT_TRUE(is_for_us("https://b.example/mcp", ours, "/anything"));
  for (const std::string_view aud :
       {"", "https://a.example", "https://a.example/", "https://a.example/mcp/",
        "https://A.example/mcp", "https://a.example:443/mcp", "https://a.example/mcp?q",
        "http://a.example/mcp", "spiffe://td.example/tool/x", "https://b.example/mcp/x", "/mcp"}) {
    EXPECT_FALSE(is_for_us(aud, ours, "/mcp?q")) << aud;
  }
}

}  // namespace
}  // namespace mandated::wimse
