#include "proxy/identity/jwt_keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "filters/receipt/base64url.h"

namespace mandated::identity {
namespace {

using testing::HasSubstr;

// The example of RFC 7517 appendix A.1.
constexpr char kPoint[] =
    R"("kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",)"
    R"("y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM")";

std::string rsa(std::size_t bytes) {
  return R"("kty":"RSA","e":"AQAB","n":")" + receipt::encode_base64url(std::string(bytes, '\xff')) +
         '"';
}
std::string set_of(const std::string& keys) { return R"({"keys":[)" + keys + "]}"; }
std::string key(const std::string& members) { return "{" + members + "}"; }

TEST(JwtKeys, Taken) {
  const auto keys =
      read_jwt_keys(set_of(key(kPoint + std::string(R"(,"kid":"a")")) + "," +
                           key(kPoint + std::string(R"(,"kid":"b","use":"jwt-svid")")) + "," +
                           key(rsa(256) + R"(,"kid":"c","use":"wit-svid")") + "," +
                           key(R"("kty":"OKP","crv":"X25519","kid":"d")") + "," +
                           key(kPoint + std::string(R"(,"kid":"e","use":"x509-svid")")) + "," +
                           key(R"("kty":"EC","crv":"secp256k1","kid":"f")")));
  ASSERT_TRUE(keys) << keys.error().text;
  ASSERT_EQ(keys->size(), 3U);
  EXPECT_EQ((*keys)[0].kid, "a");
  EXPECT_EQ((*keys)[2].kid, "c");
  EXPECT_NE((*keys)[2].key, nullptr);
  EXPECT_EQ((*keys)[0].use, JwtKey::Use::kJwtSvid);
  EXPECT_EQ((*keys)[2].use, JwtKey::Use::kWitSvid);
  EXPECT_TRUE(read_jwt_keys(set_of(""))->empty());
}

TEST(JwtKeys, Refused) {
  const std::string point = kPoint;
  const std::pair<std::string, const char*> rows[] = {
      {"", "no JSON"},
      {"[]", "no JWK Set"},
      {R"({"keys":{}})", "no JWK Set"},
      {set_of("1"), "no object"},
      {set_of(key(point)), "without its kid"},
      {set_of(key(point + R"(,"kid":"")")), "without its kid"},
      {set_of(key(point + R"(,"kid":1)")), "without its kid"},
      {set_of(key(point + R"(,"kid":"a")") + "," + key(point + R"(,"kid":"a")")), "two keys"},
      {set_of(key(point + R"(,"kid":"a","d":"AA")")), "private"},
      {set_of(key(R"("kty":"oct","k":"AA","kid":"a")")), "private"},
      {set_of(key(point + R"(,"kid":"a","use":1)")), "use is no text"},
      {set_of(key(R"("kty":"EC","crv":"P-256","x":"AA","y":"AA","kid":"a")")), "size of its curve"},
      {set_of(key(R"("kty":"EC","crv":"P-384",)" + point.substr(25) + R"(,"kid":"a")")),
       "size of its curve"},
      {set_of(key(R"("kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",)"
                  R"("y":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","kid":"a")")),
       "not on its curve"},
      {set_of(key(rsa(128) + R"(,"kid":"a")")), "shorter than 2048 bits"},
      {set_of(key(rsa(1025) + R"(,"kid":"a")")), "longer than 8192 bits"},
      {set_of(key(R"("kty":"RSA","n":"AQAB","kid":"a")")), "\"e\""},
  };
  for (const auto& [text, why] : rows) {
    const auto keys = read_jwt_keys(text);
    ASSERT_FALSE(keys) << text;
    EXPECT_EQ(keys.error().code, Code::kMalformed);
    EXPECT_THAT(keys.error().text, HasSubstr(why)) << text;
  }
  std::string many;
  for (int i = 0; i < 257; ++i) many += (i == 0 ? "" : ",") + key(R"("kty":"OKP")");
  EXPECT_FALSE(read_jwt_keys(set_of(many)));
}

}  // namespace
}  // namespace mandated::identity
