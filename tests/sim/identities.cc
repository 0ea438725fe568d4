#include "tests/sim/identities.h"

#include <map>

#include "tests/support_ca/test_ca.h"

namespace mandated::sim {

identity::SnapshotPtr snapshot_of(const std::string& spiffe_id) {
  static const test::TestCa kAuthority("sim.test");
  static std::map<std::string, identity::SnapshotPtr> made;
  identity::SnapshotPtr& snapshot = made[spiffe_id];
  if (!snapshot) {
    const std::string path(identity::SpiffeId::parse(spiffe_id)->path());
    identity::Svid svid =
        kAuthority.svid_at(path, test::TestCa::sim_start(), std::chrono::hours(24));
    snapshot = kAuthority.snapshot(std::move(svid), kAuthority.bundles());
  }
  return snapshot;
}

}  // namespace mandated::sim
