// How sessions are resumed (RFC 8446 section 2.2): the server keeps nothing, all of a session
// stands in its ticket; a client keeps a few tickets for each server it calls.
//
// A session belongs to the SPIFFE ID that its end had: another ID seals and opens tickets with
// another key, and is offered none of the old one's sessions. What the peer proved at the start is
// checked anew at each resumption, against the bundles, the rules and the time of then
// (tls_stream.cc); a session that would not pass is not resumed, and a full handshake follows.
#pragma once

#include <openssl/aead.h>
#include <openssl/ssl.h>

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "proxy/base/clock.h"
#include "proxy/tls/tls.h"

namespace mandated::tls {

/// Random, made anew at each start and wiped at the end. Immutable.
class TicketSecret {
 public:
  TicketSecret();
  ~TicketSecret();
  TicketSecret(const TicketSecret&) = delete;
  TicketSecret& operator=(const TicketSecret&) = delete;

 private:
  friend class TicketSealer;
  std::array<std::uint8_t, 32> bytes_;
};

/// Seals the tickets of one identity: XChaCha20-Poly1305, whose nonces may be random. All tickets
/// of about one length have the same: their padding hides how long the peer's chain is.
class TicketSealer {
 public:
  TicketSealer(const TicketSecret& secret, std::string_view spiffe_id);

  static std::size_t overhead_max();
  /// Bytes of `out` that were written; 0 when it failed.
  std::size_t seal(std::span<std::uint8_t> out, std::span<const std::uint8_t> session,
                   Clock::WallTime own_expires) const;

  struct Opened {
    std::string session;          ///< holds keys: wipe it
    Clock::WallTime own_expires;  ///< of our SVID at the full handshake
  };
  std::optional<Opened> open(std::span<const std::uint8_t> ticket) const;

 private:
  bssl::ScopedEVP_AEAD_CTX key_;
};

/// Sessions with one server that may be resumed, newest first.
class SessionCache {
 public:
  struct Entry {
    bssl::UniquePtr<SSL_SESSION> session;
    std::string own_id;
    Clock::WallTime own_expires;
  };
  /// Beyond eight, the oldest is forgotten.
  void put(Entry entry);
  /// The newest of this identity; a ticket is used once (RFC 8446 appendix C.4).
  std::optional<Entry> take(std::string_view own_id);

 private:
  std::deque<Entry> entries_;
};

}  // namespace mandated::tls
