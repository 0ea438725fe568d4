// A client that speaks stdio: each line is an exchange, each request gets one answer.
#include "proxy/server/lines.h"

#include <gtest/gtest.h>

#include "tests/support/memory_stream.h"
#include "tests/unit/server/exchange_fixture.h"

namespace mandated::server {
namespace {

constexpr std::string_view kJson = "application/json";
const std::string kInitialize =
    R"({"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25"}})";

class LinesTest : public ExchangeTest {
 protected:
  LinesTest() {
    auto [ours, theirs] = test::make_memory_pipe(clock_);
    proxy_side_ = std::move(ours);
    client_ = std::move(theirs);
    peer_.proof = identity::PeerIdentity::Proof::kLocalSocket;
    gate_.spawn(serve());
    gate_.spawn(collect());
  }
  ~LinesTest() override {
    leave();
    EXPECT_TRUE(ended_);
    leaving_ = true;
    clock_.advance(4s);  // nothing of the server's runs on without us
    server_.answer = nullptr;
  }

  Task<void> serve() {
    const Connection connection{config_.listeners.front(), peer_};
    result_ = co_await serve_lines(*worker_, connection, *proxy_side_);
    ended_ = true;
    proxy_side_->close();
  }
  Task<void> collect() {
    std::vector<char> buffer(4096);
    while (true) {
      const Result<std::size_t> size = co_await client_->read_some(buffer);
      if (!size || *size == 0) co_return;
      out_.append(buffer.data(), *size);
    }
  }
  Task<void> write(std::string text) { static_cast<void>(co_await client_->write(text)); }
  Task<void> shut() { static_cast<void>(co_await client_->shutdown()); }

  // What came back since the last time.
  std::string say(const std::string& text, Clock::Duration wait = 2s) {
    out_.clear();
    gate_.spawn(write(text));
    clock_.advance(wait);
    return out_;
  }
  void leave() {
    if (left_) return;
    left_ = true;
    gate_.spawn(shut());
    EXPECT_TRUE(clock_.run_until([&] { return ended_; }, 60s));
  }
  // A server with one session that answers `initialize` and holds its stream open.
  void serves_sessions() {
    server_.answer = [this](http::ServerStream& stream) { return session_answer(stream); };
  }
  Task<void> session_answer(http::ServerStream& stream) {
    const std::string& seen = server_.seen.back();
    fields_.push_back(stream.head().fields);
    http::ResponseHead head;
    head.status = seen.find("\"notifications/") != std::string::npos ? 202 : 200;
    if (seen.starts_with("GET")) {
      head.fields.set("content-type", "text/event-stream");
      static_cast<void>(co_await stream.respond(head, false));
      constexpr std::string_view kEvent =
          "id: e1\ndata: {\"jsonrpc\":\"2.0\",\"id\":\"s1\",\"method\":\"roots/list\"}\n\n";
      static_cast<void>(co_await stream.send(kEvent, stream_ends_));
      while (!stream_ends_ && !leaving_) co_await clock_.sleep_for(100ms);
      co_return;
    }
    if (seen.starts_with("DELETE") || head.status == 202) {
      static_cast<void>(co_await stream.respond(head, true));
      co_return;
    }
    head.fields.set("content-type", "application/json");
    if (seen.find("\"initialize\"") != std::string::npos) head.fields.set("mcp-session-id", "s-1");
    static_cast<void>(co_await stream.respond(head, false));
    constexpr std::string_view kAnswer =
        R"({"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-06-18"}})";
    static_cast<void>(co_await stream.send(kAnswer, true));
  }

  Task<void> accept_late(http::ServerStream& stream) {
    co_await clock_.sleep_for(1s);
    http::ResponseHead head;
    head.status = 202;
    static_cast<void>(co_await stream.respond(head, true));
  }
  Task<void> initialize_without_end(http::ServerStream& stream) {
    http::ResponseHead head;
    head.status = 200;
    head.fields.set("content-type", "text/event-stream");
    head.fields.set("mcp-session-id", "s-1");
    static_cast<void>(co_await stream.respond(head, false));
    constexpr std::string_view kEvent =
        "data: {\"jsonrpc\":\"2.0\",\"id\":0,\"result\":{\"protocolVersion\":\"2025-06-18\"}}\n\n";
    static_cast<void>(co_await stream.send(kEvent, false));
    while (!leaving_) co_await clock_.sleep_for(100ms);
  }

