#include "proxy/workload_api/endpoint.h"

#include <algorithm>
#include <cstdlib>

namespace mandated::workload_api {

namespace {

constexpr std::string_view kUnix = "unix:";
constexpr std::string_view kTcp = "tcp://";

Failure malformed(std::string_view uri, std::string_view why) {
  constexpr std::size_t kShownMax = 256;
  return fail(Code::kInvalidConfig,
              "the Workload API's endpoint '" + std::string(uri.substr(0, kShownMax)) +
                  "': " + std::string(why) + " (expected unix:///absolute/path or tcp://IP:port)");
}

Result<net::Address> parse_unix(std::string_view uri) {
  std::string_view path = uri.substr(kUnix.size());
  if (path.starts_with("//")) {
    path.remove_prefix(2);
    if (!path.starts_with('/')) return malformed(uri, "unix has no host");
  }
  if (!path.starts_with('/')) return malformed(uri, "the path must be absolute");
  const Result<net::Address> address = net::Address::parse("unix:" + std::string(path));
  if (!address) return malformed(uri, address.error().text);
  return *address;
}

Result<net::Address> parse_tcp(std::string_view uri) {
  const std::string_view authority = uri.substr(kTcp.size());
  const Result<net::Address> address = net::Address::parse(authority);
  if (!address) return malformed(uri, address.error().text);
  // The last label of a name is no number (net/address.cc), so this tells literals from names.
  const bool literal = authority.starts_with('[') ||
                       std::all_of(address->host.begin(), address->host.end(),
                                   [](char c) { return (c >= '0' && c <= '9') || c == '.'; });
  if (!literal) return malformed(uri, "the host must be an IP address");
  if (address->port == 0) return malformed(uri, "the port must not be 0");
  if (!address->is_local()) {
    return malformed(uri, "private keys come over it in plaintext, so it must be loopback");
  }
  return *address;
}

}  // namespace

Result<net::Address> parse_endpoint(std::string_view uri) {
  const bool plain =
      std::all_of(uri.begin(), uri.end(), [](char c) { return c > 0x20 && c < 0x7f; });
  if (!plain || uri.find_first_of("?#%\\") != std::string_view::npos) {
    return malformed(uri, "no query, fragment, percent-encoding or blanks may be in it");
  }
  if (uri.starts_with(kUnix)) return parse_unix(uri);
  if (uri.starts_with(kTcp)) return parse_tcp(uri);
  return malformed(uri, "the scheme must be unix or tcp");
}

Result<net::Address> find_endpoint(const std::string& configured) {
  if (!configured.empty()) return parse_endpoint(configured);
  const char* const given = std::getenv(kEndpointVariable);
  if (given == nullptr || *given == '\0') {
    return fail(Code::kInvalidConfig,
                std::string("nobody said where the SPIFFE Workload API is: set the environment "
                            "variable ") +
                    kEndpointVariable + " or identity.workload_api.endpoint");
  }
  return parse_endpoint(given);
}

}  // namespace mandated::workload_api
