// Takes the evidence that calls bring (header Delegation-Evidence: "nitro" or "dcap", a blank, and
// the document in base64url) and remembers for a short while what was found good, since a chain of
// certificates costs milliseconds. Of one worker.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "config/config.h"
#include "proxy/attest/evidence.h"

namespace mandated::attest {

class EvidenceDesk {
 public:
  /// kInvalidConfig: a file of roots cannot be read.
  static Result<std::unique_ptr<EvidenceDesk>> make(const config::Evidence& config);

  /// What it says about the platform that holds this key (JWK thumbprint, base64url).
  /// kPeerIdentity: it is not good, or speaks of another key.
  Result<std::map<std::string, std::string, std::less<>>> selectors(std::string_view evidence,
                                                                    std::string_view holder_key,
                                                                    Clock::WallTime now);
  /// How many documents were verified so far.
  std::size_t verified() const { return verified_; }

 private:
  struct Known {
    Statement statement;
    Clock::WallTime at;
  };
  Result<Statement> statement_of(const EvidenceVerifier& verifier, std::string_view evidence,
                                 std::string_view document, Clock::WallTime now);

  std::map<std::string, std::unique_ptr<const EvidenceVerifier>, std::less<>> verifiers_;
  std::map<std::string, Known, std::less<>> known_;  // by the evidence's text
  std::size_t verified_ = 0;
};

}  // namespace mandated::attest
