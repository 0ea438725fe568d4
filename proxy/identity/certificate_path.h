// Paths from a peer's certificate to one that is trusted (RFC 5280 section 6), as SVIDs and servers
// of the web both need them; for identity/ and tls/.
#pragma once

#include <openssl/base.h>

#include <functional>
#include <tl/expected.hpp>
#include <vector>

#include "proxy/identity/x509_svid.h"

namespace mandated::identity {

/// Leaf first.
using Certificates = std::vector<bssl::UniquePtr<X509>>;

/// The path from the leaf of `chain` to what `store` trusts. `set_rules` says what is asked of it;
/// false when out of memory.
tl::expected<Certificates, TrustStore::Refusal> find_path(
    X509_STORE* store, const Certificates& chain,
    const std::function<bool(X509_VERIFY_PARAM*)>& set_rules);

/// When the first of them to expire does.
Clock::WallTime first_expiry(const Certificates& path);

}  // namespace mandated::identity
