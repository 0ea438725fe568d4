// Keys, base64url and the codes' names, with vectors from the RFCs.
#include <gtest/gtest.h>
#include <openssl/bytestring.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/nid.h>

#include <set>

#include "filters/receipt/jose.h"
#include "tests/unit/receipt/forge.h"

namespace mandated::receipt {
namespace {

// RFC 8037 Appendix A.
constexpr std::string_view kEdKey =
    R"({"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
        "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})";
constexpr std::string_view kEdPublic =
    R"({"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})";

TEST(Key, Rfc8037SignatureAndThumbprint) {
  const auto key = PrivateKey::from_jwk(forge::parse(kEdKey).root());
  ASSERT_TRUE(key) << key.error().sentence;
  const std::string input = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
  EXPECT_EQ(
      encode_base64url(key->sign(input)),
      "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg");
  EXPECT_EQ(key->public_key().thumbprint(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
  const auto public_key = PublicKey::from_jwk(forge::parse(kEdPublic).root());
  ASSERT_TRUE(public_key);
  EXPECT_EQ(*public_key, key->public_key());
  EXPECT_TRUE(public_key->verify(input, key->sign(input)));
  EXPECT_FALSE(public_key->verify(input + "x", key->sign(input)));
}

// RFC 7515 Appendix A.3.
TEST(Key, Rfc7515Es256Signature) {
  const auto key = PrivateKey::from_jwk(
      forge::parse(
          R"({"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
          "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"})")
          .root());
  ASSERT_TRUE(key) << key.error().sentence;
  const std::string input =
      "eyJhbGciOiJFUzI1NiJ9."
      "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVl"
      "fQ";
  const auto signature = decode_base64url(
      "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q");
  EXPECT_TRUE(key->public_key().verify(input, *signature));
  EXPECT_TRUE(key->public_key().verify(input, key->sign(input)));
  EXPECT_FALSE(key->public_key().verify(input, std::string(64, '\0')));
  EXPECT_FALSE(key->public_key().verify(input, signature->substr(0, 63)));
  EXPECT_FALSE(key->public_key().verify(input + ".", *signature));
  EXPECT_EQ(key->public_key().algorithm(), "ES256");
}

TEST(Key, GeneratedKeysSurviveTheirJwk) {
  for (const KeyType type : {KeyType::kEd25519, KeyType::kP256}) {
    const PrivateKey key = PrivateKey::generate(type);
    const auto read = PrivateKey::from_jwk(forge::parse(key.jwk()).root());
    ASSERT_TRUE(read) << read.error().sentence;
    EXPECT_EQ(read->public_key(), key.public_key());
    EXPECT_TRUE(key.public_key().verify("m", read->sign("m")));
    const auto public_key = PublicKey::from_jwk(forge::parse(key.public_key().jwk()).root());
    ASSERT_TRUE(public_key);
    EXPECT_EQ(public_key->type(), type);
    EXPECT_FALSE(PublicKey::from_jwk(forge::parse(key.jwk()).root()))
        << "a private key is not a public one";
    EXPECT_FALSE(PrivateKey::from_jwk(forge::parse(key.public_key().jwk()).root()));
  }
}

// RFC 8410 section 10.1 and RFC 5480; the P-256 point is that of RFC 7515 appendix A.3.
TEST(Key, SubjectPublicKeyInfo) {
  const std::pair<std::string_view, const char*> good[] = {
      {"MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE",
       R"({"kty":"OKP","crv":"Ed25519","x":"Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE"})"},
      {"MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEf83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEXH8UTNG72b"
       "focs3-257rn0s2ldbqkLJK2KRiMohYjlrQ",
       R"({"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"})"}};
  for (const auto& [text, jwk] : good) {
    const std::string der = *decode_base64url(text);
    const auto key = PublicKey::from_spki(der);
    ASSERT_TRUE(key) << key.error().sentence;
    EXPECT_EQ(*key, *PublicKey::from_jwk(forge::parse(jwk).root()));
    EXPECT_FALSE(PublicKey::from_spki(der + '\0'));
    EXPECT_FALSE(PublicKey::from_spki(der.substr(0, der.size() - 1)));
    // All but the key itself is constant; of a point off the curve there is no key.
    const std::size_t fixed = der.size() - (der.size() < 64 ? 32 : 64);
    for (std::size_t at = 0; at < fixed; ++at) {
      std::string bent = der;
      bent[at] = static_cast<char>(bent[at] ^ 1);
      EXPECT_FALSE(PublicKey::from_spki(bent)) << at;
    }
  }
  std::string off_curve = *decode_base64url(good[1].first);
  off_curve.back() = static_cast<char>(off_curve.back() ^ 1);
  EXPECT_FALSE(PublicKey::from_spki(off_curve));
  EXPECT_FALSE(PublicKey::from_spki(""));
}

TEST(Key, HandlesOfBoringSslAreCopied) {
  for (const int kind : {EVP_PKEY_ED25519, EVP_PKEY_EC}) {
    EVP_PKEY* made = nullptr;
    const bssl::UniquePtr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_id(kind, nullptr));
    ASSERT_EQ(EVP_PKEY_keygen_init(context.get()), 1);
    if (kind == EVP_PKEY_EC) {
      ASSERT_EQ(EVP_PKEY_CTX_set_ec_paramgen_curve_nid(context.get(), NID_X9_62_prime256v1), 1);
    }
    ASSERT_EQ(EVP_PKEY_keygen(context.get(), &made), 1);
    const bssl::UniquePtr<EVP_PKEY> handle(made);
    const auto own = PrivateKey::from_handle(handle.get());
    const auto shown_key = PublicKey::from_handle(handle.get());
    ASSERT_TRUE(own);
    ASSERT_TRUE(shown_key);
    EXPECT_EQ(own->public_key(), *shown_key);
    EXPECT_TRUE(shown_key->verify("message", own->sign("message")));
    const auto again = PublicKey::from_spki(shown_key->spki());
    ASSERT_TRUE(again);
    EXPECT_EQ(*again, *shown_key);

    bssl::ScopedCBB der;
    ASSERT_TRUE(CBB_init(der.get(), 128) && EVP_marshal_public_key(der.get(), handle.get()) &&
                CBB_flush(der.get()));
    CBS bytes;
    CBS_init(&bytes, CBB_data(der.get()), CBB_len(der.get()));
    const bssl::UniquePtr<EVP_PKEY> without(EVP_parse_public_key(&bytes));
    EXPECT_TRUE(PublicKey::from_handle(without.get()));
    EXPECT_FALSE(PrivateKey::from_handle(without.get()));
  }
  EXPECT_FALSE(PrivateKey::from_handle(nullptr));
  EXPECT_FALSE(PublicKey::from_handle(nullptr));
}

