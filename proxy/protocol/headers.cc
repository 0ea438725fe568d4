// The header rules of Streamable HTTP. A message whose headers and body disagree is refused,
// because something between us and the server may act on either (2026-07-28, streamable HTTP,
// "Server Validation").
#include <algorithm>
#include <array>
#include <vector>

#include "proxy/protocol/mcp.h"

namespace mandated::protocol {

namespace {

// 2024-11-05 is older than this transport, but clients that agreed on it with a stdio server say
// so in the header.
constexpr auto kVersions = std::to_array<std::string_view>(
    {kStateless, kLatestWithSessions, "2025-06-18", "2025-03-26", "2024-11-05"});
constexpr std::string_view kAssumedVersion = "2025-03-26";  // 2025-11-25, "Protocol Version Header"
constexpr std::string_view kVersionKey = "io.modelcontextprotocol/protocolVersion";
constexpr std::string_view kCapabilitiesKey = "io.modelcontextprotocol/clientCapabilities";
constexpr std::string_view kEncodedPrefix = "=?base64?";
constexpr std::string_view kEncodedSuffix = "?=";
constexpr std::string_view kParamPrefix = "mcp-param-";
constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](char c) {
    return (c >= 'A' && c <= 'Z') ? static_cast<char>(c + ('a' - 'A')) : c;
  });
  return out;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const auto end = text.find(separator);
    parts.push_back(trimmed(text.substr(0, end)));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

// application/json, alone or with charset=utf-8: any other parameter might make a reader take the
// bytes for something else.
bool is_json_type(std::string_view value) {
  const std::vector<std::string_view> parts = split(value, ';');
  if (lower(parts[0]) != "application/json") return false;
  if (parts.size() == 1) return true;
  const std::string parameter = lower(parts[1]);
  return parts.size() == 2 && (parameter == "charset=utf-8" || parameter == "charset=\"utf-8\"");
}

bool zero_weight(std::string_view parameter) {
  std::string text = lower(parameter);
  if (!text.starts_with("q=")) return false;
  return text.find_first_not_of("0.", 2) == std::string::npos;
}

bool accepts(std::string_view accept, std::string_view type) {
  const std::string any_subtype = std::string(type.substr(0, type.find('/'))) + "/*";
  const std::vector<std::string_view> ranges = split(accept, ',');
  return std::any_of(ranges.begin(), ranges.end(), [&](std::string_view range) {
    const std::vector<std::string_view> parts = split(range, ';');
    const std::string wanted = lower(parts[0]);
    return (wanted == type || wanted == any_subtype || wanted == "*/*") &&
           std::none_of(parts.begin() + 1, parts.end(), zero_weight);
  });
}

// A page served by this very machine: scheme://localhost[:port] and the like, nothing after it.
bool is_loopback_origin(std::string_view origin) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    for (const std::string_view host : {"localhost", "127.0.0.1", "[::1]"}) {
      std::string_view rest = origin;
      if (!rest.starts_with(scheme)) continue;
      rest.remove_prefix(scheme.size());
      if (!rest.starts_with(host)) continue;
      rest.remove_prefix(host.size());
      if (rest.empty()) return true;
      return rest.size() > 1 && rest[0] == ':' &&
             rest.find_first_not_of("0123456789", 1) == std::string_view::npos;
    }
  }
  return false;
}

Accepted<void> check_origin(const http::Fields& fields, const UnderstandOptions& options) {
  if (fields.count("origin") == 0) return {};
  const auto origin = fields.single("origin");
  const auto& named = options.origins;
  if (origin && (named.empty() ? is_loopback_origin(*origin)
                               : std::find(named.begin(), named.end(), *origin) != named.end())) {
    return {};
  }
  return reject(403, kInvalidRequest, "Requests from this web origin are not let in.");
}

Accepted<void> check_media(const http::Fields& fields, std::string_view id) {
  const auto type = fields.single("content-type");
  if (!type || !is_json_type(*type)) {
    return reject(415, kInvalidRequest, "The Content-Type must be application/json.", id);
  }
  if (fields.count("content-encoding") != 0) {
    return reject(415, kInvalidRequest, "A Content-Encoding is not taken.", id);
  }
  const auto accept = fields.joined("accept");
  if (!accept || !accepts(*accept, "application/json") || !accepts(*accept, "text/event-stream")) {
    return reject(406, kInvalidRequest,
                  "The Accept header must list application/json and text/event-stream.", id);
  }
  return {};
}

tl::unexpected<Rejection> mismatch(std::string message, const Message& about) {
  return reject(400, kHeaderMismatch, std::move(message), about.id().empty() ? "null" : about.id());
}

tl::unexpected<Rejection> unsupported(std::string_view requested, std::string_view id) {
  Rejection rejection{400, kUnsupportedVersion, "Unsupported protocol version", std::string(id),
                      "{\"supported\":["};
  for (const std::string_view version : kVersions) {
    if (version != kVersions.front()) rejection.data += ',';
    json::append_quoted(version, rejection.data);
  }
  rejection.data += "],\"requested\":" + json::quoted(requested.substr(0, 64)) + "}";
  return tl::unexpected(std::move(rejection));
}

