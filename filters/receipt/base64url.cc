// Table-driven, four characters at a time: a receipt is decoded on every cold verification.
#include "filters/receipt/base64url.h"

#include <array>
#include <cstddef>

namespace mandated::receipt {
namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::uint32_t kInvalid = 0x80000000U;

using Table = std::array<std::uint32_t, 256>;

// What each character stands for, at its place among the 24 bits of four.
consteval Table make_table(std::uint32_t shift) {
  Table table{};
  for (auto& entry : table) entry = kInvalid;
  for (std::uint32_t i = 0; i < kAlphabet.size(); ++i)
    table[static_cast<unsigned char>(kAlphabet[i])] = i << shift;
  return table;
}

constexpr std::array<Table, 4> kTables{make_table(18), make_table(12), make_table(6),
                                       make_table(0)};

template <std::size_t kPlace>
std::uint32_t digit(std::string_view::const_iterator four) {
  return kTables[kPlace][static_cast<unsigned char>(four[kPlace])];
}

char byte_of(std::uint32_t bits) {
  return static_cast<char>(static_cast<unsigned char>(bits & 0xFFU));
}

// The last two or three characters; their unused bits must be zero.
bool decode_tail(std::string_view tail, char* out) {
  if (tail.empty()) return true;
  if (tail.size() == 1) return false;
  std::uint32_t bits = digit<0>(tail.begin()) | digit<1>(tail.begin());
  if (tail.size() == 2) {
    out[0] = byte_of(bits >> 16U);
    return (bits & (kInvalid | 0xFFFFU)) == 0;
  }
  bits |= digit<2>(tail.begin());
  if ((bits & (kInvalid | 0xFFU)) != 0) return false;
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
    const auto four = text.begin() + static_cast<std::ptrdiff_t>(at);
    const std::uint32_t bits = digit<0>(four) | digit<1>(four) | digit<2>(four) | digit<3>(four);
    invalid |= bits;
    to[0] = byte_of(bits >> 16U);
    to[1] = byte_of(bits >> 8U);
    to[2] = byte_of(bits);
  }
  if ((invalid & kInvalid) != 0 || !decode_tail(text.substr(at), to)) return std::nullopt;
  return out;
}

}  // namespace mandated::receipt
