// Status List Tokens: what is issued is accepted, and each bent token is refused for its own
// reason.
#include "filters/status/token.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <string>

#include "tests/unit/receipt/forge.h"

namespace mandated::status {
namespace {

using receipt::Anchor;
using receipt::AnchorSet;
using receipt::Code;
using receipt::KeyType;
using receipt::PrivateKey;
using receipt::forge::Json;
using receipt::forge::kNow;
using receipt::forge::sign_text;

constexpr const char* kUri = "https://issuer.example/lists/1";

AnchorSet anchors_of(const PrivateKey& key, const std::string& kid = {}) {
  return AnchorSet({Anchor{kid, key.public_key(), std::nullopt}});
}

PrivateKey signer() { return receipt::forge::key(0); }

PublishedList honest() {
  PublishedList published{kUri, kNow - 10, {}, kNow + 600, 60, *StatusList::make(2, 100)};
  EXPECT_TRUE(published.list.set(7, kInvalid));
  EXPECT_TRUE(published.list.set(8, kSuspended));
  return published;
}

Json honest_payload() {
  return Json{{"sub", kUri},
              {"iat", kNow - 10},
              {"exp", kNow + 600},
              {"ttl", 60},
              {"status_list", {{"bits", 1}, {"lst", "eNrbuRgAAhcBXQ"}}}};
}

constexpr const char* kHeader = R"({"alg":"EdDSA","typ":"statuslist+jwt"})";

TEST(StatusToken, WhatIsIssuedIsAccepted) {
  for (const KeyType type : {KeyType::kEd25519, KeyType::kP256}) {
    const PrivateKey key = receipt::forge::key(0, type);
    const auto token = issue_status_list(honest(), key);
    ASSERT_TRUE(token) << token.error().sentence;
    const auto verified = verify_status_list(*token, kUri, anchors_of(key), kNow);
    ASSERT_TRUE(verified) << verified.error().sentence;
    EXPECT_EQ(verified->uri, kUri);
    EXPECT_EQ(verified->signer, key.public_key());
    EXPECT_EQ(verified->issued_at, kNow - 10);
    EXPECT_EQ(verified->not_before, std::nullopt);
    EXPECT_EQ(verified->expires, kNow + 600);
    EXPECT_EQ(verified->ttl, 60);
    EXPECT_EQ(verified->list, honest().list);
    EXPECT_TRUE(check_entry(verified->list, 6));
    EXPECT_EQ(check_entry(verified->list, 7).error().code, Code::kRevoked);
    EXPECT_EQ(check_entry(verified->list, 8).error().code, Code::kRevoked);
  }
}

TEST(StatusToken, MembersThatMayBeThereOrNot) {
  Json payload = honest_payload();
  payload.erase("exp");
  payload.erase("ttl");
  const auto bare = verify_status_list(sign_text(kHeader, payload.dump(), signer()), kUri,
                                       anchors_of(signer()), kNow + 1e9);
  ASSERT_TRUE(bare) << bare.error().sentence;
  EXPECT_EQ(bare->expires, std::nullopt);
  EXPECT_EQ(bare->ttl, std::nullopt);

  payload["status_list"]["aggregation_uri"] = "https://issuer.example/lists";
  payload["iss"] = "https://issuer.example";
  payload["nbf"] = kNow;
  EXPECT_TRUE(verify_status_list(sign_text(kHeader, payload.dump(), signer()), kUri,
                                 anchors_of(signer()), kNow));
}

TEST(StatusToken, HostileHeaders) {
  struct Row {
    const char* header;
    Code code;
  };
  const Row rows[] = {
      {R"({"alg":"EdDSA"})", Code::kMalformed},
      {R"({"alg":"EdDSA","typ":"JWT"})", Code::kMalformed},
      {R"({"alg":"EdDSA","typ":"statuslist+cwt"})", Code::kMalformed},
      {R"({"alg":"EdDSA","typ":"StatusList+JWT"})", Code::kMalformed},
      {R"({"alg":"EdDSA","typ":"application/statuslist+jwt"})", Code::kMalformed},
      {R"({"alg":"EdDSA","typ":"delegation-receipt+jwt"})", Code::kMalformed},
      {R"({"alg":"EdDSA","typ":["statuslist+jwt"]})", Code::kMalformed},
      {R"({"alg":"EdDSA","typ":"statuslist+jwt","typ":"statuslist+jwt"})", Code::kMalformed},
      {R"({"alg":"EdDSA","typ":"statuslist+jwt","crit":["exp"]})", Code::kMalformed},
      {R"({"alg":"EdDSA","typ":"statuslist+jwt","x5c":[]})", Code::kMalformed},
      {R"({"alg":"EdDSA","typ":"statuslist+jwt","kid":1})", Code::kMalformed},
      {R"({"alg":"none","typ":"statuslist+jwt"})", Code::kBadAlg},
      {R"({"alg":"HS256","typ":"statuslist+jwt"})", Code::kBadAlg},
      {R"({"typ":"statuslist+jwt"})", Code::kBadAlg},
      {R"({"alg":"ES256","typ":"statuslist+jwt"})", Code::kBadSignature},
  };
  for (const Row& row : rows) {
    const auto verified = verify_status_list(
        sign_text(row.header, honest_payload().dump(), signer()), kUri, anchors_of(signer()), kNow);
    ASSERT_FALSE(verified) << row.header;
    EXPECT_EQ(verified.error().code, row.code) << row.header << verified.error().sentence;
  }
}

TEST(StatusToken, HostilePayloads) {
  struct Row {
    const char* pointer;
    const char* value;  // null: taken out
    Code code;
    const char* sentence;
  };
  const Row rows[] = {
      {"/sub", nullptr, Code::kMalformed, "\"sub\""},
      {"/sub", R"("")", Code::kMalformed, "\"sub\""},
      {"/sub", R"("https://issuer.example/lists/2")", Code::kStatusUnknown, "lists/2"},
      {"/sub", R"("https://issuer.example/lists/1/")", Code::kStatusUnknown, "lists/1/"},
      {"/sub", R"("HTTPS://issuer.example/lists/1")", Code::kStatusUnknown, "HTTPS"},
      {"/iat", nullptr, Code::kMalformed, "\"iat\""},
      {"/iat", "-1", Code::kMalformed, "\"iat\""},
      {"/iat", R"("1780000000")", Code::kMalformed, "\"iat\""},
      {"/iat", "1780000031", Code::kNotYetValid, "before 2026-05-28T20:26:41Z"},
      {"/nbf", "1780000001", Code::kNotYetValid, "before 2026-05-28T20:26:41Z"},
      {"/nbf", "null", Code::kMalformed, "\"nbf\""},
      {"/exp", "1780000000", Code::kExpired, "expired at 2026-05-28T20:26:40Z"},
      {"/exp", "0", Code::kExpired, "expired"},
      {"/exp", "null", Code::kMalformed, "\"exp\""},
      {"/exp", "-1", Code::kMalformed, "\"exp\""},
      {"/ttl", "0", Code::kMalformed, "\"ttl\""},
      {"/ttl", "-60", Code::kMalformed, "\"ttl\""},
      {"/ttl", R"("60")", Code::kMalformed, "\"ttl\""},
      {"/status_list", nullptr, Code::kMalformed, "\"status_list\""},
      {"/status_list", R"(["eNrbuRgAAhcBXQ"])", Code::kMalformed, "\"status_list\""},
      {"/status_list/bits", nullptr, Code::kMalformed, "\"bits\""},
      {"/status_list/bits", "3", Code::kMalformed, "3 bits"},
      {"/status_list/bits", "1.5", Code::kMalformed, "\"bits\""},
      {"/status_list/bits", R"("1")", Code::kMalformed, "\"bits\""},
      {"/status_list/lst", nullptr, Code::kMalformed, "\"lst\""},
      {"/status_list/lst", "7", Code::kMalformed, "\"lst\""},
      {"/status_list/lst", R"("eNrbuRgAAhcBXQ==")", Code::kMalformed, "base64url"},
      {"/status_list/lst", R"("eNrbuRgAAhcBXR")", Code::kMalformed, "base64url"},
      {"/status_list/lst", R"("eNrbu RgAAhcBXQ")", Code::kMalformed, "base64url"},
      {"/status_list/lst", R"("")", Code::kMalformed, "zlib"},
      {"/status_list/lst", R"("AAAA")", Code::kMalformed, "zlib"},
      {"/status_list/lst", R"("eNrbuRgAAhcBXQA")", Code::kMalformed, "behind"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(std::string(row.pointer) + " " + (row.value == nullptr ? "absent" : row.value));
    Json payload = honest_payload();
    const Json::json_pointer pointer(row.pointer);
    if (row.value == nullptr) {
      payload[pointer.parent_pointer()].erase(pointer.back());
    } else {
      payload[pointer] = Json::parse(row.value);
    }
    const auto verified = verify_status_list(sign_text(kHeader, payload.dump(), signer()), kUri,
                                             anchors_of(signer()), kNow);
    ASSERT_FALSE(verified);
    EXPECT_EQ(verified.error().code, row.code) << verified.error().sentence;
    EXPECT_THAT(verified.error().sentence, testing::HasSubstr(row.sentence));
  }
}

TEST(StatusToken, HostileTexts) {
  const std::string good = sign_text(kHeader, honest_payload().dump(), signer());
  ASSERT_TRUE(verify_status_list(good, kUri, anchors_of(signer()), kNow));
  const std::string unsigned_token = good.substr(0, good.rfind('.') + 1);
  const std::string twice =
      R"({"sub":"https://issuer.example/lists/1","iat":1,"iat":1,"status_list":{}})";
  struct Row {
    const char* what;
    std::string token;
    Code code;
  };
  const Row rows[] = {
      {"nothing", "", Code::kMalformed},
      {"two segments", good.substr(0, good.rfind('.')), Code::kMalformed},
      {"four segments", good + ".", Code::kMalformed},
      {"white space behind", good + "\n", Code::kMalformed},
      {"no signature", unsigned_token, Code::kBadSignature},
      {"a short signature", good.substr(0, good.size() - 2), Code::kBadSignature},
      {"a payload that is no JSON", sign_text(kHeader, "{", signer()), Code::kMalformed},
      {"a payload that is no object", sign_text(kHeader, "[]", signer()), Code::kMalformed},
      {"a claim twice", sign_text(kHeader, twice, signer()), Code::kMalformed},
  };
  for (const Row& row : rows) {
    const auto verified = verify_status_list(row.token, kUri, anchors_of(signer()), kNow);
    ASSERT_FALSE(verified) << row.what;
    EXPECT_EQ(verified.error().code, row.code) << row.what << ": " << verified.error().sentence;
  }
}

TEST(StatusToken, Bounds) {
  const auto token = *issue_status_list(honest(), signer());
  TokenLimits limits;
  limits.token_bytes_max = token.size();
  limits.list_bytes_max = 25;
  EXPECT_TRUE(verify_status_list(token, kUri, anchors_of(signer()), kNow, limits));
  limits.list_bytes_max = 24;
  EXPECT_EQ(verify_status_list(token, kUri, anchors_of(signer()), kNow, limits).error().code,
            Code::kTooLarge);
  EXPECT_EQ(issue_status_list(honest(), signer(), limits).error().code, Code::kTooLarge);
  limits.list_bytes_max = 25;
  limits.token_bytes_max = token.size() - 1;
  EXPECT_EQ(verify_status_list(token, kUri, anchors_of(signer()), kNow, limits).error().code,
            Code::kTooLarge);
}

TEST(StatusToken, OnlyTrustedKeysSign) {
  const auto token = *issue_status_list(honest(), signer());
  const auto code_with = [&](const AnchorSet& anchors) {
    const auto verified = verify_status_list(token, kUri, anchors, kNow);
    return verified ? std::nullopt : std::optional(verified.error().code);
  };
  EXPECT_EQ(code_with(AnchorSet()), Code::kBadSignature);
  EXPECT_EQ(code_with(anchors_of(receipt::forge::key(1))), Code::kBadSignature);
  EXPECT_EQ(code_with(anchors_of(receipt::forge::key(0, KeyType::kP256))), Code::kBadSignature);

  // A passkey's key, even one that signed like any other key.
  const receipt::Passkey passkey{"issuer.example", {"https://issuer.example"}};
  EXPECT_EQ(code_with(AnchorSet({{"", signer().public_key(), "mailto:jane@example.com", passkey}})),
            Code::kBadSignature);

  std::vector<Anchor> many;
  for (int number = 1; number < 64; ++number)
    many.push_back({"", receipt::forge::key(number).public_key(), std::nullopt});
  many.push_back({"mine", signer().public_key(), std::nullopt});
  EXPECT_EQ(code_with(AnchorSet(many)), std::nullopt);
  // The 65th key is tried only when the token names it.
  many.insert(many.begin(), {"", receipt::forge::key(64).public_key(), std::nullopt});
  EXPECT_EQ(code_with(AnchorSet(many)), Code::kBadSignature);
  const std::string named = sign_text(R"({"alg":"EdDSA","kid":"mine","typ":"statuslist+jwt"})",
                                      honest_payload().dump(), signer());
  EXPECT_TRUE(verify_status_list(named, kUri, AnchorSet(many), kNow));
}

TEST(StatusToken, OpenAndInspectSkipWhatTheySay) {
  auto published = honest();
  published.expires = published.issued_at + 1;
  const auto token = *issue_status_list(published, signer());
  EXPECT_EQ(verify_status_list(token, kUri, anchors_of(signer()), kNow).error().code,
            Code::kExpired);
  EXPECT_EQ(open_status_list(token, anchors_of(signer()))->list, published.list);
  EXPECT_EQ(open_status_list(token, anchors_of(receipt::forge::key(1))).error().code,
            Code::kBadSignature);
  EXPECT_EQ(inspect_status_list(token)->list, published.list);
  EXPECT_EQ(inspect_status_list("a.b.c").error().code, Code::kMalformed);
}

TEST(StatusToken, WhatWouldBeRefusedIsNotSigned) {
  const auto refused = [](const std::function<void(PublishedList&)>& bend) {
    auto published = honest();
    bend(published);
    const auto token = issue_status_list(published, signer());
    return token ? std::nullopt : std::optional(token.error().code);
  };
  EXPECT_EQ(refused([](auto&) {}), std::nullopt);
  EXPECT_EQ(refused([](auto& list) { list.uri = "http://issuer.example/lists/1"; }),
            Code::kMalformed);
  EXPECT_EQ(refused([](auto& list) { list.uri = "https://issuer.example/a b"; }), Code::kMalformed);
  EXPECT_EQ(refused([](auto& list) { list.uri.clear(); }), Code::kMalformed);
  EXPECT_EQ(refused([](auto& list) { list.expires = list.issued_at; }), Code::kExpired);
  EXPECT_EQ(refused([](auto& list) { list.not_before = list.issued_at + 1; }), Code::kNotYetValid);
  EXPECT_EQ(refused([](auto& list) { list.ttl = 0; }), Code::kMalformed);
  EXPECT_EQ(refused([](auto& list) { list.issued_at = -1; }), Code::kMalformed);
  EXPECT_EQ(refused([](auto& list) { list.ttl = std::numeric_limits<double>::infinity(); }),
            Code::kMalformed);
}

}  // namespace
}  // namespace mandated::status
