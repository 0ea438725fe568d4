#include "proxy/identity/bundle_document.h"

#include <openssl/base64.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <algorithm>
#include <utility>

#include "proxy/identity/certificate.h"
#include "proxy/identity/jwk.h"
#include "proxy/json/json.h"
#include "proxy/json/writer.h"

namespace mandated::identity {

namespace {

constexpr json::Limits kLimits{.bytes_max = 1U << 20U, .depth_max = 8};
constexpr std::size_t kKeysMax = 64;  // of one use
constexpr std::string_view kX509 = "x509-svid";
constexpr std::string_view kJwt = "jwt-svid";
constexpr std::string_view kWit = "wit-svid";

Failure malformed(std::string text) {
  return fail(Code::kMalformed, "bundle document: " + std::move(text));
}

/// With padding (RFC 4648 section 4), as `x5c` has it.
std::string base64(std::string_view bytes) {
  std::string text(bytes.size() / 3 * 4 + 5, '\0');
  text.resize(EVP_EncodeBlock(reinterpret_cast<std::uint8_t*>(text.data()),
                              reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()));
  return text;
}

std::optional<std::string> decode_base64(std::string_view text) {
  std::string bytes(text.size() / 4 * 3, '\0');
  std::size_t size = 0;
  if (EVP_DecodeBase64(reinterpret_cast<std::uint8_t*>(bytes.data()), &size, bytes.size(),
                       reinterpret_cast<const std::uint8_t*>(text.data()), text.size()) != 1) {
    return std::nullopt;
  }
  bytes.resize(size);
  return bytes;
}

/// X509-SVID standard section 6.2: the first of `x5c`, if there is one.
Result<void> read_certificate(const json::Value& jwk, const EVP_PKEY* key, BundleDocument& into) {
  const json::Value* chain = jwk.find("x5c");
  if (chain == nullptr || !chain->is_array() || chain->array().empty()) return {};
  const json::Value& first = chain->array().front();
  auto der = first.is_string() ? decode_base64(first.string()) : std::nullopt;
  const bssl::UniquePtr<X509> certificate = der ? parse_certificate(*der) : nullptr;
  if (!certificate) return malformed("an x5c cannot be read");
  const EVP_PKEY* certified = X509_get0_pubkey(certificate.get());
  if (certified == nullptr || EVP_PKEY_cmp(certified, key) != 1) {
    return malformed("an x5c is of another key than its JWK");  // RFC 7517 section 4.7
  }
  into.certificates_der.push_back(std::move(*der));
  if (into.certificates_der.size() > kKeysMax) {
    return fail(Code::kTooLarge, "bundle document: more than 64 certificates");
  }
  return {};
}

/// JWT-SVID standard section 6.1, WIT-SVID standard section 6.1.
Result<void> read_jwt_key(const json::Value& jwk, JwtKey key, BundleDocument& into) {
  const auto kid = jwk.find_string("kid");
  if (!kid || kid->empty()) return malformed("a JWT key has no kid");
  const bool known = std::any_of(into.jwt_keys.begin(), into.jwt_keys.end(),
                                 [&](const JwtKey& other) { return other.kid == *kid; });
  if (known) return malformed("two JWT keys have one kid");
  key.kid = *kid;
  into.jwt_keys.push_back(std::move(key));
  if (into.jwt_keys.size() > kKeysMax) {
    return fail(Code::kTooLarge, "bundle document: more than 64 JWT keys");
  }
  return {};
}

Result<void> read_key(const json::Value& jwk, BundleDocument& into) {
  if (!jwk.is_object()) return malformed("a key is no object");
  const auto use = jwk.find_string("use");
  if (use != kX509 && use != kJwt && use != kWit) return {};
  auto key = parse_public_jwk(jwk);
  if (!key && key.error().code == Code::kUnsupported) return {};
  if (!key) return malformed(key.error().text);
  if (use == kX509) return read_certificate(jwk, key->get(), into);
  JwtKey read;
  read.key = std::move(*key);
  read.use = use == kJwt ? JwtKey::Use::kJwtSvid : JwtKey::Use::kWitSvid;
  return read_jwt_key(jwk, std::move(read), into);
}

Result<std::optional<std::uint64_t>> read_integer(const json::Value& root, std::string_view name) {
  const json::Value* value = root.find(name);
  if (value == nullptr) return std::nullopt;
  const auto number = value->integer();
  if (!number || *number < 0) return malformed(std::string(name) + " is no whole number");
  return static_cast<std::uint64_t>(*number);
}

}  // namespace

Result<BundleDocument> parse_bundle_document(std::string_view text) {
  const auto parsed = json::Document::parse(text, kLimits);
  if (!parsed) {
    const bool large = parsed.error().reason == json::ParseError::Reason::kTooLarge;
    return fail(large ? Code::kTooLarge : Code::kMalformed,
                "bundle document: " + parsed.error().text);
  }
  const json::Value& root = parsed->root();
  const json::Value* keys = root.find("keys");
  if (keys == nullptr || !keys->is_array()) return malformed("it has no array \"keys\"");
  BundleDocument document;
  for (const json::Value& jwk : keys->array()) {
    CHECK(read_key(jwk, document));
  }
  TRY(document.sequence, read_integer(root, "spiffe_sequence"));
  TRY(const auto hint, read_integer(root, "spiffe_refresh_hint"));
  if (hint) document.refresh_hint = std::chrono::seconds(*hint);
  return document;
}

Result<std::string> to_bundle_document(const BundleDocument& document) {
  json::ArrayWriter keys;
  for (const std::string& der : document.certificates_der) {
    const bssl::UniquePtr<X509> certificate = parse_certificate(der);
    const EVP_PKEY* key = certificate ? X509_get0_pubkey(certificate.get()) : nullptr;
    json::ObjectWriter jwk;
    jwk.text("use", kX509);
    if (key == nullptr || !write_public_jwk(key, jwk)) {
      return fail(Code::kUnsupported, "a CA certificate whose key is of an unknown kind");
    }
    keys.json(jwk.json("x5c", json::ArrayWriter().text(base64(der)).take()).take());
  }
  for (const JwtKey& known : document.jwt_keys) {
    json::ObjectWriter jwk;
    jwk.text("use", known.use == JwtKey::Use::kJwtSvid ? kJwt : kWit).text("kid", known.kid);
    if (!write_public_jwk(known.key.get(), jwk)) {
      return fail(Code::kUnsupported, "a JWT key of an unknown kind");
    }
    keys.json(jwk.take());
  }
  json::ObjectWriter root;
  root.json("keys", keys.take());
  if (document.sequence) root.json("spiffe_sequence", std::to_string(*document.sequence));
  if (document.refresh_hint) {
    root.json("spiffe_refresh_hint", std::to_string(document.refresh_hint->count()));
  }
  return root.take() + "\n";
}

}  // namespace mandated::identity
