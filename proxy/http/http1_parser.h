// HTTP/1.1 messages in, for server and client. Boost.Beast parses; around it stand the checks that
// it leaves out (bare LF, folded lines, lists of lengths, codings other than chunked, …), so that
// no message has two readings (RFC 9112 section 11.2). Fed by whole header blocks and by whatever
// came of a body, it gives the same outcome however the bytes were cut.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "proxy/http/body_writer.h"
#include "proxy/http/message.h"

namespace mandated::http {

struct HeadLimits {
  std::size_t bytes_max = 0;
  std::size_t count_max = 0;
};

/// Looks for the end of a header block, line by line, and refuses what must not be within: a bare
/// LF, a folded line, a block that is too large.
class BlockScan {
 public:
  /// `unread` is the block from its first byte, each time longer. The size of the block once it is
  /// whole, 0 while it is not.
  Result<std::size_t> find_end(std::string_view unread, std::size_t bytes_max);
  void reset() { scanned_ = line_ = 0; }

 private:
  std::size_t scanned_ = 0;  // bytes that hold no unseen LF
  std::size_t line_ = 0;     // where the current line begins
};

/// No piece of a body is made larger.
inline constexpr std::size_t kBodyPieceMax = 16384;

/// What a parser of either kind knows once the block was parsed.
struct Framed {
  bool keep_alive = false;
  Framing framing = Framing::kNone;
  std::uint64_t length = 0;  ///< with kLength
};

/// One request after the other of a connection.
class RequestParser {
 public:
  explicit RequestParser(const HeadLimits& limits);
  ~RequestParser();
  RequestParser(const RequestParser&) = delete;
  RequestParser& operator=(const RequestParser&) = delete;

  /// Parses a whole block. `scheme` is the connection's own.
  Result<RequestHead> parse_head(std::string_view block, std::string_view scheme);
  /// The status that answers what parse_head refused.
  int refusal_status() const { return refusal_status_; }
  const Framed& framed() const { return framed_; }
  bool http11() const { return http11_; }
  bool expects_continue() const { return expects_continue_; }

  /// Takes body bytes from the front of `unread`, appends what they carry to `piece`, and returns
  /// how many were taken; 0 when more must come first.
  Result<std::size_t> parse_body(std::string_view unread, std::string& piece);
  bool body_done() const;

 private:
  class Parser;
  const HeadLimits limits_;
  std::unique_ptr<Parser> parser_;
  Framed framed_;
  int refusal_status_ = 400;
  bool http11_ = true;
  bool expects_continue_ = false;
};

/// One response after the other.
class ResponseParser {
 public:
  explicit ResponseParser(const HeadLimits& limits);
  ~ResponseParser();
  ResponseParser(const ResponseParser&) = delete;
  ResponseParser& operator=(const ResponseParser&) = delete;

  /// `to_head`: the answer to a HEAD request, which has no body whatever its fields say.
  Result<ResponseHead> parse_head(std::string_view block, bool to_head);
  const Framed& framed() const { return framed_; }
  Result<std::size_t> parse_body(std::string_view unread, std::string& piece);
  bool body_done() const;
  /// The peer ended its side: success if that ends this body (Framing::kUntilClose).
  Result<void> end_of_stream();

 private:
  class Parser;
  const HeadLimits limits_;
  std::unique_ptr<Parser> parser_;
  Framed framed_;
};

}  // namespace mandated::http
