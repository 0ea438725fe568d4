// The server side of HTTP/1.1 (RFC 9112): one exchange after the other, in order. One coroutine
// tells the story; beside it run the reader (ReadAhead) and the flusher (CorkedWriter).

#include <algorithm>
#include <optional>
#include <utility>

#include "proxy/base/watchdog.h"
#include "proxy/http/corked_writer.h"
#include "proxy/http/http1_parser.h"
#include "proxy/http/http1_writer.h"
#include "proxy/http/read_ahead.h"
#include "proxy/http/server.h"

namespace mandated::http {

namespace {

// What is read of a body that no handler wanted, or after the last answer (RFC 9112 section 9.6),
// before the connection is cut.
constexpr std::size_t kDiscardMax = 65536;
constexpr Clock::Duration kLinger = std::chrono::seconds(1);
constexpr std::size_t kBodyReadAhead = 16384;

/// What the exchange and its connection share.
struct Connection {
  Connection(net::Stream& connection_stream, const ServerLimits& server_limits, Clock& the_clock,
             Gate& drain_gate)
      : stream(connection_stream),
        limits(server_limits),
        clock(the_clock),
        drain(drain_gate),
        input(connection_stream, the_clock.executor()),
        output(connection_stream, the_clock, server_limits.body_timeout),
        parser(HeadLimits{server_limits.header_bytes_max, server_limits.header_count_max}),
        waiting(the_clock, [this] { input.wake(); }) {}

  net::Stream& stream;
  const ServerLimits limits;
  Clock& clock;
  Gate& drain;
  ReadAhead input;
  CorkedWriter output;
  RequestParser parser;
  Watchdog waiting;  ///< how long to wait for input; on expiry the stream still writes
};

class Http1Exchange final : public ServerStream, private Body {
 public:
  Http1Exchange(Connection& connection, RequestHead head)
      : connection_(connection), head_(std::move(head)) {}

  const RequestHead& head() const override { return head_; }
  Body& body() override { return *this; }
  Task<Result<std::string>> read() override;
  bool ended() const override { return body_done(); }
  Task<Result<void>> respond(const ResponseHead& head, bool end) override;
  Task<Result<void>> send(std::string_view data, bool end) override;
  void reset() override;
  void close_connection_after() override { closes_ = true; }
  void on_gone(std::function<void()> callback) override;

  void peer_gone();
  /// Reads the rest of a body that the handler left; false if that is too much, or fails.
  Task<bool> discard_body();
  /// The answer is complete and the connection may carry another exchange.
  bool answered() const { return answer_.ended() && responded_ && !broken_; }
  bool closes() const { return closes_; }

 private:
  Result<void> parse_buffered(std::string& piece);
  Task<Result<void>> await_body();
  bool body_done() const {
    return connection_.parser.framed().framing == Framing::kNone || connection_.parser.body_done();
  }
  bool body_can_be_discarded() const;
  Result<void> concluded(Result<void> written);

