// Unless all of it is asked for, every list and every text is cut to a length that a person reads.
#include "filters/receipt/words.h"

#include "filters/receipt/claims.h"
#include "filters/receipt/plain_text.h"
#include "filters/receipt/refusal.h"

namespace mandated::receipt {
namespace {

constexpr std::size_t kListedMax = 20;
constexpr int kDepthMax = 4;

// JSON text as a screen shows it, and letter by letter where it could pass for another.
std::string exactly(std::string_view text) {
  const std::string letters = spelt(text);
  return escaped(text) + (letters.empty() ? "" : " (spelt " + letters + ")");
}

std::string text_in_words(std::string_view text, Detail detail) {
  return detail == Detail::kCut ? shown(text) : whole_in_words(text);
}

std::string value_in_words(const json::Value& value, Detail detail) {
  constexpr std::size_t kShownMax = 96;
  if (detail == Detail::kWhole) return whole_in_words(value);
  if (value.is_string()) return shown(value.string());
  const std::string text = json::canonical(value);
  return text.size() <= kShownMax ? text : "a long value";
}

std::string joined(std::span<const std::string> parts, std::string_view last) {
  std::string text;
  for (std::size_t at = 0; at < parts.size(); ++at) {
    if (at > 0) text += at + 1 == parts.size() ? " " + std::string(last) + " " : ", ";
    text += parts[at];
  }
  return text;
}

std::string list_in_words(const json::Value* list, std::string_view last, Detail detail) {
  if (list == nullptr || !list->is_array()) return "(unreadable)";
  if (list->array().empty()) return "(nothing)";
  std::vector<std::string> parts;
  for (const json::Value& value : list->array()) {
    if (parts.size() == kListedMax && detail == Detail::kCut) {
      parts.push_back(std::to_string(list->array().size() - kListedMax) + " more");
      break;
    }
    parts.push_back(value_in_words(value, detail));
  }
  return joined(parts, last);
}

std::string range_in_words(const json::Value& constraint, Detail detail) {
  const auto excluded = [&](std::string_view member) {
    const json::Value* inclusive = constraint.find(member);
    return inclusive != nullptr && inclusive->kind() == json::Kind::kFalse;
  };
  const json::Value* min = constraint.find("min");
  const json::Value* max = constraint.find("max");
  std::string text = "a number";
  if (min != nullptr)
    text += (excluded("min_inclusive") ? " above " : " from ") + value_in_words(*min, detail);
  if (max != nullptr)
    text += (excluded("max_inclusive") ? " below " : " up to ") + value_in_words(*max, detail);
  return text;
}

std::string in_words(const json::Value& constraint, Detail detail, int depth);

std::string clauses_in_words(const json::Value& constraint, std::string_view last, Detail detail,
                             int depth) {
  const json::Value* clauses = constraint.find("constraints");
  if (clauses == nullptr || !clauses->is_array()) return "(unreadable)";
  if (clauses->array().empty()) return "(no condition)";
  if (depth == kDepthMax && detail == Detail::kCut) return "(a deeper condition)";
  std::vector<std::string> parts;
  for (const json::Value& clause : clauses->array()) {
    if (parts.size() == kListedMax && detail == Detail::kCut) {
      parts.push_back(std::to_string(clauses->array().size() - kListedMax) + " more");
      break;
    }
    parts.push_back("(" + in_words(clause, detail, depth + 1) + ")");
  }
  return joined(parts, last);
}

std::string url_in_words(const json::Value& constraint, Detail detail) {
  std::string url = std::string(constraint.find_string("scheme").value_or("")) + "://" +
                    std::string(constraint.find_string("host").value_or(""));
  if (const json::Value* port = constraint.find("port"); port != nullptr)
    url += ":" + value_in_words(*port, detail);
  url += constraint.find_string("path").value_or("/");
  return "a URL in or below " + text_in_words(url, detail);
}

std::string command_in_words(const json::Value& constraint, Detail detail) {
  const json::Value* flags = constraint.find("flags");
  return "a plain command that runs " + list_in_words(constraint.find("programs"), "or", detail) +
         (flags == nullptr ? " with any flags"
                           : " with no flags but " + list_in_words(flags, "and", detail));
}

std::string in_words(const json::Value& constraint, Detail detail, int depth) {
  const auto text = [&](std::string_view member) {
    return text_in_words(constraint.find_string(member).value_or("(unreadable)"), detail);
  };
  const std::string_view type = constraint.find_string("constraint_type").value_or("");
  const json::Value* value = constraint.find("value");
  if (type == "exact")
    return value == nullptr ? "(unreadable)" : "exactly " + value_in_words(*value, detail);
  if (type == "range") return range_in_words(constraint, detail);
  if (type == "one_of") return "one of " + list_in_words(constraint.find("values"), "and", detail);
  if (type == "not_one_of")
    return "anything but " + list_in_words(constraint.find("excluded"), "and", detail);
  if (type == "contains")
    return "a list that holds " + list_in_words(constraint.find("required"), "and", detail);
  if (type == "subset")
    return "a list of nothing but " + list_in_words(constraint.find("allowed"), "and", detail);
  if (type == "wildcard") return "anything";
  if (type == "all") return "all of: " + clauses_in_words(constraint, "and", detail, depth);
  if (type == "any") return "any of: " + clauses_in_words(constraint, "or", detail, depth);
  if (type == "path_containment") return "a path in or below " + text("root");
  if (type == "url_containment") return url_in_words(constraint, detail);
  if (type == "string_prefix") return "a text that begins with " + text("prefix");
  if (type == "cidr") return "an IP address in " + text("net");
  if (type == "length") {
    const json::Value* max = constraint.find("max");
    const std::string count = max == nullptr ? "(unreadable)" : value_in_words(*max, detail);
    return "a text of at most " + count + " characters, or a list of at most " + count + " values";
  }
  if (type == "glob") return "a text of the form " + text("pattern");
  if (type == "shell_command") return command_in_words(constraint, detail);
  return "a condition that is not known here, " + shown(type);
}

std::string tool_in_words(const json::Member& tool) {
  if (!tool.value.is_object()) return "  - " + shown(tool.name) + " (unreadable)\n";
  if (tool.value.object().empty()) return "  - " + shown(tool.name) + " with any arguments\n";
  std::string text = "  - " + shown(tool.name) + " with exactly these arguments:\n";
  for (const json::Member& argument : tool.value.object()) {
    text += "      " + shown(argument.name) + ": " + constraint_in_words(argument.value) + "\n";
  }
  return text;
}

std::string time_of(const json::Value* value) {
  return value != nullptr && value->is_number() ? time_text(value->number()) : "(unreadable)";
}

// One line for each member of an object: `before`, its name, `between`, its value.
std::string members_in_words(const json::Value* object, std::string_view before,
                             std::string_view between, std::string_view after = "") {
  std::string text;
  if (object == nullptr) return text;
  for (const json::Member& member : object->object()) {
    text += "  " + std::string(before) + shown(member.name) + std::string(between) +
            (member.value.is_array() ? list_in_words(&member.value, "and", Detail::kCut)
                                     : value_in_words(member.value, Detail::kCut)) +
            std::string(after) + "\n";
  }
  return text;
}

std::string budget_in_words(const json::Value* budget) {
  if (budget == nullptr) return {};
  std::string text;
  if (const json::Value* calls = budget->find("calls"))
    text += "  for at most " + value_in_words(*calls, Detail::kCut) + " calls in all\n";
  return text + members_in_words(budget->find("tools"), "for ", " at most ", " calls") +
         members_in_words(budget->find("sum"), "with ", " adding up to at most ");
}

std::string approvers_in_words(const json::Value* approvers) {
  const json::Value* min = approvers == nullptr ? nullptr : approvers->find("min");
  if (min == nullptr) return {};
  return "  approved by " + value_in_words(*min, Detail::kCut) + " of the keys " +
         list_in_words(approvers->find("keys"), "and", Detail::kCut) + "\n";
}

std::string mandate_in_words(const json::Value& mandate) {
  std::string text;
  const auto add = [&](std::string_view member, std::string_view words) {
    const json::Value* value = mandate.find(member);
    if (value == nullptr) return;
    text += "  " + std::string(words) + " ";
    if (member == "nbf") {
      text += time_of(value);
    } else {
      text += value->is_array() ? list_in_words(value, "or", Detail::kCut)
                                : value_in_words(*value, Detail::kCut);
    }
    text += "\n";
  };
  add("user", "on behalf of");
  add("intent", "in order to:");
  add("task", "this hop's task:");
  add("holder", "to be presented by");
  add("holders", "to be passed on only to");
  add("aud", "for use at");
  add("nbf", "not before");
  text += members_in_words(mandate.find("instance"), "only by the instance whose ", " is ");
  text += budget_in_words(mandate.find("budget"));
  text += members_in_words(mandate.find("require"), "before ", " wanting first ");
  text += approvers_in_words(mandate.find("approvers"));
  add("status", "unless revoked in");
  return text;
}

}  // namespace

std::string constraint_in_words(const json::Value& constraint, Detail detail) {
  return in_words(constraint, detail, 0);
}

std::string whole_in_words(std::string_view text) { return exactly(json::quoted(text)); }

std::string whole_in_words(const json::Value& value) { return exactly(json::canonical(value)); }

std::string receipt_in_words(const json::Value& claims) {
  Claims read;
  std::string text = "  issued by " + shown(claims.find_string("iss").value_or("(unreadable)")) +
                     " at " + time_of(claims.find("iat")) + "\n  expires at " +
                     time_of(claims.find("exp")) + "\n";
  if (read_holder(claims, read)) text += "  holder's key " + read.holder.thumbprint() + "\n";
  if (read_depths(claims, read)) {
    const std::int64_t left = read.depth_max - read.depth;
    text += left > 0 ? "  may be passed on " + std::to_string(left) + " more times\n"
                     : "  may not be passed on\n";
  }
  if (const json::Value* mandate = claims.find("mandate")) text += mandate_in_words(*mandate);
  text += "  grants\n";
  bool any = false;
  const json::Value* details = claims.find("authorization_details");
  for (const json::Value& entry :
       details == nullptr ? std::span<const json::Value>() : details->array()) {
    const json::Value* tools = entry.find("tools");
    if (entry.find_string("type") != "attenuating_agent_token" || tools == nullptr) continue;
    for (const json::Member& tool : tools->object()) {
      text += tool_in_words(tool);
      any = true;
    }
  }
  if (!any) text += "  - nothing\n";
  return text;
}

}  // namespace mandated::receipt
