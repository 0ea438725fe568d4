// Keys of receipts and proofs: Ed25519 (RFC 8037, alg EdDSA) and P-256 (RFC 7518, alg ES256).
// Nothing else. Handles over BoringSSL; private key bytes are wiped when the last handle goes.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "filters/receipt/refusal.h"
#include "proxy/json/json.h"

// From <openssl/base.h>, for keys that come from proxy/identity.
struct evp_pkey_st;

namespace mandated::receipt {

enum class KeyType : std::uint8_t { kEd25519, kP256 };

/// A public key, decoded once so that verification costs no parsing. Cheap to copy.
class PublicKey {
 public:
  /// From a JWK (RFC 7517). Refuses private members (d, p, q, …), other curves, points off the
  /// curve, and non-canonical base64url. kMalformed names the member.
  static Checked<PublicKey> from_jwk(const json::Value& jwk);

  /// From a SubjectPublicKeyInfo (RFC 5280), as browsers give it out for a new passkey: the one DER
  /// form that RFC 8410 and RFC 5480 have for these keys, uncompressed. kMalformed for any other.
  static Checked<PublicKey> from_spki(std::string_view der);

  /// The public part of a key. kMalformed for other kinds of keys.
  static Checked<PublicKey> from_handle(const evp_pkey_st* handle);

  KeyType type() const;
  /// The JWS `alg` that goes with this key: "EdDSA" or "ES256".
  std::string_view algorithm() const;
  /// True if `signature` (64 bytes; r‖s for ES256) is this key's signature over `message`.
  bool verify(std::string_view message, std::string_view signature) const;
  /// The same for a signature as authenticators make it: ES256 in strict ASN.1 DER (W3C Web
  /// Authentication section 6.5.5), Ed25519 as above.
  bool verify_as_passkey(std::string_view message, std::string_view signature) const;
  /// SHA-256 JWK thumbprint (RFC 7638), base64url.
  const std::string& thumbprint() const;
  /// The SubjectPublicKeyInfo that from_spki reads.
  std::string spki() const;
  /// The JWK with required members only, in RFC 7638 order.
  std::string jwk() const;

  bool operator==(const PublicKey& other) const { return thumbprint() == other.thumbprint(); }

 private:
  friend class PrivateKey;
  struct Body;
  std::shared_ptr<const Body> body_;
};

class PrivateKey {
 public:
  static PrivateKey generate(KeyType type);
  static Checked<PrivateKey> from_jwk(const json::Value& jwk);
  /// A copy of a key. kMalformed for other kinds of keys, and for one without its private part.
  static Checked<PrivateKey> from_handle(const evp_pkey_st* handle);

  const PublicKey& public_key() const;
  /// 64 bytes, JWS form.
  std::string sign(std::string_view message) const;
  /// The private JWK. Write it with mode 0600 only.
  std::string jwk() const;

 private:
  struct Body;
  std::shared_ptr<const Body> body_;
};

}  // namespace mandated::receipt
