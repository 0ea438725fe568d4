// Compact JWS (RFC 7515) as receipts and proofs use it: three segments, a protected header that
// cannot choose its own key, and nothing parsed that is not needed. Internal to the
// engine, to filters/status, proxy/identity and proxy/wimse.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "filters/receipt/chain.h"

namespace mandated::receipt {

/// Keeps tokens apart: the `typ` and the algorithms that each may carry (profile section 1); an
/// approval, a status list (draft-ietf-oauth-status-list section 5.1) and the tokens of WIMSE must
/// carry their own.
enum class TokenKind : std::uint8_t {
  kRoot,
  kReceipt,
  kProof,
  kApproval,
  kStatusList,
  kWorkloadIdentity,
  kWorkloadProof
};

/// Views into the compact form.
struct Segments {
  std::string_view header;
  std::string_view payload;
  std::string_view signature;
  std::string_view signing_input;
};

struct Header {
  /// nullopt: WebAuthn, on roots and approvals; fits no key by itself
  std::optional<KeyType> algorithm;
  std::optional<std::string> kid;
};

std::string_view type_name(TokenKind kind);

Checked<Segments> split(std::string_view compact);

/// kBadAlg for any algorithm but EdDSA and ES256 (AAT section 8.13), and WebAuthn on a root;
/// kMalformed for the rest.
Checked<Header> read_header(std::string_view segment, TokenKind kind);

/// The decoded bytes of a segment; `what` names it in the refusal.
Checked<std::string> decode_segment(std::string_view segment, std::string_view what);

/// Strict JSON object. Too long or too deep is kTooLarge, anything else kMalformed.
Checked<json::Document> parse_object(std::string_view text, std::string_view what,
                                     const json::Limits& limits);

/// What a passkey signs: header and payload of the compact form.
std::string passkey_signing_input(std::string_view payload, TokenKind kind, std::string_view kid);

/// The compact form of `payload` signed by `key`.
std::string sign_compact(std::string_view payload, TokenKind kind, std::string_view kid,
                         const PrivateKey& key);

}  // namespace mandated::receipt
