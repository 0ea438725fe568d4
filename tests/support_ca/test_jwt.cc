#include "tests/support_ca/test_jwt.h"

#include <openssl/digest.h>
#include <openssl/ec_key.h>
#include <openssl/ecdsa.h>
#include <openssl/rsa.h>

#include <array>
#include <cstdint>
#include <cstdlib>

#include "filters/receipt/base64url.h"

namespace mandated::test {

namespace {

void check(bool step) {
  if (!step) std::abort();
}

const EVP_MD* digest_of(std::string_view algorithm) {
  if (algorithm == "EdDSA") return nullptr;
  if (algorithm.ends_with("384")) return EVP_sha384();
  if (algorithm.ends_with("512")) return EVP_sha512();
  return EVP_sha256();
}

std::string sign_ecdsa(std::string_view message, EVP_PKEY* key, const EVP_MD* digest) {
  std::array<std::uint8_t, EVP_MAX_MD_SIZE> hash{};
  unsigned hash_size = 0;
  check(EVP_Digest(message.data(), message.size(), hash.data(), &hash_size, digest, nullptr) == 1);
  const EC_KEY* ec = EVP_PKEY_get0_EC_KEY(key);
  std::string signature(ECDSA_size_p1363(ec), '\0');
  std::size_t size = 0;
  check(ECDSA_sign_p1363(hash.data(), hash_size, reinterpret_cast<std::uint8_t*>(signature.data()),
                         &size, signature.size(), ec) == 1);
  signature.resize(size);
  return signature;
}

std::string sign(std::string_view message, EVP_PKEY* key, std::string_view algorithm) {
  const EVP_MD* digest = digest_of(algorithm);
  if (EVP_PKEY_id(key) == EVP_PKEY_EC) return sign_ecdsa(message, key, digest);
  bssl::ScopedEVP_MD_CTX context;
  EVP_PKEY_CTX* rules = nullptr;
  check(EVP_DigestSignInit(context.get(), &rules, digest, nullptr, key) == 1);
  if (algorithm.starts_with("PS")) {
    check(EVP_PKEY_CTX_set_rsa_padding(rules, RSA_PKCS1_PSS_PADDING) == 1 &&
          EVP_PKEY_CTX_set_rsa_pss_saltlen(rules, RSA_PSS_SALTLEN_DIGEST) == 1);
  }
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(message.data());
  std::size_t size = 0;
  check(EVP_DigestSign(context.get(), nullptr, &size, bytes, message.size()) == 1);
  std::string signature(size, '\0');
  check(EVP_DigestSign(context.get(), reinterpret_cast<std::uint8_t*>(signature.data()), &size,
                       bytes, message.size()) == 1);
  signature.resize(size);
  return signature;
}

}  // namespace

std::string sign_jwt(std::string_view header, std::string_view payload, EVP_PKEY* key,
                     std::string_view algorithm) {
  const std::string message =
      receipt::encode_base64url(header) + "." + receipt::encode_base64url(payload);
  return message + "." + receipt::encode_base64url(sign(message, key, algorithm));
}

}  // namespace mandated::test
