#include "proxy/http/http2_session.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "proxy/base/secret.h"
#include "proxy/http/field_rules.h"
#include "proxy/http/http1_parser.h"

namespace mandated::http {

namespace {

constexpr std::size_t kReadBytes = 16384;
constexpr std::size_t kReadQuiet = 1024;         // what an idle connection holds
constexpr std::size_t kWriteBytes = 65536;       // gathered into one write
constexpr std::size_t kStreamBytes = 32768;      // buffered of an outgoing body: two full frames
constexpr std::size_t kHeadBytesMax = 1U << 18;  // that nghttp2 agrees to send
constexpr std::size_t kDiscardMax = 65536;       // read of a connection that is ending
constexpr Clock::Duration kLinger = std::chrono::seconds(1);

// Frames that cost the peer nothing and mean nothing much (PING, SETTINGS, PRIORITY, RST_STREAM,
// empty DATA) draw from a bucket: a thousand at once, a hundred a second.
constexpr std::uint64_t kCheapFrames = 1000;
constexpr std::uint64_t kCheapFramesPerSecond = 100;
// WINDOW_UPDATE goes with the data that we send and the streams that are opened.
constexpr std::uint64_t kWindowUpdates = 1000;
constexpr std::uint64_t kWindowUpdatesPerFrame = 10;
// Frames that wait to be written, beyond four for every stream.
constexpr std::size_t kQueuedFrames = 1000;

struct OptionDelete {
  void operator()(nghttp2_option* option) const { nghttp2_option_del(option); }
};
struct CallbacksDelete {
  void operator()(nghttp2_session_callbacks* callbacks) const {
    nghttp2_session_callbacks_del(callbacks);
  }
};

std::string_view text(const std::uint8_t* bytes, std::size_t size) {
  return {reinterpret_cast<const char*>(bytes), size};
}

}  // namespace

/// nghttp2's callbacks: each finds its stream and tells it.
struct Http2Callbacks {
  static Http2Session& self(void* user_data) { return *static_cast<Http2Session*>(user_data); }

  static int on_begin_frame(nghttp2_session*, const nghttp2_frame_hd* frame, void* user_data) {
    self(user_data).check_flood(*frame);
    return 0;
  }

  static int on_begin_headers(nghttp2_session*, const nghttp2_frame* frame, void* user_data) {
    Http2Session& session = self(user_data);
    const std::int32_t id = frame->hd.stream_id;
    // Of a push nghttp2 says nothing, since our settings forbid it; `cat` would not be there.
    if (frame->hd.type != NGHTTP2_HEADERS) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    if (frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
      std::shared_ptr<Http2Stream> stream = session.open_stream();
      if (stream == nullptr) {
        nghttp2_submit_rst_stream(session.raw(), NGHTTP2_FLAG_NONE, id, NGHTTP2_REFUSED_STREAM);
        return 0;
      }
      session.adopt(id, std::move(stream));
    }
    if (Http2Stream* stream = session.find(id)) stream->begin_header_block(frame->headers.cat);
    return 0;
  }

  static int on_header(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name,
                       std::size_t name_size, const std::uint8_t* value, std::size_t value_size,
                       std::uint8_t, void* user_data) {
    Http2Stream* stream = self(user_data).find(frame->hd.stream_id);
    const bool taken =
        stream == nullptr || stream->take_header(text(name, name_size), text(value, value_size));
    return taken ? 0 : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  }

  /// Without this nghttp2 would drop such a field and go on; with it the stream is reset.
  static int on_invalid_header(nghttp2_session*, const nghttp2_frame*, const std::uint8_t*,
                               std::size_t, const std::uint8_t*, std::size_t, std::uint8_t, void*) {
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  }

  static int on_frame_recv(nghttp2_session*, const nghttp2_frame* frame, void* user_data) {
    Http2Session& session = self(user_data);
    const bool end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    Http2Stream* stream = session.find(frame->hd.stream_id);
    if (stream != nullptr && frame->hd.type == NGHTTP2_HEADERS) stream->end_header_block(end);
    if (stream != nullptr && frame->hd.type == NGHTTP2_DATA && end) stream->end_incoming();
    session.frame_received(*frame);
    return 0;
  }

