// Randomness as the program sees it: the simulator seeds its own.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace mandated {

class Rng {
 public:
  virtual ~Rng() = default;
  virtual void fill(std::span<std::uint8_t> out) = 0;

  std::uint64_t next();
  /// 128 random bits as 32 lower-case hexadecimal digits: session and exchange identifiers.
  std::string identifier();
};

/// BoringSSL's CSPRNG. Stateless and safe from any thread.
class SystemRng final : public Rng {
 public:
  void fill(std::span<std::uint8_t> out) override;
};

}  // namespace mandated
