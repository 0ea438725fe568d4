// A body from a client: no crash, and what is accepted is unambiguous. Properties: the canonical
// form of an accepted message is accepted and means the same; rewriting and understanding agree
// with the message that was checked.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "proxy/protocol/mcp.h"

namespace {

using namespace mandated;            // NOLINT
using namespace mandated::protocol;  // NOLINT

void require(bool holds) {
  if (!holds) std::abort();
}

void same_facts(const Message& a, const Message& b) {
  require(a.kind() == b.kind() && a.id() == b.id() && a.method() == b.method());
  require((a.params() == nullptr) == (b.params() == nullptr));
  require(a.params() == nullptr || json::equal(*a.params(), *b.params()));
}

http::RequestHead head_for(const Message& message) {
  http::RequestHead head;
  head.method = "POST";
  head.fields.add("content-type", "application/json");
  head.fields.add("accept", "*/*");
  if (message.meta() != nullptr) {
    const auto version = message.meta()->find_string("io.modelcontextprotocol/protocolVersion");
    if (version) head.fields.add("mcp-protocol-version", std::string(*version));
    if (version == kStateless) {
      head.fields.add("mcp-method", std::string(message.method()));
      const auto name = message.param(message.method() == "resources/read" ? "uri" : "name");
      if (name) head.fields.add("mcp-name", encode_header_value(*name));
    }
  }
  return head;
}

void check_call(const Message& message) {
  const auto call = understand(head_for(message), message.bytes(), {});
  if (!call) return;
  require(call->method == message.method());
  if (call->kind != CallKind::kRequest) return;
  require(call->is_discovery == call->tool.empty());
  if (message.method() == "tools/call") require(call->tool == *message.param("name"));
  if (call->arguments != nullptr) require(call->arguments->is_object());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  for (const Origin origin : {Origin::kClient, Origin::kServer}) {
    const auto message = parse_message(body, origin);
    if (!message) continue;
    const std::string canonical = json::canonical(message->root());
    const auto again = parse_message(canonical, origin);
    require(again.has_value());
    same_facts(*message, *again);
    require(json::canonical(again->root()) == canonical);
    const auto as_is = parse_message(message->bytes(), origin);
    require(as_is.has_value());
    same_facts(*message, *as_is);
    if (origin == Origin::kServer) continue;

    check_call(*message);
    if (message->is_response()) continue;
    const auto with = parse_message(with_receipt(*message, {"a.b.c", "d"}, "p"));
    require(with.has_value() && with->meta() != nullptr);
    const auto delegation = read_delegation({}, &*with, {});
    require(delegation && delegation->receipts.size() == 2 && delegation->proof == "p");
    const auto without = parse_message(without_receipt(*with));
    require(without.has_value());
    const auto nothing = read_delegation({}, &*without, {});
    require(nothing && nothing->receipts.empty() && !nothing->proof);
    require(without->method() == message->method() && without->id() == message->id());
  }
  return 0;
}
