// Names of the codes, and how foreign text is shown in a sentence: quoted as JSON and cut, so that
// no caller can write control characters or pages of text into an answer or a log.
#include "filters/receipt/refusal.h"

#include <utility>

#include "proxy/json/json.h"

namespace mandated::receipt {

std::string_view to_string(Code code) {
  switch (code) {
    case Code::kNoReceipt:
      return "no_receipt";
    case Code::kMalformed:
      return "malformed";
    case Code::kTooLarge:
      return "too_large";
    case Code::kBadAlg:
      return "bad_alg";
    case Code::kBadSignature:
      return "bad_signature";
    case Code::kUntrustedRoot:
      return "untrusted_root";
    case Code::kAboveCeiling:
      return "above_ceiling";
    case Code::kBrokenLink:
      return "broken_link";
    case Code::kDepth:
      return "depth";
    case Code::kExpired:
      return "expired";
    case Code::kNotYetValid:
      return "not_yet_valid";
    case Code::kLifetime:
      return "lifetime";
    case Code::kEscalation:
      return "escalation";
    case Code::kUnknownConstraint:
      return "unknown_constraint";
    case Code::kToolNotGranted:
      return "tool_not_granted";
    case Code::kArgumentMissing:
      return "argument_missing";
    case Code::kArgumentUnexpected:
      return "argument_unexpected";
    case Code::kArgumentDenied:
      return "argument_denied";
    case Code::kNoProof:
      return "no_proof";
    case Code::kBadProof:
      return "bad_proof";
    case Code::kReplayed:
      return "replayed";
    case Code::kWrongHolder:
      return "wrong_holder";
    case Code::kWrongInstance:
      return "wrong_instance";
    case Code::kWrongAudience:
      return "wrong_audience";
    case Code::kRevoked:
      return "revoked";
    case Code::kStatusUnknown:
      return "status_unknown";
    case Code::kBudgetSpent:
      return "budget_spent";
    case Code::kReasonRequired:
      return "reason_required";
    case Code::kApprovalRequired:
      return "approval_required";
    case Code::kUnclean:
      return "unclean";
    case Code::kInternal:
      break;
  }
  return "internal";
}

bool is_code(std::string_view name) {
  for (int code = 0; code <= static_cast<int>(Code::kInternal); ++code) {
    if (to_string(static_cast<Code>(code)) == name) return true;
  }
  return false;
}

tl::unexpected<Refusal> refuse(Code code, std::string sentence) {
  Refusal refusal;
  refusal.code = code;
  refusal.sentence = std::move(sentence);
  return tl::unexpected(std::move(refusal));
}

std::string shown(std::string_view text) {
  constexpr std::size_t kShownMax = 96;
  if (text.size() <= kShownMax) return json::quoted(text);
  std::size_t end = kShownMax;
  const auto continues = [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U; };
  while (end > 0 && continues(text[end])) --end;
  return json::quoted(std::string(text.substr(0, end)) + "…");
}

}  // namespace mandated::receipt
