// What a request asks for, as filters, audit and upstreams see it, whatever protocol carried it.
// Built once by protocol/ from what was checked, never changed after; owns everything that it
// points to.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "proxy/json/json.h"
#include "proxy/protocol/jsonrpc.h"

namespace mandated::protocol {

enum class Protocol : std::uint8_t { kMcp };

enum class CallKind : std::uint8_t {
  kRequest,
  kNotification,
  kResponse,    ///< the client answers a request of the server's
  kStream,      ///< GET: server-initiated messages of a session
  kEndSession,  ///< DELETE
};

/// Which list an answer will hold, to be cut down to what the receipt grants.
enum class List : std::uint8_t {
  kNone,
  kTools,
  kResources,
  kResourceTemplates,
  kPrompts,
  kAny,  ///< a stream on which any list may be delivered again (GET with Last-Event-ID)
};

struct Call {
  Protocol protocol = Protocol::kMcp;
  CallKind kind = CallKind::kRequest;

  std::string method;      ///< JSON-RPC method; empty for kResponse, kStream and kEndSession
  std::string id;          ///< request id as JSON; "null" where there is none
  std::string version;     ///< protocol revision, e.g. "2025-11-25"; assumed where not sent
  std::string session_id;  ///< Mcp-Session-Id; empty without, and under 2026-07-28

  /// The client can be asked to open a page (elicitation in URL mode).
  bool opens_pages = false;

  /// True when it names no tool: open by default, lists are filtered on the way back.
  bool is_discovery = false;
  List list = List::kNone;

  /// Tool identifier as receipts write it (receipts.md section 6); empty for discovery.
  std::string tool;
  /// The tool's arguments: an object, or null when there are none.
  const json::Value* arguments = nullptr;

  std::vector<std::string> receipts;  ///< root first; empty when none was sent
  std::optional<std::string> proof;
  std::optional<std::string> evidence;  ///< of the hardware that holds the key: kind and document

  /// True when its answer has no end of its own: bounded by idleness, not by the call's deadline.
  bool is_endless() const { return kind == CallKind::kStream || method == "subscriptions/listen"; }

  /// The checked message; nullopt for kStream and kEndSession.
  std::optional<Message> message;
  /// Where `arguments` points when they are not a part of the message as it stands.
  std::optional<json::Document> own_arguments;
};

}  // namespace mandated::protocol