  static int on_data_chunk(nghttp2_session* raw, std::uint8_t, std::int32_t id,
                           const std::uint8_t* data, std::size_t size, void* user_data) {
    if (Http2Stream* stream = self(user_data).find(id)) {
      stream->take_data(text(data, size));
    } else {
      nghttp2_session_consume(raw, id, size);
    }
    return 0;
  }

  static int on_stream_close(nghttp2_session*, std::int32_t id, std::uint32_t code,
                             void* user_data) {
    self(user_data).close_stream(id, code);
    return 0;
  }

  static int on_frame_send(nghttp2_session*, const nghttp2_frame* frame, void* user_data) {
    Http2Session& session = self(user_data);
    if (frame->hd.type == NGHTTP2_DATA) {
      session.window_updates_expected_ += kWindowUpdatesPerFrame;
    }
    if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code != NGHTTP2_NO_ERROR &&
        !session.end_reason_) {
      session.end_reason_ = Error{Code::kProtocol, session.peer_side(),
                                  std::string("the peer broke the protocol: ") +
                                      nghttp2_http2_strerror(frame->goaway.error_code)};
    }
    if (frame->hd.type == NGHTTP2_RST_STREAM) session.charge_reset(frame->rst_stream.error_code);
    session.frame_sent(*frame, session.find(frame->hd.stream_id));
    return 0;
  }

  static ssize_t read_data(nghttp2_session*, std::int32_t, std::uint8_t* out, std::size_t room,
                           std::uint32_t* flags, nghttp2_data_source* source, void*) {
    Http2Stream& stream = *static_cast<Http2Stream*>(source->ptr);
    const std::size_t given = stream.give_data(out, room, flags);
    if (given == 0 && (*flags & NGHTTP2_DATA_FLAG_EOF) == 0) return NGHTTP2_ERR_DEFERRED;
    return static_cast<ssize_t>(given);
  }

  static nghttp2_session* make(Http2Session& session, bool server);
};

nghttp2_session* Http2Callbacks::make(Http2Session& session, bool server) {
  nghttp2_option* raw_option = nullptr;
  nghttp2_session_callbacks* raw_callbacks = nullptr;
  MANDATED_ASSERT(nghttp2_option_new(&raw_option) == 0);
  const std::unique_ptr<nghttp2_option, OptionDelete> option(raw_option);
  MANDATED_ASSERT(nghttp2_session_callbacks_new(&raw_callbacks) == 0);
  const std::unique_ptr<nghttp2_session_callbacks, CallbacksDelete> callbacks(raw_callbacks);

  nghttp2_option_set_no_auto_window_update(raw_option, 1);
  nghttp2_option_set_max_send_header_block_length(raw_option, kHeadBytesMax);
  // Its limit asks the operating system for the time; check_flood counts by our Clock.
  nghttp2_option_set_stream_reset_rate_limit(raw_option, UINT64_MAX, UINT64_MAX);

  nghttp2_session_callbacks_set_on_begin_frame_callback(raw_callbacks, on_begin_frame);
  nghttp2_session_callbacks_set_on_begin_headers_callback(raw_callbacks, on_begin_headers);
  nghttp2_session_callbacks_set_on_header_callback(raw_callbacks, on_header);
  nghttp2_session_callbacks_set_on_invalid_header_callback(raw_callbacks, on_invalid_header);
  nghttp2_session_callbacks_set_on_frame_recv_callback(raw_callbacks, on_frame_recv);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(raw_callbacks, on_data_chunk);
  nghttp2_session_callbacks_set_on_stream_close_callback(raw_callbacks, on_stream_close);
  nghttp2_session_callbacks_set_on_frame_send_callback(raw_callbacks, on_frame_send);

  nghttp2_session* raw = nullptr;
  const int failed = server
                         ? nghttp2_session_server_new2(&raw, raw_callbacks, &session, raw_option)
                         : nghttp2_session_client_new2(&raw, raw_callbacks, &session, raw_option);
  MANDATED_ASSERT(failed == 0);
  return raw;
}

