// One authority of an embedded trust domain: a self-signed P-256 certificate and, while it may
// sign, its key. An authority for tokens has a certificate, too: it says from when until when, and
// is in no bundle.
#pragma once

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <string>
#include <string_view>

#include "proxy/identity/embedded.h"

namespace mandated::identity {

class Authority {
 public:
  /// A new one, valid for a year. `trust_domain` is valid.
  static Result<Authority> create(const std::string& trust_domain, Clock::WallTime now);
  /// One that was stored. kMalformed when it is no CA of a trust domain.
  static Result<Authority> load(std::string certificate_der);
  /// Its key, PKCS#8. kMalformed when it is not that of the certificate.
  Result<void> load_key(std::string_view key_der);

  const std::string& certificate_der() const { return certificate_der_; }
  const std::string& trust_domain() const { return trust_domain_; }
  Clock::WallTime begins() const { return begins_; }
  Clock::WallTime expires() const { return expires_; }
  EVP_PKEY* key() const { return key_.get(); }  ///< null: it verifies only
  /// For tokens: named by its JWK thumbprint.
  JwtKey wit_key() const;

  /// Precondition: key(). The SVID begins 10 s before `now`, for peers whose clock is behind, and
  /// ends no later than the authority.
  Result<Svid> issue(const SpiffeId& id, KeyType key_type, Clock::Duration ttl,
                     Clock::WallTime now) const;
  /// The same for a token, with a fresh P-256 key.
  Result<WorkloadToken> issue_wit(const SpiffeId& id, Clock::Duration ttl,
                                  Clock::WallTime now) const;

 private:
  std::string certificate_der_;
  bssl::UniquePtr<X509> certificate_;
  bssl::UniquePtr<EVP_PKEY> key_;
  std::string trust_domain_;
  Clock::WallTime begins_;
  Clock::WallTime expires_;
};

}  // namespace mandated::identity
