#include "proxy/identity/jwt_keys.h"

#include <openssl/bn.h>
#include <openssl/ec_key.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/nid.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "filters/receipt/base64url.h"
#include "proxy/json/json.h"

namespace mandated::identity {

namespace {

constexpr std::size_t kKeysMax = 256;
constexpr std::size_t kKidMax = 1024;
constexpr unsigned kRsaBitsMin = 2048;
constexpr unsigned kRsaBitsMax = 8192;

struct Curve {
  std::string_view name;
  int nid;
  std::size_t coordinate_bytes;
};
constexpr std::array<Curve, 3> kCurves{{{"P-256", NID_X9_62_prime256v1, 32},
                                        {"P-384", NID_secp384r1, 48},
                                        {"P-521", NID_secp521r1, 66}}};

Failure malformed(std::string text) { return fail(Code::kMalformed, std::move(text)); }

/// Null: not there, or not what it should be.
bssl::UniquePtr<BIGNUM> read_number(const json::Value& jwk, std::string_view name,
                                    std::optional<std::size_t> size) {
  const std::optional<std::string_view> text = jwk.find_string(name);
  if (!text) return nullptr;
  const auto bytes = receipt::decode_base64url(*text);
  if (!bytes || bytes->empty() || (size && bytes->size() != *size)) return nullptr;
  return bssl::UniquePtr<BIGNUM>(
      BN_bin2bn(reinterpret_cast<const std::uint8_t*>(bytes->data()), bytes->size(), nullptr));
}

using KeyPtr = std::shared_ptr<EVP_PKEY>;

/// Null in success: a curve that JWT-SVIDs do not have.
Result<KeyPtr> read_ec(const json::Value& jwk) {
  const std::string_view name = jwk.find_string("crv").value_or("");
  const auto curve = std::find_if(kCurves.begin(), kCurves.end(),
                                  [&](const Curve& one) { return one.name == name; });
  if (curve == kCurves.end()) return KeyPtr();
  const auto x = read_number(jwk, "x", curve->coordinate_bytes);
  const auto y = read_number(jwk, "y", curve->coordinate_bytes);
  const bssl::UniquePtr<EC_KEY> point(EC_KEY_new_by_curve_name(curve->nid));
  KeyPtr key(EVP_PKEY_new(), EVP_PKEY_free);
  const bool good = x && y && point && key &&
                    EC_KEY_set_public_key_affine_coordinates(point.get(), x.get(), y.get()) == 1 &&
                    EVP_PKEY_set1_EC_KEY(key.get(), point.get()) == 1;
  ERR_clear_error();
  if (!good) return malformed("a key whose x and y are no point of its curve");
  return key;
}

Result<KeyPtr> read_rsa(const json::Value& jwk) {
  const auto modulus = read_number(jwk, "n", std::nullopt);
  const auto exponent = read_number(jwk, "e", std::nullopt);
  if (!modulus || !exponent) return malformed("an RSA key without its n or e");
  const unsigned bits = BN_num_bits(modulus.get());
  if (bits < kRsaBitsMin || bits > kRsaBitsMax) {
    return malformed("an RSA key of " + std::to_string(bits) + " bits");
  }
  const bssl::UniquePtr<RSA> rsa(RSA_new_public_key(modulus.get(), exponent.get()));
  KeyPtr key(EVP_PKEY_new(), EVP_PKEY_free);
  const bool good = rsa && key && EVP_PKEY_set1_RSA(key.get(), rsa.get()) == 1;
  ERR_clear_error();
  if (!good) return malformed("an RSA key that is none");
  return key;
}

/// Null in success: none of ours.
Result<KeyPtr> read_key(const json::Value& jwk) {
  if (jwk.find("d") != nullptr || jwk.find("k") != nullptr) return malformed("a private key");
  const json::Value* const use = jwk.find("use");
  if (use != nullptr && !use->is_string()) return malformed("a key whose use is no text");
  if (use != nullptr && use->string() != "jwt-svid" && use->string() != "wit-svid") return KeyPtr();
  const std::optional<std::string_view> type = jwk.find_string("kty");
  if (!type) return malformed("a key without its kty");
  if (*type == "EC") return read_ec(jwk);
  if (*type == "RSA") return read_rsa(jwk);
  return KeyPtr();
}

}  // namespace

Result<std::vector<JwtKey>> read_jwt_keys(std::string_view jwk_set) {
  const auto document = json::Document::parse(jwk_set);
  if (!document) return malformed("no JSON: " + document.error().text);
  const json::Value* const all = document->root().find("keys");
  if (all == nullptr || !all->is_array()) return malformed("no JWK Set");
  if (all->array().size() > kKeysMax) return malformed("more than 256 keys");
  std::vector<JwtKey> keys;
  for (const json::Value& jwk : all->array()) {
    if (!jwk.is_object()) return malformed("a key that is no object");
    TRY(KeyPtr key, read_key(jwk));
    if (!key) continue;
    const std::string_view kid = jwk.find_string("kid").value_or("");
    if (kid.empty() || kid.size() > kKidMax) return malformed("a key without its kid");
    if (std::any_of(keys.begin(), keys.end(), [&](const JwtKey& one) { return one.kid == kid; })) {
      return malformed("two keys with the kid '" + std::string(kid) + "'");
    }
    keys.push_back(JwtKey{std::string(kid), std::move(key)});
  }
  return keys;
}

}  // namespace mandated::identity
