// The vectors of the standards that receipts stand on: RFC 7638, RFC 8785 (its author's samples and
// the first million lines of the number file, Apache-2.0) and Project Wycheproof's signatures
// (Apache-2.0). RFC 8037's and RFC 7515's are in tests/unit/receipt/key_test.cc, RFC 8785's own
// tables in tests/unit/json.
#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "tests/unit/receipt/forge.h"
#include "tests/vectors/es6_numbers.h"

namespace mandated::receipt {
namespace {

using forge::Json;

std::string from_hex(const std::string& hex) {
  std::string bytes;
  for (std::size_t at = 0; at < hex.size(); at += 2)
    bytes.push_back(static_cast<char>(std::stoi(hex.substr(at, 2), nullptr, 16)));
  return bytes;
}

std::string to_hex(const Sha256& digest) {
  std::string hex;
  for (const std::uint8_t byte : digest) {
    hex.push_back("0123456789abcdef"[byte >> 4U]);
    hex.push_back("0123456789abcdef"[byte & 0xFU]);
  }
  return hex;
}

std::string hex_of(std::uint64_t bits) {
  std::string hex;
  do {
    hex.insert(hex.begin(), "0123456789abcdef"[bits & 0xFU]);
    bits >>= 4U;
  } while (bits != 0);
  return hex;
}

std::string canonical(std::string_view text) { return json::canonical(forge::parse(text).root()); }

// Section 3.1: an RSA key, which signs no receipt, but what is hashed is made in the same way.
TEST(Rfc7638, TheExamplesThumbprint) {
  const std::string required = canonical(
      R"({"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJ)"
      R"(ECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8K)"
      R"(JZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1j)"
      R"(F44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB"})");
  EXPECT_EQ(sha256_text(required), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
}

TEST(Rfc8785, TheAuthorsSamples) {
  const std::pair<const char*, const char*> samples[] = {
      {R"([56, {"d": true, "10": null, "1": [ ]}])", R"([56,{"1":[],"10":null,"d":true}])"},
      {R"({"peach": "This sorting order", "péché": "is wrong according to French",
           "pêche": "but canonicalization MUST", "sin": "ignore locale"})",
       R"({"peach":"This sorting order","péché":"is wrong according to French",)"
       R"("pêche":"but canonicalization MUST","sin":"ignore locale"})"},
      {R"({"1": {"f": {"f": "hi","F": 5} ,"\n": 56.0}, "10": { }, "": "empty", "a": { },
           "111": [ {"e": "yes","E": "no" } ], "A": { }})",
       R"({"":"empty","1":{"\n":56,"f":{"F":5,"f":"hi"}},"10":{},"111":[{"E":"no","e":"yes"}],"A":{},"a":{}})"},
      {R"({"Unnormalized Unicode":"A\u030a"})", "{\"Unnormalized Unicode\":\"A\xCC\x8A\"}"},
      {R"({"\u20ac": "Euro Sign", "\r": "Carriage Return", "\u000a": "Newline", "1": "One",
           "\u0080": "Control\u007f", "\ud83d\ude02": "Smiley",
           "\u00f6": "Latin Small Letter O With Diaeresis",
           "\ufb33": "Hebrew Letter Dalet With Dagesh", "</script>": "Browser Challenge"})",
       "{\"\\n\":\"Newline\",\"\\r\":\"Carriage Return\",\"1\":\"One\",\"</script>\":\"Browser "
       "Challenge\","
       "\"\xC2\x80\":\"Control\x7F\",\"\xC3\xB6\":\"Latin Small Letter O With Diaeresis\","
       "\"\xE2\x82\xAC\":\"Euro Sign\",\"\xF0\x9F\x98\x82\":\"Smiley\","
       "\"\xEF\xAC\xB3\":\"Hebrew Letter Dalet With Dagesh\"}"},
  };
  for (const auto& [input, output] : samples) {
    EXPECT_EQ(canonical(input), output);
    EXPECT_EQ(canonical(output), output);
  }
}

