// Tools are compared as a child's are with its parent's; the words are changed, since the reader
// has to do with a signer and no parent.
#include "filters/receipt/ceiling.h"

#include <algorithm>

#include "filters/receipt/mandate.h"

namespace mandated::receipt {
namespace {

tl::unexpected<Refusal> wrong_type(std::string_view member, std::string_view kind) {
  return refuse(Code::kMalformed,
                "The ceiling's member " + shown(member) + " is not " + std::string(kind) + ".");
}

tl::unexpected<Refusal> above(std::string sentence) {
  return refuse(Code::kAboveCeiling, std::move(sentence));
}

}  // namespace

Checked<std::shared_ptr<const Ceiling>> Ceiling::parse(const json::Value& source) {
  if (!source.is_object()) return refuse(Code::kMalformed, "The ceiling is not a JSON object.");
  auto ceiling = std::make_shared<Ceiling>();
  for (const json::Member& member : source.object()) {
    if (auto read = ceiling->read_member(member); !read)
      return tl::unexpected(std::move(read.error()));
  }
  ceiling->text_ = json::canonical(source);
  return ceiling;
}

Checked<void> Ceiling::read_member(const json::Member& member) {
  const json::Value& value = member.value;
  if (member.name == "tools") return read_tools(value);
  if (member.name == "holders") {
    if (!value.is_array()) return wrong_type(member.name, "a list of SPIFFE ID patterns");
    holders_.emplace();
    for (const json::Value& each : value.array()) {
      if (!each.is_string() || !is_spiffe_pattern(each.string()))
        return wrong_type(member.name, "a list of SPIFFE ID patterns");
      holders_->emplace_back(each.string());
    }
    return {};
  }
  if (member.name == "lifetime") {
    if (!value.is_number() || !(value.number() > 0))
      return wrong_type(member.name, "a number of seconds");
    lifetime_max_ = value.number();
    return {};
  }
  if (member.name == "depth") {
    depth_max_ = value.integer();
    if (!depth_max_ || *depth_max_ < 0) return wrong_type(member.name, "a number of delegations");
    return {};
  }
  return refuse(Code::kMalformed, "The ceiling has the unknown member " + shown(member.name) + ".");
}

// As the grant that would give all of them.
Checked<void> Ceiling::read_tools(const json::Value& tools) {
  if (!tools.is_object()) return wrong_type("tools", "a JSON object");
  const json::Limits json_limits{.depth_max = 128};
  auto document = json::Document::parse(
      "[{\"type\":\"attenuating_agent_token\",\"tools\":" + std::string(tools.raw()) + "}]",
      json_limits);
  if (!document) return refuse(Code::kTooLarge, "The ceiling's tools are too long or too deep.");
  grant_ = std::move(*document);
  auto capability = Capability::parse(grant_->root(), Limits{});
  if (!capability) return tl::unexpected(std::move(capability.error()));
  tools_ = std::move(*capability);
  return {};
}

Checked<void> Ceiling::check(const Claims& root, Effort& effort) const {
  if (lifetime_max_ && root.expires - root.issued_at > *lifetime_max_) {
    return above("The root receipt lives longer than " + json::number_text(*lifetime_max_) +
                 " s, the most its signer may grant here.");
  }
  if (depth_max_ && root.depth_max > *depth_max_) {
    return above("The root receipt admits more than " + std::to_string(*depth_max_) +
                 " delegations, the most its signer may grant here.");
  }
  return check_holders(root).and_then([&] { return check_tools(root, effort); });
}

Checked<void> Ceiling::check_holders(const Claims& root) const {
  if (!holders_) return {};
  const Mandate& mandate = root.mandate;
  if (!mandate.holder) {
    return above(
        "The root receipt names no holder, and its signer may grant here to certain ones "
        "only.");
  }
  if (!spiffe_matches_any(*holders_, *mandate.holder)) {
    return above("The root receipt's holder " + shown(*mandate.holder) +
                 " is not among those its signer may grant to here.");
  }
  if (!mandate.holders) {
    if (root.depth_max == 0) return {};
    return above(
        "The root receipt may be delegated to any holder, and its signer may grant here "
        "to certain ones only.");
  }
  for (const std::string& pattern : *mandate.holders) {
    const bool covered =
        std::any_of(holders_->begin(), holders_->end(),
                    [&](const std::string& ours) { return spiffe_covers(ours, pattern); });
    if (!covered) {
      return above("The root receipt may be delegated to " + shown(pattern) +
                   ", more than its signer may grant to here.");
    }
  }
  return {};
}

Checked<void> Ceiling::check_tools(const Claims& root, Effort& effort) const {
  if (!tools_) return {};
  auto within = root.capability.within(*tools_, effort);
  if (within) return {};
  Refusal& refusal = within.error();
  if (refusal.code != Code::kEscalation) return within;
  refusal.code = Code::kAboveCeiling;
  const std::string tool = "the tool " + shown(refusal.tool);
  if (tools_->find(refusal.tool) == nullptr) {
    refusal.sentence = "The root receipt grants " + tool + ", which its signer may not grant here.";
  } else if (refusal.argument.empty()) {
    refusal.sentence = "The root receipt constrains other arguments of " + tool +
                       " than its signer's ceiling does.";
  } else {
    refusal.sentence = "The root receipt allows more for the argument " + shown(refusal.argument) +
                       " of " + tool + " than its signer may grant here, or cannot be compared.";
  }
  return within;
}

}  // namespace mandated::receipt
