// One TLS connection. BoringSSL works on memory: a BIO gives it the bytes that were read from the
// transport and takes the records it makes; all waiting is done here.
//
// A reader and a writer may be under way at once. The SSL object is touched only between their
// waits. Only one of them sends at a time (flush()); what the other adds meanwhile goes with it.
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/mem.h>
#include <openssl/pool.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <climits>
#include <optional>
#include <utility>

#include "proxy/tls/context.h"

namespace mandated::tls {

namespace {

using namespace std::chrono_literals;

constexpr std::size_t kInputSmall = 4096;         // a flight of the handshake, most requests
constexpr std::size_t kInputIdle = 2048;          // what an idle connection holds
constexpr std::size_t kInputLarge = 16384 + 512;  // a record and more (RFC 8446 section 5.2)
constexpr std::size_t kWriteMax = 32768;          // records of 16 KiB sent at once: two
constexpr Clock::Duration kFarewell = 1s;         // how long a refused peer is told why
constexpr std::size_t kFarewellBytesMax = 65536;

std::string alert_name(int alert) { return SSL_alert_desc_string_long(alert); }

class BoringStream final : public TlsStream {
 public:
  BoringStream(net::StreamPtr transport, std::shared_ptr<const BoringContext> context,
               Clock& clock);

  Task<Result<void>> handshake(Clock::Time deadline);

  Task<Result<std::size_t>> read_some(std::span<char> buffer) override;
  Task<Result<void>> write(std::string_view bytes) override;
  Task<Result<void>> shutdown() override;
  void set_deadline(Clock::Time deadline) override;
  void close() override { transport_->close(); }

  const identity::PeerIdentity& peer() const override { return peer_; }
  std::string_view alpn() const override;
  Clock::WallTime peer_expires() const override { return peer_expires_; }
  Clock::WallTime own_expires() const override { return own_expires_; }
  bool resumed() const override { return SSL_session_reused(ssl_.get()) != 0; }
  HandshakeFailure handshake_failure(const Error& error) const;

  ssl_verify_result_t verify(std::uint8_t* out_alert);
  void keep(bssl::UniquePtr<SSL_SESSION> session);
  const BoringContext& context() const { return *context_; }
  bool may_resume(const SSL_SESSION* session, Clock::WallTime own_expires);
  /// Of the SVID that we showed when the session began: for its next ticket.
  Clock::WallTime session_own_expires() const {
    return resumed() && session_ ? session_->own_expires : own_expires_;
  }
  void alert_sent(int alert) { alert_sent_ = alert; }

 private:
  static const BIO_METHOD* bio_method();
  static int bio_read(BIO* bio, char* out, int size);
  static int bio_write(BIO* bio, const char* bytes, int size);
  static long bio_control(BIO* bio, int command, long, void*);

  Side side() const { return context_->is_server() ? Side::kDownstream : Side::kUpstream; }
  Failure failure(Code code, std::string text) const { return fail(code, side(), std::move(text)); }

  int read_now(std::span<char> buffer);
  Task<Result<std::size_t>> fill();
  Task<Result<void>> flush();
  Task<Result<void>> shake_hands();
  void offer_session();
  void adopt_session();
  Error handshake_error();
  Error read_error();
  Task<void> send_alert();
  Task<void> say_farewell();

  net::StreamPtr transport_;
  std::shared_ptr<const BoringContext> context_;
  Clock& clock_;
  Clock::Time deadline_ = Clock::Time::max();
  bssl::UniquePtr<SSL> ssl_;

  std::string input_;  // read from the transport; BoringSSL has not taken [input_next_, input_end_)
  std::size_t input_next_ = 0;
  std::size_t input_end_ = 0;
  std::string output_;  // records to be sent
  bool flushing_ = false;
  bool confirmed_ = false;  // the peer has sent data, so it took our certificate
  bool shut_down_ = false;
  std::optional<Error> failed_;

