// Hardware's word for which code runs somewhere: documents that a processor or hypervisor signed,
// and whose signers' certificates lead to a root that we were given. Verified here without a
// network. What is measured becomes selectors, as receipts name them; the document must in turn
// name the key of the holder that shows it, or anybody could show a copy.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/base/clock.h"
#include "proxy/base/result.h"

namespace mandated::attest {

/// Of what evidence speaks.
struct Binding {
  std::string holder_key;  ///< SHA-256 (32 bytes) of the holder's key: its JWK thumbprint's bytes
  std::string nonce;       ///< that we gave, up to 64 bytes; empty: none was asked for
};

/// What a document says, once signature, certificates and form were found good.
struct Statement {
  std::map<std::string, std::string, std::less<>> selectors;  ///< e.g. "sgx:mrenclave", in hex
  std::string bound;                      ///< where the holder's key must stand, as it is there
  std::string nonce;                      ///< empty: the document has none
  std::optional<Clock::WallTime> made{};  ///< nullopt: the document does not say
};

class EvidenceVerifier {
 public:
  /// Longer documents are refused unread.
  static constexpr std::size_t kBytesMax = 64U << 10U;

  virtual ~EvidenceVerifier() = default;
  virtual std::string_view kind() const = 0;
  /// kPeerIdentity says what is wrong. Debug modes are refused: what runs in them can be changed.
  virtual Result<Statement> verify(std::string_view document, Clock::WallTime now) const = 0;
  /// Whether it speaks of this holder, and of now. kPeerIdentity.
  virtual Result<void> check(const Statement& statement, const Binding& binding,
                             Clock::WallTime now) const = 0;
};

/// AWS Nitro enclaves: COSE_Sign1 over an attestation document. `user_data` is the holder's key,
/// the nonce is compared, and the document is at most `age_max` old. Selectors `nitro:pcr0` and so
/// on, without those that are zero, and `nitro:module-id`. `roots`: DER. kInvalidConfig.
Result<std::unique_ptr<const EvidenceVerifier>> make_nitro_verifier(
    const std::vector<std::string>& roots, Clock::Duration age_max = std::chrono::minutes(5));

/// Intel SGX and TDX: DCAP quotes of version 3 (SGX) and 4, signed with ECDSA P-256, with the chain
/// of their PCK certificate. The report data are the holder's key and SHA-256 of the nonce (zeros
/// without). Selectors `sgx:mrenclave`, `sgx:mrsigner`, `sgx:isv-prod-id`, `sgx:isv-svn`;
/// `tdx:mrtd`, `tdx:mrseam`, `tdx:mrconfigid`, `tdx:rtmr0` to `tdx:rtmr3`. Whether the platform's
/// firmware is up to date, or its certificate was revoked, takes Intel's collateral, which is not
/// asked. `roots`: DER. kInvalidConfig.
Result<std::unique_ptr<const EvidenceVerifier>> make_dcap_verifier(
    const std::vector<std::string>& roots);

}  // namespace mandated::attest
