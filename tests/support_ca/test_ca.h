// A certificate authority for tests, made at run time: no .pem file that expires. It builds its
// certificates by itself, not with the product's code, and can lie in one point at a time.
//
// Keys and serial numbers come from the seed and signatures of Ed25519 are deterministic, so the
// same seed and time give the same bytes: what the simulator needs.
#pragma once

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/identity/identity.h"

namespace mandated::test {

enum class TestKey { kEd25519, kP256, kP384, kP521, kRsa2048, kRsa1024 };

/// A fresh key; of Ed25519 it is the same for the same seed and number.
bssl::UniquePtr<EVP_PKEY> make_key(TestKey kind, std::uint64_t seed = 1, std::uint64_t number = 0);

/// What a certificate says; the defaults are a sound SVID.
struct TestCertificate {
  std::vector<std::string> uris;
  std::vector<std::string> dns_names;
  bool san_critical = true;
  std::optional<bool> ca = false;  ///< nullopt: no basicConstraints at all
  std::optional<int> path_length;
  std::vector<int> key_usage = {0};  ///< bit numbers; empty: no extension
  bool key_usage_critical = true;
  std::vector<int> extended_usage = {NID_server_auth, NID_client_auth};  ///< empty: no extension
  std::chrono::seconds begins{-10};  ///< from the authority's "now"
  std::chrono::seconds ends{300};
  std::vector<std::string> permitted_uri_hosts;  ///< name constraints
  bool unknown_critical_extension = false;
  bool unknown_extension = false;
  bool second_san = false;  ///< the SAN extension twice
  int version = X509_VERSION_3;
  TestKey key = TestKey::kEd25519;
  const EVP_MD* digest = nullptr;  ///< nullptr: SHA-256, or none with Ed25519
  bool break_signature = false;
  std::function<void(X509*)> also;            ///< the last word before it is signed
  std::function<void(std::string&)> respell;  ///< changes the signed DER
};

class TestCa {
 public:
  /// Wall time of tests/support/sim_clock.h: 2026-06-01T00:00:00Z.
  static Clock::WallTime sim_start();

  explicit TestCa(std::string trust_domain = "test.example", Clock::WallTime now = sim_start(),
                  TestKey key = TestKey::kEd25519, std::uint64_t seed = 1,
                  const std::function<void(TestCertificate&)>& lie = {});

  /// An SVID of spiffe://<trust domain><path>; `lie` changes what it says before it is signed.
  identity::Svid svid(std::string_view path,
                      const std::function<void(TestCertificate&)>& lie = {}) const;
  /// An SVID that begins and ends when told.
  identity::Svid svid_at(std::string_view path, Clock::WallTime now,
                         std::chrono::seconds life = std::chrono::minutes(5)) const;
  /// An authority below this one; its SVIDs carry its certificate in their chain.
  TestCa intermediate(const std::function<void(TestCertificate&)>& lie = {},
                      TestKey key = TestKey::kEd25519) const;

  const std::string& trust_domain() const { return trust_domain_; }
  const std::string& certificate_der() const { return certificate_der_; }
  /// This authority alone, as the bundle of its trust domain.
  identity::Bundles bundles() const;
  /// An SVID with this authority's bundle.
  identity::SnapshotPtr snapshot(std::string_view path) const;
  /// The same with more bundles: of another domain.
  identity::SnapshotPtr snapshot(identity::Svid svid, const identity::Bundles& bundles) const;

 private:
  bssl::UniquePtr<X509> build(const TestCertificate& says, EVP_PKEY* key, const X509* issuer,
                              EVP_PKEY* issuer_key) const;
  std::uint64_t next() const { return *serial_ += 1; }

  std::string trust_domain_;
  Clock::WallTime now_;
  std::uint64_t seed_;
  std::shared_ptr<std::uint64_t> serial_ = std::make_shared<std::uint64_t>(0);
  std::shared_ptr<X509> certificate_;
  std::shared_ptr<EVP_PKEY> key_;
  std::string certificate_der_;
  std::vector<std::string> chain_der_;  // what an SVID's chain goes on with
};

}  // namespace mandated::test
