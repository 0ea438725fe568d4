#include <utility>

#include "proxy/fetch/fetch.h"
#include "proxy/fetch/target.h"
#include "proxy/http/client.h"

namespace mandated::fetch {

namespace {

http::RequestHead head_of(const Request& request, const Target& target) {
  http::RequestHead head;
  head.method = request.method;
  head.scheme = target.tls ? "https" : "http";
  head.authority = target.authority;
  head.target = target.path;
  head.fields.add("accept", request.accept);
  head.fields.add("accept-encoding", "identity");
  head.fields.add("user-agent", "mandated");
  if (request.method == "POST") {
    head.fields.add("content-type", request.content_type);
    head.fields.add("content-length", std::to_string(request.body.size()));
  }
  return head;
}

Result<void> check_head(const http::ResponseHead& head) {
  if (head.status >= 300 && head.status < 400) {
    return fail(
        Code::kProtocol, Side::kUpstream,
        "it answers with a redirect (" + std::to_string(head.status) + "), which is not followed");
  }
  if (head.fields.joined("content-encoding").value_or("identity") != "identity") {
    return fail(Code::kUnsupported, Side::kUpstream, "its answer has a content coding");
  }
  return {};
}

class WebFetcher final : public Fetcher {
 public:
  WebFetcher(net::Dialer& dialer, Clock& clock, Gate& gate, tls::WebRootsPtr roots)
      : dialer_(dialer), clock_(clock), gate_(gate), roots_(std::move(roots)) {}

  Task<Result<Response>> fetch(const Request& request, Clock::Time deadline) override {
    CO_TRY(const Target target, parse_target(request.url));
    if (request.method != "GET" && request.method != "POST") {
      co_return fail(Code::kInternal, "only GET and POST are fetched");
    }
    Result<Response> response = co_await ask(request, target, deadline);
    if (response) co_return response;
    Error error = std::move(response).error();
    // A stream whose deadline passed is cut: what the codec saw of it is not the cause.
    if (clock_.now() >= deadline) {
      error = Error{Code::kTimeout, Side::kUpstream, "it did not answer in time"};
    }
    error.side = Side::kUpstream;
    error.text = target.authority + ": " + error.text;
    co_return Failure(std::move(error));
  }

 private:
  Task<Result<Response>> ask(const Request& request, const Target& target, Clock::Time deadline) {
    CO_TRY(net::StreamPtr stream, co_await connect(target, deadline));
    stream->set_deadline(deadline);
    const std::shared_ptr<http::ClientConnection> connection =
        http::make_http1_client(std::move(stream), http::ClientLimits{}, clock_, gate_);
    Result<Response> response = co_await exchange(*connection, request, target);
    connection->close();
    co_return response;
  }

  Task<Result<net::StreamPtr>> connect(const Target& target, Clock::Time deadline) {
    if (target.tls && !roots_) {
      co_return fail(Code::kUnavailable, "there is no file of certificate authorities");
    }
    CO_TRY(net::StreamPtr stream, co_await dialer_.dial(target.address, deadline));
    if (!target.tls) co_return stream;
    CO_TRY(tls::ContextPtr context,
           tls::make_web_client_context(roots_, target.address.host, {"http/1.1"}));
    CO_TRY(tls::TlsStreamPtr session,
           co_await tls::connect(std::move(stream), std::move(context), clock_, deadline));
    co_return net::StreamPtr(std::move(session));
  }

  static Task<Result<Response>> exchange(http::ClientConnection& connection, const Request& request,
                                         const Target& target) {
    const http::RequestHead head = head_of(request, target);
    const bool post = request.method == "POST";
    CO_TRY(const std::unique_ptr<http::ClientStream> stream,
           co_await connection.start(head, !post));
    // A server may answer without having read everything: what it says counts.
    if (post) static_cast<void>(co_await stream->send(request.body, true));
    CO_TRY(http::ResponseHead answer, co_await stream->response());
    CO_CHECK(check_head(answer));
    Response response;
    CO_TRY(response.body, co_await http::read_all(stream->body(), request.answer_bytes_max));
    response.status = answer.status;
    response.fields = std::move(answer.fields);
    co_return response;
  }

  net::Dialer& dialer_;
  Clock& clock_;
  Gate& gate_;
  const tls::WebRootsPtr roots_;
};

}  // namespace

std::unique_ptr<Fetcher> make_fetcher(net::Dialer& dialer, Clock& clock, Gate& gate,
                                      tls::WebRootsPtr roots) {
  return std::make_unique<WebFetcher>(dialer, clock, gate, std::move(roots));
}

}  // namespace mandated::fetch
