#include "proxy/consent/ask.h"

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <optional>

#include "filters/receipt/jose.h"
#include "filters/receipt/mandate.h"
#include "filters/receipt/plain_text.h"
#include "proxy/json/writer.h"

namespace mandated::consent {

namespace {

using receipt::refuse;
using receipt::shown;
using Code = receipt::Code;

constexpr Seconds kDecideWithin = 900;

tl::unexpected<receipt::Refusal> malformed(std::string_view member, std::string_view kind) {
  return refuse(Code::kMalformed,
                "The request's member " + shown(member) + " is not " + std::string(kind) + ".");
}

Checked<json::Document> parse_body(std::string_view body) {
  auto document = json::Document::parse(body, {.bytes_max = kAskBytesMax, .depth_max = 64});
  if (document && document->root().is_object()) return std::move(*document);
  return refuse(Code::kMalformed,
                document ? "The request is not a JSON object."
                         : "The request is not strict JSON: " + document.error().text + ".");
}

Checked<void> check_members(const json::Value& object,
                            std::initializer_list<std::string_view> known) {
  for (const json::Member& member : object.object()) {
    if (std::find(known.begin(), known.end(), member.name) == known.end()) {
      return refuse(Code::kMalformed,
                    "The request has the unknown member " + shown(member.name) + ".");
    }
  }
  return {};
}

Checked<std::string> read_text(const json::Value& body, std::string_view member) {
  const auto text = body.find_string(member);
  if (text && !text->empty()) return std::string(*text);
  return malformed(member, "a text, which it must be");
}

// Shown as prose, so it must not be able to change the page around it.
Checked<std::string> read_intent(const json::Value& body) {
  auto intent = read_text(body, "intent");
  if (!intent || receipt::is_plain(*intent)) return intent;
  return refuse(Code::kMalformed,
                "The request's intent holds characters that cannot be seen, or that change how the "
                "text around them is shown.");
}

Checked<std::int64_t> read_count(const json::Value& body, std::string_view member) {
  const json::Value* value = body.find(member);
  const auto count = value == nullptr ? std::nullopt : value->integer();
  if (count && *count >= 0) return *count;
  return malformed(member, "a whole number");
}

// The claim `mandate`: what the request says by itself, and the other members as they stand.
Checked<std::string> mandate_of(const json::Value& body, std::string_view intent) {
  json::ObjectWriter claim;
  claim.text("intent", intent);
  for (const std::string_view member : {"user", "holder"}) {
    const json::Value* value = body.find(member);
    if (value != nullptr) claim.json(member, json::canonical(*value));
  }
  const json::Value* others = body.find("mandate");
  if (others == nullptr) return claim.take();
  if (!others->is_object()) return malformed("mandate", "a JSON object");
  for (const json::Member& member : others->object()) {
    for (const std::string_view own : {"user", "holder", "intent", "task"}) {
      if (member.name != own) continue;
      return refuse(Code::kMalformed,
                    "The request's mandate must not carry " + shown(member.name) + ".");
    }
    claim.json(member.name, json::canonical(member.value));
  }
  return claim.take();
}

Checked<receipt::Grant> read_grant(const json::Value& body, Seconds now) {
  receipt::Grant grant;
  const json::Value* tools = body.find("tools");
  if (tools == nullptr || !tools->is_object()) return malformed("tools", "a JSON object");
  grant.tools_json = json::canonical(*tools);
  const json::Value* key = body.find("holder_key");
  if (key == nullptr) return malformed("holder_key", "a public JWK");
  CHECK(receipt::PublicKey::from_jwk(*key).map(
      [&](const receipt::PublicKey& read) { grant.holder = read; }));
  TRY(const std::string intent, read_intent(body));
  TRY(grant.mandate_json, mandate_of(body, intent));
  TRY(const std::int64_t lifetime, read_count(body, "lifetime"));
  grant.issued_at = std::floor(now);
  grant.expires = grant.issued_at + static_cast<Seconds>(lifetime);
  if (body.find("depth") != nullptr) {
    TRY(const std::int64_t depth, read_count(body, "depth"));
    constexpr std::int64_t kDepthMax = 1000;  // the verifier's bound is lower
    grant.depth_max = static_cast<int>(std::min(depth, kDepthMax));
  }
  return grant;
}

Checked<Ask> read_receipt_ask(const json::Value& body, Seconds now, std::string jti) {
  CHECK(check_members(body, {"kind", "user", "holder", "holder_key", "tools", "lifetime", "depth",
                             "intent", "mandate"}));
  ReceiptAsk wanted;
  TRY(wanted.user, read_text(body, "user"));
  TRY(wanted.grant, read_grant(body, now));
  wanted.grant.jti = std::move(jti);
  const Seconds until = std::min(wanted.grant.expires, wanted.grant.issued_at + kDecideWithin);
  return Ask{std::move(wanted), until};
}

// As a receipt's `mandate.approvers`, whose rules hold here too.
Checked<receipt::Approvers> read_approvers(const json::Value& body) {
  const json::Value* approvers = body.find("approvers");
  if (approvers == nullptr) return malformed("approvers", "a JSON object");
  const auto claim = json::Document::parse("{\"approvers\":" + std::string(approvers->raw()) + "}");
  if (!claim) return malformed("approvers", "a JSON object");
  return receipt::parse_mandate(&claim->root()).map([](const receipt::Mandate& mandate) {
    return *mandate.approvers;
  });
}

Checked<std::optional<std::string>> read_optional_text(const json::Value& body,
                                                       std::string_view member) {
  if (body.find(member) == nullptr) return std::nullopt;
  return read_text(body, member);
}

Checked<Ask> read_approval_ask(const json::Value& body, Seconds now) {
  CHECK(check_members(body, {"kind", "ticket", "receipt", "server", "tool", "args", "holder",
                             "user", "intent", "approvers"}));
  ApprovalAsk wanted;
  TRY(wanted.call.ticket, read_text(body, "ticket"));
  TRY(wanted.call.receipt, read_text(body, "receipt"));
  TRY(wanted.call.tool, read_text(body, "tool"));
  TRY(wanted.call.holder, read_optional_text(body, "holder"));
  TRY(wanted.call.user, read_optional_text(body, "user"));
  TRY(wanted.call.intent, read_optional_text(body, "intent"));
  TRY(wanted.call.server, read_optional_text(body, "server"));
  const json::Value* arguments = body.find("args");
  if (arguments == nullptr || !arguments->is_object()) return malformed("args", "a JSON object");
  wanted.call.arguments = json::canonical(*arguments);
  TRY(wanted.approvers, read_approvers(body));
  wanted.issued_at = std::floor(now);
  const Seconds until = wanted.issued_at + receipt::kApprovalLifetimeMax;
  return Ask{std::move(wanted), until};
}

Checked<Ask> read_either(const json::Value& body, Seconds now, std::string jti) {
  const auto kind = body.find_string("kind");
  if (kind == "receipt") return read_receipt_ask(body, now, std::move(jti));
  if (kind == "approval") return read_approval_ask(body, now);
  return malformed("kind", "\"receipt\" or \"approval\"");
}

}  // namespace

std::size_t Ask::signatures() const {
  const auto* approval = std::get_if<ApprovalAsk>(&what);
  return approval == nullptr ? 1 : static_cast<std::size_t>(approval->approvers.min);
}

bool Ask::may_sign(const receipt::Anchor& passkey) const {
  if (const auto* wanted = std::get_if<ReceiptAsk>(&what)) return passkey.user == wanted->user;
  return std::get<ApprovalAsk>(what).approvers.keys.contains(passkey.key.thumbprint());
}

Checked<Ask> read_ask(std::string_view body, Seconds now, std::string jti) {
  TRY(const json::Document document, parse_body(body));
  TRY(Ask ask, read_either(document.root(), now, std::move(jti)));
  // Whoever signs, the words are the same.
  TRY(const std::string input, signing_input(ask, "AA"));
  CHECK(tell(ask, input));
  return ask;
}

Checked<std::string> signing_input(const Ask& ask, std::string_view credential_id) {
  if (const auto* wanted = std::get_if<ReceiptAsk>(&ask.what))
    return receipt::root_for_passkey(wanted->grant, wanted->user, credential_id);
  const auto& approval = std::get<ApprovalAsk>(ask.what);
  return receipt::passkey_signing_input(
      receipt::approval_payload(approval.call, approval.issued_at), receipt::TokenKind::kApproval,
      credential_id);
}

Checked<Telling> tell(const Ask& ask, std::string_view input) {
  return std::holds_alternative<ReceiptAsk>(ask.what) ? tell_receipt(input) : tell_approval(input);
}

}  // namespace mandated::consent
