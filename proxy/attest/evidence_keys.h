// Certificates and signatures, as nitro.cc and dcap.cc both need them.
#pragma once

#include <openssl/base.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/base/clock.h"
#include "proxy/base/result.h"
#include "proxy/identity/certificate_path.h"

namespace mandated::attest {

using Roots = std::shared_ptr<x509_store_st>;

/// kInvalidConfig: one cannot be read, or there is none.
Result<Roots> make_roots(const std::vector<std::string>& der);

/// Whether the path from `chain` (leaf first) leads to a root, all of it valid now; the leaf must
/// be no CA and may sign. kPeerIdentity.
Result<void> check_evidence_path(const Roots& roots, const identity::Certificates& chain,
                                 Clock::WallTime now);

/// Whether `signature` (r ‖ s) is of that key, whose curve is `curve` (a NID), over the message.
bool ecdsa_verifies(EVP_PKEY* key, int curve, const EVP_MD* digest, std::string_view message,
                    std::string_view signature);

std::string to_hex(std::string_view bytes);
bool all_zero(std::string_view bytes);

}  // namespace mandated::attest