Accepted<std::string> check_version(const http::Fields& fields, const Message& message) {
  const std::string_view id = message.id().empty() ? "null" : std::string_view(message.id());
  const json::Value* in_body =
      message.meta() == nullptr ? nullptr : message.meta()->find(kVersionKey);
  if (in_body != nullptr && !in_body->is_string()) {
    return reject(400, kInvalidParams, "The protocol version in _meta must be a string.", id);
  }
  if (fields.count("mcp-protocol-version") == 0) {
    if (in_body != nullptr) return mismatch("The MCP-Protocol-Version header is missing.", message);
    return std::string(kAssumedVersion);
  }
  const auto version = fields.single("mcp-protocol-version");
  if (!version) return mismatch("The MCP-Protocol-Version header stands twice.", message);
  if (in_body != nullptr && in_body->string() != *version) {
    return mismatch("The MCP-Protocol-Version header does not match the protocol version in _meta.",
                    message);
  }
  if (!known_version(*version)) return unsupported(*version, id);
  return std::string(*version);
}

// What 2026-07-28 asks of a message beyond its headers (basic, "_meta").
Accepted<void> check_stateless(const Message& message) {
  if (message.is_response()) {
    return reject(400, kInvalidRequest, "Responses are not taken under 2026-07-28.");
  }
  if (!message.is_request()) return {};
  if (message.meta() == nullptr || message.meta()->find(kVersionKey) == nullptr) {
    return reject(400, kInvalidParams, "The protocol version is missing in params._meta.",
                  message.id());
  }
  const json::Value* capabilities = message.meta()->find(kCapabilitiesKey);
  if (capabilities == nullptr || !capabilities->is_object()) {
    return reject(400, kInvalidParams, "The client capabilities are missing in params._meta.",
                  message.id());
  }
  return {};
}

Accepted<void> check_method(const http::Fields& fields, const Message& message, bool required) {
  if (fields.count("mcp-method") == 0) {
    if (required) return mismatch("The Mcp-Method header is missing.", message);
    return {};
  }
  const auto value = fields.single("mcp-method");
  if (!value || message.is_response() || *value != message.method()) {
    return mismatch("The Mcp-Method header does not match the method in the body.", message);
  }
  return {};
}

// The member of params that Mcp-Name mirrors; empty where the specification names none.
std::string_view name_source(std::string_view method) {
  if (method == "tools/call" || method == "prompts/get") return "name";
  if (method.starts_with("resources/")) return "uri";
  if (method.starts_with("tasks/")) return "taskId";
  return {};
}

Accepted<void> check_name(const http::Fields& fields, const Message& message, bool required) {
  if (fields.count("mcp-name") == 0) {
    if (required) return mismatch("The Mcp-Name header is missing.", message);
    return {};
  }
  const auto value = fields.single("mcp-name");
  const std::string_view source = name_source(message.method());
  const auto in_body = source.empty() ? std::nullopt : message.param(source);
  const auto decoded = value ? decode_header_value(*value) : std::nullopt;
  if (!decoded || !in_body || *decoded != *in_body) {
    return mismatch("The Mcp-Name header does not match the body.", message);
  }
  return {};
}

bool says(const json::Value& value, std::string_view text) {
  if (value.is_string()) return value.string() == text;
  if (value.is_bool()) return text == (value.boolean() ? "true" : "false");
  if (!value.is_number()) return false;
  const auto document = json::Document::parse(text);
  return document && document->root().is_number() && document->root().number() == value.number();
}

// Properties are reached through objects only ("Schema Extension"). The depth is bounded by the
// parser.
bool says_anywhere(const json::Value& object, std::string_view text) {
  return std::any_of(object.object().begin(), object.object().end(),
                     [text](const json::Member& member) {
                       return member.value.is_object() ? says_anywhere(member.value, text)
                                                       : says(member.value, text);
                     });
}

// True unless an argument goes by the header's name and says something else.
bool agrees_with_namesake(const json::Value& arguments, std::string_view header,
                          std::string_view text) {
  return std::all_of(arguments.object().begin(), arguments.object().end(),
                     [&](const json::Member& member) {
                       return !looks_alike(member.name, header) || says(member.value, text);
                     });
}

// Which argument a Mcp-Param-* header mirrors stands in the tool's schema, which we do not have.
// But it mirrors one: a header that says what no argument says is a contradiction, and so is one
// that differs from the argument of its own name.
Accepted<void> check_params(const http::Fields& fields, const Message& message) {
  const json::Value* arguments =
      message.params() == nullptr ? nullptr : message.params()->find("arguments");
  for (const http::Field& field : fields.all()) {
    if (!field.name.starts_with(kParamPrefix)) continue;
    const auto value = fields.single(field.name);
    const auto decoded = value ? decode_header_value(*value) : std::nullopt;
    if (!decoded || message.method() != "tools/call" || arguments == nullptr ||
        !arguments->is_object() || !says_anywhere(*arguments, *decoded) ||
        !agrees_with_namesake(*arguments, field.name.substr(kParamPrefix.size()), *decoded)) {
      return mismatch("A Mcp-Param header does not match the arguments in the body.", message);
    }
  }
  return {};
}

