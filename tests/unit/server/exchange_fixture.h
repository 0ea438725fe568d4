// One proxy on memory pipes between a caller and a server, for tests of the way of a call.
#pragma once

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>

#include "proxy/audit/memory_sink.h"
#include "proxy/http/client.h"
#include "proxy/server/exchange.h"
#include "tests/sim/sim_network.h"
#include "tests/support/fake_fetcher.h"

namespace mandated::server {

using namespace std::chrono_literals;

inline constexpr std::string_view kConfig = R"(
version: 1
role: inbound
workers: 1
listeners: [{name: agent, address: "127.0.0.1:1000", tls: none}]
routes:
  - {name: open, path: /open, upstream: tool, mandate: "off"}
  - {name: plain, path: /plain, protocol: http, upstream: tool, mandate: "off"}
  - {name: guarded, path: /mcp, upstream: tool, mandate: {audiences: ["spiffe://test.example/tool"]}}
upstreams: [{name: tool, url: "http://127.0.0.1:3000"}]
receipts: {anchors: [{jwk: {kty: OKP, crv: Ed25519, x: 11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo}}]}
audit: {file: test.jsonl, mode: before}
limits: {body_bytes_max: 64KiB, json_depth_max: 16, buffered_bytes_max: 300KiB}
timeouts: {call: 5s, body: 3s}
)";

// Answers as told and remembers what it saw.
class Server final : public http::Handler {
 public:
  Task<void> handle(http::ServerStream& stream) override {
    const Result<std::string> body = co_await http::read_all(stream.body(), 1U << 20U);
    seen.push_back(stream.head().method + " " + stream.head().target + " " + (body ? *body : "?"));
    if (answer) {
      http::ServerStream* current = &stream;
      co_await answer(*current);
    }
  }
  std::vector<std::string> seen;
  std::function<Task<void>(http::ServerStream&)> answer;
};

class ExchangeTest : public testing::Test {
 protected:
  explicit ExchangeTest(receipt::AnchorSet anchors = {},
                        std::unique_ptr<Ledger> ledger = make_memory_ledger())
      : config_(load()),
        metrics_(names(), admin::BuildInfo{}),
        anchors_(std::move(anchors)),
        ledger_(std::move(ledger)),
        shared_{config_,       audit_,     metrics_, anchors_, replays_.get(),
                ledger_.get(), approvals_, {},       {},       &lists_} {
    worker_ = std::move(*Worker::make(shared_, clock_, rng_, network_, nullptr, nullptr));
    worker_->listen(network_.listen({"127.0.0.1", 1000, {}}), config_.listeners.front());
    listener_ = network_.listen({"127.0.0.1", 3000, {}});
    gate_.spawn(accept());
  }
  ~ExchangeTest() override {
    bool drained = false;
    Gate gate(context_.get_executor());
    gate.spawn(drain(drained));
    EXPECT_TRUE(clock_.run_until([&] { return drained; }, 60s));
    listener_->close();
    gate_.drain();
    EXPECT_TRUE(clock_.run_until([&] { return gate_.active() == 0; }, 120s));
    EXPECT_EQ(shared_.buffered_bytes, 0U);
    EXPECT_EQ(shared_.connections, 0U);
  }

  static config::Config load() {
    config::Loaded loaded = config::load_text("test.yaml", kConfig);
    if (!loaded) ADD_FAILURE() << config::to_string(loaded.error());
    return std::move(*loaded);
  }
  static StatusOptions status_options(const receipt::AnchorSet& anchors) {
    StatusOptions options;
    options.settings.lists = {"https://lists.test.example"};
    options.anchors = anchors;
    return options;
  }
  admin::Metrics::Names names() const {
    return {{"agent"}, {"open", "plain", "guarded"}, {"tool"}, {}};
  }
  Task<void> drain(bool& drained) {
    co_await worker_->drain();
    drained = true;
  }
  Task<void> accept() {
    while (true) {
      Result<net::StreamPtr> stream = co_await listener_->accept();
      if (!stream) co_return;
      gate_.spawn(serve(std::move(*stream)));
    }
  }
  Task<void> serve(net::StreamPtr stream) {
    static_cast<void>(
        co_await http::serve_cleartext(*stream, http::ServerLimits{}, clock_, gate_, server_));
  }

  struct Answer;
  // A call of which a byte comes each second.
  Task<void> trickle(Answer& answer) {
    const net::Address proxy{"127.0.0.1", 1000, {}};
    Result<net::StreamPtr> stream = co_await network_.dial(proxy, Clock::Time::max());
    const auto connection =
        http::make_http1_client(std::move(*stream), http::ClientLimits{}, clock_, gate_);
    const Result<void> asked = co_await trickle_on(*connection, answer);
    if (!asked) answer.error = to_string(asked.error().code);
    connection->close();
  }
  Task<Result<void>> trickle_on(http::ClientConnection& connection, Answer& answer) {
    http::RequestHead head{"POST", "http", "127.0.0.1:1000", "/open", {}};
    head.fields.set("content-type", "application/json");
    head.fields.set("content-length", "100");
    CO_TRY(std::unique_ptr<http::ClientStream> stream, co_await connection.start(head, false));
    for (int second = 0; second < 20; ++second) {
      const Result<void> sent = co_await stream->send(" ", false);
      if (!sent) break;
      co_await clock_.sleep_for(1s);
    }
    CO_TRY(const http::ResponseHead response, co_await stream->response());
    answer.status = response.status;
    co_return Result<void>();
  }

