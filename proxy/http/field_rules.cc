#include "proxy/http/field_rules.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

namespace mandated::http {

namespace {

enum Class : std::uint8_t {
  kToken = 1,       // tchar
  kLowerToken = 2,  // tchar without A-Z
  kValue = 4,       // HTAB, SP, VCHAR, obs-text
  kTarget = 8,
  kHost = 16,
};

constexpr std::array<std::uint8_t, 256> make_classes() {
  std::array<std::uint8_t, 256> classes{};
  const auto add = [&classes](std::string_view characters, unsigned flags) {
    for (const char c : characters) {
      classes[static_cast<unsigned char>(c)] =
          static_cast<std::uint8_t>(classes[static_cast<unsigned char>(c)] | flags);
    }
  };
  for (unsigned c = 0x20; c < 256; ++c) {
    if (c != 0x7f) classes[c] = kValue;
    if (c > 0x20 && c < 0x7f) classes[c] |= kTarget;
  }
  classes['\t'] = kValue;
  for (const char c : std::string_view("\"<>\\#")) {
    classes[static_cast<unsigned char>(c)] &= static_cast<std::uint8_t>(~kTarget);
  }
  add("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz", kToken | kLowerToken);
  add("ABCDEFGHIJKLMNOPQRSTUVWXYZ", kToken | kHost);
  add("0123456789abcdefghijklmnopqrstuvwxyz-._~", kHost);
  return classes;
}

constexpr std::array<std::uint8_t, 256> kClasses = make_classes();

bool all_of_class(std::string_view text, Class wanted) {
  return std::all_of(text.begin(), text.end(), [wanted](char c) {
    return (kClasses[static_cast<unsigned char>(c)] & wanted) != 0;
  });
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool valid_port(std::string_view port) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), value);
  return !port.empty() && error == std::errc() && end == port.data() + port.size() &&
         std::all_of(port.begin(), port.end(), is_digit) && value <= 65535;
}

bool valid_ip_literal(std::string_view inside) {
  return !inside.empty() && std::all_of(inside.begin(), inside.end(), [](char c) {
    const char l = lower(c);
    return is_digit(c) || (l >= 'a' && l <= 'f') || c == ':' || c == '.';
  });
}

}  // namespace

bool valid_field_name(std::string_view name) {
  return !name.empty() && all_of_class(name, kLowerToken);
}

bool valid_field_value(std::string_view value) { return all_of_class(value, kValue); }

bool valid_method(std::string_view method) {
  return !method.empty() && all_of_class(method, kToken);
}

bool valid_target(std::string_view target) {
  if (target == "*") return true;
  return !target.empty() && target.front() == '/' && all_of_class(target, kTarget);
}

bool valid_authority(std::string_view authority) {
  std::string_view host = authority;
  std::optional<std::string_view> port;
  if (!authority.empty() && authority.front() == '[') {
    const std::size_t close = authority.find(']');
    if (close == std::string_view::npos) return false;
    host = authority.substr(1, close - 1);
    const std::string_view rest = authority.substr(close + 1);
    if (!rest.empty() && rest.front() != ':') return false;
    if (!rest.empty()) port = rest.substr(1);
    return valid_ip_literal(host) && (!port || valid_port(*port));
  }
  const std::size_t colon = authority.find(':');
  if (colon != std::string_view::npos) {
    host = authority.substr(0, colon);
    port = authority.substr(colon + 1);
  }
  return !host.empty() && all_of_class(host, kHost) && (!port || valid_port(*port));
}

bool is_connection_specific(std::string_view name) {
  switch (name.size()) {
    case 2:
      return name == "te";
    case 4:
      return name == "host";
    case 6:
      return name == "expect";
    case 7:
      return name == "trailer" || name == "upgrade";
    case 10:
      return name == "connection" || name == "keep-alive";
    case 14:
      return name == "content-length" || name == "http2-settings";
    case 16:
      return name == "proxy-connection";
    case 17:
      return name == "transfer-encoding";
    case 18:
      return name == "proxy-authenticate";
    case 19:
      return name == "proxy-authorization";
    default:
      return false;
  }
}

std::optional<std::uint64_t> parse_content_length(std::string_view value) {
  if (value.empty() || !std::all_of(value.begin(), value.end(), is_digit)) return std::nullopt;
  std::uint64_t length = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), length);
  if (error != std::errc() || length > std::numeric_limits<std::int64_t>::max()) {
    return std::nullopt;
  }
  return length;
}

std::string to_lower(std::string_view text) {
  std::string lowered(text);
  std::transform(lowered.begin(), lowered.end(), lowered.begin(), lower);
  return lowered;
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

Result<void> check_outgoing(const Fields& fields) {
  for (const Field& field : fields.all()) {
    if (!valid_field_name(field.name)) {
      return fail(Code::kInternal, "a field name that must not be written");
    }
    if (!valid_field_value(field.value)) {
      return fail(Code::kInternal, "the value of " + field.name + " must not be written");
    }
  }
  return {};
}

Result<void> check_outgoing(const RequestHead& head) {
  if (!valid_method(head.method) || head.method == "CONNECT") {
    return fail(Code::kInternal, "a method that must not be written");
  }
  if (!valid_target(head.target)) {
    return fail(Code::kInternal, "a target that must not be written");
  }
  if (!valid_authority(head.authority)) {
    return fail(Code::kInternal, "an authority that must not be written");
  }
  return check_outgoing(head.fields);
}

Result<void> check_outgoing(const ResponseHead& head) {
  // 1xx answers are the codec's own; 101 would end HTTP on the connection.
  if (head.status < 200 || head.status > 599) {
    return fail(Code::kInternal, "a status that must not be written");
  }
  return check_outgoing(head.fields);
}

}  // namespace mandated::http
