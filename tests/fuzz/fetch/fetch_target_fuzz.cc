// A URL that may be fetched is one that two parsers read alike: the server that is asked, and the
// place on it, are those that a comparison of prefixes thinks they are.
#include <ada.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "proxy/fetch/target.h"
#include "tests/fuzz/receipt/property.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using mandated::fuzz::require;
  const std::string_view url(reinterpret_cast<const char*>(data), size);
  const auto target = mandated::fetch::parse_target(url);
  if (!target) {
    require(!target.error().text.empty(), "a refusal has words");
    return 0;
  }
  const std::string_view path = std::string_view(target->path).substr(0, target->path.find('?'));
  require(target->tls || target->address.is_local(), "plaintext goes to loopback only");
  require(path.starts_with('/') && path.find("/../") == std::string_view::npos, "a plain path");
  require(url.starts_with((target->tls ? "https://" : "http://") +
                          target->authority.substr(0, target->authority.find(':'))),
          "the host stands where a prefix would look for it");
  // Names in Unicode are a matter of their own: WHATWG decodes them, and the resolver does not.
  if (target->address.host.find("xn--") != std::string::npos) return 0;
  const auto other = ada::parse<ada::url_aggregator>(url);
  require(other.has_value(), "WHATWG reads it, too");
  require(!other->has_credentials() && !other->has_hash(), "neither user nor fragment");
  // IPv6 addresses have two canonical forms ("::28:0", "::0.0.40.0"); they are one number here.
  if (target->address.host.find(':') == std::string::npos) {
    require(other->get_hostname() == target->address.host, "the same host");
  }
  const std::string_view port = other->get_port();
  const std::string standard = target->tls ? "443" : "80";
  require((port.empty() ? standard : std::string(port)) == std::to_string(target->address.port),
          "the same port");
  require(other->get_pathname() == path, "the same path");
  return 0;
}
