// Clients' files, wrapped and unwrapped: nothing else in them changes, and nothing is guessed.
#include "proxy/main/mcp_clients.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace mandated {
namespace {

using Json = nlohmann::ordered_json;
using testing::ElementsAre;

const WrapCommand kWrap{"/usr/bin/mandated", {"--config", "/etc/w.yaml"}};

TEST(McpClients, WrapAndUnwrapAreInverse) {
  const std::string before = Json::parse(R"({
    "theme": "dark", "big": 9007199254740993,
    "mcpServers": {
      "files": {"command": "npx", "args": ["-y", "server", "--", "/data"], "env": {"KEY": "é"}},
      "plain": {"command": "/opt/server", "args": []},
      "far": {"url": "https://example.org/mcp"}},
    "other": {"mcpServers": 1}})")
                                 .dump(2) +
                             "\n";
  const auto wrapped = wrap_servers(before, kWrap);
  ASSERT_TRUE(wrapped) << wrapped.error();
  EXPECT_TRUE(wrapped->changed);
  EXPECT_THAT(wrapped->words, ElementsAre("files: wrapped as files", "plain: wrapped as plain",
                                          "far: is no command; left as it is"));
  const Json servers = Json::parse(wrapped->text)["mcpServers"];
  EXPECT_EQ(servers["files"]["command"], "/usr/bin/mandated");
  EXPECT_EQ(
      servers["files"]["args"].dump(),
      R"(["wrap","--name","files","--config","/etc/w.yaml","--","npx","-y","server","--","/data"])");
  EXPECT_EQ(servers["files"]["env"].dump(), R"({"KEY":"é"})");

  const auto again = wrap_servers(wrapped->text, kWrap);
  ASSERT_TRUE(again);
  EXPECT_FALSE(again->changed);
  EXPECT_EQ(again->text, wrapped->text);

  const auto unwrapped = unwrap_servers(wrapped->text);
  ASSERT_TRUE(unwrapped);
  EXPECT_TRUE(unwrapped->changed);
  EXPECT_EQ(unwrapped->text, before);
}

TEST(McpClients, NamesAreThoseOfUpstreams) {
  const auto wrapped = wrap_servers(
      R"({"servers":{"My server":{"command":"a"},"My/server":{"command":"b"},"":{"command":"c"},"-x":{"command":"d"}}})",
      kWrap);
  ASSERT_TRUE(wrapped);
  EXPECT_THAT(wrapped->words,
              ElementsAre("My server: wrapped as My-server", "My/server: wrapped as My-server-2",
                          ": wrapped as s", "-x: wrapped as s-x"));
}

TEST(McpClients, WhatIsUnclearIsNotTouched) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "it is not JSON"},
      {"[]", "it is not a JSON object"},
      {"{}", "it has neither \"mcpServers\" nor \"servers\""},
      {R"({"mcpServers":[]})", "it has neither \"mcpServers\" nor \"servers\""},
      {"{\"mcpServers\":{}, // mine\n}", "it is not JSON"},
      {"{\"mcpServers\":{} // mine\n}",
       "it has comments, which would be lost; wrap the commands by hand"},
      {R"({"mcpServers":{"a":{"command":"x","command":"y"}}})",
       "the member \"command\" stands twice"},
      {R"({"mcpServers":{},"mcpServers":{}})", "the member \"mcpServers\" stands twice"},
  };
  for (const auto& [text, why] : cases) {
    const auto wrapped = wrap_servers(text, kWrap);
    ASSERT_FALSE(wrapped) << text;
    EXPECT_EQ(wrapped.error(), why) << text;
    EXPECT_FALSE(unwrap_servers(text)) << text;
  }
  for (const char* server : {R"({"command":7})", R"({"command":"x","args":"y"})",
                             R"({"command":"x","args":[1]})", "7"}) {
    const auto wrapped = wrap_servers(R"({"mcpServers":{"a":)" + std::string(server) + "}}", kWrap);
    ASSERT_TRUE(wrapped) << server;
    EXPECT_FALSE(wrapped->changed) << server;
  }
}

TEST(McpClients, ClaudeCodeKeepsSomeByProject) {
  const std::string before = R"({"mcpServers":{"a":{"command":"x"}},"projects":{)"
                             R"("/p":{"mcpServers":{"b":{"command":"y"}},"history":[]},"/q":{}}})";
  const auto wrapped = wrap_servers(before, kWrap);
  ASSERT_TRUE(wrapped) << wrapped.error();
  EXPECT_THAT(wrapped->words, ElementsAre("a: wrapped as a", "/p: b: wrapped as b"));
  const auto unwrapped = unwrap_servers(wrapped->text);
  ASSERT_TRUE(unwrapped);
  EXPECT_EQ(Json::parse(unwrapped->text)["projects"]["/p"]["mcpServers"]["b"]["command"], "y");
  EXPECT_TRUE(
      wrap_servers(R"({"projects":{"/p":{"mcpServers":{"b":{"command":"y"}}}}})", kWrap)->changed);
}

// It may do anything.
TEST(McpClients, AnotherProgramThatWrapsIsNamed) {
  const auto wrapped = wrap_servers(
      R"({"mcpServers":{"a":{"command":"/tmp/mandated","args":["wrap","--","sh"]}}})", kWrap);
  ASSERT_TRUE(wrapped);
  EXPECT_FALSE(wrapped->changed);
  EXPECT_THAT(wrapped->words, ElementsAre("a: LEFT AS IT IS: it is wrapped by /tmp/mandated"));
}

TEST(McpClients, AHalfWrappedServerStaysAsItIs) {
  const auto unwrapped = unwrap_servers(
      R"({"mcpServers":{"a":{"command":"mandated","args":["wrap","--name","a","--"]}}})");
  ASSERT_TRUE(unwrapped);
  EXPECT_FALSE(unwrapped->changed);
}

}  // namespace
}  // namespace mandated
