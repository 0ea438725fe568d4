// The client side of HTTP/2: many calls at once over one connection. A reader and a writer run in
// the pool's gate and share the connection with the calls.

#include <charconv>
#include <string>
#include <utility>

#include "proxy/http/client.h"
#include "proxy/http/field_rules.h"
#include "proxy/http/http2_session.h"

namespace mandated::http {

namespace {

constexpr unsigned kInterimMax = 16;  // 1xx answers before the final one

class Http2ClientSession;

/// One call's stream.
class Http2Call final : public Http2Stream {
 public:
  Http2Call(Http2ClientSession& session, const ClientLimits& limits, const BodyWriter& request);

  Task<Result<ResponseHead>> response();
  const Fields& trailers() const { return trailers_; }
  void set_deadline(Clock::Time deadline);
  /// Nobody wants the answer any more.
  void drop(Error reason) {
    if (!closed_) abort(NGHTTP2_CANCEL, std::move(reason));
  }

  void begin_header_block(nghttp2_headers_category category) override;
  bool take_header(std::string_view name, std::string_view value) override;
  void end_header_block(bool end) override;
  void lose(const Error& reason) override;
  void ended_by(std::uint32_t code);

 private:
  void read_deadline_passed() override;
  void on_failure() override {}
  std::optional<Clock::Duration> stall_max() const override { return std::nullopt; }

  Http2ClientSession& client_;
  const ClientLimits& limits_;
  const Clock::Time started_;
  ResponseHead head_;
  Fields trailers_;
  std::size_t header_bytes_ = 0;
  std::size_t header_count_ = 0;
  unsigned interim_ = 0;
  bool began_ = false;   // some of the answer has come
  bool headed_ = false;  // its final head has
};

/// The stream stands before the session that reads from it.
struct OwnedStream {
  explicit OwnedStream(net::StreamPtr stream) : owned(std::move(stream)) {}
  net::StreamPtr owned;
};

class Http2ClientSession final : private OwnedStream, public Http2Session {
 public:
  Http2ClientSession(net::StreamPtr stream, const ClientLimits& limits, Clock& clock)
      : OwnedStream(std::move(stream)),
        Http2Session(*owned, clock, options_of(limits)),
        limits_(limits) {}

  static Task<void> read(std::shared_ptr<Http2ClientSession> session);
  static Task<void> write(std::shared_ptr<Http2ClientSession> session);

  Result<std::shared_ptr<Http2Call>> start(const RequestHead& head, bool end);
  bool alive() const { return !dead_ && !leaving_ && !ending(); }
  bool available();
  std::size_t active() const { return dead_ || ending() ? 0 : streams(); }
  void close(const Error& reason);
  /// A call timed out while the connection was silent: it takes no new ones.
  void suspect() { leaving_ = true; }
  using Http2Session::last_received;

 private:
  static Http2Options options_of(const ClientLimits& limits) {
    Http2Options options;
    options.header_bytes_max = limits.header_bytes_max;
    options.streams_max = 0;
    options.window_bytes = limits.window_bytes;
    options.connection_window_bytes = limits.connection_window_bytes;
    options.wipes_input = limits.wipes_bodies;
    return options;
  }
  std::shared_ptr<Http2Stream> open_stream() override { return nullptr; }  // no server push
  void frame_received(const nghttp2_frame& frame) override {
    if (frame.hd.type == NGHTTP2_GOAWAY) leaving_ = true;
  }
  void frame_sent(const nghttp2_frame&, Http2Stream*) override {}
  void stream_closed(Http2Stream& stream, std::uint32_t code) override {
    static_cast<Http2Call&>(stream).ended_by(code);
    if (leaving_ && streams() == 0) owned->close();
  }
  void settle() override {}
  void connection_expired() override {}

