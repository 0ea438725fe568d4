// An approval is compared with what it should say as a whole, byte by byte: of its claims only the
// two times are read.
#include "filters/receipt/approval.h"

#include <set>

#include "filters/receipt/anchor.h"
#include "filters/receipt/claims.h"
#include "filters/receipt/jose.h"
#include "filters/receipt/webauthn.h"
#include "proxy/json/writer.h"

namespace mandated::receipt {
namespace {

tl::unexpected<Refusal> no(std::string sentence) {
  return refuse(Code::kApprovalRequired, std::move(sentence));
}

tl::unexpected<Refusal> no_good(const Refusal& refusal) {
  return no("An approval of the call is no good: " + refusal.sentence);
}

// The members stand as RFC 8785 sorts them.
std::string payload_text(const AskedCall& call, Seconds issued_at, Seconds expires) {
  json::ObjectWriter payload;
  const auto add = [&](std::string_view name, const std::optional<std::string>& value) {
    if (value) payload.text(name, *value);
  };
  payload.json("args", call.arguments).number("exp", expires);
  add("holder", call.holder);
  payload.number("iat", issued_at);
  add("intent", call.intent);
  payload.text("jti", call.ticket).text("receipt", call.receipt);
  add("server", call.server);
  payload.text("tool", call.tool);
  add("user", call.user);
  return payload.take();
}

// The first hop that says it says it for all below: neither may be changed.
std::optional<std::string> first_said(const VerifiedChain& chain,
                                      std::optional<std::string> Mandate::* member) {
  for (std::size_t hop = 0; hop < chain.size(); ++hop) {
    if (const auto& said = chain.mandate(hop).*member) return said;
  }
  return std::nullopt;
}

Checked<const Anchor*> find_approver(const AnchorSet& anchors, const Segments& segments) {
  const auto header = read_header(segments.header, TokenKind::kApproval);
  if (!header) return no_good(header.error());
  const auto signature = decode_segment(segments.signature, "signature");
  if (!signature) return no_good(signature.error());
  if (!header->algorithm) {
    auto anchor = verify_with_passkey(anchors, header->kid, segments.signing_input, *signature);
    if (!anchor) return no_good(anchor.error());
    return anchor;
  }
  const Anchor* anchor = find_signer(anchors, *header, segments.signing_input, *signature);
  if (anchor == nullptr) return no("An approval of the call is not signed by a key known here.");
  return anchor;
}

Checked<void> check_times(Seconds issued_at, Seconds expires, Seconds now, Seconds skew) {
  if (issued_at > now + skew) return no("The approval was signed in the future.");
  if (!(expires > now)) return no("The approval expired at " + time_text(expires) + ".");
  if (expires > issued_at + kApprovalLifetimeMax) {
    return no("The approval lives longer than " + json::number_text(kApprovalLifetimeMax) + " s.");
  }
  return {};
}

}  // namespace

AskedCall ask_about(const VerifiedChain& chain, std::string_view ticket, std::string_view server,
                    std::string_view tool, const json::Value& arguments) {
  return {.ticket = std::string(ticket),
          .receipt = chain.digest(),
          .tool = std::string(tool),
          .arguments = arguments.is_object() ? json::canonical(arguments) : "{}",
          .holder = chain.mandate(chain.size() - 1).holder,
          .user = first_said(chain, &Mandate::user),
          .intent = first_said(chain, &Mandate::intent),
          .server = std::string(server)};
}

std::string approval_payload(const AskedCall& call, Seconds issued_at) {
  return payload_text(call, issued_at, issued_at + kApprovalLifetimeMax);
}

std::string sign_approval(const AskedCall& call, const PrivateKey& key, Seconds issued_at,
                          std::string_view kid) {
  return sign_compact(approval_payload(call, issued_at), TokenKind::kApproval, kid, key);
}

Checked<const Anchor*> check_approval(std::string_view approval, const AskedCall& call,
                                      const AnchorSet& anchors, Seconds now, const Limits& limits) {
  if (approval.size() > limits.token_bytes_max) return no("An approval of the call is too long.");
  const auto segments = split(approval);
  if (!segments) return no_good(segments.error());
  auto anchor = find_approver(anchors, *segments);
  if (!anchor) return anchor;
  const auto text = decode_segment(segments->payload, "payload");
  if (!text) return no_good(text.error());
  const auto document =
      parse_object(*text, "payload", {.bytes_max = limits.token_bytes_max, .depth_max = 128});
  if (!document) return no_good(document.error());
  const json::Value* issued_at = document->root().find("iat");
  const json::Value* expires = document->root().find("exp");
  const bool timed =
      issued_at != nullptr && issued_at->is_number() && expires != nullptr && expires->is_number();
  if (!timed)
    return no("An approval of the call does not say from when and until when it is good.");
  if (*text != payload_text(call, issued_at->number(), expires->number()))
    return no("The approval is for another call.");
  auto fresh = check_times(issued_at->number(), expires->number(), now, limits.iat_skew_max);
  if (!fresh) return tl::unexpected(std::move(fresh.error()));
  return anchor;
}

Checked<std::vector<std::string>> check_approvals(std::span<const std::string_view> approvals,
                                                  const AskedCall& call, const Approvers& approvers,
                                                  const AnchorSet& anchors, Seconds now,
                                                  const Limits& limits) {
  std::set<std::string> signers;
  if (approvals.size() > approvers.keys.size())
    return no("There are more approvals than approvers.");
  for (const std::string_view approval : approvals) {
    const auto anchor = check_approval(approval, call, anchors, now, limits);
    if (!anchor) return tl::unexpected(anchor.error());
    const std::string& signer = (*anchor)->key.thumbprint();
    if (!approvers.keys.contains(signer))
      return no("The approval is signed by a key that may not approve this.");
    signers.insert(signer);
  }
  if (signers.empty() || signers.size() < approvers.min) {
    return no("The call has " + std::to_string(signers.size()) + " of " +
              std::to_string(approvers.min) + " approvals.");
  }
  return std::vector<std::string>(signers.begin(), signers.end());
}

Checked<const Approvers*> approvers_of(const VerifiedChain& chain, std::string_view tool) {
  for (std::size_t hop = 0; hop < chain.size(); ++hop) {
    const Mandate& mandate = chain.mandate(hop);
    const auto wanted = mandate.require.find(tool);
    if (wanted == mandate.require.end() || !wanted->second.contains(Requirement::kApproval))
      continue;
    if (mandate.approvers) return &*chain.mandate(chain.size() - 1).approvers;
    Refusal refusal = no("The receipt asks for an approval and does not say whose.").value();
    refusal.hop = static_cast<int>(hop);
    refusal.tool = tool;
    return tl::unexpected(std::move(refusal));
  }
  return nullptr;
}

}  // namespace mandated::receipt
