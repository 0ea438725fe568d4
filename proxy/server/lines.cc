#include "proxy/server/lines.h"

#include <algorithm>
#include <deque>
#include <list>
#include <utility>
#include <vector>

#include "proxy/base/log.h"
#include "proxy/protocol/mcp.h"
#include "proxy/protocol/sse.h"
#include "proxy/server/exchange.h"

namespace mandated::server {

namespace {

constexpr std::size_t kReadBytes = 65536;
constexpr Clock::Duration kReopenMin = std::chrono::seconds(1);
constexpr Clock::Duration kReopenMax = std::chrono::seconds(30);

// Cuts a stream into lines. One that is too long is skipped to its end.
class LineReader {
 public:
  LineReader(net::Stream& stream, std::size_t bytes_max)
      : stream_(stream), bytes_max_(bytes_max), buffer_(kReadBytes) {}

  /// kEnd when there are no more; kTooLarge for a line that is gone, after which reading goes on.
  Task<Result<std::string>> read() {
    while (true) {
      const std::size_t end = text_.find('\n', scanned_);
      if (end != std::string::npos) {
        std::string line = text_.substr(0, end);
        text_.erase(0, end + 1);
        scanned_ = 0;
        if (!std::exchange(skipping_, false)) co_return line;
        co_return fail(Code::kTooLarge, Side::kDownstream, "the line is too long");
      }
      if (text_.size() > bytes_max_) skipping_ = true;
      if (skipping_) text_.clear();
      scanned_ = text_.size();
      CO_TRY(const std::size_t size, co_await stream_.read_some(buffer_));
      if (size == 0) co_return fail(Code::kEnd, Side::kDownstream, "the client left");
      text_.append(buffer_.data(), size);
    }
  }

 private:
  net::Stream& stream_;
  std::size_t bytes_max_;
  std::vector<char> buffer_;
  std::string text_;
  std::size_t scanned_ = 0;
  bool skipping_ = false;
};

// Writes lines one after the other, whoever they come from.
class LineWriter {
 public:
  LineWriter(net::Stream& stream, Executor executor) : stream_(stream), executor_(executor) {}

  Task<Result<void>> write(std::string line) {
    // Between the tokens of JSON a line break is white space, and nowhere else can it stand.
    std::replace_if(line.begin(), line.end(), [](char c) { return c == '\n' || c == '\r'; }, ' ');
    line += '\n';
    if (busy_) {
      Event turn(executor_);
      waiting_.push_back(&turn);
      co_await turn.wait();
    }
    busy_ = true;
    Result<void> written = co_await stream_.write(line);
    if (waiting_.empty()) {
      busy_ = false;
    } else {
      Event* const next = waiting_.front();
      waiting_.pop_front();
      next->notify();
    }
    co_return written;
  }

 private:
  net::Stream& stream_;
  Executor executor_;
  std::deque<Event*> waiting_;
  bool busy_ = false;
};

// What becomes of the answer to a line.
enum class Wanted : std::uint8_t {
  kAnswer,    ///< a request's: there will be one, whatever happens
  kNothing,   ///< nobody waits for what is said to a notification or a response
  kWhatComes  ///< the server's own messages, or what is wrong with a line
};

// One message of the client's as the request that run_exchange answers. What comes back is written
// as lines.
class LineStream final : public http::ServerStream {
 public:
  /// `id` is the request's, as JSON; an answer, or an event of it, has at most `bytes_max`.
  LineStream(http::RequestHead head, std::string body, Wanted wanted, std::string id,
             LineWriter& out, std::size_t bytes_max)
      : head_(std::move(head)),
        body_(std::move(body)),
        wanted_(wanted),
        id_(std::move(id)),
        out_(out),
        bytes_max_(bytes_max),
        events_(bytes_max) {}

  const http::RequestHead& head() const override { return head_; }
  http::Body& body() override { return body_; }

  Task<Result<void>> respond(const http::ResponseHead& head, bool end) override {
    status_ = head.status;
    session_id_ = std::string(head.fields.single("mcp-session-id").value_or(""));
    is_stream_ = head.fields.single("content-type").value_or("").starts_with("text/event-stream");
    if (end) co_return co_await finish();
    co_return Result<void>();
  }

  Task<Result<void>> send(std::string_view data, bool end) override {
    if (!is_stream_ && data.size() > bytes_max_ - whole_.size()) {
      whole_.clear();
      co_return fail(Code::kTooLarge, Side::kUpstream, "the answer is too large for a line");
    }
    if (is_stream_) {
      std::vector<protocol::SseEvent> complete;
      CO_CHECK(events_.feed(data, complete));
      for (protocol::SseEvent& event : complete) {
        if (event.id) last_event_id_ = *event.id;
        if (event.data.empty()) continue;
        CO_CHECK(co_await pass_on(std::move(event.data)));
      }
    } else {
      whole_ += data;
    }
    if (end) co_return co_await finish();
    co_return Result<void>();
  }

