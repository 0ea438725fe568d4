// The server side of HTTP/1.1 (RFC 9112) and HTTP/2 (RFC 9113): turns a Stream into exchanges, one
// coroutine each.
#pragma once

#include <cstddef>
#include <functional>
#include <string_view>

#include "proxy/base/clock.h"
#include "proxy/base/gate.h"
#include "proxy/http/message.h"
#include "proxy/net/stream.h"

namespace mandated::http {

struct ServerLimits {
  std::size_t header_bytes_max = 65536;  ///< request line and fields, decoded
  std::size_t header_count_max = 128;
  std::size_t streams_max = 128;  ///< concurrent exchanges of an HTTP/2 connection
  std::size_t window_bytes =
      65536;  ///< per stream: what may be buffered of a body nobody has read yet
  std::size_t connection_window_bytes = 1U << 20U;
  Clock::Duration header_timeout =
      std::chrono::seconds(10);  ///< from first byte (or accept) to the end of the fields
  Clock::Duration idle_timeout = std::chrono::seconds(60);  ///< between exchanges
  Clock::Duration body_timeout =
      std::chrono::seconds(30);  ///< without any progress while a body is read or written
};

/// One request and the chance to answer it. Lives until Handler::handle returns.
class ServerStream {
 public:
  virtual ~ServerStream() = default;
  virtual const RequestHead& head() const = 0;
  /// The request's body; empty if it has none.
  virtual Body& body() = 0;
  /// Sends the head, once. `end`: no body follows. Framing and connection fields are the codec's
  /// business; a valid content-length is kept to: more or fewer bytes are kInternal and cut the
  /// exchange. A name or value that must not be written (line breaks, NUL, upper case) is
  /// kInternal, and nothing is sent. The head, and each small piece after it, leaves once the
  /// calling coroutine waits for anything, so head and body given in one turn are one write, and an
  /// event stream is never held back.
  virtual Task<Result<void>> respond(const ResponseHead& head, bool end) = 0;
  /// Sends a piece of the body; waits while the peer's window or socket is full. `end` ends the
  /// answer. Under HTTP/2 success means that it is in the stream's (bounded) buffer. To HEAD, 204
  /// and 304 no bytes are sent, whatever is given.
  virtual Task<Result<void>> send(std::string_view data, bool end) = 0;
  /// Abandons the exchange: RST_STREAM, or the connection is closed. So does handle() returning
  /// before the end.
  virtual void reset() = 0;
  /// The connection takes no further exchange after those under way: `Connection: close`, GOAWAY.
  /// Call it before respond().
  virtual void close_connection_after() = 0;
  /// Calls back, once, when the peer is gone (reset, end of connection) before the answer's end;
  /// while the handler waits for somebody else, this is how it learns of it. A peer that ended only
  /// its own side counts as gone; an answer may still reach it. Calls back from within on_gone() if
  /// that has happened already. Null removes.
  virtual void on_gone(std::function<void()> callback) = 0;
};

class Handler {
 public:
  virtual ~Handler() = default;
  virtual Task<void> handle(ServerStream& stream) = 0;
};

/// Bodies: read() fails with kTimeout when nothing came for body_timeout, kMalformed or kTooLarge
/// for bad framing, kEnd or kReset when the peer left; the handler may still answer.
///
/// Serves one connection until the peer ends it, an error ends it, or `drain` drains (then finishes
/// what is under way: `Connection: close`, GOAWAY). Returns why it ended; a clean end is success.
/// All handlers have returned by then.
Task<Result<void>> serve_http1(net::Stream& stream, const ServerLimits& limits, Clock& clock,
                               Gate& drain, Handler& handler, std::string_view scheme);
Task<Result<void>> serve_http2(net::Stream& stream, const ServerLimits& limits, Clock& clock,
                               Gate& drain, Handler& handler, std::string_view scheme);

/// Where the version was not agreed by ALPN: HTTP/2 if the connection begins with its preface, else
/// HTTP/1.1.
Task<Result<void>> serve_cleartext(net::Stream& stream, const ServerLimits& limits, Clock& clock,
                                   Gate& drain, Handler& handler);

}  // namespace mandated::http
