// Why a receipt does not permit a call. Codes are stable: they stand in answers, metrics and audit
// records.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

namespace mandated::receipt {

enum class Code : std::uint8_t {
  kNoReceipt,
  kMalformed,
  kTooLarge,
  kBadAlg,
  kBadSignature,
  kUntrustedRoot,
  kAboveCeiling,
  kBrokenLink,
  kDepth,
  kExpired,
  kNotYetValid,
  kLifetime,
  kEscalation,
  kUnknownConstraint,
  kToolNotGranted,
  kArgumentMissing,
  kArgumentUnexpected,
  kArgumentDenied,
  kNoProof,
  kBadProof,
  kReplayed,
  kWrongHolder,
  kWrongInstance,
  kWrongAudience,
  kRevoked,
  kStatusUnknown,
  kBudgetSpent,
  kReasonRequired,
  kApprovalRequired,
  kUnclean,
  kInternal,
};

/// The snake_case name on the wire, e.g. "tool_not_granted".
std::string_view to_string(Code code);
/// True if it is the name of one of them.
bool is_code(std::string_view name);

/// One refusal. Members that do not apply are empty (hop: -1). Never holds key material or another
/// caller's data.
struct Refusal {
  Code code = Code::kInternal;
  int hop = -1;  ///< index of the token in the chain, 0 = root
  std::string tool;
  std::string argument;
  std::string constraint;  ///< the constraint that failed, as JSON
  std::string sentence;    ///< for people; a full sentence
  std::string ticket;      ///< of the question that people were asked about the call
  std::string url;         ///< of the page where they can answer it
};

/// A refusal that names no hop, tool or argument yet.
[[nodiscard]] tl::unexpected<Refusal> refuse(Code code, std::string sentence);

/// Foreign text as it may stand in a sentence: a JSON string of bounded length.
std::string shown(std::string_view text);

template <class T>
using Checked = tl::expected<T, Refusal>;

}  // namespace mandated::receipt
