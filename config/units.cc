#include "config/units.h"

#include <arpa/inet.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>
#include <charconv>
#include <cstring>
#include <optional>

namespace mandated::config {

namespace {

tl::unexpected<std::string> expected(std::string_view what) {
  return tl::unexpected("expected " + std::string(what));
}

bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_mark(char c) { return c == '.' || c == '-' || c == '_'; }

template <class Predicate>
bool consists_of(std::string_view text, Predicate predicate) {
  return !text.empty() && std::all_of(text.begin(), text.end(), predicate);
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result)
    if (is_upper(c)) c = static_cast<char>(c - 'A' + 'a');
  return result;
}

template <class T>
std::optional<T> number(std::string_view digits) {
  T value{};
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (digits.empty() || error != std::errc() || end != digits.data() + digits.size())
    return std::nullopt;
  return value;
}

/// "10s" into 10 and "s"; no sign, no leading zero.
std::optional<std::pair<std::int64_t, std::string_view>> split_unit(std::string_view text) {
  const std::size_t end = std::min(text.find_first_not_of("0123456789"), text.size());
  if (end == 0 || end > 9 || text.front() == '0') return std::nullopt;
  return std::pair(*number<std::int64_t>(text.substr(0, end)), text.substr(end));
}

/// Whether the text is an IP literal, and whether of the loopback.
struct Ip {
  bool valid = false;
  bool loopback = false;
};
Ip parse_ip(const std::string& host) {
  in_addr v4{};
  if (::inet_pton(AF_INET, host.c_str(), &v4) == 1) return {true, ntohl(v4.s_addr) >> 24U == 127};
  in6_addr v6{};
  if (::inet_pton(AF_INET6, host.c_str(), &v6) != 1) return {};
  return {true, std::memcmp(&v6, &in6addr_loopback, sizeof v6) == 0};
}

bool is_local_host(const std::string& host) {
  return host == "localhost" || parse_ip(host).loopback;
}

bool is_host_name(std::string_view host) {
  return host.size() <= 253 && host.front() != '.' && host.find("..") == std::string_view::npos &&
         consists_of(host, [](char c) { return is_lower(c) || is_digit(c) || is_mark(c); });
}

bool check_segments(std::string_view path, bool pattern) {
  // `path` begins with '/'; every segment is non-empty and none is "." or "..".
  while (!path.empty()) {
    path.remove_prefix(1);
    const std::size_t end = std::min(path.find('/'), path.size());
    const std::string_view segment = path.substr(0, end);
    path.remove_prefix(end);
    if (pattern && (segment == "*" || (segment == "**" && path.empty()))) continue;
    const bool plain = consists_of(
        segment, [](char c) { return is_lower(c) || is_upper(c) || is_digit(c) || is_mark(c); });
    if (!plain || segment == "." || segment == "..") return false;
  }
  return true;
}

Parsed<ListenAddress> parse_unix(std::string_view path) {
  ListenAddress address;
  if (path.empty() || path.find('\0') != std::string_view::npos)
    return expected("unix: and a path, such as unix:/run/mandated/agent.sock");
  address.unix_path = path;
  address.local = true;
  return address;
}

}  // namespace

Parsed<Duration> parse_duration(std::string_view text) {
  constexpr std::string_view kWanted =
      "a duration: a whole number and ms, s, m, h or d, such as 10s";
  const auto split = split_unit(text);
  if (!split) return expected(kWanted);
  struct Unit {
    std::string_view name;
    Duration length;
  };
  static constexpr std::array<Unit, 5> kUnits = {{{"ms", milliseconds(1)},
                                                  {"s", seconds(1)},
                                                  {"m", minutes(1)},
                                                  {"h", hours(1)},
                                                  {"d", hours(24)}}};
  constexpr Duration kMost = hours(24 * 36500);
  for (const Unit& unit : kUnits) {
    if (unit.name != split->second) continue;
    if (split->first > kMost / unit.length) return expected("a duration of at most 36500d");
    return unit.length * split->first;
  }
  return expected(kWanted);
}

Parsed<std::size_t> parse_size(std::string_view text) {
  constexpr std::string_view kWanted =
      "a size: a number of bytes, or a whole number and KiB, MiB or GiB, such as 64KiB";
  const auto split = split_unit(text);
  if (!split) return expected(kWanted);
  const auto count = static_cast<std::size_t>(split->first);
  if (split->second == "KiB") return count << 10U;
  if (split->second == "MiB") return count << 20U;
  if (split->second == "GiB") return count << 30U;
  return expected(kWanted);
}

