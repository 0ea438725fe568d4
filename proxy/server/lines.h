// An MCP client that speaks stdio (MCP, "Transports", stdio): one JSON-RPC message per line, in and
// out. Each line becomes the exchange that a Streamable HTTP client would have made of it, so that
// it takes the way of every call.
#pragma once

#include "proxy/server/connection.h"

namespace mandated::server {

/// Serves until the client ends its side, or the worker drains. Calls under way are then given up,
/// and the session is ended.
Task<Result<void>> serve_lines(Worker& worker, const Connection& connection, net::Stream& stream);

}  // namespace mandated::server
