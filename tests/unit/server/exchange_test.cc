// The way of a call through one proxy on memory pipes: what the caller gets, what the server behind
// it saw, what the audit trail says.
#include "proxy/server/exchange.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>

#include "proxy/audit/memory_sink.h"
#include "proxy/http/client.h"
#include "proxy/protocol/jsonrpc.h"
#include "tests/sim/sim_network.h"

namespace mandated::server {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kConfig = R"(
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
  ExchangeTest()
      : config_(load()),
        metrics_(names(), admin::BuildInfo{}),
        shared_{config_, audit_, metrics_, anchors_, replays_.get(), ledger_.get(), approvals_, {}} {
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
  std::unique_ptr<Ledger> ledger_ = make_memory_ledger();
  Approvals approvals_{"", anchors_, receipt::Limits{}};
  Shared shared_;
  std::unique_ptr<Worker> worker_;
  std::unique_ptr<net::Listener> listener_;
  Server server_;
};

const std::string kCall =
    R"({"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"t","arguments":{}}})";
const std::string kListing = R"({"jsonrpc":"2.0","id":8,"method":"tools/list"})";

TEST_F(ExchangeTest, ACallGoesThroughAndIsRecordedTwice) {
  answers(200, "application/json", {R"({"jsonrpc":"2.0","id":7,"result":{}})"});
  const Answer answer = ask("/open", kCall);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, R"({"jsonrpc":"2.0","id":7,"result":{}})");
  ASSERT_EQ(server_.seen.size(), 1U);
  EXPECT_EQ(server_.seen[0], "POST /open " + kCall);
  EXPECT_EQ(decisions(true), 1);
  ASSERT_EQ(audit_.records().size(), 2U);
  EXPECT_EQ(last_outcome().status, 200);
  EXPECT_EQ(last_outcome().bytes_in, static_cast<std::int64_t>(kCall.size()));
  EXPECT_EQ(last_outcome().bytes_out, static_cast<std::int64_t>(answer.body.size()));
  EXPECT_EQ(audit_.records()[0].exchange, audit_.records()[1].exchange);
}

TEST_F(ExchangeTest, NoReceiptNoCall) {
  const Answer answer = ask("/mcp", kCall);
  EXPECT_EQ(answer.status, 200);
  EXPECT_NE(answer.body.find("\"no_receipt\""), std::string::npos);
  EXPECT_TRUE(server_.seen.empty());
  EXPECT_EQ(decisions(false), 1);
  ASSERT_TRUE(audit_.records()[0].refusal);
  EXPECT_EQ(audit_.records()[0].refusal->code, "no_receipt");
}

TEST_F(ExchangeTest, WhatCannotBeRecordedDoesNotGoOut) {
  audit_.failing = true;
  const Answer answer = ask("/open", kCall);
  EXPECT_EQ(answer.status, 503);
  EXPECT_TRUE(server_.seen.empty());
  audit_.failing = false;
  answers(200, "application/json", {"{}"});
  EXPECT_EQ(ask("/open", kCall).status, 200);
}

TEST_F(ExchangeTest, UnknownPathsAreRefusedAndRecorded) {
  EXPECT_EQ(ask("/elsewhere", kCall).status, 404);
  EXPECT_EQ(ask("/open/../mcp", kCall).status, 404);
  EXPECT_EQ(decisions(false), 2);
  EXPECT_TRUE(server_.seen.empty());
}

TEST_F(ExchangeTest, BadBodiesAreRefusedWithAClearError) {
  struct Case {
    std::string body;
    int status;
    std::string word;
  };
  const std::string deep = std::string(20, '[') + std::string(20, ']');
  for (const Case& c : {
           Case{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\"", 400, "-32700"},
           Case{R"({"jsonrpc":"2.0","id":1,"id":2,"method":"ping"})", 400, "-32700"},
           Case{R"({"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":)" + deep + "}}", 400,
                "-32700"},
           Case{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xff\"}", 400, "-32700"},
           Case{R"([{"jsonrpc":"2.0","id":1,"method":"ping"}])", 400, "-32600"},
           Case{std::string(65 * 1024, ' '), 413, "too_large"},
       }) {
    const Answer answer = ask("/open", c.body);
    EXPECT_EQ(answer.status, c.status) << c.body.substr(0, 80);
    EXPECT_NE(answer.body.find(c.word), std::string::npos) << answer.body;
  }
  EXPECT_TRUE(server_.seen.empty());
  EXPECT_EQ(decisions(false), 6);
}

