// Strict on purpose: an address that two resolvers could read differently ("127.1", "0x7f.1",
// "host:080") is refused, so that is_local() decides about plaintext on what is really dialled.
#include "proxy/net/address.h"

#include <arpa/inet.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

namespace mandated::net {

namespace {

constexpr std::string_view kUnixScheme = "unix:";
constexpr std::size_t kUnixPathMax = sizeof(sockaddr_un::sun_path) - 1;
constexpr std::size_t kNameMax = 253;  // RFC 1035 section 2.3.4, without the root's dot
constexpr std::size_t kLabelMax = 63;

Failure malformed(std::string_view text, std::string_view why) {
  return fail(Code::kMalformed, "address '" + std::string(text) + "': " + std::string(why) +
                                    " (expected host:port, [IPv6]:port or unix:/absolute/path)");
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
char to_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::optional<std::uint16_t> parse_port(std::string_view text) {
  if (text.empty() || text.size() > 5) return std::nullopt;
  if (text.size() > 1 && text.front() == '0') return std::nullopt;
  if (!std::all_of(text.begin(), text.end(), is_digit)) return std::nullopt;
  unsigned value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  if (value > 65535) return std::nullopt;
  return static_cast<std::uint16_t>(value);
}

bool is_ipv4(const std::string& host) {
  in_addr parsed{};
  return inet_pton(AF_INET, host.c_str(), &parsed) == 1;
}

/// The canonical spelling (RFC 5952), so that equal addresses compare equal.
std::optional<std::string> canonical_ipv6(const std::string& host) {
  in6_addr parsed{};
  if (inet_pton(AF_INET6, host.c_str(), &parsed) != 1) return std::nullopt;
  std::array<char, INET6_ADDRSTRLEN> printed{};
  inet_ntop(AF_INET6, &parsed, printed.data(), printed.size());
  return std::string(printed.data());
}

bool is_label(std::string_view label) {
  if (label.empty() || label.size() > kLabelMax) return false;
  if (label.front() == '-' || label.back() == '-') return false;
  return std::all_of(label.begin(), label.end(),
                     [](char c) { return is_letter(c) || is_digit(c) || c == '-' || c == '_'; });
}

/// The last label may not be a number ("1", "0x7f"): inet_aton would read such a host as IPv4.
bool is_name(std::string_view host) {
  if (host.empty() || host.size() > kNameMax) return false;
  std::string_view rest = host;
  std::string_view label;
  for (;;) {
    const std::size_t dot = rest.find('.');
    label = rest.substr(0, dot);
    if (!is_label(label)) return false;
    if (dot == std::string_view::npos) break;
    rest.remove_prefix(dot + 1);
  }
  const bool decimal = std::all_of(label.begin(), label.end(), is_digit);
  const bool hexadecimal = label.size() > 1 && label[0] == '0' && to_lower(label[1]) == 'x';
  return !decimal && !hexadecimal;
}

Result<Address> parse_unix(std::string_view text) {
  const std::string_view path = text.substr(kUnixScheme.size());
  if (path.empty() || path.front() != '/') return malformed(text, "the path must be absolute");
  if (path.size() > kUnixPathMax) return malformed(text, "the path is longer than a socket's name");
  if (path.back() == '/') return malformed(text, "the path names a folder");
  if (path.find('\0') != std::string_view::npos) return malformed(text, "the path has a NUL");
  Address address;
  address.unix_path = std::string(path);
  return address;
}

}  // namespace

Result<Address> Address::parse(std::string_view text) {
  if (text.starts_with(kUnixScheme)) return parse_unix(text);
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return malformed(text, "the port is missing");
  const std::optional<std::uint16_t> port = parse_port(text.substr(colon + 1));
  if (!port) return malformed(text, "the port must be a number from 0 to 65535");
  std::string_view host = text.substr(0, colon);
  if (host.empty()) return malformed(text, "the host is missing");

  Address address;
  address.port = *port;
  if (host.front() == '[') {
    if (host.back() != ']') return malformed(text, "the ] is missing");
    const std::string_view literal = host.substr(1, host.size() - 2);
    if (literal.find('\0') != std::string_view::npos) return malformed(text, "no IPv6 address");
    std::optional<std::string> canonical = canonical_ipv6(std::string(literal));
    if (!canonical) return malformed(text, "no IPv6 address");
    address.host = std::move(*canonical);
    return address;
  }
  if (host.find(':') != std::string_view::npos) {
    return malformed(text, "an IPv6 address needs its brackets");
  }
  if (host.find('\0') != std::string_view::npos) return malformed(text, "no host name");
  address.host.resize(host.size());
  std::transform(host.begin(), host.end(), address.host.begin(), to_lower);
  if (!is_ipv4(address.host) && !is_name(address.host)) return malformed(text, "no host name");
  return address;
}

std::string Address::to_string() const {
  if (is_unix()) return std::string(kUnixScheme) + unix_path;
  const std::string number = std::to_string(port);
  if (host.find(':') != std::string::npos) return "[" + host + "]:" + number;
  return host + ":" + number;
}

bool Address::is_local() const {
  if (is_unix() || host == "localhost" || host == "::1") return true;
  in_addr parsed{};
  if (inet_pton(AF_INET, host.c_str(), &parsed) != 1) return false;
  return (ntohl(parsed.s_addr) >> 24U) == 127;
}

}  // namespace mandated::net
