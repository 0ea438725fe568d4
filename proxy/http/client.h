// The client side of HTTP/1.1 and HTTP/2: one connection, one or many requests at a time.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string_view>

#include "proxy/base/clock.h"
#include "proxy/base/gate.h"
#include "proxy/http/message.h"
#include "proxy/net/stream.h"

namespace mandated::http {

struct ClientLimits {
  std::size_t header_bytes_max = 65536;
  std::size_t header_count_max = 128;
  std::size_t window_bytes = 65536;
  std::size_t connection_window_bytes = 1U << 20U;
  /// HTTP/2: what the peer sent is overwritten once it was taken.
  bool wipes_bodies = false;
};

/// How errors tell whether a request may be sent again, on another connection:
///  - kUnavailable, Side::kUpstream: the peer certainly did not process it (the connection takes no
///    request, REFUSED_STREAM, beyond a GOAWAY's last stream). Any request may be sent again.
///  - kReset, Side::kUpstream, from start(), send() or response(): the connection was cut, and no
///    byte of an answer had come, as when the peer closes an idle connection at the moment of its
///    use. On a connection that was used before, a request may be sent again, once.
///  - kEnd, Side::kUpstream: cut in the middle of an answer, or the stream was reset by the peer.
///  - kTimeout, kMalformed, kTooLarge, kProtocol, kCancelled: as everywhere. Not to be sent again.
/// A failed send() does not mean that there is no answer: a peer may answer and close before it has
/// read everything, so response() is worth asking.

/// One request under way. Dropping it before the response's end cancels it (RST_STREAM, or the
/// connection is closed and not used again).
class ClientStream {
 public:
  virtual ~ClientStream() = default;
  virtual Task<Result<void>> send(std::string_view data, bool end) = 0;
  /// The final response head; 1xx are skipped. Once.
  virtual Task<Result<ResponseHead>> response() = 0;
  virtual Body& body() = 0;
  /// What came after the body, as gRPC has it; complete once the body's end was read. HTTP/2 only:
  /// elsewhere it is empty.
  virtual const Fields& trailers() const = 0;
  /// After it, every pending and later operation of this stream fails with kTimeout and the request
  /// is cancelled; under HTTP/1.1 the connection is then not used again.
  virtual void set_deadline(Clock::Time deadline) = 0;
  /// Ends every pending operation with kCancelled.
  virtual void cancel() = 0;
};

class ClientConnection {
 public:
  virtual ~ClientConnection() = default;
  /// Sends the head. `end`: no body follows. A body's content-length field, if set, is used for
  /// framing, else chunks; what must not be written is kInternal, and nothing is sent. Without
  /// `end` the head leaves with the first piece given in the same turn, or else by itself.
  virtual Task<Result<std::unique_ptr<ClientStream>>> start(const RequestHead& head, bool end) = 0;
  /// True if start() may be called now: alive, not told to go away, below the peer's stream limit;
  /// HTTP/1.1: idle, and nothing came unasked.
  virtual bool available() const = 0;
  /// False once it can never be available again: closed, told to go away, left in doubt by an
  /// exchange that was not complete, or silent while a call timed out. Streams under way go on.
  virtual bool alive() const = 0;
  virtual std::size_t active() const = 0;
  virtual void close() = 0;
};

/// Both outlive none of their streams: the connection is shared by its streams. Background work
/// (HTTP/2's reader and writer, HTTP/1.1's watch for a close while idle) runs in `gate` and ends
/// when the connection is closed.
std::shared_ptr<ClientConnection> make_http1_client(net::StreamPtr stream,
                                                    const ClientLimits& limits, Clock& clock,
                                                    Gate& gate);
std::shared_ptr<ClientConnection> make_http2_client(net::StreamPtr stream,
                                                    const ClientLimits& limits, Clock& clock,
                                                    Gate& gate);

}  // namespace mandated::http
