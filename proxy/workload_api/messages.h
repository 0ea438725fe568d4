// The Workload API's messages, read strictly: what is mandatory is there, what is there is sound
// (SPIFFE_Workload_API standard, sections 4 to 6). A message that is not is an error as a whole,
// kMalformed unless said otherwise; only the bundle of a foreign trust domain that is unfit is left
// out by itself, so that a partner's mistake cannot take our own identity.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/identity/identity.h"

namespace mandated::workload_api {

struct HintedSvid {
  identity::Svid svid;
  std::string hint;
};

/// FetchX509SVID.
struct X509Update {
  std::vector<HintedSvid> svids;     ///< at least one; the first is the default identity
  identity::Bundles bundles;         ///< of the SVIDs' trust domains, and of foreign ones
  std::vector<std::string> ignored;  ///< in words: what was left out, and why
};
/// Also kPeerIdentity: an SVID that its own bundle does not vouch for.
Result<X509Update> read_x509_svids(std::string_view message, Clock::WallTime now);

/// FetchX509Bundles: what is unfit is left out; `ignored` says why.
Result<identity::Bundles> read_x509_bundles(std::string_view message,
                                            std::vector<std::string>& ignored);

/// FetchJWTBundles: trust domain → JWK Set, as it came.
Result<std::map<std::string, std::string>> read_jwt_bundles(std::string_view message);

/// FetchJWTSVID.
struct JwtSvidToken {
  identity::SpiffeId id;
  std::string token;
  std::string hint;
};
std::string jwt_svid_request(std::string_view audience, std::string_view spiffe_id);
Result<std::vector<JwtSvidToken>> read_jwt_svids(std::string_view message);

/// ValidateJWTSVID.
struct ValidatedJwt {
  identity::SpiffeId id;
  std::optional<double> expires;  ///< the claim `exp`: seconds since the epoch
};
std::string validate_jwt_request(std::string_view audience, std::string_view token);
Result<ValidatedJwt> read_validated_jwt(std::string_view message);

}  // namespace mandated::workload_api