// ---- a stream

Http2Stream::Http2Stream(Http2Session& session)
    : session_(session),
      wipes_incoming_(session.wipes_input()),
      incoming_changed_(session.clock().executor()),
      outgoing_drained_(session.clock().executor()) {}

Http2Stream::~Http2Stream() { clear_incoming(); }

void Http2Stream::clear_incoming() {
  if (wipes_incoming_) wipe(incoming_);
  incoming_.clear();
  incoming_begin_ = 0;
}

Task<Result<std::string>> Http2Stream::read_piece() {
  while (true) {
    if (buffered() > 0) {
      const std::size_t size = std::min(buffered(), kBodyPieceMax);
      std::string piece;
      if (size == incoming_.size()) {
        piece = std::exchange(incoming_, std::string());
      } else {
        piece = incoming_.substr(incoming_begin_, size);
        incoming_begin_ += size;
        if (buffered() == 0) clear_incoming();
      }
      // The window opens only now that somebody took the bytes.
      nghttp2_session_consume(session_.raw(), id_, size);
      session_.wake_writer();
      co_return piece;
    }
    if (incoming_ended_) co_return std::string();
    if (failure_) co_return Failure(*failure_);
    if (read_timed_out_) {
      co_return fail(Code::kTimeout, Side::kDownstream, "the body did not come in time");
    }
    const std::optional<Clock::Duration> patience = stall_max();
    if (patience) {
      read_deadline_ = session_.clock().now() + *patience;
      session_.watch(read_deadline_);
    }
    co_await incoming_changed_.wait();
    if (patience) read_deadline_ = Watchdog::kNever;
  }
}

Task<Result<void>> Http2Stream::write_piece(std::string_view data, bool end) {
  while (true) {
    if (failure_) co_return Failure(*failure_);
    if (closed_) {
      co_return fail(Code::kEnd, Side::kUpstream, "the peer answered before the body's end");
    }
    const std::size_t waiting = outgoing_.size() - outgoing_begin_;
    if (waiting < kStreamBytes || data.empty()) {
      const std::string_view slice = data.substr(0, kStreamBytes - std::min(waiting, kStreamBytes));
      data.remove_prefix(slice.size());
      const bool last = data.empty();
      Result<void> appended = writer_.append(outgoing_, slice, end && last);
      if (!appended) {
        abort(NGHTTP2_INTERNAL_ERROR, appended.error());
        co_return appended;
      }
      if (outgoing_deferred_) {
        outgoing_deferred_ = false;
        nghttp2_session_resume_data(session_.raw(), id_);
      }
      session_.wake_writer();
      if (last) co_return Result<void>();
    } else {
      const std::optional<Clock::Duration> patience = stall_max();
      if (patience) {
        write_deadline_ = session_.clock().now() + *patience;
        session_.watch(write_deadline_);
      }
      co_await outgoing_drained_.wait();
      write_deadline_ = Watchdog::kNever;
    }
  }
}

void Http2Stream::abort(std::uint32_t code, Error reason) {
  if (!closed_) {
    nghttp2_submit_rst_stream(session_.raw(), NGHTTP2_FLAG_NONE, id_, code);
    session_.wake_writer();
  }
  discard_incoming();
  if (failure_) return;
  failure_ = std::move(reason);
  incoming_changed_.notify();
  outgoing_drained_.notify();
}

void Http2Stream::discard_incoming() {
  discarding_ = true;
  const std::size_t size = buffered();
  clear_incoming();
  if (size == 0) return;
  nghttp2_session_consume(session_.raw(), id_, size);
  session_.wake_writer();
}

void Http2Stream::take_data(std::string_view data) {
  if (discarding_) {
    nghttp2_session_consume(session_.raw(), id_, data.size());
    return;
  }
  if (wipes_incoming_) {
    append_secret(incoming_, data);
  } else {
    incoming_.append(data);
  }
  incoming_changed_.notify();
}

