#include "proxy/attest/evidence_desk.h"

#include <utility>

#include "filters/receipt/base64url.h"
#include "proxy/base/file.h"
#include "proxy/identity/pem.h"

namespace mandated::attest {

namespace {

constexpr std::size_t kRootsBytesMax = 1U << 20U;
constexpr std::size_t kKnownMax = 64;
constexpr Clock::Duration kKnownFor = std::chrono::minutes(1);

Result<std::vector<std::string>> read_roots(const std::string& path) {
  const std::optional<std::string> text = read_file(path, kRootsBytesMax);
  if (!text) return fail(Code::kInvalidConfig, path + " cannot be read");
  Result<std::vector<std::string>> roots = identity::parse_pem_certificates(*text);
  if (!roots) return fail(Code::kInvalidConfig, path + ": " + roots.error().text);
  return roots;
}

}  // namespace

Result<std::unique_ptr<EvidenceDesk>> EvidenceDesk::make(const config::Evidence& config) {
  auto desk = std::make_unique<EvidenceDesk>();
  if (!config.nitro_roots.empty()) {
    TRY(const std::vector<std::string> roots, read_roots(config.nitro_roots));
    TRY(desk->verifiers_["nitro"], make_nitro_verifier(roots));
  }
  if (!config.dcap_roots.empty()) {
    TRY(const std::vector<std::string> roots, read_roots(config.dcap_roots));
    TRY(desk->verifiers_["dcap"], make_dcap_verifier(roots));
  }
  return desk;
}

Result<std::map<std::string, std::string, std::less<>>> EvidenceDesk::selectors(
    std::string_view evidence, std::string_view holder_key, Clock::WallTime now) {
  const std::size_t blank = evidence.find(' ');
  const auto verifier = verifiers_.find(evidence.substr(0, blank));
  if (blank == std::string_view::npos || verifier == verifiers_.end()) {
    return fail(Code::kPeerIdentity, "evidence of this kind is not believed here");
  }
  const std::optional<std::string> key = receipt::decode_base64url(holder_key);
  const std::optional<std::string> document = receipt::decode_base64url(evidence.substr(blank + 1));
  if (!key || !document) return fail(Code::kPeerIdentity, "the evidence is no base64url");
  TRY(Statement statement, statement_of(*verifier->second, evidence, *document, now));
  CHECK(verifier->second->check(statement, {*key, {}}, now));
  return std::move(statement.selectors);
}

Result<Statement> EvidenceDesk::statement_of(const EvidenceVerifier& verifier,
                                             std::string_view evidence, std::string_view document,
                                             Clock::WallTime now) {
  std::erase_if(known_, [&](const auto& each) {
    return now < each.second.at || now - each.second.at > kKnownFor;
  });
  const auto known = known_.find(evidence);
  if (known != known_.end()) return known->second.statement;
  ++verified_;
  TRY(Statement statement, verifier.verify(document, now));
  if (known_.size() >= kKnownMax) known_.clear();
  known_.emplace(std::string(evidence), Known{statement, now});
  return statement;
}

}  // namespace mandated::attest