  identity::PeerIdentity peer_;
  Clock::WallTime peer_expires_ = Clock::WallTime::max();
  Clock::WallTime own_expires_;
  struct Session {
    BoringContext::Peer peer;
    Clock::WallTime own_expires;
  };
  std::optional<Session> session_;  // that may be resumed, during the handshake
  std::string refusal_;             // why the peer's certificate was not taken
  std::optional<HandshakeFailure> failure_;
  int alert_sent_ = -1;
};

BoringStream::BoringStream(net::StreamPtr transport, std::shared_ptr<const BoringContext> context,
                           Clock& clock)
    : transport_(std::move(transport)),
      context_(std::move(context)),
      clock_(clock),
      ssl_(SSL_new(context_->get())),
      input_(kInputSmall, '\0'),
      own_expires_(context_->own_expires()) {
  BIO* bio = BIO_new(bio_method());
  MANDATED_ASSERT(ssl_ && bio != nullptr);  // BoringSSL itself aborts when out of memory
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_.get(), bio, bio);
  SSL_set_app_data(ssl_.get(), this);
  SSL_set_shed_handshake_config(ssl_.get(), 1);
  if (context_->is_server()) {
    SSL_set_accept_state(ssl_.get());
  } else {
    SSL_set_connect_state(ssl_.get());
    const std::string& name = context_->server_name();
    const bool named = name.empty() || SSL_set_tlsext_host_name(ssl_.get(), name.c_str()) == 1;
    MANDATED_ASSERT(named);
  }
}

const BIO_METHOD* BoringStream::bio_method() {
  static const BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "stream");
    BIO_meth_set_read(made, bio_read);
    BIO_meth_set_write(made, bio_write);
    BIO_meth_set_ctrl(made, bio_control);
    return made;
  }();
  return method;
}

int BoringStream::bio_read(BIO* bio, char* out, int size) {
  auto* stream = static_cast<BoringStream*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  const std::size_t have = stream->input_end_ - stream->input_next_;
  if (have == 0) {
    BIO_set_retry_read(bio);
    return -1;
  }
  const std::size_t taken = std::min(have, static_cast<std::size_t>(size));
  std::copy_n(stream->input_.data() + stream->input_next_, taken, out);
  stream->input_next_ += taken;
  return static_cast<int>(taken);
}

int BoringStream::bio_write(BIO* bio, const char* bytes, int size) {
  auto* stream = static_cast<BoringStream*>(BIO_get_data(bio));
  stream->output_.append(bytes, static_cast<std::size_t>(size));
  return size;
}

long BoringStream::bio_control(BIO*, int command, long, void*) {
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

std::vector<std::string_view> chain_of(const STACK_OF(CRYPTO_BUFFER) * presented) {
  std::vector<std::string_view> chain;
  for (std::size_t i = 0; i < sk_CRYPTO_BUFFER_num(presented); ++i) {
    const CRYPTO_BUFFER* der = sk_CRYPTO_BUFFER_value(presented, i);
    chain.emplace_back(reinterpret_cast<const char*>(CRYPTO_BUFFER_data(der)),
                       CRYPTO_BUFFER_len(der));
  }
  return chain;
}

ssl_verify_result_t BoringStream::verify(std::uint8_t* out_alert) {
  auto verified = context_->verify(chain_of(SSL_get0_peer_certificates(ssl_.get())), clock_.wall());
  if (!verified) {
    *out_alert = verified.error().alert;
    failure_ = verified.error().failure;
    refusal_ = std::move(verified).error().text;
    return ssl_verify_invalid;
  }
  peer_ = std::move(verified->identity);
  peer_expires_ = verified->expires;
  return ssl_verify_ok;
}

/// Whether the peer of a session would be taken now, and the SVIDs of then are good for a while: a
/// connection ends with them, so one that would end at once is better begun with those of now.
bool BoringStream::may_resume(const SSL_SESSION* session, Clock::WallTime own_expires) {
  constexpr std::chrono::seconds kAWhile(10);
  session_.reset();
  const Clock::WallTime now = clock_.wall();
  if (now + kAWhile >= own_expires) return false;
  auto verified = context_->verify(chain_of(SSL_SESSION_get0_peer_certificates(session)), now);
  if (!verified || now + kAWhile >= verified->expires) return false;
  session_ = Session{std::move(*verified), own_expires};
  return true;
}

void BoringStream::offer_session() {
  SessionCache* cache = context_->sessions();
  if (cache == nullptr) return;
  while (auto kept = cache->take(context_->own_id())) {
    if (!may_resume(kept->session.get(), kept->own_expires)) continue;
    SSL_set_session(ssl_.get(), kept->session.get());
    return;
  }
}

/// After the handshake: no certificates were shown, those of the session's start count.
void BoringStream::adopt_session() {
  if (resumed()) {
    MANDATED_ASSERT(session_.has_value());
    peer_ = std::move(session_->peer.identity);
    peer_expires_ = session_->peer.expires;
    own_expires_ = session_->own_expires;
  }
  session_.reset();
}

void BoringStream::keep(bssl::UniquePtr<SSL_SESSION> session) {
  context_->sessions()->put({std::move(session), context_->own_id(), own_expires_});
}

std::string_view BoringStream::alpn() const {
  const std::uint8_t* name = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl_.get(), &name, &size);
  return {reinterpret_cast<const char*>(name), size};
}