std::optional<std::string> decode_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  std::string out;
  unsigned bits = 0;
  unsigned held = 0;
  const auto digits =
      static_cast<std::size_t>(std::find(text.begin(), text.end(), '=') - text.begin());
  if (text.size() - digits > 2 || text.find_first_not_of('=', digits) != std::string_view::npos) {
    return std::nullopt;
  }
  for (const char c : text.substr(0, digits)) {
    const auto value = kBase64.find(c);
    if (value == std::string_view::npos) return std::nullopt;
    bits = (bits << 6U | static_cast<unsigned>(value)) & 0xFFFFU;
    held += 6;
    if (held < 8) continue;
    held -= 8;
    out += static_cast<char>(bits >> held & 0xFFU);
  }
  // Bits that are left over must be zero: one text, one encoding.
  if ((bits & ((1U << held) - 1U)) != 0) return std::nullopt;
  return out;
}

std::string encode_base64(std::string_view bytes) {
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::array<unsigned, 3> group{};
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
    for (std::size_t j = 0; j < count; ++j) group[j] = static_cast<unsigned char>(bytes[i + j]);
    const unsigned value = group[0] << 16U | group[1] << 8U | group[2];
    out += kBase64[value >> 18U];
    out += kBase64[value >> 12U & 63U];
    out += count > 1 ? kBase64[value >> 6U & 63U] : '=';
    out += count > 2 ? kBase64[value & 63U] : '=';
  }
  return out;
}

bool is_encoded(std::string_view value) {
  return value.size() >= kEncodedPrefix.size() + kEncodedSuffix.size() &&
         value.starts_with(kEncodedPrefix) && value.ends_with(kEncodedSuffix);
}

bool is_plain(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= 0x20 && c < 0x7F) || c == '\t'; });
}

}  // namespace

bool known_version(std::string_view version) {
  return std::find(kVersions.begin(), kVersions.end(), version) != kVersions.end();
}

std::string encode_header_value(std::string_view text) {
  const bool safe = is_plain(text) && trimmed(text) == text && !text.empty() &&
                    !(text.starts_with(kEncodedPrefix) && text.ends_with(kEncodedSuffix));
  if (safe) return std::string(text);
  std::string value(kEncodedPrefix);
  value += encode_base64(text);
  value += kEncodedSuffix;
  return value;
}

std::optional<std::string> decode_header_value(std::string_view value) {
  if (is_encoded(value)) {
    value.remove_prefix(kEncodedPrefix.size());
    value.remove_suffix(kEncodedSuffix.size());
    return decode_base64(value);
  }
  if (!is_plain(value)) return std::nullopt;
  return std::string(value);
}

http::Fields message_fields(const Message& message, std::string_view version) {
  http::Fields fields;
  const json::Value* own = message.meta() == nullptr ? nullptr : message.meta()->find(kVersionKey);
  if (own != nullptr && own->is_string()) version = own->string();
  if (!version.empty()) fields.add("mcp-protocol-version", std::string(version));
  if (version != kStateless || message.is_response()) return fields;
  fields.add("mcp-method", std::string(message.method()));
  const std::string_view source = name_source(message.method());
  const auto name = source.empty() ? std::nullopt : message.param(source);
  if (name) fields.add("mcp-name", encode_header_value(*name));
  return fields;
}

Accepted<std::string> check_headers(const http::Fields& fields, const Message& message,
                                    const UnderstandOptions& options) {
  CHECK(check_origin(fields, options));
  CHECK(check_media(fields, message.id()));
  TRY(std::string version, check_version(fields, message));
  const bool stateless = version == kStateless;
  if (stateless) {
    CHECK(check_stateless(message));
  }
  const std::string_view method = message.method();
  const bool named =
      method == "tools/call" || method == "resources/read" || method == "prompts/get";
  CHECK(check_method(fields, message, stateless && message.is_request()));
  CHECK(check_name(fields, message, stateless && message.is_request() && named));
  CHECK(check_params(fields, message));
  return version;
}

Accepted<std::string> check_stream_headers(const http::RequestHead& head,
                                           const UnderstandOptions& options) {
  CHECK(check_origin(head.fields, options));
  std::string version(kAssumedVersion);
  if (head.fields.count("mcp-protocol-version") != 0) {
    const auto named = head.fields.single("mcp-protocol-version");
    if (!named || !known_version(*named)) return unsupported(named.value_or(""), "null");
    version = *named;
  }
  if (version == kStateless) {
    return reject(405, kInvalidRequest, "2026-07-28 has no sessions: only POST is taken.");
  }
  if (head.method != "GET") return version;
  const auto accept = head.fields.joined("accept");
  if (!accept || !accepts(*accept, "text/event-stream")) {
    return reject(406, kInvalidRequest, "The Accept header must list text/event-stream.");
  }
  return version;
}

}  // namespace mandated::protocol
