// A bound on the work that one chain or one call can ask for. Constraint trees and argument values
// are both sized by others, and their product must not be; when the effort is spent, the answer is
// no. Internal to the engine.
#pragma once

#include <cstddef>

namespace mandated::receipt {

class Effort {
 public:
  /// False, for ever, once more has been asked for than there was.
  bool spend(std::size_t steps) {
    left_ = steps > left_ ? 0 : left_ - steps;
    return left_ > 0;
  }
  bool exhausted() const { return left_ == 0; }

 private:
  // Some tens of milliseconds; an honest chain or call spends a few thousand.
  std::size_t left_ = std::size_t{1} << 22U;
};

}  // namespace mandated::receipt
