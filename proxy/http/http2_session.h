// What an HTTP/2 connection (RFC 9113) is on either side: nghttp2's session, one writer that puts
// all that is due into one write, the streams with what they have buffered, and the bounds on what
// a peer may make us do. http2_server.cc and http2_client.cc add what their side means by a stream.
//
// nghttp2 must not be entered again from within its own callbacks: these only note what happened;
// coroutines are woken by Events, which resume them later.
#pragma once

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "proxy/base/clock.h"
#include "proxy/base/event.h"
#include "proxy/base/watchdog.h"
#include "proxy/http/body_writer.h"
#include "proxy/http/message.h"
#include "proxy/net/stream.h"

namespace mandated::http {

class Http2Session;

/// One stream's two directions. Shared by the session, until nghttp2 closed the stream, and by
/// whoever uses it.
class Http2Stream {
 public:
  explicit Http2Stream(Http2Session& session);
  virtual ~Http2Stream();
  Http2Stream(const Http2Stream&) = delete;
  Http2Stream& operator=(const Http2Stream&) = delete;

  std::int32_t id() const { return id_; }

  // For the user of the stream.
  Task<Result<std::string>> read_piece();
  bool at_end() const { return incoming_ended_ && buffered() == 0; }
  /// Copies `data` to the stream's buffer, waiting while that is full.
  Task<Result<void>> write_piece(std::string_view data, bool end);
  /// RST_STREAM; pending and later operations fail with `reason`.
  void abort(std::uint32_t code, Error reason);
  /// What came and will come of the incoming body is of no interest.
  void discard_incoming();

  // For the session, from within nghttp2's callbacks or after the connection was lost.
  virtual void begin_header_block(nghttp2_headers_category category) = 0;
  /// False resets the stream.
  virtual bool take_header(std::string_view name, std::string_view value) = 0;
  /// The block is whole. `end`: nothing follows it.
  virtual void end_header_block(bool end) = 0;
  void take_data(std::string_view data);
  void end_incoming();
  std::size_t give_data(std::uint8_t* out, std::size_t room, std::uint32_t* flags);
  /// nghttp2 is through with it. The first reason stands; with none, the stream ended well.
  void close(std::optional<Error> reason);
  /// The connection ended under it.
  virtual void lose(const Error& reason) { close(reason); }
  /// One of the deadlines has passed.
  void expire(Clock::Time now);
  Clock::Time next_deadline() const { return std::min(read_deadline_, write_deadline_); }

 protected:
  friend class Http2Session;
  void clear_incoming();
  std::size_t buffered() const { return incoming_.size() - incoming_begin_; }
  bool incoming_ended() const { return incoming_ended_; }
  virtual void read_deadline_passed() = 0;
  /// The peer, or the connection, has ended the stream too early.
  virtual void on_failure() = 0;
  /// How long a read or write may make no progress; nullopt: somebody else watches.
  virtual std::optional<Clock::Duration> stall_max() const = 0;

  // Outlives the stream's users: a handler runs within serve(), a caller holds the connection.
  Http2Session& session_;
  const bool wipes_incoming_;  // the stream may be destroyed after the session
  std::int32_t id_ = 0;
  bool closed_ = false;  // nghttp2 has forgotten it
  std::optional<Error> failure_;
  Event incoming_changed_;
  Clock::Time read_deadline_ = Watchdog::kNever;
  BodyWriter writer_;
  bool read_timed_out_ = false;

 private:
  std::string incoming_;
  std::size_t incoming_begin_ = 0;
  bool incoming_ended_ = false;
  bool discarding_ = false;
  std::string outgoing_;
  std::size_t outgoing_begin_ = 0;
  bool outgoing_deferred_ = false;
  Event outgoing_drained_;
  Clock::Time write_deadline_ = Watchdog::kNever;
};

struct Http2Options {
  bool server = false;
  std::size_t header_bytes_max = 0;
  std::size_t streams_max = 0;  ///< of the peer's making
  std::size_t window_bytes = 0;
  std::size_t connection_window_bytes = 0;
  bool wipes_input = false;  ///< overwrites what was received once it was taken
  std::optional<Clock::Duration>
      write_stall_max;  ///< a write that takes longer ends the connection
};

class Http2Session {
 public:
  Http2Session(net::Stream& stream, Clock& clock, const Http2Options& options);
  virtual ~Http2Session();
  Http2Session(const Http2Session&) = delete;
  Http2Session& operator=(const Http2Session&) = delete;

