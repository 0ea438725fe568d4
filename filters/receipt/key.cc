// Keys over BoringSSL. Ed25519 keys are their bytes (BoringSSL offers no decoded form to keep);
// P-256 keys are decoded and checked to lie on the curve once.
#include "filters/receipt/key.h"

#include <openssl/bytestring.h>
#include <openssl/curve25519.h>
#include <openssl/ec.h>
#include <openssl/ec_key.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/nid.h>

#include <algorithm>
#include <optional>

#include "filters/receipt/base64url.h"
#include "filters/receipt/digest.h"

namespace mandated::receipt {
namespace {

constexpr std::size_t kCoordinateSize = 32;
constexpr std::size_t kSignatureSize = 64;

const std::uint8_t* bytes_of(std::string_view text) {
  return reinterpret_cast<const std::uint8_t*>(text.data());
}

// Strict base64url has one text for the same bytes.
struct Coordinate {
  explicit Coordinate(std::string from) : bytes(std::move(from)), text(encode_base64url(bytes)) {}
  Coordinate(std::string from, std::string_view as) : bytes(std::move(from)), text(as) {}
  std::string bytes;
  std::string text;
};

Checked<Coordinate> read_coordinate(const json::Value& jwk, std::string_view member) {
  const auto text = jwk.find_string(member);
  if (!text)
    return refuse(Code::kMalformed,
                  "The key has no member " + shown(member) + " that is a string.");
  auto bytes = decode_base64url(*text);
  if (!bytes || bytes->size() != kCoordinateSize) {
    return refuse(Code::kMalformed,
                  "The key's member " + shown(member) + " is not 32 bytes in base64url.");
  }
  return Coordinate(std::move(*bytes), *text);
}

Checked<KeyType> read_type(const json::Value& jwk) {
  if (!jwk.is_object()) return refuse(Code::kMalformed, "The key is not a JSON object.");
  const auto type = jwk.find_string("kty");
  const auto curve = jwk.find_string("crv");
  if (type == "OKP" && curve == "Ed25519") return KeyType::kEd25519;
  if (type == "EC" && curve == "P-256") return KeyType::kP256;
  return refuse(Code::kMalformed, R"(The key is neither Ed25519 ("OKP") nor P-256 ("EC").)");
}

bssl::UniquePtr<EC_KEY> ec_public_key(std::string_view x, std::string_view y) {
  constexpr char kUncompressed = 0x04;
  const std::string point = std::string(1, kUncompressed).append(x).append(y);
  bssl::UniquePtr<EC_KEY> key(EC_KEY_new_by_curve_name(NID_X9_62_prime256v1));
  if (EC_KEY_oct2key(key.get(), bytes_of(point), point.size(), nullptr) != 1) return nullptr;
  return key;
}

// All of a SubjectPublicKeyInfo that stands before the key: DER leaves no choice.
constexpr std::string_view kEd25519Prefix("\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00", 12);
constexpr std::string_view kP256Prefix(
    "\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01"
    "\x07\x03\x42\x00\x04",
    27);

}  // namespace

struct PublicKey::Body {
  KeyType type = KeyType::kEd25519;
  std::string x;
  std::string y;               // P-256 only
  bssl::UniquePtr<EC_KEY> ec;  // P-256 only
  std::string jwk;             // RFC 7638 form: required members, sorted
  std::string thumbprint;

  // Null if the point is not on the curve.
  static std::shared_ptr<const Body> make(KeyType type, Coordinate x,
                                          std::optional<Coordinate> y = std::nullopt) {
    auto body = std::make_shared<Body>();
    body->type = type;
    if (type == KeyType::kP256) {
      body->ec = ec_public_key(x.bytes, y->bytes);
      if (body->ec == nullptr) return nullptr;
      body->jwk = R"({"crv":"P-256","kty":"EC","x":")" + x.text + R"(","y":")" + y->text + "\"}";
      body->y = std::move(y->bytes);
    } else {
      body->jwk = R"({"crv":"Ed25519","kty":"OKP","x":")" + x.text + "\"}";
    }
    body->thumbprint = sha256_text(body->jwk);
    body->x = std::move(x.bytes);
    return body;
  }
};

