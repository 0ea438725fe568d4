#include <gtest/gtest.h>

#include <string>

#include "tests/unit/stdio/world.h"

namespace mandated::stdio {
namespace {

using namespace std::chrono_literals;
using protocol::CallKind;
using testing::FakeServer;
using testing::Outcome;
using testing::World;

std::string result(std::string_view id, std::string_view members = R"("ok":true)") {
  return R"({"jsonrpc":"2.0","id":)" + std::string(id) + R"(,"result":{)" + std::string(members) +
         "}}";
}
std::string request(std::string_view id, std::string_view method = "tools/call",
                    std::string_view params = R"({"name":"t"})") {
  return R"({"jsonrpc":"2.0","id":)" + std::string(id) + R"(,"method":")" + std::string(method) +
         R"(","params":)" + std::string(params) + "}";
}
std::string event(const std::string& data) { return "data: " + data + "\n\n"; }
std::string gone(std::string_view id, std::string_view why) {
  return R"({"jsonrpc":"2.0","id":)" + std::string(id) + R"(,"error":{"code":-32000,"message":")" +
         std::string(why) + R"("}})";
}

const std::string kInitialize = request("0", "initialize", R"({"protocolVersion":"2025-11-25"})");
const std::string kInitialized = R"({"jsonrpc":"2.0","method":"notifications/initialized"})";
const std::string kInitializeResult = result("0", R"("protocolVersion":"2025-11-25")");
const std::string kProgress =
    R"({"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"p","progress":1}})";
const std::string kListChanged = R"({"jsonrpc":"2.0","method":"notifications/tools/list_changed"})";
const std::string kRootsList = R"({"jsonrpc":"2.0","id":"r1","method":"roots/list"})";
constexpr std::string_view kLost =
    "The server ended. Whether it carried out the call is not known.";

StdioRequest post(std::string body, std::string session = {}, std::string peer = "spiffe://a/x") {
  StdioRequest made;
  made.body = std::move(body);
  made.version = "2025-11-25";
  made.session_id = std::move(session);
  made.peer = std::move(peer);
  return made;
}
StdioRequest bare(CallKind kind, std::string session) {
  StdioRequest made = post("", std::move(session));
  made.kind = kind;
  return made;
}

/// A world with one session, whose server answers `initialize` and nothing else by itself.
class SessionTest : public ::testing::Test {
 protected:
  explicit SessionTest(StdioOptions options = {}) : world(options) {
    world.servers->on_line = [](FakeServer& server, const std::string& line) {
      if (line == kInitialize) server.say(kInitializeResult);
    };
    const auto opened = world.start(post(kInitialize));
    EXPECT_EQ(opened->status(), 200);
    EXPECT_EQ(opened->field("content-type"), "application/json");
    EXPECT_EQ(world.body(*opened), kInitializeResult);
    session = opened->field("mcp-session-id");
    EXPECT_EQ(session.size(), 32U);
    EXPECT_EQ(world.start(post(kInitialized, session))->status(), 202);
    server().heard.clear();
  }
  FakeServer& server() { return world.servers->last(); }
  std::shared_ptr<Outcome> ask(std::string body) {
    return world.start(post(std::move(body), session));
  }

  World world;
  std::string session;
};

TEST_F(SessionTest, ARequestIsAnsweredAsJson) {
  const auto call = ask(request("1"));
  EXPECT_FALSE(call->done());
  EXPECT_EQ(server().heard, (std::vector<std::string>{request("1")}));
  server().say(result("1"));
  world.settle();
  EXPECT_EQ(call->status(), 200);
  EXPECT_EQ(call->field("content-type"), "application/json");
  EXPECT_EQ(call->field("mcp-session-id"), "");
  EXPECT_EQ(world.body(*call), result("1"));
}

TEST_F(SessionTest, AnswersFindTheirRequests) {
  const auto one = ask(request("1"));
  const auto text = ask(request("\"1\""));
  server().say(result("\"1\""));
  server().say(result("5"));  // to nothing
  server().say(result("1.0"));
  world.settle();
  EXPECT_EQ(world.body(*one), result("1.0"));
  EXPECT_EQ(world.body(*text), result("\"1\""));
}

