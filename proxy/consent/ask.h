// What an agent asks a person to sign: the body of POST /requests, read strictly and checked as far
// as it can be before anybody has signed. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <variant>

#include "filters/receipt/approval.h"
#include "filters/receipt/issue.h"
#include "proxy/base/result.h"
#include "proxy/consent/telling.h"

namespace mandated::consent {

/// At most so many bytes of JSON. What fits a screen is much shorter; this is for the parser.
constexpr std::size_t kAskBytesMax = 65536;

/// A root receipt, for a passkey of its user.
struct ReceiptAsk {
  std::string user;
  receipt::Grant grant;  ///< with its jti, so that each passkey signs the same receipt
};

/// A yes to one call, from `approvers.min` of those keys.
struct ApprovalAsk {
  receipt::AskedCall call;
  receipt::Approvers approvers;
  Seconds issued_at = 0;
};

struct Ask {
  std::variant<ReceiptAsk, ApprovalAsk> what;
  Seconds decide_until = 0;  ///< nobody signs after that

  /// How many distinct keys have to sign.
  std::size_t signatures() const;
  /// Whether this passkey is among those that may sign.
  bool may_sign(const receipt::Anchor& passkey) const;
};

/// `jti` names the receipt that is asked for. kMalformed or kTooLarge for the form of the body;
/// else what the verifier would say of the receipt; kTooLarge as well for one that a person could
/// not take in (telling.h).
Checked<Ask> read_ask(std::string_view body, Seconds now, std::string jti);

/// What the passkey of that credential id has to sign: a JWS signing input.
Checked<std::string> signing_input(const Ask& ask, std::string_view credential_id);

/// What it says, in words.
Checked<Telling> tell(const Ask& ask, std::string_view input);

}  // namespace mandated::consent
