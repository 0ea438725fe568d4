#include <gtest/gtest.h>

#include <string>

#include "proxy/json/json.h"
#include "tests/unit/stdio/world.h"

namespace mandated::stdio {
namespace {

using namespace std::chrono_literals;
using protocol::CallKind;
using testing::FakeServer;
using testing::Outcome;
using testing::World;

constexpr std::string_view kMeta = R"("io.modelcontextprotocol/clientCapabilities":{},)"
                                   R"("io.modelcontextprotocol/protocolVersion":"2026-07-28")";

std::string params(std::string_view members, std::string_view meta = {}) {
  std::string out = R"({"_meta":{)" + std::string(kMeta);
  if (!meta.empty()) out.append(",").append(meta);
  out += "}";
  if (!members.empty()) out.append(",").append(members);
  return out + "}";
}
std::string request(std::string_view id, std::string_view method = "tools/call",
                    const std::string& with = params(R"("name":"t")")) {
  return R"({"jsonrpc":"2.0","id":)" + std::string(id) + R"(,"method":")" + std::string(method) +
         R"(","params":)" + with + "}";
}
std::string result(std::string_view id, std::string_view members) {
  return R"({"jsonrpc":"2.0","id":)" + std::string(id) + R"(,"result":{)" + std::string(members) +
         "}}";
}
std::string error(std::string_view id, int code, std::string_view message) {
  return R"({"jsonrpc":"2.0","id":)" + std::string(id) + R"(,"error":{"code":)" +
         std::to_string(code) + R"(,"message":")" + std::string(message) + R"("}})";
}
std::string event(const std::string& data) { return "data: " + data + "\n\n"; }

constexpr std::string_view kProbe = "\"mandated-probe\"";
constexpr std::string_view kSetUp = "\"mandated-initialize\"";
constexpr std::string_view kLost =
    "The server ended. Whether it carried out the call is not known.";
const std::string kInitializeMembers =
    R"("protocolVersion":"2025-06-18","capabilities":{"tools":{"listChanged":true},)"
    R"("resources":{"subscribe":true},"logging":{}},"serverInfo":{"name":"s","version":"1"},)"
    R"("instructions":"Be kind.")";

std::string id_of(const std::string& line) {
  const auto document = json::Document::parse(line);
  const json::Value* id = document ? document->root().find("id") : nullptr;
  return id == nullptr ? std::string() : std::string(id->raw());
}

void modern(FakeServer& server, const std::string& line) {
  if (id_of(line) == kProbe) {
    server.say(result(kProbe, R"("resultType":"complete","supportedVersions":["2026-07-28"],)"
                              R"("capabilities":{})"));
  }
}
void legacy(FakeServer& server, const std::string& line) {
  if (id_of(line) == kProbe) server.say(error(kProbe, -32601, "Method not found"));
  if (id_of(line) == kSetUp) server.say(result(kSetUp, kInitializeMembers));
}

StdioRequest post(std::string body, std::string peer = "spiffe://a/x") {
  StdioRequest made;
  made.body = std::move(body);
  made.version = "2026-07-28";
  made.peer = std::move(peer);
  return made;
}

class ModernTest : public ::testing::Test {
 protected:
  ModernTest() { world.servers->on_line = modern; }
  FakeServer& server() { return world.servers->last(); }
  World world;
};

