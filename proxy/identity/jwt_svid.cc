#include "proxy/identity/jwt_svid.h"

#include <openssl/digest.h>
#include <openssl/ec_key.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/nid.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <optional>
#include <utility>

#include "filters/receipt/base64url.h"
#include "proxy/identity/certificate.h"
#include "proxy/json/json.h"

namespace mandated::identity {

namespace {

constexpr std::size_t kTokenMax = 16384;
constexpr std::size_t kAudiencesMax = 32;
constexpr json::Limits kHeaderLimits{.bytes_max = 1024, .depth_max = 1};
constexpr json::Limits kClaimsLimits{.bytes_max = kTokenMax, .depth_max = 16};
constexpr double kDateMax = 253402300799;  // the end of the year 9999, in seconds

/// Section 2.1: the algorithms of RFC 7518 sections 3.3 to 3.5, and no others.
struct Algorithm {
  std::string_view name;
  int key_kind;
  int curve;                   // ECDSA only
  std::size_t signature_size;  // ECDSA only
  bool pss;
  const EVP_MD* (*digest)();
};
constexpr std::array<Algorithm, 9> kAlgorithms{{
    {"RS256", EVP_PKEY_RSA, 0, 0, false, EVP_sha256},
    {"RS384", EVP_PKEY_RSA, 0, 0, false, EVP_sha384},
    {"RS512", EVP_PKEY_RSA, 0, 0, false, EVP_sha512},
    {"ES256", EVP_PKEY_EC, NID_X9_62_prime256v1, 64, false, EVP_sha256},
    {"ES384", EVP_PKEY_EC, NID_secp384r1, 96, false, EVP_sha384},
    {"ES512", EVP_PKEY_EC, NID_secp521r1, 132, false, EVP_sha512},
    {"PS256", EVP_PKEY_RSA, 0, 0, true, EVP_sha256},
    {"PS384", EVP_PKEY_RSA, 0, 0, true, EVP_sha384},
    {"PS512", EVP_PKEY_RSA, 0, 0, true, EVP_sha512},
}};

Failure refuse(std::string text) {
  return fail(Code::kPeerIdentity, "JWT-SVID: " + std::move(text));
}

const std::uint8_t* bytes_of(std::string_view text) {
  return reinterpret_cast<const std::uint8_t*>(text.data());
}

/// Views into the compact serialization (RFC 7515 section 3.1), the only one there is
/// (section 5.1).
struct Segments {
  std::string_view header;
  std::string_view payload;
  std::string_view signature;
  std::string_view signed_part;
};

Result<Segments> split(std::string_view token) {
  if (token.size() > kTokenMax) return refuse("it is larger than 16 KiB");
  if (std::count(token.begin(), token.end(), '.') != 2) {
    return refuse("it is not three segments with dots between");
  }
  const std::size_t first = token.find('.');
  const std::size_t second = token.rfind('.');
  return Segments{token.substr(0, first), token.substr(first + 1, second - first - 1),
                  token.substr(second + 1), token.substr(0, second)};
}

Result<std::string> decode(std::string_view segment, std::string_view what) {
  auto bytes = receipt::decode_base64url(segment);
  if (!bytes) return refuse("its " + std::string(what) + " is no base64url text");
  return std::move(*bytes);
}

Result<json::Document> parse_object(std::string_view segment, std::string_view what,
                                    const json::Limits& limits) {
  TRY(const std::string text, decode(segment, what));
  auto document = json::Document::parse(text, limits);
  if (!document) {
    return refuse("its " + std::string(what) + " is no strict JSON: " + document.error().text);
  }
  if (!document->root().is_object()) {
    return refuse("its " + std::string(what) + " is no JSON object");
  }
  return std::move(*document);
}

struct Header {
  const Algorithm* algorithm = nullptr;
  std::optional<std::string> kid;
};

/// Section 2: `alg`, `kid` and `typ`; any other member is refused.
Result<Header> read_header(std::string_view segment) {
  TRY(const json::Document document, parse_object(segment, "header", kHeaderLimits));
  const json::Value& root = document.root();
  const auto algorithm = root.find_string("alg");
  if (!algorithm) return refuse("its header names no algorithm");
  const auto* known = std::find_if(kAlgorithms.begin(), kAlgorithms.end(),
                                   [&](const Algorithm& each) { return each.name == *algorithm; });
  if (known == kAlgorithms.end()) return refuse("its algorithm is not allowed");
  Header header;
  header.algorithm = known;
  for (const auto& [name, value] : root.object()) {
    if (name == "alg") continue;
    if (name != "kid" && name != "typ")
      return refuse("its header has a member beyond alg, kid, typ");
    if (!value.is_string()) return refuse("its " + std::string(name) + " is no text");
    if (name == "kid") {
      header.kid = value.string();
    } else if (value.string() != "JWT" && value.string() != "JOSE") {
      return refuse("its typ is neither JWT nor JOSE");
    }
  }
  return header;
}

/// Section 3.1. A trust domain's own ID is its authority's, not a workload's.
Result<SpiffeId> read_subject(const json::Value& claims) {
  const auto subject = claims.find_string("sub");
  if (!subject) return refuse("it has no sub");
  Result<SpiffeId> id = SpiffeId::parse(*subject);
  if (!id) return refuse("its sub is no SPIFFE ID: " + id.error().text);
  if (id->path().empty()) return refuse("its SPIFFE ID has no path");
  return std::move(*id);
}

/// Section 3.2, RFC 7519 section 4.1.3: one text or an array of them.
Result<std::vector<std::string>> read_audience(const json::Value& claims) {
  const json::Value* audience = claims.find("aud");
  if (audience == nullptr) return refuse("it has no aud");
  std::vector<std::string> values;
  if (audience->is_string()) {
    values.emplace_back(audience->string());
  } else if (audience->is_array()) {
    if (audience->array().size() > kAudiencesMax) return refuse("its aud has more than 32 values");
    for (const json::Value& each : audience->array()) {
      if (!each.is_string()) return refuse("a value of its aud is no text");
      values.emplace_back(each.string());
    }
  }
  if (values.empty()) return refuse("its aud is empty");
  return values;
}

/// A NumericDate (RFC 7519 section 2), or nullopt when the claim is absent.
Result<std::optional<Clock::WallTime>> read_date(const json::Value& claims, std::string_view name) {
  const json::Value* value = claims.find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_number() || value->number() < 0 || value->number() > kDateMax) {
    return refuse("its " + std::string(name) + " is no date");
  }
  return from_posix(static_cast<std::int64_t>(std::floor(value->number())));
}

bool fits(const EVP_PKEY* key, const Algorithm& algorithm) {
  return EVP_PKEY_id(key) == algorithm.key_kind &&
         (algorithm.curve == 0 || EVP_PKEY_get_ec_curve_nid(key) == algorithm.curve);
}

bool verifies_ecdsa(const EVP_PKEY* key, const Algorithm& algorithm, std::string_view message,
                    std::string_view signature) {
  std::array<std::uint8_t, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  return signature.size() == algorithm.signature_size &&
         EVP_Digest(message.data(), message.size(), digest.data(), &size, algorithm.digest(),
                    nullptr) == 1 &&
         ECDSA_verify_p1363(digest.data(), size, bytes_of(signature), signature.size(),
                            EVP_PKEY_get0_EC_KEY(key)) == 1;
}

bool verifies_rsa(EVP_PKEY* key, const Algorithm& algorithm, std::string_view message,
                  std::string_view signature) {
  bssl::ScopedEVP_MD_CTX context;
  EVP_PKEY_CTX* rules = nullptr;
  return EVP_DigestVerifyInit(context.get(), &rules, algorithm.digest(), nullptr, key) == 1 &&
         // RFC 7518 section 3.5: the salt is as long as the hash.
         (!algorithm.pss ||
          (EVP_PKEY_CTX_set_rsa_padding(rules, RSA_PKCS1_PSS_PADDING) == 1 &&
           EVP_PKEY_CTX_set_rsa_pss_saltlen(rules, RSA_PSS_SALTLEN_DIGEST) == 1)) &&
         EVP_DigestVerify(context.get(), bytes_of(signature), signature.size(), bytes_of(message),
                          message.size()) == 1;
}

bool verifies(EVP_PKEY* key, const Algorithm& algorithm, std::string_view message,
              std::string_view signature) {
  const bool verified = algorithm.key_kind == EVP_PKEY_EC
                            ? verifies_ecdsa(key, algorithm, message, signature)
                            : verifies_rsa(key, algorithm, message, signature);
  ERR_clear_error();
  return verified;
}

/// Section 4, RFC 7515 section 5.2. With a kid, only its key counts.
Result<void> check_signature(const Segments& segments, const Header& header,
                             const std::vector<JwtKey>& keys) {
  TRY(const std::string signature, decode(segments.signature, "signature"));
  bool found = false;
  for (const JwtKey& known : keys) {
    if (known.use != JwtKey::Use::kJwtSvid || (header.kid && known.kid != *header.kid)) continue;
    if (!fits(known.key.get(), *header.algorithm)) continue;
    found = true;
    if (verifies(known.key.get(), *header.algorithm, segments.signed_part, signature)) return {};
  }
  return refuse(found ? "its signature is wrong" : "its trust domain has no such key");
}

}  // namespace

