#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/unit/protocol/fixtures.h"

namespace mandated::protocol {
namespace {

using testing::post;
using testing::request;
using testing::stateless_post;
using testing::stateless_request;

void expect_rejected(const Accepted<Call>& outcome, int status, int code) {
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().status, status) << outcome.error().message;
  EXPECT_EQ(outcome.error().code, code) << outcome.error().message;
}

TEST(Understand, AToolCall) {
  http::RequestHead head = post();
  head.fields.add("mcp-session-id", "s-1");
  head.fields.add("mcp-protocol-version", "2025-11-25");
  head.fields.add("delegation-receipt", "a.b.c, d.e.f");
  head.fields.add("delegation-proof", "p.q.r");
  const auto call =
      understand(head, request("tools/call", R"({"name":"read","arguments":{"path":"/a"}})"), {});
  ASSERT_TRUE(call) << call.error().message;
  EXPECT_EQ(call->kind, CallKind::kRequest);
  EXPECT_EQ(call->method, "tools/call");
  EXPECT_EQ(call->id, "7");
  EXPECT_EQ(call->version, "2025-11-25");
  EXPECT_EQ(call->session_id, "s-1");
  EXPECT_FALSE(call->is_discovery);
  EXPECT_EQ(call->tool, "read");
  ASSERT_NE(call->arguments, nullptr);
  EXPECT_EQ(call->arguments->find_string("path"), "/a");
  EXPECT_EQ(call->receipts, (std::vector<std::string>{"a.b.c", "d.e.f"}));
  EXPECT_EQ(call->proof, "p.q.r");
}

TEST(Understand, ACallSurvivesAMove) {
  auto first = understand(post(), request("resources/read", R"({"uri":"file:///a"})"), {});
  ASSERT_TRUE(first);
  const Call second = std::move(*first);
  EXPECT_EQ(second.arguments->find_string("uri"), "file:///a");
  EXPECT_EQ(second.message->method(), "resources/read");
}

TEST(Understand, ArgumentsMayBeAbsent) {
  const auto call = understand(post(), request("tools/call", R"({"name":"now"})"), {});
  ASSERT_TRUE(call);
  EXPECT_EQ(call->arguments, nullptr);
}

TEST(Understand, NamesMayBeUris) {
  UnderstandOptions options;
  options.naming.upstream = "files";
  const auto call = understand(post(), request("tools/call", R"({"name":"read"})"), options);
  ASSERT_TRUE(call);
  EXPECT_EQ(call->tool, "mcp://files/read");
  const auto method = understand(post(), request("prompts/get", R"({"name":"p"})"), options);
  ASSERT_TRUE(method);
  EXPECT_EQ(method->tool, "mcp://files/mcp:prompts/get");
}

struct MethodCase {
  const char* method;
  const char* params;
  const char* tool;  ///< empty: discovery
  List list;
};

TEST(Understand, ClassifiesTheMethodsOfRevisionsWithSessions) {
  const std::vector<MethodCase> cases = {
      {"initialize", R"({"protocolVersion":"2025-11-25"})", "", List::kNone},
      {"ping", "{}", "", List::kNone},
      {"logging/setLevel", R"({"level":"info"})", "", List::kNone},
      {"tools/list", "{}", "", List::kTools},
      {"resources/list", "{}", "", List::kResources},
      {"resources/templates/list", "{}", "", List::kResourceTemplates},
      {"prompts/list", "{}", "", List::kPrompts},
      {"resources/read", R"({"uri":"u"})", "mcp:resources/read", List::kNone},
      {"resources/subscribe", R"({"uri":"u"})", "mcp:resources/subscribe", List::kNone},
      {"resources/unsubscribe", R"({"uri":"u"})", "mcp:resources/subscribe", List::kNone},
      {"prompts/get", R"({"name":"p"})", "mcp:prompts/get", List::kNone},
      {"completion/complete", "{}", "mcp:completion/complete", List::kNone},
      {"tasks/get", R"({"taskId":"t"})", "mcp:tasks/get", List::kNone},
      {"tasks/result", R"({"taskId":"t"})", "mcp:tasks/result", List::kNone},
      {"tasks/list", "{}", "mcp:tasks/list", List::kNone},
      {"tasks/cancel", R"({"taskId":"t"})", "mcp:tasks/cancel", List::kNone},
  };
  for (const MethodCase& each : cases) {
    const auto call = understand(post(), request(each.method, each.params), {});
    ASSERT_TRUE(call) << each.method << ": " << call.error().message;
    EXPECT_EQ(call->tool, each.tool) << each.method;
    EXPECT_EQ(call->is_discovery, *each.tool == '\0') << each.method;
    EXPECT_EQ(call->list, each.list) << each.method;
  }
}

TEST(Understand, UnknownMethodsAreRefused) {
  for (const char* method : {"tools/call2", "tools/Call", "TOOLS/CALL", "tools/call/", "x",
                             "rpc.discover", "sampling/createMessage", "server/discover"}) {
    const auto call = understand(post(), request(method), {});
    expect_rejected(call, 200, kMethodNotFound);
    EXPECT_EQ(call.error().id, "7");
  }
  for (const char* method : {"nonsense", "initialize", "ping", "logging/setLevel",
                             "resources/subscribe", "tasks/result"}) {
    expect_rejected(understand(stateless_post(method), stateless_request(method), {}), 404,
                    kMethodNotFound);
  }
}

TEST(Understand, TheStatelessRevision) {
  http::RequestHead head = stateless_post("tools/call", "read");
  head.fields.add("mcp-session-id", "ignored");
  const auto call =
      understand(head, stateless_request("tools/call", R"("name":"read","arguments":{})"), {});
  ASSERT_TRUE(call) << call.error().message;
  EXPECT_EQ(call->version, "2026-07-28");
  EXPECT_EQ(call->session_id, "");
  const auto discover =
      understand(stateless_post("server/discover"), stateless_request("server/discover"), {});
  ASSERT_TRUE(discover);
  EXPECT_TRUE(discover->is_discovery);
}

TEST(Understand, SubscriptionsToResourcesAreToolsAndToListsAreNot) {
  const auto listen = [](const char* filter) {
    return understand(
        stateless_post("subscriptions/listen"),
        stateless_request("subscriptions/listen", R"("notifications":)" + std::string(filter)), {});
  };
  const auto lists = listen(R"({"toolsListChanged":true,"promptsListChanged":true})");
  ASSERT_TRUE(lists);
  EXPECT_TRUE(lists->is_discovery);
  for (const char* filter :
       {R"({"resourceSubscriptions":["file:///a"]})", R"({"ResourceSubscriptions":["file:///a"]})",
        R"({"new":true})", "7"}) {
    const auto call = listen(filter);
    ASSERT_TRUE(call) << filter;
    EXPECT_EQ(call->tool, "mcp:subscriptions/listen") << filter;
    EXPECT_FALSE(call->is_discovery);
  }
}

TEST(Understand, WhatIsAboutTheExchangeIsNoArgument) {
  const auto call =
      understand(stateless_post("resources/read", "u"),
                 stateless_request("resources/read",
                                   R"("uri":"u","requestState":"s","inputResponses":{},"x":1)"),
                 {});
  ASSERT_TRUE(call) << call.error().message;
  ASSERT_NE(call->arguments, nullptr);
  EXPECT_EQ(json::canonical(*call->arguments), R"({"uri":"u","x":1})");
}

TEST(Understand, BadToolCalls) {
  const std::vector<const char*> params = {
      "{}",
      R"({"name":7})",
      R"({"name":""})",
      R"({"name":null})",
      R"({"name":"t","arguments":null})",
      R"({"name":"t","arguments":[1]})",
      R"({"name":"t","arguments":"{}"})",
      R"({"name":"t","extra":1})",
      R"({"name":"mcp:resources/read","arguments":{"uri":"x"}})",
      R"({"name":"mcp://other/tool"})",
      R"({"name":"a2a://other/method"})",
  };
  for (const char* each : params) {
    SCOPED_TRACE(each);
    const auto call = understand(post(), request("tools/call", each), {});
    expect_rejected(call, 400, kInvalidParams);
    EXPECT_EQ(call.error().id, "7");
  }
  expect_rejected(understand(post(), R"({"jsonrpc":"2.0","id":7,"method":"tools/call"})", {}), 400,
                  kInvalidParams);
}

TEST(Understand, WhatTheRevisionsAddToAToolCallIsTaken) {
  EXPECT_TRUE(understand(post(), request("tools/call", R"({"name":"t","task":{"ttl":1}})"), {}));
  EXPECT_TRUE(understand(
      stateless_post("tools/call", "t"),
      stateless_request("tools/call", R"("name":"t","inputResponses":{},"requestState":"s")"), {}));
}

TEST(Understand, NotificationsAndResponses) {
  const auto notification =
      understand(post(), R"({"jsonrpc":"2.0","method":"notifications/anything"})", {});
  ASSERT_TRUE(notification);
  EXPECT_EQ(notification->kind, CallKind::kNotification);
  EXPECT_TRUE(notification->is_discovery);
  EXPECT_EQ(notification->id, "null");
  const auto response = understand(post(), R"({"jsonrpc":"2.0","id":3,"result":{}})", {});
  ASSERT_TRUE(response);
  EXPECT_EQ(response->kind, CallKind::kResponse);
  EXPECT_TRUE(response->is_discovery);
}

TEST(Understand, InitializeSaysItsRevision) {
  const auto call =
      understand(post(), request("initialize", R"({"protocolVersion":"2025-06-18"})"), {});
  ASSERT_TRUE(call);
  EXPECT_EQ(call->version, "2025-06-18");
  const auto unknown =
      understand(post(), request("initialize", R"({"protocolVersion":"2030-01-01"})"), {});
  ASSERT_TRUE(unknown);
  EXPECT_EQ(unknown->version, "2025-03-26");
  const auto newest =
      understand(post(), request("initialize", R"({"protocolVersion":"2026-07-28"})"), {});
  ASSERT_TRUE(newest);
  EXPECT_EQ(newest->version, "2025-11-25");
}

TEST(Understand, GetAndDelete) {
  http::RequestHead get;
  get.method = "GET";
  get.fields.add("accept", "text/event-stream");
  get.fields.add("mcp-session-id", "s");
  const auto stream = understand(get, "", {});
  ASSERT_TRUE(stream);
  EXPECT_EQ(stream->kind, CallKind::kStream);
  EXPECT_EQ(stream->list, List::kAny);
  EXPECT_EQ(stream->session_id, "s");
  EXPECT_FALSE(stream->message);
  expect_rejected(understand(get, "{}", {}), 400, kInvalidRequest);

  get.method = "DELETE";
  const auto end = understand(get, "", {});
  ASSERT_TRUE(end);
  EXPECT_EQ(end->kind, CallKind::kEndSession);

  for (const char* method : {"PUT", "PATCH", "get", "OPTIONS"}) {
    get.method = method;
    expect_rejected(understand(get, "", {}), 405, kInvalidRequest);
  }
}

TEST(Understand, SessionIds) {
  const auto with = [](const std::string& id, int times = 1) {
    http::RequestHead head = post();
    for (int i = 0; i < times; ++i) head.fields.add("mcp-session-id", id);
    return understand(head, request("ping"), {});
  };
  EXPECT_TRUE(with("0123456789abcdef"));
  expect_rejected(with("a", 2), 400, kInvalidRequest);
  expect_rejected(with(""), 400, kInvalidRequest);
  expect_rejected(with("a b"), 400, kInvalidRequest);
  expect_rejected(with("\xC3\xA9"), 400, kInvalidRequest);
  expect_rejected(with(std::string(300, 'a')), 400, kInvalidRequest);
}

}  // namespace
}  // namespace mandated::protocol
