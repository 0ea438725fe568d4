// JWT-SVIDs (https://github.com/spiffe/spiffe/blob/main/standards/JWT-SVID.md): who bears one, for
// whom it was made, until when.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "proxy/identity/identity.h"

namespace mandated::identity {

struct JwtSvid {
  SpiffeId id;
  std::vector<std::string> audience;  ///< with the one that was asked for
  Clock::WallTime expires;
};

/// Whether `token` vouches, to one who goes by `audience` (not empty), for the bearer: signed by a
/// `jwt-svid` authority of the trust domain that its `sub` names, in time, without leeway.
/// kPeerIdentity says what is wrong.
Result<JwtSvid> verify_jwt_svid(std::string_view token, const JwtBundles& bundles,
                                std::string_view audience, Clock::WallTime now);

}  // namespace mandated::identity
