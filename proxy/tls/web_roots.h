// The certificate authorities of the web, and what a server that is known by its name must show
// (RFC 5280, RFC 9525).
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "proxy/identity/x509_svid.h"
#include "proxy/tls/tls.h"

namespace mandated::tls {

class WebRoots {
 public:
  static Result<WebRootsPtr> parse(std::string_view pem);

  /// When the chain expires. `chain_der`: leaf first; `host`: a name or an IP literal.
  tl::expected<Clock::WallTime, identity::TrustStore::Refusal> verify(
      std::span<const std::string_view> chain_der, const std::string& host,
      Clock::WallTime now) const;

 private:
  std::shared_ptr<x509_store_st> store_;  // BoringSSL locks it: threads may share it
};

/// "192.0.2.1" or "2001:db8::1": such a server is not named in SNI (RFC 6066 section 3).
bool is_ip_literal(const std::string& host);

}  // namespace mandated::tls
