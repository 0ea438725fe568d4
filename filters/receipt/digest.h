// SHA-256 as the engine uses it: of a signing input (par_hash), of a key (thumbprint), and of a
// whole chain.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace mandated::receipt {

using Sha256 = std::array<std::uint8_t, 32>;

Sha256 sha256(std::string_view bytes);

/// base64url of sha256: the form of par_hash and of JWK thumbprints.
std::string sha256_text(std::string_view bytes);

/// Over each part with its length before it, so that no two lists of parts share an input.
Sha256 sha256_framed(std::span<const std::string_view> parts);

}  // namespace mandated::receipt
