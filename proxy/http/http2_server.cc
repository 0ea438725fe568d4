// The server side of HTTP/2: each request is an Http2Exchange, handled by a coroutine of its own
// within the connection's gate.

#include <string>
#include <utility>

#include "proxy/base/gate.h"
#include "proxy/http/field_rules.h"
#include "proxy/http/http2_session.h"
#include "proxy/http/server.h"

namespace mandated::http {

namespace {

// A request that exceeds the header's limits so far is reset instead of answered.
constexpr std::size_t kHeaderHardFactor = 4;
// Between the notice that the connection drains and the last GOAWAY (RFC 9113 section 6.8).
constexpr Clock::Duration kDrainNotice = std::chrono::seconds(1);

class Http2Server;

class Http2Exchange final : public Http2Stream,
                            public ServerStream,
                            private Body,
                            public std::enable_shared_from_this<Http2Exchange> {
 public:
  explicit Http2Exchange(Http2Server& server);

  // ServerStream
  const RequestHead& head() const override { return head_; }
  Body& body() override { return *this; }
  Task<Result<void>> respond(const ResponseHead& head, bool end) override;
  Task<Result<void>> send(std::string_view data, bool end) override {
    if (!responded_) return no_head_yet();
    return write_piece(data, end);
  }
  void reset() override {
    abort(NGHTTP2_INTERNAL_ERROR, Error{Code::kCancelled, Side::kLocal, "the exchange was reset"});
  }
  void close_connection_after() override;
  void on_gone(std::function<void()> callback) override;

  // Http2Stream
  void begin_header_block(nghttp2_headers_category category) override;
  bool take_header(std::string_view name, std::string_view value) override;
  void end_header_block(bool end) override;

  // Http2Server
  /// 0, or the status that refuses the request.
  int refusal_status();
  /// Answers without a handler.
  void refuse(int status);
  void call_gone();
  bool failed() const { return failure_.has_value(); }
  void handler_returned();
  void end_was_sent();
  bool end_sent() const { return end_sent_; }

 private:
  Task<Result<std::string>> read() override;
  bool ended() const override { return at_end(); }
  static Task<Result<void>> no_head_yet() {
    co_return fail(Code::kInternal, "a body before its head");
  }
  void read_deadline_passed() override {
    read_timed_out_ = true;
    incoming_changed_.notify();
  }
  void on_failure() override;
  std::optional<Clock::Duration> stall_max() const override;
  Result<void> submit(const ResponseHead& head, bool end);
  void take_pseudo(std::string_view name, std::string_view value);

  Http2Server& server_;
  RequestHead head_;
  std::string host_;
  std::size_t header_bytes_ = 0;
  std::size_t header_count_ = 0;
  bool trailers_ = false;
  bool too_large_ = false;
  bool expects_continue_ = false;
  bool expects_more_ = false;  // an expectation that nobody knows
  bool responded_ = false;
  bool handler_done_ = false;
  bool end_sent_ = false;
  std::function<void()> gone_;
};

class Http2Server final : public Http2Session {
 public:
  Http2Server(net::Stream& stream, const ServerLimits& limits, Clock& clock, Gate& drain,
              Handler& handler, std::string_view scheme)
      : Http2Session(stream, clock, options_of(limits)),
        connection_(stream),
        limits_(limits),
        drain_(drain),
        handler_(handler),
        scheme_(scheme),
        handlers_(clock.executor()),
        tasks_(clock.executor()) {
    update_deadline();
  }

  Task<Result<void>> serve();

  const ServerLimits& limits() const { return limits_; }
  const std::string& scheme() const { return scheme_; }
  void header_began(std::int32_t id) {
    header_of_ = id;
    update_deadline();
  }
  void header_ended() {
    header_of_.reset();
    update_deadline();
  }
  void request_ready(std::shared_ptr<Http2Exchange> exchange) {
    ready_.push_back(std::move(exchange));
  }
  void peer_gone(std::shared_ptr<Http2Exchange> exchange) { gone_.push_back(std::move(exchange)); }
  void begin_drain();

  using Http2Session::add_field;
  using Http2Session::add_fields;
  using Http2Session::data_provider;
  using Http2Session::start_fields;

