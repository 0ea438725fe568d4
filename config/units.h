// The grammars of single values: durations, sizes, addresses, SPIFFE IDs, URLs. Each function takes
// the text and says what it expected when the text is not that.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "config/config.h"

namespace mandated::config {

/// A value, or what was expected.
template <class T>
using Parsed = tl::expected<T, std::string>;

/// "250ms", "10s", "5m", "2h", "90d"; at least 1 ms, at most 100 years.
Parsed<Duration> parse_duration(std::string_view text);

/// "64KiB", "4MiB", "1GiB".
Parsed<std::size_t> parse_size(std::string_view text);

/// Names of listeners, routes and upstreams: they become labels and parts of tool identifiers.
Parsed<void> check_name(std::string_view text);

struct ListenAddress {
  std::string unix_path;  ///< as written, may be relative; empty for TCP
  bool local = false;     ///< a Unix socket or loopback
  bool any_port = false;
  bool stdio = false;
};
/// "IP:port", "[IPv6]:port", "localhost:port", "unix:path" or "stdio:".
Parsed<ListenAddress> parse_listen_address(std::string_view text);
/// The same for a server that is there, which may be named too: "host:port".
Parsed<ListenAddress> parse_server_address(std::string_view text);

/// A trust domain name by the SPIFFE-ID standard, section 2.1.
Parsed<void> check_trust_domain(std::string_view text);
/// A SPIFFE ID with a path; `pattern`: segments may be `*`, the last one `**`.
Parsed<void> check_spiffe_id(std::string_view text, bool pattern);
/// The same as a pattern, or one of `wimse:` URIs.
Parsed<void> check_peer(std::string_view text);
/// The trust domain of a checked one.
std::string_view trust_domain_of(std::string_view spiffe_id);
/// True when a checked pattern has no wildcard.
bool is_exact(std::string_view spiffe_pattern);

struct Url {
  bool tls = false;
  std::string host;  ///< lower case, without brackets
  std::uint16_t port = 0;
  std::string path;  ///< empty for "/"
  bool local = false;
};
/// http or https, without user, query and fragment.
Parsed<Url> parse_url(std::string_view text);

/// An https URL below which status lists may stand, as receipts would write it.
Parsed<void> check_list_place(std::string_view text);

/// scheme://host[:port] as browsers write it (RFC 6454 section 6.2).
Parsed<void> check_origin(std::string_view text);
/// The origin of a server that the proxy itself asks: https, or http on loopback.
Parsed<void> check_service(std::string_view text);
/// A credential id of 1 to 1023 bytes in strict base64url.
Parsed<void> check_credential_id(std::string_view text);
/// A lower-case host name, as W3C Web Authentication identifies sites.
Parsed<void> check_rp_id(std::string_view text);
/// An origin on which browsers let passkeys of `rp_id` be used: https (or http on localhost), that
/// host or one below it.
Parsed<void> check_passkey_origin(std::string_view text, std::string_view rp_id);
/// A SPIFFE ID or an origin.
Parsed<void> check_audience(std::string_view text);
/// Lower-case name or IPv4 literal, without port.
Parsed<void> check_host(std::string_view text);
/// Begins with '/', no query, fragment, percent-encoding, empty or dot segments.
Parsed<void> check_route_path(std::string_view text);

}  // namespace mandated::config
