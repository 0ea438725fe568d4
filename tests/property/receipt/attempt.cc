// See attempt.h.
#include "tests/property/receipt/attempt.h"

namespace mandated::receipt::attack {

std::size_t Dice::below(std::size_t end) {
  state_ += 0x9E3779B97F4A7C15;
  std::uint64_t mixed = state_;
  mixed = (mixed ^ (mixed >> 30U)) * 0xBF58476D1CE4E5B9;
  mixed = (mixed ^ (mixed >> 27U)) * 0x94D049BB133111EB;
  return static_cast<std::size_t>((mixed ^ (mixed >> 31U)) % end);
}

Attempt::Attempt(Dice& dice, std::string_view type) {
  const auto& samples = constraint_samples();
  hops = 2 + dice.below(4);
  keys = dice.below(4) == 0 ? KeyType::kP256 : KeyType::kEd25519;
  for (const ConstraintSample& sample : samples) {
    if (sample.type == type || dice.below(4) == 0)
      granted.push_back({&sample, 1 + dice.below(hops)});
  }
  if (granted.empty()) granted.push_back({&dice.of(samples), 1});
  called = dice.below(granted.size());
  for (std::size_t at = 0; at < granted.size(); ++at) {
    if (granted[at].sample->type == type) called = at;
  }
  tool = granted[called].tool();
  arguments = R"({"x":)" + std::string(dice.of(sample().accepted)) + R"(,"y":1})";
  draw_mandates(dice);
}

// Every member now and then, and tightened now and then.
void Attempt::draw_mandates(Dice& dice) {
  Json mandate = Json::object();
  if (dice.maybe()) mandate["user"] = "mailto:jane@example.org";
  if (dice.maybe()) mandate["intent"] = "Sum up the reports";
  if (dice.maybe()) mandate["holders"] = {"spiffe://td/agents/**", "spiffe://td/other/*"};
  if (dice.maybe()) mandate["aud"] = {forge::kAudience, "https://other.example"};
  if (dice.maybe()) mandate["budget"] = {{"calls", 9}, {"tools", {{tool, 9}}}};
  for (std::size_t hop = 0; hop < hops; ++hop) {
    if (hop > 0 && mandate.contains("holders") && dice.maybe())
      mandate["holders"] = Json::array({"spiffe://td/agents/**"});
    if (hop > 0 && mandate.contains("aud") && dice.maybe())
      mandate["aud"] = Json::array({forge::kAudience});
    if (mandate.contains("budget") && dice.maybe())
      mandate["budget"]["calls"] = mandate["budget"]["calls"].get<int>() - 1;
    if (mandate.contains("holder") || dice.below(4) == 0)
      mandate["holder"] = hop + 1 == hops ? holder : "spiffe://td/agents/" + std::to_string(hop);
    if (dice.below(4) == 0) mandate["nbf"] = now - 50 + static_cast<double>(hop);
    if (dice.below(4) == 0) mandate["task"] = "Part " + std::to_string(hop);
    mandates.push_back(mandate.empty() ? Json() : mandate);
  }
}

void Attempt::apply(std::size_t hop, Draft& draft, const std::string& name) const {
  Json tools{{"open", Json::object()}};
  for (const Granted& each : granted) {
    const char* constraint = hop < each.cut ? each.sample->parent : each.sample->narrower;
    tools[each.tool()] = {{"x", Json::parse(constraint)}, {"y", {{"constraint_type", "wildcard"}}}};
  }
  draft.payload["jti"] = name + "#" + std::to_string(hop);
  draft.payload["del_max_depth"] = 8;
  draft.payload["authorization_details"][0]["tools"] = tools;
  draft.payload.erase("mandate");
  if (!mandates[hop].is_null()) draft.payload["mandate"] = mandates[hop];
  if (bend_token) bend_token(hop, draft);
}

forge::Chain Attempt::chain(const std::string& name) const {
  return forge::Chain(hops, [&](std::size_t hop, Draft& draft) { apply(hop, draft, name); }, keys);
}

std::optional<Refusal> Attempt::run() const {
  const forge::Chain made = chain();
  std::vector<std::string> tokens;
  for (const std::string_view token : made.views()) tokens.emplace_back(token);
  if (splice) splice(tokens, made);

  const Json& leaf = made.payload(hops - 1);
  Json payload{{"aat_id", leaf.contains("jti") ? leaf["jti"] : Json()},
               {"aat_tool", tool},
               {"hta", Json::parse(arguments)},
               {"iat", forge::kNow},
               {"jti", "proof-1"}};
  if (!audiences.empty()) payload["aat_aud"] = audiences.front();
  if (bend_proof) bend_proof(payload);
  std::string proof = forge::sign_proof(payload, made.holder());
  if (bend_proof_token) bend_proof_token(proof, made);

  const auto document = forge::parse(arguments);
  const Presenter presenter{holder, audiences, selectors ? &*selectors : nullptr};
  const std::vector<std::string_view> views(tokens.begin(), tokens.end());
  ReplayMemory memory;
  Checked<void> answer;
  for (int time = 0; time < presented && answer; ++time) {
    const auto verified = verify_chain(views, made.anchors(), now);
    if (!verified) return verified.error();
    answer = check_presenter(**verified, presenter);
    if (answer) answer = check_call(**verified, tool, document.root());
    if (answer) answer = check_conditions(**verified, tool);
    if (!answer) break;
    answer =
        verify_proof(**verified, proof, tool, document.root(), audiences, now)
            .and_then([&](const Proof& proven) {
              return memory.remember((*verified)->holder_key(), proven, now, Limits{}.proof_window);
            });
  }
  if (answer) return std::nullopt;
  return answer.error();
}

}  // namespace mandated::receipt::attack
