#include "proxy/identity/svid_der.h"

#include <openssl/bytestring.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <algorithm>
#include <cstdint>

#include "proxy/identity/certificate.h"
#include "proxy/identity/x509_svid.h"

namespace mandated::identity {

namespace {

constexpr std::size_t kCertificatesMax = 64;

CBS bytes_of(std::string_view text) {
  CBS bytes;
  CBS_init(&bytes, reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
  return bytes;
}

Result<std::shared_ptr<EVP_PKEY>> read_private_key(std::string_view der) {
  CBS bytes = bytes_of(der);
  std::shared_ptr<EVP_PKEY> key(EVP_parse_private_key(&bytes), EVP_PKEY_free);
  ERR_clear_error();
  if (!key || CBS_len(&bytes) != 0) return fail(Code::kMalformed, "its private key cannot be read");
  return key;
}

/// The time at which the first certificate of the chain expires.
Result<Clock::WallTime> check_chain(const SpiffeId& id, const std::vector<std::string>& chain_der,
                                    const std::vector<std::string>& bundle, Clock::WallTime now) {
  TRY(const std::shared_ptr<const TrustStore> store,
      TrustStore::make({{std::string(id.trust_domain()), bundle}}));
  const std::vector<std::string_view> chain(chain_der.begin(), chain_der.end());
  Clock::WallTime expires = Clock::WallTime::max();
  for (const Purpose purpose : {Purpose::kClient, Purpose::kServer}) {
    auto peer = store->verify(chain, purpose, now);
    if (!peer) return fail(Code::kPeerIdentity, std::move(peer).error().text);
    if (peer->id != id)
      return fail(Code::kPeerIdentity, "its certificate names " + peer->id.text());
    expires = std::min(expires, peer->expires);
  }
  return expires;
}

}  // namespace

Result<std::vector<std::string>> split_certificates(std::string_view der) {
  std::vector<std::string> certificates;
  CBS bytes = bytes_of(der);
  while (CBS_len(&bytes) > 0) {
    CBS one;
    if (CBS_get_asn1_element(&bytes, &one, CBS_ASN1_SEQUENCE) != 1) {
      return fail(Code::kMalformed, "bytes that are no certificate");
    }
    if (certificates.size() == kCertificatesMax) {
      return fail(Code::kMalformed, "more than 64 certificates");
    }
    const std::string_view text(reinterpret_cast<const char*>(CBS_data(&one)), CBS_len(&one));
    if (!parse_certificate(text)) return fail(Code::kMalformed, "bytes that are no certificate");
    certificates.emplace_back(text);
  }
  if (certificates.empty()) return fail(Code::kMalformed, "no certificate");
  return certificates;
}

Result<Svid> read_svid(std::string_view spiffe_id, std::string_view chain_der,
                       std::string_view key_der, const std::vector<std::string>& bundle,
                       Clock::WallTime now) {
  Svid svid;
  TRY(svid.id, SpiffeId::parse(spiffe_id));
  TRY(svid.chain_der, split_certificates(chain_der));
  TRY(svid.private_key, read_private_key(key_der));
  const bssl::UniquePtr<X509> leaf = parse_certificate(svid.chain_der.front());
  if (X509_check_private_key(leaf.get(), svid.private_key.get()) != 1) {
    ERR_clear_error();
    return fail(Code::kMalformed, "its private key is not that of its certificate");
  }
  TRY(svid.expires, check_chain(svid.id, svid.chain_der, bundle, now));
  svid.not_before = not_before(leaf.get());
  return svid;
}

Result<void> check_bundle(const std::string& trust_domain,
                          const std::vector<std::string>& certificates) {
  CHECK(TrustStore::make({{trust_domain, certificates}}));
  return {};
}

}  // namespace mandated::identity
