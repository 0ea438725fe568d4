#include "proxy/local/requests.h"

#include <algorithm>
#include <initializer_list>

#include "filters/receipt/tokens.h"
#include "proxy/json/writer.h"

namespace mandated::local {

namespace {

constexpr std::size_t kTokensMax = 17;  // a root and 16 delegations

tl::unexpected<Answer> malformed(const std::string& detail) {
  return problem(400, "malformed", detail);
}

Outcome<void> check_members(const json::Value& asked,
                            std::initializer_list<std::string_view> known) {
  if (!asked.is_object()) return malformed("The request is not a JSON object.");
  for (const json::Member& member : asked.object()) {
    if (std::find(known.begin(), known.end(), member.name) == known.end())
      return malformed("The request has the unknown member " + receipt::shown(member.name) + ".");
  }
  return {};
}

std::string_view name_of(json::Kind kind) {
  switch (kind) {
    case json::Kind::kObject:
      return "a JSON object";
    case json::Kind::kArray:
      return "an array";
    case json::Kind::kNumber:
      return "a number";
    default:
      return "a string";
  }
}

// Null where it is absent.
Outcome<const json::Value*> optional(const json::Value& asked, std::string_view name,
                                     json::Kind kind) {
  const json::Value* found = asked.find(name);
  if (found != nullptr && found->kind() != kind) {
    return malformed("The member " + receipt::shown(name) + " is not " +
                     std::string(name_of(kind)) + ".");
  }
  return found;
}

Outcome<const json::Value*> required(const json::Value& asked, std::string_view name,
                                     json::Kind kind) {
  TRY(const json::Value* found, optional(asked, name, kind));
  if (found == nullptr) return malformed("The member " + receipt::shown(name) + " is missing.");
  return found;
}

// The mandate of the child as the engine takes it: with its holder and task, which stand outside.
Outcome<std::string> own_mandate(const json::Value& asked) {
  TRY(const json::Value* holder, required(asked, "holder", json::Kind::kString));
  TRY(const json::Value* task, optional(asked, "task", json::Kind::kString));
  TRY(const json::Value* more, optional(asked, "mandate", json::Kind::kObject));
  json::ObjectWriter mandate;
  mandate.text("holder", holder->string());
  if (task != nullptr) mandate.text("task", task->string());
  if (more == nullptr) return mandate.take();
  for (const json::Member& member : more->object()) {
    if (member.name == "holder" || member.name == "task") {
      return malformed("The member " + receipt::shown(member.name) +
                       " stands beside the mandate, not in it.");
    }
    mandate.json(member.name, json::canonical(member.value));
  }
  return mandate.take();
}

Outcome<std::optional<std::string>> receipt_id(const json::Value& asked) {
  TRY(const json::Value* id, optional(asked, "receipt", json::Kind::kString));
  std::optional<std::string> text;
  if (id != nullptr) text.emplace(id->string());
  return text;
}

}  // namespace

Outcome<DelegationRequest> read_delegation(const json::Value& asked) {
  CHECK(check_members(
      asked, {"holder", "holder_key", "tools", "lifetime", "receipt", "depth", "task", "mandate"}));
  DelegationRequest request;
  TRY(request.mandate_json, own_mandate(asked));
  TRY(const json::Value* key, required(asked, "holder_key", json::Kind::kObject));
  const receipt::Checked<receipt::PublicKey> holder_key = receipt::PublicKey::from_jwk(*key);
  if (!holder_key) return refused(holder_key.error());
  request.holder_key = *holder_key;
  TRY(const json::Value* tools, required(asked, "tools", json::Kind::kObject));
  for (const json::Member& tool : tools->object()) request.tools.emplace_back(tool.name);
  request.tools_json = json::canonical(*tools);
  TRY(const json::Value* lifetime, optional(asked, "lifetime", json::Kind::kNumber));
  if (lifetime != nullptr) request.lifetime = lifetime->number();
  if (request.lifetime && !(*request.lifetime > 0))
    return malformed("The member \"lifetime\" is not a number of seconds above 0.");
  TRY(const json::Value* depth, optional(asked, "depth", json::Kind::kNumber));
  if (depth != nullptr) {
    const std::optional<std::int64_t> hops = depth->integer();
    if (!hops || *hops < 0 || *hops >= static_cast<std::int64_t>(kTokensMax))
      return malformed("The member \"depth\" is not a whole number from 0 to 16.");
    request.depth = static_cast<int>(*hops);
  }
  TRY(request.receipt, receipt_id(asked));
  return request;
}

Outcome<AttachmentRequest> read_attachment(const json::Value& asked) {
  CHECK(check_members(asked, {"tool", "args", "aud", "receipt"}));
  AttachmentRequest request;
  TRY(const json::Value* tool, required(asked, "tool", json::Kind::kString));
  request.tool = tool->string();
  TRY(request.arguments, optional(asked, "args", json::Kind::kObject));
  TRY(const json::Value* audience, required(asked, "aud", json::Kind::kString));
  request.audience = audience->string();
  if (request.audience.empty())
    return malformed("The member \"aud\" names nobody; a proof is made out to one place.");
  TRY(request.receipt, receipt_id(asked));
  return request;
}

Outcome<std::vector<std::string>> read_chain(const json::Value& asked) {
  CHECK(check_members(asked, {"chain"}));
  TRY(const json::Value* chain, required(asked, "chain", json::Kind::kArray));
  return read_tokens(*chain);
}

Outcome<std::vector<std::string>> read_tokens(const json::Value& chain) {
  auto tokens = receipt::read_tokens(chain);
  if (!tokens) return malformed("The chain is not an array of compact JWS.");
  if (tokens->empty() || tokens->size() > kTokensMax)
    return malformed("The chain is not of 1 to 17 receipts.");
  return std::move(*tokens);
}

Outcome<std::string> consent_request(const json::Value& asked, std::string_view holder,
                                     const receipt::PublicKey& holder_key) {
  const std::initializer_list<std::string_view> known = {"user",  "tools",  "lifetime",
                                                         "depth", "intent", "mandate"};
  CHECK(check_members(asked, known));
  json::ObjectWriter request;
  request.text("kind", "receipt");
  if (!holder.empty()) request.text("holder", holder);
  request.json("holder_key", holder_key.jwk());
  for (const std::string_view name : known) {
    if (const json::Value* value = asked.find(name)) request.json(name, json::canonical(*value));
  }
  return request.take();
}

}  // namespace mandated::local
