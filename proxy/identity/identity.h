// Who a workload is: SPIFFE IDs, X.509-SVIDs and trust bundles (SPIFFE-ID, X509-SVID and
// Trust-Domain-and-Bundle standards). Snapshots are immutable and shared; a rotation is a new
// snapshot.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/base/clock.h"
#include "proxy/base/result.h"

// From <openssl/base.h>, which stays out of this header: only identity/, tls/ and filters/receipt
// include BoringSSL.
struct evp_pkey_st;

namespace mandated::identity {

/// A SPIFFE ID, validated by the SPIFFE-ID standard section 2 (at most 2048 bytes, lower-case trust
/// domain, no empty or dot segments, no percent-encoding).
class SpiffeId {
 public:
  static Result<SpiffeId> parse(std::string_view text);
  const std::string& text() const { return text_; }
  std::string_view trust_domain() const;
  std::string_view path() const;  ///< with its leading slash, or empty
  bool operator==(const SpiffeId&) const = default;

 private:
  std::string text_;
  std::size_t trust_domain_size_ = 0;
};

/// A pattern for SPIFFE IDs, or for `wimse:` URIs: exact, `*` spans one segment, a trailing `/**`
/// spans any. One scheme never matches the other.
bool spiffe_id_matches(std::string_view pattern, std::string_view spiffe_id);

/// One process and no other of the same program, as the kernel vouches for it (proxy/attest).
struct Instance {
  std::int64_t process = 0;       ///< its id, in our PID namespace
  std::uint64_t start_time = 0;   ///< clock ticks since boot: tells two that had the same id apart
  std::string executable;         ///< its path, for people: only selectors are certain
  std::string executable_sha256;  ///< hex; empty where the file could not be read
  /// Attested properties by type, as receipts name them (`mandate.instance`).
  std::map<std::string, std::string, std::less<>> selectors;
};
using InstancePtr = std::shared_ptr<const Instance>;

/// Who is at the other end of a connection, and how that was proven. Immutable.
struct PeerIdentity {
  enum class Proof { kNone, kLocalSocket, kX509Svid, kWorkloadToken, kHttpSignature };
  Proof proof = Proof::kNone;
  /// Empty unless proven. With kWorkloadToken and kHttpSignature it may be a `wimse:` URI, which
  /// equals no SPIFFE ID.
  std::string spiffe_id{};
  InstancePtr instance{};  ///< null: not known
  std::string key{};       ///< SHA-256 (base64url) of the public key (SPKI) that proved it
};

/// One X.509-SVID with its private key.
struct Svid {
  SpiffeId id;
  std::vector<std::string> chain_der;  ///< leaf first
  std::shared_ptr<evp_pkey_st> private_key;
  Clock::WallTime not_before;
  Clock::WallTime expires;
};

/// Trust domain name → CA certificates (DER).
using Bundles = std::map<std::string, std::vector<std::string>, std::less<>>;

/// A JWT authority's public key of a trust domain.
struct JwtKey {
  enum class Use { kJwtSvid, kWitSvid };  ///< the tokens it vouches for, and no others
  std::string kid;
  std::shared_ptr<evp_pkey_st> key;
  Use use = Use::kJwtSvid;
};
bool operator==(const JwtKey& one, const JwtKey& other);
/// Trust domain name → its JWT authorities (SPIFFE Trust-Domain-and-Bundle section 4).
using JwtBundles = std::map<std::string, std::vector<JwtKey>, std::less<>>;

/// One Workload Identity Token (`wit+jwt`) with the key that its `cnf` names.
struct WorkloadToken {
  SpiffeId id;
  std::string token;
  std::shared_ptr<evp_pkey_st> private_key;
  Clock::WallTime expires;
};

struct Snapshot {
  std::shared_ptr<const Svid> svid;
  Bundles bundles;
  JwtBundles jwt_bundles;
  std::shared_ptr<const WorkloadToken> wit;
};
using SnapshotPtr = std::shared_ptr<const Snapshot>;

/// A stream of snapshots: the embedded trust domain (embedded.h), or the SPIFFE Workload API
/// (proxy/workload_api). All calls on one thread.
class SvidSource {
 public:
  virtual ~SvidSource() = default;
  /// The snapshot to start with, made or fetched now. Called once, before run.
  virtual Result<SnapshotPtr> first(Clock::WallTime now) = 0;
  /// Publishes a fresh snapshot whenever one is due (half of the SVID's life, or a bundle changed);
  /// returns after stop(). A failure to renew is no end: the old snapshot stands, the next try
  /// follows.
  virtual Task<void> run(Clock& clock, std::function<void(SnapshotPtr)> publish) = 0;
  /// Makes run() return soon. May be called before run, and twice.
  virtual void stop() = 0;
};

/// Checks a peer's chain (leaf first, DER) as an X509-SVID against the bundle of the trust domain
/// it names: exactly one URI SAN, a SPIFFE ID with a path; not a CA; digitalSignature and neither
/// keyCertSign nor cRLSign; EKU, if present, with both sides' purposes; signed by the bundle, in
/// time. kPeerIdentity says what is wrong.
enum class Purpose { kClient, kServer };
Result<SpiffeId> verify_x509_svid(const std::vector<std::string>& chain_der, const Bundles& bundles,
                                  Purpose purpose, Clock::WallTime now);

}  // namespace mandated::identity
