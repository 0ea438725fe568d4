// The tool server of the benchmark: mTLS, HTTP/1.1 and HTTP/2, and one fixed JSON-RPC result to
// every POST. Run by bench/run behind each proxy that is measured; it ends with SIGTERM.
#include <CLI/CLI.hpp>
#include <boost/asio/signal_set.hpp>
#include <memory>

#include "bench/party.h"
#include "proxy/base/gate.h"
#include "proxy/http/server.h"
#include "proxy/net/socket.h"
#include "proxy/tls/tls.h"

namespace mandated::bench {

namespace {

constexpr std::size_t kBodyBytesMax = 1U << 20U;
constexpr std::string_view kResult =
    R"({"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"The quick brown fox jumps over the lazy dog."}]}})";

class EchoHandler final : public http::Handler {
 public:
  Task<void> handle(http::ServerStream& stream) override {
    const Result<std::string> body = co_await http::read_all(stream.body(), kBodyBytesMax);
    if (!body) co_return;
    http::ResponseHead head;
    head.status = 200;
    head.fields.add("content-type", "application/json");
    head.fields.add("content-length", std::to_string(kResult.size()));
    const Result<void> began = co_await stream.respond(head, false);
    if (!began) co_return;
    const Result<void> sent = co_await stream.send(kResult, true);
    if (!sent) stream.reset();
  }
};

struct Server {
  Clock& clock;
  Gate& gate;
  tls::ContextPtr context;
  EchoHandler handler;
  http::ServerLimits limits;
};

Task<void> serve(Server& server, net::StreamPtr stream) {
  const Clock::Time deadline = server.clock.now() + std::chrono::seconds(5);
  Result<tls::TlsStreamPtr> secured =
      co_await tls::accept(std::move(stream), server.context, server.clock, deadline);
  if (!secured) co_return;
  tls::TlsStream& session = **secured;
  session.set_deadline(Clock::Time::max());
  if (session.alpn() == "h2") {
    const Result<void> ended = co_await http::serve_http2(session, server.limits, server.clock,
                                                          server.gate, server.handler, "https");
    (void)ended;
  } else {
    const Result<void> ended = co_await http::serve_http1(session, server.limits, server.clock,
                                                          server.gate, server.handler, "https");
    (void)ended;
  }
}

Task<void> accept_all(Server& server, net::Listener& listener) {
  while (true) {
    Result<net::StreamPtr> stream = co_await listener.accept();
    if (!stream) co_return;
    server.gate.spawn(serve(server, std::move(*stream)));
  }
}

void run(const std::string& address, const std::string& state, const std::string& id) {
  boost::asio::io_context context(1);
  RealClock clock(context);
  Gate gate(context.get_executor());
  auto credentials = tls::make_server_context(identity_of(state, id, clock.wall()), {});
  if (!credentials) give_up_on("credentials", credentials.error());
  Server server{clock, gate, *credentials, {}, {}};
  server.limits.idle_timeout = std::chrono::hours(1);

  const auto parsed = net::Address::parse(address);
  if (!parsed) give_up_on(address, parsed.error());
  auto bound = net::BoundAddress::bind(*parsed);
  if (!bound) give_up_on(address, bound.error());
  auto listener = (*bound)->listen(clock);
  if (!listener) give_up_on(address, listener.error());
  gate.spawn(accept_all(server, **listener));
  boost::asio::signal_set signals(context, SIGTERM, SIGINT);
  signals.async_wait([&context](const boost::system::error_code&, int) { context.stop(); });
  context.run();
}

}  // namespace

}  // namespace mandated::bench

int main(int argc, char** argv) {
  CLI::App app("The tool server of the benchmark");
  std::string address;
  std::string state;
  std::string id;
  app.add_option("--listen", address)->required();
  app.add_option("--state", state)->required();
  app.add_option("--spiffe-id", id)->required();
  CLI11_PARSE(app, argc, argv);
  mandated::bench::run(address, state, id);
  return 0;
}
