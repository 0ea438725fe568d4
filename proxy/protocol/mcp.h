// The Model Context Protocol, revisions up to 2025-11-25 (sessions) and 2026-07-28 (stateless):
// pure functions from bytes to facts and from facts to bytes. No I/O, no state.
//
// HTTP status of answers: 400 malformed or contradictory, 403 foreign Origin, 404 unknown method
// under 2026-07-28 (there the specification asks for it), 405, 406, 413, 415. A refusal by a
// receipt is 200 with a JSON-RPC error: the official SDKs throw on any other status without
// reading the body, and the agent is meant to read the sentence.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/http/message.h"
#include "proxy/protocol/call.h"
#include "proxy/protocol/jsonrpc.h"

namespace mandated::protocol {

inline constexpr std::string_view kStateless = "2026-07-28";
inline constexpr std::string_view kLatestWithSessions = "2025-11-25";

/// Revisions that may stand in MCP-Protocol-Version, newest first.
bool known_version(std::string_view version);

/// How a tool of an MCP server is called in receipts: by its own name, or, when `upstream` is not
/// empty, as mcp://<upstream>/<name>.
struct ToolNaming {
  std::string upstream;
  std::string identifier(std::string_view name) const;
};

struct UnderstandOptions {
  json::Limits limits;
  ToolNaming naming;
  /// Values of Origin that are let in; where none is named, those of loopback addresses. A request
  /// without Origin comes from no browser.
  std::vector<std::string> origins;
  std::size_t receipts_max = 17;  ///< a root and 16 delegations
  std::size_t receipt_bytes_max = 262144;
};

/// From an HTTP request to the MCP endpoint to the Call it makes: all of the checks below, in
/// order. `body` is the whole body.
Accepted<Call> understand(const http::RequestHead& head, std::string_view body,
                          const UnderstandOptions& options);

// ---- the steps, each by itself ---------------------------------------------------------------

enum class MethodClass : std::uint8_t {
  kToolCall,    ///< tools/call: the tool is params.name
  kMethodTool,  ///< the method itself is a tool, `mcp:<method>`
  kDiscovery,   ///< names no tool
  kUnknown,     ///< refused: -32601
};
struct Classified {
  MethodClass what = MethodClass::kUnknown;
  List list = List::kNone;
  std::string tool;  ///< kMethodTool: "mcp:<method>"
};
/// By the message alone. resources/read, resources/subscribe, prompts/get, completion/complete,
/// subscriptions/listen and tasks/* are method tools; resources/unsubscribe counts as
/// mcp:resources/subscribe, since it takes the same argument and only ends what that began.
/// subscriptions/listen that asks for list changes only is discovery.
Classified classify(const Message& message);

/// False for methods that the revision does not have (2026-07-28 took away initialize, ping,
/// logging/setLevel, resources/subscribe and more, and added server/discover and
/// subscriptions/listen).
bool spoken_in(std::string_view method, std::string_view version);

/// Media types, Origin, protocol revision, Mcp-Method, Mcp-Name and Mcp-Param-*, all against the
/// body. Gives the revision that holds for this message.
Accepted<std::string> check_headers(const http::Fields& fields, const Message& message,
                                    const UnderstandOptions& options);

/// The same for GET and DELETE, which have no body and exist in revisions with sessions only.
Accepted<std::string> check_stream_headers(const http::RequestHead& head,
                                           const UnderstandOptions& options);

/// The fields that a Streamable HTTP client sends beside `message` because of what stands in it,
/// for a client that speaks otherwise. `version` is what was agreed; a message that names its own
/// revision goes before. Empty: none.
http::Fields message_fields(const Message& message, std::string_view version);

/// Value encoding of Mcp-Name and Mcp-Param-* (2026-07-28, streamable HTTP, "Value Encoding").
std::string encode_header_value(std::string_view text);
/// nullopt when it is not encoded as the specification says.
std::optional<std::string> decode_header_value(std::string_view value);

struct Delegation {
  std::vector<std::string> receipts;
  std::optional<std::string> proof;
  std::optional<std::string> evidence;  ///< from the field alone
};
/// From the fields and from params._meta; where both are present they must be byte-equal. `message`
/// may be null. Rejected as a refusal (200, -32010) with the code `malformed` or `too_large`.
Accepted<Delegation> read_delegation(const http::Fields& fields, const Message* message,
                                     const UnderstandOptions& options);

/// The value of Delegation-Receipt.
std::string receipt_field(const std::vector<std::string>& receipts);

/// The bytes to send on, with the receipts and the proof in params._meta in place of any that stand
/// there. Members keep their order; values are written canonically.
std::string with_receipt(const Message& message, const std::vector<std::string>& receipts,
                         std::string_view proof);
/// The bytes to send on without them: the very bytes that came when there were none.
std::string without_receipt(const Message& message);

/// Delegation-Receipt and Delegation-Proof on the way to an HTTP upstream, in place of what the
/// client sent; empty ones are taken out.
void set_delegation_fields(http::Fields& fields, const std::vector<std::string>& receipts,
                           std::string_view proof);

/// Decides whether the receipt grants a tool identifier.
using Granted = std::function<bool(std::string_view tool)>;

/// A server's answer to a list request with what is not granted taken out. tools/list: entry by
/// entry; resources and prompts: all or nothing, by mcp:resources/read and mcp:prompts/get. An
/// answer that is an error, or no list where `list` is kAny, passes unchanged. Fails (502) when the
/// answer is no valid message, no list, or more lists than one.
Accepted<std::string> filter_list(List list, std::string_view body, const ToolNaming& naming,
                                  const Granted& granted, const json::Limits& limits = {});

/// Why a receipt does not permit a call (receipts.md section 7). Empty members are left out.
struct RefusalFacts {
  std::string_view code;
  int hop = -1;
  std::string_view tool;
  std::string_view argument;
  std::string_view constraint;  ///< JSON
  std::string_view sentence;
  std::string_view ticket;  ///< of a question to people
  std::string_view url;     ///< where they can answer it
};
/// Code -32010; the message is the sentence.
std::string refusal_response(std::string_view id, const RefusalFacts& facts);

}  // namespace mandated::protocol
