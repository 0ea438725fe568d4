#include "proxy/identity/jwk.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/ec_key.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/nid.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "filters/receipt/base64url.h"
#include "proxy/identity/identity.h"

namespace mandated::identity {

namespace {

constexpr unsigned kRsaBitsMin = 2048;
constexpr unsigned kRsaBitsMax = 8192;
constexpr std::size_t kEd25519Size = 32;

using KeyPtr = std::shared_ptr<EVP_PKEY>;

struct Curve {
  std::string_view name;
  int nid;
  std::size_t coordinate;  // bytes (RFC 7518 section 6.2.1.2)
};
constexpr std::array<Curve, 3> kCurves{{{"P-256", NID_X9_62_prime256v1, 32},
                                        {"P-384", NID_secp384r1, 48},
                                        {"P-521", NID_secp521r1, 66}}};

Failure malformed(std::string text) { return fail(Code::kMalformed, "JWK: " + std::move(text)); }

const std::uint8_t* bytes_of(std::string_view text) {
  return reinterpret_cast<const std::uint8_t*>(text.data());
}

Result<std::string> member(const json::Value& jwk, std::string_view name) {
  const auto text = jwk.find_string(name);
  auto bytes = text ? receipt::decode_base64url(*text) : std::nullopt;
  if (!bytes) return malformed("\"" + std::string(name) + "\" is no base64url text");
  return std::move(*bytes);
}

/// The handle that the EVP_PKEY is made around; `assign` takes it over.
template <class Part>
KeyPtr wrap(bssl::UniquePtr<Part> part, int (*assign)(EVP_PKEY*, Part*)) {
  bssl::UniquePtr<EVP_PKEY> key(EVP_PKEY_new());
  if (!key || assign(key.get(), part.get()) != 1) return nullptr;
  (void)part.release();
  return {key.release(), EVP_PKEY_free};
}

Result<KeyPtr> parse_ec(const json::Value& jwk) {
  const auto name = jwk.find_string("crv");
  const auto* curve = std::find_if(kCurves.begin(), kCurves.end(),
                                   [&](const Curve& known) { return known.name == name; });
  if (curve == kCurves.end()) return fail(Code::kUnsupported, "JWK: an unknown curve");
  TRY(const std::string x, member(jwk, "x"));
  TRY(const std::string y, member(jwk, "y"));
  if (x.size() != curve->coordinate || y.size() != curve->coordinate) {
    return malformed("a coordinate has not the size of its curve");
  }
  const std::string point = '\x04' + x + y;
  bssl::UniquePtr<EC_KEY> ec(EC_KEY_new_by_curve_name(curve->nid));
  if (!ec || EC_KEY_oct2key(ec.get(), bytes_of(point), point.size(), nullptr) != 1) {
    ERR_clear_error();
    return malformed("the point is not on its curve");
  }
  return wrap(std::move(ec), EVP_PKEY_assign_EC_KEY);
}

Result<KeyPtr> parse_rsa(const json::Value& jwk) {
  TRY(const std::string n, member(jwk, "n"));
  TRY(const std::string e, member(jwk, "e"));
  // Base64urlUInt (RFC 7518 section 2): no leading zero, so one spelling per number.
  if (n.empty() || e.empty() || n.front() == '\0' || e.front() == '\0') {
    return malformed("an RSA number is empty or begins with zero");
  }
  if (n.size() > kRsaBitsMax / 8) return malformed("its RSA key is longer than 8192 bits");
  const bssl::UniquePtr<BIGNUM> modulus(BN_bin2bn(bytes_of(n), n.size(), nullptr));
  const bssl::UniquePtr<BIGNUM> exponent(BN_bin2bn(bytes_of(e), e.size(), nullptr));
  if (BN_num_bits(modulus.get()) < kRsaBitsMin) {
    return malformed("its RSA key is shorter than 2048 bits");
  }
  // Refuses exponents that are even, 1 or beyond 33 bits.
  bssl::UniquePtr<RSA> rsa(RSA_new_public_key(modulus.get(), exponent.get()));
  if (!rsa) {
    ERR_clear_error();
    return malformed("its RSA key is unsound");
  }
  return wrap(std::move(rsa), EVP_PKEY_assign_RSA);
}

Result<KeyPtr> parse_okp(const json::Value& jwk) {
  if (jwk.find_string("crv") != "Ed25519") {
    return fail(Code::kUnsupported, "JWK: an unknown curve");
  }
  TRY(const std::string x, member(jwk, "x"));
  if (x.size() != kEd25519Size) return malformed("the Ed25519 key is not of 32 bytes");
  return KeyPtr(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, bytes_of(x), x.size()),
                EVP_PKEY_free);
}

std::string base64url(const BIGNUM* number) {
  std::string bytes(BN_num_bytes(number), '\0');
  BN_bn2bin(number, reinterpret_cast<std::uint8_t*>(bytes.data()));
  return receipt::encode_base64url(bytes);
}

bool write_ec(const EVP_PKEY* key, json::ObjectWriter& out) {
  const EC_KEY* ec = EVP_PKEY_get0_EC_KEY(key);
  const int nid = EVP_PKEY_get_ec_curve_nid(key);
  const auto* curve = std::find_if(kCurves.begin(), kCurves.end(),
                                   [&](const Curve& known) { return known.nid == nid; });
  if (ec == nullptr || curve == kCurves.end()) return false;
  std::string point(1 + 2 * curve->coordinate, '\0');
  if (EC_POINT_point2oct(
          EC_KEY_get0_group(ec), EC_KEY_get0_public_key(ec), POINT_CONVERSION_UNCOMPRESSED,
          reinterpret_cast<std::uint8_t*>(point.data()), point.size(), nullptr) != point.size()) {
    return false;
  }
  const std::string_view both = std::string_view(point).substr(1);
  out.text("kty", "EC").text("crv", curve->name);
  out.text("x", receipt::encode_base64url(both.substr(0, curve->coordinate)));
  out.text("y", receipt::encode_base64url(both.substr(curve->coordinate)));
  return true;
}

}  // namespace