TEST_F(ModernTest, ClientsShareTheServerAndDoNotCollide) {
  const auto one = world.start(post(request("1", "tools/call", params(R"("name":"a")")), "x"));
  const auto two = world.start(post(request("1", "tools/call", params(R"("name":"b")")), "y"));
  const auto three =
      world.start(post(request("\"1\"", "tools/call", params(R"("name":"c")")), "y"));
  EXPECT_EQ(world.servers->started.size(), 1U);
  ASSERT_EQ(server().heard.size(), 4U);
  EXPECT_EQ(server().heard[1], request("1", "tools/call", params(R"("name":"a")")));
  EXPECT_EQ(server().heard[2], request("2", "tools/call", params(R"("name":"b")")));
  EXPECT_EQ(server().heard[3], request("3", "tools/call", params(R"("name":"c")")));
  server().say(result("3", R"("of":"c","resultType":"complete")"));
  server().say(result("2", R"("of":"b","resultType":"complete")"));
  server().say(result("1", R"("of":"a","resultType":"complete")"));
  world.settle();
  EXPECT_EQ(world.body(*one), result("1", R"("of":"a","resultType":"complete")"));
  EXPECT_EQ(world.body(*two), result("1", R"("of":"b","resultType":"complete")"));
  EXPECT_EQ(world.body(*three), result("\"1\"", R"("of":"c","resultType":"complete")"));
  EXPECT_EQ(one->field("content-type"), "application/json");
  EXPECT_EQ(one->field("mcp-session-id"), "");
}

TEST_F(ModernTest, ProgressTokensAreMapped) {
  const auto one = world.start(
      post(request("1", "tools/call", params(R"("name":"t")", R"("progressToken":"p")"))));
  const auto two = world.start(
      post(request("1", "tools/call", params(R"("name":"t")", R"("progressToken":"p")"))));
  EXPECT_EQ(server().heard[1],
            request("1", "tools/call", params(R"("name":"t")", R"("progressToken":1)")));
  const auto progress = [](std::string_view token) {
    return R"({"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":)" +
           std::string(token) + R"(,"progress":1}})";
  };
  server().say(progress("2"));
  server().say(progress("\"p\""));  // no token of ours
  server().say(progress("99"));
  world.settle();
  EXPECT_FALSE(one->done());
  EXPECT_EQ(world.piece(*two), event(progress("\"p\"")));
}

TEST_F(ModernTest, WhoeverGoesAwayCancels) {
  const auto call = world.start(post(request("\"mine\"")));
  call->abandonment->now();
  world.settle();
  EXPECT_EQ(call->error(), Code::kCancelled);
  EXPECT_EQ(server().heard.back(),
            R"({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1,)"
            R"("reason":"The caller does not wait any longer."}})");
  server().say(result("1", ""));  // too late
  world.settle();
}

TEST_F(ModernTest, SoDoesADeadlineAndADroppedStream) {
  StdioRequest late = post(request("1"));
  late.deadline = world.clock.now() + 5s;
  const auto call = world.start(late);
  world.settle(5s);
  EXPECT_EQ(call->error(), Code::kTimeout);
  EXPECT_NE(server().heard.back().find(R"("requestId":1,)"), std::string::npos);

  const auto stream = world.start(
      post(request("1", "tools/call", params(R"("name":"t")", R"("progressToken":7)"))));
  server().say(
      R"({"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":2,"progress":1}})");
  world.settle();
  ASSERT_EQ(stream->field("content-type"), "text/event-stream");
  stream->response.reset();
  world.settle();
  EXPECT_NE(server().heard.back().find(R"("requestId":2,)"), std::string::npos);
}

TEST_F(ModernTest, SubscriptionsGetTheirIdsBack) {
  const auto stream = world.start(post(request(
      "\"sub\"", "subscriptions/listen", params(R"("notifications":{"toolsListChanged":true})"))));
  const auto told = [](std::string_view method, std::string_view id) {
    return R"({"jsonrpc":"2.0","method":")" + std::string(method) +
           R"(","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":)" + std::string(id) +
           "}}}";
  };
  server().say(told("notifications/subscriptions/acknowledged", "1"));
  server().say(told("notifications/tools/list_changed", "1"));
  server().say(told("notifications/tools/list_changed", "5"));
  server().say(R"({"jsonrpc":"2.0","method":"notifications/message","params":{"data":"secret"}})");
  world.settle();
  EXPECT_EQ(world.piece(*stream),
            event(told("notifications/subscriptions/acknowledged", "\"sub\"")));
  EXPECT_EQ(world.piece(*stream), event(told("notifications/tools/list_changed", "\"sub\"")));
  EXPECT_EQ(world.piece(*stream, 15s), ":\n\n");
  server().say(
      R"({"jsonrpc":"2.0","id":1,"result":{"_meta":{"io.modelcontextprotocol/subscriptionId":1}}})");
  world.settle();
  EXPECT_EQ(
      world.body(*stream),
      event(
          R"({"jsonrpc":"2.0","id":"sub","result":{"_meta":{"io.modelcontextprotocol/subscriptionId":"sub"}}})"));
}

