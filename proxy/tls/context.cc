#include "proxy/tls/context.h"

#include <openssl/err.h>
#include <openssl/pool.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>

namespace mandated::tls {

namespace {

using identity::Purpose;
using identity::TrustStore;

constexpr std::array<std::uint16_t, 2> kGroups{SSL_GROUP_X25519_MLKEM768, SSL_GROUP_X25519};
constexpr std::array<std::uint16_t, 6> kSignatures{
    SSL_SIGN_ECDSA_SECP256R1_SHA256, SSL_SIGN_ED25519,
    SSL_SIGN_ECDSA_SECP384R1_SHA384, SSL_SIGN_RSA_PSS_RSAE_SHA256,
    SSL_SIGN_RSA_PSS_RSAE_SHA384,    SSL_SIGN_RSA_PSS_RSAE_SHA512};
// What servers of the web may have instead.
constexpr std::array<std::uint16_t, 4> kWebGroups{SSL_GROUP_X25519_MLKEM768, SSL_GROUP_X25519,
                                                  SSL_GROUP_SECP256R1, SSL_GROUP_SECP384R1};
constexpr std::array<std::uint16_t, 9> kWebSignatures{
    SSL_SIGN_ECDSA_SECP256R1_SHA256, SSL_SIGN_ED25519,
    SSL_SIGN_ECDSA_SECP384R1_SHA384, SSL_SIGN_RSA_PSS_RSAE_SHA256,
    SSL_SIGN_RSA_PSS_RSAE_SHA384,    SSL_SIGN_RSA_PSS_RSAE_SHA512,
    SSL_SIGN_RSA_PKCS1_SHA256,       SSL_SIGN_RSA_PKCS1_SHA384,
    SSL_SIGN_RSA_PKCS1_SHA512};
// TLS 1.2 only; the suites of TLS 1.3 are all AEAD.
constexpr char kCiphers12[] =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:"
    "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-CHACHA20-POLY1305";
constexpr std::size_t kPeerChainMax = 65536;
constexpr std::uint32_t kTicketSeconds = 3600;  // longer than most SVIDs live
constexpr SSL_TICKET_AEAD_METHOD kTickets{ticket_overhead, seal_ticket, open_ticket};

Failure invalid(std::string text) { return fail(Code::kInvalidConfig, "TLS: " + std::move(text)); }

HandshakeFailure failure_for(TrustStore::Fault fault) {
  switch (fault) {
    case TrustStore::Fault::kExpired:
      return HandshakeFailure::kExpired;
    case TrustStore::Fault::kUnknownAuthority:
      return HandshakeFailure::kUnknownAuthority;
    case TrustStore::Fault::kBadCertificate:
      break;
  }
  return HandshakeFailure::kBadCertificate;
}

std::uint8_t alert_for(TrustStore::Fault fault) {
  switch (fault) {
    case TrustStore::Fault::kExpired:
      return SSL_AD_CERTIFICATE_EXPIRED;
    case TrustStore::Fault::kUnknownAuthority:
      return SSL_AD_UNKNOWN_CA;
    case TrustStore::Fault::kBadCertificate:
      break;
  }
  return SSL_AD_BAD_CERTIFICATE;
}

}  // namespace

Result<ContextPtr> BoringContext::make(const identity::SnapshotPtr& snapshot,
                                       const Options& options, Purpose peer_purpose) {
  std::shared_ptr<BoringContext> made(new BoringContext(peer_purpose, options));
  TRY(made->trust_, TrustStore::make(snapshot->bundles));
  CHECK(made->set_rules());
  CHECK(made->set_alpn());
  if (snapshot->svid) {
    CHECK(made->set_identity(*snapshot->svid));
  } else if (made->is_server()) {
    return invalid("a server needs an SVID");
  }
  made->set_resumption();
  return ContextPtr(std::move(made));
}

Result<ContextPtr> BoringContext::make_web(WebRootsPtr roots, std::string host,
                                           const Options& options) {
  std::shared_ptr<BoringContext> made(new BoringContext(Purpose::kServer, options));
  made->web_roots_ = std::move(roots);
  made->host_ = std::move(host);
  if (!is_ip_literal(made->host_)) made->server_name_ = made->host_;
  CHECK(made->set_rules());
  CHECK(made->set_alpn());
  return ContextPtr(std::move(made));
}

Result<void> BoringContext::set_rules() {
  // Certificates are kept as their bytes: identity/ parses them, once, when it verifies them.
  context_.reset(SSL_CTX_new(TLS_with_buffers_method()));
  SSL_CTX* context = context_.get();
  if (context == nullptr) return fail(Code::kInternal, "no memory");
  const std::uint16_t oldest = options_.allow_tls12 ? TLS1_2_VERSION : TLS1_3_VERSION;
  const std::span<const std::uint16_t> groups =
      web_roots_ ? std::span<const std::uint16_t>(kWebGroups) : kGroups;
  const std::span<const std::uint16_t> signatures =
      web_roots_ ? std::span<const std::uint16_t>(kWebSignatures) : kSignatures;
  if (SSL_CTX_set_min_proto_version(context, oldest) != 1 ||
      SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) != 1 ||
      SSL_CTX_set_strict_cipher_list(context, kCiphers12) != 1 ||
      SSL_CTX_set1_group_ids(context, groups.data(), groups.size()) != 1 ||
      SSL_CTX_set_signing_algorithm_prefs(context, signatures.data(), signatures.size()) != 1 ||
      SSL_CTX_set_verify_algorithm_prefs(context, signatures.data(), signatures.size()) != 1) {
    return fail(Code::kInternal, "BoringSSL refuses our TLS rules");
  }
  // No resumption unless set_resumption() says otherwise. Early data, renegotiation, certificate
  // compression and key logging are off unless asked for. The server's order decides: who can do
  // the hybrid group does it.
  SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_max_cert_list(context, kPeerChainMax);
  if (!is_server() || options_.require_client_certificate) {
    SSL_CTX_set_custom_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                              verify_peer);
  }
  SSL_CTX_set_info_callback(context, note_alert);
  return {};
}

