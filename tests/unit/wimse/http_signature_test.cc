#include "proxy/wimse/http_signature.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proxy/wimse/content_digest.h"
#include "proxy/wimse/structured_field.h"
#include "tests/unit/wimse/draft_vectors.h"
#include "tests/unit/wimse/fixture.h"

namespace mandated::wimse {
namespace {

using test::kNow;
using test::PrivateKey;
using testing::HasSubstr;

const std::vector<std::string> kAudiences = {std::string(test::kOrigin)};

Wit wit_of(std::string_view jwk) {
  return {"wimse://example.com/svc",
          *receipt::PublicKey::from_jwk(receipt::forge::parse(jwk).root()), 1785156097};
}

http::RequestHead drafts_request() {
  http::RequestHead head{"GET", "https", "svcb.example.com", "/gimme-ice-cream?flavor=vanilla", {}};
  head.fields.add("signature", std::string(vectors::kRequestSignature));
  head.fields.add("signature-input", std::string(vectors::kRequestInput));
  head.fields.add("workload-identity-token", std::string(vectors::kRequestWit));
  return head;
}

// The draft's request is good in every way but one: it wishes for a signed answer. Its signature is
// checked before that is seen.
TEST(HttpSignature, TheDraftsRequestIsSignedByItsKey) {
  const std::vector<std::string> audiences = {"https://svcb.example.com"};
  const auto good =
      verify_request(drafts_request(), wit_of(vectors::kCallerJwk), audiences, 1785155800);
  ASSERT_FALSE(good);
  EXPECT_EQ(good.error().code, mandated::Code::kUnsupported);
  const auto other =
      verify_request(drafts_request(), wit_of(vectors::kCalleeJwk), audiences, 1785155800);
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, mandated::Code::kPeerIdentity);
  EXPECT_THAT(other.error().text, HasSubstr("not that of the WIT's key"));
}

TEST(HttpSignature, TheDraftsResponseIsGood) {
  http::ResponseHead head;
  head.status = 404;
  head.fields.add("content-digest", std::string(vectors::kResponseDigest));
  head.fields.add("content-type", "text/plain");
  head.fields.add("signature", std::string(vectors::kResponseSignature));
  head.fields.add("signature-input", std::string(vectors::kResponseInput));
  head.fields.add("workload-identity-token", std::string(vectors::kResponseWit));
  const Wit wit = wit_of(vectors::kCalleeJwk);
  const auto good = verify_response(drafts_request(), head, wit, "abcd1111", 1785155800);
  EXPECT_TRUE(good) << good.error().text;
  EXPECT_TRUE(check_content_digest(head.fields, vectors::kResponseBody));
  EXPECT_FALSE(check_content_digest(head.fields, "Ice cream today."));
  EXPECT_FALSE(verify_response(drafts_request(), head, wit, "abcd2222", 1785155800));
  http::RequestHead other = drafts_request();
  other.target = "/gimme-ice-cream?flavor=chocolate";
  EXPECT_FALSE(verify_response(other, head, wit, "abcd1111", 1785155800));
  head.status = 200;
  EXPECT_FALSE(verify_response(drafts_request(), head, wit, "abcd1111", 1785155800));
}

http::RequestHead request(std::string_view body = "{}") {
  http::RequestHead head{"POST", "http", "10.0.0.1:1", "/mcp", {}};
  head.fields.add("content-type", "application/json");
  head.fields.add("authorization", "Bearer tok");
  head.fields.add("txn-token", "txn");
  head.fields.add("delegation-receipt", "a.b.c");
  head.fields.add("delegation-proof", "d.e.f");
  head.fields.add("mcp-session-id", "s1");
  head.fields.add("workload-identity-token", test::wit());
  if (!body.empty()) head.fields.add("content-digest", content_digest(body));
  return head;
}

SignatureClaims claims() {
  return {"https://tools.example.org/mcp", "n1", static_cast<std::int64_t>(kNow),
          static_cast<std::int64_t>(kNow) + 60};
}

const Wit& wit() {
  static const Wit checked = *verify_wit(test::wit(), test::keys(), kNow);
  return checked;
}

TEST(HttpSignature, WhatIsSignedIsAcceptedAndNothingElse) {
  http::RequestHead head = request();
  ASSERT_TRUE(sign_request(head, test::workload(), claims()));
  const auto once = verify_request(head, wit(), kAudiences, kNow);
  ASSERT_TRUE(once) << once.error().text;
  EXPECT_EQ(once->name, "signature n1");
  EXPECT_EQ(once->expires, kNow + 60);

  std::vector<http::RequestHead> bent(3, head);
  bent[0].method = "GET";
  bent[1].target = "/mcp?x";
  bent[2].fields.add("signature", "wimse=:AA==:");
  const http::RequestHead unsigned_head = request();
  for (const http::Field& field : unsigned_head.fields.all()) {
    http::RequestHead without = head;
    without.fields.remove(field.name);
    bent.push_back(without);
    without.fields.add(field.name, field.value + "x");
    bent.push_back(without);
    http::RequestHead twice = head;
    twice.fields.add(field.name, field.value);
    bent.push_back(twice);
  }
  for (const http::RequestHead& one : bent) {
    EXPECT_FALSE(verify_request(one, wit(), kAudiences, kNow)) << &one - bent.data();
  }
  // Nor may what was not there be added, where somebody acts on it.
  for (const char* name : {"mcp-session-id", "mcp-param-x", "last-event-id", "delegation-evidence",
                           "authorization", "txn-token"}) {
    http::RequestHead added = head;
    added.fields.add(name, "x");
    EXPECT_FALSE(verify_request(added, wit(), kAudiences, kNow)) << name;
  }
  // What no one relies on may come and go.
  head.fields.add("x-request-id", "7");
  head.authority = "elsewhere";
  EXPECT_TRUE(verify_request(head, wit(), kAudiences, kNow));
}

/// Signs what a test writes in place of an honest Signature-Input.
http::RequestHead signed_as(const std::string& input, const std::string& base_lines,
                            const PrivateKey& key = test::workload()) {
  http::RequestHead head{"GET", "http", "10.0.0.1:1", "/mcp", {}};
  head.fields.add("signature-input", "wimse=" + input);
  const std::string base = base_lines + "\"@signature-params\": " + input;
  head.fields.add("signature", "wimse=" + to_text(SfBytes{key.sign(base)}));
  return head;
}

constexpr std::string_view kComponents = R"(("@method" "@request-target"))";
constexpr std::string_view kLines = "\"@method\": GET\n\"@request-target\": /mcp\n";
constexpr std::string_view kGood =
    R"(;created=1780000000;expires=1780000060;nonce="n";tag="wimse-workload-to-workload")"
    R"(;wimse-aud="https://tools.example.org/mcp")";

std::string good_but(std::string_view what, std::string_view by) {
  std::string text(kGood);
  text.replace(text.find(what), what.size(), by);
  return text;
}

TEST(HttpSignature, EachRuleOfTheParametersIsKept) {
  const auto check = [](const std::string& parameters) {
    return verify_request(signed_as(std::string(kComponents) + parameters, std::string(kLines)),
                          wit(), kAudiences, kNow);
  };
  const auto good = check(std::string(kGood));
  ASSERT_TRUE(good) << good.error().text;
  EXPECT_TRUE(check(std::string(kGood) + ";wimse-sign-response=?0"));
  EXPECT_TRUE(check(std::string(kGood) + ";more=1"));
  const std::pair<std::string, const char*> cases[] = {
      {good_but(";created=1780000000", ""), "created"},
      {good_but("created=1780000000", "created=\"1780000000\""), "created"},
      {good_but("created=1780000000", "created=1780000031"), "future"},
      {good_but("created=1780000000", "created=1779999700"), "lives too long"},
      {good_but(";expires=1780000060", ""), "expires"},
      {good_but("expires=1780000060", "expires=1780000000"), "expired"},
      {good_but("expires=1780000060", "expires=1780000301"), "lives too long"},
      {good_but(";nonce=\"n\"", ""), "nonce"},
      {good_but("nonce=\"n\"", "nonce=\"\""), "nonce"},
      {good_but("nonce=\"n\"", "nonce=\"" + std::string(257, 'n') + "\""), "nonce"},
      {good_but(";tag=\"wimse-workload-to-workload\"", ""), "tag"},
      {good_but("wimse-workload-to-workload", "other"), "tag"},
      {good_but("wimse-aud=", "aud="), "wimse-aud"},
      {good_but("tools.example.org", "other.example"), "meant for"},
      {std::string(kGood) + ";keyid=\"k\"", "keyid"},
      {std::string(kGood) + ";alg=\"ecdsa-p256-sha256\"", "alg"},
      {std::string(kGood) + ";wimse-sign-response", "not signed here"},
      {std::string(kGood) + ";nonce=\"m\"", "twice"},
  };
  for (const auto& [parameters, why] : cases) {
    const auto once = check(parameters);
    ASSERT_FALSE(once) << parameters;
    EXPECT_THAT(once.error().text, HasSubstr(why)) << parameters;
  }
}

TEST(HttpSignature, EachRuleOfTheComponentsIsKept) {
  struct Case {
    const char* components;
    const char* lines;
    const char* why;
  };
  const Case cases[] = {
      {R"(("@method"))", "\"@method\": GET\n", "@request-target"},
      {R"(("@request-target"))", "\"@request-target\": /mcp\n", "@method"},
      {R"(())", "", "@method"},
      {R"(("@method" "@request-target" "@method"))",
       "\"@method\": GET\n\"@request-target\": /mcp\n\"@method\": GET\n", "twice"},
      {R"(("@method" "@request-target" "X-A"))",
       "\"@method\": GET\n\"@request-target\": /mcp\n\"X-A\": 1\n", "capital"},
      {R"(("@method" "@request-target" "x-a"))",
       "\"@method\": GET\n\"@request-target\": /mcp\n\"x-a\": \n", "did not come"},
      {R"(("@method" "@request-target" "@scheme"))",
       "\"@method\": GET\n\"@request-target\": /mcp\n\"@scheme\": https\n", "not known here"},
      {R"(("@method" "@request-target" "@target-uri"))",
       "\"@method\": GET\n\"@request-target\": /mcp\n\"@target-uri\": http://10.0.0.1:1/mcp\n",
       "not known here"},
      {R"(("@method" "@request-target" "@signature-params"))",
       "\"@method\": GET\n\"@request-target\": /mcp\n\"@signature-params\": x\n", "not known here"},
      {R"(("@method" "@request-target" "@status"))",
       "\"@method\": GET\n\"@request-target\": /mcp\n\"@status\": 200\n", "not known here"},
      {R"(("@method";req "@request-target"))", "\"@method\";req: GET\n\"@request-target\": /mcp\n",
       "@method"},
      {R"((method "@request-target"))", "method: GET\n\"@request-target\": /mcp\n", "name"},
  };
  for (const Case& one : cases) {
    const auto once = verify_request(signed_as(one.components + std::string(kGood), one.lines),
                                     wit(), kAudiences, kNow);
    ASSERT_FALSE(once) << one.components;
    EXPECT_THAT(once.error().text, HasSubstr(one.why)) << one.components;
  }
  const auto more = verify_request(
      signed_as(
          R"(("@method" "@request-target" "@authority" "@path" "@query"))" + std::string(kGood),
          std::string(kLines) + "\"@authority\": 10.0.0.1:1\n\"@path\": /mcp\n\"@query\": ?\n"),
      wit(), kAudiences, kNow);
  EXPECT_TRUE(more) << more.error().text;
}

TEST(HttpSignature, OneSignatureOfOursAmongOthers) {
  const std::string input = std::string(kComponents) + std::string(kGood);
  http::RequestHead head = signed_as(input, std::string(kLines));
  EXPECT_TRUE(has_signature(head.fields));
  head.fields.add("signature-input", R"(other=("x-a");tag="somebody-elses")");
  head.fields.add("signature", "other=:AA==:");
  EXPECT_TRUE(verify_request(head, wit(), kAudiences, kNow));
  head.fields.add("signature-input", "second=" + input);
  EXPECT_FALSE(verify_request(head, wit(), kAudiences, kNow));
  http::Fields fields;
  EXPECT_FALSE(has_signature(fields));
  fields.add("signature-input", R"(other=("x-a");tag="somebody-elses")");
  EXPECT_FALSE(has_signature(fields));
  fields.set("signature-input", "unreadable");
  EXPECT_FALSE(has_signature(fields));
  fields.set("signature-input", "un(readable");
  EXPECT_TRUE(has_signature(fields));
}

TEST(ContentDigest, IsThatOfTheBodyOrNotTaken) {
  http::Fields fields;
  EXPECT_TRUE(check_content_digest(fields, ""));
  EXPECT_FALSE(check_content_digest(fields, "x"));
  fields.set("content-digest", content_digest("x"));
  EXPECT_TRUE(check_content_digest(fields, "x"));
  EXPECT_FALSE(check_content_digest(fields, ""));
  EXPECT_FALSE(check_content_digest(fields, "xx"));
  fields.add("content-digest", "sha-512=:AA==:");
  EXPECT_TRUE(check_content_digest(fields, "x"));
  for (const std::string_view text :
       {"sha-512=:AA==:", "sha-256=(:AA==:)", "sha-256=\"x\"", "sha-256", "", "md5=:AA==:"}) {
    fields.set("content-digest", std::string(text));
    EXPECT_FALSE(check_content_digest(fields, "x")) << text;
  }
}

}  // namespace
}  // namespace mandated::wimse
