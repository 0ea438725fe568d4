// What the tests of this folder share: requests as a well-behaved client sends them.
#pragma once

#include <string>
#include <string_view>

#include "proxy/protocol/mcp.h"

namespace mandated::protocol::testing {

inline http::RequestHead post() {
  http::RequestHead head;
  head.method = "POST";
  head.scheme = "http";
  head.authority = "localhost";
  head.target = "/mcp";
  head.fields.add("content-type", "application/json");
  head.fields.add("accept", "application/json, text/event-stream");
  return head;
}

inline http::RequestHead stateless_post(std::string_view method, std::string_view name = {}) {
  http::RequestHead head = post();
  head.fields.add("mcp-protocol-version", "2026-07-28");
  head.fields.add("mcp-method", std::string(method));
  if (!name.empty()) head.fields.add("mcp-name", std::string(name));
  return head;
}

inline std::string request(std::string_view method, std::string_view params = "{}") {
  return R"({"jsonrpc":"2.0","id":7,"method":")" + std::string(method) + R"(","params":)" +
         std::string(params) + "}";
}

/// `members` are those of params beside _meta.
inline std::string stateless_request(std::string_view method, std::string_view members = {}) {
  std::string params = R"({"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",)"
                       R"("io.modelcontextprotocol/clientCapabilities":{}})";
  if (!members.empty()) params.append(",").append(members);
  return request(method, params + "}");
}

}  // namespace mandated::protocol::testing
