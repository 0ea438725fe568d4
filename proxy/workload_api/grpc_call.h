// One call of the Workload API: a connection of its own, one message there, one or many back.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "proxy/base/clock.h"
#include "proxy/base/gate.h"
#include "proxy/http/client.h"
#include "proxy/net/socket.h"
#include "proxy/workload_api/grpc_frames.h"

namespace mandated::workload_api {

/// Who serves the API, and what is needed to ask him. All of it outlives the calls; connections'
/// readers and writers run in `gate`.
struct Agent {
  net::Dialer& dialer;
  Clock& clock;
  Gate& gate;
  net::Address address;
};

inline constexpr std::size_t kMessageBytesMax = 4U << 20U;

class GrpcCall {
 public:
  /// Connects, and sends the request with the header that the standard asks for. kRefused,
  /// kTimeout, kReset, kUnavailable: as http::ClientConnection says.
  static Task<Result<std::unique_ptr<GrpcCall>>> start(const Agent& agent, std::string_view method,
                                                       std::string_view request,
                                                       Clock::Time deadline);
  /// Cancels what is under way, and closes the connection.
  ~GrpcCall();
  GrpcCall(const GrpcCall&) = delete;
  GrpcCall& operator=(const GrpcCall&) = delete;

  /// The next message of the answer; nullopt: it has ended well. Errors as read_status and
  /// MessageReader say; kProtocol: whoever answers there speaks no gRPC. Not to be called again
  /// after the end or an error.
  Task<Result<std::optional<Secret>>> next();
  /// After it, everything fails with kTimeout.
  void set_deadline(Clock::Time deadline) { stream_->set_deadline(deadline); }
  /// Ends a pending next() with kCancelled.
  void cancel() { stream_->cancel(); }

 private:
  GrpcCall(std::shared_ptr<http::ClientConnection> connection,
           std::unique_ptr<http::ClientStream> stream);
  Task<Result<void>> read_head();

  std::shared_ptr<http::ClientConnection> connection_;
  std::unique_ptr<http::ClientStream> stream_;
  MessageReader messages_{kMessageBytesMax};
  bool headed_ = false;
  std::optional<http::Fields> whole_answer_;  // the head's fields, of an answer without messages
};

/// A call with one answer, all of it under `deadline`. kMalformed: none came, or more than one.
Task<Result<Secret>> ask_once(const Agent& agent, std::string_view method, std::string_view request,
                              Clock::Time deadline);

}  // namespace mandated::workload_api