Parsed<void> check_name(std::string_view text) {
  const bool good =
      text.size() <= 64 && !text.empty() && !is_mark(text.front()) && consists_of(text, [](char c) {
        return is_lower(c) || is_upper(c) || is_digit(c) || is_mark(c);
      });
  if (good) return {};
  return expected("a name: 1 to 64 letters, digits, '-', '_' and '.', a letter or digit first");
}

namespace {

Parsed<ListenAddress> parse_address(std::string_view text, bool may_be_name,
                                    std::string_view wanted) {
  if (text.starts_with("unix:")) return parse_unix(text.substr(5));
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return expected(wanted);
  std::string host(text.substr(0, colon));
  const std::optional<std::uint16_t> port = number<std::uint16_t>(text.substr(colon + 1));
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  const bool v6 = host.find(':') != std::string::npos;
  const bool named = may_be_name && !host.empty() && !v6 && is_host_name(host);
  const bool known = host == "localhost" || parse_ip(host).valid || named;
  if (!port || !known || v6 != bracketed) return expected(wanted);
  ListenAddress address;
  address.local = is_local_host(host);
  address.any_port = *port == 0;
  return address;
}

}  // namespace

Parsed<ListenAddress> parse_listen_address(std::string_view text) {
  if (text == "stdio:") {
    ListenAddress address;
    address.local = address.stdio = true;
    return address;
  }
  return parse_address(
      text, false,
      "an IP address and a port such as 127.0.0.1:8080 or [::1]:8080, or unix: and a path");
}

Parsed<ListenAddress> parse_server_address(std::string_view text) {
  constexpr std::string_view kWanted =
      "a host and a port such as valkey.example.org:6379 or [::1]:6379, or unix: and a path";
  Parsed<ListenAddress> address = parse_address(text, true, kWanted);
  if (address && address->any_port) return expected(kWanted);
  return address;
}

Parsed<void> check_trust_domain(std::string_view text) {
  const bool good = text.size() <= 255 && consists_of(text, [](char c) {
                      return is_lower(c) || is_digit(c) || is_mark(c);
                    });
  if (good) return {};
  return expected("a trust domain: lower-case letters, digits, '.', '-' and '_'");
}

Parsed<void> check_spiffe_id(std::string_view text, bool pattern) {
  constexpr std::string_view kScheme = "spiffe://";
  const std::string_view wanted =
      pattern ? "a SPIFFE ID or pattern such as spiffe://example.org/agent/*"
              : "a SPIFFE ID such as spiffe://example.org/agent/x";
  if (text.size() > 2048 || !text.starts_with(kScheme)) return expected(wanted);
  const std::string_view rest = text.substr(kScheme.size());
  const std::size_t slash = rest.find('/');
  if (slash == std::string_view::npos || !check_trust_domain(rest.substr(0, slash)) ||
      !check_segments(rest.substr(slash), pattern))
    return expected(wanted);
  return {};
}

Parsed<void> check_peer(std::string_view text) {
  constexpr std::string_view kWimse = "wimse://";
  if (!text.starts_with(kWimse)) return check_spiffe_id(text, true);
  return check_spiffe_id("spiffe://" + std::string(text.substr(kWimse.size())), true);
}

std::string_view trust_domain_of(std::string_view spiffe_id) {
  const std::string_view rest = spiffe_id.substr(std::string_view("spiffe://").size());
  return rest.substr(0, rest.find('/'));
}

bool is_exact(std::string_view spiffe_pattern) {
  return spiffe_pattern.find('*') == std::string_view::npos;
}

Parsed<Url> parse_url(std::string_view text) {
  constexpr std::string_view kWanted = "a URL: http or https, host, port and path only";
  // Boost.URL 1.81 asserts on some texts that are none: it is shown only what begins as a URL does.
  const bool printable =
      std::all_of(text.begin(), text.end(), [](char each) { return each > 0x20 && each < 0x7f; });
  if (!printable || !(text.starts_with("http://") || text.starts_with("https://")))
    return expected(kWanted);
  const auto parsed = boost::urls::parse_uri(boost::urls::string_view(text.data(), text.size()));
  if (!parsed) return expected(kWanted);
  const boost::urls::url_view& view = *parsed;
  const std::string scheme(view.scheme().data(), view.scheme().size());
  if ((scheme != "http" && scheme != "https") || view.has_userinfo() || view.has_query() ||
      view.has_fragment() || !view.has_authority())
    return expected(kWanted);
  Url url;
  url.tls = scheme == "https";
  url.host = lower(view.host_address());
  const bool v6 = view.host_type() == boost::urls::host_type::ipv6;
  const bool plain = view.host_type() != boost::urls::host_type::ipvfuture &&
                     view.encoded_host().find('%') == boost::urls::string_view::npos;
  if (!plain || url.host.empty() || (v6 ? !parse_ip(url.host).valid : !is_host_name(url.host)))
    return expected(kWanted);
  url.port = url.tls ? 443 : 80;
  if (view.has_port()) {
    const std::string digits(view.port().data(), view.port().size());
    const std::optional<std::uint16_t> port = number<std::uint16_t>(digits);
    if (!port || *port == 0) return expected(kWanted);
    url.port = *port;
  }
  url.path.assign(view.encoded_path().data(), view.encoded_path().size());
  if (!url.path.empty() && url.path.front() != '/') return expected(kWanted);  // "http://a:80b/c"
  if (url.path == "/") url.path.clear();
  if (!url.path.empty() && !check_route_path(url.path)) return expected(kWanted);
  url.local = is_local_host(url.host);
  return url;
}

