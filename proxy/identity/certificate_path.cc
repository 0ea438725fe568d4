#include "proxy/identity/certificate_path.h"

#include <openssl/x509.h>

#include <algorithm>

#include "proxy/identity/certificate.h"

namespace mandated::identity {

namespace {

using Fault = TrustStore::Fault;
using Refusal = TrustStore::Refusal;

Fault fault_of(int error) {
  switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return Fault::kExpired;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_UNTRUSTED:
      return Fault::kUnknownAuthority;
    default:
      return Fault::kBadCertificate;
  }
}

}  // namespace

tl::expected<Certificates, Refusal> find_path(
    X509_STORE* store, const Certificates& chain,
    const std::function<bool(X509_VERIFY_PARAM*)>& set_rules) {
  const tl::unexpected<Refusal> no_memory(Refusal{Fault::kBadCertificate, "no memory"});
  const bssl::UniquePtr<STACK_OF(X509)> intermediates(sk_X509_new_null());
  for (std::size_t i = 1; i < chain.size(); ++i) {
    if (!bssl::PushToStack(intermediates.get(), bssl::UpRef(chain[i]))) return no_memory;
  }
  const bssl::UniquePtr<X509_STORE_CTX> context(X509_STORE_CTX_new());
  if (!context ||
      X509_STORE_CTX_init(context.get(), store, chain.front().get(), intermediates.get()) != 1 ||
      !set_rules(X509_STORE_CTX_get0_param(context.get()))) {
    return no_memory;
  }
  if (X509_verify_cert(context.get()) != 1) {
    const int error = X509_STORE_CTX_get_error(context.get());
    return tl::unexpected(Refusal{fault_of(error), X509_verify_cert_error_string(error)});
  }
  Certificates path;
  const STACK_OF(X509)* found = X509_STORE_CTX_get0_chain(context.get());
  for (std::size_t i = 0; i < sk_X509_num(found); ++i) {
    path.push_back(bssl::UpRef(sk_X509_value(found, i)));
  }
  return path;
}

Clock::WallTime first_expiry(const Certificates& path) {
  Clock::WallTime expires = Clock::WallTime::max();
  for (const auto& certificate : path) expires = std::min(expires, not_after(certificate.get()));
  return expires;
}

}  // namespace mandated::identity
