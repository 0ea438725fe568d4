#include <algorithm>
#include <array>

#include "proxy/protocol/elicitation.h"
#include "proxy/protocol/mcp.h"
#include "proxy/protocol/rewrite.h"

namespace mandated::protocol {

namespace {

constexpr std::size_t kSessionIdBytesMax = 256;

// Members of the params of tools/call that any revision knows. Another one might change what the
// tool does, and no receipt would cover it.
constexpr auto kCallMembers = std::to_array<std::string_view>(
    {"name", "arguments", "_meta", "task", "inputResponses", "requestState"});

// Names that receipts use for something else (receipts.md section 6).
constexpr auto kReservedSchemes = std::to_array<std::string_view>({"mcp:", "a2a:"});

Accepted<void> read_session_id(const http::Fields& fields, Call& call) {
  if (fields.count("mcp-session-id") == 0) return {};
  const auto given = fields.single("mcp-session-id");
  std::string id(given.value_or(""));
  call.opens_pages = unmark_session(id);
  if (id.empty() || id.size() > kSessionIdBytesMax ||
      !std::all_of(id.begin(), id.end(), [](char c) { return c > 0x20 && c < 0x7F; })) {
    return reject(400, kInvalidRequest, "The Mcp-Session-Id header is malformed.");
  }
  call.session_id = std::move(id);
  return {};
}

Accepted<void> read_tool_call(Call& call, const ToolNaming& naming) {
  const Message& message = *call.message;
  const auto name = message.param("name");
  if (!name || name->empty()) {
    return reject(400, kInvalidParams, "A tools/call needs params.name.", call.id);
  }
  for (const std::string_view scheme : kReservedSchemes) {
    if (name->starts_with(scheme)) {
      return reject(400, kInvalidParams,
                    "Tool names that begin with " + std::string(scheme) + " are reserved.",
                    call.id);
    }
  }
  for (const json::Member& member : message.params()->object()) {
    if (std::find(kCallMembers.begin(), kCallMembers.end(), member.name) == kCallMembers.end()) {
      return reject(400, kInvalidParams,
                    "The params of tools/call have an unknown member: " +
                        json::quoted(member.name.substr(0, 64)) + ".",
                    call.id);
    }
  }
  call.arguments = message.params()->find("arguments");
  if (call.arguments != nullptr && !call.arguments->is_object()) {
    return reject(400, kInvalidParams, "The member params.arguments must be an object.", call.id);
  }
  call.tool = naming.identifier(*name);
  return {};
}

// The params are the arguments, less what is about the exchange and not about the thing asked for.
Accepted<void> read_method_tool(Call& call, std::string_view tool, const ToolNaming& naming,
                                const json::Limits& limits) {
  call.tool = naming.identifier(tool);
  const json::Value* params = call.message->params();
  if (params == nullptr) return {};
  const std::string text = replace_members(
      params,
      {{"_meta", std::nullopt}, {"inputResponses", std::nullopt}, {"requestState", std::nullopt}});
  // Printing a number canonically may lengthen it (1e20), so the size limit does not hold again.
  json::Limits own = limits;
  own.bytes_max = std::max(own.bytes_max, text.size());
  auto document = json::Document::parse(text, own);
  if (!document) return reject(400, kInvalidRequest, document.error().text, call.id);
  call.own_arguments = std::move(*document);
  call.arguments = &call.own_arguments->root();
  return {};
}

CallKind call_kind(const Message& message) {
  switch (message.kind()) {
    case Kind::kRequest:
      return CallKind::kRequest;
    case Kind::kNotification:
      return CallKind::kNotification;
    case Kind::kResponse:
      break;
  }
  return CallKind::kResponse;
}

Accepted<Call> understand_stream(const http::RequestHead& head, std::string_view body,
                                 const UnderstandOptions& options) {
  Call call;
  call.kind = head.method == "GET" ? CallKind::kStream : CallKind::kEndSession;
  call.id = "null";
  call.is_discovery = true;
  if (call.kind == CallKind::kStream) call.list = List::kAny;
  TRY(call.version, check_stream_headers(head, options));
  CHECK(read_session_id(head.fields, call));
  if (!body.empty()) {
    return reject(400, kInvalidRequest, "A " + head.method + " request has no body here.");
  }
  TRY(Delegation delegation, read_delegation(head.fields, nullptr, options));
  call.receipts = std::move(delegation.receipts);
  call.proof = std::move(delegation.proof);
  call.evidence = std::move(delegation.evidence);
  return call;
}

// A client says which revision it wants before one is agreed on. One without `initialize` cannot be
// agreed on this way, but may be asked for: the server then offers another.
std::string version_of(const Message& message, std::string version) {
  if (message.method() != "initialize" || version == kStateless) return version;
  const auto asked = message.param("protocolVersion");
  if (!asked || !known_version(*asked)) return version;
  return std::string(*asked == kStateless ? kLatestWithSessions : *asked);
}

Accepted<void> read_call(Call& call, const UnderstandOptions& options) {
  const Classified classified = classify(*call.message);
  if (call.kind == CallKind::kRequest &&
      (classified.what == MethodClass::kUnknown || !spoken_in(call.method, call.version))) {
    // Under 2026-07-28 the status must be 404; older clients read the body of a 200 only.
    return reject(call.version == kStateless ? 404 : 200, kMethodNotFound,
                  "Method not found: " + call.method, call.id);
  }
  call.list = classified.list;
  switch (classified.what) {
    case MethodClass::kToolCall:
      return read_tool_call(call, options.naming);
    case MethodClass::kMethodTool:
      return read_method_tool(call, classified.tool, options.naming, options.limits);
    case MethodClass::kDiscovery:
    case MethodClass::kUnknown:
      break;
  }
  call.is_discovery = true;
  return {};
}

}  // namespace

Accepted<Call> understand(const http::RequestHead& head, std::string_view body,
                          const UnderstandOptions& options) {
  if (head.method == "GET" || head.method == "DELETE") {
    return understand_stream(head, body, options);
  }
  if (head.method != "POST") {
    return reject(405, kInvalidRequest, "The MCP endpoint takes POST, GET and DELETE.");
  }
  TRY(Message message, parse_message(body, Origin::kClient, options.limits));
  TRY(std::string version, check_headers(head.fields, message, options));
  Call call;
  call.kind = call_kind(message);
  call.method = message.method();
  call.id = message.is_request() ? message.id() : "null";
  call.version = version_of(message, std::move(version));
  if (call.version != kStateless) {
    CHECK(read_session_id(head.fields, call));
    call.message = std::move(message);
  } else {
    bool repeated = false;
    TRY(call.message, without_page_state(std::move(message), options.limits, repeated));
    call.opens_pages =
        !repeated && says_it_opens_pages(*call.message) && !call.message->param("requestState");
  }
  CHECK(read_call(call, options));
  TRY(Delegation delegation, read_delegation(head.fields, &*call.message, options));
  call.receipts = std::move(delegation.receipts);
  call.proof = std::move(delegation.proof);
  call.evidence = std::move(delegation.evidence);
  return call;
}

}  // namespace mandated::protocol
