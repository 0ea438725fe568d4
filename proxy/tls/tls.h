// TLS 1.3 over any Stream, with X.509-SVIDs on both ends (mTLS), by BoringSSL. A Context is built
// from one identity snapshot; a rotation builds a new one, connections that stand keep theirs.
// And, for the few things the proxy fetches from the web, a client of servers known by name.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/base/clock.h"
#include "proxy/identity/identity.h"
#include "proxy/net/stream.h"

namespace mandated::tls {

/// What the tickets of a process's servers are sealed with; safe from any thread.
class TicketSecret;
using TicketSecretPtr = std::shared_ptr<const TicketSecret>;
TicketSecretPtr make_ticket_secret();

/// A worker's sessions with one server, to be resumed.
class SessionCache;
using SessionCachePtr = std::shared_ptr<SessionCache>;
SessionCachePtr make_session_cache();

struct Options {
  bool allow_tls12 = false;
  /// Server side; false only for plain TLS listeners (h2spec).
  bool require_client_certificate = true;
  /// By preference: the server's decides. A server ends the handshake when nothing fits; a peer
  /// that offers none is taken without.
  std::vector<std::string> alpn = {"h2", "http/1.1"};
  /// SPIFFE ID patterns the peer must match (identity::spiffe_id_matches); empty = any ID of a
  /// known trust domain.
  std::vector<std::string> allowed_peers;
  /// Server side: sessions may be resumed with every context of this secret that has the same
  /// SPIFFE ID, before and after a rotation. Null, or with TLS 1.2: none are.
  TicketSecretPtr tickets;
  /// Client side: the same, for every context with this cache. Null: none are.
  SessionCachePtr sessions;
};

/// Credentials and rules for one side. Immutable, shared by the connections of a worker; cheap
/// enough (some 15 µs) for each worker to make its own.
class Context {
 public:
  virtual ~Context() = default;
};
using ContextPtr = std::shared_ptr<const Context>;
/// kInvalidConfig: no SVID, a key that is not its certificate's, or an unfit bundle. A client
/// without an SVID has no certificate to show.
Result<ContextPtr> make_server_context(identity::SnapshotPtr snapshot, const Options& options);
Result<ContextPtr> make_client_context(identity::SnapshotPtr snapshot, const Options& options);

/// The authorities that vouch for servers of the web. Immutable, and safe from any thread.
class WebRoots;
using WebRootsPtr = std::shared_ptr<const WebRoots>;
/// From a bundle such as a system's ca-certificates.crt; single certificates that cannot be read
/// are left out. kMalformed or kInvalidConfig when nothing is left.
Result<WebRootsPtr> parse_web_roots(std::string_view pem);
/// A client of one server: TLS 1.2 or 1.3, its name or IP address checked (RFC 9525) and, if it is
/// a name, told (SNI). It shows no certificate. PeerIdentity of such a stream is empty.
Result<ContextPtr> make_web_client_context(WebRootsPtr roots, std::string host,
                                           std::vector<std::string> alpn);

/// Beyond what Stream says: an end without close_notify is kReset, for anybody on the way may have
/// cut it; shutdown() sends close_notify. The transport is owned.
class TlsStream : public net::Stream {
 public:
  virtual const identity::PeerIdentity& peer() const = 0;
  virtual std::string_view alpn() const = 0;  ///< empty when none was agreed
  /// When the peer's chain expires; Clock::WallTime::max() when it showed none.
  virtual Clock::WallTime peer_expires() const = 0;
  /// When the SVID expires that we showed, be it at the start of a session that was resumed;
  /// Clock::WallTime::max() when we have none.
  virtual Clock::WallTime own_expires() const = 0;
  virtual bool resumed() const = 0;
};
using TlsStreamPtr = std::unique_ptr<TlsStream>;

/// Why a handshake failed, for metrics.
enum class HandshakeFailure {
  kNoCertificate,     ///< the client showed none
  kBadCertificate,    ///< it is no sound SVID
  kExpired,           ///< it, or an issuer of its, has expired
  kUnknownAuthority,  ///< no bundle vouches for it
  kNotAllowed,        ///< a sound SVID, but of a peer that may not connect
  kPeerRefused,       ///< the peer sent an alert
  kProtocol,          ///< no version, suite, group or protocol in common, or no TLS at all
  kTimeout,
  kClosed  ///< the peer went away
};
std::string_view to_string(HandshakeFailure failure);

/// Handshakes under `deadline`; afterwards the stream has none. kHandshake (with the alert's name),
/// kPeerIdentity (with what is wrong with the peer's certificate), kTimeout, kReset, kEnd. The wall
/// clock is used for certificate times. A peer that is refused gets an alert that says so.
///
/// Under TLS 1.3 connect() is done before the server has looked at our certificate: its refusal
/// comes as kHandshake at the first read. `failure`, if set, is told why it failed.
Task<Result<TlsStreamPtr>> accept(net::StreamPtr transport, ContextPtr context, Clock& clock,
                                  Clock::Time deadline, HandshakeFailure* failure = nullptr);
Task<Result<TlsStreamPtr>> connect(net::StreamPtr transport, ContextPtr context, Clock& clock,
                                   Clock::Time deadline);

}  // namespace mandated::tls
