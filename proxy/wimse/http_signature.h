// HTTP message signatures by the WIT's key (RFC 9421), as draft-ietf-wimse-http-signature profiles
// them: -07 in the making (its repository at commit 40b1c416). The body is covered by way of its
// Content-Digest, which is checked apart, once there is a body.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "proxy/http/message.h"
#include "proxy/wimse/wit.h"
#include "proxy/wimse/wpt.h"

namespace mandated::wimse {

inline constexpr std::string_view kSignatureField = "signature";
inline constexpr std::string_view kSignatureInputField = "signature-input";

/// True when one of the signatures calls itself one of this profile. A Signature-Input that cannot
/// be read counts as one: it is then refused.
bool has_signature(const http::Fields& fields);

/// The request's one signature of this profile. Beside what the profile demands it must cover the
/// receipt and its proof. Components that a hop before us may have changed (@scheme, @target-uri)
/// are refused, and so is the wish for a signed answer (kUnsupported). kPeerIdentity.
Result<ProofOnce> verify_request(const http::RequestHead& head, const Wit& wit,
                                 std::span<const std::string> audiences, Seconds now);

/// The nonce of a request that sign_request signed. kPeerIdentity when it was not.
Result<std::string> nonce_of(const http::RequestHead& head);

/// An answer's signature, for a request that was signed with `nonce`. kPeerIdentity.
Result<void> verify_response(const http::RequestHead& request, const http::ResponseHead& head,
                             const Wit& wit, std::string_view nonce, Seconds now);

/// Adds Signature and Signature-Input over the target, the method and all fields of `head` that the
/// profile or a receipt's verifier reads. kInternal: a value that cannot be signed.
struct SignatureClaims {
  std::string_view audience;
  std::string_view nonce;
  std::int64_t created = 0;
  std::int64_t expires = 0;
};
Result<void> sign_request(http::RequestHead& head, const receipt::PrivateKey& key,
                          const SignatureClaims& claims);

}  // namespace mandated::wimse