  Connection& connection_;
  const RequestHead head_;
  BodyWriter answer_;
  std::uint64_t body_read_ = 0;
  std::optional<Error> body_error_;
  bool continued_ = false;
  bool responded_ = false;
  bool closes_ = false;
  bool broken_ = false;  // the bytes on the wire are no message any more
  std::function<void()> gone_;
};

Task<Result<std::string>> Http1Exchange::read() {
  std::string piece;
  while (!body_done() && piece.empty()) {
    if (body_error_) co_return Failure(*body_error_);
    Result<void> parsed = parse_buffered(piece);
    if (parsed && piece.empty() && !body_done()) parsed = co_await await_body();
    if (!parsed) {
      body_error_ = std::move(parsed).error();
      body_error_->side = Side::kDownstream;
      closes_ = true;
    }
  }
  body_read_ += piece.size();
  co_return piece;
}

/// Takes what is here of the body, up to one piece.
Result<void> Http1Exchange::parse_buffered(std::string& piece) {
  while (!body_done() && piece.size() < kBodyPieceMax) {
    TRY(const std::size_t taken, connection_.parser.parse_body(connection_.input.unread(), piece));
    if (taken == 0) break;
    connection_.input.consume(taken);
  }
  return {};
}

/// Waits for more of the body, after asking for it if the peer waits for that (RFC 9110
/// section 10.1.1).
Task<Result<void>> Http1Exchange::await_body() {
  if (connection_.input.ended()) {
    co_return fail(connection_.input.end_reason().code,
                   "the peer closed in the middle of its request");
  }
  if (connection_.parser.expects_continue() && !continued_ && !responded_ &&
      connection_.input.unread().empty()) {
    continued_ = true;
    connection_.output.gathered() += "HTTP/1.1 100 Continue\r\n\r\n";
    CO_CHECK(co_await connection_.output.flush());
  }
  connection_.waiting.set_deadline(connection_.clock.now() + connection_.limits.body_timeout);
  co_await connection_.input.wait();
  const bool late = connection_.waiting.expired();
  connection_.waiting.set_deadline(Watchdog::kNever);
  if (late) co_return fail(Code::kTimeout, "the request's body did not come in time");
  co_return Result<void>();
}

bool Http1Exchange::body_can_be_discarded() const {
  if (body_done()) return true;
  // Whoever was not told to continue may send the body, or may not: there is no telling.
  if (connection_.parser.expects_continue() && !continued_) return false;
  const Framed& framed = connection_.parser.framed();
  return framed.framing == Framing::kChunked || framed.length - body_read_ <= kDiscardMax;
}

Task<Result<void>> Http1Exchange::respond(const ResponseHead& head, bool end) {
  if (responded_) co_return fail(Code::kInternal, "a second answer");
  if (!connection_.parser.framed().keep_alive || connection_.drain.draining() ||
      !body_can_be_discarded()) {
    closes_ = true;
  }
  ResponseContext context;
  context.to_head = head_.method == "HEAD";
  context.http11 = connection_.parser.http11();
  context.close = closes_;
  CO_TRY(answer_, append_response_head(connection_.output.gathered(), head, end, context));
  responded_ = true;
  if (!end) {
    connection_.output.flush_soon();
    co_return Result<void>();
  }
  Result<void> written = co_await connection_.output.flush();
  co_return concluded(std::move(written));
}

Task<Result<void>> Http1Exchange::send(std::string_view data, bool end) {
  if (!responded_) co_return fail(Code::kInternal, "a body before its head");
  // In slices, so that what is gathered stays small; only the last may end the body.
  constexpr std::size_t kSlice = 4 * CorkedWriter::kGatherMax;
  while (true) {
    const std::string_view slice = data.substr(0, kSlice);
    data.remove_prefix(slice.size());
    const bool last = data.empty();
    Result<void> written = answer_.append(connection_.output.gathered(), slice, end && last);
    if (!written) {
      broken_ = true;
      co_return written;
    }
    if (last && end) {
      written = co_await connection_.output.flush();
      co_return concluded(std::move(written));
    }
    written = co_await connection_.output.flush_if_full();
    if (!written) broken_ = true;
    if (!written || last) co_return written;
  }
}

/// Nobody needs to hear any more that the peer is gone.
Result<void> Http1Exchange::concluded(Result<void> written) {
  gone_ = nullptr;
  if (!written) {
    broken_ = true;
    written.error().side = Side::kDownstream;
  }
  return written;
}

void Http1Exchange::reset() {
  broken_ = true;
  connection_.stream.close();
}

void Http1Exchange::on_gone(std::function<void()> callback) {
  gone_ = std::move(callback);
  if (connection_.input.ended()) peer_gone();
}

void Http1Exchange::peer_gone() {
  const std::function<void()> callback = std::exchange(gone_, nullptr);
  if (callback) callback();
}

Task<bool> Http1Exchange::discard_body() {
  std::size_t discarded = 0;
  while (!body_done()) {
    Result<std::string> piece = co_await read();
    if (!piece) co_return false;
    discarded += piece->size();
    if (discarded > kDiscardMax) co_return false;
  }
  co_return true;
}

class Http1Server {
 public:
  Http1Server(net::Stream& stream, const ServerLimits& limits, Clock& clock, Gate& drain,
              Handler& handler, std::string_view scheme)
      : connection_(stream, limits, clock, drain),
        handler_(handler),
        scheme_(scheme),
        tasks_(clock.executor()) {}

  Task<Result<void>> serve();

 private:
  Task<Result<void>> exchanges();
  Task<Result<std::size_t>> read_block(bool first);
  Task<Result<bool>> exchange(std::size_t block_size);
  Task<void> refuse(int status, std::string_view text);
  Task<void> linger();

