#include "proxy/workload_api/endpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

namespace mandated::workload_api {
namespace {

using testing::HasSubstr;

TEST(Endpoint, Taken) {
  const std::pair<const char*, const char*> rows[] = {
      {"unix:///run/spire/agent.sock", "unix:/run/spire/agent.sock"},
      {"unix:/run/spire/agent.sock", "unix:/run/spire/agent.sock"},
      {"tcp://127.0.0.1:8000", "127.0.0.1:8000"},
      {"tcp://[::1]:8000", "[::1]:8000"},
  };
  for (const auto& [uri, address] : rows) {
    const auto parsed = parse_endpoint(uri);
    ASSERT_TRUE(parsed) << uri << ": " << parsed.error().text;
    EXPECT_EQ(parsed->to_string(), address);
  }
}

TEST(Endpoint, Refused) {
  const std::pair<const char*, const char*> rows[] = {
      {"", "scheme"},
      {"/run/agent.sock", "scheme"},
      {"http://127.0.0.1:8000", "scheme"},
      {"unix", "scheme"},
      {"unix:", "absolute"},
      {"unix:agent.sock", "absolute"},
      {"unix://host/run/agent.sock", "no host"},
      {"unix:///", "folder"},
      {"unix:///run/", "folder"},
      {"unix:///run/a%20b", "percent"},
      {"unix:///run/a b", "blanks"},
      {"unix:///run/a?x=1", "query"},
      {"unix:///run/a#x", "fragment"},
      {"tcp://127.0.0.1", "port is missing"},
      {"tcp://127.0.0.1:0", "not be 0"},
      {"tcp://127.0.0.1:8000/foo", "number"},
      {"tcp://localhost:8000", "IP address"},
      {"tcp://10.0.0.1.example:8000", "IP address"},
      {"tcp://user@127.0.0.1:8000", "host name"},
      {"tcp://192.0.2.1:8000", "loopback"},
      {"tcp://[2001:db8::1]:8000", "loopback"},
      {"tcp:127.0.0.1:8000", "scheme"},
  };
  for (const auto& [uri, why] : rows) {
    const auto parsed = parse_endpoint(uri);
    ASSERT_FALSE(parsed) << uri;
    EXPECT_EQ(parsed.error().code, Code::kInvalidConfig);
    EXPECT_THAT(parsed.error().text, HasSubstr(why)) << uri;
  }
}

TEST(Endpoint, ConfigurationGoesBeforeTheEnvironment) {
  ::setenv(kEndpointVariable, "unix:///from/environment", 1);
  EXPECT_EQ(find_endpoint("unix:///from/file")->unix_path, "/from/file");
  EXPECT_EQ(find_endpoint("")->unix_path, "/from/environment");
  ::unsetenv(kEndpointVariable);
  const auto nowhere = find_endpoint("");
  ASSERT_FALSE(nowhere);
  EXPECT_THAT(nowhere.error().text, HasSubstr("SPIFFE_ENDPOINT_SOCKET"));
  ::setenv(kEndpointVariable, "", 1);
  EXPECT_FALSE(find_endpoint(""));
  ::unsetenv(kEndpointVariable);
}

}  // namespace
}  // namespace mandated::workload_api