TEST_F(SessionTest, LineBreaksBetweenTokensDoNotReachTheServer) {
  ask("{\"jsonrpc\":\"2.0\",\r\n\"id\":1,\n\"method\":\"ping\"}");
  EXPECT_EQ(server().heard,
            (std::vector<std::string>{R"({"id":1,"jsonrpc":"2.0","method":"ping"})"}));
}

TEST_F(SessionTest, OnlyItsPeerFindsTheSession) {
  const auto stranger = world.start(post(request("1"), session, "spiffe://a/y"));
  EXPECT_EQ(stranger->status(), 404);
  EXPECT_EQ(world.start(post(request("1"), "nonsense"))->status(), 404);
  EXPECT_EQ(world.start(post(request("1"), session, ""))->status(), 404);
  StdioRequest end = bare(CallKind::kEndSession, session);
  end.peer = "spiffe://a/y";
  EXPECT_EQ(world.start(end)->status(), 404);
  StdioRequest stream = bare(CallKind::kStream, session);
  stream.peer = "spiffe://a/y";
  EXPECT_EQ(world.start(stream)->status(), 404);
  EXPECT_TRUE(server().heard.empty());
  EXPECT_EQ(world.start(post(request("1")))->status(), 400);  // no session id at all
  EXPECT_EQ(world.start(bare(CallKind::kStream, ""))->status(), 400);
}

TEST_F(SessionTest, AnIdThatIsUnderWayIsRefused) {
  const auto first = ask(request("1"));
  const auto second = ask(request("1.0"));
  EXPECT_EQ(second->status(), 400);
  EXPECT_NE(world.body(*second).find("under way already"), std::string::npos);
  EXPECT_EQ(server().heard.size(), 1U);
  server().say(result("1"));
  world.settle();
  EXPECT_EQ(world.body(*first), result("1"));
  EXPECT_FALSE(ask(request("1"))->done());  // free again
}

TEST_F(SessionTest, InitializeComesOnce) {
  EXPECT_EQ(ask(kInitialize)->status(), 400);
  EXPECT_TRUE(server().heard.empty());
}

TEST_F(SessionTest, ProgressMakesTheAnswerAStream) {
  const auto call =
      ask(request("1", "tools/call", R"({"name":"t","_meta":{"progressToken":"p"}})"));
  server().say(kProgress);
  world.settle();
  EXPECT_EQ(call->status(), 200);
  EXPECT_EQ(call->field("content-type"), "text/event-stream");
  EXPECT_EQ(world.piece(*call), event(kProgress));
  server().say(kProgress);
  server().say(result("1"));
  world.settle();
  EXPECT_EQ(world.body(*call), event(kProgress) + event(result("1")));
}

TEST_F(SessionTest, TheServerMayAskAlongWithAnAnswer) {
  const auto call = ask(request("1"));
  server().say(kRootsList);
  world.settle();
  EXPECT_EQ(world.piece(*call), event(kRootsList));
  EXPECT_EQ(ask(result("\"r1\""))->status(), 202);
  EXPECT_EQ(server().heard.back(), result("\"r1\""));
  EXPECT_EQ(ask(result("\"r1\""))->status(), 400);  // answered already
  EXPECT_EQ(ask(result("99"))->status(), 400);
  EXPECT_EQ(server().heard.size(), 2U);
  server().say(result("1"));
  world.settle();
  EXPECT_EQ(world.body(*call), event(result("1")));
}

TEST_F(SessionTest, TheGetStreamTakesWhatTheServerSays) {
  const auto stream = world.start(bare(CallKind::kStream, session));
  EXPECT_EQ(stream->field("content-type"), "text/event-stream");
  const auto call = ask(request("1"));
  server().say(kListChanged);
  server().say(kRootsList);
  server().say(result("1"));
  world.settle();
  EXPECT_EQ(call->field("content-type"), "application/json");
  EXPECT_EQ(world.piece(*stream), event(kListChanged));
  EXPECT_EQ(world.piece(*stream), event(kRootsList));
  EXPECT_EQ(world.piece(*stream, 15s), ":\n\n");
}

