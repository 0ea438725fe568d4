// The way of a call through one proxy: what the caller gets, what the server behind it saw, what
// the audit trail says.
#include "proxy/server/exchange.h"

#include <gtest/gtest.h>

#include "proxy/protocol/jsonrpc.h"
#include "tests/unit/server/exchange_fixture.h"

namespace mandated::server {
namespace {

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
  for (const char* name :
       {"x-forwarded-client-cert", "x-http-method-override", "mcp_name", "forwarded", "traceparent",
        "workload-identity-token", "workload-proof-token", "signature", "signature-input",
        "content-digest"}) {
    fields.set(name, "a");
  }
  ask("/open", kCall, "POST", fields);
  EXPECT_NE(names.find("traceparent"), std::string::npos);
  for (const char* name : {"x-forwarded", "method-override", "mcp_name", "forwarded", "workload-",
                           "signature", "content-digest"}) {
    EXPECT_EQ(names.find(name), std::string::npos) << names;
  }
  // Where nothing is understood, only what is never for the server.
  names.clear();
  ask("/plain", kCall, "POST", fields);
  EXPECT_NE(names.find("signature-input"), std::string::npos);
  EXPECT_EQ(names.find("workload-"), std::string::npos) << names;
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
