// Status List Tokens (draft-ietf-oauth-status-list-21 section 5.1): a list signed by its issuer, as
// a compact JWS. Pure: whoever fetches a token says from where, and what time it is.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "filters/receipt/chain.h"
#include "filters/status/list.h"

namespace mandated::status {

using receipt::Seconds;

struct TokenLimits {
  std::size_t token_bytes_max = 4U << 20U;
  std::size_t list_bytes_max = kListBytesMax;
  Seconds iat_skew_max = 30;
};

/// What a token says. `aggregation_uri` and claims not named here are left alone.
struct PublishedList {
  std::string uri;  ///< sub: where it is to be found
  Seconds issued_at = 0;
  std::optional<Seconds> not_before;
  std::optional<Seconds> expires;
  std::optional<Seconds> ttl;  ///< a copy may be used this long before it is to be fetched again
  StatusList list;
};

/// A list, and whose word it is.
struct VerifiedList : PublishedList {
  receipt::PublicKey signer;
};

/// Section 8.3: signed by one of `anchors` (tried as a root's are, but for passkeys; their `user`
/// and ceiling are not asked for), for exactly this `uri`, and valid now. kBadSignature when none
/// of them signed it, kStatusUnknown for another list's token, kExpired, kNotYetValid, kBadAlg,
/// kTooLarge; kMalformed for the rest.
receipt::Checked<VerifiedList> verify_status_list(std::string_view token, std::string_view uri,
                                                  const receipt::AnchorSet& anchors, Seconds now,
                                                  const TokenLimits& limits = {});

/// Signature and form only: for its issuer, who signs it again whether or not it has expired.
receipt::Checked<PublishedList> open_status_list(std::string_view token,
                                                 const receipt::AnchorSet& anchors,
                                                 const TokenLimits& limits = {});

/// Form only: for people to look at, never to decide by.
receipt::Checked<PublishedList> inspect_status_list(std::string_view token,
                                                    const TokenLimits& limits = {});

/// Signs `published`; its uri must be an https URI. What the verifier would refuse is never signed.
receipt::Checked<std::string> issue_status_list(const PublishedList& published,
                                                const receipt::PrivateKey& key,
                                                const TokenLimits& limits = {});

}  // namespace mandated::status
