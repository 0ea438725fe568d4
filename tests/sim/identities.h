// Ed25519 SVIDs of the simulated trust domain, made once per process: their signatures have one
// length, so that runs of one seed do not differ.
#pragma once

#include <string>

#include "proxy/identity/identity.h"
#include "proxy/tls/tls.h"

namespace mandated::sim {

/// A snapshot for that SPIFFE ID, valid for a day around the simulated time. The same for the same
/// ID.
identity::SnapshotPtr snapshot_of(const std::string& spiffe_id);

/// The certificate of a web server of that name, and the authorities by which it is believed.
identity::SnapshotPtr web_server(const std::string& name);
tls::WebRootsPtr web_roots();

}  // namespace mandated::sim
