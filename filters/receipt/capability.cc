// The closed world of AAT section 3.3: where a tool has constraints, its arguments are exactly the
// constrained ones.
#include "filters/receipt/capability.h"

#include <algorithm>

namespace mandated::receipt {
namespace {

constexpr std::string_view kEntryType = "attenuating_agent_token";

const Capability::Argument* find_argument(const Capability::Tool& tool, std::string_view name) {
  const auto at = std::lower_bound(
      tool.arguments.begin(), tool.arguments.end(), name,
      [](const auto& argument, std::string_view key) { return argument.name < key; });
  return at != tool.arguments.end() && at->name == name ? &*at : nullptr;
}

// The constraint for an answer: as it stands, or only its type where it is long.
std::string brief(const Constraint& constraint) {
  constexpr std::size_t kBriefMax = 1024;
  if (constraint.text().size() <= kBriefMax) return std::string(constraint.text());
  return "{\"constraint_type\":" + json::quoted(to_string(constraint.type())) + "}";
}

tl::unexpected<Refusal> refuse_at(Code code, std::string_view tool, std::string_view argument,
                                  const Constraint* constraint, std::string sentence) {
  auto refusal = refuse(code, std::move(sentence));
  refusal.value().tool = tool;
  refusal.value().argument = argument;
  if (constraint != nullptr) refusal.value().constraint = brief(*constraint);
  return refusal;
}

Checked<Capability::Tool> parse_tool(const json::Member& member, const Limits& limits) {
  if (member.name.size() > limits.tool_name_bytes_max) {
    return refuse(Code::kTooLarge, "A tool's name is longer than " +
                                       std::to_string(limits.tool_name_bytes_max) + " bytes.");
  }
  if (!member.value.is_object()) {
    return refuse_at(
        Code::kMalformed, member.name, {}, nullptr,
        "The receipt's entry for the tool " + shown(member.name) + " is not a JSON object.");
  }
  const auto constraints = member.value.object();
  if (constraints.size() > limits.constraints_per_tool_max) {
    return refuse_at(Code::kTooLarge, member.name, {}, nullptr,
                     "The receipt constrains more than " +
                         std::to_string(limits.constraints_per_tool_max) +
                         " arguments of the tool " + shown(member.name) + ".");
  }
  Capability::Tool tool{member.name, {}};
  tool.arguments.reserve(constraints.size());
  for (const json::Member& each : constraints) {
    auto constraint = Constraint::parse(each.value, limits);
    if (!constraint) {
      constraint.error().tool = member.name;
      constraint.error().argument = each.name;
      return tl::unexpected(std::move(constraint.error()));
    }
    tool.arguments.push_back({each.name, std::move(*constraint)});
  }
  std::sort(tool.arguments.begin(), tool.arguments.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  return tool;
}

// RFC 9396 section 5: an entry with members its type does not define is not to be processed.
Checked<const json::Value*> find_tools(const json::Value& entry) {
  const json::Value* tools = entry.find("tools");
  if (tools == nullptr || !tools->is_object()) {
    return refuse(Code::kMalformed, "The receipt's grant has no tools map.");
  }
  for (const json::Member& member : entry.object()) {
    if (member.name != "type" && member.name != "tools") {
      return refuse(Code::kMalformed,
                    "The receipt's grant has the unknown member " + shown(member.name) + ".");
    }
  }
  return tools;
}

Checked<void> tool_within(const Capability::Tool& mine, const Capability::Tool& parent,
                          Effort& effort) {
  if (parent.arguments.empty()) return {};
  const auto same_name = [](const auto& a, const auto& b) { return a.name == b.name; };
  if (!std::equal(mine.arguments.begin(), mine.arguments.end(), parent.arguments.begin(),
                  parent.arguments.end(), same_name)) {
    return refuse_at(Code::kEscalation, mine.name, {}, nullptr,
                     "The receipt constrains other arguments of the tool " + shown(mine.name) +
                         " than its parent does.");
  }
  for (std::size_t at = 0; at < mine.arguments.size(); ++at) {
    const Capability::Argument& argument = mine.arguments[at];
    const bool narrower = argument.constraint.within(parent.arguments[at].constraint, effort);
    if (effort.exhausted()) {
      return refuse_at(Code::kTooLarge, mine.name, argument.name, nullptr,
                       "The receipt's constraints take too much work to compare.");
    }
    if (!narrower) {
      return refuse_at(Code::kEscalation, mine.name, argument.name, &argument.constraint,
                       "The receipt allows more for the argument " + shown(argument.name) +
                           " of the tool " + shown(mine.name) +
                           " than its parent does, or cannot be compared with it.");
    }
  }
  return {};
}

// Null stands for no arguments.
Checked<void> check_names(const Capability::Tool& tool, const json::Value& arguments) {
  for (const json::Member& member : arguments.object()) {
    if (find_argument(tool, member.name) == nullptr) {
      return refuse_at(Code::kArgumentUnexpected, tool.name, member.name, nullptr,
                       "The receipt does not grant the argument " + shown(member.name) +
                           " of the tool " + shown(tool.name) + ".");
    }
  }
  for (const Capability::Argument& argument : tool.arguments) {
    if (arguments.find(argument.name) == nullptr) {
      return refuse_at(Code::kArgumentMissing, tool.name, argument.name, &argument.constraint,
                       "The receipt demands the argument " + shown(argument.name) +
                           " of the tool " + shown(tool.name) + ", and the call has none.");
    }
  }
  return {};
}

}  // namespace

Checked<Capability> Capability::parse(const json::Value& details, const Limits& limits) {
  Capability capability;
  for (const json::Value& entry : details.array()) {
    if (entry.find_string("type") != kEntryType) continue;
    if (capability.present_) {
      return refuse(Code::kMalformed,
                    "The receipt has more than one grant of type " + shown(kEntryType) + ".");
    }
    capability.present_ = true;
    const auto tools = find_tools(entry);
    if (!tools) return tl::unexpected(tools.error());
    if ((*tools)->object().size() > limits.tools_max) {
      return refuse(Code::kTooLarge,
                    "The receipt grants more than " + std::to_string(limits.tools_max) + " tools.");
    }
    capability.tools_.reserve((*tools)->object().size());
    for (const json::Member& member : (*tools)->object()) {
      auto tool = parse_tool(member, limits);
      if (!tool) return tl::unexpected(std::move(tool.error()));
      capability.tools_.push_back(std::move(*tool));
    }
  }
  std::sort(capability.tools_.begin(), capability.tools_.end(),
            [](const Tool& a, const Tool& b) { return a.name < b.name; });
  return capability;
}

const Capability::Tool* Capability::find(std::string_view tool) const {
  const auto at =
      std::lower_bound(tools_.begin(), tools_.end(), tool,
                       [](const Tool& each, std::string_view name) { return each.name < name; });
  return at != tools_.end() && at->name == tool ? &*at : nullptr;
}

Checked<void> Capability::within(const Capability& parent, Effort& effort) const {
  for (const Tool& tool : tools_) {
    const Tool* theirs = parent.find(tool.name);
    if (theirs == nullptr) {
      return refuse_at(
          Code::kEscalation, tool.name, {}, nullptr,
          "The receipt grants the tool " + shown(tool.name) + ", which its parent does not.");
    }
    if (auto checked = tool_within(tool, *theirs, effort); !checked) return checked;
  }
  return {};
}

std::string Capability::tool_names() const {
  constexpr std::size_t kNamesMax = 8;
  if (tools_.empty()) return "no tool";
  std::string names;
  const std::size_t count = std::min(kNamesMax, tools_.size());
  for (std::size_t at = 0; at < count; ++at) {
    if (at > 0) names += at + 1 == tools_.size() ? " and " : ", ";
    names += shown(tools_[at].name);
  }
  if (tools_.size() > count) names += " and " + std::to_string(tools_.size() - count) + " more";
  return names;
}

Checked<void> Capability::check_call(std::string_view name, const json::Value& arguments) const {
  const Tool* tool = find(name);
  if (tool == nullptr) {
    return refuse_at(
        Code::kToolNotGranted, name, {}, nullptr,
        "The receipt does not grant the tool " + shown(name) + "; it grants " + tool_names() + ".");
  }
  if (!arguments.is_object() && !arguments.is_null()) {
    return refuse_at(Code::kMalformed, name, {}, nullptr,
                     "The call's arguments are not a JSON object.");
  }
  if (tool->arguments.empty()) return {};
  if (auto checked = check_names(*tool, arguments); !checked) return checked;
  Effort effort;
  for (const Argument& argument : tool->arguments) {
    const bool accepted = argument.constraint.check(*arguments.find(argument.name), effort);
    if (!accepted || effort.exhausted()) {
      return refuse_at(Code::kArgumentDenied, name, argument.name, &argument.constraint,
                       "The receipt does not allow this value for the argument " +
                           shown(argument.name) + " of the tool " + shown(name) + ".");
    }
  }
  return {};
}

}  // namespace mandated::receipt
