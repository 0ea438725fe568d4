// The claims of one token (AAT section 3.2), read after its signature was verified. Each reading is
// one function, because the draft's algorithm reads the root's and a child's claims in different
// orders. Internal to the engine.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "filters/receipt/capability.h"
#include "filters/receipt/chain.h"

namespace mandated::receipt {

struct Claims {
  std::string jti;
  std::string_view issuer;
  Seconds issued_at = 0;
  Seconds expires = 0;
  std::int64_t depth = 0;
  std::int64_t depth_max = 0;
  std::optional<std::string_view> parent_hash;
  PublicKey holder;
  Capability capability;
  Mandate mandate;
};

Checked<void> read_jti(const json::Value& payload, Claims& claims);
Checked<void> read_issuer(const json::Value& payload, Claims& claims);
Checked<void> read_times(const json::Value& payload, Claims& claims);
Checked<void> read_depths(const json::Value& payload, Claims& claims);
Checked<void> read_parent_hash(const json::Value& payload, Claims& claims);
Checked<void> read_holder(const json::Value& payload, Claims& claims);
/// The array at authorization_details, or kMalformed.
Checked<const json::Value*> find_details(const json::Value& payload);
Checked<void> read_capability(const json::Value& payload, const Limits& limits, Claims& claims);
Checked<void> read_mandate(const json::Value& payload, Claims& claims);

/// `urn:ietf:params:oauth:jwk-thumbprint:sha-256:…` (RFC 9278): the issuer of whatever `key` signs.
std::string thumbprint_uri(const PublicKey& key);
bool is_thumbprint_uri(std::string_view text, const PublicKey& key);

/// "2026-07-28T12:00:00Z", for sentences.
std::string time_text(Seconds time);

}  // namespace mandated::receipt
