// X.509-SVIDs and bundles as the SPIFFE Workload API gives them: DER, one certificate after the
// other, and a PKCS#8 key beside them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "proxy/identity/identity.h"

namespace mandated::identity {

/// The certificates that stand one after the other. kMalformed: none, more than 64, or bytes that
/// are none.
Result<std::vector<std::string>> split_certificates(std::string_view der);

/// An SVID that is what it should be: its chain leads to `bundle`, the certificates of its trust
/// domain, on either side of a connection, now; it names `spiffe_id`; and `key_der` is its key.
/// It expires when the first certificate of its chain does. kMalformed, or kPeerIdentity as
/// verify_x509_svid.
Result<Svid> read_svid(std::string_view spiffe_id, std::string_view chain_der,
                       std::string_view key_der, const std::vector<std::string>& bundle,
                       Clock::WallTime now);

/// Whether peers can be checked by these certificates; kInvalidConfig says why not.
Result<void> check_bundle(const std::string& trust_domain,
                          const std::vector<std::string>& certificates);

}  // namespace mandated::identity
