#include "proxy/attest/evidence_keys.h"

#include <openssl/bn.h>
#include <openssl/bytestring.h>
#include <openssl/ec_key.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/x509.h>

#include <algorithm>
#include <array>

#include "proxy/identity/certificate.h"

namespace mandated::attest {

namespace {

constexpr int kDepthMax = 8;

}  // namespace

Result<Roots> make_roots(const std::vector<std::string>& der) {
  if (der.empty()) return fail(Code::kInvalidConfig, "no root certificate is given");
  Roots roots(X509_STORE_new(), X509_STORE_free);
  for (const std::string& each : der) {
    const bssl::UniquePtr<X509> root = identity::parse_certificate(each);
    if (!root || X509_check_ca(root.get()) != 1 ||
        X509_STORE_add_cert(roots.get(), root.get()) != 1) {
      return fail(Code::kInvalidConfig, "a root certificate is unfit");
    }
  }
  return roots;
}

Result<void> check_evidence_path(const Roots& roots, const identity::Certificates& chain,
                                 Clock::WallTime now) {
  const X509* leaf = chain.front().get();
  const std::uint32_t flags = X509_get_extension_flags(chain.front().get());
  const std::uint32_t usage = X509_get_key_usage(chain.front().get());
  if ((flags & (EXFLAG_CA | EXFLAG_INVALID | EXFLAG_CRITICAL)) != 0 ||
      (usage & X509v3_KU_DIGITAL_SIGNATURE) == 0) {
    return fail(Code::kPeerIdentity, "its certificate is not one that signs evidence");
  }
  if (!identity::key_weakness(leaf).empty()) {
    return fail(Code::kPeerIdentity, "its certificate's key is unfit");
  }
  const auto path = identity::find_path(roots.get(), chain, [&](X509_VERIFY_PARAM* rules) {
    X509_VERIFY_PARAM_set_time_posix(rules, identity::to_posix(now));
    X509_VERIFY_PARAM_set_depth(rules, kDepthMax);
    return true;
  });
  if (!path) return fail(Code::kPeerIdentity, "its certificates: " + path.error().text);
  const bool sound = std::all_of(path->begin(), path->end() - 1, [](const auto& certificate) {
    return identity::is_sound_signature_algorithm(certificate.get());
  });
  if (!sound) return fail(Code::kPeerIdentity, "a certificate is signed with an unfit algorithm");
  return {};
}

bool ecdsa_verifies(EVP_PKEY* key, int curve, const EVP_MD* digest, std::string_view message,
                    std::string_view signature) {
  if (key == nullptr || EVP_PKEY_id(key) != EVP_PKEY_EC ||
      EVP_PKEY_get_ec_curve_nid(key) != curve) {
    return false;
  }
  const std::size_t half = signature.size() / 2;
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(signature.data());
  const bssl::UniquePtr<ECDSA_SIG> pair(ECDSA_SIG_new());
  BIGNUM* r = BN_bin2bn(bytes, half, nullptr);
  BIGNUM* s = BN_bin2bn(bytes + half, half, nullptr);
  if (!pair || ECDSA_SIG_set0(pair.get(), r, s) != 1) return false;
  std::uint8_t* der = nullptr;
  std::size_t size = 0;
  if (ECDSA_SIG_to_bytes(&der, &size, pair.get()) != 1) return false;
  const bssl::UniquePtr<std::uint8_t> owner(der);
  bssl::ScopedEVP_MD_CTX context;
  return EVP_DigestVerifyInit(context.get(), nullptr, digest, nullptr, key) == 1 &&
         EVP_DigestVerify(context.get(), der, size,
                          reinterpret_cast<const std::uint8_t*>(message.data()),
                          message.size()) == 1;
}

std::string to_hex(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const char each : bytes) {
    const auto byte = static_cast<unsigned char>(each);
    text += kDigits[byte >> 4U];
    text += kDigits[byte & 0xFU];
  }
  return text;
}

bool all_zero(std::string_view bytes) {
  return bytes.find_first_not_of('\0') == std::string_view::npos;
}

}  // namespace mandated::attest
