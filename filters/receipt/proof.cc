// AAT section 7 step 7: the proof of possession that goes with one call.
#include <algorithm>
#include <cmath>

#include "filters/receipt/chain.h"
#include "filters/receipt/jose.h"

namespace mandated::receipt {
namespace {

tl::unexpected<Refusal> bad(std::string sentence) {
  return refuse(Code::kBadProof, std::move(sentence));
}

// Whatever is wrong with a proof's form, the caller's receipt is not to blame for it: one code, the
// same sentence.
tl::unexpected<Refusal> as_bad_proof(const Refusal& refusal) {
  return refuse(refusal.code == Code::kTooLarge ? Code::kTooLarge : Code::kBadProof,
                "In the proof: " + refusal.sentence);
}

// Steps 7a and 7b. Gives the payload's bytes.
Checked<std::string> open_signed(std::string_view proof, const PublicKey& holder) {
  const auto segments = split(proof);
  if (!segments) return as_bad_proof(segments.error());
  const auto header = read_header(segments->header, TokenKind::kProof);
  if (!header) return as_bad_proof(header.error());
  if (header->algorithm != holder.type())
    return bad("The proof's algorithm does not fit the holder's key.");
  const auto signature = decode_segment(segments->signature, "signature");
  if (!signature) return as_bad_proof(signature.error());
  if (!holder.verify(segments->signing_input, *signature)) {
    return bad("The proof is not signed by the holder of the receipt.");
  }
  auto payload = decode_segment(segments->payload, "payload");
  if (!payload) return as_bad_proof(payload.error());
  return payload;
}

// Step 7d.
Checked<void> check_audience(const json::Value& payload, std::span<const std::string> audiences) {
  const json::Value* claim = payload.find("aat_aud");
  if (claim != nullptr && !claim->is_string()) return bad("The proof's aat_aud is not a string.");
  if (audiences.empty()) return {};
  if (claim == nullptr)
    return refuse(Code::kWrongAudience, "The proof does not say for whom it is meant.");
  if (std::find(audiences.begin(), audiences.end(), claim->string()) != audiences.end()) return {};
  return refuse(Code::kWrongAudience, "The proof is meant for " + shown(claim->string()) + ".");
}

// Steps 7e and 7f. Equal values are those that have the same canonical form.
Checked<void> check_same_call(const json::Value& payload, std::string_view tool,
                              const json::Value& arguments) {
  if (payload.find_string("aat_tool") != tool) return bad("The proof was made for another tool.");
  const json::Value* proven = payload.find("hta");
  if (proven == nullptr || !proven->is_object()) return bad("The proof holds no arguments.");
  const bool same =
      arguments.is_null() ? proven->object().empty() : json::equal(*proven, arguments);
  if (!same) return bad("The proof was made for other arguments.");
  return {};
}

// Step 7g.
Checked<Proof> check_fresh(const json::Value& payload, Seconds now, Seconds window) {
  const auto jti = payload.find_string("jti");
  const json::Value* issued_at = payload.find("iat");
  if (!jti || jti->empty()) return bad("The proof has no jti that is a string.");
  if (issued_at == nullptr || !issued_at->is_number())
    return bad("The proof has no iat that is a number.");
  if (std::fabs(issued_at->number() - now) > window) {
    return bad("The proof was made more than " + json::number_text(window) + " s away from now.");
  }
  return Proof{std::string(*jti), issued_at->number()};
}

Checked<Proof> check_proof(const VerifiedChain& chain, std::string_view proof,
                           std::string_view tool, const json::Value& arguments,
                           std::span<const std::string> audiences, Seconds now,
                           const Limits& limits) {
  if (proof.empty())
    return refuse(Code::kNoProof,
                  "The call carries no proof that its sender holds the receipt's key.");
  if (proof.size() > limits.proof_bytes_max) {
    return refuse(Code::kTooLarge,
                  "The proof is longer than " + std::to_string(limits.proof_bytes_max) + " bytes.");
  }
  const auto text = open_signed(proof, chain.holder_key());
  if (!text) return tl::unexpected(text.error());
  const auto document =
      parse_object(*text, "payload", {.bytes_max = limits.proof_bytes_max, .depth_max = 128});
  if (!document) return as_bad_proof(document.error());
  const json::Value& payload = document->root();
  if (json::canonical(payload) != *text)
    return bad("The proof's payload is not in canonical form (RFC 8785).");
  if (payload.find_string("aat_id") != chain.jti(chain.size() - 1))
    return bad("The proof was made for another receipt.");
  return check_audience(payload, audiences)
      .and_then([&] { return check_same_call(payload, tool, arguments); })
      .and_then([&] { return check_fresh(payload, now, limits.proof_window); });
}

}  // namespace

Checked<Proof> verify_proof(const VerifiedChain& chain, std::string_view proof,
                            std::string_view tool, const json::Value& arguments,
                            std::span<const std::string> audiences, Seconds now,
                            const Limits& limits) {
  auto checked = check_proof(chain, proof, tool, arguments, audiences, now, limits);
  if (!checked) {
    checked.error().hop = static_cast<int>(chain.size()) - 1;
    checked.error().tool = tool;
  }
  return checked;
}

}  // namespace mandated::receipt
