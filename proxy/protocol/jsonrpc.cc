#include "proxy/protocol/jsonrpc.h"

#include <algorithm>
#include <array>
#include <vector>

namespace mandated::protocol {

namespace {

constexpr std::size_t kMethodBytesMax = 256;
constexpr std::size_t kIdBytesMax = 1024;

// Members of params that decide what a call does, in any revision and extension.
constexpr auto kParamNames = std::to_array<std::string_view>(
    {"_meta", "name", "arguments", "uri", "ref", "argument", "context", "cursor", "task", "taskId",
     "requestId", "progressToken", "notifications", "level", "inputResponses", "clientInfo",
     "requestState", "capabilities", "protocolVersion"});
constexpr auto kMetaNames = std::to_array<std::string_view>(
    {"io.mandated/receipt", "io.mandated/proof", "io.modelcontextprotocol/protocolVersion",
     "io.modelcontextprotocol/clientCapabilities", "io.modelcontextprotocol/clientInfo",
     "io.modelcontextprotocol/subscriptionId", "progressToken"});

// What Go's encoding/json makes of a name before it compares (foldName): upper case by Unicode's
// simple folding, which maps U+017F to S and U+212A to K.
char next_folded(std::string_view text, std::size_t& at) {
  if (text.substr(at, 2) == "\xC5\xBF") {
    at += 2;
    return 's';
  }
  if (text.substr(at, 3) == "\xE2\x84\xAA") {
    at += 3;
    return 'k';
  }
  const char c = text[at++];
  return (c >= 'A' && c <= 'Z') ? static_cast<char>(c + ('a' - 'A')) : c;
}

std::string folded(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) out += next_folded(text, at);
  return out;
}

bool is_visible_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7F; });
}

Rejection from_parse_error(const json::ParseError& error) {
  const bool large = error.reason == json::ParseError::Reason::kTooLarge;
  return Rejection{large ? 413 : 400, kParseError, "The body is no strict JSON: " + error.text,
                   "null", std::string()};
}

// MCP asks for a string or an integer; null is what other readers take for a notification.
bool valid_id(const json::Value& id) {
  if (id.is_string()) return id.string().size() <= kIdBytesMax;
  return id.integer().has_value();
}

bool valid_error(const json::Value& error) {
  const json::Value* code = error.find("code");
  return error.is_object() && code != nullptr && code->integer() && error.find_string("message");
}

}  // namespace

bool looks_alike(std::string_view a, std::string_view b) {
  std::size_t at_a = 0;
  std::size_t at_b = 0;
  while (at_a < a.size() && at_b < b.size()) {
    if (next_folded(a, at_a) != next_folded(b, at_b)) return false;
  }
  return at_a == a.size() && at_b == b.size();
}

std::string_view find_look_alike(const json::Value& object,
                                 std::span<const std::string_view> names) {
  const std::span<const json::Member> members = object.object();
  for (const json::Member& member : members) {
    for (const std::string_view known : names) {
      if (looks_alike(member.name, known) && member.name != known) return member.name;
    }
  }
  // Pairs are cheapest for the few members of an honest message.
  constexpr std::size_t kFew = 16;
  if (members.size() <= kFew) {
    for (std::size_t one = 0; one < members.size(); ++one) {
      for (std::size_t other = 0; other < one; ++other) {
        if (looks_alike(members[one].name, members[other].name)) return members[other].name;
      }
    }
    return {};
  }
  std::vector<std::pair<std::string, std::string_view>> seen;
  seen.reserve(members.size());
  for (const json::Member& member : members) seen.emplace_back(folded(member.name), member.name);
  std::sort(seen.begin(), seen.end());
  const auto twin = std::adjacent_find(
      seen.begin(), seen.end(), [](const auto& a, const auto& b) { return a.first == b.first; });
  return twin == seen.end() ? std::string_view() : twin->second;
}

std::optional<std::string_view> Message::param(std::string_view name) const {
  if (params_ == nullptr) return std::nullopt;
  return params_->find_string(name);
}

