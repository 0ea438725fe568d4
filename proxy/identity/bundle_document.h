// The SPIFFE bundle document (Trust-Domain-and-Bundle standard section 4): a JWK Set with the
// authorities of one trust domain, as other domains fetch it and the Workload API hands it out.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/base/result.h"
#include "proxy/identity/identity.h"

namespace mandated::identity {

struct BundleDocument {
  std::vector<std::string> certificates_der;  ///< `x509-svid`
  std::vector<JwtKey> jwt_keys;               ///< `jwt-svid` and `wit-svid`
  std::optional<std::uint64_t> sequence;      ///< grows with every change
  std::optional<std::chrono::seconds> refresh_hint;
};

/// Passes over keys of another use or kind, as the standard bids. kMalformed for what is broken in
/// a key that counts, two keys of one `kid`, or a private key; kTooLarge beyond 1 MiB or 64 keys of
/// a use. A document without a usable key is sound: its trust domain believes nobody any more.
Result<BundleDocument> parse_bundle_document(std::string_view text);

/// kUnsupported for a key of an unknown kind.
Result<std::string> to_bundle_document(const BundleDocument& document);

}  // namespace mandated::identity
