#include "proxy/base/random.h"

#include <openssl/rand.h>

#include <array>

namespace mandated {

std::uint64_t Rng::next() {
  std::array<std::uint8_t, 8> bytes{};
  fill(bytes);
  std::uint64_t value = 0;
  for (const std::uint8_t byte : bytes) value = value << 8U | byte;
  return value;
}

std::string Rng::identifier() {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::array<std::uint8_t, 16> bytes{};
  fill(bytes);
  std::string text;
  text.reserve(2 * bytes.size());
  for (const std::uint8_t byte : bytes) {
    text += kDigits[byte >> 4U];
    text += kDigits[byte & 15U];
  }
  return text;
}

void SystemRng::fill(std::span<std::uint8_t> out) { RAND_bytes(out.data(), out.size()); }

}  // namespace mandated