TEST_F(ModernTest, TheServerMayTearASubscriptionDown) {
  const auto stream = world.start(
      post(request("\"sub\"", "subscriptions/listen", params(R"("notifications":{})"))));
  server().say(R"({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}})");
  world.settle();
  EXPECT_EQ(
      world.body(*stream),
      event(
          R"({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"sub"}})"));
}

TEST_F(ModernTest, TheServerCannotAskTheClient) {
  world.start(post(request("1")));
  server().say(R"({"jsonrpc":"2.0","id":5,"method":"roots/list"})");
  server().say(R"({"jsonrpc":"2.0","id":6,"method":"ping"})");
  world.settle();
  ASSERT_EQ(server().heard.size(), 4U);
  EXPECT_EQ(server().heard[2], error("5", -32601, "The client cannot be asked."));
  EXPECT_EQ(server().heard[3], R"({"jsonrpc":"2.0","id":6,"result":{}})");
}

TEST_F(ModernTest, ErrorsHaveTheStatusThatTheRevisionAsksFor) {
  int id = 0;
  for (const auto& [code, status] : std::vector<std::pair<int, int>>{
           {-32601, 404}, {-32020, 400}, {-32021, 400}, {-32022, 400}, {-32602, 200}, {1, 200}}) {
    const auto call = world.start(post(request("7")));
    server().say(error(std::to_string(++id), code, "x"));
    world.settle();
    EXPECT_EQ(call->status(), status) << code;
    EXPECT_EQ(world.body(*call), error("7", code, "x"));
  }
}

TEST_F(ModernTest, ADeathAnswersAtOnceAndTheNextCallWaitsForTheNewProcess) {
  const auto call = world.start(post(request("1")));
  server().die();
  world.settle();
  EXPECT_EQ(world.body(*call), error("1", -32000, kLost));
  const auto next = world.start(post(request("1")));
  world.settle(250ms);
  ASSERT_EQ(world.servers->started.size(), 2U);
  ASSERT_EQ(server().heard.size(), 1U);  // it is not probed again
  EXPECT_EQ(server().heard[0], request("2"));
  server().say(result("2", ""));
  world.settle();
  EXPECT_EQ(world.body(*next), result("1", ""));
}

TEST_F(ModernTest, AServerThatKeepsDyingRests) {
  world.servers->on_line = [](FakeServer& server, const std::string&) { server.die(); };
  const auto call = world.start(post(request("1")));
  world.settle(10s);
  EXPECT_EQ(world.body(*call), error("1", -32000, "The server is not running."));
  EXPECT_EQ(world.start(post(request("2")))->error(), Code::kUnavailable);
  world.servers->on_line = modern;
  world.settle(30s);
  const auto later = world.start(post(request("3")));
  server().say(result("1", ""));
  world.settle();
  EXPECT_EQ(world.body(*later), result("3", ""));
}

TEST_F(ModernTest, NotificationsAreTakenAndGoNowhere) {
  EXPECT_EQ(world.start(post(R"({"jsonrpc":"2.0","method":"notifications/cancelled"})"))->status(),
            202);
  EXPECT_TRUE(world.servers->started.empty());
}

