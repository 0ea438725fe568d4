// Bodies out, on either version: as long as their head said, in the framing that it announced.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "proxy/base/result.h"
#include "proxy/http/message.h"

namespace mandated::http {

/// How a message's body ends.
enum class Framing : std::uint8_t { kNone, kLength, kChunked, kUntilClose };

/// Writes one body. Bytes beyond the announced length, or too few, are kInternal: the connection is
/// then of no more use.
class BodyWriter {
 public:
  BodyWriter() = default;
  BodyWriter(Framing framing, std::uint64_t length) : framing_(framing), left_(length) {}
  /// Takes any bytes and writes none: the answer to HEAD, 204, 304.
  static BodyWriter discarding();

  Result<void> append(std::string& out, std::string_view data, bool end);
  bool ended() const { return ended_; }

 private:
  Framing framing_ = Framing::kNone;
  bool discard_ = false;
  bool ended_ = false;
  std::uint64_t left_ = 0;
};

/// The length that the fields announce, if it is valid.
std::optional<std::uint64_t> announced_length(const Fields& fields);

}  // namespace mandated::http