TEST_F(SessionTest, MessagesWaitForAGetStream) {
  server().say(kListChanged);
  world.settle();
  const auto stream = world.start(bare(CallKind::kStream, session));
  EXPECT_EQ(world.piece(*stream), event(kListChanged));
}

TEST_F(SessionTest, ANewGetStreamTakesOver) {
  const auto old = world.start(bare(CallKind::kStream, session));
  const auto current = world.start(bare(CallKind::kStream, session));
  EXPECT_EQ(world.piece(*old), "");
  server().say(kListChanged);
  world.settle();
  EXPECT_EQ(world.piece(*current), event(kListChanged));
}

TEST_F(SessionTest, WhenTheGetStreamIsGoneMessagesGoElsewhere) {
  const auto stream = world.start(bare(CallKind::kStream, session));
  stream->response.reset();
  world.settle();
  const auto call = ask(request("1"));
  server().say(kListChanged);
  world.settle();
  EXPECT_EQ(world.piece(*call), event(kListChanged));
}

TEST_F(SessionTest, AnAbandonedGetStreamEnds) {
  const auto stream = world.start(bare(CallKind::kStream, session));
  stream->abandonment->now();
  world.settle();
  EXPECT_EQ(world.piece(*stream), "!cancelled");
}

TEST_F(SessionTest, DeleteEndsIt) {
  const auto stream = world.start(bare(CallKind::kStream, session));
  const auto call = ask(request("1"));
  const auto end = world.start(bare(CallKind::kEndSession, session));
  EXPECT_EQ(end->status(), 200);
  EXPECT_TRUE(server().told_to_end);
  EXPECT_EQ(world.body(*call), gone("1", kLost));
  EXPECT_EQ(world.piece(*stream), "");
  EXPECT_EQ(ask(request("2"))->status(), 404);
  world.settle(1h);
  EXPECT_EQ(world.servers->started.size(), 1U);
  EXPECT_EQ(world.upstream->counters().died, 0U);
}

TEST_F(SessionTest, ADeathAnswersAtOnceAndTheSessionSurvives) {
  const auto call = ask(request("1"));
  world.settle(1min);
  server().die();
  world.settle();
  EXPECT_EQ(call->status(), 200);
  EXPECT_EQ(call->field("content-type"), "application/json");
  EXPECT_EQ(world.body(*call), gone("1", kLost));

  const auto next = ask(request("2"));  // waits for the new process
  EXPECT_EQ(world.servers->started.size(), 1U);
  world.settle(249ms);
  EXPECT_EQ(world.servers->started.size(), 1U);
  world.settle(1ms);
  ASSERT_EQ(world.servers->started.size(), 2U);
  EXPECT_EQ(server().heard, (std::vector<std::string>{kInitialize, kInitialized, request("2")}));
  server().say(result("2"));
  world.settle();
  EXPECT_EQ(world.body(*next), result("2"));
  EXPECT_EQ(world.upstream->counters().died, 1U);
}

TEST_F(SessionTest, ADeathInTheMiddleOfAStreamIsSaidThere) {
  const auto call = ask(request("1"));
  server().say(kListChanged);
  world.settle();
  EXPECT_EQ(world.piece(*call), event(kListChanged));
  server().die();
  world.settle();
  EXPECT_EQ(world.body(*call), event(gone("1", kLost)));
}

