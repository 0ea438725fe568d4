// url_containment. A URL is read twice, by the plain cut of RFC 3986 and by the WHATWG parser, and
// refused unless both find the same scheme, host, port and path in it: whoever fetches it may use a
// parser of either kind, or one that forgives more. So there is no userinfo, no backslash, blank or
// control character, no host that is respelled (0x7f.1, %61.example, a trailing dot), no dot
// segment, and no path character that would have to be encoded. A name in Unicode must be written
// as xn--…, since the versions of IDNA do not map all of them alike. Case of scheme and host is
// free.
//
// What both parsers pass but a server may still decode further is refused too; see plain_segment.
// Query and fragment do not matter, but a path must stand before them: in http://a?@b, and in
// http://a#@b, some clients see the host b.
#include <ada.h>

#include <algorithm>
#include <charconv>

#include "filters/receipt/extension.h"

namespace mandated::receipt {
namespace {

struct Scheme {
  std::string_view name;
  std::uint16_t default_port;
};

// Those whose host and path WHATWG defines; in any other the host is opaque.
constexpr std::array kSchemes{
    Scheme{"https", 443}, Scheme{"http", 80}, Scheme{"wss", 443},
    Scheme{"ws", 80},     Scheme{"ftp", 21},
};

// A text cut as RFC 3986 does, views into it.
struct Cut {
  std::string_view scheme;
  std::string_view host;
  std::optional<std::string_view> port;
  std::string_view path;
};

struct Url {
  std::string scheme;
  std::string host;      // ASCII, lower case
  bool is_name = false;  // not an IP address
  std::uint16_t port = 0;
  std::string_view path;  // into the text that was read; at least "/"
};

// Takes what stands before the first of `ends`, or everything, off `rest`.
std::string_view take_until(std::string_view& rest, std::string_view ends) {
  const std::string_view taken = rest.substr(0, rest.find_first_of(ends));
  rest.remove_prefix(taken.size());
  return taken;
}

std::optional<Cut> cut(std::string_view text) {
  Cut parts;
  std::string_view rest = text;
  parts.scheme = take_until(rest, ":");
  if (!rest.starts_with("://")) return std::nullopt;
  rest.remove_prefix(3);
  std::string_view authority = take_until(rest, "/?#");
  if (!rest.empty() && rest.front() != '/') return std::nullopt;
  parts.path = take_until(rest, "?#");
  if (authority.starts_with('[')) {
    parts.host = authority.substr(0, std::min(authority.find(']'), authority.size() - 1) + 1);
    authority.remove_prefix(parts.host.size());
  } else {
    parts.host = take_until(authority, ":");
  }
  if (authority.empty()) return parts;
  if (authority.front() != ':') return std::nullopt;
  parts.port = authority.substr(1);
  return parts;
}

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(), [](char each) {
    return each >= 'A' && each <= 'Z' ? static_cast<char>(each - 'A' + 'a') : each;
  });
  return result;
}

// An empty port and leading zeros are respelled by one parser and kept by another.
std::optional<std::uint16_t> read_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto read = std::from_chars(text.begin(), text.end(), port);
  if (read.ec != std::errc() || read.ptr != text.end() || text.front() == '0') return std::nullopt;
  return port;
}

// An address as WHATWG prints it, or a name of letters, digits, `-` and `_` without a trailing dot.
// Other characters that WHATWG lets stand in a host end it for some readers (`;`, `,`, `&`).
bool plain_host(std::string_view host) {
  constexpr std::size_t kLabelMax = 63;
  if (host.starts_with('[')) return true;
  for (;;) {
    const std::string_view label = take_until(host, ".");
    const bool plain = std::all_of(label.begin(), label.end(), [](char each) {
      return (each >= 'a' && each <= 'z') || (each >= '0' && each <= '9') || each == '-' ||
             each == '_';
    });
    if (label.empty() || label.size() > kLabelMax || !plain) return false;
    if (host.empty()) return true;
    host.remove_prefix(1);
  }
}

// Whether every `xn--` label stands for a name and is the one spelling of it. A label that decodes
// to something else (`xn--a-`, or a full-width slash) would be another host to a client that shows
// names in Unicode and encodes them again.
bool plain_idna(std::string_view host) {
  if (host.find("xn--") == std::string_view::npos) return true;
  const std::string unicode = ada::idna::to_unicode(host);
  // What does not decode stays as it is.
  return !unicode.starts_with("xn--") && unicode.find(".xn--") == std::string::npos &&
         ada::idna::to_ascii(unicode) == host;
}

int hex_digit(char each) {
  if (each >= '0' && each <= '9') return each - '0';
  if (each >= 'a' && each <= 'f') return each - 'a' + 10;
  if (each >= 'A' && each <= 'F') return each - 'A' + 10;
  return -1;
}

std::optional<std::string> percent_decoded(std::string_view text) {
  std::string decoded;
  while (!text.empty()) {
    std::size_t size = 1;
    char byte = text.front();
    if (byte == '%') {
      size = 3;
      const int high = text.size() < size ? -1 : hex_digit(text[1]);
      const int low = text.size() < size ? -1 : hex_digit(text[2]);
      if (high < 0 || low < 0) return std::nullopt;
      byte = static_cast<char>(high * 16 + low);
    }
    decoded += byte;
    text.remove_prefix(size);
  }
  return decoded;
}

// Longer UTF-8 than the character needs, which some decoders take for a slash or a dot.
bool is_overlong(unsigned char lead, unsigned char next) {
  if (next < 0x80 || next > 0xBF) return false;
  return lead == 0xC0 || lead == 0xC1 || (lead == 0xE0 && next < 0xA0) ||
         (lead == 0xF0 && next < 0x90) || lead > 0xF4;
}

