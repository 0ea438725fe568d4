// Making receipts and proofs. What the verifier would refuse is never signed.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "filters/receipt/chain.h"

namespace mandated::receipt {

/// What a new token shall say. `tools` is the JSON object of AAT section 3.3; `mandate` the JSON
/// object of the profile, or empty for none.
struct Grant {
  std::string tools_json;
  std::string mandate_json;
  PublicKey holder;  ///< cnf.jwk
  Seconds issued_at = 0;
  Seconds expires = 0;
  int depth_max = 0;  ///< del_max_depth
  std::string jti{};  ///< never used before; empty takes a fresh UUIDv7
};

/// When the receipt begins to be valid: as it is issued, or at its `nbf` if that is later.
Seconds valid_from(const Grant& grant);

/// Signs a root (AAT section 3.7). `issuer` must be a URI.
Checked<std::string> issue_root(const Grant& grant, std::string_view issuer, const PrivateKey& key,
                                std::string_view kid = {}, const Limits& limits = {});

/// What a passkey is to sign as a root: the JWS signing input, whose SHA-256 is the challenge. All
/// but the signature was put through the verifier. `kid` is the credential id; without `jti` each
/// call makes another receipt.
Checked<std::string> root_for_passkey(const Grant& grant, std::string_view issuer,
                                      std::string_view kid, const Limits& limits = {});

/// Signs a child of `chain`'s leaf (AAT section 6) and returns it; the caller appends it. `now` is
/// checked against the parent. An empty mandate_json member that the parent carries is copied down,
/// except `task`.
Checked<std::string> derive(std::span<const std::string_view> chain, const Grant& grant,
                            const PrivateKey& holder_key, const Limits& limits = {});

/// Signs a PoP JWT (AAT section 5, JCS payload). `audience` may be empty: no aat_aud. `jti` must
/// never have been used before; empty takes a fresh UUIDv7.
std::string prove(const VerifiedChain& chain, const PrivateKey& holder_key, std::string_view tool,
                  const json::Value& arguments, std::string_view audience, Seconds now,
                  std::string_view jti = {});

}  // namespace mandated::receipt
