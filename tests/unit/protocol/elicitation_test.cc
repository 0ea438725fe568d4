#include "proxy/protocol/elicitation.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/unit/protocol/fixtures.h"

namespace mandated::protocol {
namespace {

using testing::post;
using testing::request;
using testing::stateless_post;

constexpr const char* kOpensPages = R"({"elicitation":{"form":{},"url":{}}})";

/// A tools/call under 2026-07-28 of a client that can do this.
std::string stateless_call(const std::string& capabilities, const std::string& more = "") {
  return R"({"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"t","arguments":{"n":1e2})" +
         more + R"(,"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",)" +
         R"("io.modelcontextprotocol/clientCapabilities":)" + capabilities + "}}}";
}

RefusalFacts facts() {
  RefusalFacts made;
  made.code = "approval_required";
  made.tool = "t";
  made.sentence = "Ask \"Alice\".";
  made.ticket = "0123";
  made.url = "https://consent.example/requests/q/page";
  return made;
}

TEST(Elicitation, AClientSaysAtInitializeThatItOpensPages) {
  struct Case {
    const char* params;
    bool opens;
  };
  for (const Case& each : {
           Case{R"({"capabilities":{"elicitation":{"url":{}}}})", true},
           Case{R"({"capabilities":{"elicitation":{"form":{}}}})", false},
           Case{R"({"capabilities":{"elicitation":{}}})", false},
           Case{R"({"capabilities":{"elicitation":{"url":true}}})", false},
           Case{R"({"capabilities":{"elicitation":"url"}})", false},
           Case{R"({"capabilities":{}})", false},
           Case{R"({})", false},
       }) {
    const auto message = parse_message(request("initialize", each.params));
    ASSERT_TRUE(message);
    EXPECT_EQ(says_it_opens_pages(*message), each.opens) << each.params;
  }
}

TEST(Elicitation, TheSessionsIdCarriesIt) {
  for (const auto& [given, id, opens] :
       {std::tuple("s-1", "s-1", false), std::tuple("s-1.pages", "s-1", true),
        std::tuple("s.pages.pages", "s.pages", true)}) {
    http::RequestHead head = post();
    head.fields.add("mcp-session-id", given);
    const auto call = understand(head, request("tools/call", R"({"name":"t"})"), {});
    ASSERT_TRUE(call) << given;
    EXPECT_EQ(call->session_id, id);
    EXPECT_EQ(call->opens_pages, opens);
  }
  std::string id = mark_session("s-1");
  EXPECT_TRUE(unmark_session(id));
  EXPECT_EQ(id, "s-1");
  http::RequestHead head = post();
  head.fields.add("mcp-session-id", ".pages");
  EXPECT_FALSE(understand(head, request("tools/call", R"({"name":"t"})"), {}));
}

TEST(Elicitation, UnderTheStatelessRevisionEachRequestSaysIt) {
  const http::RequestHead head = stateless_post("tools/call", "t");
  const auto opens = [&](const std::string& body) {
    const auto call = understand(head, body, {});
    EXPECT_TRUE(call) << call.error().message;
    return call && call->opens_pages;
  };
  EXPECT_TRUE(opens(stateless_call(kOpensPages)));
  EXPECT_FALSE(opens(stateless_call("{}")));
  // The server behind is in the middle of asking something of its own.
  EXPECT_FALSE(opens(stateless_call(kOpensPages, R"(,"requestState":"server")")));
  const auto listing =
      understand(stateless_post("tools/list"),
                 R"({"jsonrpc":"2.0","id":7,"method":"tools/list","params":{"_meta":{)"
                 R"("io.modelcontextprotocol/protocolVersion":"2026-07-28",)"
                 R"("io.modelcontextprotocol/clientCapabilities":{"elicitation":{"url":{}}}}}})",
                 {});
  ASSERT_TRUE(listing);
  EXPECT_FALSE(listing->opens_pages);
}

TEST(Elicitation, WhatBelongedToThePageGoesNoFurther) {
  const std::string answered = stateless_call(
      kOpensPages,
      R"(,"inputResponses":{"page":{"action":"accept"}},"requestState":"mandated:0123")");
  const auto call = understand(stateless_post("tools/call", "t"), answered, {});
  ASSERT_TRUE(call) << call.error().message;
  EXPECT_FALSE(call->opens_pages);  // asked once; from now on the caller is told in words
  EXPECT_EQ(call->message->param("requestState"), std::nullopt);
  EXPECT_EQ(call->message->params()->find("inputResponses"), nullptr);
  EXPECT_EQ(call->id, "7");
  EXPECT_EQ(json::canonical(*call->arguments), R"({"n":100})");

  const std::string other = stateless_call(
      kOpensPages, R"(,"inputResponses":{"q":{"action":"accept"}},"requestState":"server")");
  const auto passed = understand(stateless_post("tools/call", "t"), other, {});
  ASSERT_TRUE(passed);
  EXPECT_EQ(without_receipt(*passed->message), other);
}

TEST(Elicitation, IsAnErrorInSessionsAndAResultWithout) {
  Call call;
  call.id = "7";
  call.version = "2025-11-25";
  EXPECT_EQ(page_request(call, facts()),
            R"({"jsonrpc":"2.0","id":7,"error":{"code":-32042,"message":"Ask \"Alice\".",)"
            R"("data":{"elicitations":[{"mode":"url","message":"Ask \"Alice\".",)"
            R"("url":"https://consent.example/requests/q/page","elicitationId":"0123"}],)"
            R"("code":"approval_required","tool":"t","sentence":"Ask \"Alice\".","ticket":"0123",)"
            R"("url":"https://consent.example/requests/q/page"}}})");
  call.version = kStateless;
  EXPECT_EQ(page_request(call, facts()),
            R"({"jsonrpc":"2.0","id":7,"result":{"resultType":"input_required",)"
            R"("inputRequests":{"page":{"method":"elicitation/create","params":{"mode":"url",)"
            R"("message":"Ask \"Alice\".","url":"https://consent.example/requests/q/page"}}},)"
            R"("requestState":"mandated:0123"}})");
}

}  // namespace
}  // namespace mandated::protocol