  struct Answer {
    int status = 0;
    std::string body;
    std::string type;
    std::string session;
    std::string error;  // where there is no answer
  };
  Task<void> ask_task(http::RequestHead head, std::string body, Answer& answer) {
    const net::Address proxy{"127.0.0.1", 1000, {}};
    Result<net::StreamPtr> stream = co_await network_.dial(proxy, Clock::Time::max());
    const auto connection =
        http::make_http1_client(std::move(*stream), http::ClientLimits{}, clock_, gate_);
    const Result<void> asked = co_await ask_on(*connection, std::move(head), body, answer);
    if (!asked) answer.error = to_string(asked.error().code);
    connection->close();
  }
  Task<Result<void>> ask_on(http::ClientConnection& connection, http::RequestHead head,
                            const std::string& body, Answer& answer) {
    CO_TRY(std::unique_ptr<http::ClientStream> stream,
           co_await connection.start(head, body.empty()));
    if (!body.empty()) static_cast<void>(co_await stream->send(body, true));
    CO_TRY(const http::ResponseHead response, co_await stream->response());
    answer.status = response.status;
    answer.session = response.fields.single("mcp-session-id").value_or("");
    answer.type = response.fields.single("content-type").value_or("");
    CO_TRY(answer.body, co_await http::read_all(stream->body(), 4U << 20U));
    co_return Result<void>();
  }

  Answer ask(std::string target, const std::string& body, std::string method = "POST",
             http::Fields fields = {}) {
    http::RequestHead head;
    head.method = std::move(method);
    head.scheme = "http";
    head.authority = "127.0.0.1:1000";
    head.target = std::move(target);
    head.fields = std::move(fields);
    if (head.fields.count("content-type") == 0) head.fields.set("content-type", "application/json");
    head.fields.set("accept", "application/json, text/event-stream");
    if (!body.empty()) head.fields.set("content-length", std::to_string(body.size()));
    Answer answer;
    gate_.spawn(ask_task(std::move(head), body, answer));
    EXPECT_TRUE(clock_.run_until([&] { return answer.status != 0 || !answer.error.empty(); }, 60s));
    clock_.advance(1s);  // until the body and the outcome are there too
    return answer;
  }

  // An answer with this head and these pieces; `cut`: the connection breaks after them.
  void answers(int status, std::string type, std::vector<std::string> pieces, bool cut = false) {
    server_.answer = [this, status, type = std::move(type), pieces = std::move(pieces),
                      cut](http::ServerStream& stream) {
      return send_answer(stream, clock_, status, type, pieces, cut);
    };
  }
  static Task<void> send_answer(http::ServerStream& stream, Clock& clock, int status,
                                std::string type, std::vector<std::string> pieces, bool cut) {
    http::ResponseHead head;
    head.status = status;
    head.fields.set("content-type", type);
    static_cast<void>(co_await stream.respond(head, false));
    for (const std::string& piece : pieces) static_cast<void>(co_await stream.send(piece, false));
    if (cut) {
      co_await clock.sleep_for(10ms);  // what was sent is on its way
      stream.reset();
    } else {
      static_cast<void>(co_await stream.send("", true));
    }
  }

  int decisions(bool permit) const {
    int count = 0;
    for (const audit::Record& record : audit_.records()) {
      count += record.phase == audit::Phase::kDecision && record.permit == permit ? 1 : 0;
    }
    return count;
  }
  const audit::Record& last_outcome() const {
    for (auto record = audit_.records().rbegin(); record != audit_.records().rend(); ++record) {
      if (record->phase == audit::Phase::kOutcome) return *record;
    }
    ADD_FAILURE() << "no outcome";
    return audit_.records().back();
  }

  boost::asio::io_context context_{1};
  test::SimClock clock_{context_};
  test::SimRng rng_{7};
  sim::Network network_{clock_, rng_, sim::Faults{}};
  Gate gate_{context_.get_executor()};
  config::Config config_;
  audit::MemorySink audit_;
  admin::Metrics metrics_;
  receipt::AnchorSet anchors_;
  std::unique_ptr<Replays> replays_ = make_memory_replays();
  std::unique_ptr<Ledger> ledger_;
  Approvals approvals_{"", anchors_, receipt::Limits{}};
  test::FakeFetcher fetcher_;
  StatusLists lists_{status_options(anchors_), fetcher_, clock_, rng_, gate_};
  Shared shared_;
  std::unique_ptr<Worker> worker_;
  std::unique_ptr<net::Listener> listener_;
  Server server_;
};

}  // namespace mandated::server
