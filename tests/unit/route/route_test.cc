#include "proxy/route/route.h"

#include <gtest/gtest.h>

namespace mandated::route {
namespace {

config::Route make(std::string name, std::string listener, std::string host, std::string path) {
  config::Route route;
  route.name = std::move(name);
  route.listener = std::move(listener);
  route.host = std::move(host);
  route.path = std::move(path);
  return route;
}

config::Config example() {
  config::Config config;
  config.routes = {make("deep", "", "", "/mcp/deep"), make("mcp", "agent", "", "/mcp"),
                   make("host", "", "files.example", "/"), make("slash", "", "", "/api/")};
  return config;
}

struct Case {
  std::string_view listener;
  std::string_view authority;
  std::string_view target;
  std::string_view route;  // empty: none
};

class Finds : public testing::TestWithParam<Case> {};

TEST_P(Finds, TheFirstRouteThatFits) {
  const config::Config config = example();
  const Case& c = GetParam();
  const config::Route* found = find(config, c.listener, c.authority, c.target);
  EXPECT_EQ(found == nullptr ? "" : found->name, c.route) << c.target;
}

INSTANTIATE_TEST_SUITE_P(
    Route, Finds,
    testing::Values(
        Case{"agent", "x", "/mcp", "mcp"}, Case{"agent", "x", "/mcp?a=/../b", "mcp"},
        Case{"agent", "x", "/mcp/y", "mcp"}, Case{"agent", "x", "/mcpx", ""},
        Case{"other", "x", "/mcp", ""}, Case{"other", "x", "/mcp/deep", "deep"},
        Case{"o", "files.example", "/any", "host"}, Case{"o", "FILES.example:8443", "/any", "host"},
        Case{"o", "files.example.org", "/any", ""}, Case{"o", "[::1]:1", "/any", ""},
        Case{"o", "x", "/api/v1", "slash"}, Case{"o", "x", "/api", ""},
        // Whoever reads these otherwise than we do would be reached past the rule.
        Case{"agent", "x", "/mcp/../mcp", ""}, Case{"agent", "x", "/mcp/%2e%2E/mcp", ""},
        Case{"agent", "x", "//mcp", ""}, Case{"agent", "x", "/mcp/.", ""},
        Case{"agent", "x", "/mcp%2fdeep", ""}, Case{"agent", "x", "/mcp\\deep", ""},
        Case{"agent", "x", "/mcp;x/deep", ""}, Case{"o", "files.example", "/%6dcp", ""},
        Case{"o", "files.example", "/m%63P", ""}, Case{"o", "files.example", "/a%7Eb", ""},
        Case{"o", "files.example", "/a%4", ""}, Case{"o", "files.example", "/a%zz", ""},
        Case{"o", "files.example", "/a%20b", "host"},
        Case{"o", "files.example", "/a?q=%6d", "host"}, Case{"agent", "x", "/mcp/%00", ""},
        Case{"o", "files.example", "/MCP/deep", ""}, Case{"agent", "files.example", "/Mcp", ""},
        Case{"agent", "files.example", "/mcp/DEEP", ""}, Case{"agent", "x", "*", ""},
        Case{"agent", "x", "", ""}));

}  // namespace
}  // namespace mandated::route
