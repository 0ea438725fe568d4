// The way of one call through the proxy, in order: build, understand, decide, record, forward,
// narrow, answer, record. All branching of a call lives here; leaves never decide to go on. Every
// way out writes exactly one decision and one outcome.
#pragma once

#include "proxy/server/connection.h"

namespace mandated::server {

/// Answers `stream`, whatever happens. `connection` outlives the exchange.
Task<void> run_exchange(Worker& worker, const Connection& connection, http::ServerStream& stream);

}  // namespace mandated::server
