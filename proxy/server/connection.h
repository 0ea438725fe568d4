// The life of one connection: accept, handshake, who is there, which HTTP, its exchanges, the end.
#pragma once

#include "proxy/attest/caller.h"
#include "proxy/server/worker.h"

namespace mandated::server {

/// What the exchanges of a connection need to know of it.
struct Connection {
  const config::Listener& listener;
  identity::PeerIdentity peer;
  Clock::WallTime peer_expires = Clock::WallTime::max();  ///< of the SVID that proved it
  Clock::WallTime own_expires = Clock::WallTime::max();   ///< of ours, which the peer was shown
  attest::Caller* caller = nullptr;  ///< the local process; null: none that can be told
};

Task<void> serve_connection(Worker& worker, const config::Listener& listener,
                            net::StreamPtr stream);

}  // namespace mandated::server