Parsed<void> check_list_place(std::string_view text) {
  const bool folder = text.ends_with('/');
  const Parsed<Url> url = parse_url(text.substr(0, text.size() - (folder ? 1 : 0)));
  const std::size_t authority = text.find('/', std::string_view("https://").size());
  const std::string_view origin = text.substr(0, authority);
  if (url && url->tls && origin == lower(origin)) return {};
  return expected("an https URL such as https://lists.example.org/receipts/");
}

Parsed<void> check_origin(std::string_view text) {
  const Parsed<Url> url = parse_url(text);
  if (url && url->path.empty() && text.back() != '/' && text == lower(text)) return {};
  return expected("an origin such as https://chat.example.org");
}

Parsed<void> check_credential_id(std::string_view text) {
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  constexpr std::size_t kMost = 1364;  // 1023 bytes
  const std::size_t tail = text.size() % 4;
  bool good = !text.empty() && text.size() <= kMost && tail != 1 &&
              text.find_first_not_of(kAlphabet) == std::string_view::npos;
  // The last character's bits beyond the last byte are zero.
  if (good && tail != 0) good = kAlphabet.find(text.back()) % (tail == 2 ? 16 : 4) == 0;
  if (good) return {};
  return expected("a credential id: 1 to 1023 bytes in base64url, without padding");
}

Parsed<void> check_rp_id(std::string_view text) {
  const bool good = !text.empty() && is_host_name(text) && text.back() != '.' &&
                    text.find('_') == std::string_view::npos && !parse_ip(std::string(text)).valid;
  if (good) return {};
  return expected("a lower-case host name such as example.org");
}

Parsed<void> check_passkey_origin(std::string_view text, std::string_view rp_id) {
  const Parsed<Url> url = parse_url(text);
  if (!check_origin(text) || !(url->tls || url->host == "localhost"))
    return expected("an origin such as https://receipts.example.org");
  const std::string below = "." + std::string(rp_id);
  if (url->host == rp_id || url->host.ends_with(below)) return {};
  return expected("an origin of rp_id or of a host below it");
}

Parsed<void> check_service(std::string_view text) {
  const Parsed<Url> url = parse_url(text);
  if (check_origin(text) && (url->tls || url->local)) return {};
  return expected("an origin such as https://consent.example.org, or http:// on loopback");
}

Parsed<void> check_audience(std::string_view text) {
  if (check_spiffe_id(text, false) || check_origin(text)) return {};
  return expected("a SPIFFE ID, or an origin such as https://tools.example.org");
}

Parsed<void> check_host(std::string_view text) {
  if (!text.empty() && is_host_name(lower(text))) return {};
  return expected("a host name without port, such as tools.example.org");
}

Parsed<void> check_route_path(std::string_view text) {
  constexpr std::string_view kWanted =
      "a path such as /mcp: it begins with '/' and has no query, escape or dot segment";
  if (text == "/") return {};
  if (text.empty() || text.front() != '/' || text.size() > 1024) return expected(kWanted);
  std::string_view rest = text;
  while (!rest.empty()) {
    rest.remove_prefix(1);
    const std::size_t end = std::min(rest.find('/'), rest.size());
    const std::string_view segment = rest.substr(0, end);
    rest.remove_prefix(end);
    // pchar of RFC 3986 section 3.3, without percent-encoding.
    const bool plain = consists_of(segment, [](char c) {
      return is_lower(c) || is_upper(c) || is_digit(c) ||
             std::string_view("-._~!$&'()*+,;=:@").find(c) != std::string_view::npos;
    });
    if (!plain || segment == "." || segment == "..") return expected(kWanted);
  }
  return {};
}

}  // namespace mandated::config
