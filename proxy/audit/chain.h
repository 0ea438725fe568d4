// The hash chain of an audit file: line n names the SHA-256 of line n-1.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "proxy/base/clock.h"

namespace mandated::audit {

inline constexpr int kFormat = 1;

/// SHA-256 in base64url without padding: 43 characters.
std::string hash(std::string_view bytes);

/// RFC 3339, UTC, microseconds.
std::string time_text(Clock::WallTime time);

class Chain {
 public:
  /// `last_hash` is empty before the first line.
  Chain(std::uint64_t next_seq, std::string last_hash)
      : next_seq_(next_seq), last_hash_(std::move(last_hash)) {}

  /// The next line, with its newline. `members` as serialize() makes them.
  std::string next(std::string_view members);

  std::uint64_t next_seq() const { return next_seq_; }
  const std::string& last_hash() const { return last_hash_; }

 private:
  std::uint64_t next_seq_;
  std::string last_hash_;
};

}  // namespace mandated::audit
