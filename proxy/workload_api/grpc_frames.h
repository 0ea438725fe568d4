// gRPC's messages in an HTTP/2 body, and the status that ends a call
// (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md).
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "proxy/base/result.h"
#include "proxy/base/secret.h"
#include "proxy/http/message.h"

namespace mandated::workload_api {

/// A message with the five bytes that go before it.
std::string frame_message(std::string_view message);

/// Cuts a body into its messages, however its pieces come.
class MessageReader {
 public:
  explicit MessageReader(std::size_t message_bytes_max) : message_bytes_max_(message_bytes_max) {}
  ~MessageReader() { wipe(held_); }
  MessageReader(const MessageReader&) = delete;
  MessageReader& operator=(const MessageReader&) = delete;

  void add(std::string_view piece);
  /// The next message that is whole; nullopt: more is needed. kTooLarge, and kUnsupported for a
  /// compressed one, as soon as the five bytes say so; not to be called again after that.
  Result<std::optional<Secret>> next();
  /// No message has begun.
  bool empty() const { return held_.empty(); }

 private:
  std::size_t message_bytes_max_;
  std::string held_;
};

/// What the trailers say: success, or the status as an error. kDenied: PERMISSION_DENIED or
/// UNAUTHENTICATED; kInternal: INVALID_ARGUMENT, so a mistake of ours; kUnsupported: UNIMPLEMENTED;
/// kTimeout: DEADLINE_EXCEEDED; kOverloaded: RESOURCE_EXHAUSTED; kEnd: CANCELLED; kUnavailable: any
/// other; kMalformed: there is no status, or it is none.
Result<void> read_status(const http::Fields& trailers);

}  // namespace mandated::workload_api
