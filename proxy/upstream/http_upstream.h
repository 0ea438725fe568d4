// An upstream that speaks HTTP/1.1 or HTTP/2, with or without TLS.
#pragma once

#include <string>

#include "config/config.h"
#include "proxy/upstream/pool.h"
#include "proxy/upstream/session_seal.h"
#include "proxy/upstream/upstream.h"

namespace mandated::upstream {

/// One worker's side of an HTTP upstream. `context` gives the TLS context of the current identity.
std::unique_ptr<Upstream> make_http_upstream(const config::Upstream& config,
                                             const config::Timeouts& timeouts,
                                             const config::Limits& limits,
                                             const SessionSeal::Key& session_key,
                                             net::Dialer& dialer, Clock& clock, Gate& gate,
                                             std::function<tls::ContextPtr()> context);

}  // namespace mandated::upstream