  void reset() override {}
  void close_connection_after() override {}
  void on_gone(std::function<void()> callback) override {
    on_gone_ = std::move(callback);
    if (gone_ && on_gone_) on_gone_();
  }

  /// The client left.
  void gone() {
    gone_ = true;
    if (on_gone_) on_gone_();
  }

  /// Once run_exchange has returned: a request whose answer broke off gets one all the same.
  Task<void> complete() {
    if (wanted_ != Wanted::kAnswer || answered_ || gone_) co_return;
    const std::string error = protocol::error_response(
        id_, protocol::kInternalError, "The call was cut off before its answer came.");
    static_cast<void>(co_await out_.write(error));
  }

  int status() const { return status_; }
  const std::string& session_id() const { return session_id_; }
  const std::string& last_event_id() const { return last_event_id_; }
  /// Called with the response before the client has it.
  std::function<void(const protocol::Message& answer)> on_answer;

 private:
  // What is no JSON-RPC message of its own: that there is no such route, that the proxy is full.
  std::string problem() const {
    const auto document = json::Document::parse(whole_);
    const auto detail = document ? document->root().find_string("detail") : std::nullopt;
    return protocol::error_response(id_.empty() ? "null" : id_, protocol::kInternalError,
                                    detail.value_or("The call failed."));
  }

  protocol::Accepted<protocol::Message> read(std::string_view text) const {
    return protocol::parse_message(text, protocol::Origin::kServer, {.bytes_max = bytes_max_});
  }

  void note(const protocol::Message& message) {
    if (wanted_ != Wanted::kAnswer || answered_ || !message.is_response()) return;
    answered_ = true;
    if (on_answer) on_answer(message);
  }

  Task<Result<void>> finish() {
    if (is_stream_ || whole_.empty() || wanted_ == Wanted::kNothing) co_return Result<void>();
    const auto message = read(whole_);
    if (message) {
      note(*message);
    } else {
      whole_ = problem();
      answered_ = true;
    }
    co_return co_await out_.write(std::move(whole_));
  }

  // An event; whether it is the answer matters until that has come.
  Task<Result<void>> pass_on(std::string text) {
    if (wanted_ == Wanted::kNothing) co_return Result<void>();
    if (wanted_ == Wanted::kAnswer && !answered_) {
      const auto message = read(text);
      if (message) note(*message);
    }
    co_return co_await out_.write(std::move(text));
  }

  http::RequestHead head_;
  http::StringBody body_;
  Wanted wanted_;
  std::string id_;
  LineWriter& out_;
  std::size_t bytes_max_;
  protocol::SseParser events_;
  std::function<void()> on_gone_;
  std::string whole_;  // of an answer that is no stream
  std::string session_id_;
  std::string last_event_id_;
  int status_ = 0;
  bool is_stream_ = false;
  bool answered_ = false;
  bool gone_ = false;
};

// The client and its session.
class LineClient {
 public:
  LineClient(Worker& worker, const Connection& connection, net::Stream& stream)
      : worker_(worker),
        connection_(connection),
        in_(stream, worker.config().limits.body_bytes_max),
        out_(stream, worker.clock().executor()),
        exchanges_(worker.clock().executor()),
        other_ended_(worker.clock().executor()),
        left_(worker.clock().executor()) {
    const auto& routes = worker.config().routes;
    const auto route = std::find_if(routes.begin(), routes.end(), [&](const config::Route& each) {
      return each.listener.empty() || each.listener == connection.listener.name;
    });
    if (route != routes.end()) path_ = route->path;
  }

  Task<Result<void>> run() {
    Result<void> ended;
    while (ended) {
      Result<std::string> line = co_await in_.read();
      if (line) {
        ended = co_await take(std::move(*line));
      } else if (line.error().code == Code::kTooLarge) {
        worker_.shared().metrics.limit_exceeded(admin::Limit::kBodyBytes);
        std::string answer =
            protocol::error_response("null", protocol::kInvalidRequest, "The message is too long.");
        ended = co_await out_.write(std::move(answer));
      } else {
        ended = tl::unexpected(std::move(line).error());
      }
    }
    left_.notify();
    leaving_ = true;
    for (LineStream* stream : live_) stream->gone();
    co_await exchanges_.wait_empty();
    if (!session_id_.empty()) co_await end_session();
    if (ended.error().code == Code::kEnd) co_return Result<void>();
    co_return ended;
  }