void Http2Stream::end_incoming() {
  incoming_ended_ = true;
  incoming_changed_.notify();
}

std::size_t Http2Stream::give_data(std::uint8_t* out, std::size_t room, std::uint32_t* flags) {
  const std::size_t size = std::min(room, outgoing_.size() - outgoing_begin_);
  std::memcpy(out, outgoing_.data() + outgoing_begin_, size);
  outgoing_begin_ += size;
  if (outgoing_begin_ == outgoing_.size()) {
    outgoing_.clear();
    outgoing_begin_ = 0;
    if (writer_.ended()) *flags |= NGHTTP2_DATA_FLAG_EOF;
  }
  outgoing_deferred_ = size == 0 && !writer_.ended();
  outgoing_drained_.notify();
  return size;
}

void Http2Stream::close(std::optional<Error> reason) {
  closed_ = true;
  if (failure_) return;
  failure_ = std::move(reason);
  incoming_changed_.notify();
  outgoing_drained_.notify();
  if (failure_) on_failure();
}

void Http2Stream::expire(Clock::Time now) {
  if (read_deadline_ <= now) {
    read_deadline_ = Watchdog::kNever;
    read_deadline_passed();
  }
  if (write_deadline_ <= now) {
    write_deadline_ = Watchdog::kNever;
    abort(NGHTTP2_CANCEL, Error{Code::kTimeout, Side::kDownstream, "the peer takes no data"});
  }
}

// ---- the session

Http2Session::Http2Session(net::Stream& stream, Clock& clock, const Http2Options& options)
    : stream_(stream),
      clock_(clock),
      options_(options),
      due_(clock.executor()),
      watchdog_(clock, [this] { watchdog_fired(); }),
      last_received_(clock.now()),
      tokens_(kCheapFrames),
      refilled_(clock.now()),
      session_(Http2Callbacks::make(*this, options.server)) {
  std::vector<nghttp2_settings_entry> settings{
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, static_cast<std::uint32_t>(options.window_bytes)},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<std::uint32_t>(options.header_bytes_max)},
      {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1}};
  if (options.server) {
    settings.push_back(
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, static_cast<std::uint32_t>(options.streams_max)});
  } else {
    settings.push_back({NGHTTP2_SETTINGS_ENABLE_PUSH, 0});
  }
  MANDATED_ASSERT(
      nghttp2_submit_settings(raw(), NGHTTP2_FLAG_NONE, settings.data(), settings.size()) == 0);
  MANDATED_ASSERT(nghttp2_session_set_local_window_size(
                      raw(), NGHTTP2_FLAG_NONE, 0,
                      static_cast<std::int32_t>(options.connection_window_bytes)) == 0);
  wake_writer();
}

Http2Session::~Http2Session() = default;

Task<Result<void>> Http2Session::read_all_frames() {
  std::string buffer(kReadQuiet, '\0');
  std::size_t discarded = 0;
  while (true) {
    Result<std::size_t> count = co_await stream_.read_some(buffer);
    if (ending_ || !count) {
      if (ending_ && count && *count > 0 && (discarded += *count) < kDiscardMax) continue;
      if (end_reason_) co_return Failure(*end_reason_);
      if (ending_) co_return Result<void>();
      co_return Failure(std::move(count).error());
    }
    if (*count == 0) {
      if (streams_.empty()) co_return Result<void>();
      co_return fail(Code::kEnd, "the peer closed the connection with streams open");
    }
    last_received_ = clock_.now();
    feed(std::string_view(buffer.data(), *count));
    if (options_.wipes_input) explicit_bzero(buffer.data(), *count);
    settle();
    wake_writer();
    if (*count == buffer.size()) {
      buffer.resize(kReadBytes);
    } else if (buffer.size() > kReadQuiet && *count < kReadQuiet) {
      buffer = std::string(kReadQuiet, '\0');
    }
  }
}