Result<void> BoringContext::set_alpn() {
  if (options_.alpn.empty()) return {};
  if (is_server()) {
    SSL_CTX_set_alpn_select_cb(context_.get(), select_alpn, this);
    return {};
  }
  std::string wire;
  for (const std::string& protocol : options_.alpn) {
    if (protocol.empty() || protocol.size() > 255) return invalid("a bad ALPN protocol name");
    wire += static_cast<char>(protocol.size());
    wire += protocol;
  }
  if (SSL_CTX_set_alpn_protos(context_.get(), reinterpret_cast<const std::uint8_t*>(wire.data()),
                              wire.size()) != 0) {
    return fail(Code::kInternal, "no memory");
  }
  return {};
}

Result<void> BoringContext::set_identity(const identity::Svid& svid) {
  std::vector<bssl::UniquePtr<CRYPTO_BUFFER>> owned;
  std::vector<CRYPTO_BUFFER*> chain;
  for (const std::string& der : svid.chain_der) {
    owned.emplace_back(
        CRYPTO_BUFFER_new(reinterpret_cast<const std::uint8_t*>(der.data()), der.size(), nullptr));
    chain.push_back(owned.back().get());
  }
  if (SSL_CTX_set_chain_and_key(context_.get(), chain.data(), chain.size(), svid.private_key.get(),
                                nullptr) != 1) {
    ERR_clear_error();
    return invalid("the SVID " + svid.id.text() + " and its private key do not fit");
  }
  own_id_ = svid.id.text();
  own_expires_ = svid.expires;
  return {};
}

void BoringContext::set_resumption() {
  if (own_id_.empty() || options_.allow_tls12) return;
  const bool gives_tickets = is_server() && options_.tickets && options_.require_client_certificate;
  if (!gives_tickets && !sessions()) return;
  SSL_CTX* context = context_.get();
  // Besides our keys and caches, BoringSSL too keeps the identities apart.
  std::array<std::uint8_t, SHA256_DIGEST_LENGTH> digest{};
  SHA256(reinterpret_cast<const std::uint8_t*>(own_id_.data()), own_id_.size(), digest.data());
  SSL_CTX_set_session_id_context(context, digest.data(), digest.size());
  SSL_CTX_clear_options(context, SSL_OP_NO_TICKET);
  if (gives_tickets) {
    tickets_ = std::make_unique<const TicketSealer>(*options_.tickets, own_id_);
    SSL_CTX_set_ticket_aead_method(context, &kTickets);
    SSL_CTX_set_num_tickets(context, 1);
    SSL_CTX_set_session_psk_dhe_timeout(context, kTicketSeconds);
  } else {
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context, keep_session);
  }
}

