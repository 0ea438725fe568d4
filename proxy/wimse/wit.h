// Workload Identity Tokens: draft-ietf-wimse-workload-creds, -03 in the making (its repository at
// commit 40b1c416), and for `spiffe:` subjects the WIT-SVID standard. EdDSA and ES256 only;
// WIT-SVIDs know ES256 alone of the two.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "filters/receipt/key.h"
#include "proxy/base/result.h"
#include "proxy/identity/identity.h"

namespace mandated::wimse {

/// Seconds since the epoch.
using Seconds = double;

inline constexpr std::string_view kWitField = "workload-identity-token";
inline constexpr std::string_view kWptField = "workload-proof-token";
inline constexpr std::size_t kTokenBytesMax = 8192;

/// A key that signs WITs, decoded once.
struct WitKey {
  std::string kid;
  receipt::PublicKey key;
};
/// Trust domain name → its keys.
using WitKeys = std::map<std::string, std::vector<WitKey>, std::less<>>;

/// Those of `use: wit-svid` alone (WIT-SVID section 6.2), of Ed25519 and P-256.
WitKeys read_wit_keys(const identity::JwtBundles& bundles);

/// A token that was checked. Worth nothing without a proof of its key.
struct Wit {
  std::string subject;  ///< a SPIFFE ID or a `wimse:` URI, each with a path
  receipt::PublicKey key;
  Seconds expires = 0;
};

/// kPeerIdentity with words that hold nothing of the token but what it claims. The keys are those
/// of the subject's trust domain, whatever `iss` says.
Result<Wit> verify_wit(std::string_view token, const WitKeys& keys, Seconds now);

/// A SPIFFE ID, or `wimse://` with what may follow `spiffe://`: both with a path. Percent-encoding,
/// ports, queries and the like are refused, so that an identifier has one spelling.
bool is_workload_identifier(std::string_view text);

/// What the engine says of a token, as an error of the peer's.
Failure not_proven(std::string text);
Failure not_proven(std::string_view what, const receipt::Refusal& refusal);

}  // namespace mandated::wimse
