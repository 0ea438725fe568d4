// The certificate authorities by which servers of the web are checked.
#pragma once

#include "config/config.h"
#include "proxy/base/result.h"
#include "proxy/tls/tls.h"

namespace mandated::server {

/// Null when the system has no such file and the configuration names none. kInvalidConfig.
Result<tls::WebRootsPtr> load_web_roots(const config::Fetch& config);

}  // namespace mandated::server
