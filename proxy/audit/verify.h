// Checks an audit file: that no line was changed, dropped, inserted, moved or torn since it was
// written. Cutting lines off the end is found only by whoever kept the last hash.
#pragma once

#include <cstdint>
#include <istream>
#include <optional>
#include <string>

namespace mandated::audit {

struct VerifyOptions {
  /// What the first line must name as the one before it: for a part of a trail.
  std::optional<std::string> from_hash;
  /// The hash that the last line must have.
  std::optional<std::string> expect_last;
};

struct Verification {
  bool ok = false;
  std::uint64_t records = 0;
  std::string last_hash;
  std::uint64_t line = 0;  ///< the first wrong line, from 1; 0 when ok
  std::string problem;     ///< a sentence without its full stop
};

/// Reads to the end or to the first wrong line; memory is bounded by the longest line.
Verification verify(std::istream& in, const VerifyOptions& options = {});

}  // namespace mandated::audit