 private:
  // Lines that nobody waits for hold the reader up when there are too many. A request is refused
  // then, since the answers that others wait for may be on the lines behind it.
  Task<Result<void>> take(std::string line) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) co_return Result<void>();
    const auto message = protocol::parse_message(line, protocol::Origin::kClient, limits());
    const bool is_request = message && message->is_request();
    const std::size_t most = worker_.config().limits.streams_max;
    if (is_request && requests_ >= most) {
      std::string refusal = protocol::error_response(message->id(), protocol::kInternalError,
                                                     "Too many requests are under way at once.");
      co_return co_await out_.write(std::move(refusal));
    }
    while (!is_request && others_ >= most) co_await other_ended_.wait();
    Wanted wanted = Wanted::kWhatComes;
    if (message) wanted = is_request ? Wanted::kAnswer : Wanted::kNothing;
    http::RequestHead head = head_of("POST");
    head.fields.add("content-type", "application/json");
    std::string id = is_request ? message->id() : "";
    std::string method;
    if (message) {
      method = message->method();
      const http::Fields own = protocol::message_fields(*message, version_);
      for (const http::Field& each : own.all()) head.fields.add(each.name, each.value);
    }
    auto stream = std::make_unique<LineStream>(std::move(head), std::move(line), wanted,
                                               std::move(id), out_, limits().bytes_max);
    if (method == "initialize") {
      stream->on_answer = [this, begun = stream.get()](const protocol::Message& answer) {
        begin_session(*begun, answer);
      };
    }
    ++(is_request ? requests_ : others_);
    exchanges_.spawn(exchange(std::move(stream), std::move(method), is_request));
    co_return Result<void>();
  }

  Task<void> exchange(std::unique_ptr<LineStream> stream, std::string method, bool is_request) {
    co_await answer(*stream);
    --(is_request ? requests_ : others_);
    if (!is_request) other_ended_.notify();
    if (method == "notifications/initialized" && stream->status() / 100 == 2 && !listening_) {
      listening_ = true;
      exchanges_.spawn(listen());
    }
  }

  Task<void> answer(LineStream& stream) {
    const auto place = live_.insert(live_.end(), &stream);
    if (leaving_) stream.gone();
    co_await run_exchange(worker_, connection_, stream);
    co_await stream.complete();
    live_.erase(place);
  }

  void begin_session(const LineStream& stream, const protocol::Message& answer) {
    const json::Value* result = answer.result();
    if (result == nullptr) return;
    session_id_ = stream.session_id();
    version_ = std::string(result->find_string("protocolVersion").value_or(""));
  }

  // What the server says by itself. A stream that ends is opened again where it stopped (MCP
  // 2025-11-25, "Resumability and Redelivery"), unless the server has none.
  Task<void> listen() {
    Clock::Duration pause = kReopenMin;
    std::string last_event_id;
    while (!leaving_) {
      http::RequestHead head = head_of("GET");
      if (!version_.empty()) head.fields.add("mcp-protocol-version", version_);
      if (!last_event_id.empty()) head.fields.add("last-event-id", last_event_id);
      LineStream stream(std::move(head), "", Wanted::kWhatComes, "", out_, limits().bytes_max);
      const Clock::Time begun = worker_.clock().now();
      co_await answer(stream);
      if (leaving_ || stream.status() / 100 != 2) co_return;
      if (!stream.last_event_id().empty()) last_event_id = stream.last_event_id();
      if (worker_.clock().now() - begun > kReopenMax) pause = kReopenMin;
      const std::unique_ptr<Clock::Timer> timer =
          worker_.clock().call_at(worker_.clock().now() + pause, [this] { left_.notify(); });
      co_await left_.wait();
      pause = std::min(2 * pause, kReopenMax);
    }
  }

  Task<void> end_session() {
    http::RequestHead head = head_of("DELETE");
    if (!version_.empty()) head.fields.add("mcp-protocol-version", version_);
    LineStream stream(std::move(head), "", Wanted::kNothing, "", out_, limits().bytes_max);
    co_await run_exchange(worker_, connection_, stream);
  }

  http::RequestHead head_of(std::string method) const {
    http::RequestHead head;
    head.method = std::move(method);
    head.scheme = "http";
    head.authority = "localhost";
    head.target = path_;
    head.fields.add("accept", head.method == "GET" ? "text/event-stream"
                                                   : "application/json, text/event-stream");
    if (!session_id_.empty()) head.fields.add("mcp-session-id", session_id_);
    return head;
  }

  json::Limits limits() const {
    json::Limits limits;
    limits.bytes_max = worker_.config().limits.body_bytes_max;
    limits.depth_max = worker_.config().limits.json_depth_max;
    return limits;
  }

  Worker& worker_;
  const Connection& connection_;
  LineReader in_;
  LineWriter out_;
  Gate exchanges_;
  Event other_ended_;
  Event left_;
  std::list<LineStream*> live_;
  std::string path_ = "/";
  std::string session_id_;
  std::string version_;       // that the server agreed to
  std::size_t requests_ = 0;  // under way
  std::size_t others_ = 0;    // notifications, responses and what is no message
  bool listening_ = false;
  bool leaving_ = false;
};

}  // namespace

Task<Result<void>> serve_lines(Worker& worker, const Connection& connection, net::Stream& stream) {
  const Gate::Registration on_drain(worker.gate(), [&stream] { stream.close(); });
  LineClient client(worker, connection, stream);
  co_return co_await client.run();
}

}  // namespace mandated::server