void BoringStream::set_deadline(Clock::Time deadline) {
  deadline_ = deadline;
  transport_->set_deadline(deadline);
}

/// Reads from the transport. Precondition: BoringSSL has taken all it had.
Task<Result<std::size_t>> BoringStream::fill() {
  // Who sends this much gets room for whole records; who is quiet holds little.
  if (input_end_ == input_.size()) {
    input_.resize(input_.size() < kInputSmall ? kInputSmall : kInputLarge);
  } else if (input_.size() > kInputIdle && input_end_ < kInputIdle &&
             SSL_is_init_finished(ssl_.get())) {
    input_ = std::string(kInputIdle, '\0');
  }
  input_next_ = 0;
  input_end_ = 0;
  const std::span<char> room(input_);
  CO_TRY(input_end_, co_await transport_->read_some(room));
  co_return input_end_;
}

/// Sends what BoringSSL has made. When another coroutine is at it already, that one takes ours too.
Task<Result<void>> BoringStream::flush() {
  if (flushing_) co_return Result<void>();
  flushing_ = true;
  Result<void> sent;
  while (sent && !output_.empty()) {
    std::string records = std::move(output_);
    output_.clear();
    sent = co_await transport_->write(records);
  }
  flushing_ = false;
  co_return sent;
}

/// What BoringSSL has to say about a handshake that failed.
Error BoringStream::handshake_error() {
  const std::uint32_t error = ERR_peek_last_error();
  const int reason = ERR_GET_REASON(error);
  if (!refusal_.empty()) return failure(Code::kPeerIdentity, refusal_).value();
  if (ERR_GET_LIB(error) == ERR_LIB_SSL) {
    if (reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE) {
      failure_ = HandshakeFailure::kNoCertificate;
      return failure(Code::kPeerIdentity, "the client presented no certificate").value();
    }
    if (reason >= SSL_AD_REASON_OFFSET) {
      failure_ = HandshakeFailure::kPeerRefused;
      return failure(Code::kHandshake,
                     "the peer sent the alert: " + alert_name(reason - SSL_AD_REASON_OFFSET))
          .value();
    }
  }
  const char* words = ERR_reason_error_string(error);
  std::string text = words != nullptr ? words : "unknown failure";
  if (alert_sent_ >= 0) text += ", answered with the alert: " + alert_name(alert_sent_);
  return failure(Code::kHandshake, std::move(text)).value();
}

Task<Result<void>> BoringStream::shake_hands() {
  for (;;) {
    ERR_clear_error();
    const int done = SSL_do_handshake(ssl_.get());
    const int state = SSL_get_error(ssl_.get(), done);
    if (done != 1 && state != SSL_ERROR_WANT_READ) {
      Error error = handshake_error();
      ERR_clear_error();
      co_await say_farewell();
      co_return Failure(std::move(error));
    }
    CO_CHECK(co_await flush());
    if (done == 1) co_return Result<void>();
    CO_TRY(const std::size_t size, co_await fill());
    if (size == 0) co_return fail(Code::kEnd, "the peer closed during the handshake");
  }
}

