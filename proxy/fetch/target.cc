#include "proxy/fetch/target.h"

#include <algorithm>
#include <array>
#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>

#include "proxy/http/field_rules.h"

namespace mandated::fetch {

namespace {

constexpr std::size_t kUrlBytesMax = 2048;

Failure malformed(std::string_view url, std::string_view why) {
  return fail(Code::kMalformed,
              "the URL '" + std::string(url.substr(0, kUrlBytesMax)) + "' " + std::string(why));
}

bool is_plain_path(std::string_view path) {
  const std::string folded = http::to_lower(path);
  constexpr std::array<std::string_view, 3> kEncoded = {"%2e", "%2f", "%5c"};
  if (std::any_of(kEncoded.begin(), kEncoded.end(),
                  [&](std::string_view each) { return folded.find(each) != std::string::npos; })) {
    return false;
  }
  const std::string closed = folded + "/";
  return closed.find("/./") == std::string::npos && closed.find("/../") == std::string::npos;
}

std::string_view view_of(boost::core::string_view text) { return {text.data(), text.size()}; }

}  // namespace

Result<Target> parse_target(std::string_view url) {
  if (url.size() > kUrlBytesMax) return malformed(url, "is longer than 2048 bytes");
  // Boost.URL 1.81 asserts on some texts that are none: it is shown only what begins as a URL does.
  const bool printable =
      std::all_of(url.begin(), url.end(), [](char each) { return each > 0x20 && each < 0x7f; });
  const std::size_t colon = url.find("://");
  if (!printable || colon == std::string_view::npos) return malformed(url, "is no absolute URL");
  const std::string_view scheme = url.substr(0, colon);
  if (scheme != "https" && scheme != "http") return malformed(url, "is neither https nor http");
  const auto parsed = boost::urls::parse_uri(boost::core::string_view(url.data(), url.size()));
  if (!parsed || !parsed->has_authority()) return malformed(url, "is no absolute URL");
  if (parsed->has_userinfo()) return malformed(url, "names a user");
  if (parsed->has_fragment()) return malformed(url, "has a fragment");
  if (!is_plain_path(view_of(parsed->encoded_path()))) {
    return malformed(url, "has a path that servers read differently");
  }
  Target target;
  target.tls = scheme == "https";
  const std::string default_port = target.tls ? "443" : "80";
  const std::string_view host = view_of(parsed->encoded_host());
  std::string port(view_of(parsed->port()));
  if (!parsed->has_port()) port = default_port;
  const auto address = net::Address::parse(std::string(host) + ":" + port);
  if (!address || address->port == 0 || http::to_lower(host) != host) {
    return malformed(url, "names no host and port as they are written plainly");
  }
  target.address = *address;
  if (!target.tls && !target.address.is_local()) {
    return malformed(url, "is http: plaintext goes to loopback only");
  }
  target.authority = host;
  if (port != default_port) target.authority += ":" + port;
  target.path = view_of(parsed->encoded_target());
  if (target.path.empty() || target.path.front() == '?') target.path.insert(0, "/");
  // Boost.URL takes "https://example.org:443(/a".
  if (target.path.front() != '/') return malformed(url, "is no absolute URL");
  return target;
}

}  // namespace mandated::fetch