// Whether servers agree on which segment this is, however often they decode it: encoded slashes,
// backslashes, controls and per cent signs are refused; and so are dot segments, also encoded, with
// blanks around them, which some file systems drop, or with parameters (`..;x`), which some servers
// do.
bool plain_segment(std::string_view segment) {
  const auto decoded = percent_decoded(segment);
  if (!decoded) return false;
  unsigned char before = 0;
  for (const char each : *decoded) {
    const auto byte = static_cast<unsigned char>(each);
    if (byte < 0x20 || byte == 0x7f || each == '/' || each == '\\' || each == '%') return false;
    if (is_overlong(before, byte)) return false;
    before = byte;
  }
  const std::string_view name = std::string_view(*decoded).substr(0, decoded->find(';'));
  return name.find('.') == std::string_view::npos ||
         name.find_first_not_of(". ") != std::string_view::npos;
}

bool plain_path(std::string_view path) {
  while (!path.empty()) {
    path.remove_prefix(1);
    if (!plain_segment(take_until(path, "/"))) return false;
  }
  return true;
}

// nullopt for whatever is no absolute URL of kSchemes, or has a second reading.
std::optional<Url> read_url(std::string_view text) {
  constexpr std::size_t kHostMax = 253;
  const bool ambiguous = std::any_of(text.begin(), text.end(), [](char each) {
    return static_cast<unsigned char>(each) <= 0x20 || each == 0x7f || each == '\\';
  });
  const auto parts = ambiguous ? std::nullopt : cut(text);
  if (!parts || parts->host.size() > kHostMax || !plain_path(parts->path)) return std::nullopt;

  Url url;
  url.scheme = lower(parts->scheme);
  url.path = parts->path.empty() ? "/" : parts->path;
  const auto* scheme = std::find_if(kSchemes.begin(), kSchemes.end(),
                                    [&](const Scheme& each) { return each.name == url.scheme; });
  if (scheme == kSchemes.end()) return std::nullopt;
  const auto port = parts->port ? read_port(*parts->port) : scheme->default_port;
  if (!port) return std::nullopt;
  url.port = *port;

  const auto parsed = ada::parse<ada::url_aggregator>(text);
  if (!parsed || parsed->has_credentials()) return std::nullopt;
  url.host = parsed->get_hostname();
  url.is_name = parsed->host_type == ada::url_host_type::DEFAULT;
  const std::string printed_port = url.port == scheme->default_port ? "" : std::to_string(url.port);
  const bool agreed = parsed->get_protocol() == url.scheme + ":" &&
                      parsed->get_port() == printed_port && parsed->get_pathname() == url.path &&
                      plain_host(url.host) && plain_idna(url.host) &&
                      lower(parts->host) == url.host;
  return agreed ? std::optional(std::move(url)) : std::nullopt;
}

}  // namespace

// The members must be as a URL that is accepted reads: taken together they are read as one.
std::optional<UrlContainment> UrlContainment::parse(const json::Value& source) {
  const auto scheme = source.find_string("scheme");
  const auto host = source.find_string("host");
  if (!scheme || !host) return std::nullopt;
  UrlContainment containment;
  containment.scheme_ = *scheme;
  containment.wildcard_ = host->starts_with("*.");
  containment.host_ = host->substr(containment.wildcard_ ? 2 : 0);
  std::string text = std::string(*scheme) + "://" + std::string(containment.host_);

  const json::Value* port = source.find("port");
  const auto number = port == nullptr ? std::nullopt : port->integer();
  if (port != nullptr && !number) return std::nullopt;
  if (number) text += ":" + std::to_string(*number);

  const json::Value* path = source.find("path");
  if (path != nullptr && !path->is_string()) return std::nullopt;
  containment.path_ = path == nullptr ? "/" : path->string();
  // Servers disagree on whether an empty segment counts.
  if (containment.path_.find("//") != std::string_view::npos) return std::nullopt;
  text += containment.path_;

  const auto url = read_url(text);
  if (!url || url->scheme != *scheme || url->host != containment.host_ ||
      url->path != containment.path_)
    return std::nullopt;
  containment.port_ = url->port;
  if (containment.path_.size() > 1 && containment.path_.ends_with('/'))
    containment.path_.remove_suffix(1);
  // A wildcard stands before two labels at least: `*.` and `*.com` would be nearly everybody's.
  const bool whole_name = url->is_name && containment.host_.find('.') != std::string_view::npos;
  return !containment.wildcard_ || whole_name ? std::optional(containment) : std::nullopt;
}

bool UrlContainment::accepts(const json::Value& argument, Effort& effort) const {
  // Two parsers and IDNA read it.
  if (!argument.is_string() || !effort.spend(argument.string().size())) return false;
  const auto url = read_url(argument.string());
  return url && url->scheme == scheme_ && covers_host(url->host) && url->port == port_ &&
         path_within(url->path, path_);
}

bool UrlContainment::within(const UrlContainment& parent) const {
  if (wildcard_ && !parent.wildcard_) return false;
  const bool same_name = wildcard_ && host_ == parent.host_;
  return scheme_ == parent.scheme_ && (same_name || parent.covers_host(host_)) &&
         port_ == parent.port_ && path_within(path_, parent.path_);
}

bool UrlContainment::covers_host(std::string_view host) const {
  if (!wildcard_) return host == host_;
  return host.size() > host_.size() + 1 && host.ends_with(host_) &&
         host[host.size() - host_.size() - 1] == '.';
}

}  // namespace mandated::receipt
