#include <algorithm>
#include <array>

#include "proxy/protocol/mcp.h"

namespace mandated::protocol {

namespace {

constexpr unsigned kOld = 1;  // up to 2025-11-25
constexpr unsigned kNew = 2;  // 2026-07-28

struct Method {
  std::string_view name;
  MethodClass what;
  List list;
  unsigned revisions;
};

// Every request that a client may send. What is not here is refused: nobody could say what it does.
constexpr auto kMethods = std::to_array<Method>({
    {"initialize", MethodClass::kDiscovery, List::kNone, kOld},
    {"ping", MethodClass::kDiscovery, List::kNone, kOld},
    {"logging/setLevel", MethodClass::kDiscovery, List::kNone, kOld},
    {"server/discover", MethodClass::kDiscovery, List::kNone, kNew},
    {"tools/list", MethodClass::kDiscovery, List::kTools, kOld | kNew},
    {"resources/list", MethodClass::kDiscovery, List::kResources, kOld | kNew},
    {"resources/templates/list", MethodClass::kDiscovery, List::kResourceTemplates, kOld | kNew},
    {"prompts/list", MethodClass::kDiscovery, List::kPrompts, kOld | kNew},
    {"tools/call", MethodClass::kToolCall, List::kNone, kOld | kNew},
    {"resources/read", MethodClass::kMethodTool, List::kNone, kOld | kNew},
    {"resources/subscribe", MethodClass::kMethodTool, List::kNone, kOld},
    {"resources/unsubscribe", MethodClass::kMethodTool, List::kNone, kOld},
    {"subscriptions/listen", MethodClass::kMethodTool, List::kNone, kNew},
    {"prompts/get", MethodClass::kMethodTool, List::kNone, kOld | kNew},
    {"completion/complete", MethodClass::kMethodTool, List::kNone, kOld | kNew},
    {"tasks/get", MethodClass::kMethodTool, List::kNone, kOld | kNew},
    {"tasks/cancel", MethodClass::kMethodTool, List::kNone, kOld | kNew},
    {"tasks/result", MethodClass::kMethodTool, List::kNone, kOld},
    {"tasks/list", MethodClass::kMethodTool, List::kNone, kOld},
    {"tasks/update", MethodClass::kMethodTool, List::kNone, kNew},
});

const Method* find_method(std::string_view name) {
  const auto* found = std::find_if(kMethods.begin(), kMethods.end(),
                                   [name](const Method& each) { return each.name == name; });
  return found == kMethods.end() ? nullptr : found;
}

// A subscription that follows no resource tells only that a list has changed.
bool only_list_changes(const Message& message) {
  if (message.params() == nullptr) return false;
  const json::Value* wanted = message.params()->find("notifications");
  if (wanted == nullptr || !wanted->is_object()) return false;
  return std::all_of(
      wanted->object().begin(), wanted->object().end(), [](const json::Member& member) {
        return member.name == "toolsListChanged" || member.name == "promptsListChanged" ||
               member.name == "resourcesListChanged";
      });
}

}  // namespace

std::string ToolNaming::identifier(std::string_view name) const {
  if (upstream.empty()) return std::string(name);
  return "mcp://" + upstream + "/" + std::string(name);
}

Classified classify(const Message& message) {
  if (message.kind() != Kind::kRequest) return {MethodClass::kDiscovery, List::kNone, {}};
  const Method* method = find_method(message.method());
  if (method == nullptr) return {};
  if (method->what != MethodClass::kMethodTool) return {method->what, method->list, {}};
  if (method->name == "subscriptions/listen" && only_list_changes(message)) {
    return {MethodClass::kDiscovery, List::kNone, {}};
  }
  const std::string_view tool =
      method->name == "resources/unsubscribe" ? "resources/subscribe" : method->name;
  return {MethodClass::kMethodTool, List::kNone, "mcp:" + std::string(tool)};
}

bool spoken_in(std::string_view method, std::string_view version) {
  if (method.starts_with("notifications/")) return true;
  const Method* found = find_method(method);
  return found != nullptr && (found->revisions & (version == kStateless ? kNew : kOld)) != 0;
}

}  // namespace mandated::protocol