  Connection connection_;
  Handler& handler_;
  const std::string scheme_;
  Gate tasks_;
  BlockScan scan_;
  std::optional<Http1Exchange> exchange_;
};

Task<Result<void>> Http1Server::serve() {
  connection_.input.on_end([this] {
    if (exchange_) exchange_->peer_gone();
  });
  tasks_.spawn(connection_.input.run());
  tasks_.spawn(connection_.output.run());
  Result<void> outcome;
  {
    const Gate::Registration on_drain(connection_.drain, [this] { connection_.input.wake(); });
    outcome = co_await exchanges();
  }
  connection_.stream.close();
  connection_.input.stop();
  connection_.output.stop();
  co_await tasks_.wait_empty();
  co_return outcome;
}

Task<Result<void>> Http1Server::exchanges() {
  bool first = true;
  while (true) {
    Result<std::size_t> block_size = co_await read_block(first);
    if (!block_size) co_return Failure(std::move(block_size).error());
    if (*block_size == 0) {
      co_await linger();
      co_return Result<void>();
    }
    Result<bool> goes_on = co_await exchange(*block_size);
    exchange_.reset();
    if (!goes_on) co_return Failure(std::move(goes_on).error());
    if (!*goes_on) co_return Result<void>();
    first = false;
  }
}

/// The size of the next header block, which is then in the buffer; 0 if there is none and the
/// connection ends well.
Task<Result<std::size_t>> Http1Server::read_block(bool first) {
  const ServerLimits& limits = connection_.limits;
  Clock& clock = connection_.clock;
  scan_.reset();
  connection_.input.set_bound(limits.header_bytes_max);
  bool begun = first;
  connection_.waiting.set_deadline(clock.now() +
                                   (first ? limits.header_timeout : limits.idle_timeout));
  while (true) {
    const std::string_view unread = connection_.input.unread();
    if (!unread.empty()) {
      Result<std::size_t> end = scan_.find_end(unread, limits.header_bytes_max);
      if (!end) {
        co_await refuse(end.error().code == Code::kTooLarge ? 431 : 400, end.error().text);
        end.error().side = Side::kDownstream;
        co_return Failure(std::move(end).error());
      }
      if (*end > 0) {
        connection_.waiting.set_deadline(Watchdog::kNever);
        connection_.input.set_bound(kBodyReadAhead);
        co_return *end;
      }
      if (!begun) connection_.waiting.set_deadline(clock.now() + limits.header_timeout);
      begun = true;
    } else if (connection_.drain.draining()) {
      co_return 0U;
    }
    if (connection_.input.ended()) {
      const Error& reason = connection_.input.end_reason();
      if (unread.empty() && reason.code == Code::kEnd) co_return 0U;
      co_return fail(reason.code, Side::kDownstream, reason.text);
    }
    const bool none = unread.empty();
    co_await connection_.input.wait();
    if (connection_.waiting.expired()) {
      if (none) co_return 0U;
      co_await refuse(408, "the header did not come in time");
      co_return fail(Code::kTimeout, Side::kDownstream, "the header did not come in time");
    }
  }
}

/// One request and its answer; false if the connection has ended well with it.
Task<Result<bool>> Http1Server::exchange(std::size_t block_size) {
  const std::string_view block = connection_.input.unread().substr(0, block_size);
  Result<RequestHead> head = connection_.parser.parse_head(block, scheme_);
  if (!head) {
    co_await refuse(connection_.parser.refusal_status(), head.error().text);
    head.error().side = Side::kDownstream;
    co_return Failure(std::move(head).error());
  }
  connection_.input.consume(block_size);
  exchange_.emplace(connection_, std::move(*head));
  co_await handler_.handle(*exchange_);
  if (!exchange_->answered()) {
    co_return fail(Code::kCancelled, "an exchange was abandoned");
  }
  if (!exchange_->closes()) {
    const bool discarded = co_await exchange_->discard_body();
    if (discarded) co_return true;
  }
  co_await linger();
  co_return false;
}

Task<void> Http1Server::refuse(int status, std::string_view text) {
  connection_.output.gathered() += refusal(status, text);
  (void)co_await connection_.output.flush();
  co_await linger();
}

/// Ends our side and waits a little for the peer to end its own: a cut at once could destroy the
/// answer on its way (RFC 9112 section 9.6).
Task<void> Http1Server::linger() {
  Result<void> shut = co_await connection_.stream.shutdown();
  if (!shut) co_return;
  std::size_t discarded = 0;
  connection_.waiting.set_deadline(connection_.clock.now() + kLinger);
  while (!connection_.input.ended() && discarded <= kDiscardMax && !connection_.waiting.expired()) {
    discarded += connection_.input.unread().size();
    connection_.input.consume(connection_.input.unread().size());
    co_await connection_.input.wait();
  }
  connection_.waiting.set_deadline(Watchdog::kNever);
}

}  // namespace

Task<Result<void>> serve_http1(net::Stream& stream, const ServerLimits& limits, Clock& clock,
                               Gate& drain, Handler& handler, std::string_view scheme) {
  Http1Server server(stream, limits, clock, drain, handler, scheme);
  co_return co_await server.serve();
}

}  // namespace mandated::http
