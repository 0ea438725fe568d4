// The trust domain that needs no infrastructure: a CA of our own in a state folder, from which each
// process issues itself short-lived X.509-SVIDs. Several processes may share the folder.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/base/clock.h"
#include "proxy/base/event.h"
#include "proxy/identity/identity.h"
#include "proxy/identity/state_folder.h"

namespace mandated::identity {

enum class KeyType { kP256, kEd25519 };

class Authority;

/// The authorities in one state folder: one signs; the one before it and the one after it are in
/// the bundle with it, so that nobody meets a certificate whose issuer he has not heard of. Tokens
/// have authorities of their own, which are kept in the same way.
class EmbeddedTrustDomain {
 public:
  static constexpr Clock::Duration kTtlMax = std::chrono::hours(7 * 24);

  /// Reads the folder, or makes it and its authority when there is none; an empty `trust_domain`
  /// takes the one that is there. kStorage: the folder or a file in it is not this user's alone;
  /// kInvalidConfig: it is of another trust domain; kNotFound: nothing there and no name given.
  static Result<std::unique_ptr<EmbeddedTrustDomain>> open(const std::string& state_folder,
                                                           std::string_view trust_domain,
                                                           Clock::WallTime now);
  ~EmbeddedTrustDomain();

  const std::string& trust_domain() const { return trust_domain_; }
  /// CA certificates (DER), oldest first: what peers must trust.
  std::vector<std::string> bundle() const;

  /// Keys that sign Workload Identity Tokens, oldest first.
  std::vector<JwtKey> wit_keys() const;

  struct AuthorityInfo {
    std::string fingerprint;  ///< SHA-256 of the certificate, lower-case hexadecimal
    Clock::WallTime begins;
    Clock::WallTime expires;
    bool signs;
  };
  std::vector<AuthorityInfo> authorities(Clock::WallTime now) const;

  /// Takes up what another process changed, and makes the next authority when it is time. Never
  /// blocks on another process.
  Result<void> refresh(Clock::WallTime now);

  /// kInvalidConfig: the ID is of another trust domain or has no path, or the ttl is not within
  /// kTtlMax.
  Result<Svid> issue(const SpiffeId& id, KeyType key_type, Clock::Duration ttl,
                     Clock::WallTime now) const;
  /// A Workload Identity Token with a key of its own; fails as issue() does.
  Result<WorkloadToken> issue_wit(const SpiffeId& id, Clock::Duration ttl,
                                  Clock::WallTime now) const;

 private:
  EmbeddedTrustDomain(StateFolder folder, std::string trust_domain);
  Result<void> load(Clock::WallTime now);  // kNotFound: no file; what is known stays
  Result<bool> load_file(const char* name, std::vector<Authority>& into, Clock::WallTime now);
  bool renewal_due(Clock::WallTime now) const;
  Result<void> renew(Clock::WallTime now);
  Result<void> renew_file(const char* name, std::vector<Authority>& authorities,
                          Clock::WallTime now);
  Result<const Authority*> issuer(const std::vector<Authority>& authorities, const SpiffeId& id,
                                  Clock::Duration ttl, Clock::WallTime now) const;

  StateFolder folder_;
  std::string trust_domain_;
  std::vector<Authority> authorities_;      // by their beginning
  std::vector<Authority> wit_authorities_;  // the same, for tokens
};

struct EmbeddedOptions {
  std::string state_folder;
  std::string trust_domain;
  SpiffeId id;
  KeyType key_type = KeyType::kP256;
  Clock::Duration ttl = std::chrono::minutes(5);
  /// Whether a Workload Identity Token comes with each SVID.
  bool workload_token = false;
  /// Other trust domains: name → file of CA certificates, PEM, or of a SPIFFE bundle document.
  std::map<std::string, std::string> bundle_files;
  /// Told, in words, what could not be renewed or read while running.
  std::function<void(std::string_view)> log;
};

/// Renews the SVID at half of its life and looks for changed bundles every ten seconds. What fails
/// is tried again with back-off; the old snapshot stands meanwhile.
class EmbeddedSvidSource final : public SvidSource {
 public:
  explicit EmbeddedSvidSource(EmbeddedOptions options);
  ~EmbeddedSvidSource() override;

  Result<SnapshotPtr> first(Clock::WallTime now) override;
  Task<void> run(Clock& clock, std::function<void(SnapshotPtr)> publish) override;
  void stop() override;

 private:
  Result<SnapshotPtr> make(Clock::WallTime now);
  struct Trusted {
    Bundles bundles;
    JwtBundles jwt_bundles;
  };
  Result<Trusted> read_bundles();
  void report(const Error& error) const;
  Result<void> update(Clock::WallTime now, const std::function<void(SnapshotPtr)>& publish);

  EmbeddedOptions options_;
  std::unique_ptr<EmbeddedTrustDomain> trust_domain_;
  SnapshotPtr current_;
  std::map<std::string, std::string> reported_;  // trust domain → what was wrong with its file
  std::unique_ptr<Event> wake_;
  bool stopping_ = false;
};

}  // namespace mandated::identity
