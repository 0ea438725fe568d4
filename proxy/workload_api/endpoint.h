// Where the SPIFFE Workload API is served (SPIFFE_Workload_Endpoint standard, section 4).
#pragma once

#include <string>
#include <string_view>

#include "proxy/base/result.h"
#include "proxy/net/address.h"

namespace mandated::workload_api {

inline constexpr char kEndpointVariable[] = "SPIFFE_ENDPOINT_SOCKET";

/// unix:///absolute/path, or tcp://IP:port; no other component. TCP to loopback only: keys come
/// over it, in plaintext. kInvalidConfig says what was expected.
Result<net::Address> parse_endpoint(std::string_view uri);

/// `configured`, or, where that is empty, what SPIFFE_ENDPOINT_SOCKET says. kInvalidConfig: neither
/// says anything, or what it says is no endpoint.
Result<net::Address> find_endpoint(const std::string& configured);

}  // namespace mandated::workload_api