TEST_F(ExchangeTest, AServerThatDiesInTheMiddleOfAnAnswerGivesAnError) {
  answers(200, "application/json", {R"({"jsonrpc":"2.0","id":7,)"}, true);
  const Answer answer = ask("/open", kCall);
  EXPECT_EQ(answer.status, 502);
  EXPECT_NE(answer.body.find("\"id\":7"), std::string::npos);
  EXPECT_NE(answer.body.find("-32000"), std::string::npos);
  EXPECT_EQ(last_outcome().status, 502);
  EXPECT_FALSE(last_outcome().error.empty());
}

TEST_F(ExchangeTest, AStreamThatBreaksEndsWithAnError) {
  answers(200, "text/event-stream", {"data: {\"jsonrpc\":\"2.0\",\"method\":\"n\"}\n\n", "data: {"},
          true);
  const Answer answer = ask("/open", kCall);
  EXPECT_EQ(answer.status, 200);
  EXPECT_NE(answer.body.find("\"id\":7"), std::string::npos);
  EXPECT_NE(answer.body.find("-32000"), std::string::npos);
}

TEST_F(ExchangeTest, AServerThatDoesNotAnswerIsGivenUp) {
  struct Silent {
    static Task<void> answer(http::ServerStream&, Clock& clock) { co_await clock.sleep_for(20s); }
  };
  server_.answer = [this](http::ServerStream& stream) { return Silent::answer(stream, clock_); };
  const Answer answer = ask("/open", kCall);
  EXPECT_EQ(answer.status, 504);
  EXPECT_NE(answer.body.find("timeout"), std::string::npos);
}

TEST_F(ExchangeTest, AStreamedAnswerEndsWithTheCallToo) {
  struct Endless {
    static Task<void> answer(http::ServerStream& stream, Clock& clock) {
      http::ResponseHead head;
      head.status = 200;
      head.fields.set("content-type", "text/event-stream");
      Result<void> sent = co_await stream.respond(head, false);
      while (sent) {
        sent = co_await stream.send("data: {\"jsonrpc\":\"2.0\",\"method\":\"n\"}\n\n", false);
        co_await clock.sleep_for(1s);
      }
    }
  };
  server_.answer = [this](http::ServerStream& stream) { return Endless::answer(stream, clock_); };
  const Clock::Time began = clock_.now();
  Answer answer;
  http::RequestHead head{"POST", "http", "127.0.0.1:1000", "/open", {}};
  head.fields.set("content-type", "application/json");
  head.fields.set("accept", "application/json, text/event-stream");
  head.fields.set("content-length", std::to_string(kCall.size()));
  gate_.spawn(ask_task(head, kCall, answer));
  EXPECT_TRUE(clock_.run_until([&] { return !answer.body.empty(); }, 60s));
  EXPECT_LT(clock_.now() - began, 7s);
  EXPECT_NE(answer.body.find("-32000"), std::string::npos);
  clock_.advance(2s);
  EXPECT_EQ(last_outcome().error, "timeout");
}

TEST_F(ExchangeTest, ARefusalThatIsNoMistakeOfGrammarIsRecordedUnderItsCode) {
  http::Fields fields;
  std::string many;
  for (int count = 0; count < 30; ++count) many += count == 0 ? "a.b.c" : ", a.b.c";
  fields.set("delegation-receipt", many);
  EXPECT_NE(ask("/mcp", kCall, "POST", fields).body.find("too_large"), std::string::npos);
  EXPECT_EQ(audit_.records()[0].refusal->code, "too_large");
}

TEST_F(ExchangeTest, NoServerNoHang) {
  listener_->close();
  const Answer answer = ask("/open", kCall);
  EXPECT_EQ(answer.status, 502);
  EXPECT_NE(answer.body.find("refused"), std::string::npos);
}