Task<Result<void>> BoringStream::handshake(Clock::Time deadline) {
  set_deadline(deadline);
  if (!context_->is_server()) offer_session();
  Result<void> outcome = co_await shake_hands();
  if (!outcome) {
    outcome.error().side = side();
    co_return outcome;
  }
  adopt_session();
  set_deadline(Clock::Time::max());
  co_return outcome;
}

Task<void> BoringStream::send_alert() {
  transport_->set_deadline(std::min(deadline_, clock_.now() + kFarewell));
  co_await flush();
}

/// Closing a socket while bytes of the peer lie unread makes the kernel send a reset, which may
/// overtake the alert: a server lets the peer's bytes come, for a moment, so that it learns why.
Task<void> BoringStream::say_farewell() {
  co_await send_alert();
  if (!context_->is_server()) co_return;
  const Result<void> ended = co_await transport_->shutdown();
  std::size_t left = kFarewellBytesMax;
  while (ended && left > 0) {
    const Result<std::size_t> size = co_await fill();
    if (!size || *size == 0) break;
    left -= std::min(left, *size);
  }
}

/// SSL_read over all that is here: a buffer is filled from many small records.
int BoringStream::read_now(std::span<char> buffer) {
  ERR_clear_error();
  std::size_t have = 0;
  int size = 0;
  do {
    const std::size_t room = std::min<std::size_t>(buffer.size() - have, INT_MAX);
    size = SSL_read(ssl_.get(), buffer.data() + have, static_cast<int>(room));
    if (size > 0) have += static_cast<std::size_t>(size);
  } while (size > 0 && have < buffer.size() && input_next_ < input_end_);
  // An error after some bytes comes back at the next call: BoringSSL keeps it.
  return have > 0 ? static_cast<int>(have) : size;
}

Error BoringStream::read_error() {
  const std::uint32_t error = ERR_peek_last_error();
  const int reason = ERR_GET_REASON(error);
  Error failed{Code::kReset, side(), {}};
  if (ERR_GET_LIB(error) == ERR_LIB_SSL && reason >= SSL_AD_REASON_OFFSET) {
    // In TLS 1.3 a client has finished before the server looks at its certificate.
    if (!context_->is_server() && !confirmed_) failed.code = Code::kHandshake;
    failed.text = "the peer sent the alert: " + alert_name(reason - SSL_AD_REASON_OFFSET);
  } else {
    const char* words = ERR_reason_error_string(error);
    failed.text = std::string("TLS: ") + (words != nullptr ? words : "unknown failure");
  }
  ERR_clear_error();
  return failed;
}

Task<Result<std::size_t>> BoringStream::read_some(std::span<char> buffer) {
  MANDATED_ASSERT(!buffer.empty());
  for (;;) {
    if (failed_) co_return Failure(*failed_);
    const int size = read_now(buffer);
    if (size > 0) {
      confirmed_ = true;
      co_return static_cast<std::size_t>(size);
    }
    const int state = SSL_get_error(ssl_.get(), size);
    if (state == SSL_ERROR_ZERO_RETURN) co_return std::size_t{0};
    if (state != SSL_ERROR_WANT_READ) {
      failed_ = read_error();
      co_await send_alert();
      co_return Failure(*failed_);
    }
    CO_TRY(const std::size_t filled, co_await fill());
    // Without close_notify anybody on the way may have cut it (RFC 8446 section 6.1).
    if (filled == 0) co_return failure(Code::kReset, "the peer ended without close_notify");
  }
}

Task<Result<void>> BoringStream::write(std::string_view bytes) {
  while (!bytes.empty()) {
    if (failed_) co_return Failure(*failed_);
    const std::string_view piece = bytes.substr(0, kWriteMax);
    ERR_clear_error();
    const int size = SSL_write(ssl_.get(), piece.data(), static_cast<int>(piece.size()));
    if (size <= 0) {
      ERR_clear_error();
      co_return failure(Code::kReset, shut_down_ ? "our side has ended" : "TLS cannot write");
    }
    bytes.remove_prefix(static_cast<std::size_t>(size));
    CO_CHECK(co_await flush());
  }
  co_return Result<void>();
}

Task<Result<void>> BoringStream::shutdown() {
  if (failed_) co_return Failure(*failed_);
  if (shut_down_) co_return Result<void>();
  shut_down_ = true;
  ERR_clear_error();
  SSL_shutdown(ssl_.get());
  CO_CHECK(co_await flush());
  co_return co_await transport_->shutdown();
}

