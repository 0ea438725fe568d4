#include <gtest/gtest.h>

#include <set>
#include <string>

#include "proxy/protocol/mcp.h"

namespace mandated::protocol {
namespace {

Granted only(std::set<std::string, std::less<>> names) {
  return [names = std::move(names)](std::string_view name) { return names.contains(name); };
}

std::string result(const std::string& members) {
  return R"({"jsonrpc":"2.0","id":1,"result":{)" + members + "}}";
}

TEST(FilterList, KeepsTheToolsThatAreGranted) {
  const auto kept = filter_list(
      List::kTools,
      result(
          R"("tools":[{"name":"a","x":1},{"name":"b"},{"Name":"a"},{"name":7},"a"],"nextCursor":"n")"),
      {}, only({"a"}));
  ASSERT_TRUE(kept);
  EXPECT_EQ(*kept, result(R"("tools":[{"name":"a","x":1}],"nextCursor":"n")"));
}

TEST(FilterList, UsesTheNamesOfReceipts) {
  const ToolNaming naming{"files"};
  const std::string body = result(R"("tools":[{"name":"a"}])");
  EXPECT_EQ(filter_list(List::kTools, body, naming, only({"a"})), result(R"("tools":[])"));
  EXPECT_EQ(filter_list(List::kTools, body, naming, only({"mcp://files/a"})), body);
}

TEST(FilterList, ResourcesAndPromptsAreAllOrNothing) {
  const std::string resources = result(R"("resources":[{"name":"r","uri":"u"}])");
  EXPECT_EQ(filter_list(List::kResources, resources, {}, only({"r"})), result(R"("resources":[])"));
  EXPECT_EQ(filter_list(List::kResources, resources, {}, only({"mcp:resources/read"})), resources);
  const std::string templates = result(R"("resourceTemplates":[{"name":"r","uriTemplate":"u"}])");
  EXPECT_EQ(filter_list(List::kResourceTemplates, templates, {}, only({"mcp:resources/read"})),
            templates);
  EXPECT_EQ(filter_list(List::kResourceTemplates, templates, {}, only({})),
            result(R"("resourceTemplates":[])"));
  const std::string prompts = result(R"("prompts":[{"name":"p"}])");
  EXPECT_EQ(filter_list(List::kPrompts, prompts, {}, only({"mcp:resources/read"})),
            result(R"("prompts":[])"));
  EXPECT_EQ(filter_list(List::kPrompts, prompts, {}, only({"mcp:prompts/get"})), prompts);
}

TEST(FilterList, AFilteredAnswerIsNobodyElses) {
  EXPECT_EQ(filter_list(List::kTools, result(R"("tools":[],"cacheScope":"public","ttlMs":5)"), {},
                        only({})),
            result(R"("tools":[],"cacheScope":"private","ttlMs":5)"));
}

TEST(FilterList, ErrorsAndOtherMessagesPass) {
  for (const std::string body :
       {R"({"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"no"}})",
        R"({"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1}})"}) {
    EXPECT_EQ(filter_list(List::kTools, body, {}, only({})), body);
  }
}

TEST(FilterList, AStreamMayHoldAnyList) {
  const std::string call = result(R"("content":[{"type":"text","text":"x"}])");
  EXPECT_EQ(filter_list(List::kAny, call, {}, only({})), call);
  EXPECT_EQ(filter_list(List::kAny, result(R"("tools":[{"name":"a"}])"), {}, only({})),
            result(R"("tools":[])"));
  EXPECT_EQ(filter_list(List::kAny, result(R"("prompts":[{"name":"a"}])"), {}, only({})),
            result(R"("prompts":[])"));
  const auto two = filter_list(List::kAny, result(R"("tools":[],"prompts":[])"), {}, only({}));
  ASSERT_FALSE(two);
  EXPECT_EQ(two.error().status, 502);
}

TEST(FilterList, WhatCannotBeCheckedIsNotPassed) {
  for (const std::string& body :
       {result(R"("tools":{})"), result(""), std::string("[]"), std::string("{"),
        result(R"("Tools":[{"name":"a"}])"), result(R"("tools":[],"tools":[{"name":"a"}])")}) {
    const auto kept = filter_list(List::kTools, body, {}, only({}));
    ASSERT_FALSE(kept) << body;
    EXPECT_EQ(kept.error().status, 502);
    EXPECT_EQ(kept.error().code, kInternalError);
  }
}

TEST(FilterList, ListsBesideTheOneThatWasAskedForAreRefused) {
  // A client that looks for other members must not find an unfiltered list there.
  const auto kept = filter_list(List::kResources,
                                result(R"("resources":[],"tools":[{"name":"a"}])"), {}, only({}));
  ASSERT_FALSE(kept);
  EXPECT_EQ(kept.error().status, 502);
}

}  // namespace
}  // namespace mandated::protocol