TEST_F(ExchangeTest, AListIsEmptyWithoutAReceipt) {
  answers(200, "application/json",
          {R"({"jsonrpc":"2.0","id":8,"result":{"tools":[{"name":"a"},{"name":"b"}]}})"});
  const Answer answer = ask("/mcp", kListing);
  EXPECT_EQ(answer.status, 200);
  EXPECT_NE(answer.body.find("\"tools\":[]"), std::string::npos) << answer.body;
  answers(
      200, "text/event-stream",
      {"data: {\"jsonrpc\":\"2.0\",\"id\":8,\"result\":", "{\"tools\":[{\"name\":\"a\"}]}}\n\n"});
  const Answer streamed = ask("/mcp", kListing);
  EXPECT_NE(streamed.body.find("\"tools\":[]"), std::string::npos) << streamed.body;
}

TEST_F(ExchangeTest, AListIsCutDownWhateverStatusItComesWith) {
  for (const int status : {201, 203, 206}) {
    answers(status, "application/json",
            {R"({"jsonrpc":"2.0","id":8,"result":{"tools":[{"name":"a"}]}})"});
    const Answer answer = ask("/mcp", kListing);
    EXPECT_EQ(answer.status, status);
    EXPECT_NE(answer.body.find("\"tools\":[]"), std::string::npos) << answer.body;
  }
}

TEST_F(ExchangeTest, AListThatCannotBeReadIsNotShown) {
  answers(200, "application/json", {R"({"jsonrpc":"2.0","id":8,"result":{"tools":[}})"});
  const Answer answer = ask("/mcp", kListing);
  EXPECT_EQ(answer.status, 502);
  EXPECT_EQ(answer.body.find("tools"), std::string::npos);
}

TEST_F(ExchangeTest, PlainHttpPassesThroughWithItsBodyAndIsRecorded) {
  answers(201, "text/plain", {"one ", "two"});
  http::Fields fields;
  fields.set("content-type", "text/plain");
  const Answer answer = ask("/plain/a?b=c", "any bytes", "PUT", std::move(fields));
  EXPECT_EQ(answer.status, 201);
  EXPECT_EQ(answer.body, "one two");
  ASSERT_EQ(server_.seen.size(), 1U);
  EXPECT_EQ(server_.seen[0], "PUT /plain/a?b=c any bytes");
  EXPECT_EQ(decisions(true), 1);
  EXPECT_EQ(ask("/plain", "", "GET").status, 201);
  EXPECT_EQ(server_.seen[1], "GET /plain ");
}

TEST_F(ExchangeTest, ASessionIsOfUseOnlyAsItWasGiven) {
  struct Opens {
    static Task<void> answer(http::ServerStream& stream, std::string& asked) {
      asked = stream.head().fields.single("mcp-session-id").value_or("none");
      http::ResponseHead head;
      head.status = 202;
      head.fields.set("mcp-session-id", "S1");
      static_cast<void>(co_await stream.respond(head, true));
    }
  };
  std::string asked;
  server_.answer = [&asked](http::ServerStream& stream) { return Opens::answer(stream, asked); };
  const std::string notice = R"({"jsonrpc":"2.0","method":"notifications/initialized"})";
  const std::string session = ask("/open", notice).session;
  EXPECT_EQ(asked, "none");
  EXPECT_NE(session, "S1");
  http::Fields fields;
  fields.set("mcp-session-id", session);
  EXPECT_EQ(ask("/open", notice, "POST", fields).status, 202);
  EXPECT_EQ(asked, "S1");
  fields.set("mcp-session-id", "S1");  // the server's own id, as another peer might learn it
  const std::size_t seen = server_.seen.size();
  EXPECT_EQ(ask("/open", notice, "POST", fields).status, 404);
  EXPECT_EQ(server_.seen.size(), seen);
}

TEST_F(ExchangeTest, ABodyThatTricklesIsGivenUpAtTheCallsDeadline) {
  Answer answer;
  gate_.spawn(trickle(answer));
  EXPECT_TRUE(clock_.run_until([&] { return answer.status != 0 || !answer.error.empty(); }, 60s));
  EXPECT_EQ(answer.status, 408);
  EXPECT_TRUE(server_.seen.empty());
  EXPECT_EQ(decisions(false), 1);
}