  Clock& clock() { return clock_; }
  bool wipes_input() const { return options_.wipes_input; }
  nghttp2_session* raw() { return session_.get(); }
  /// There is, or may be, something to write.
  void wake_writer() { due_.notify(); }
  /// Sees to it that expire() is called for a stream, or connection_expired(), in time.
  void watch(Clock::Time deadline);

 protected:
  /// Reads and feeds nghttp2 until the connection ends. Success: the peer ended it, or both sides
  /// were through with it.
  Task<Result<void>> read_all_frames();
  /// Writes what is due whenever woken; returns once stop_writing() was called and all is written,
  /// or the connection is lost.
  Task<void> write_frames();
  void stop_writing();
  /// GOAWAY with this error, then nothing more is read.
  void terminate(std::uint32_t code, Error reason);
  /// Every stream fails with this. They stay in the table: nghttp2 may still ask for their data.
  void lose_streams(const Error& reason);
  void adopt(std::int32_t id, std::shared_ptr<Http2Stream> stream);
  std::size_t streams() const { return streams_.size(); }
  bool ending() const { return ending_; }
  void set_connection_deadline(Clock::Time deadline);
  Clock::Time last_received() const { return last_received_; }
  /// Fields as nghttp2 takes them; valid until the next call.
  std::vector<nghttp2_nv>& start_fields();
  void add_field(std::string_view name, std::string_view value);
  void add_fields(const Fields& fields, bool with_length);
  nghttp2_data_provider data_provider(Http2Stream& stream) const;

  /// The peer opens a stream (server), or null to refuse it.
  virtual std::shared_ptr<Http2Stream> open_stream() = 0;
  virtual void frame_received(const nghttp2_frame& frame) = 0;
  virtual void frame_sent(const nghttp2_frame& frame, Http2Stream* stream) = 0;
  /// nghttp2 closed it; it has left the table already.
  virtual void stream_closed(Http2Stream& stream, std::uint32_t code) = 0;
  /// After nghttp2 returned: what its callbacks noted may be acted on.
  virtual void settle() = 0;
  virtual void connection_expired() = 0;

 private:
  struct SessionDelete {
    void operator()(nghttp2_session* session) const { nghttp2_session_del(session); }
  };
  friend struct Http2Callbacks;

  void feed(std::string_view bytes);
  void end_soon();
  void gather();
  bool finished();
  void watchdog_fired();
  bool charge();
  void charge_reset(std::uint32_t code);
  Side peer_side() const { return options_.server ? Side::kDownstream : Side::kUpstream; }
  void check_flood(const nghttp2_frame_hd& frame);
  void close_stream(std::int32_t id, std::uint32_t code);
  Http2Stream* find(std::int32_t id) const;

  net::Stream& stream_;
  Clock& clock_;
  const Http2Options options_;
  Event due_;
  Watchdog watchdog_;
  Clock::Time connection_deadline_ = Watchdog::kNever;
  std::unordered_map<std::int32_t, std::shared_ptr<Http2Stream>> streams_;
  std::vector<nghttp2_nv> fields_;
  std::string outgoing_;
  bool stopped_ = false;
  bool ending_ = false;              // what comes is thrown away, for a moment
  std::optional<Error> end_reason_;  // of a connection that we, or nghttp2, terminated

  // What the peer made us do (see check_flood).
  Clock::Time last_received_;
  std::uint64_t tokens_;
  Clock::Time refilled_;
  std::uint64_t window_updates_ = 0;
  std::uint64_t window_updates_expected_ = 0;

  // Last: its destructor may still call back.
  std::unique_ptr<nghttp2_session, SessionDelete> session_;
};

}  // namespace mandated::http
