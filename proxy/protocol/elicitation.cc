#include "proxy/protocol/elicitation.h"

#include <algorithm>
#include <array>

#include "proxy/json/writer.h"
#include "proxy/protocol/rewrite.h"

namespace mandated::protocol {

namespace {

constexpr std::string_view kCapabilitiesKey = "io.modelcontextprotocol/clientCapabilities";
constexpr std::string_view kSessionMark = ".pages";
constexpr std::string_view kStatePrefix = "mandated:";
constexpr std::string_view kPageKey = "page";
constexpr int kUrlElicitationRequired = -32042;

// The requests that may be answered by `input_required`.
constexpr auto kInteractive =
    std::to_array<std::string_view>({"tools/call", "prompts/get", "resources/read"});

const json::Value* object_in(const json::Value* object, std::string_view name) {
  const json::Value* member = object == nullptr ? nullptr : object->find(name);
  return member != nullptr && member->is_object() ? member : nullptr;
}

json::ObjectWriter page_params(const RefusalFacts& facts) {
  json::ObjectWriter params;
  params.text("mode", "url").text("message", facts.sentence).text("url", facts.url);
  return params;
}

}  // namespace

bool says_it_opens_pages(const Message& message) {
  const bool opens_session = message.method() == "initialize";
  const json::Value* capabilities = opens_session ? object_in(message.params(), "capabilities")
                                                  : object_in(message.meta(), kCapabilitiesKey);
  if (object_in(object_in(capabilities, "elicitation"), "url") == nullptr) return false;
  return opens_session || std::find(kInteractive.begin(), kInteractive.end(), message.method()) !=
                              kInteractive.end();
}

std::string mark_session(std::string_view session_id) {
  return std::string(session_id).append(kSessionMark);
}

bool unmark_session(std::string& session_id) {
  if (!session_id.ends_with(kSessionMark)) return false;
  session_id.resize(session_id.size() - kSessionMark.size());
  return true;
}

Accepted<Message> without_page_state(Message message, const json::Limits& limits, bool& repeated) {
  const auto state = message.param("requestState");
  repeated = state && state->starts_with(kStatePrefix);
  if (!repeated) return message;
  const std::string params = replace_members(
      message.params(), {{"inputResponses", std::nullopt}, {"requestState", std::nullopt}});
  const std::string text = replace_members(&message.root(), {{"params", params}});
  json::Limits own = limits;  // numbers may be longer when they are written again
  own.bytes_max = std::max(own.bytes_max, text.size());
  return parse_message(text, Origin::kClient, own);
}

std::string page_request(const Call& call, const RefusalFacts& facts) {
  if (call.version == kStateless) {
    return R"({"jsonrpc":"2.0","id":)" + call.id +
           R"(,"result":{"resultType":"input_required","inputRequests":{)" +
           json::quoted(kPageKey) + R"(:{"method":"elicitation/create","params":)" +
           page_params(facts).take() + R"(}},"requestState":)" +
           json::quoted(std::string(kStatePrefix).append(facts.ticket)) + "}}";
  }
  const std::string page = page_params(facts).text("elicitationId", facts.ticket).take();
  json::ObjectWriter data;
  data.json("elicitations", "[" + page + "]").text("code", facts.code).text("tool", facts.tool);
  data.text("sentence", facts.sentence).text("ticket", facts.ticket).text("url", facts.url);
  return error_response(call.id, kUrlElicitationRequired, facts.sentence, data.take());
}

}  // namespace mandated::protocol
