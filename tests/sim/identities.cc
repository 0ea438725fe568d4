#include "tests/sim/identities.h"

#include <map>

#include "proxy/identity/pem.h"
#include "tests/support_ca/test_ca.h"

namespace mandated::sim {

namespace {

const test::TestCa& authority() {
  static const test::TestCa kAuthority("sim.test");
  return kAuthority;
}

}  // namespace

identity::SnapshotPtr snapshot_of(const std::string& spiffe_id) {
  static std::map<std::string, identity::SnapshotPtr> made;
  identity::SnapshotPtr& snapshot = made[spiffe_id];
  if (!snapshot) {
    const std::string path(identity::SpiffeId::parse(spiffe_id)->path());
    identity::Svid svid =
        authority().svid_at(path, test::TestCa::sim_start(), std::chrono::hours(24));
    snapshot = authority().snapshot(std::move(svid), authority().bundles());
  }
  return snapshot;
}

identity::SnapshotPtr web_server(const std::string& name) {
  static std::map<std::string, identity::SnapshotPtr> made;
  identity::SnapshotPtr& snapshot = made[name];
  if (!snapshot) {
    identity::Svid svid = authority().svid("/", [&](test::TestCertificate& says) {
      says.uris = {};
      says.dns_names = {name};
      says.san_critical = false;
      says.ends = std::chrono::hours(24);
    });
    snapshot = authority().snapshot(std::move(svid), authority().bundles());
  }
  return snapshot;
}

tls::WebRootsPtr web_roots() {
  static const tls::WebRootsPtr kRoots =
      *tls::parse_web_roots(identity::to_pem("CERTIFICATE", authority().certificate_der()));
  return kRoots;
}

}  // namespace mandated::sim
