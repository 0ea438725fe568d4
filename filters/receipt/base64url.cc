// Table-driven, four characters at a time: a receipt is decoded on every cold verification.
#include "filters/receipt/base64url.h"

#include <array>
#include <cstddef>

namespace mandated::receipt {
namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::uint32_t kInvalid = 0x80000000U;

constexpr std::array<std::uint32_t, 256> make_table() {
  std::array<std::uint32_t, 256> table{};
  for (auto& entry : table) entry = kInvalid;
  for (std::uint32_t i = 0; i < kAlphabet.size(); ++i)
    table[static_cast<unsigned char>(kAlphabet[i])] = i;
  return table;
}

constexpr auto kTable = make_table();

std::uint32_t digit(std::string_view text, std::size_t at) {
  return kTable[static_cast<unsigned char>(text[at])];
}

char byte_of(std::uint32_t bits) {
  return static_cast<char>(static_cast<unsigned char>(bits & 0xFFU));
}

// The last two or three characters; their unused bits must be zero.
bool decode_tail(std::string_view tail, char* out) {
  if (tail.empty()) return true;
  if (tail.size() == 1) return false;
  const std::uint32_t high = (digit(tail, 0) << 18U) | (digit(tail, 1) << 12U);
  if (tail.size() == 2) {
    if (((digit(tail, 0) | digit(tail, 1)) & kInvalid) != 0 || (high & 0xFFFFU) != 0) return false;
    out[0] = byte_of(high >> 16U);
    return true;
  }
  const std::uint32_t bits = high | (digit(tail, 2) << 6U);
  if (((digit(tail, 0) | digit(tail, 1) | digit(tail, 2)) & kInvalid) != 0 || (bits & 0xFFU) != 0)
    return false;
  out[0] = byte_of(bits >> 16U);
  out[1] = byte_of(bits >> 8U);
  return true;
}

}  // namespace

std::string encode_base64url(std::span<const std::uint8_t> bytes) {
  std::string out;
  out.reserve((bytes.size() * 4 + 2) / 3);
  const auto put = [&](std::uint32_t bits, int characters) {
    for (std::uint32_t shift = 18; characters > 0; --characters, shift -= 6)
      out.push_back(kAlphabet[(bits >> shift) & 63U]);
  };
  std::size_t at = 0;
  for (; at + 3 <= bytes.size(); at += 3) {
    put((std::uint32_t{bytes[at]} << 16U) | (std::uint32_t{bytes[at + 1]} << 8U) | bytes[at + 2],
        4);
  }
  if (bytes.size() - at == 2)
    put((std::uint32_t{bytes[at]} << 16U) | (std::uint32_t{bytes[at + 1]} << 8U), 3);
  if (bytes.size() - at == 1) put(std::uint32_t{bytes[at]} << 16U, 2);
  return out;
}

std::string encode_base64url(std::string_view bytes) {
  return encode_base64url(
      std::span(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()));
}

std::optional<std::string> decode_base64url(std::string_view text) {
  std::string out(text.size() * 3 / 4, '\0');
  char* to = out.data();
  std::uint32_t invalid = 0;
  std::size_t at = 0;
  for (; at + 4 <= text.size(); at += 4, to += 3) {
    const std::uint32_t a = digit(text, at);
    const std::uint32_t b = digit(text, at + 1);
    const std::uint32_t c = digit(text, at + 2);
    const std::uint32_t d = digit(text, at + 3);
    invalid |= a | b | c | d;
    const std::uint32_t bits = (a << 18U) | (b << 12U) | (c << 6U) | d;
    to[0] = byte_of(bits >> 16U);
    to[1] = byte_of(bits >> 8U);
    to[2] = byte_of(bits);
  }
  if ((invalid & kInvalid) != 0 || !decode_tail(text.substr(at), to)) return std::nullopt;
  return out;
}

}  // namespace mandated::receipt
