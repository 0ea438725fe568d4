// The certificate authorities by which servers of the web are checked.
#pragma once

#include <string>
#include <string_view>

#include "config/config.h"
#include "proxy/base/result.h"
#include "proxy/tls/tls.h"

namespace mandated::server {

/// Null when the system has no such file and the configuration names none. kInvalidConfig.
Result<tls::WebRootsPtr> load_web_roots(const config::Fetch& config);

/// Those in a file that the configuration names; `member` stands in what is wrong with it.
/// kInvalidConfig.
Result<tls::WebRootsPtr> read_web_roots(const std::string& path, std::string_view member);

}  // namespace mandated::server