Accepted<Message> parse_message(std::string_view body, Origin origin, const json::Limits& limits) {
  auto document = json::Document::parse(body, limits);
  if (!document) return tl::unexpected(from_parse_error(document.error()));
  Message message(std::move(*document));
  const json::Value& root = message.root();
  if (root.is_array()) {
    return reject(400, kInvalidRequest, "Batches are not taken: send one message per request.");
  }
  if (!root.is_object()) {
    return reject(400, kInvalidRequest, "The body is no JSON-RPC message: it is not an object.");
  }

  const json::Value* id = nullptr;
  const json::Value* method = nullptr;
  bool version = false;
  for (const json::Member& member : root.object()) {
    if (member.name == "jsonrpc") {
      version = member.value.is_string() && member.value.string() == "2.0";
    } else if (member.name == "id") {
      id = &member.value;
    } else if (member.name == "method") {
      method = &member.value;
    } else if (member.name == "params") {
      message.params_ = &member.value;
    } else if (member.name == "result") {
      message.result_ = &member.value;
    } else if (member.name == "error") {
      message.error_ = &member.value;
    } else {
      return reject(400, kInvalidRequest,
                    "The message has a member that JSON-RPC does not know: " +
                        json::quoted(member.name.substr(0, 64)) + ".");
    }
  }
  if (id != nullptr && !(origin == Origin::kServer && id->is_null() && message.error_ != nullptr)) {
    if (!valid_id(*id)) {
      return reject(400, kInvalidRequest, "The id must be a string or an integer.");
    }
    message.id_ = json::canonical(*id);
  }
  const std::string_view known_id = message.id_.empty() ? "null" : std::string_view(message.id_);
  if (!version) {
    return reject(400, kInvalidRequest, "The member \"jsonrpc\" must be \"2.0\".", known_id);
  }

  if (method == nullptr) {
    message.kind_ = Kind::kResponse;
    if ((message.result_ == nullptr) == (message.error_ == nullptr) || message.params_ != nullptr) {
      return reject(400, kInvalidRequest,
                    "The message is neither a request nor a response: it needs a method, or one "
                    "of result and error.",
                    known_id);
    }
    if (message.error_ != nullptr && !valid_error(*message.error_)) {
      return reject(400, kInvalidRequest, "The error needs an integer code and a message.",
                    known_id);
    }
    if (message.id_.empty() && !(origin == Origin::kServer && message.error_ != nullptr)) {
      return reject(400, kInvalidRequest, "A response needs the id of its request.");
    }
    return message;
  }

  if (message.result_ != nullptr || message.error_ != nullptr) {
    return reject(400, kInvalidRequest, "A request holds no result and no error.", known_id);
  }
  if (!method->is_string() || method->string().empty() ||
      method->string().size() > kMethodBytesMax || !is_visible_ascii(method->string())) {
    return reject(400, kInvalidRequest, "The method must be a name in visible ASCII.", known_id);
  }
  message.method_ = method->string();
  message.kind_ = id == nullptr ? Kind::kNotification : Kind::kRequest;
  // A call without an id would be carried out by some servers and answered by none.
  if ((message.kind_ == Kind::kNotification) != message.method_.starts_with("notifications/")) {
    return reject(
        400, kInvalidRequest,
        message.kind_ == Kind::kRequest ? "A notification has no id." : "A request needs an id.",
        known_id);
  }
  if (message.params_ == nullptr) return message;
  if (!message.params_->is_object()) {
    return reject(400, kInvalidRequest, "The params must be an object.", known_id);
  }
  message.meta_ = message.params_->find("_meta");
  if (message.meta_ != nullptr && !message.meta_->is_object()) {
    return reject(400, kInvalidParams, "The member params._meta must be an object.", known_id);
  }
  if (origin == Origin::kServer) return message;
  std::string_view twin = find_look_alike(*message.params_, kParamNames);
  if (twin.empty() && message.meta_ != nullptr) twin = find_look_alike(*message.meta_, kMetaNames);
  if (!twin.empty()) {
    return reject(400, kInvalidRequest,
                  "A member of params could be read as another one that differs only by case: " +
                      json::quoted(twin.substr(0, 64)) + ".",
                  known_id);
  }
  return message;
}

std::string error_response(std::string_view id, int code, std::string_view message,
                           std::string_view data) {
  std::string out = "{\"jsonrpc\":\"2.0\",\"id\":";
  out += id.empty() ? "null" : id;
  out += ",\"error\":{\"code\":" + std::to_string(code) + ",\"message\":";
  json::append_quoted(message, out);
  if (!data.empty()) out.append(",\"data\":").append(data);
  out += "}}";
  return out;
}

std::string error_response(const Rejection& rejection) {
  return error_response(rejection.id, rejection.code, rejection.message, rejection.data);
}

http::Response to_response(const Rejection& rejection) {
  http::Response response =
      http::make_response(rejection.status, "application/json", error_response(rejection));
  if (rejection.status == 405) response.head.fields.add("allow", "GET, POST, DELETE");
  return response;
}

}  // namespace mandated::protocol
