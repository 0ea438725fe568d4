#include "proxy/identity/bundle_document.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <chrono>
#include <string>
#include <vector>

#include "tests/support_ca/test_ca.h"

namespace mandated::identity {
namespace {

using namespace std::chrono_literals;
using test::TestCa;
using test::TestKey;
using testing::HasSubstr;

JwtKey jwt_key(std::string kid, TestKey kind, JwtKey::Use use = JwtKey::Use::kJwtSvid) {
  return {std::move(kid), {test::make_key(kind).release(), EVP_PKEY_free}, use};
}

std::string written(const BundleDocument& document) {
  const auto text = to_bundle_document(document);
  EXPECT_TRUE(text);
  return text.value_or("");
}

std::string written(std::vector<std::string> certificates_der) {
  BundleDocument document;
  document.certificates_der = std::move(certificates_der);
  return written(document);
}

std::string written(std::vector<JwtKey> jwt_keys) {
  BundleDocument document;
  document.jwt_keys = std::move(jwt_keys);
  return written(document);
}

/// `text` with the first `from` as `to`.
std::string with(std::string text, std::string_view from, std::string_view to) {
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(BundleDocument, IsReadAsItWasWritten) {
  BundleDocument document;
  for (const TestKey key : {TestKey::kEd25519, TestKey::kP256, TestKey::kP384, TestKey::kRsa2048}) {
    const TestCa ca("test.example", TestCa::sim_start(), key);
    document.certificates_der.push_back(ca.certificate_der());
  }
  document.jwt_keys = {jwt_key("a", TestKey::kRsa2048), jwt_key("b", TestKey::kP256),
                       jwt_key("c", TestKey::kP521, JwtKey::Use::kWitSvid)};
  document.sequence = 7;
  document.refresh_hint = 300s;
  const std::string text = written(document);
  const auto read = parse_bundle_document(text);
  ASSERT_TRUE(read) << read.error().text;
  EXPECT_EQ(read->certificates_der, document.certificates_der);
  EXPECT_EQ(read->sequence, 7U);
  EXPECT_EQ(read->refresh_hint, 300s);
  ASSERT_EQ(read->jwt_keys.size(), 3U);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(read->jwt_keys[i].kid, document.jwt_keys[i].kid);
    EXPECT_EQ(read->jwt_keys[i].use, document.jwt_keys[i].use);
    EXPECT_EQ(EVP_PKEY_cmp(read->jwt_keys[i].key.get(), document.jwt_keys[i].key.get()), 1);
  }
  EXPECT_EQ(written(*read), text);
  // X509-SVID standard section 6.1: no kid beside a certificate.
  EXPECT_THAT(written(document.certificates_der), testing::Not(HasSubstr("kid")));
}

// Trust-Domain-and-Bundle standard sections 4.1.3 and 4.2, X509-SVID standard section 6.2.
TEST(BundleDocument, PassesOverWhatItDoesNotKnow) {
  const std::string keys[] = {
      "",
      R"({"kty":"EC","crv":"P-256","x":"AA","y":"AA"})",                    // no use
      R"({"kty":"EC","use":"sig","crv":"P-256","x":"AA","y":"AA"})",        // another use
      R"({"kty":"EC","use":"JWT-SVID","crv":"P-256","x":"AA","y":"AA"})",   // case counts
      R"({"kty":"AKP","use":"jwt-svid","kid":"a","pub":"AA"})",             // another kind
      R"({"use":"jwt-svid","kid":"a"})",                                    // no kind
      R"({"kty":"EC","use":"jwt-svid","kid":"a","crv":"secp256k1"})",       // another curve
      R"({"kty":"OKP","use":"jwt-svid","kid":"a","crv":"X25519","x":"A"})"  // no signing key
  };
  for (const std::string& key : keys) {
    SCOPED_TRACE(key);
    const auto read = parse_bundle_document(R"({"keys":[)" + key + R"(],"more":{"x":1}})");
    ASSERT_TRUE(read) << read.error().text;
    EXPECT_TRUE(read->certificates_der.empty());
    EXPECT_TRUE(read->jwt_keys.empty());
    EXPECT_FALSE(read->sequence || read->refresh_hint);
  }
}

TEST(BundleDocument, OnlyTheFirstOfX5cCounts) {
  const TestCa ca;
  const std::string text = written(std::vector{ca.certificate_der()});
  const auto more = parse_bundle_document(with(text, "\"]", R"(","not base64"])"));
  ASSERT_TRUE(more) << more.error().text;
  EXPECT_EQ(more->certificates_der, std::vector<std::string>{ca.certificate_der()});
  const std::size_t begin = text.find("\"x5c\":[") + 7;
  const std::string certificate = text.substr(begin, text.find(']', begin) - begin);
  for (const auto& none : {with(text, certificate, ""), with(text, "x5c", "x5d")}) {
    const auto read = parse_bundle_document(none);
    ASSERT_TRUE(read) << read.error().text;
    EXPECT_TRUE(read->certificates_der.empty());
  }
}

TEST(BundleDocument, RefusesWhatIsBroken) {
  const TestCa ca;
  const TestCa other("test.example", TestCa::sim_start(), TestKey::kEd25519, 2);
  const std::string certificate = written(std::vector{ca.certificate_der()});
  const std::string another = written(std::vector{other.certificate_der()});
  const std::string one = written(std::vector{jwt_key("a", TestKey::kP256)});
  const std::string rsa = written(std::vector{jwt_key("a", TestKey::kRsa2048)});
  const auto x_of = [](const std::string& text) {
    const std::size_t at = text.find(R"("x":")") + 5;
    return text.substr(at, text.find('"', at) - at);
  };
  struct Case {
    const char* what;
    const char* reason;
    std::string text;
  };
  const Case cases[] = {
      {"no JSON", "", "keys"},
      {"no keys", "no array", "{}"},
      {"an array", "no array", "[]"},
      {"keys no array", "no array", R"({"keys":{}})"},
      {"keys twice", "duplicate", R"({"keys":[],"keys":[]})"},
      {"a key no object", "no object", R"({"keys":["x"]})"},
      {"x5c no base64", "x5c cannot be read", with(certificate, R"("x5c":[")", R"("x5c":["!)")},
      {"x5c no text", "x5c cannot be read", with(certificate, R"("x5c":[)", R"("x5c":[1,)")},
      {"x5c cut short", "x5c cannot be read", with(certificate, R"("x5c":["MIIB)", R"("x5c":[")")},
      {"x5c of another key", "another key", with(certificate, x_of(certificate), x_of(another))},
      {"no kid", "no kid", with(one, R"("kid":"a",)", "")},
      {"an empty kid", "no kid", with(one, R"("kid":"a")", R"("kid":"")")},
      {"two of one kid", "one kid",
       written(std::vector{jwt_key("a", TestKey::kP256),
                           jwt_key("a", TestKey::kP256, JwtKey::Use::kWitSvid)})},
      {"a private key", "private member", with(one, R"("kid":"a")", R"("kid":"a","d":"AA")")},
      {"off its curve", "not on its curve", with(one, x_of(one), std::string(43, 'A'))},
      {"a short coordinate", "size of its curve", with(one, x_of(one), "AAAA")},
      {"no coordinate", "base64url", with(one, R"("x":)", R"("z":)")},
      {"padding", "base64url", with(one, x_of(one), x_of(one) + "=")},
      {"a weak RSA key", "shorter than 2048",
       written(std::vector{jwt_key("a", TestKey::kRsa1024)})},
      {"an RSA exponent of one", "unsound", with(rsa, "AQAB", "AQ")},
      {"an RSA number with a zero before", "begins with zero", with(rsa, "AQAB", "AAEAAQ")},
      {"a sequence that is a text", "spiffe_sequence", R"({"keys":[],"spiffe_sequence":"1"})"},
      {"a sequence below zero", "spiffe_sequence", R"({"keys":[],"spiffe_sequence":-1})"},
      {"a hint with a fraction", "refresh_hint", R"({"keys":[],"spiffe_refresh_hint":1.5})"},
  };
  for (const Case& broken : cases) {
    SCOPED_TRACE(broken.what);
    const auto read = parse_bundle_document(broken.text);
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().code, Code::kMalformed);
    EXPECT_THAT(read.error().text, HasSubstr(broken.reason));
  }
}

TEST(BundleDocument, IsBounded) {
  BundleDocument many;
  for (int i = 0; i < 65; ++i) many.jwt_keys.push_back(jwt_key(std::to_string(i), TestKey::kP256));
  const auto keys = parse_bundle_document(written(many));
  ASSERT_FALSE(keys);
  EXPECT_EQ(keys.error().code, Code::kTooLarge);
  const TestCa ca;
  const auto certificates =
      parse_bundle_document(written(std::vector<std::string>(65, ca.certificate_der())));
  ASSERT_FALSE(certificates);
  EXPECT_EQ(certificates.error().code, Code::kTooLarge);
  const auto large = parse_bundle_document(std::string((1U << 20U) + 1, ' '));
  ASSERT_FALSE(large);
  EXPECT_EQ(large.error().code, Code::kTooLarge);
}

}  // namespace
}  // namespace mandated::identity
