// The client side of HTTP/1.1: one request at a time, the connection used again only after an
// exchange that left no doubt where it ended. A reader runs all the time, so that a peer's close is
// seen while the connection waits in a pool.

#include <algorithm>
#include <optional>
#include <utility>

#include "proxy/base/watchdog.h"
#include "proxy/http/client.h"
#include "proxy/http/corked_writer.h"
#include "proxy/http/http1_parser.h"
#include "proxy/http/http1_writer.h"
#include "proxy/http/read_ahead.h"

namespace mandated::http {

namespace {

constexpr unsigned kInterimMax = 16;  // 1xx answers before the final one
constexpr std::size_t kBodyReadAhead = 16384;

/// The connection itself. Its two background coroutines share it, so that it lives until both have
/// seen the stream closed.
struct Connection {
  Connection(net::StreamPtr connection_stream, const ClientLimits& client_limits, Clock& clock)
      : stream(std::move(connection_stream)),
        limits(client_limits),
        input(*stream, clock.executor()),
        output(*stream, clock, std::nullopt),
        parser(HeadLimits{client_limits.header_bytes_max, client_limits.header_count_max}),
        deadline(clock, [this] {
          give_up(Error{Code::kTimeout, Side::kUpstream, "the call's deadline passed"});
        }) {}

  /// Ends the connection for good; the first reason is what every operation reports.
  void give_up(Error reason) {
    if (!failure) failure = std::move(reason);
    stream->close();
    input.stop();
    output.stop();
  }

  net::StreamPtr stream;
  const ClientLimits limits;
  ReadAhead input;
  CorkedWriter output;
  ResponseParser parser;
  Watchdog deadline;
  std::optional<Error> failure;
  bool busy = false;
};

Task<void> read_ahead(std::shared_ptr<Connection> connection) { co_await connection->input.run(); }
Task<void> write_behind(std::shared_ptr<Connection> connection) {
  co_await connection->output.run();
}

class Http1Client;

class Http1ClientStream final : public ClientStream, private Body {
 public:
  Http1ClientStream(std::shared_ptr<Http1Client> owner, Connection& connection, BodyWriter request,
                    bool to_head)
      : owner_(std::move(owner)), connection_(connection), request_(request), to_head_(to_head) {}
  ~Http1ClientStream() override;

  Task<Result<void>> send(std::string_view data, bool end) override;
  Task<Result<ResponseHead>> response() override;
  Body& body() override { return *this; }
  const Fields& trailers() const override { return no_trailers_; }
  Task<Result<std::string>> read() override;
  bool ended() const override { return concluded_; }
  // Once the answer is complete the connection may carry somebody else's call.
  void set_deadline(Clock::Time deadline) override {
    if (!concluded_) connection_.deadline.set_deadline(deadline);
  }
  void cancel() override {
    if (concluded_) return;
    connection_.give_up(Error{Code::kCancelled, Side::kLocal, "the call was cancelled"});
  }

 private:
  Task<Result<std::size_t>> await_block();
  Failure cut_off();
  bool body_done() const {
    return connection_.parser.framed().framing == Framing::kNone || connection_.parser.body_done();
  }
  void conclude();

