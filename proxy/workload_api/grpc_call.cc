#include "proxy/workload_api/grpc_call.h"

#include <utility>

namespace mandated::workload_api {

namespace {

http::RequestHead head_of(std::string_view method) {
  http::RequestHead head;
  head.method = "POST";
  head.scheme = "http";
  head.authority = "localhost";
  head.target = "/SpiffeWorkloadAPI/" + std::string(method);
  head.fields.add("te", "trailers");
  head.fields.add("content-type", "application/grpc");
  head.fields.add("workload.spiffe.io", "true");
  head.fields.add("user-agent", "mandated");
  return head;
}

bool is_grpc(std::string_view content_type) {
  constexpr std::string_view kGrpc = "application/grpc";
  if (!content_type.starts_with(kGrpc)) return false;
  const std::string_view rest = content_type.substr(kGrpc.size());
  return rest.empty() || rest.front() == '+' || rest.front() == ';';
}

}  // namespace

GrpcCall::GrpcCall(std::shared_ptr<http::ClientConnection> connection,
                   std::unique_ptr<http::ClientStream> stream)
    : connection_(std::move(connection)), stream_(std::move(stream)) {}

GrpcCall::~GrpcCall() {
  stream_.reset();
  connection_->close();
}

Task<Result<std::unique_ptr<GrpcCall>>> GrpcCall::start(const Agent& agent, std::string_view method,
                                                        std::string_view request,
                                                        Clock::Time deadline) {
  CO_TRY(net::StreamPtr transport, co_await agent.dialer.dial(agent.address, deadline));
  http::ClientLimits limits;
  limits.wipes_bodies = true;  // there are private keys in them
  std::shared_ptr<http::ClientConnection> connection =
      http::make_http2_client(std::move(transport), limits, agent.clock, agent.gate);
  const http::RequestHead head = head_of(method);
  Result<std::unique_ptr<http::ClientStream>> stream = co_await connection->start(head, false);
  if (!stream) {
    connection->close();
    co_return Failure(std::move(stream).error());
  }
  std::unique_ptr<GrpcCall> call(new GrpcCall(std::move(connection), std::move(*stream)));
  call->set_deadline(deadline);
  const std::string framed = frame_message(request);
  // An agent may answer without having read the request: what it says counts.
  static_cast<void>(co_await call->stream_->send(framed, true));
  co_return call;
}

Task<Result<void>> GrpcCall::read_head() {
  CO_TRY(const http::ResponseHead head, co_await stream_->response());
  if (head.status != 200 || !is_grpc(head.fields.single("content-type").value_or(""))) {
    co_return fail(Code::kProtocol, Side::kUpstream,
                   "whoever answers at the endpoint speaks no gRPC (HTTP status " +
                       std::to_string(head.status) + ")");
  }
  headed_ = true;
  // An answer without messages may be a head alone, with the trailers' fields in it.
  if (head.fields.count("grpc-status") > 0) whole_answer_ = head.fields;
  co_return Result<void>();
}

Task<Result<std::optional<Secret>>> GrpcCall::next() {
  if (!headed_) {
    CO_CHECK(co_await read_head());
  }
  while (true) {
    Result<std::optional<Secret>> message = messages_.next();
    if (!message || *message) co_return message;
    Result<std::string> piece = co_await stream_->body().read();
    if (!piece) co_return Failure(std::move(piece).error());
    if (piece->empty()) break;
    messages_.add(*piece);
    wipe(*piece);
  }
  CO_CHECK(read_status(whole_answer_ ? *whole_answer_ : stream_->trailers()));
  if (!messages_.empty()) {
    co_return fail(Code::kMalformed, Side::kUpstream, "the answer ends within a message");
  }
  co_return std::nullopt;
}

Task<Result<Secret>> ask_once(const Agent& agent, std::string_view method, std::string_view request,
                              Clock::Time deadline) {
  CO_TRY(const std::unique_ptr<GrpcCall> call,
         co_await GrpcCall::start(agent, method, request, deadline));
  CO_TRY(std::optional<Secret> answer, co_await call->next());
  if (!answer) co_return fail(Code::kMalformed, Side::kUpstream, "the agent gave no answer");
  CO_TRY(const std::optional<Secret> more, co_await call->next());
  if (more) co_return fail(Code::kMalformed, Side::kUpstream, "the agent gave two answers");
  co_return std::move(*answer);
}

}  // namespace mandated::workload_api