TEST_F(ModernTest, DrainingEndsSubscriptionsInGoodOrder) {
  const auto stream = world.start(
      post(request("\"sub\"", "subscriptions/listen", params(R"("notifications":{})"))));
  world.upstream->drain();
  world.settle();
  EXPECT_EQ(
      world.body(*stream),
      R"({"jsonrpc":"2.0","id":"sub","result":{"resultType":"complete","_meta":{"io.modelcontextprotocol/subscriptionId":"sub"}}})");
}

TEST_F(ModernTest, AnAnswerThatCannotBeRead) {
  const auto call = world.start(post(request("1")));
  server().say(R"({"jsonrpc":"2.0","id":1,"result":)");
  world.settle();
  EXPECT_EQ(world.body(*call).find(error("1", -32000, "The server's answer").substr(0, 70)), 0U);
}

TEST(ModernBounds, RequestsUnderWay) {
  StdioOptions options;
  options.in_flight_max = 2;
  World world(options);
  world.servers->on_line = modern;
  world.start(post(request("1")));
  world.start(post(request("2")));
  EXPECT_EQ(world.start(post(request("3")))->error(), Code::kOverloaded);
}

class LegacyTest : public ::testing::Test {
 protected:
  LegacyTest() { world.servers->on_line = legacy; }
  FakeServer& server() { return world.servers->last(); }
  std::string call(const std::string& method, std::string answer) {
    const auto outcome = world.start(post(request("\"c\"", method)));
    const std::string id = id_of(server().heard.back());
    answer.replace(answer.find("ID"), 2, id);
    server().say(answer);
    world.settle();
    return world.body(*outcome);
  }
  World world;
};

TEST_F(LegacyTest, IsSetUpByTheBridge) {
  const auto outcome = world.start(post(request("9")));
  ASSERT_EQ(server().heard.size(), 4U);
  EXPECT_EQ(id_of(server().heard[0]), kProbe);
  EXPECT_EQ(server().heard[1],
            R"({"jsonrpc":"2.0","id":"mandated-initialize","method":"initialize","params":)"
            R"({"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":)"
            R"({"name":"mandated","version":"0"}}})");
  EXPECT_EQ(server().heard[2], R"({"jsonrpc":"2.0","method":"notifications/initialized"})");
  EXPECT_EQ(server().heard[3], request("1"));
  server().say(result("1", R"("content":[])"));
  world.settle();
  EXPECT_EQ(
      world.body(*outcome),
      result("9", R"("content":[],"resultType":"complete",)"
                  R"("_meta":{"io.modelcontextprotocol/serverInfo":{"name":"s","version":"1"}})"));
}

TEST_F(LegacyTest, ResultsGetWhatTheRevisionRequires) {
  constexpr std::string_view kInfo =
      R"("_meta":{"io.modelcontextprotocol/serverInfo":{"name":"s","version":"1"}})";
  EXPECT_EQ(
      call("tools/list", result("ID", R"("tools":[])")),
      result("\"c\"", R"("tools":[],"resultType":"complete","ttlMs":0,"cacheScope":"private",)" +
                          std::string(kInfo)));
  EXPECT_EQ(call("tools/call", result("ID", R"("content":[],"_meta":{"k":1})")),
            result("\"c\"", R"("content":[],"_meta":{"k":1,"io.modelcontextprotocol/serverInfo":)"
                            R"({"name":"s","version":"1"}},"resultType":"complete")"));
  EXPECT_EQ(call("resources/read", error("ID", -32002, "Resource not found")),
            error("\"c\"", -32602, "Resource not found"));
  EXPECT_EQ(call("tools/call", error("ID", -32603, "x")), error("\"c\"", -32603, "x"));
}

