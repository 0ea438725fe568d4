// RESP2, the protocol of Valkey and Redis, by hiredis: commands into bytes, bytes into replies.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/base/result.h"

namespace mandated::valkey {

using Words = std::vector<std::string>;

struct Reply {
  enum class Kind : std::uint8_t { kNil, kInteger, kText, kError, kList };
  Kind kind = Kind::kNil;
  std::int64_t integer = 0;
  std::string text;          ///< of kText and kError
  std::vector<Reply> items;  ///< of kList
};

/// A command as it goes out.
std::string encode(const Words& words);

/// Takes bytes as they come and gives the replies that are whole.
class ReplyReader {
 public:
  ReplyReader();
  ~ReplyReader();
  /// kTooLarge: a reply of more than kReplyBytesMax is under way.
  Result<void> feed(std::string_view bytes);
  /// nullopt: more bytes are needed. kMalformed.
  Result<std::optional<Reply>> next();

  static constexpr std::size_t kReplyBytesMax = 256U << 10U;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace mandated::valkey
