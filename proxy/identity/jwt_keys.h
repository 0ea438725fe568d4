// The JWT authorities of a trust domain, as the SPIFFE Workload API gives them: a JWK Set (RFC
// 7517).
#pragma once

#include <string_view>
#include <vector>

#include "proxy/identity/identity.h"

namespace mandated::identity {

/// Public keys that JWT-SVIDs may be signed by (JWT-SVID standard, section 3.1: RSA of 2048 bits or
/// more, P-256, P-384, P-521), each with a `kid` of its own. Keys of another kind, or whose `use`
/// is neither absent nor `jwt-svid` or `wit-svid`, are left out. kMalformed: anything else that is
/// wrong, a private key above all.
Result<std::vector<JwtKey>> read_jwt_keys(std::string_view jwk_set);

}  // namespace mandated::identity
