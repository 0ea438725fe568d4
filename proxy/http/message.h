// HTTP messages as the rest of the proxy sees them, whatever version carried them (RFC 9110). Field
// names are lower case. Bodies are pulled: nothing is read from the peer before somebody asks, so
// back-pressure needs no machinery.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/base/task.h"

namespace mandated::http {

struct Field {
  std::string name;  ///< lower case
  std::string value;
};

class Fields {
 public:
  /// The value of the only field of that name; nullopt when absent or when it stands more than
  /// once.
  std::optional<std::string_view> single(std::string_view name) const;
  /// All values of that name, joined by ", " (RFC 9110 section 5.3); nullopt when absent.
  std::optional<std::string> joined(std::string_view name) const;
  std::size_t count(std::string_view name) const;
  void add(std::string name, std::string value);
  void set(std::string name, std::string value);  ///< replaces all of that name
  void remove(std::string_view name);
  const std::vector<Field>& all() const { return fields_; }

 private:
  std::vector<Field> fields_;
};

struct RequestHead {
  std::string method;
  std::string scheme;     ///< "http" or "https": what the connection is, not what the peer claims
  std::string authority;  ///< host[:port], lower case; empty only under HTTP/1.0
  std::string target;     ///< origin-form: path and query, begins with '/'; or "*" (OPTIONS)
  Fields fields;          ///< without host, expect, connection-specific and framing fields
};

struct ResponseHead {
  int status = 0;
  Fields fields;  ///< without connection-specific and framing fields; content-length is kept as
                  ///< information
};

/// A body that is pulled piece by piece.
class Body {
 public:
  virtual ~Body() = default;
  /// The next piece, at most about 16 KiB; empty at the end. Not to be called again after the end
  /// or an error.
  virtual Task<Result<std::string>> read() = 0;
  /// True once it is known, without reading, that nothing follows: spares an empty last frame.
  virtual bool ended() const { return false; }
};
using BodyPtr = std::unique_ptr<Body>;

/// A body that is already here.
class StringBody final : public Body {
 public:
  explicit StringBody(std::string bytes) : bytes_(std::move(bytes)) {}
  Task<Result<std::string>> read() override;
  bool ended() const override { return bytes_.empty(); }

 private:
  std::string bytes_;
};

/// The whole body, or kTooLarge once more than `bytes_max` came.
Task<Result<std::string>> read_all(Body& body, std::size_t bytes_max);

struct Response {
  ResponseHead head;
  BodyPtr body;  ///< never null
};

/// A response with a body that is already here; sets content-length and content-type.
Response make_response(int status, std::string_view content_type, std::string body);

}  // namespace mandated::http