  identity::PeerIdentity peer_;
  net::StreamPtr proxy_side_;
  net::StreamPtr client_;
  std::string out_;
  Result<void> result_;
  std::vector<http::Fields> fields_;  // that the server saw
  bool stream_ends_ = false;
  bool leaving_ = false;
  bool ended_ = false;
  bool left_ = false;
};

TEST_F(LinesTest, ARequestIsAnExchangeAndItsAnswerALine) {
  answers(200, std::string(kJson), {"{\"jsonrpc\":\"2.0\",\n \"id\":1,", "\"result\":{}}"});
  EXPECT_EQ(say(R"({"jsonrpc":"2.0","id":1,"method":"tools/list"})"
                "\r\n"),
            "{\"jsonrpc\":\"2.0\",  \"id\":1,\"result\":{}}\n");
  ASSERT_EQ(server_.seen.size(), 1U);
  EXPECT_EQ(server_.seen[0], R"(POST /open {"jsonrpc":"2.0","id":1,"method":"tools/list"})");
  EXPECT_EQ(decisions(true), 1);
}

TEST_F(LinesTest, EventsAreLinesAndTheAnswerIsOneOfThem) {
  answers(200, "text/event-stream",
          {"data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\"}\n\ndata: {\"json",
           "rpc\":\"2.0\",\"id\":1,\"result\":{}}\n\n"});
  EXPECT_EQ(say(R"({"jsonrpc":"2.0","id":1,"method":"tools/list"})"
                "\n"),
            "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\"}\n"
            "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n");
}

TEST_F(LinesTest, EveryRequestGetsAnAnswer) {
  const std::string ask = R"({"jsonrpc":"2.0","id":"a","method":"tools/list"})"
                          "\n";
  answers(500, "text/html", {"<p>"});
  EXPECT_EQ(say(ask),
            R"({"jsonrpc":"2.0","id":"a","error":{"code":-32603,"message":"The call failed."}})"
            "\n");
  answers(200, "text/event-stream",
          {"data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/x\"}\n\n"});
  EXPECT_NE(say(ask).find(R"("id":"a","error":{"code":-32603,"message":"The call was cut off)"),
            std::string::npos);
  answers(200, std::string(kJson), {"{\"jsonrpc\""}, true);
  EXPECT_NE(say(ask, 10s).find(R"("id":"a","error")"), std::string::npos);
  server_.answer = nullptr;  // the server says nothing at all
  EXPECT_NE(say(ask, 10s).find(R"("id":"a","error")"), std::string::npos);
}

TEST_F(LinesTest, NobodyAnswersANotification) {
  for (const int status : {202, 400, 500}) {
    answers(status, std::string(kJson),
            {R"({"jsonrpc":"2.0","id":null,"error":{"code":1,"message":"m"}})"});
    EXPECT_EQ(say(R"({"jsonrpc":"2.0","method":"notifications/x"})"
                  "\n"),
              "")
        << status;
  }
  EXPECT_EQ(server_.seen.size(), 3U);
}

TEST_F(LinesTest, BadLinesAreRefusedAndTheNextIsRead) {
  answers(200, std::string(kJson), {R"({"jsonrpc":"2.0","id":1,"result":{}})"});
  EXPECT_NE(say("{\n").find("\"code\":-32700"), std::string::npos);
  EXPECT_NE(say("[]\n").find("\"code\":-32600"), std::string::npos);
  const std::string twice =
      R"({"jsonrpc":"2.0","id":1,"method":"tools/list","method":"tools/call"})"
      "\n";
  EXPECT_NE(say(twice).find("\"error\""), std::string::npos);
  EXPECT_NE(say(std::string(200'000, 'x') + "\n").find("The message is too long."),
            std::string::npos);
  EXPECT_TRUE(server_.seen.empty());
  EXPECT_EQ(say(" \r\n\n"), "");
  EXPECT_NE(say(R"({"jsonrpc":"2.0","id":1,"method":"tools/list"})"
                "\n")
                .find("\"result\""),
            std::string::npos);
}

TEST_F(LinesTest, ASessionIsKeptAndItsStreamListenedTo) {
  serves_sessions();
  EXPECT_NE(say(kInitialize + "\n").find("2025-06-18"), std::string::npos);
  EXPECT_EQ(fields_.back().count("mcp-session-id"), 0U);
  const std::string heard = say(R"({"jsonrpc":"2.0","method":"notifications/initialized"})"
                                "\n");
  EXPECT_EQ(heard, R"({"jsonrpc":"2.0","id":"s1","method":"roots/list"})"
                   "\n");
  ASSERT_EQ(server_.seen.size(), 3U);
  EXPECT_EQ(server_.seen.back(), "GET /open ");
  EXPECT_TRUE(fields_.back().single("mcp-session-id"));
  EXPECT_EQ(fields_.back().single("mcp-protocol-version"), "2025-06-18");
  EXPECT_EQ(say(R"({"jsonrpc":"2.0","id":"s1","result":{"roots":[]}})"
                "\n"),
            "");
  EXPECT_EQ(server_.seen.back(), R"(POST /open {"jsonrpc":"2.0","id":"s1","result":{"roots":[]}})");
  leaving_ = true;
  leave();
  EXPECT_EQ(server_.seen.back(), "DELETE /open ");
  EXPECT_TRUE(result_);
}

TEST_F(LinesTest, AStreamThatEndsIsOpenedAgainWhereItStopped) {
  serves_sessions();
  stream_ends_ = true;
  say(kInitialize + "\n");
  say(R"({"jsonrpc":"2.0","method":"notifications/initialized"})"
      "\n",
      20s);
  std::size_t opened = 0;
  for (const std::string& each : server_.seen) opened += each.starts_with("GET") ? 1 : 0;
  EXPECT_EQ(opened, 5U);  // at 0, 1, 3, 7 and 15 s
  EXPECT_EQ(fields_.back().single("last-event-id"), "e1");
}

TEST_F(LinesTest, WithoutSessionsTheMessageSaysItsRevision) {
  serves_sessions();
  say(R"({"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t é","_meta":{)"
      R"("io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}})"
      "\n");
  ASSERT_EQ(fields_.size(), 1U);
  EXPECT_EQ(fields_[0].single("mcp-protocol-version"), "2026-07-28");
  EXPECT_EQ(fields_[0].single("mcp-method"), "tools/call");
  EXPECT_EQ(fields_[0].single("mcp-name"), "=?base64?dCDDqQ==?=");
}

TEST_F(LinesTest, CallsUnderWayAreGivenUpWhenTheClientLeaves) {
  server_.answer = [this](http::ServerStream&) { return clock_.sleep_for(3s); };
  EXPECT_EQ(say(R"({"jsonrpc":"2.0","id":1,"method":"tools/list"})"
                "\n",
                1s),
            "");
  leave();
  EXPECT_EQ(last_outcome().error, "cancelled");
}

TEST_F(LinesTest, SoManyRequestsAtOnceAndNoMore) {
  server_.answer = [this](http::ServerStream&) { return clock_.sleep_for(1s); };
  std::string all;
  for (std::size_t at = 0; at <= config_.limits.streams_max; ++at)
    all += R"({"jsonrpc":"2.0","id":)" + std::to_string(at) +
           R"(,"method":"tools/list"})"
           "\n";
  EXPECT_EQ(
      say(all, 500ms),
      R"({"jsonrpc":"2.0","id":128,"error":{"code":-32603,"message":"Too many requests are under way at once."}})"
      "\n");
}

TEST_F(LinesTest, AnAnswerWithoutEndIsNotKept) {
  answers(200, std::string(kJson), std::vector<std::string>(8, std::string(20'000, ' ')));
  const std::string said = say(R"({"jsonrpc":"2.0","id":1,"method":"tools/list"})"
                               "\n",
                               10s);
  EXPECT_EQ(said.substr(0, 60), R"({"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"Th)");
  EXPECT_LT(said.size(), 200U);
  answers(200, "text/event-stream",
          std::vector<std::string>(8, "data: " + std::string(20'000, 'x')));
  EXPECT_LT(say(R"({"jsonrpc":"2.0","id":2,"method":"tools/list"})"
                "\n",
                10s)
                .size(),
            200U);
}

TEST_F(LinesTest, NotificationsWaitForThoseBeforeThem) {
  server_.answer = [this](http::ServerStream& stream) {
    http::ServerStream* current = &stream;
    return accept_late(*current);
  };
  std::string all;
  for (int at = 0; at < 400; ++at)
    all += R"({"jsonrpc":"2.0","method":"notifications/x"})"
           "\n";
  all += R"({"jsonrpc":"2.0","id":1,"method":"tools/list"})"
         "\n";
  EXPECT_EQ(say(all, 500ms), "");
  EXPECT_LE(server_.seen.size(), config_.limits.streams_max);
  clock_.advance(20s);
  EXPECT_EQ(server_.seen.size(), 401U);
}

// A server may answer `initialize` by a stream that it does not end.
TEST_F(LinesTest, TheSessionHasBegunWhenTheClientIsTold) {
  server_.answer = [this](http::ServerStream& stream) {
    fields_.push_back(stream.head().fields);
    http::ServerStream* current = &stream;
    return initialize_without_end(*current);
  };
  EXPECT_NE(say(kInitialize + "\n").find("2025-06-18"), std::string::npos);
  say(R"({"jsonrpc":"2.0","id":1,"method":"tools/list"})"
      "\n");
  ASSERT_EQ(fields_.size(), 2U);
  EXPECT_TRUE(fields_[1].single("mcp-session-id"));
  EXPECT_EQ(fields_[1].single("mcp-protocol-version"), "2025-06-18");
  leaving_ = true;
}

}  // namespace
}  // namespace mandated::server