TEST(Key, BadJwksAreRefused) {
  const std::string_view cases[] = {
      "[]",
      "{}",
      R"({"kty":"OKP","crv":"Ed448","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})",
      R"({"kty":"OKP","crv":"X25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})",
      R"({"kty":"EC","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})",
      R"({"kty":"OKP","crv":"Ed25519"})",
      R"({"kty":"OKP","crv":"Ed25519","x":7})",
      R"({"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURp"})",
      R"({"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo="})",
      R"({"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo"})",
      R"({"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"})",
      R"({"kty":"EC","crv":"P-384","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"})",
      R"({"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"})",
      R"({"kty":"RSA","n":"AQAB","e":"AQAB"})",
  };
  for (const auto text : cases) {
    const auto key = PublicKey::from_jwk(forge::parse(text).root());
    ASSERT_FALSE(key) << text;
    EXPECT_EQ(key.error().code, Code::kMalformed);
  }
  // A private key whose halves belong to different keys.
  const auto mixed = PrivateKey::from_jwk(
      forge::parse(
          R"({"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"})")
          .root());
  EXPECT_FALSE(mixed);
}

TEST(Key, BadPrivateJwksAreRefused) {
  constexpr std::string_view kX = R"("x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU")";
  constexpr std::string_view kY = R"("y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0")";
  constexpr std::string_view kD = R"("d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI")";
  const auto p256 = [](std::initializer_list<std::string_view> members) {
    std::string text = R"({"kty":"EC","crv":"P-256")";
    for (const std::string_view member : members) text += "," + std::string(member);
    return text + "}";
  };
  const auto scalar = [](char byte) {
    return "\"d\":\"" + encode_base64url(std::string(32, byte)) + "\"";
  };
  ASSERT_TRUE(PrivateKey::from_jwk(forge::parse(p256({kX, kY, kD})).root()));
  const std::string cases[] = {
      "7",
      R"({"kty":"RSA","d":"AQAB"})",
      p256({kX, kY}),
      p256({kX, kD}),
      p256({kY, kD}),
      p256({kX, kY, scalar('\0')}),
      p256({kX, kY, scalar('\xFF')}),
      p256({kX, kY, scalar('\x01')}),
      p256({kX, R"("y":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU")", kD}),
      p256({R"("x":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0")", kY, kD}),
      R"({"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"})",
  };
  for (const std::string& text : cases) {
    const auto key = PrivateKey::from_jwk(forge::parse(text).root());
    ASSERT_FALSE(key) << text;
    EXPECT_EQ(key.error().code, Code::kMalformed) << text;
  }
}

// The types that must be said and those that may be left out (profile section 1).
TEST(Header, SaysWhatKindOfTokenItIs) {
  const PrivateKey signer = forge::key(0);
  const TokenKind kinds[] = {TokenKind::kReceipt,          TokenKind::kProof,
                             TokenKind::kApproval,         TokenKind::kStatusList,
                             TokenKind::kWorkloadIdentity, TokenKind::kWorkloadProof};
  for (const TokenKind made : kinds) {
    const std::string token = sign_compact("{}", made, "k", signer);
    const auto segments = split(token);
    ASSERT_TRUE(segments);
    for (const TokenKind wanted : kinds) {
      const auto header = read_header(segments->header, wanted);
      EXPECT_EQ(header.has_value(), made == wanted)
          << type_name(made) << " as " << type_name(wanted);
      if (header) {
        EXPECT_EQ(header->kid, "k");
      }
    }
  }
  for (const char* loose : {R"({"alg":"EdDSA"})", R"({"alg":"EdDSA","typ":"JWT"})"}) {
    const std::string segment = encode_base64url(std::string_view(loose));
    EXPECT_TRUE(read_header(segment, TokenKind::kReceipt));
    EXPECT_TRUE(read_header(segment, TokenKind::kProof));
    EXPECT_FALSE(read_header(segment, TokenKind::kApproval));
    EXPECT_FALSE(read_header(segment, TokenKind::kStatusList));
    EXPECT_FALSE(read_header(segment, TokenKind::kWorkloadIdentity));
    EXPECT_FALSE(read_header(segment, TokenKind::kWorkloadProof));
  }
  EXPECT_EQ(type_name(TokenKind::kStatusList), "statuslist+jwt");
}

TEST(Base64Url, IsStrict) {
  const std::pair<const char*, const char*> good[] = {{"", ""},           {"Zg", "f"},
                                                      {"Zm8", "fo"},      {"Zm9v", "foo"},
                                                      {"Zm9vYg", "foob"}, {"-_-_", "\xFB\xFF\xBF"}};
  for (const auto& [text, bytes] : good) {
    EXPECT_EQ(decode_base64url(text), bytes);
    EXPECT_EQ(encode_base64url(std::string_view(bytes)), text);
  }
  for (const char* bad : {"Z", "Zg=", "Zg==", "Zh", "Zm9", "Zm8=", "Zm9vZ", "Zm 9v", "Zm9v\n",
                          "+/+/", "Zm9\x80", "Zm9v.Zg"}) {
    EXPECT_EQ(decode_base64url(bad), std::nullopt) << bad;
  }
}

TEST(Refusal, CodesHaveTheNamesOfTheProfile) {
  std::set<std::string_view> names;
  for (int code = 0; code <= static_cast<int>(Code::kInternal); ++code)
    names.insert(to_string(static_cast<Code>(code)));
  const std::set<std::string_view> expected{
      "no_receipt",       "malformed",           "too_large",
      "bad_alg",          "bad_signature",       "untrusted_root",
      "above_ceiling",    "broken_link",         "depth",
      "expired",          "not_yet_valid",       "lifetime",
      "escalation",       "unknown_constraint",  "tool_not_granted",
      "argument_missing", "argument_unexpected", "argument_denied",
      "no_proof",         "bad_proof",           "replayed",
      "wrong_holder",     "wrong_instance",      "wrong_audience",
      "revoked",          "status_unknown",      "budget_spent",
      "reason_required",  "approval_required",   "unclean",
      "internal"};
  EXPECT_EQ(names, expected);
}

TEST(Refusal, CodesAreKnownByTheirNames) {
  EXPECT_TRUE(is_code("no_receipt"));
  EXPECT_TRUE(is_code("internal"));
  EXPECT_FALSE(is_code(""));
  EXPECT_FALSE(is_code("Internal"));
  EXPECT_FALSE(is_code("no_receipts"));
}

TEST(Refusal, ShownTextIsBoundedAndValid) {
  EXPECT_EQ(shown("a\"b"), R"("a\"b")");
  std::string text;
  for (int at = 0; at < 100; ++at) text += "\xE2\x82\xAC";
  const std::string cut = shown(text);
  EXPECT_LT(cut.size(), 110U);
  EXPECT_TRUE(json::Document::parse(cut)) << "cut between characters";
  const std::string shifted = shown("a" + text);
  EXPECT_TRUE(json::Document::parse(shifted)) << "cut between characters";
  EXPECT_EQ(shown(std::string(200, '\x80')), "\"…\"") << "no character at all";
}

}  // namespace
}  // namespace mandated::receipt