  const std::shared_ptr<Http1Client> owner_;
  Connection& connection_;
  BodyWriter request_;
  const bool to_head_;
  BlockScan scan_;
  bool any_byte_ = false;
  bool headed_ = false;
  bool concluded_ = false;
  const Fields no_trailers_;
};

class Http1Client final : public ClientConnection,
                          public std::enable_shared_from_this<Http1Client> {
 public:
  Http1Client(net::StreamPtr stream, const ClientLimits& limits, Clock& clock, Gate& gate)
      : connection_(std::make_shared<Connection>(std::move(stream), limits, clock)) {
    gate.spawn(read_ahead(connection_));
    gate.spawn(write_behind(connection_));
  }
  ~Http1Client() override { close(); }

  Task<Result<std::unique_ptr<ClientStream>>> start(const RequestHead& head, bool end) override;
  bool available() const override { return alive() && !connection_->busy; }
  /// Bytes that nobody asked for would be taken for the next answer: the connection is dead.
  bool alive() const override {
    if (connection_->failure) return false;
    if (connection_->busy) return true;
    return !connection_->input.ended() && connection_->input.unread().empty();
  }
  std::size_t active() const override { return connection_->busy ? 1 : 0; }
  void close() override {
    connection_->give_up(Error{Code::kCancelled, Side::kLocal, "the connection was closed"});
  }

 private:
  const std::shared_ptr<Connection> connection_;
};

Task<Result<std::unique_ptr<ClientStream>>> Http1Client::start(const RequestHead& head, bool end) {
  if (!available()) {
    if (!connection_->busy) close();
    co_return fail(Code::kUnavailable, Side::kUpstream, "the connection takes no request now");
  }
  Connection& connection = *connection_;
  CO_TRY(BodyWriter body, append_request_head(connection.output.gathered(), head, end));
  connection.busy = true;
  auto stream = std::make_unique<Http1ClientStream>(shared_from_this(), connection, body,
                                                    head.method == "HEAD");
  if (end) {
    Result<void> sent = co_await stream->send({}, true);
    // A peer may answer and close before it read everything: its answer is what counts.
    if (!sent && connection.input.unread().empty()) co_return Failure(std::move(sent).error());
  } else {
    connection.output.flush_soon();
  }
  std::unique_ptr<ClientStream> started = std::move(stream);
  co_return started;
}

Http1ClientStream::~Http1ClientStream() {
  if (concluded_) return;
  connection_.give_up(Error{Code::kCancelled, Side::kLocal, "the call was dropped"});
  connection_.busy = false;
}

/// The error of a connection that ended under us. Before any byte of the answer it is kReset, and
/// says that the peer may never have seen the request.
Failure Http1ClientStream::cut_off() {
  if (connection_.failure) return Failure(*connection_.failure);
  if (any_byte_ || !connection_.input.unread().empty()) {
    return fail(Code::kEnd, Side::kUpstream, "the connection was cut in the middle of an answer");
  }
  return fail(Code::kReset, Side::kUpstream, "the connection was cut before any answer");
}

Task<Result<void>> Http1ClientStream::send(std::string_view data, bool end) {
  constexpr std::size_t kSlice = 4 * CorkedWriter::kGatherMax;
  // A head that had no body was complete when it was appended.
  const bool complete = request_.ended();
  while (true) {
    const std::string_view slice = data.substr(0, kSlice);
    data.remove_prefix(slice.size());
    const bool last = data.empty();
    if (!complete) {
      CO_CHECK(request_.append(connection_.output.gathered(), slice, end && last));
    }
    Result<void> written;
    if (last && end) {
      written = co_await connection_.output.flush();
    } else {
      written = co_await connection_.output.flush_if_full();
    }
    if (!written) co_return cut_off();
    if (last) co_return Result<void>();
  }
}

Task<Result<ResponseHead>> Http1ClientStream::response() {
  for (unsigned interim = 0; interim <= kInterimMax; ++interim) {
    Result<std::size_t> size = co_await await_block();
    if (!size) co_return Failure(std::move(size).error());
    const std::string_view block = connection_.input.unread().substr(0, *size);
    Result<ResponseHead> head = connection_.parser.parse_head(block, to_head_);
    if (head && head->status == 101) head = fail(Code::kProtocol, "an upgrade nobody asked for");
    if (!head) {
      head.error().side = Side::kUpstream;
      connection_.give_up(head.error());
      co_return Failure(std::move(head).error());
    }
    connection_.input.consume(*size);
    if (head->status < 200) continue;
    headed_ = true;
    if (body_done()) conclude();
    co_return head;
  }
  const Error error{Code::kProtocol, Side::kUpstream, "interim answers without end"};
  connection_.give_up(error);
  co_return Failure(error);
}

/// The size of the next header block, once it is here.
Task<Result<std::size_t>> Http1ClientStream::await_block() {
  const std::size_t bytes_max = connection_.limits.header_bytes_max;
  scan_.reset();
  connection_.input.set_bound(bytes_max);
  while (true) {
    const std::string_view unread = connection_.input.unread();
    any_byte_ = any_byte_ || !unread.empty();
    if (connection_.failure) co_return Failure(*connection_.failure);
    Result<std::size_t> size = scan_.find_end(unread, bytes_max);
    if (!size) {
      size.error().side = Side::kUpstream;
      connection_.give_up(size.error());
      co_return size;
    }
    if (*size > 0) {
      connection_.input.set_bound(kBodyReadAhead);
      co_return size;
    }
    if (connection_.input.ended()) {
      const Failure error = cut_off();
      connection_.give_up(error.value());
      co_return error;
    }
    co_await connection_.input.wait();
  }
}

Task<Result<std::string>> Http1ClientStream::read() {
  std::string piece;
  if (!headed_) co_return fail(Code::kInternal, "a body before its head");
  if (concluded_) co_return piece;
  while (!body_done()) {
    if (connection_.failure) co_return Failure(*connection_.failure);
    while (!body_done() && piece.size() < kBodyPieceMax) {
      Result<std::size_t> taken = connection_.parser.parse_body(connection_.input.unread(), piece);
      if (!taken) {
        taken.error().side = Side::kUpstream;
        connection_.give_up(taken.error());
        co_return Failure(std::move(taken).error());
      }
      if (*taken == 0) break;
      connection_.input.consume(*taken);
    }
    if (!piece.empty() || body_done()) break;
    if (connection_.input.ended()) {
      // Only a clean end may end a body.
      Result<void> ended;
      if (connection_.input.end_reason().code == Code::kEnd) {
        ended = connection_.parser.end_of_stream();
      } else {
        ended = cut_off();
      }
      if (!ended) {
        ended.error().side = Side::kUpstream;
        connection_.give_up(ended.error());
        co_return Failure(std::move(ended).error());
      }
      break;
    }
    co_await connection_.input.wait();
  }
  if (body_done()) conclude();
  co_return piece;
}

/// The answer is complete: the connection is free again, or of no more use.
void Http1ClientStream::conclude() {
  concluded_ = true;
  connection_.busy = false;
  connection_.deadline.set_deadline(Watchdog::kNever);
  const bool clean = request_.ended() && connection_.parser.framed().keep_alive &&
                     !connection_.input.ended() && connection_.input.unread().empty();
  if (!clean) {
    connection_.give_up(Error{Code::kEnd, Side::kUpstream, "the connection has ended"});
  }
}

}  // namespace

std::shared_ptr<ClientConnection> make_http1_client(net::StreamPtr stream,
                                                    const ClientLimits& limits, Clock& clock,
                                                    Gate& gate) {
  return std::make_shared<Http1Client>(std::move(stream), limits, clock, gate);
}

}  // namespace mandated::http