TEST_F(SessionTest, TheDelayGrowsAndQuickDeathsEndTheSession) {
  world.servers->on_line = nullptr;
  std::vector<Clock::Duration> delays;
  while (world.servers->started.size() < 10) {
    server().die();
    world.settle();
    const Clock::Time died = world.clock.now();
    const std::size_t before = world.servers->started.size();
    for (int i = 0; i < 400 && world.servers->started.size() == before; ++i) world.settle(10ms);
    if (world.servers->started.size() == before) break;
    delays.push_back(world.clock.now() - died);
  }
  EXPECT_EQ(delays, (std::vector<Clock::Duration>{250ms, 500ms, 1s, 2s}));
  EXPECT_EQ(world.upstream->counters().died, 5U);
  EXPECT_EQ(ask(request("1"))->status(), 404);
  EXPECT_EQ(world.upstream->counters().sessions, 0U);
}

TEST_F(SessionTest, AReplayThatIsRefusedIsADeath) {
  world.servers->on_line = [](FakeServer& process, const std::string& line) {
    if (line == kInitialize) process.say(gone("0", "no"));
  };
  server().die();
  const auto call = ask(request("1"));
  world.settle(1min);
  EXPECT_EQ(world.body(*call), gone("1", "The session has ended."));
  EXPECT_EQ(ask(request("2"))->status(), 404);
}

TEST_F(SessionTest, AReplayThatIsNotAnsweredIsADeath) {
  world.servers->on_line = nullptr;
  server().die();
  const auto call = ask(request("1"));
  world.settle(10min);
  EXPECT_EQ(ask(request("2"))->status(), 404);
  EXPECT_EQ(world.body(*call), gone("1", "The session has ended."));
}

