// What the connections of one identity, or to one server of the web, share: BoringSSL's context and
// the peers it believes.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>
#include <vector>

#include "proxy/identity/x509_svid.h"
#include "proxy/tls/resumption.h"
#include "proxy/tls/tls.h"
#include "proxy/tls/web_roots.h"

namespace mandated::tls {

class BoringContext final : public Context {
 public:
  static Result<ContextPtr> make(const identity::SnapshotPtr& snapshot, const Options& options,
                                 identity::Purpose peer_purpose);
  static Result<ContextPtr> make_web(WebRootsPtr roots, std::string host, const Options& options);

  SSL_CTX* get() const { return context_.get(); }
  bool is_server() const { return peer_purpose_ == identity::Purpose::kClient; }

  const std::string& own_id() const { return own_id_; }  ///< empty without an SVID
  Clock::WallTime own_expires() const { return own_expires_; }
  SessionCache* sessions() const { return options_.sessions.get(); }
  const TicketSealer* tickets() const { return tickets_.get(); }

  /// What a client tells the server in SNI; empty: nothing.
  const std::string& server_name() const { return server_name_; }

  struct Peer {
    identity::PeerIdentity identity;
    Clock::WallTime expires;
  };
  /// A refusal with the alert that the peer is sent.
  struct Refusal {
    std::uint8_t alert;
    HandshakeFailure failure;
    std::string text;
  };
  tl::expected<Peer, Refusal> verify(std::span<const std::string_view> chain_der,
                                     Clock::WallTime now) const;

 private:
  BoringContext(identity::Purpose peer_purpose, const Options& options)
      : peer_purpose_(peer_purpose), options_(options) {}
  tl::expected<Peer, Refusal> verify_svid(std::span<const std::string_view> chain_der,
                                          Clock::WallTime now) const;
  Result<void> set_rules();
  Result<void> set_alpn();
  Result<void> set_identity(const identity::Svid& svid);
  void set_resumption();
  static int select_alpn(SSL* ssl, const std::uint8_t** out, std::uint8_t* out_size,
                         const std::uint8_t* offered, unsigned offered_size, void* context);

  identity::Purpose peer_purpose_;
  Options options_;
  std::shared_ptr<const identity::TrustStore> trust_;  // null: web_roots_ are asked, about host_
  WebRootsPtr web_roots_;
  std::string host_;
  std::string server_name_;
  std::string own_id_;
  Clock::WallTime own_expires_ = Clock::WallTime::max();
  std::unique_ptr<const TicketSealer> tickets_;  // null: none are given out
  bssl::UniquePtr<SSL_CTX> context_;
};

/// Called by BoringSSL for the connection that stands in the SSL's app data (tls_stream.cc).
ssl_verify_result_t verify_peer(SSL* ssl, std::uint8_t* out_alert);
void note_alert(const SSL* ssl, int type, int value);
int keep_session(SSL* ssl, SSL_SESSION* session);
std::size_t ticket_overhead(SSL* ssl);
int seal_ticket(SSL* ssl, std::uint8_t* out, std::size_t* out_size, std::size_t out_max,
                const std::uint8_t* session, std::size_t session_size);
ssl_ticket_aead_result_t open_ticket(SSL* ssl, std::uint8_t* out, std::size_t* out_size,
                                     std::size_t out_max, const std::uint8_t* ticket,
                                     std::size_t ticket_size);

}  // namespace mandated::tls
