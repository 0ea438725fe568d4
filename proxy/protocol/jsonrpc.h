// JSON-RPC 2.0 as MCP uses it: one message, parsed once and strictly, kept together with its bytes.
// What is checked here is what everybody behind us will read, so whatever two parsers could read
// differently is refused: duplicate or unknown members, look-alikes that differ only by case (Go's
// encoding/json matches names case-insensitively), batches, null or fractional ids.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "proxy/http/message.h"
#include "proxy/json/json.h"

namespace mandated::protocol {

// Codes of JSON-RPC 2.0 section 5.1 and of MCP 2026-07-28 (basic, "Error Codes").
inline constexpr int kParseError = -32700;
inline constexpr int kInvalidRequest = -32600;
inline constexpr int kMethodNotFound = -32601;
inline constexpr int kInvalidParams = -32602;
inline constexpr int kInternalError = -32603;
inline constexpr int kServerGone = -32000;   ///< the server behind us ended or cannot be reached
inline constexpr int kCallRefused = -32010;  ///< a receipt does not permit the call
inline constexpr int kHeaderMismatch = -32020;
inline constexpr int kUnsupportedVersion = -32022;

/// Why a message is not taken, as the client will read it. Malformed input has a 4xx status;
/// whatever the client's program should read as an answer has 200, because the official SDKs do not
/// look into the body of another status.
struct Rejection {
  int status = 400;
  int code = kInvalidRequest;
  std::string message;
  std::string id = "null";  ///< the request's id as JSON, where it could be read
  std::string data;         ///< JSON, or empty
};
template <class T>
using Accepted = tl::expected<T, Rejection>;

[[nodiscard]] inline tl::unexpected<Rejection> reject(int status, int code, std::string message,
                                                      std::string_view id = "null") {
  return tl::unexpected(Rejection{status, code, std::move(message), std::string(id), {}});
}

/// The JSON-RPC error as bytes. `id` and `data` are JSON; empty `data` is left out.
std::string error_response(std::string_view id, int code, std::string_view message,
                           std::string_view data = {});
std::string error_response(const Rejection& rejection);
/// The same as an HTTP response (application/json; 405 names the methods that exist).
http::Response to_response(const Rejection& rejection);

enum class Kind : std::uint8_t { kRequest, kNotification, kResponse };

/// Who wrote a message. A server may answer an unreadable request with an error that has no id.
enum class Origin : std::uint8_t { kClient, kServer };

class Message {
 public:
  Kind kind() const { return kind_; }
  bool is_request() const { return kind_ == Kind::kRequest; }
  bool is_response() const { return kind_ == Kind::kResponse; }

  /// The id as JSON (`7`, `"a"`), canonical, so that `1` and `1.0` are one id; empty for
  /// notifications and for errors without one.
  const std::string& id() const { return id_; }
  /// Empty for responses.
  std::string_view method() const { return method_; }
  /// An object, or null when absent.
  const json::Value* params() const { return params_; }
  /// `params._meta`: an object, or null when absent.
  const json::Value* meta() const { return meta_; }
  /// The string params[name], or nullopt.
  std::optional<std::string_view> param(std::string_view name) const;
  /// Of a response: its result or its error; null when it is the other.
  const json::Value* result() const { return result_; }
  const json::Value* error() const { return error_; }

  const json::Value& root() const { return document_.root(); }
  /// The bytes as they came, without white space around them.
  std::string_view bytes() const { return document_.root().raw(); }

 private:
  friend Accepted<Message> parse_message(std::string_view, Origin, const json::Limits&);
  explicit Message(json::Document document) : document_(std::move(document)) {}

  json::Document document_;
  Kind kind_ = Kind::kRequest;
  std::string id_;
  std::string_view method_;
  const json::Value* params_ = nullptr;
  const json::Value* meta_ = nullptr;
  const json::Value* result_ = nullptr;
  const json::Value* error_ = nullptr;
};

/// Exactly one message. -32700 for what is no strict JSON, -32600 for what is no JSON-RPC message.
Accepted<Message> parse_message(std::string_view body, Origin origin = Origin::kClient,
                                const json::Limits& limits = {});

/// True if Go's encoding/json, or another reader that ignores case, could take `a` for `b`: ASCII
/// case, and the two code points that Unicode folds into ASCII (U+017F, U+212A).
bool looks_alike(std::string_view a, std::string_view b);

/// The name of a member of `object` that looks like one of `names` without being it, or of two
/// members that look alike; empty if there is none.
std::string_view find_look_alike(const json::Value& object,
                                 std::span<const std::string_view> names);

}  // namespace mandated::protocol
