// Roots that a registered passkey signed (profile section 4): the assertion of W3C Web
// Authentication Level 3, section 7.2, over a challenge that is the hash of the receipt. Internal
// to the engine.
//
// Narrower than the W3C asks, since here an assertion is a signature and no login:
// - User presence (UP) and user verification (UV) are both required.
// - Authenticator data is 37 bytes: neither attested credential data (AT), which belongs to
//   registration, nor extension data (ED), since no extension is asked for and none is understood.
// - A page inside another page signs nothing: `crossOrigin` must be false or absent, `topOrigin`
//   absent.
// As the W3C asks: other members of clientDataJSON and reserved flags are ignored, since both may
// gain a meaning later. The signature counter is ignored as well: receipts are checked by many, in
// any order, and nobody keeps the last value.
#pragma once

#include <string>
#include <string_view>

#include "filters/receipt/chain.h"

namespace mandated::receipt {

/// What an authenticator and its client gave back, decoded.
struct Assertion {
  std::string authenticator_data;
  std::string client_data;  ///< clientDataJSON, its bytes as they were signed
  std::string signature;    ///< ES256: ASN.1 DER; Ed25519: 64 bytes
};

/// From the bytes of a JWS signature segment: a JSON object of exactly the three members, each
/// strict base64url.
Checked<Assertion> read_assertion(std::string_view text);

/// Whether `key` signed `challenge` (base64url, as clientDataJSON spells it) as that passkey does.
/// kMalformed or kTooLarge for its form, kBadSignature for anything it says.
Checked<void> check_assertion(const Assertion& assertion, const PublicKey& key,
                              const Passkey& passkey, std::string_view challenge);

/// The anchor whose passkey signed a root. Only the one whose credential id is `kid` is asked;
/// `signature` is the decoded segment.
Checked<const Anchor*> verify_with_passkey(const AnchorSet& anchors,
                                           const std::optional<std::string>& kid,
                                           std::string_view signing_input,
                                           std::string_view signature);

}  // namespace mandated::receipt
