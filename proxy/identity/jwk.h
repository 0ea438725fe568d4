// Public keys as JSON Web Keys (RFC 7517, RFC 7518 section 6, RFC 8037): P-256, P-384, P-521, RSA
// of 2048 to 8192 bits, Ed25519.
#pragma once

#include <openssl/base.h>

#include <memory>

#include "proxy/base/result.h"
#include "proxy/json/json.h"
#include "proxy/json/writer.h"

namespace mandated::identity {

/// kUnsupported: a kind or curve that is not known here, to be passed over; kMalformed: a damaged
/// or weak key, or one with private members.
Result<std::shared_ptr<EVP_PKEY>> parse_public_jwk(const json::Value& jwk);

/// Writes `kty` and the members of the key; false when it is of no kind from above.
bool write_public_jwk(const EVP_PKEY* key, json::ObjectWriter& out);

}  // namespace mandated::identity
