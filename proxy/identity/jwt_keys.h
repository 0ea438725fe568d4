// The JWT authorities of a trust domain, as the SPIFFE Workload API gives them: a JWK Set (RFC
// 7517).
#pragma once

#include <string_view>
#include <vector>

#include "proxy/identity/identity.h"

namespace mandated::identity {

/// The public keys, each with a `kid` of its own; without a `use` they are of JWT-SVIDs. Keys of
/// another kind than jwk.h knows, or of another use than JWT-SVIDs or WITs, are left out.
/// kMalformed: anything else that is wrong, a private key above all.
Result<std::vector<JwtKey>> read_jwt_keys(std::string_view jwk_set);

}  // namespace mandated::identity
