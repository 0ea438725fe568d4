#include "proxy/identity/certificate.h"

#include <openssl/ec_key.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/x509.h>

#include <algorithm>
#include <chrono>

#include "filters/receipt/digest.h"

namespace mandated::identity {

namespace {

constexpr unsigned kRsaBitsMin = 2048;
constexpr unsigned kRsaBitsMax = 8192;  // beyond it, a peer could buy our time with his key

Clock::WallTime time_of(const ASN1_TIME* time, Clock::WallTime when_unreadable) {
  std::int64_t seconds = 0;
  return ASN1_TIME_to_posix(time, &seconds) == 1 ? from_posix(seconds) : when_unreadable;
}

}  // namespace

bssl::UniquePtr<X509> parse_certificate(std::string_view der) {
  const auto* next = reinterpret_cast<const std::uint8_t*>(der.data());
  const auto* end = next + der.size();
  bssl::UniquePtr<X509> certificate(d2i_X509(nullptr, &next, static_cast<long>(der.size())));
  if (next != end) certificate.reset();
  return certificate;
}

std::string to_der(const X509* certificate) {
  std::uint8_t* bytes = nullptr;
  const int size = i2d_X509(certificate, &bytes);
  if (size <= 0) return {};
  const bssl::UniquePtr<std::uint8_t> owner(bytes);
  return {reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size)};
}

std::string_view key_weakness(const X509* certificate) {
  EVP_PKEY* key = X509_get0_pubkey(certificate);
  if (key == nullptr) return "its public key cannot be read";
  switch (EVP_PKEY_id(key)) {
    case EVP_PKEY_RSA: {
      const auto bits = static_cast<unsigned>(EVP_PKEY_bits(key));
      if (bits < kRsaBitsMin) return "its RSA key is shorter than 2048 bits";
      if (bits > kRsaBitsMax) return "its RSA key is longer than 8192 bits";
      return {};
    }
    case EVP_PKEY_EC: {
      const int curve = EVP_PKEY_get_ec_curve_nid(key);
      if (curve == NID_X9_62_prime256v1 || curve == NID_secp384r1) return {};
      return "its curve is neither P-256 nor P-384";
    }
    case EVP_PKEY_ED25519:
      return {};
    default:
      return "its key is of an unknown kind";
  }
}

std::string key_thumbprint(const X509* certificate) {
  std::uint8_t* bytes = nullptr;
  const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &bytes);
  if (size <= 0) return {};
  const bssl::UniquePtr<std::uint8_t> owner(bytes);
  return receipt::sha256_text(
      {reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size)});
}

bool is_sound_signature_algorithm(const X509* certificate) {
  switch (X509_get_signature_nid(certificate)) {
    case NID_sha256WithRSAEncryption:
    case NID_sha384WithRSAEncryption:
    case NID_sha512WithRSAEncryption:
    case NID_rsassaPss:  // BoringSSL reads it with SHA-256, SHA-384 and SHA-512 only
    case NID_ecdsa_with_SHA256:
    case NID_ecdsa_with_SHA384:
    case NID_ecdsa_with_SHA512:
    case NID_ED25519:
      return true;
    default:
      return false;
  }
}

Clock::WallTime not_before(const X509* certificate) {
  return time_of(X509_get0_notBefore(certificate), Clock::WallTime::max());
}

Clock::WallTime not_after(const X509* certificate) {
  return time_of(X509_get0_notAfter(certificate), Clock::WallTime::min());
}

std::int64_t to_posix(Clock::WallTime time) {
  return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
}

Clock::WallTime from_posix(std::int64_t seconds) {
  const std::int64_t lowest = to_posix(Clock::WallTime::min()) + 1;
  const std::int64_t highest = to_posix(Clock::WallTime::max());
  return Clock::WallTime(std::chrono::seconds(std::clamp(seconds, lowest, highest)));
}

}  // namespace mandated::identity
