// Small steps between BoringSSL's certificates and the standard library, for identity/ and tls/.
#pragma once

#include <openssl/base.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "proxy/base/clock.h"

namespace mandated::identity {

/// Null unless `der` is one certificate and nothing more.
bssl::UniquePtr<X509> parse_certificate(std::string_view der);
std::string to_der(const X509* certificate);

/// Empty when the key is of a kind and size that is believed; else what is wrong with it.
std::string_view key_weakness(const X509* certificate);
/// SHA-256 over its public key (SPKI, DER), base64url; empty when that cannot be read.
std::string key_thumbprint(const X509* certificate);
/// Whether it is signed as is believed: SHA-256 or better.
bool is_sound_signature_algorithm(const X509* certificate);

Clock::WallTime not_before(const X509* certificate);
Clock::WallTime not_after(const X509* certificate);

/// Whole seconds since the epoch. Times beyond what WallTime holds become its ends.
std::int64_t to_posix(Clock::WallTime time);
Clock::WallTime from_posix(std::int64_t seconds);

}  // namespace mandated::identity