HandshakeFailure BoringStream::handshake_failure(const Error& error) const {
  if (failure_) return *failure_;
  switch (error.code) {
    case Code::kTimeout:
      return HandshakeFailure::kTimeout;
    case Code::kHandshake:
      return HandshakeFailure::kProtocol;
    default:
      return HandshakeFailure::kClosed;
  }
}

Task<Result<TlsStreamPtr>> establish(net::StreamPtr transport, ContextPtr context, Clock& clock,
                                     Clock::Time deadline, HandshakeFailure* failure) {
  auto stream = std::make_unique<BoringStream>(
      std::move(transport), std::static_pointer_cast<const BoringContext>(context), clock);
  const Result<void> done = co_await stream->handshake(deadline);
  if (!done) {
    if (failure != nullptr) *failure = stream->handshake_failure(done.error());
    co_return Failure(done.error());
  }
  co_return TlsStreamPtr(std::move(stream));
}

BoringStream* stream_of(const SSL* ssl) {
  return static_cast<BoringStream*>(SSL_get_app_data(ssl));
}

}  // namespace

ssl_verify_result_t verify_peer(SSL* ssl, std::uint8_t* out_alert) {
  return stream_of(ssl)->verify(out_alert);
}

void note_alert(const SSL* ssl, int type, int value) {
  if (type == SSL_CB_WRITE_ALERT) stream_of(ssl)->alert_sent(value & 0xff);
}

int keep_session(SSL* ssl, SSL_SESSION* session) {
  stream_of(ssl)->keep(bssl::UniquePtr<SSL_SESSION>(session));
  return 1;
}

std::size_t ticket_overhead(SSL*) { return TicketSealer::overhead_max(); }

int seal_ticket(SSL* ssl, std::uint8_t* out, std::size_t* out_size, std::size_t out_max,
                const std::uint8_t* session, std::size_t session_size) {
  const BoringStream& stream = *stream_of(ssl);
  *out_size = stream.context().tickets()->seal({out, out_max}, {session, session_size},
                                               stream.session_own_expires());
  return 1;  // one that cannot be sealed is not sent
}

ssl_ticket_aead_result_t open_ticket(SSL* ssl, std::uint8_t* out, std::size_t* out_size,
                                     std::size_t out_max, const std::uint8_t* ticket,
                                     std::size_t ticket_size) {
  BoringStream& stream = *stream_of(ssl);
  auto opened = stream.context().tickets()->open({ticket, ticket_size});
  if (!opened) {
    ERR_clear_error();
    return ssl_ticket_aead_ignore_ticket;
  }
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(opened->session.data());
  const std::size_t size = opened->session.size();
  const bssl::UniquePtr<SSL_SESSION> session(
      SSL_SESSION_from_bytes(bytes, size, SSL_get_SSL_CTX(ssl)));
  const bool sound =
      session && size <= out_max && stream.may_resume(session.get(), opened->own_expires);
  if (sound) {
    std::copy_n(bytes, size, out);
    *out_size = size;
  }
  OPENSSL_cleanse(opened->session.data(), size);
  ERR_clear_error();
  return sound ? ssl_ticket_aead_success : ssl_ticket_aead_ignore_ticket;
}

Task<Result<TlsStreamPtr>> accept(net::StreamPtr transport, ContextPtr context, Clock& clock,
                                  Clock::Time deadline, HandshakeFailure* failure) {
  const auto* known = dynamic_cast<const BoringContext*>(context.get());
  MANDATED_ASSERT(known != nullptr && known->is_server());
  return establish(std::move(transport), std::move(context), clock, deadline, failure);
}

Task<Result<TlsStreamPtr>> connect(net::StreamPtr transport, ContextPtr context, Clock& clock,
                                   Clock::Time deadline) {
  const auto* known = dynamic_cast<const BoringContext*>(context.get());
  MANDATED_ASSERT(known != nullptr && !known->is_server());
  return establish(std::move(transport), std::move(context), clock, deadline, nullptr);
}

}  // namespace mandated::tls