Result<JwtSvid> verify_jwt_svid(std::string_view token, const JwtBundles& bundles,
                                std::string_view audience, Clock::WallTime now) {
  TRY(const Segments segments, split(token));
  TRY(const Header header, read_header(segments.header));
  TRY(const json::Document document, parse_object(segments.payload, "payload", kClaimsLimits));
  const json::Value& claims = document.root();
  JwtSvid svid;
  TRY(svid.id, read_subject(claims));
  const auto bundle = bundles.find(svid.id.trust_domain());
  if (bundle == bundles.end()) {
    return refuse("its trust domain " + std::string(svid.id.trust_domain()) + " is unknown");
  }
  CHECK(check_signature(segments, header, bundle->second));
  TRY(svid.audience, read_audience(claims));
  TRY(const auto expires, read_date(claims, "exp"));
  TRY(const auto begins, read_date(claims, "nbf"));
  TRY(const auto issued, read_date(claims, "iat"));
  (void)issued;  // says nothing about validity, but must be a date
  if (!expires) return refuse("it has no exp");
  if (now >= *expires) return refuse("it has expired");
  if (begins && now < *begins) return refuse("it is not yet valid");
  if (audience.empty() ||
      std::find(svid.audience.begin(), svid.audience.end(), audience) == svid.audience.end()) {
    return refuse("it was made for another audience");
  }
  svid.expires = *expires;
  return svid;
}

}  // namespace mandated::identity