TEST_F(ExchangeTest, OnePeersUnfinishedBodiesDoNotTakeAllMemory) {
  // A body of 64 KiB takes all that one peer gets here: a second at the same time is refused.
  Answer first;
  Answer second;
  const std::string big = kCall + std::string(60 * 1024, ' ');
  struct Slow {
    static Task<void> answer(http::ServerStream&, Clock& clock) { co_await clock.sleep_for(2s); }
  };
  server_.answer = [this](http::ServerStream& stream) { return Slow::answer(stream, clock_); };
  http::RequestHead head{"POST", "http", "127.0.0.1:1000", "/open", {}};
  head.fields.set("content-type", "application/json");
  head.fields.set("accept", "application/json, text/event-stream");
  head.fields.set("content-length", std::to_string(big.size()));
  gate_.spawn(ask_task(head, big, first));
  clock_.advance(100ms);
  EXPECT_GT(shared_.buffered_bytes, big.size());
  gate_.spawn(ask_task(head, big, second));
  EXPECT_TRUE(clock_.run_until([&] { return second.status != 0; }, 60s));
  EXPECT_EQ(second.status, 503);
  EXPECT_TRUE(clock_.run_until([&] { return first.status != 0; }, 60s));
  EXPECT_EQ(shared_.buffered_bytes, 0U);
}

TEST_F(ExchangeTest, OnlyLoopbackNamesReachALoopbackListener) {
  answers(200, "application/json", {"{}"});
  for (const char* host : {"evil.example", "evil.example:1000", "127.0.0.1.evil.example"}) {
    Answer answer;
    http::RequestHead head{"GET", "http", host, "/plain", {}};
    gate_.spawn(ask_task(head, "", answer));
    EXPECT_TRUE(clock_.run_until([&] { return answer.status != 0; }, 60s));
    EXPECT_EQ(answer.status, 403) << host;
  }
  EXPECT_TRUE(server_.seen.empty());
  for (const char* host : {"localhost:1000", "127.0.0.1", "[::1]:1000"}) {
    Answer answer;
    http::RequestHead head{"GET", "http", host, "/plain", {}};
    gate_.spawn(ask_task(head, "", answer));
    EXPECT_TRUE(clock_.run_until([&] { return answer.status != 0; }, 60s));
    EXPECT_EQ(answer.status, 200) << host;
  }
}

TEST_F(ExchangeTest, WhatClaimsToBeSomebodyElseStaysBehind) {
  struct Lists {
    static Task<void> answer(http::ServerStream& stream, std::string& names) {
      for (const http::Field& field : stream.head().fields.all()) names += field.name + " ";
      http::ResponseHead head;
      head.status = 202;
      static_cast<void>(co_await stream.respond(head, true));
    }
  };
  std::string names;
  server_.answer = [&names](http::ServerStream& stream) { return Lists::answer(stream, names); };
  http::Fields fields;
  for (const char* name : {"x-forwarded-client-cert", "x-http-method-override", "mcp_name",
                           "forwarded", "traceparent"}) {
    fields.set(name, "a");
  }
  ask("/open", kCall, "POST", fields);
  EXPECT_NE(names.find("traceparent"), std::string::npos);
  for (const char* name : {"x-forwarded", "method-override", "mcp_name", "forwarded"}) {
    EXPECT_EQ(names.find(name), std::string::npos) << names;
  }
}

TEST_F(ExchangeTest, ARevisionWithoutSessionsCarriesNoSessionId) {
  struct Asks {
    static Task<void> answer(http::ServerStream& stream, std::string& session) {
      session = stream.head().fields.single("mcp-session-id").value_or("none");
      co_return;
    }
  };
  std::string session = "not called";
  server_.answer = [&session](http::ServerStream& stream) { return Asks::answer(stream, session); };
  http::Fields fields;
  fields.set("mcp-protocol-version", "2026-07-28");
  fields.set("mcp-method", "notifications/cancelled");
  fields.set("mcp-session-id", "S1");
  ask("/open",
      R"({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1,"_meta":{)"
      R"("io.modelcontextprotocol/protocolVersion":"2026-07-28",)"
      R"("io.modelcontextprotocol/clientCapabilities":{}}}})",
      "POST", fields);
  EXPECT_NE(session, "S1");
}

TEST_F(ExchangeTest, AForeignOriginIsRefused) {
  http::Fields fields;
  fields.set("origin", "https://evil.example");
  EXPECT_EQ(ask("/open", kCall, "POST", std::move(fields)).status, 403);
  EXPECT_TRUE(server_.seen.empty());
}

}  // namespace
}  // namespace mandated::server