void Http2Session::feed(std::string_view bytes) {
  const ssize_t taken = nghttp2_session_mem_recv(
      raw(), reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  if (taken < 0 && !end_reason_) {
    const Code code = taken == NGHTTP2_ERR_BAD_CLIENT_MAGIC ? Code::kMalformed : Code::kProtocol;
    terminate(NGHTTP2_PROTOCOL_ERROR,
              Error{code, peer_side(), nghttp2_strerror(static_cast<int>(taken))});
  }
  if (nghttp2_session_get_outbound_queue_size(raw()) > kQueuedFrames + 4 * options_.streams_max) {
    terminate(NGHTTP2_ENHANCE_YOUR_CALM,
              Error{Code::kOverloaded, peer_side(), "the peer makes us write more than it reads"});
  }
  if (end_reason_) end_soon();
}

/// Nothing more will be understood. The peer gets a moment to read our last frames and to close: a
/// reset must not overtake them.
void Http2Session::end_soon() {
  if (ending_) return;
  ending_ = true;
  lose_streams(end_reason_.value_or(Error{Code::kReset, peer_side(), "the connection has ended"}));
  stream_.set_deadline(clock_.now() + kLinger);
}

Task<void> Http2Session::write_frames() {
  while (true) {
    co_await due_.wait();
    gather();
    while (!outgoing_.empty()) {
      const bool watched = options_.write_stall_max && !ending_;
      if (watched) stream_.set_deadline(clock_.now() + *options_.write_stall_max);
      Result<void> written = co_await stream_.write(outgoing_);
      if (watched && !ending_) stream_.set_deadline(Clock::Time::max());
      outgoing_.clear();
      if (!written) {
        if (!end_reason_) end_reason_ = std::move(written).error();
        stream_.close();
        co_return;
      }
      gather();
    }
    if (!stopped_ && !finished()) continue;
    (void)co_await stream_.shutdown();
    end_soon();
    settle();
    co_return;
  }
}

void Http2Session::gather() {
  while (outgoing_.size() < kWriteBytes) {
    const std::uint8_t* bytes = nullptr;
    const ssize_t size = nghttp2_session_mem_send(raw(), &bytes);
    if (size <= 0) break;  // nothing is due, or (out of memory) nothing will be
    outgoing_.append(text(bytes, static_cast<std::size_t>(size)));
  }
  settle();
}

bool Http2Session::finished() {
  return nghttp2_session_want_read(raw()) == 0 && nghttp2_session_want_write(raw()) == 0;
}

void Http2Session::stop_writing() {
  stopped_ = true;
  wake_writer();
}

void Http2Session::terminate(std::uint32_t code, Error reason) {
  if (!end_reason_) end_reason_ = std::move(reason);
  nghttp2_session_terminate_session(raw(), code);
  wake_writer();
}

void Http2Session::lose_streams(const Error& reason) {
  for (const auto& [id, stream] : streams_) stream->lose(reason);
}

void Http2Session::adopt(std::int32_t id, std::shared_ptr<Http2Stream> stream) {
  stream->id_ = id;
  window_updates_expected_ += kWindowUpdatesPerFrame;
  streams_.emplace(id, std::move(stream));
}

Http2Stream* Http2Session::find(std::int32_t id) const {
  const auto found = streams_.find(id);
  return found == streams_.end() ? nullptr : found->second.get();
}

void Http2Session::close_stream(std::int32_t id, std::uint32_t code) {
  const auto found = streams_.find(id);
  if (found == streams_.end()) return;
  const std::shared_ptr<Http2Stream> stream = std::move(found->second);
  streams_.erase(found);
  stream_closed(*stream, code);
}

void Http2Session::set_connection_deadline(Clock::Time deadline) {
  connection_deadline_ = deadline;
  watch(deadline);
}

void Http2Session::watch(Clock::Time deadline) {
  if (deadline < watchdog_.deadline()) watchdog_.set_deadline(deadline);
}

/// Deadlines move on without telling the watchdog: when it fires, the next one is found.
void Http2Session::watchdog_fired() {
  const Clock::Time now = clock_.now();
  std::vector<std::shared_ptr<Http2Stream>> late;
  for (const auto& [id, stream] : streams_) {
    if (stream->next_deadline() <= now) late.push_back(stream);
  }
  for (const std::shared_ptr<Http2Stream>& stream : late) stream->expire(now);
  if (connection_deadline_ <= now) {
    connection_deadline_ = Watchdog::kNever;
    connection_expired();
  }
  Clock::Time next = connection_deadline_;
  for (const auto& [id, stream] : streams_) next = std::min(next, stream->next_deadline());
  watch(next);
}

bool Http2Session::charge() {
  const Clock::Time now = clock_.now();
  const auto elapsed = std::chrono::duration_cast<std::chrono::milliseconds>(now - refilled_);
  const std::uint64_t refill =
      static_cast<std::uint64_t>(elapsed.count()) * kCheapFramesPerSecond / 1000;
  if (refill > 0) {
    tokens_ = std::min(kCheapFrames, tokens_ + refill);
    refilled_ = now;
  }
  if (tokens_ == 0) return false;
  --tokens_;
  return true;
}

/// CVE-2019-9511 and its kin, CVE-2023-44487, CVE-2024-28182: work for us that costs the peer
/// nothing. nghttp2 itself bounds acknowledgements not yet written and CONTINUATION frames.
void Http2Session::check_flood(const nghttp2_frame_hd& frame) {
  bool calm = true;
  switch (frame.type) {
    case NGHTTP2_HEADERS:
      return;
    case NGHTTP2_DATA:
      if (frame.length > 0 || (frame.flags & NGHTTP2_FLAG_END_STREAM) != 0) return;
      calm = charge();
      break;
    case NGHTTP2_WINDOW_UPDATE:
      calm = ++window_updates_ <= kWindowUpdates + window_updates_expected_;
      break;
    default:
      calm = charge();
      break;
  }
  if (calm) return;
  terminate(NGHTTP2_ENHANCE_YOUR_CALM, Error{Code::kOverloaded, peer_side(),
                                             "the peer sends too many frames that mean nothing"});
}

/// A peer that makes us reset its streams, rather than reset them itself, pays the same
/// (CVE-2025-8671).
void Http2Session::charge_reset(std::uint32_t code) {
  if (code == NGHTTP2_NO_ERROR || code == NGHTTP2_CANCEL || code == NGHTTP2_INTERNAL_ERROR) return;
  if (charge()) return;
  terminate(NGHTTP2_ENHANCE_YOUR_CALM,
            Error{Code::kOverloaded, peer_side(), "the peer makes us reset too many streams"});
}

std::vector<nghttp2_nv>& Http2Session::start_fields() {
  fields_.clear();
  return fields_;
}

void Http2Session::add_field(std::string_view name, std::string_view value) {
  // nghttp2 copies both, and writes neither.
  nghttp2_nv field{};
  field.name = reinterpret_cast<std::uint8_t*>(const_cast<char*>(name.data()));
  field.namelen = name.size();
  field.value = reinterpret_cast<std::uint8_t*>(const_cast<char*>(value.data()));
  field.valuelen = value.size();
  fields_.push_back(field);
}

void Http2Session::add_fields(const Fields& fields, bool with_length) {
  for (const Field& field : fields.all()) {
    // RFC 9113 section 8.2.2: of these HTTP/2 has one, with one value.
    const bool te = field.name == "te" && field.value == "trailers";
    if (te || !is_connection_specific(field.name)) add_field(field.name, field.value);
  }
  if (!with_length) return;
  const std::optional<std::string_view> length = fields.single("content-length");
  if (length && parse_content_length(*length)) add_field("content-length", *length);
}

nghttp2_data_provider Http2Session::data_provider(Http2Stream& stream) const {
  nghttp2_data_provider provider{};
  provider.source.ptr = &stream;
  provider.read_callback = Http2Callbacks::read_data;
  return provider;
}

}  // namespace mandated::http
