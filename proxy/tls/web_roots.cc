#include "proxy/tls/web_roots.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509.h>

#include <utility>
#include <vector>

#include "proxy/identity/certificate.h"
#include "proxy/identity/certificate_path.h"
#include "proxy/identity/pem.h"

namespace mandated::tls {

namespace {

using identity::Certificates;
using identity::TrustStore;
using Fault = TrustStore::Fault;
using Refusal = TrustStore::Refusal;

constexpr std::size_t kChainMax = 10;
constexpr std::size_t kCertificateMax = 32768;

tl::unexpected<Refusal> refuse(Fault fault, std::string text) {
  return tl::unexpected(Refusal{fault, std::move(text)});
}
tl::unexpected<Refusal> bad(std::string text) {
  return refuse(Fault::kBadCertificate, std::move(text));
}

tl::expected<Certificates, Refusal> parse_chain(std::span<const std::string_view> chain_der) {
  if (chain_der.empty()) return bad("no certificate was presented");
  if (chain_der.size() > kChainMax) return bad("the chain has more than 10 certificates");
  Certificates chain;
  for (const std::string_view der : chain_der) {
    if (der.size() > kCertificateMax) return bad("a certificate is larger than 32 KiB");
    bssl::UniquePtr<X509> certificate = identity::parse_certificate(der);
    if (!certificate) return bad("a certificate cannot be read");
    chain.push_back(std::move(certificate));
  }
  return chain;
}

/// False when out of memory.
bool set_rules(X509_VERIFY_PARAM* rules, const std::string& host, Clock::WallTime now) {
  X509_VERIFY_PARAM_set_time_posix(rules, identity::to_posix(now));
  X509_VERIFY_PARAM_set_depth(rules, kChainMax);
  X509_VERIFY_PARAM_set_purpose(rules, X509_PURPOSE_SSL_SERVER);
  // RFC 9525 section 2: a name in the subject counts for nothing.
  X509_VERIFY_PARAM_set_hostflags(rules, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  if (is_ip_literal(host)) return X509_VERIFY_PARAM_set1_ip_asc(rules, host.c_str()) == 1;
  return X509_VERIFY_PARAM_set1_host(rules, host.data(), host.size()) == 1;
}

}  // namespace

bool is_ip_literal(const std::string& host) {
  in6_addr parsed{};
  return ::inet_pton(AF_INET, host.c_str(), &parsed) == 1 ||
         ::inet_pton(AF_INET6, host.c_str(), &parsed) == 1;
}

Result<WebRootsPtr> WebRoots::parse(std::string_view pem) {
  TRY(const std::vector<std::string> certificates, identity::parse_pem_certificates(pem));
  auto made = std::make_shared<WebRoots>();
  made->store_ = std::shared_ptr<X509_STORE>(X509_STORE_new(), X509_STORE_free);
  std::size_t taken = 0;
  for (const std::string& der : certificates) {
    // Bundles hold a few certificates of old that a strict parser does not take.
    const bssl::UniquePtr<X509> root = identity::parse_certificate(der);
    if (root && X509_STORE_add_cert(made->store_.get(), root.get()) == 1) ++taken;
  }
  ERR_clear_error();
  if (taken == 0) return fail(Code::kInvalidConfig, "none of its certificates can be read");
  return WebRootsPtr(std::move(made));
}

tl::expected<Clock::WallTime, Refusal> WebRoots::verify(std::span<const std::string_view> chain_der,
                                                        const std::string& host,
                                                        Clock::WallTime now) const {
  const auto chain = parse_chain(chain_der);
  if (!chain) return tl::unexpected(chain.error());
  const auto path = identity::find_path(
      store_.get(), *chain, [&](X509_VERIFY_PARAM* rules) { return set_rules(rules, host, now); });
  if (!path) return refuse(path.error().fault, host + ": " + path.error().text);
  for (std::size_t i = 0; i + 1 < path->size(); ++i) {  // the root is believed as it is
    const X509* certificate = (*path)[i].get();
    if (const std::string_view weakness = identity::key_weakness(certificate); !weakness.empty()) {
      return bad(host + ": " + std::string(weakness));
    }
    if (!identity::is_sound_signature_algorithm(certificate)) {
      return bad(host + ": it is signed by a weak or unknown algorithm");
    }
  }
  return identity::first_expiry(*path);
}

Result<WebRootsPtr> parse_web_roots(std::string_view pem) { return WebRoots::parse(pem); }

}  // namespace mandated::tls
