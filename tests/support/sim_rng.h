// Random bytes from a seed: the same seed gives the same bytes on every machine.
#pragma once

#include <cstdint>
#include <span>

#include "proxy/base/random.h"

namespace mandated::test {

/// SplitMix64. Anything but secret.
class SimRng final : public Rng {
 public:
  explicit SimRng(std::uint64_t seed) : state_(seed) {}
  void fill(std::span<std::uint8_t> out) override;

  /// Uniform enough in [low, high].
  std::uint64_t between(std::uint64_t low, std::uint64_t high);
  /// True `permille` times out of a thousand.
  bool chance(unsigned permille) { return between(0, 999) < permille; }

 private:
  std::uint64_t state_;
};

}  // namespace mandated::test
