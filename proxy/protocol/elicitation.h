// Asking the person behind an MCP client to open a page (elicitation in URL mode), where the client
// can. Under 2025-11-25 that is an error, -32042, which may only be sent to clients that said at
// `initialize` that they can; since sessions are kept by nobody here, their id carries that with it
// to the client and back. Under 2026-07-28 it is a result, `input_required`, and each request says
// what its client can.
#pragma once

#include <string>
#include <string_view>

#include "proxy/protocol/call.h"
#include "proxy/protocol/mcp.h"

namespace mandated::protocol {

/// Whether an `initialize`, or a request under 2026-07-28, tells of a client that opens pages.
bool says_it_opens_pages(const Message& message);

/// A session id as such a client is given it. A mark that a client sets or takes off itself only
/// changes how it is told of pages.
std::string mark_session(std::string_view session_id);
/// Takes the mark off; true if there was one.
bool unmark_session(std::string& session_id);

/// A request under 2026-07-28 that is repeated after `page_request` without what belonged to that
/// (`inputResponses`, `requestState`); others as they are. `repeated` tells which it was.
Accepted<Message> without_page_state(Message message, const json::Limits& limits, bool& repeated);

/// The answer to a call whose refusal has a url and a ticket: the client asks the person to open
/// it.
std::string page_request(const Call& call, const RefusalFacts& facts);

}  // namespace mandated::protocol