Checked<PublicKey> PublicKey::from_jwk(const json::Value& jwk) {
  const auto type = read_type(jwk);
  if (!type) return tl::unexpected(type.error());
  for (const std::string_view member : {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}) {
    if (jwk.find(member) != nullptr) {
      return refuse(Code::kMalformed,
                    "The public key carries the private member " + shown(member) + ".");
    }
  }
  auto x = read_coordinate(jwk, "x");
  if (!x) return tl::unexpected(x.error());
  std::optional<Coordinate> y;
  if (*type == KeyType::kP256) {
    auto read = read_coordinate(jwk, "y");
    if (!read) return tl::unexpected(read.error());
    y.emplace(std::move(*read));
  }
  PublicKey key;
  key.body_ = Body::make(*type, std::move(*x), std::move(y));
  if (key.body_ == nullptr)
    return refuse(Code::kMalformed, "The key is not a point of the P-256 curve.");
  return key;
}

Checked<PublicKey> PublicKey::from_spki(std::string_view der) {
  PublicKey key;
  if (der.starts_with(kEd25519Prefix) && der.size() == kEd25519Prefix.size() + kCoordinateSize) {
    key.body_ =
        Body::make(KeyType::kEd25519, Coordinate(std::string(der.substr(kEd25519Prefix.size()))));
  } else if (der.starts_with(kP256Prefix) &&
             der.size() == kP256Prefix.size() + 2 * kCoordinateSize) {
    const std::string_view point = der.substr(kP256Prefix.size());
    key.body_ =
        Body::make(KeyType::kP256, Coordinate(std::string(point.substr(0, kCoordinateSize))),
                   Coordinate(std::string(point.substr(kCoordinateSize))));
  }
  if (key.body_ == nullptr)
    return refuse(Code::kMalformed, "The key is neither an Ed25519 nor a P-256 public key in DER.");
  return key;
}

Checked<PublicKey> PublicKey::from_handle(const evp_pkey_st* handle) {
  bssl::ScopedCBB der;
  if (handle == nullptr || CBB_init(der.get(), 128) != 1 ||
      EVP_marshal_public_key(der.get(), handle) != 1 || CBB_flush(der.get()) != 1) {
    return refuse(Code::kMalformed, "The key cannot be written out.");
  }
  return from_spki({reinterpret_cast<const char*>(CBB_data(der.get())), CBB_len(der.get())});
}

KeyType PublicKey::type() const { return body_->type; }

std::string_view PublicKey::algorithm() const {
  return body_->type == KeyType::kEd25519 ? "EdDSA" : "ES256";
}

bool PublicKey::verify(std::string_view message, std::string_view signature) const {
  if (signature.size() != kSignatureSize) return false;
  if (body_->type == KeyType::kEd25519) {
    return ED25519_verify(bytes_of(message), message.size(), bytes_of(signature),
                          bytes_of(body_->x)) == 1;
  }
  const Sha256 digest = sha256(message);
  return ECDSA_verify_p1363(digest.data(), digest.size(), bytes_of(signature), signature.size(),
                            body_->ec.get()) == 1;
}

bool PublicKey::verify_as_passkey(std::string_view message, std::string_view signature) const {
  if (body_->type == KeyType::kEd25519) return verify(message, signature);
  const Sha256 digest = sha256(message);
  // Refuses any encoding but the one DER has for these numbers, and bytes after it.
  return ECDSA_verify(0, digest.data(), digest.size(), bytes_of(signature), signature.size(),
                      body_->ec.get()) == 1;
}

const std::string& PublicKey::thumbprint() const { return body_->thumbprint; }

std::string PublicKey::jwk() const { return body_->jwk; }

