// A member of the wrong type makes a line malformed; an absent one has the meaning that section 8
// gives it.
#include "filters/receipt/batch.h"

#include "filters/receipt/anchor.h"

namespace mandated::receipt {
namespace {

tl::unexpected<Refusal> malformed(std::string_view member) {
  return refuse(Code::kMalformed,
                "The line's member " + shown(member) + " is missing or of the wrong type.");
}

// Null counts as absent.
const json::Value* find(const json::Value& question, std::string_view member) {
  const json::Value* value = question.find(member);
  return value == nullptr || value->is_null() ? nullptr : value;
}

Checked<std::vector<std::string_view>> read_chain(const json::Value& question) {
  std::vector<std::string_view> chain;
  const json::Value* tokens = find(question, "chain");
  if (tokens == nullptr) return chain;
  if (!tokens->is_array()) return malformed("chain");
  for (const json::Value& token : tokens->array()) {
    if (!token.is_string()) return malformed("chain");
    chain.push_back(token.string());
  }
  return chain;
}

// An optional string; nullopt when absent.
Checked<std::optional<std::string_view>> read_text(const json::Value& question,
                                                   std::string_view member) {
  const json::Value* value = find(question, member);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string()) return malformed(member);
  return value->string();
}

void append_answer(const json::Value* id, const Checked<void>& decision, std::string& out) {
  out += "{\"id\":";
  if (id != nullptr && (id->is_string() || id->is_number())) {
    json::append_canonical(*id, out);
  } else {
    out += "null";
  }
  if (decision) {
    out += ",\"permit\":true}\n";
    return;
  }
  const Refusal& refusal = decision.error();
  out += ",\"permit\":false,\"code\":\"";
  out += to_string(refusal.code);
  out += '"';
  if (refusal.hop >= 0) out += ",\"hop\":" + std::to_string(refusal.hop);
  if (!refusal.tool.empty()) out += ",\"tool\":" + json::quoted(refusal.tool);
  if (!refusal.argument.empty()) out += ",\"argument\":" + json::quoted(refusal.argument);
  out += "}\n";
}

}  // namespace

void BatchVerifier::answer(std::string_view line, Seconds now, std::string& out) {
  // As long as the longest chain and proof together, and as deep as the deepest constraint.
  const json::Limits json_limits{.bytes_max = limits_.chain_bytes_max + 2 * limits_.proof_bytes_max,
                                 .depth_max = 128};
  const auto document = json::Document::parse(line, json_limits);
  if (!document || !document->root().is_object()) {
    append_answer(nullptr, refuse(Code::kMalformed, "The line is not a JSON object."), out);
    return;
  }
  append_answer(document->root().find("id"), decide(document->root(), now), out);
}

void BatchVerifier::refuse_long_line(std::string& out) {
  append_answer(nullptr, refuse(Code::kTooLarge, "The line is too long."), out);
}

Checked<void> BatchVerifier::take_anchors(const json::Value* anchors) {
  if (anchors != nullptr && !anchors->is_object()) return malformed("anchors");
  const std::string_view text = anchors == nullptr ? std::string_view() : anchors->raw();
  if (text == anchors_text_) return {};
  anchors_ = AnchorSet(anchors == nullptr ? std::vector<Anchor>() : read_anchors(*anchors));
  anchors_text_ = text;
  return {};
}

Checked<void> BatchVerifier::decide(const json::Value& question, Seconds now) {
  const auto tool = question.find_string("tool");
  const auto chain = read_chain(question);
  const auto proof = read_text(question, "pop");
  const auto audience = read_text(question, "aud");
  const json::Value* time = find(question, "now");
  const json::Value* require_proof = find(question, "require_pop");
  const json::Value* arguments = find(question, "args");
  if (!tool) return malformed("tool");
  if (!chain) return tl::unexpected(chain.error());
  if (!proof) return tl::unexpected(proof.error());
  if (!audience) return tl::unexpected(audience.error());
  if (time != nullptr && !time->is_number()) return malformed("now");
  if (require_proof != nullptr && !require_proof->is_bool()) return malformed("require_pop");
  if (arguments != nullptr && !arguments->is_object()) return malformed("args");
  if (auto taken = take_anchors(find(question, "anchors")); !taken) return taken;
  if (time != nullptr) now = time->number();

  const json::Value none{};
  const json::Value& given = arguments == nullptr ? none : *arguments;
  std::vector<std::string> audiences;
  if (*audience) audiences.emplace_back(**audience);
  const auto verified = cache_.verify(*chain, anchors_, now, limits_);
  if (!verified) return tl::unexpected(verified.error());
  auto checked = check_call(**verified, *tool, given);
  if (checked) checked = check_conditions(**verified, *tool);
  if (checked && !audiences.empty()) checked = check_audience(**verified, audiences);
  if (!checked) return checked;
  if (!*proof && require_proof != nullptr && !require_proof->boolean()) return {};
  return verify_proof(**verified, proof->value_or(""), *tool, given, audiences, now, limits_)
      .map([](const Proof&) {});
}

}  // namespace mandated::receipt
