// Trust anchors as they are written down: in the configuration, in files, and in the questions of
// the batch verifier. One reader for all.
#pragma once

#include <string_view>
#include <vector>

#include "filters/receipt/chain.h"
#include "filters/receipt/jose.h"

namespace mandated::receipt {

/// One anchor: a bare JWK (RFC 7517; its `kid` is the look-up hint), or an object that holds either
/// `jwk` or `webauthn`, and may hold `user` (with `jwk`) and `ceiling`. `webauthn` is
/// `{"credential_id", "public_key": JWK, "rp_id", "origins": […], "user"}`, all required; the
/// credential id is strict base64url. kMalformed for anything else.
Checked<Anchor> read_anchor(const json::Value& source);

/// Puts a ceiling on an anchor; kMalformed if it carries one.
Checked<void> set_ceiling(Anchor& anchor, const json::Value& source);

/// All of `{"keys": […]}`, or the one that `source` is. Those that read_anchor refuses are left out
/// (RFC 7517 section 5).
std::vector<Anchor> read_anchors(const json::Value& source);

/// The anchor whose key made `signature`: those that the header's kid names are tried first, then
/// the others of its algorithm, 64 in all. Never a passkey; null if none did.
const Anchor* find_signer(const AnchorSet& anchors, const Header& header,
                          std::string_view signing_input, std::string_view signature);

}  // namespace mandated::receipt