// The file itself is 40 MB; its author publishes the hashes of its beginnings.
TEST(Rfc8785, TheFirstMillionLinesOfTheNumberFile) {
  const std::pair<int, const char*> published[] = {
      {1000, "be18b62b6f69cdab33a7e0dae0d9cfa869fda80ddc712221570f9f40a5878687"},
      {10000, "b9f7a8e75ef22a835685a52ccba7f7d6bdc99e34b010992cbc5864cd12be6892"},
      {100000, "22776e6d4b49fa294a0d0f349268e5c28808fe7e0cb2bcbe28f63894e494d4c7"},
      {1000000, "49415fee2c56c77864931bd3624faad425c3c577d6d74e89a83bc725506dad16"},
  };
  Es6Numbers numbers;
  std::string lines;
  int count = 0;
  int unreadable = 0;
  for (const auto& [until, hash] : published) {
    for (; count < until; ++count) {
      const double number = numbers.next();
      const std::string text = json::number_text(number);
      lines += hex_of(std::bit_cast<std::uint64_t>(number)) + "," + text + "\n";
      const auto read = json::Document::parse(text);
      if (!read || read->root().number() != number) ++unreadable;
    }
    EXPECT_EQ(to_hex(sha256(lines)), hash) << until << " lines";
  }
  EXPECT_EQ(unreadable, 0) << "what is printed must be read as the same number";
}

struct Tally {
  int valid = 0;
  int invalid = 0;
};

// A key that a JWK cannot say verifies nothing, which is as good as a refusal.
template <class Verify>
Tally run_wycheproof(const std::string& file, const Verify& verify) {
  std::ifstream stream(std::string(WYCHEPROOF_FOLDER) + "/" + file);
  const Json vectors = Json::parse(stream);
  Tally tally;
  int ran = 0;
  for (const Json& group : vectors.at("testGroups")) {
    for (const Json& test : group.at("tests")) {
      const std::string result = test.at("result");
      const bool accepted =
          verify(group.at("publicKey"), from_hex(test.at("msg")), from_hex(test.at("sig")));
      EXPECT_TRUE(result == "valid" || result == "invalid") << result;
      EXPECT_EQ(accepted, result == "valid")
          << file << " " << test.at("tcId") << ": " << test.at("comment");
      ++(result == "valid" ? tally.valid : tally.invalid);
      ++ran;
    }
  }
  EXPECT_EQ(ran, vectors.at("numberOfTests").get<int>());
  return tally;
}

Checked<PublicKey> p256_key(const Json& key) {
  const std::string point = from_hex(key.at("uncompressed"));
  const Json jwk{{"kty", "EC"},
                 {"crv", "P-256"},
                 {"x", encode_base64url(std::string_view(point).substr(1, 32))},
                 {"y", encode_base64url(std::string_view(point).substr(33))}};
  return PublicKey::from_jwk(forge::parse(jwk.dump()).root());
}

TEST(Wycheproof, Ed25519) {
  const auto verify = [](const Json& key, const std::string& message,
                         const std::string& signature) {
    const Json jwk{
        {"kty", "OKP"}, {"crv", "Ed25519"}, {"x", encode_base64url(from_hex(key.at("pk")))}};
    const auto read = PublicKey::from_jwk(forge::parse(jwk.dump()).root());
    return read && read->verify(message, signature);
  };
  const Tally tally = run_wycheproof("ed25519_test.json", verify);
  EXPECT_EQ(tally.valid, 88);
  EXPECT_EQ(tally.invalid, 63);
}

// r and s side by side, as ES256 has them.
TEST(Wycheproof, EcdsaP256AsJwsWritesIt) {
  const auto verify = [](const Json& key, const std::string& message,
                         const std::string& signature) {
    const auto read = p256_key(key);
    return read && read->verify(message, signature);
  };
  const Tally tally = run_wycheproof("ecdsa_secp256r1_sha256_p1363_test.json", verify);
  EXPECT_EQ(tally.valid, 173);
  EXPECT_EQ(tally.invalid, 89);
}

// ASN.1 DER, as authenticators write it.
TEST(Wycheproof, EcdsaP256AsPasskeysWriteIt) {
  const auto verify = [](const Json& key, const std::string& message,
                         const std::string& signature) {
    const auto read = p256_key(key);
    return read && read->verify_as_passkey(message, signature);
  };
  const Tally tally = run_wycheproof("ecdsa_secp256r1_sha256_test.json", verify);
  EXPECT_EQ(tally.valid, 174);
  EXPECT_EQ(tally.invalid, 310);
}

}  // namespace
}  // namespace mandated::receipt