/// RFC 7301 section 3.2: the server's preference; without overlap, the connection ends.
int BoringContext::select_alpn(SSL*, const std::uint8_t** out, std::uint8_t* out_size,
                               const std::uint8_t* offered, unsigned offered_size, void* context) {
  for (const std::string& wanted : static_cast<const BoringContext*>(context)->options_.alpn) {
    std::size_t next = 0;
    while (next < offered_size) {  // BoringSSL has checked that the lengths add up
      const std::size_t size = offered[next];
      const auto* name = reinterpret_cast<const char*>(offered + next + 1);
      if (std::string_view(name, size) == wanted) {
        *out = offered + next + 1;
        *out_size = static_cast<std::uint8_t>(size);
        return SSL_TLSEXT_ERR_OK;
      }
      next += 1 + size;
    }
  }
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

tl::expected<BoringContext::Peer, BoringContext::Refusal> BoringContext::verify(
    std::span<const std::string_view> chain_der, Clock::WallTime now) const {
  if (trust_) return verify_svid(chain_der, now);
  const auto expires = web_roots_->verify(chain_der, host_, now);
  if (!expires) {
    const TrustStore::Fault fault = expires.error().fault;
    return tl::unexpected(Refusal{alert_for(fault), failure_for(fault), expires.error().text});
  }
  return Peer{identity::PeerIdentity{}, *expires};
}

tl::expected<BoringContext::Peer, BoringContext::Refusal> BoringContext::verify_svid(
    std::span<const std::string_view> chain_der, Clock::WallTime now) const {
  auto peer = trust_->verify(chain_der, peer_purpose_, now);
  if (!peer) {
    const TrustStore::Fault fault = peer.error().fault;
    return tl::unexpected(
        Refusal{alert_for(fault), failure_for(fault), std::move(peer).error().text});
  }
  const auto& allowed = options_.allowed_peers;
  const bool may = allowed.empty() ||
                   std::any_of(allowed.begin(), allowed.end(), [&](const std::string& pattern) {
                     return identity::spiffe_id_matches(pattern, peer->id.text());
                   });
  if (!may) {
    // RFC 8446 section 6.2: a valid certificate, refused by access control.
    return tl::unexpected(Refusal{SSL_AD_ACCESS_DENIED, HandshakeFailure::kNotAllowed,
                                  peer->id.text() + " is not among the allowed peers"});
  }
  identity::PeerIdentity who;
  who.proof = identity::PeerIdentity::Proof::kX509Svid;
  who.spiffe_id = peer->id.text();
  who.key = std::move(peer->key);
  return Peer{std::move(who), peer->expires};
}

std::string_view to_string(HandshakeFailure failure) {
  switch (failure) {
    case HandshakeFailure::kNoCertificate:
      return "no_certificate";
    case HandshakeFailure::kBadCertificate:
      return "bad_certificate";
    case HandshakeFailure::kExpired:
      return "expired";
    case HandshakeFailure::kUnknownAuthority:
      return "unknown_authority";
    case HandshakeFailure::kNotAllowed:
      return "not_allowed";
    case HandshakeFailure::kPeerRefused:
      return "peer_refused";
    case HandshakeFailure::kProtocol:
      return "protocol";
    case HandshakeFailure::kTimeout:
      return "timeout";
    case HandshakeFailure::kClosed:
      break;
  }
  return "closed";
}

Result<ContextPtr> make_server_context(identity::SnapshotPtr snapshot, const Options& options) {
  return BoringContext::make(snapshot, options, Purpose::kClient);
}

Result<ContextPtr> make_client_context(identity::SnapshotPtr snapshot, const Options& options) {
  return BoringContext::make(snapshot, options, Purpose::kServer);
}

Result<ContextPtr> make_web_client_context(WebRootsPtr roots, std::string host,
                                           std::vector<std::string> alpn) {
  Options options;
  options.allow_tls12 = true;
  options.alpn = std::move(alpn);
  return BoringContext::make_web(std::move(roots), std::move(host), options);
}

}  // namespace mandated::tls
