// Who calls, by a Workload Identity Token and the proof that comes with it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "config/config.h"
#include "proxy/http/message.h"
#include "proxy/identity/identity.h"
#include "proxy/wimse/wpt.h"

namespace mandated::wimse {

/// What a request proves of its sender. Its proof must still be remembered (ProofOnce), and a
/// signature's digest compared with the body.
struct Proven {
  identity::PeerIdentity peer;
  receipt::PublicKey key;
  ProofOnce once;
  Seconds wit_expires = 0;
};

/// Nullopt when the head holds neither a WIT nor a proof. A WIT without exactly one proof of a kind
/// that `rule` takes, or any of the fields twice, is refused, as is all that does not verify:
/// kPeerIdentity, kUnsupported.
Result<std::optional<Proven>> prove_peer(const http::RequestHead& head,
                                         const config::ListenerWimse& rule, const WitKeys& keys,
                                         Seconds now);

/// What is left to check once the body is there. kPeerIdentity.
Result<void> check_body(const Proven& proven, const http::RequestHead& head, std::string_view body);

/// A WPT covers fields only: receipts that stand in the body are not proven by it. kPeerIdentity.
Result<void> check_receipts(const Proven& proven, const http::RequestHead& head, bool has_receipts,
                            bool has_proof);

}  // namespace mandated::wimse