 private:
  static Http2Options options_of(const ServerLimits& limits) {
    Http2Options options;
    options.server = true;
    options.header_bytes_max = limits.header_bytes_max;
    options.streams_max = limits.streams_max;
    options.window_bytes = limits.window_bytes;
    options.connection_window_bytes = limits.connection_window_bytes;
    options.write_stall_max = limits.body_timeout;
    return options;
  }

  std::shared_ptr<Http2Stream> open_stream() override;
  void frame_received(const nghttp2_frame& frame) override;
  void frame_sent(const nghttp2_frame& frame, Http2Stream* stream) override;
  void stream_closed(Http2Stream& stream, std::uint32_t code) override;
  void settle() override;
  void connection_expired() override;

  void update_deadline();
  void end_drain();
  static Task<void> handle(Http2Server* server, std::shared_ptr<Http2Exchange> exchange);

  net::Stream& connection_;
  const ServerLimits limits_;
  Gate& drain_;
  Handler& handler_;
  const std::string scheme_;
  Gate handlers_;
  Gate tasks_;
  std::vector<std::shared_ptr<Http2Exchange>> ready_;
  std::vector<std::shared_ptr<Http2Exchange>> batch_;
  std::vector<std::shared_ptr<Http2Exchange>> gone_;
  std::optional<std::int32_t> header_of_ = 0;  // the block under way; the preface counts as one
  bool draining_ = false;
  bool drained_ = false;
};

// ---- one exchange

Http2Exchange::Http2Exchange(Http2Server& server) : Http2Stream(server), server_(server) {}

void Http2Exchange::begin_header_block(nghttp2_headers_category category) {
  trailers_ = category != NGHTTP2_HCAT_REQUEST;
  header_bytes_ = header_count_ = 0;
  server_.header_began(id_);
}

bool Http2Exchange::take_header(std::string_view name, std::string_view value) {
  const ServerLimits& limits = server_.limits();
  header_bytes_ += name.size() + value.size() + 32;  // as SETTINGS_MAX_HEADER_LIST_SIZE counts
  ++header_count_;
  const bool over =
      header_bytes_ > limits.header_bytes_max || header_count_ > limits.header_count_max;
  if (trailers_) return !over;  // read and dropped
  if (over) {
    too_large_ = true;
    return header_bytes_ <= kHeaderHardFactor * limits.header_bytes_max;
  }
  if (name.front() == ':') {
    take_pseudo(name, value);
  } else if (name == "host") {
    host_ = value;
  } else if (name == "expect") {
    expects_continue_ = equal_ignoring_case(value, "100-continue");
    expects_more_ = expects_more_ || !expects_continue_;
  } else if (name == "cookie" && head_.fields.count(name) > 0) {
    // Crumbs of one field (RFC 9113 section 8.2.3).
    head_.fields.set("cookie", *head_.fields.joined(name) + "; " + std::string(value));
  } else if (!is_connection_specific(name)) {
    head_.fields.add(std::string(name), std::string(value));
  }
  return true;
}

void Http2Exchange::take_pseudo(std::string_view name, std::string_view value) {
  if (name == ":method") {
    head_.method = value;
  } else if (name == ":path") {
    head_.target = value;
  } else if (name == ":authority") {
    head_.authority = value;
  } else if (name == ":scheme") {
    head_.scheme = value;
  }
}

void Http2Exchange::end_header_block(bool end) {
  server_.header_ended();
  if (end) end_incoming();
  if (!trailers_ && !failure_) server_.request_ready(shared_from_this());
}

int Http2Exchange::refusal_status() {
  if (too_large_) return 431;
  if (head_.method == "CONNECT") return 501;
  if (expects_more_) return 417;
  if (!equal_ignoring_case(head_.scheme, "http") && !equal_ignoring_case(head_.scheme, "https")) {
    return 400;
  }
  head_.scheme = server_.scheme();
  if (head_.authority.empty()) head_.authority = host_;
  if (!host_.empty() && !equal_ignoring_case(host_, head_.authority)) return 400;
  if (!valid_authority(head_.authority)) return 400;
  head_.authority = to_lower(head_.authority);
  if (!valid_target(head_.target)) return 400;
  if (head_.target == "*" && head_.method != "OPTIONS") return 400;
  return 0;
}

void Http2Exchange::refuse(int status) {
  ResponseHead head;
  head.status = status;
  (void)submit(head, true);
  handler_returned();
}

Task<Result<std::string>> Http2Exchange::read() {
  if (expects_continue_ && !responded_ && !incoming_ended() && buffered() == 0 && !failure_) {
    const std::vector<nghttp2_nv>& fields = server_.start_fields();
    server_.add_field(":status", "100");
    nghttp2_submit_headers(session_.raw(), NGHTTP2_FLAG_NONE, id_, nullptr, fields.data(),
                           fields.size(), nullptr);
    session_.wake_writer();
  }
  expects_continue_ = false;
  return read_piece();
}

Task<Result<void>> Http2Exchange::respond(const ResponseHead& head, bool end) {
  co_return submit(head, end);
}

Result<void> Http2Exchange::submit(const ResponseHead& head, bool end) {
  if (failure_) return Failure(*failure_);
  if (responded_) return fail(Code::kInternal, "a second answer");
  CHECK(check_outgoing(head));
  const bool as_if = head_.method == "HEAD" || head.status == 304;
  const bool no_body = as_if || head.status == 204;
  const std::optional<std::uint64_t> length = announced_length(head.fields);
  if (no_body) {
    writer_ = BodyWriter::discarding();
  } else if (end) {
    writer_ = BodyWriter();
  } else {
    writer_ = length ? BodyWriter(Framing::kLength, *length) : BodyWriter(Framing::kUntilClose, 0);
  }
  const std::string status = std::to_string(head.status);
  std::vector<nghttp2_nv>& fields = server_.start_fields();
  server_.add_field(":status", status);
  server_.add_fields(head.fields, as_if || (!no_body && !end));
  const nghttp2_data_provider provider = server_.data_provider(*this);
  const int failed = nghttp2_submit_response(session_.raw(), id_, fields.data(), fields.size(),
                                             no_body || end ? nullptr : &provider);
  if (failed != 0) return fail(Code::kInternal, nghttp2_strerror(failed));
  responded_ = true;
  session_.wake_writer();
  if (!end) return {};
  std::string none;
  return writer_.append(none, {}, true);
}

void Http2Exchange::close_connection_after() { server_.begin_drain(); }

void Http2Exchange::on_gone(std::function<void()> callback) {
  gone_ = std::move(callback);
  if (failure_ && !writer_.ended()) call_gone();
}

void Http2Exchange::on_failure() {
  if (gone_ && !writer_.ended()) server_.peer_gone(shared_from_this());
}

void Http2Exchange::call_gone() {
  const std::function<void()> callback = std::exchange(gone_, nullptr);
  if (callback) callback();
}

std::optional<Clock::Duration> Http2Exchange::stall_max() const {
  return server_.limits().body_timeout;
}

void Http2Exchange::handler_returned() {
  handler_done_ = true;
  gone_ = nullptr;
  if (!responded_ || !writer_.ended()) {
    abort(NGHTTP2_INTERNAL_ERROR,
          Error{Code::kCancelled, Side::kLocal, "the exchange was abandoned"});
    return;
  }
  discard_incoming();
  if (end_sent_) end_was_sent();
}

/// An answer that came before the request's end: the rest is not wanted (RFC 9113 section 8.1).
void Http2Exchange::end_was_sent() {
  end_sent_ = true;
  if (!handler_done_ || incoming_ended() || closed_) return;
  nghttp2_submit_rst_stream(session_.raw(), NGHTTP2_FLAG_NONE, id_, NGHTTP2_NO_ERROR);
  session_.wake_writer();
}

// ---- the connection

Task<Result<void>> Http2Server::serve() {
  tasks_.spawn(write_frames());
  Result<void> outcome;
  {
    const Gate::Registration on_drain(drain_, [this] { begin_drain(); });
    outcome = co_await read_all_frames();
  }
  Error reason{Code::kReset, Side::kDownstream, "the connection has ended"};
  if (!outcome) {
    outcome.error().side = Side::kDownstream;
    reason = outcome.error();
  }
  lose_streams(reason);
  settle();
  co_await handlers_.wait_empty();
  stop_writing();
  co_await tasks_.wait_empty();
  connection_.close();
  co_return outcome;
}

Task<void> Http2Server::handle(Http2Server* server, std::shared_ptr<Http2Exchange> exchange) {
  co_await server->handler_.handle(*exchange);
  exchange->handler_returned();
}

std::shared_ptr<Http2Stream> Http2Server::open_stream() {
  // A peer that resets its streams does not end their handlers at once.
  if (drained_ || handlers_.active() >= 2 * limits_.streams_max) return nullptr;
  return std::make_shared<Http2Exchange>(*this);
}

void Http2Server::frame_received(const nghttp2_frame& frame) {
  if (frame.hd.type == NGHTTP2_SETTINGS && header_of_ == 0) header_ended();
  if (frame.hd.type == NGHTTP2_PING && (frame.hd.flags & NGHTTP2_FLAG_ACK) != 0) end_drain();
}

void Http2Server::frame_sent(const nghttp2_frame& frame, Http2Stream* stream) {
  if (stream == nullptr || (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) return;
  if (frame.hd.type == NGHTTP2_DATA || frame.hd.type == NGHTTP2_HEADERS) {
    static_cast<Http2Exchange*>(stream)->end_was_sent();
  }
}

void Http2Server::stream_closed(Http2Stream& stream, std::uint32_t code) {
  std::optional<Error> reason;
  if (!static_cast<Http2Exchange&>(stream).end_sent()) {
    reason = Error{Code::kReset, Side::kDownstream,
                   std::string("the stream was reset: ") + nghttp2_http2_strerror(code)};
  }
  stream.close(std::move(reason));
  if (header_of_ == stream.id()) header_of_.reset();
  update_deadline();
}

void Http2Server::settle() {
  for (const std::shared_ptr<Http2Exchange>& exchange : std::exchange(gone_, {})) {
    exchange->call_gone();
  }
  batch_.swap(ready_);
  for (std::shared_ptr<Http2Exchange>& exchange : batch_) {
    if (exchange->failed()) continue;  // reset as soon as it was made
    const int status = exchange->refusal_status();
    if (status == 0) {
      handlers_.spawn(handle(this, std::move(exchange)));
    } else {
      exchange->refuse(status);
    }
  }
  batch_.clear();
}

void Http2Server::update_deadline() {
  const Clock::Time now = clock().now();
  if (header_of_) {
    set_connection_deadline(now + limits_.header_timeout);
  } else if (draining_ && !drained_) {
    set_connection_deadline(now + kDrainNotice);
  } else if (streams() == 0) {
    set_connection_deadline(now + limits_.idle_timeout);
  } else {
    set_connection_deadline(Watchdog::kNever);
  }
}

void Http2Server::connection_expired() {
  if (header_of_) {
    const Error late{Code::kTimeout, Side::kDownstream, "the header did not come in time"};
    terminate(NGHTTP2_ENHANCE_YOUR_CALM, late);
  } else if (draining_ && !drained_) {
    end_drain();
  } else {
    nghttp2_session_terminate_session(raw(), NGHTTP2_NO_ERROR);
    wake_writer();
  }
}

/// The first of two steps: the peer learns that no stream will be taken, but those on their way
/// are.
void Http2Server::begin_drain() {
  if (std::exchange(draining_, true)) return;
  nghttp2_submit_shutdown_notice(raw());
  nghttp2_submit_ping(raw(), NGHTTP2_FLAG_NONE, nullptr);
  update_deadline();
  wake_writer();
}

void Http2Server::end_drain() {
  if (!draining_ || drained_) return;
  drained_ = true;
  nghttp2_submit_goaway(raw(), NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(raw()),
                        NGHTTP2_NO_ERROR, nullptr, 0);
  update_deadline();
  wake_writer();
}

}  // namespace

Task<Result<void>> serve_http2(net::Stream& stream, const ServerLimits& limits, Clock& clock,
                               Gate& drain, Handler& handler, std::string_view scheme) {
  Http2Server server(stream, limits, clock, drain, handler, scheme);
  co_return co_await server.serve();
}

}  // namespace mandated::http
