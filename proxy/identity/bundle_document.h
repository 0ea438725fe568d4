// The SPIFFE bundle document (Trust-Domain-and-Bundle standard section 4): a JWK Set with the CA
// certificates of one trust domain, as other domains fetch it.
#pragma once

#include <string>
#include <vector>

#include "proxy/base/result.h"

namespace mandated::identity {

/// kUnsupported for a certificate whose key is not P-256: the embedded trust domain has no others.
Result<std::string> to_bundle_document(const std::vector<std::string>& certificates_der);

}  // namespace mandated::identity
