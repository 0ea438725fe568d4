// Errors of an exchange become answers here and nowhere else.
#pragma once

#include <string_view>

#include "filters/receipt/refusal.h"
#include "proxy/base/result.h"
#include "proxy/http/message.h"
#include "proxy/protocol/call.h"

namespace mandated::server {

/// An RFC 9457 problem document. `code` is the stable name of what is wrong.
http::Response problem(int status, std::string_view code, std::string_view detail);

/// The HTTP status of an error that is no refusal of policy.
int status_of(const Error& error);

/// A refusal by a filter: to an MCP request a JSON-RPC error with its own id, to anything else 403
/// and a problem.
http::Response refused(const protocol::Call* call, const receipt::Refusal& refusal);

/// The call was permitted, but could not be carried out.
http::Response failed(const protocol::Call* call, const Error& error);

/// The same as the last event of a stream that broke.
std::string failed_event(const protocol::Call& call, const Error& error);

}  // namespace mandated::server
