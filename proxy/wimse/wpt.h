// Workload Proof Tokens: draft-ietf-wimse-wpt, -03 in the making (its repository at commit
// 40b1c416). A signature by the WIT's key over whom a request is for and over the tokens in it; it
// says nothing of the body.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "proxy/http/message.h"
#include "proxy/wimse/wit.h"

namespace mandated::wimse {

/// A proof is accepted for no longer than this ahead.
inline constexpr Seconds kProofLifetimeMax = 300;
/// What is made lives this long.
inline constexpr Seconds kProofLifetime = 60;
inline constexpr std::size_t kProofNameBytesMax = 256;

/// What must be remembered of a proof, so that it is good once.
struct ProofOnce {
  std::string name;  ///< its jti or nonce, with the kind of proof before it
  Seconds expires = 0;
};

/// True for http or https, a host, and nothing after it.
bool is_origin(std::string_view uri);

/// True for an `aud` that is one of `audiences`, or one of them that is an origin followed by the
/// path of `target`: what we are called is configured, never taken from the request.
bool is_for_us(std::string_view audience, std::span<const std::string> audiences,
               std::string_view target);

/// `token` as the proof of `wit`, for a request with this head. Each token among its fields must be
/// covered: an access token by `ath`, a Txn-Token by `tth`, receipts, their proof and any other
/// credentials by `oth`; and all that is covered must be there. kPeerIdentity.
Result<ProofOnce> verify_wpt(std::string_view token, std::string_view wit_token, const Wit& wit,
                             const http::RequestHead& head, std::span<const std::string> audiences,
                             Seconds now);

/// The proof for a request that leaves with these fields. kInternal when one of the tokens in them
/// stands twice.
struct WptClaims {
  std::string_view audience;
  std::string_view jti;
  Seconds expires = 0;
};
Result<std::string> issue_wpt(const receipt::PrivateKey& key, std::string_view wit_token,
                              const http::Fields& fields, const WptClaims& claims);

}  // namespace mandated::wimse
