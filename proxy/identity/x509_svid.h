// The checks behind verify_x509_svid, for tls/: trust bundles are parsed once for many handshakes,
// and a refusal keeps the kind that decides which alert the peer is sent.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "proxy/identity/identity.h"

struct x509_store_st;  // from <openssl/base.h>

namespace mandated::identity {

/// The bundles of one snapshot, ready for use. Immutable.
class TrustStore {
 public:
  /// kInvalidConfig when a bundle holds anything but sound CA certificates.
  static Result<std::shared_ptr<const TrustStore>> make(const Bundles& bundles);

  struct Peer {
    SpiffeId id;
    Clock::WallTime expires;  ///< of the first certificate of the verified chain to expire
    std::string key;          ///< key_thumbprint of the leaf
  };
  enum class Fault { kBadCertificate, kExpired, kUnknownAuthority };
  struct Refusal {
    Fault fault;
    std::string text;
  };
  /// `chain_der`: leaf first.
  tl::expected<Peer, Refusal> verify(std::span<const std::string_view> chain_der, Purpose purpose,
                                     Clock::WallTime now) const;

 private:
  std::map<std::string, std::shared_ptr<x509_store_st>, std::less<>> stores_;
};

}  // namespace mandated::identity
