#include "tests/support/sim_rng.h"

namespace mandated::test {

void SimRng::fill(std::span<std::uint8_t> out) {
  std::uint64_t word = 0;
  unsigned left = 0;
  for (std::uint8_t& byte : out) {
    if (left == 0) {
      state_ += 0x9e3779b97f4a7c15U;
      word = state_;
      word = (word ^ (word >> 30U)) * 0xbf58476d1ce4e5b9U;
      word = (word ^ (word >> 27U)) * 0x94d049bb133111ebU;
      word ^= word >> 31U;
      left = 8;
    }
    byte = static_cast<std::uint8_t>(word);
    word >>= 8U;
    --left;
  }
}

std::uint64_t SimRng::between(std::uint64_t low, std::uint64_t high) {
  const std::uint64_t span = high - low + 1;
  return span == 0 ? next() : low + next() % span;
}

}  // namespace mandated::test
