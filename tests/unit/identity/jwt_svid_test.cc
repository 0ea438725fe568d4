// Every rule of the JWT-SVID standard, broken one at a time by a token that is sound in all else.
#include "proxy/identity/jwt_svid.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "tests/support_ca/test_ca.h"
#include "tests/support_ca/test_jwt.h"

namespace mandated::identity {
namespace {

using namespace std::chrono_literals;
using test::make_key;
using test::sign_jwt;
using test::TestKey;
using testing::HasSubstr;

const Clock::WallTime kNow = test::TestCa::sim_start();  // 1780272000
constexpr char kHeader[] = R"({"alg":"ES256","kid":"one","typ":"JWT"})";
constexpr char kClaims[] =
    R"({"sub":"spiffe://test.example/agent/x","aud":["reports"],"exp":1780272060,)"
    R"("iat":1780272000})";

std::shared_ptr<EVP_PKEY> shared_key(TestKey kind, std::uint64_t seed = 1) {
  return {make_key(kind, seed).release(), EVP_PKEY_free};
}

class JwtSvidTest : public testing::Test {
 protected:
  Result<JwtSvid> verify(std::string_view token, Clock::WallTime now = kNow,
                         std::string_view audience = "reports") const {
    return verify_jwt_svid(token, bundles_, audience, now);
  }
  std::string token(std::string_view header, std::string_view claims) const {
    return sign_jwt(header, claims, key_.get(), "ES256");
  }
  static void expect_refused(const Result<JwtSvid>& verified, const std::string& reason) {
    ASSERT_FALSE(verified) << "taken for " << verified->id.text() << ", expected: " << reason;
    EXPECT_EQ(verified.error().code, Code::kPeerIdentity);
    EXPECT_THAT(verified.error().text, HasSubstr(reason));
  }

