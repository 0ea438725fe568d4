// A person's yes to one call (profile section 2, `require: approval`). An approval is a compact JWS
// of type `delegation-approval+jwt`, signed with EdDSA, ES256 or a passkey (WebAuthn, as roots
// are). Its payload, in RFC 8785 form, says all of the call and nothing else:
//   {"args": {…}, "exp": n, "holder"?: …, "iat": n, "intent"?: …, "jti": ticket,
//    "receipt": par_hash of the chain, "server"?: …, "tool": …, "user"?: …}
// `holder` is who presents the receipt; `user` and `intent` are the chain's, so that what a person
// is shown is what is signed, and what is signed is compared with the chain. `server` is whom the
// call goes to, by the proxy's name for it: another may have a tool of that name. Pure.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "filters/receipt/chain.h"

namespace mandated::receipt {

/// From signing to the last moment at which an approval counts, at most.
inline constexpr Seconds kApprovalLifetimeMax = 300;

/// The call that people are asked about.
struct AskedCall {
  std::string ticket;   ///< never used before; names the question
  std::string receipt;  ///< VerifiedChain::digest
  std::string tool;
  std::string arguments;  ///< a JSON object in RFC 8785 form
  std::optional<std::string> holder{};
  std::optional<std::string> user{};
  std::optional<std::string> intent{};
  std::optional<std::string> server{};
};

/// The question that a call under `chain` raises.
AskedCall ask_about(const VerifiedChain& chain, std::string_view ticket, std::string_view server,
                    std::string_view tool, const json::Value& arguments);

/// The payload to sign: good from `issued_at` on, for kApprovalLifetimeMax.
std::string approval_payload(const AskedCall& call, Seconds issued_at);

/// Signs an approval. `kid` names the key, as on roots.
std::string sign_approval(const AskedCall& call, const PrivateKey& key, Seconds issued_at,
                          std::string_view kid = {});

/// Whether `approvals` are those of at least `approvers.min` distinct keys out of `approvers.keys`,
/// each for exactly this call and good at `now`. `anchors` holds the keys, passkeys among them;
/// which of them may approve is the receipt's to say. One approval that is no good makes all of
/// them no good: kApprovalRequired, with what is wrong.
Checked<std::vector<std::string>> check_approvals(std::span<const std::string_view> approvals,
                                                  const AskedCall& call, const Approvers& approvers,
                                                  const AnchorSet& anchors, Seconds now,
                                                  const Limits& limits = {});

/// The key, out of `anchors`, that signed this one approval, if it is good by itself. For whoever
/// collects them.
Checked<const Anchor*> check_approval(std::string_view approval, const AskedCall& call,
                                      const AnchorSet& anchors, Seconds now,
                                      const Limits& limits = {});

/// Who must approve this call, and how many of them: the leaf's `approvers`. Null when no receipt
/// of the chain asks for an approval. kApprovalRequired, with the hop, where the first receipt that
/// asks does not say whom: those below it may not choose.
Checked<const Approvers*> approvers_of(const VerifiedChain& chain, std::string_view tool);

}  // namespace mandated::receipt