TEST_F(LegacyTest, DiscoveryIsAnsweredFromInitialize) {
  const auto outcome = world.start(post(request("1", "server/discover", params(""))));
  EXPECT_EQ(
      world.body(*outcome),
      result("1", R"("resultType":"complete","supportedVersions":["2026-07-28","2025-06-18"],)"
                  R"("capabilities":{"tools":{"listChanged":true},"resources":{}},"ttlMs":0,)"
                  R"("cacheScope":"private","instructions":"Be kind.",)"
                  R"("_meta":{"io.modelcontextprotocol/serverInfo":{"name":"s","version":"1"}})"));
  const auto again = world.start(post(request("2", "server/discover", params(""))));
  EXPECT_EQ(again->status(), 200);
  EXPECT_EQ(server().heard.size(), 3U);  // neither reached the server
}

TEST_F(LegacyTest, ListChangesReachWhoeverAskedForThem) {
  const auto stream = world.start(
      post(request("\"sub\"", "subscriptions/listen",
                   params(R"("notifications":{"toolsListChanged":true,"promptsListChanged":true,)"
                          R"("resourceSubscriptions":["file:///a"]})"))));
  EXPECT_EQ(world.piece(*stream),
            event(R"({"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged",)"
                  R"("params":{"_meta":{"io.modelcontextprotocol/subscriptionId":"sub"},)"
                  R"("notifications":{"toolsListChanged":true}}})"));
  server().say(R"({"jsonrpc":"2.0","method":"notifications/prompts/list_changed"})");
  server().say(R"({"jsonrpc":"2.0","method":"notifications/tools/list_changed"})");
  server().say(
      R"({"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"file:///a"}})");
  world.settle();
  EXPECT_EQ(world.body(*stream),
            event(R"({"jsonrpc":"2.0","method":"notifications/tools/list_changed",)"
                  R"("params":{"_meta":{"io.modelcontextprotocol/subscriptionId":"sub"}}})"));
}

TEST_F(LegacyTest, AfterADeathItIsSetUpAgain) {
  const auto call = world.start(post(request("1")));
  server().die();
  world.settle();
  EXPECT_EQ(world.body(*call), error("1", -32000, kLost));
  world.settle(250ms);
  ASSERT_EQ(world.servers->started.size(), 2U);
  EXPECT_EQ(id_of(server().heard[0]), kSetUp);
}

TEST(LegacyServer, ThatDiesOfTheProbeIsNotAskedAgain) {
  World world;
  world.servers->on_line = [](FakeServer& server, const std::string& line) {
    if (id_of(line) == kProbe) return server.die();
    legacy(server, line);
  };
  const auto call = world.start(post(request("1")));
  EXPECT_FALSE(call->done());
  world.settle(250ms);
  ASSERT_EQ(world.servers->started.size(), 2U);
  EXPECT_EQ(id_of(world.servers->last().heard[0]), kSetUp);
  world.servers->last().say(result("1", ""));
  world.settle();
  EXPECT_EQ(call->status(), 200);
}

TEST(LegacyServer, ThatIsSilentWhenProbedIsGivenUpOn) {
  World world;
  world.servers->on_line = [](FakeServer& server, const std::string& line) {
    if (id_of(line) != kProbe) legacy(server, line);
  };
  const auto discover = world.start(post(request("1", "server/discover", params(""))));
  world.settle(4s);
  EXPECT_EQ(world.servers->started.size(), 1U);
  world.settle(2s);
  EXPECT_EQ(world.servers->started.size(), 2U);
  EXPECT_EQ(discover->status(), 200);
}

TEST(LegacyServer, ThatSpeaksNothingKnownIsAnError) {
  for (const std::string& answer : {error(kProbe, -32022, "Unsupported protocol version"),
                                    result(kProbe, R"("supportedVersions":["2030-01-01"])")}) {
    World world;
    world.servers->on_line = [&answer](FakeServer& server, const std::string&) {
      server.say(answer);
    };
    const auto call = world.start(post(request("1")));
    world.settle(1min);
    EXPECT_EQ(world.body(*call), error("1", -32000, "The server is not running."));
  }
}

}  // namespace
}  // namespace mandated::stdio