TEST_F(SessionTest, ADeadlineIsAnErrorAndTheServerIsTold) {
  StdioRequest late = post(request("1"), session);
  late.deadline = world.clock.now() + 5s;
  const auto call = world.start(late);
  world.settle(4s);
  EXPECT_FALSE(call->done());
  world.settle(1s);
  EXPECT_EQ(call->error(), Code::kTimeout);
  EXPECT_EQ(server().heard.back(),
            R"({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1,)"
            R"("reason":"The caller's deadline passed."}})");
  server().say(result("1"));  // too late: dropped
  world.settle();
  EXPECT_FALSE(ask(request("1"))->done());
}

TEST_F(SessionTest, ADeadlineEndsAStreamToo) {
  StdioRequest late = post(request("1"), session);
  late.deadline = world.clock.now() + 5s;
  const auto call = world.start(late);
  server().say(kListChanged);
  world.settle();
  EXPECT_EQ(world.piece(*call), event(kListChanged));
  EXPECT_EQ(world.piece(*call, 5s), "!timeout");
  call->response.reset();
  world.settle();
  EXPECT_NE(server().heard.back().find("notifications/cancelled"), std::string::npos);
}

TEST_F(SessionTest, WhoeverGoesAwayCancelsNothingBefore2026) {
  const auto call = ask(request("1"));
  call->abandonment->now();
  world.settle();
  EXPECT_EQ(call->error(), Code::kCancelled);
  EXPECT_EQ(server().heard.size(), 1U);
  server().say(result("1"));
  world.settle();
}

TEST_F(SessionTest, WhatWasNotReadIsNotCarriedOutAfterItsDeadline) {
  server().set_reading(false);
  ask(request("1"));  // in the hands of the writer
  StdioRequest late = post(request("2"), session);
  late.deadline = world.clock.now() + 5s;
  const auto call = world.start(late);
  const auto third = ask(request("3"));
  world.settle(5s);
  EXPECT_EQ(call->error(), Code::kTimeout);
  server().set_reading(true);
  world.settle();
  EXPECT_EQ(server().heard, (std::vector<std::string>{request("1"), request("3")}));
}

TEST_F(SessionTest, ACancelledRequestIsOver) {
  const auto call = ask(request("1"));
  const std::string cancelled =
      R"({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}})";
  EXPECT_EQ(ask(cancelled)->status(), 202);
  EXPECT_EQ(server().heard.back(), cancelled);
  EXPECT_EQ(world.body(*call), gone("1", "The client cancelled the request."));
}

TEST_F(SessionTest, LinesThatAreNoMessagesAreDropped) {
  const auto call = ask(request("1"));
  for (const char* line : {"Server started", "", "  ", "[]", "7", "\xFF\xFE", "\"{\""}) {
    server().say(line);
  }
  world.settle();
  EXPECT_FALSE(call->done());
  EXPECT_EQ(world.upstream->counters().lines_dropped, 5U);
  server().say(result("1"));
  world.settle();
  EXPECT_EQ(world.body(*call), result("1"));
}

TEST_F(SessionTest, AnAnswerThatCannotBeReadIsAnErrorAtOnce) {
  for (const char* line : {R"({"jsonrpc":"2.0","id":1,"result":{"a":1,"a":2}})",
                           R"({"jsonrpc":"2.0","id":1,"resu)", "TOO LARGE"}) {
    const auto call = ask(request("1"));
    server().say(line);
    world.settle();
    ASSERT_TRUE(call->done()) << line;
    EXPECT_EQ(
        world.body(*call).find(
            R"({"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"The server's answer)"),
        0U)
        << line;
  }
  const auto fine = ask(request("2"));
  server().say(result("2"));
  world.settle();
  EXPECT_EQ(world.body(*fine), result("2"));
}

TEST_F(SessionTest, AnIdleSessionEnds) {
  world.settle(59min);
  const auto call = ask(request("1"));
  server().say(result("1"));
  world.settle();
  EXPECT_EQ(call->status(), 200);
  world.settle(59min);
  EXPECT_FALSE(server().told_to_end);
  world.settle(1min);
  EXPECT_TRUE(server().told_to_end);
  EXPECT_EQ(ask(request("2"))->status(), 404);
}

TEST_F(SessionTest, AnOpenStreamKeepsItAlive) {
  const auto stream = world.start(bare(CallKind::kStream, session));
  world.settle(5h);
  EXPECT_FALSE(server().told_to_end);
  stream->response.reset();
  world.settle(61min);
  EXPECT_TRUE(server().told_to_end);
}

TEST_F(SessionTest, DrainingEndsStreamsAndTakesNothingNew) {
  const auto stream = world.start(bare(CallKind::kStream, session));
  const auto call = ask(request("1"));
  world.upstream->drain();
  EXPECT_EQ(world.piece(*stream), "");
  EXPECT_EQ(world.start(post(kInitialize))->error(), Code::kUnavailable);
  EXPECT_EQ(world.start(bare(CallKind::kStream, session))->error(), Code::kUnavailable);
  server().say(result("1"));
  world.settle();
  EXPECT_EQ(world.body(*call), result("1"));
}

TEST_F(SessionTest, BodiesThatAreNoMessages) {
  for (const char* body : {"", "{", "[]",
                           R"({"jsonrpc":"2.0","id":1,"method":"x"} )"
                           "\x01"}) {
    EXPECT_EQ(ask(body)->status(), 400) << body;
  }
  EXPECT_TRUE(server().heard.empty());
}

TEST(SessionStart, AServerThatRefusesGivesNoSession) {
  World world;
  world.servers->on_line = [](FakeServer& server, const std::string&) {
    server.say(gone("0", "unsupported"));
  };
  const auto opened = world.start(post(kInitialize));
  EXPECT_EQ(opened->status(), 200);
  EXPECT_EQ(opened->field("mcp-session-id"), "");
  EXPECT_EQ(world.body(*opened), gone("0", "unsupported"));
  EXPECT_TRUE(world.servers->last().told_to_end);
  EXPECT_EQ(world.upstream->counters().sessions, 0U);
}

TEST(SessionStart, AServerThatDiesGivesNoSession) {
  World world;
  world.servers->on_line = [](FakeServer& server, const std::string&) { server.die(); };
  const auto opened = world.start(post(kInitialize));
  EXPECT_EQ(world.body(*opened), gone("0", kLost));
  EXPECT_EQ(opened->field("mcp-session-id"), "");
  world.settle(1min);
  EXPECT_EQ(world.servers->started.size(), 1U);
  EXPECT_EQ(world.upstream->counters().sessions, 0U);
}

TEST(SessionStart, AProgramThatCannotBeStarted) {
  World world;
  world.servers->refuse = true;
  const auto opened = world.start(post(kInitialize));
  world.settle(1min);
  EXPECT_EQ(world.body(*opened), gone("0", "The session has ended."));
  EXPECT_EQ(world.upstream->counters().sessions, 0U);
  EXPECT_EQ(world.log.front(), "no such program");
}

TEST(SessionStart, MessagesBeforeTheAnswerWaitForTheGetStream) {
  World world;
  world.servers->on_line = [](FakeServer& server, const std::string& line) {
    if (line != kInitialize) return;
    server.say(kListChanged);
    server.say(kInitializeResult);
  };
  const auto opened = world.start(post(kInitialize));
  EXPECT_EQ(world.body(*opened), kInitializeResult);
  const auto stream = world.start(bare(CallKind::kStream, opened->field("mcp-session-id")));
  EXPECT_EQ(world.piece(*stream), event(kListChanged));
}

TEST(SessionStart, ADeadlineEndsTheAttempt) {
  World world;
  StdioRequest late = post(kInitialize);
  late.deadline = world.clock.now() + 5s;
  const auto opened = world.start(late);
  world.settle(5s);
  EXPECT_EQ(opened->error(), Code::kTimeout);
  EXPECT_TRUE(world.servers->last().told_to_end);
}

TEST(SessionBounds, Sessions) {
  StdioOptions options;
  options.sessions_max = 2;
  World world(options);
  world.servers->on_line = [](FakeServer& server, const std::string& line) {
    if (line == kInitialize) server.say(kInitializeResult);
  };
  const auto first = world.start(post(kInitialize));
  const auto second = world.start(post(kInitialize));
  EXPECT_NE(first->field("mcp-session-id"), second->field("mcp-session-id"));
  EXPECT_EQ(world.start(post(kInitialize))->error(), Code::kOverloaded);
  EXPECT_EQ(world.servers->started.size(), 2U);
  world.start(bare(CallKind::kEndSession, first->field("mcp-session-id")));
  EXPECT_EQ(world.start(post(kInitialize))->status(), 200);
}

class SmallSessionTest : public SessionTest {
 protected:
  SmallSessionTest() : SessionTest(options()) {}
  static StdioOptions options() {
    StdioOptions small;
    small.in_flight_max = 3;
    small.outgoing_bytes_max = 400;
    small.outbox.messages_max = 2;
    return small;
  }
};

TEST_F(SmallSessionTest, RequestsUnderWay) {
  ask(request("1"));
  ask(request("2"));
  ask(request("3"));
  EXPECT_EQ(ask(request("4"))->error(), Code::kOverloaded);
}

TEST_F(SmallSessionTest, InputThatIsNotRead) {
  server().set_reading(false);
  const std::string text(150, 'x');
  ask(request("1", "tools/call", R"({"name":")" + text + "\"}"));
  EXPECT_EQ(ask(request("2", "tools/call", R"({"name":")" + text + "\"}"))->error(),
            Code::kOverloaded);
}

TEST_F(SmallSessionTest, MessagesThatNobodyTakes) {
  for (int i = 0; i < 5; ++i) server().say(kListChanged);
  server().say(kRootsList);
  world.settle();
  // It is told, lest it wait for ever.
  EXPECT_EQ(server().heard.back(), gone("\"r1\"", "The client cannot be asked."));
  const auto stream = world.start(bare(CallKind::kStream, session));
  EXPECT_EQ(world.body(*stream), event(kListChanged) + event(kListChanged));
}

TEST_F(SmallSessionTest, TheAnswerIsTakenHoweverFullTheStreamIs) {
  const auto call =
      ask(request("1", "tools/call", R"({"name":"t","_meta":{"progressToken":"p"}})"));
  for (int i = 0; i < 5; ++i) server().say(kProgress);
  server().say(result("1"));
  world.settle();
  EXPECT_EQ(world.body(*call), event(kProgress) + event(kProgress) + event(result("1")));
}

}  // namespace
}  // namespace mandated::stdio