  const ClientLimits limits_;
  bool leaving_ = false;  // what is under way goes on, nothing new
  bool dead_ = false;
};

// ---- a call

Http2Call::Http2Call(Http2ClientSession& session, const ClientLimits& limits,
                     const BodyWriter& request)
    : Http2Stream(session), client_(session), limits_(limits), started_(session.clock().now()) {
  writer_ = request;
}

Task<Result<ResponseHead>> Http2Call::response() {
  while (!headed_) {
    if (failure_) co_return Failure(*failure_);
    co_await incoming_changed_.wait();
  }
  co_return std::move(head_);
}

void Http2Call::set_deadline(Clock::Time deadline) {
  read_deadline_ = deadline;
  if (!closed_) session_.watch(deadline);
}

void Http2Call::read_deadline_passed() {
  if (client_.last_received() < started_) client_.suspect();
  abort(NGHTTP2_CANCEL, Error{Code::kTimeout, Side::kUpstream, "the call's deadline passed"});
}

void Http2Call::begin_header_block(nghttp2_headers_category) {
  began_ = true;
  header_bytes_ = header_count_ = 0;
  if (!headed_) head_ = ResponseHead();
}

bool Http2Call::take_header(std::string_view name, std::string_view value) {
  header_bytes_ += name.size() + value.size() + 32;
  ++header_count_;
  if (header_bytes_ > limits_.header_bytes_max || header_count_ > limits_.header_count_max) {
    abort(NGHTTP2_CANCEL,
          Error{Code::kTooLarge, Side::kUpstream, "the answer's header is too large"});
    return false;
  }
  if (headed_) {
    if (!is_connection_specific(name)) trailers_.add(std::string(name), std::string(value));
  } else if (name == ":status") {
    // nghttp2 has made sure of three digits.
    std::from_chars(value.data(), value.data() + value.size(), head_.status);
  } else if (name == "content-length" || !is_connection_specific(name)) {
    head_.fields.add(std::string(name), std::string(value));
  }
  return true;
}

void Http2Call::end_header_block(bool end) {
  if (!headed_ && (head_.status < 100 || head_.status > 599)) {
    abort(NGHTTP2_PROTOCOL_ERROR,
          Error{Code::kMalformed, Side::kUpstream, "a status out of range"});
    return;
  }
  if (!headed_ && head_.status < 200) {
    if (++interim_ > kInterimMax) {
      abort(NGHTTP2_CANCEL, Error{Code::kProtocol, Side::kUpstream, "interim answers without end"});
    }
    return;
  }
  headed_ = true;
  if (end) end_incoming();
  incoming_changed_.notify();
}

/// Before any of the answer came the peer may never have seen the request: kReset says so.
void Http2Call::lose(const Error& reason) {
  const bool ours = reason.code == Code::kCancelled && reason.side == Side::kLocal;
  close(Error{ours ? Code::kCancelled : (began_ ? Code::kEnd : Code::kReset), reason.side,
              reason.text});
}

void Http2Call::ended_by(std::uint32_t code) {
  if (headed_ && incoming_ended()) {
    close(std::nullopt);
  } else if (code == NGHTTP2_REFUSED_STREAM) {
    close(Error{Code::kUnavailable, Side::kUpstream, "the peer did not take the request"});
  } else {
    close(Error{Code::kEnd, Side::kUpstream,
                std::string("the peer reset the stream: ") + nghttp2_http2_strerror(code)});
  }
}

// ---- the connection

Task<void> Http2ClientSession::read(std::shared_ptr<Http2ClientSession> session) {
  const Result<void> outcome = co_await session->read_all_frames();
  Error reason{Code::kReset, Side::kUpstream, "the peer closed the connection"};
  if (!outcome) reason.text = outcome.error().text;
  session->close(reason);
}

Task<void> Http2ClientSession::write(std::shared_ptr<Http2ClientSession> session) {
  co_await session->write_frames();
}

bool Http2ClientSession::available() {
  if (!alive() || nghttp2_session_check_request_allowed(raw()) == 0) return false;
  return streams() <
         nghttp2_session_get_remote_settings(raw(), NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
}

Result<std::shared_ptr<Http2Call>> Http2ClientSession::start(const RequestHead& head, bool end) {
  if (!available()) {
    return fail(Code::kUnavailable, Side::kUpstream, "the connection takes no request now");
  }
  CHECK(check_outgoing(head));
  BodyWriter body;
  const std::optional<std::uint64_t> length = announced_length(head.fields);
  if (!end) {
    body = length ? BodyWriter(Framing::kLength, *length) : BodyWriter(Framing::kUntilClose, 0);
  }
  auto call = std::make_shared<Http2Call>(*this, limits_, body);
  std::vector<nghttp2_nv>& fields = start_fields();
  add_field(":method", head.method);
  add_field(":scheme", head.scheme);
  add_field(":authority", head.authority);
  add_field(":path", head.target);
  add_fields(head.fields, !end);
  const nghttp2_data_provider provider = data_provider(*call);
  const std::int32_t id = nghttp2_submit_request(raw(), nullptr, fields.data(), fields.size(),
                                                 end ? nullptr : &provider, nullptr);
  if (id < 0) return fail(Code::kUnavailable, Side::kUpstream, nghttp2_strerror(id));
  adopt(id, call);
  wake_writer();
  return call;
}

void Http2ClientSession::close(const Error& reason) {
  if (dead_) return;
  dead_ = true;
  lose_streams(reason);
  owned->close();
  stop_writing();
}

class Http2Client;

class Http2ClientStream final : public ClientStream, private Body {
 public:
  Http2ClientStream(std::shared_ptr<Http2Client> owner, std::shared_ptr<Http2Call> call)
      : owner_(std::move(owner)), call_(std::move(call)) {}
  ~Http2ClientStream() override {
    call_->drop(Error{Code::kCancelled, Side::kLocal, "the call was dropped"});
    call_->discard_incoming();
  }

  Task<Result<void>> send(std::string_view data, bool end) override {
    return call_->write_piece(data, end);
  }
  Task<Result<ResponseHead>> response() override { return call_->response(); }
  Body& body() override { return *this; }
  const Fields& trailers() const override { return call_->trailers(); }
  void set_deadline(Clock::Time deadline) override { call_->set_deadline(deadline); }
  void cancel() override {
    call_->drop(Error{Code::kCancelled, Side::kLocal, "the call was cancelled"});
  }

 private:
  Task<Result<std::string>> read() override { return call_->read_piece(); }
  bool ended() const override { return call_->at_end(); }

  const std::shared_ptr<Http2Client> owner_;
  const std::shared_ptr<Http2Call> call_;
};

/// What the pool and the streams hold; the connection ends when the last of them lets go.
class Http2Client final : public ClientConnection,
                          public std::enable_shared_from_this<Http2Client> {
 public:
  Http2Client(net::StreamPtr stream, const ClientLimits& limits, Clock& clock, Gate& gate)
      : session_(std::make_shared<Http2ClientSession>(std::move(stream), limits, clock)) {
    gate.spawn(Http2ClientSession::read(session_));
    gate.spawn(Http2ClientSession::write(session_));
  }
  ~Http2Client() override { close(); }

  Task<Result<std::unique_ptr<ClientStream>>> start(const RequestHead& head, bool end) override {
    CO_TRY(std::shared_ptr<Http2Call> call, session_->start(head, end));
    std::unique_ptr<ClientStream> stream =
        std::make_unique<Http2ClientStream>(shared_from_this(), std::move(call));
    co_return stream;
  }
  bool available() const override { return session_->available(); }
  bool alive() const override { return session_->alive(); }
  std::size_t active() const override { return session_->active(); }
  void close() override {
    session_->close(Error{Code::kCancelled, Side::kLocal, "the connection was closed"});
  }

 private:
  const std::shared_ptr<Http2ClientSession> session_;
};

}  // namespace

std::shared_ptr<ClientConnection> make_http2_client(net::StreamPtr stream,
                                                    const ClientLimits& limits, Clock& clock,
                                                    Gate& gate) {
  return std::make_shared<Http2Client>(std::move(stream), limits, clock, gate);
}

}  // namespace mandated::http
