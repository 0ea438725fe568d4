// Base64url as RFC 7515 uses it, read strictly: no padding, no white space, and unused trailing
// bits zero, so that each byte string has exactly one spelling and a signed token cannot be
// respelt.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace mandated::receipt {

std::string encode_base64url(std::span<const std::uint8_t> bytes);
std::string encode_base64url(std::string_view bytes);
std::optional<std::string> decode_base64url(std::string_view text);

}  // namespace mandated::receipt