std::string PublicKey::spki() const {
  const bool p256 = body_->type == KeyType::kP256;
  return std::string(p256 ? kP256Prefix : kEd25519Prefix).append(body_->x).append(body_->y);
}

struct PrivateKey::Body {
  PublicKey public_key;
  std::string secret;  // Ed25519: the 32-byte seed; P-256: the scalar
  std::array<std::uint8_t, ED25519_PRIVATE_KEY_LEN> expanded{};  // Ed25519 only
  bssl::UniquePtr<EC_KEY> ec;                                    // P-256 only

  Body() = default;
  Body(const Body&) = delete;
  Body& operator=(const Body&) = delete;
  ~Body() {
    OPENSSL_cleanse(secret.data(), secret.size());
    OPENSSL_cleanse(expanded.data(), expanded.size());
  }
};

namespace {

std::string text_of(std::span<const std::uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// X and Y of the uncompressed point.
std::pair<Coordinate, Coordinate> coordinates(const EC_KEY* key) {
  std::array<std::uint8_t, 1 + 2 * kCoordinateSize> point{};
  const EC_POINT* public_point = EC_KEY_get0_public_key(key);
  EC_POINT_point2oct(EC_KEY_get0_group(key), public_point, POINT_CONVERSION_UNCOMPRESSED,
                     point.data(), point.size(), nullptr);
  const std::span<const std::uint8_t> all(point);
  return {Coordinate(text_of(all.subspan(1, kCoordinateSize))),
          Coordinate(text_of(all.subspan(1 + kCoordinateSize)))};
}

// The key pair of a scalar, or null if it is out of range.
bssl::UniquePtr<EC_KEY> ec_private_key(std::string_view scalar) {
  bssl::UniquePtr<EC_KEY> key(EC_KEY_new_by_curve_name(NID_X9_62_prime256v1));
  if (EC_KEY_oct2priv(key.get(), bytes_of(scalar), scalar.size()) != 1) return nullptr;
  bssl::UniquePtr<EC_POINT> point(EC_POINT_new(EC_KEY_get0_group(key.get())));
  if (EC_POINT_mul(EC_KEY_get0_group(key.get()), point.get(), EC_KEY_get0_private_key(key.get()),
                   nullptr, nullptr, nullptr) != 1 ||
      EC_KEY_set_public_key(key.get(), point.get()) != 1) {
    return nullptr;
  }
  return key;
}

}  // namespace

PrivateKey PrivateKey::generate(KeyType type) {
  auto body = std::make_shared<Body>();
  if (type == KeyType::kEd25519) {
    std::array<std::uint8_t, ED25519_PUBLIC_KEY_LEN> public_bytes{};
    ED25519_keypair(public_bytes.data(), body->expanded.data());
    body->secret = text_of(std::span(body->expanded).first(kCoordinateSize));
    body->public_key.body_ = PublicKey::Body::make(type, Coordinate(text_of(public_bytes)));
  } else {
    body->ec.reset(EC_KEY_new_by_curve_name(NID_X9_62_prime256v1));
    EC_KEY_generate_key(body->ec.get());
    body->secret.resize(kCoordinateSize);
    EC_KEY_priv2oct(body->ec.get(), reinterpret_cast<std::uint8_t*>(body->secret.data()),
                    body->secret.size());
    auto [x, y] = coordinates(body->ec.get());
    body->public_key.body_ = PublicKey::Body::make(type, std::move(x), std::move(y));
  }
  PrivateKey key;
  key.body_ = std::move(body);
  return key;
}

Checked<PrivateKey> PrivateKey::from_jwk(const json::Value& jwk) {
  const auto type = read_type(jwk);
  if (!type) return tl::unexpected(type.error());
  auto secret = read_coordinate(jwk, "d");
  if (!secret) return tl::unexpected(secret.error());
  auto body = std::make_shared<Body>();
  body->secret = std::move(secret->bytes);
  OPENSSL_cleanse(secret->text.data(), secret->text.size());
  if (*type == KeyType::kEd25519) {
    std::array<std::uint8_t, ED25519_PUBLIC_KEY_LEN> public_bytes{};
    ED25519_keypair_from_seed(public_bytes.data(), body->expanded.data(), bytes_of(body->secret));
    body->public_key.body_ = PublicKey::Body::make(*type, Coordinate(text_of(public_bytes)));
  } else {
    body->ec = ec_private_key(body->secret);
    if (body->ec == nullptr)
      return refuse(Code::kMalformed, "The private key is out of range for P-256.");
    auto [x, y] = coordinates(body->ec.get());
    body->public_key.body_ = PublicKey::Body::make(*type, std::move(x), std::move(y));
  }
  const PublicKey::Body& made = *body->public_key.body_;
  const auto x = read_coordinate(jwk, "x");
  if (!x) return tl::unexpected(x.error());
  bool matches = x->bytes == made.x;
  if (*type == KeyType::kP256) {
    const auto y = read_coordinate(jwk, "y");
    if (!y) return tl::unexpected(y.error());
    matches = matches && y->bytes == made.y;
  }
  if (!matches)
    return refuse(Code::kMalformed, "The key's public part does not belong to its private part.");
  PrivateKey key;
  key.body_ = std::move(body);
  return key;
}

Checked<PrivateKey> PrivateKey::from_handle(const evp_pkey_st* handle) {
  auto body = std::make_shared<Body>();
  body->secret.resize(kCoordinateSize);
  auto* const secret = reinterpret_cast<std::uint8_t*>(body->secret.data());
  const EC_KEY* const ec = handle != nullptr ? EVP_PKEY_get0_EC_KEY(handle) : nullptr;
  if (ec != nullptr && EC_GROUP_get_curve_name(EC_KEY_get0_group(ec)) == NID_X9_62_prime256v1 &&
      EC_KEY_get0_private_key(ec) != nullptr &&
      EC_KEY_priv2oct(ec, secret, kCoordinateSize) == kCoordinateSize) {
    body->ec = ec_private_key(body->secret);
    auto [x, y] = coordinates(body->ec.get());
    body->public_key.body_ = PublicKey::Body::make(KeyType::kP256, std::move(x), std::move(y));
  } else {
    std::size_t size = kCoordinateSize;
    if (handle == nullptr || EVP_PKEY_id(handle) != EVP_PKEY_ED25519 ||
        EVP_PKEY_get_raw_private_key(handle, secret, &size) != 1) {
      return refuse(Code::kMalformed, "The key is neither an Ed25519 nor a P-256 private key.");
    }
    std::array<std::uint8_t, ED25519_PUBLIC_KEY_LEN> public_bytes{};
    ED25519_keypair_from_seed(public_bytes.data(), body->expanded.data(), secret);
    body->public_key.body_ =
        PublicKey::Body::make(KeyType::kEd25519, Coordinate(text_of(public_bytes)));
  }
  PrivateKey key;
  key.body_ = std::move(body);
  return key;
}

const PublicKey& PrivateKey::public_key() const { return body_->public_key; }

std::string PrivateKey::sign(std::string_view message) const {
  std::string signature(kSignatureSize, '\0');
  auto* out = reinterpret_cast<std::uint8_t*>(signature.data());
  if (body_->ec == nullptr) {
    ED25519_sign(out, bytes_of(message), message.size(), body_->expanded.data());
    return signature;
  }
  const Sha256 digest = sha256(message);
  std::size_t size = 0;
  ECDSA_sign_p1363(digest.data(), digest.size(), out, &size, signature.size(), body_->ec.get());
  return signature;
}

std::string PrivateKey::jwk() const {
  const PublicKey::Body& made = *body_->public_key.body_;
  std::string jwk = made.jwk;
  jwk.insert(jwk.size() - 1, R"(,"d":")" + encode_base64url(body_->secret) + "\"");
  return jwk;
}

}  // namespace mandated::receipt
