// What may be fetched, read from its URL: strict, so that a prefix of the URL is a folder of the
// server and nothing else.
#pragma once

#include <string>
#include <string_view>

#include "proxy/base/result.h"
#include "proxy/net/address.h"

namespace mandated::fetch {

struct Target {
  bool tls = false;
  net::Address address;
  std::string authority;  ///< for the host field: a default port left out
  std::string path;       ///< with the query; begins with '/'
};

/// https, or http to loopback; RFC 3986, without userinfo and fragment, host in lower case; no dot
/// segments and no encoded dots, slashes or backslashes in the path. kMalformed says why.
Result<Target> parse_target(std::string_view url);

}  // namespace mandated::fetch