bool operator==(const JwtKey& one, const JwtKey& other) {
  return one.kid == other.kid && one.use == other.use &&
         EVP_PKEY_cmp(one.key.get(), other.key.get()) == 1;
}

Result<KeyPtr> parse_public_jwk(const json::Value& jwk) {
  for (const std::string_view name : {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}) {
    if (jwk.find(name) != nullptr) {
      return malformed("it carries the private member \"" + std::string(name) + "\"");
    }
  }
  const auto type = jwk.find_string("kty");
  if (type == "EC") return parse_ec(jwk);
  if (type == "RSA") return parse_rsa(jwk);
  if (type == "OKP") return parse_okp(jwk);
  return fail(Code::kUnsupported, "JWK: an unknown kind of key");
}

bool write_public_jwk(const EVP_PKEY* key, json::ObjectWriter& out) {
  switch (EVP_PKEY_id(key)) {
    case EVP_PKEY_EC:
      return write_ec(key, out);
    case EVP_PKEY_RSA: {
      const RSA* rsa = EVP_PKEY_get0_RSA(key);
      out.text("kty", "RSA").text("n", base64url(RSA_get0_n(rsa)));
      out.text("e", base64url(RSA_get0_e(rsa)));
      return true;
    }
    case EVP_PKEY_ED25519: {
      std::string x(kEd25519Size, '\0');
      std::size_t size = x.size();
      EVP_PKEY_get_raw_public_key(key, reinterpret_cast<std::uint8_t*>(x.data()), &size);
      out.text("kty", "OKP").text("crv", "Ed25519").text("x", receipt::encode_base64url(x));
      return true;
    }
    default:
      return false;
  }
}

}  // namespace mandated::identity
