// Tokens for tests, signed by BoringSSL alone: header and payload are any text, so that each can
// lie.
#pragma once

#include <openssl/evp.h>

#include <string>
#include <string_view>

namespace mandated::test {

/// The compact form of `header` and `payload`, signed as `algorithm` (a JWS `alg` of RFC 7518, or
/// EdDSA) bids, whatever the header says. Precondition: the key is of its kind.
std::string sign_jwt(std::string_view header, std::string_view payload, EVP_PKEY* key,
                     std::string_view algorithm);

}  // namespace mandated::test