  std::shared_ptr<EVP_PKEY> key_ = shared_key(TestKey::kP256);
  JwtBundles bundles_{{"test.example", {JwtKey{"one", key_}}}};
};

TEST_F(JwtSvidTest, TakesASoundOne) {
  const auto svid = verify(token(kHeader, kClaims));
  ASSERT_TRUE(svid) << svid.error().text;
  EXPECT_EQ(svid->id.text(), "spiffe://test.example/agent/x");
  EXPECT_EQ(svid->audience, std::vector<std::string>{"reports"});
  EXPECT_EQ(svid->expires, kNow + 60s);
}

TEST_F(JwtSvidTest, TakesWhatTheStandardLeavesOpen) {
  const std::pair<const char*, const char*> headers[] = {
      {"no kid", R"({"alg":"ES256","typ":"JWT"})"},
      {"no typ", R"({"alg":"ES256","kid":"one"})"},
      {"typ JOSE", R"({"alg":"ES256","typ":"JOSE"})"},
  };
  for (const auto& [what, header] : headers) {
    SCOPED_TRACE(what);
    EXPECT_TRUE(verify(token(header, kClaims)));
  }
  const std::pair<const char*, const char*> claims[] = {
      {"aud as one text", R"({"sub":"spiffe://test.example/a","aud":"reports","exp":1780272060})"},
      {"two of aud", R"({"sub":"spiffe://test.example/a","aud":["x","reports"],"exp":1780272060})"},
      {"a fraction in exp",
       R"({"sub":"spiffe://test.example/a","aud":"reports","exp":1780272060.5})"},
      {"nbf now",
       R"({"sub":"spiffe://test.example/a","aud":"reports","exp":1780272060,"nbf":1780272000})"},
      {"claims of its own",
       R"({"sub":"spiffe://test.example/a","aud":"reports","exp":1780272060,"x":{"y":[1]}})"},
  };
  for (const auto& [what, payload] : claims) {
    SCOPED_TRACE(what);
    const auto svid = verify(token(kHeader, payload));
    EXPECT_TRUE(svid) << svid.error().text;
  }
}

// Section 2.1.
TEST_F(JwtSvidTest, TakesEachAlgorithmFromItsKeyOnly) {
  const std::vector<std::pair<TestKey, std::vector<std::string>>> kinds = {
      {TestKey::kRsa2048, {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}},
      {TestKey::kP256, {"ES256"}},
      {TestKey::kP384, {"ES384"}},
      {TestKey::kP521, {"ES512"}},
  };
  std::vector<std::string> all;
  for (const auto& [kind, algorithms] : kinds) {
    all.insert(all.end(), algorithms.begin(), algorithms.end());
  }
  for (const auto& [kind, algorithms] : kinds) {
    bundles_["test.example"][0].key = shared_key(kind);
    EVP_PKEY* key = bundles_["test.example"][0].key.get();
    for (const std::string& signed_as : algorithms) {
      for (const std::string& said : all) {
        SCOPED_TRACE(signed_as + " as " + said);
        const std::string header = R"({"alg":")" + said + R"(","kid":"one"})";
        const auto svid = verify(sign_jwt(header, kClaims, key, signed_as));
        if (said == signed_as) {
          EXPECT_TRUE(svid) << svid.error().text;
        } else {
          const bool same_kind =
              std::find(algorithms.begin(), algorithms.end(), said) != algorithms.end();
          expect_refused(svid, same_kind ? "signature is wrong" : "no such key");
        }
      }
    }
  }
}

TEST_F(JwtSvidTest, RefusesAHeaderThatBreaksARule) {
  struct Case {
    const char* what;
    const char* reason;
    const char* header;
  };
  const Case cases[] = {
      {"no alg", "names no algorithm", R"({"kid":"one"})"},
      {"alg no text", "names no algorithm", R"({"alg":256})"},
      {"alg none", "algorithm is not allowed", R"({"alg":"none"})"},
      {"alg None", "algorithm is not allowed", R"({"alg":"None"})"},
      {"alg in lower case", "algorithm is not allowed", R"({"alg":"es256"})"},
      {"HMAC", "algorithm is not allowed", R"({"alg":"HS256","kid":"one"})"},
      {"EdDSA", "algorithm is not allowed", R"({"alg":"EdDSA","kid":"one"})"},
      {"ES256K", "algorithm is not allowed", R"({"alg":"ES256K","kid":"one"})"},
      {"alg twice", "strict JSON", R"({"alg":"ES256","alg":"ES256"})"},
      {"typ of a WIT", "neither JWT nor JOSE", R"({"alg":"ES256","typ":"wit+jwt"})"},
      {"typ in lower case", "neither JWT nor JOSE", R"({"alg":"ES256","typ":"jwt"})"},
      {"typ no text", "typ is no text", R"({"alg":"ES256","typ":1})"},
      {"kid no text", "kid is no text", R"({"alg":"ES256","kid":1})"},
      {"an unknown kid", "no such key", R"({"alg":"ES256","kid":"two"})"},
      {"an empty kid", "no such key", R"({"alg":"ES256","kid":""})"},
      {"jwk", "beyond alg, kid, typ", R"({"alg":"ES256","jwk":"x"})"},
      {"jku", "beyond alg, kid, typ", R"({"alg":"ES256","jku":"https://a.example/"})"},
      {"x5c", "beyond alg, kid, typ", R"({"alg":"ES256","x5c":"x"})"},
      {"x5u", "beyond alg, kid, typ", R"({"alg":"ES256","x5u":"x"})"},
      {"crit", "beyond alg, kid, typ", R"({"alg":"ES256","crit":"b64"})"},
      {"b64", "beyond alg, kid, typ", R"({"alg":"ES256","b64":false})"},
      {"cty", "beyond alg, kid, typ", R"({"alg":"ES256","cty":"JWT"})"},
      {"zip", "beyond alg, kid, typ", R"({"alg":"ES256","zip":"DEF"})"},
      {"enc", "beyond alg, kid, typ", R"({"alg":"ES256","enc":"A128GCM"})"},
      {"a private member", "beyond alg, kid, typ", R"({"alg":"ES256","x-mine":"1"})"},
      {"an array", "no JSON object", R"(["ES256"])"},
      {"no JSON", "strict JSON", "alg=ES256"},
      {"nothing", "strict JSON", ""},
  };
  for (const Case& broken : cases) {
    SCOPED_TRACE(broken.what);
    expect_refused(verify(token(broken.header, kClaims)), broken.reason);
  }
}

TEST_F(JwtSvidTest, RefusesClaimsThatBreakARule) {
  struct Case {
    const char* what;
    const char* reason;
    const char* claims;
  };
  const Case cases[] = {
      {"no sub", "has no sub", R"({"aud":"reports","exp":1780272060})"},
      {"sub no text", "has no sub", R"({"sub":7,"aud":"reports","exp":1780272060})"},
      {"sub of another scheme", "no SPIFFE ID",
       R"({"sub":"https://test.example/a","aud":"reports","exp":1780272060})"},
      {"sub with a query", "no SPIFFE ID",
       R"({"sub":"spiffe://test.example/a?b","aud":"reports","exp":1780272060})"},
      {"sub without a path", "has no path",
       R"({"sub":"spiffe://test.example","aud":"reports","exp":1780272060})"},
      {"sub of an unknown trust domain", "other.example is unknown",
       R"({"sub":"spiffe://other.example/a","aud":"reports","exp":1780272060})"},
      {"sub twice", "strict JSON",
       R"({"sub":"spiffe://test.example/a","sub":"spiffe://test.example/b","aud":"reports",)"
       R"("exp":1780272060})"},
      {"no aud", "has no aud", R"({"sub":"spiffe://test.example/a","exp":1780272060})"},
      {"aud null", "aud is empty",
       R"({"sub":"spiffe://test.example/a","aud":null,"exp":1780272060})"},
      {"aud an empty array", "aud is empty",
       R"({"sub":"spiffe://test.example/a","aud":[],"exp":1780272060})"},
      {"a number in aud", "aud is no text",
       R"({"sub":"spiffe://test.example/a","aud":["reports",1],"exp":1780272060})"},
      {"another aud", "another audience",
       R"({"sub":"spiffe://test.example/a","aud":["other"],"exp":1780272060})"},
      {"aud in upper case", "another audience",
       R"({"sub":"spiffe://test.example/a","aud":["Reports"],"exp":1780272060})"},
      {"aud that begins so", "another audience",
       R"({"sub":"spiffe://test.example/a","aud":["reports2"],"exp":1780272060})"},
      {"no exp", "has no exp", R"({"sub":"spiffe://test.example/a","aud":"reports"})"},
      {"exp a text", "exp is no date",
       R"({"sub":"spiffe://test.example/a","aud":"reports","exp":"1780272060"})"},
      {"exp null", "exp is no date",
       R"({"sub":"spiffe://test.example/a","aud":"reports","exp":null})"},
      {"exp before the epoch", "exp is no date",
       R"({"sub":"spiffe://test.example/a","aud":"reports","exp":-1})"},
      {"exp beyond all times", "exp is no date",
       R"({"sub":"spiffe://test.example/a","aud":"reports","exp":1e300})"},
      {"expired", "has expired",
       R"({"sub":"spiffe://test.example/a","aud":"reports","exp":1780271999})"},
      {"expired this second", "has expired",
       R"({"sub":"spiffe://test.example/a","aud":"reports","exp":1780272000.9})"},
      {"not yet valid", "not yet valid",
       R"({"sub":"spiffe://test.example/a","aud":"reports","exp":1780272060,"nbf":1780272001})"},
      {"nbf a text", "nbf is no date",
       R"({"sub":"spiffe://test.example/a","aud":"reports","exp":1780272060,"nbf":"0"})"},
      {"iat a text", "iat is no date",
       R"({"sub":"spiffe://test.example/a","aud":"reports","exp":1780272060,"iat":"0"})"},
      {"an array", "no JSON object", R"(["spiffe://test.example/a"])"},
      {"no JSON", "strict JSON", "sub"},
  };
  for (const Case& broken : cases) {
    SCOPED_TRACE(broken.what);
    expect_refused(verify(token(kHeader, broken.claims)), broken.reason);
  }
}

TEST_F(JwtSvidTest, EndsAtItsExpiry) {
  const std::string sound = token(kHeader, kClaims);
  EXPECT_TRUE(verify(sound, kNow + 59s));
  expect_refused(verify(sound, kNow + 60s), "has expired");
}

TEST_F(JwtSvidTest, BelievesTheNamedTrustDomainOnly) {
  const auto theirs = shared_key(TestKey::kP256);
  bundles_["other.example"] = {JwtKey{"one", theirs}};
  expect_refused(verify(sign_jwt(kHeader, kClaims, theirs.get(), "ES256")), "signature is wrong");
  bundles_["test.example"].clear();  // it has revoked its keys
  expect_refused(verify(token(kHeader, kClaims)), "no such key");
  bundles_.erase("test.example");
  expect_refused(verify(token(kHeader, kClaims)), "test.example is unknown");
}

// Section 6.2: only keys of the use `jwt-svid` count.
TEST_F(JwtSvidTest, KeysOfOtherTokensDoNotVouch) {
  bundles_["test.example"][0].use = JwtKey::Use::kWitSvid;
  expect_refused(verify(token(kHeader, kClaims)), "no such key");
}

TEST_F(JwtSvidTest, AKidPicksItsKeyAmongMany) {
  const auto second = shared_key(TestKey::kP256);
  bundles_["test.example"].push_back(JwtKey{"two", second});
  const std::string no_kid = R"({"alg":"ES256"})";
  EXPECT_TRUE(verify(sign_jwt(no_kid, kClaims, second.get(), "ES256")));
  EXPECT_TRUE(verify(sign_jwt(R"({"alg":"ES256","kid":"two"})", kClaims, second.get(), "ES256")));
  expect_refused(verify(sign_jwt(kHeader, kClaims, second.get(), "ES256")), "signature is wrong");
}

TEST_F(JwtSvidTest, RefusesAnySpellingButTheCompactOne) {
  const std::string sound = token(kHeader, kClaims);
  const std::size_t first = sound.find('.');
  const std::size_t second = sound.rfind('.');
  const std::string json = R"({"protected":")" + sound.substr(0, first) + R"(","payload":")" +
                           sound.substr(first + 1, second - first - 1) + R"(","signature":")" +
                           sound.substr(second + 1) + R"("})";
  expect_refused(verify(json), "three segments");
  expect_refused(verify(""), "three segments");
  expect_refused(verify(sound.substr(0, second)), "three segments");
  expect_refused(verify(sound + ".x"), "three segments");
  expect_refused(verify(" " + sound), "header is no base64url");
  expect_refused(verify(sound + "\n"), "signature is no base64url");
  expect_refused(verify(sound + "="), "signature is no base64url");
  expect_refused(verify(sound.substr(0, second + 1)), "signature is wrong");
  expect_refused(verify(sound.substr(0, sound.size() - 6)), "signature is wrong");
  expect_refused(verify(sound + "AA"), "signature is");
  expect_refused(verify(std::string(16385, 'A')), "larger than 16 KiB");
}

TEST_F(JwtSvidTest, NoBitOfItMayChange) {
  const std::string sound = token(kHeader, kClaims);
  for (std::size_t at = 0; at < sound.size(); ++at) {
    std::string changed = sound;
    changed[at] = changed[at] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(verify(changed)) << "at " << at;
  }
}

TEST_F(JwtSvidTest, AnEmptyAudienceIsNobodys) {
  const std::string for_nobody =
      token(kHeader, R"({"sub":"spiffe://test.example/a","aud":[""],"exp":1780272060})");
  expect_refused(verify(for_nobody, kNow, ""), "another audience");
}

}  // namespace
}  // namespace mandated::identity
