// Lists on their way back to the client, cut down to what its receipt grants: an agent that does
// not see a tool does not try it.
#include <array>

#include "proxy/protocol/mcp.h"
#include "proxy/protocol/rewrite.h"

namespace mandated::protocol {

namespace {

struct Shape {
  List list;
  std::string_view member;       ///< of the result: the array
  std::string_view method_tool;  ///< whose grant keeps the whole array; empty: entry by entry
};
constexpr auto kShapes = std::to_array<Shape>({
    {List::kTools, "tools", ""},
    {List::kResources, "resources", "mcp:resources/read"},
    {List::kResourceTemplates, "resourceTemplates", "mcp:resources/read"},
    {List::kPrompts, "prompts", "mcp:prompts/get"},
});

tl::unexpected<Rejection> bad_answer(const Message* answer) {
  return reject(502, kInternalError, "The server's answer is no list that can be checked.",
                answer == nullptr ? "null" : answer->id());
}

std::string keep_granted(const json::Value& tools, const ToolNaming& naming,
                         const Granted& granted) {
  std::string out = "[";
  for (const json::Value& tool : tools.array()) {
    const auto name = tool.find_string("name");
    if (!name || !granted(naming.identifier(*name))) continue;
    if (out.size() > 1) out += ',';
    json::append_canonical(tool, out);
  }
  out += ']';
  return out;
}

}  // namespace

Accepted<std::string> filter_list(List list, std::string_view body, const ToolNaming& naming,
                                  const Granted& granted, const json::Limits& limits) {
  const auto answer = parse_message(body, Origin::kServer, limits);
  if (!answer) return bad_answer(nullptr);
  if (list == List::kNone || answer->result() == nullptr) return std::string(answer->bytes());
  const json::Value& result = *answer->result();
  const Shape* found = nullptr;
  for (const Shape& shape : kShapes) {
    if (result.find(shape.member) == nullptr) continue;
    if (found != nullptr) return bad_answer(&*answer);
    found = &shape;
  }
  if (found == nullptr && list == List::kAny) return std::string(answer->bytes());
  if (found == nullptr || (list != List::kAny && list != found->list)) return bad_answer(&*answer);
  const json::Value& array = *result.find(found->member);
  if (!array.is_array()) return bad_answer(&*answer);
  std::string kept = "[]";
  if (found->method_tool.empty()) {
    kept = keep_granted(array, naming, granted);
  } else if (granted(naming.identifier(found->method_tool))) {
    kept = json::canonical(array);
  }
  // What one receipt grants is no answer for whoever holds another.
  std::optional<std::string> scope;
  if (result.find("cacheScope") != nullptr) scope = "\"private\"";
  return replace_members(
      &answer->root(), {{"result", replace_members(&result, {{found->member, std::move(kept)},
                                                             {"cacheScope", std::move(scope)}})}});
}

}  // namespace mandated::protocol
