// Who we are, for an upstream behind something that ends TLS: a Workload Identity Token and a proof
// of its key, over exactly what leaves.
#pragma once

#include <string_view>

#include "config/config.h"
#include "proxy/base/random.h"
#include "proxy/http/message.h"
#include "proxy/identity/identity.h"
#include "proxy/wimse/wit.h"

namespace mandated::wimse {

/// Adds the fields to a request that is otherwise complete; whatever stood in their place goes.
/// `token` may be null. kUnavailable: there is no token, or it has expired.
Result<void> attach(http::RequestHead& head, std::string_view body,
                    const config::UpstreamWimse& rule, const identity::WorkloadToken* token,
                    Rng& rng, Seconds now);

/// An answer that is signed (http_signature.h), to a request that we signed. kPeerIdentity.
Result<void> check_answer(const http::RequestHead& sent, const http::ResponseHead& answer,
                          std::string_view body, const WitKeys& keys, Seconds now);

}  // namespace mandated::wimse
