// Ed25519 SVIDs of the simulated trust domain, made once per process: their signatures have one
// length, so that runs of one seed do not differ.
#pragma once

#include <string>

#include "proxy/identity/identity.h"

namespace mandated::sim {

/// A snapshot for that SPIFFE ID, valid for a day around the simulated time. The same for the same
/// ID.
identity::SnapshotPtr snapshot_of(const std::string& spiffe_id);

}  // namespace mandated::sim
