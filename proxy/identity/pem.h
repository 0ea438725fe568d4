// PEM (RFC 7468): how certificates and keys stand in files.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proxy/base/result.h"

struct evp_pkey_st;  // from <openssl/base.h>

namespace mandated::identity {

struct PemBlock {
  std::string label;  ///< "CERTIFICATE"
  std::string der;    ///< wiped at the end: it may be a key

  PemBlock(std::string label_in, std::string der_in)
      : label(std::move(label_in)), der(std::move(der_in)) {}
  ~PemBlock();
  PemBlock(PemBlock&&) noexcept = default;
  PemBlock& operator=(PemBlock&&) noexcept = default;
};

/// All blocks of a file, in order; text between them is skipped. kMalformed when there is none, or
/// one is damaged or has headers (an encrypted key).
Result<std::vector<PemBlock>> parse_pem(std::string_view text);
/// The same where only certificates may stand.
Result<std::vector<std::string>> parse_pem_certificates(std::string_view text);

std::string to_pem(std::string_view label, std::string_view der);
/// PKCS#8. Empty when out of memory.
std::string to_pem(const evp_pkey_st* private_key);

}  // namespace mandated::identity
