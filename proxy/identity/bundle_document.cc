#include "proxy/identity/bundle_document.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/ec_key.h>
#include <openssl/evp.h>
#include <openssl/nid.h>
#include <openssl/x509.h>

#include <array>
#include <cstdint>
#include <string_view>

#include "proxy/identity/certificate.h"

namespace mandated::identity {

namespace {

constexpr std::size_t kCoordinate = 32;
constexpr int kRefreshHintSeconds = 3600;

std::string base64(std::string_view bytes) {
  std::string text(bytes.size() / 3 * 4 + 5, '\0');
  text.resize(EVP_EncodeBlock(reinterpret_cast<std::uint8_t*>(text.data()),
                              reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()));
  return text;
}

std::string base64url(std::string_view bytes) {
  std::string text = base64(bytes);
  for (char& c : text) {
    if (c == '+') c = '-';
    if (c == '/') c = '_';
  }
  text.resize(text.find_last_not_of('=') + 1);
  return text;
}

/// One key of the set; empty unless the key is of P-256.
std::string jwk(std::string_view der) {
  const bssl::UniquePtr<X509> certificate = parse_certificate(der);
  const EVP_PKEY* key = certificate ? X509_get0_pubkey(certificate.get()) : nullptr;
  const EC_KEY* ec = key != nullptr ? EVP_PKEY_get0_EC_KEY(key) : nullptr;
  if (ec == nullptr || EVP_PKEY_get_ec_curve_nid(key) != NID_X9_62_prime256v1) return {};
  std::array<std::uint8_t, 1 + 2 * kCoordinate> point{};
  if (EC_POINT_point2oct(EC_KEY_get0_group(ec), EC_KEY_get0_public_key(ec),
                         POINT_CONVERSION_UNCOMPRESSED, point.data(), point.size(),
                         nullptr) != point.size()) {
    return {};
  }
  const std::string_view both(reinterpret_cast<const char*>(point.data()) + 1, 2 * kCoordinate);
  return R"({"kty":"EC","use":"x509-svid","crv":"P-256","x":")" +
         base64url(both.substr(0, kCoordinate)) + R"(","y":")" +
         base64url(both.substr(kCoordinate)) + R"(","x5c":[")" + base64(der) + R"("]})";
}

}  // namespace

Result<std::string> to_bundle_document(const std::vector<std::string>& certificates_der) {
  std::string keys;
  for (const std::string& der : certificates_der) {
    const std::string key = jwk(der);
    if (key.empty()) return fail(Code::kUnsupported, "a CA certificate whose key is not P-256");
    if (!keys.empty()) keys += ',';
    keys += key;
  }
  return R"({"keys":[)" + keys + R"(],"spiffe_refresh_hint":)" +
         std::to_string(kRefreshHintSeconds) + "}\n";
}

}  // namespace mandated::identity
