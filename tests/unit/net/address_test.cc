#include "proxy/net/address.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace mandated::net {
namespace {

struct Good {
  std::string text;
  std::string host;
  int port;
  std::string unix_path;
  std::string printed;
  bool local;
};

TEST(Address, Parses) {
  const std::string long_path = "/" + std::string(106, 'a');
  const Good cases[] = {
      {"127.0.0.1:8080", "127.0.0.1", 8080, "", "127.0.0.1:8080", true},
      {"127.255.0.9:1", "127.255.0.9", 1, "", "127.255.0.9:1", true},
      {"10.0.0.1:0", "10.0.0.1", 0, "", "10.0.0.1:0", false},
      {"[::1]:0", "::1", 0, "", "[::1]:0", true},
      {"[0:0:0:0:0:0:0:1]:65535", "::1", 65535, "", "[::1]:65535", true},
      {"[::ffff:127.0.0.1]:80", "::ffff:127.0.0.1", 80, "", "[::ffff:127.0.0.1]:80", false},
      {"[2001:DB8::1]:443", "2001:db8::1", 443, "", "[2001:db8::1]:443", false},
      {"localhost:9", "localhost", 9, "", "localhost:9", true},
      {"LOCALHOST:9", "localhost", 9, "", "localhost:9", true},
      {"localhost.example:9", "localhost.example", 9, "", "localhost.example:9", false},
      {"Host.Example:443", "host.example", 443, "", "host.example:443", false},
      {"tool_server:80", "tool_server", 80, "", "tool_server:80", false},
      {"1.2.3.4.example:80", "1.2.3.4.example", 80, "", "1.2.3.4.example:80", false},
      {"unix:/run/mandated/agent.sock", "", 0, "/run/mandated/agent.sock",
       "unix:/run/mandated/agent.sock", true},
      {"unix:" + long_path, "", 0, long_path, "unix:" + long_path, true},
  };
  for (const Good& wanted : cases) {
    SCOPED_TRACE(wanted.text);
    const Result<Address> address = Address::parse(wanted.text);
    ASSERT_TRUE(address) << address.error().text;
    EXPECT_EQ(address->host, wanted.host);
    EXPECT_EQ(address->port, wanted.port);
    EXPECT_EQ(address->unix_path, wanted.unix_path);
    EXPECT_EQ(address->to_string(), wanted.printed);
    EXPECT_EQ(address->is_local(), wanted.local);
    EXPECT_EQ(*Address::parse(address->to_string()), *address);
  }
}

TEST(Address, RefusesWhatIsAmbiguousOrNone) {
  const std::pair<std::string, std::string> cases[] = {
      {"", "port is missing"},
      {"host", "port is missing"},
      {":80", "host is missing"},
      {"host:", "port must be"},
      {"host:080", "port must be"},
      {"host:65536", "port must be"},
      {"host:100000", "port must be"},
      {"host:+80", "port must be"},
      {"host:-1", "port must be"},
      {"host: 80", "port must be"},
      {"host:80 ", "port must be"},
      {"host:http", "port must be"},
      {"::1:80", "needs its brackets"},
      {"http://host:80", "needs its brackets"},
      {"[::1:80", "] is missing"},
      {"[::1]", "port must be"},
      {"[::1]x:80", "] is missing"},
      {"[host]:80", "no IPv6 address"},
      {"[127.0.0.1]:80", "no IPv6 address"},
      {"[fe80::1%eth0]:80", "no IPv6 address"},
      {"[]:80", "no IPv6 address"},
      {"127.1:80", "no host name"},
      {"2130706433:80", "no host name"},
      {"0x7f.1:80", "no host name"},
      {"127.0.0.0x1:80", "no host name"},
      {"0177.0.0.1:80", "no host name"},
      {"127.0.0.256:80", "no host name"},
      {"127.0.0.1.:80", "no host name"},
      {"host..example:80", "no host name"},
      {".host:80", "no host name"},
      {"host.:80", "no host name"},
      {"-host:80", "no host name"},
      {"host-:80", "no host name"},
      {"ho st:80", "no host name"},
      {"h\xc3\xb6st:80", "no host name"},
      {"user@host:80", "no host name"},
      {"host/path:80", "no host name"},
      {std::string("ho\0st:80", 8), "no host name"},
      {std::string("127.0.0.1\0:80", 13), "no host name"},
      {std::string(64, 'a') + ":80", "no host name"},
      {std::string(126, 'a').replace(60, 1, ".").append(std::string(130, '.')) + ":80",
       "no host name"},
      {"unix:", "must be absolute"},
      {"unix:run/agent.sock", "must be absolute"},
      {"unix:/run/", "names a folder"},
      {"unix:/" + std::string(107, 'a'), "longer than"},
      {std::string("unix:/a\0b", 9), "NUL"},
  };
  for (const auto& [text, reason] : cases) {
    SCOPED_TRACE(text);
    const Result<Address> address = Address::parse(text);
    ASSERT_FALSE(address) << address->to_string();
    EXPECT_EQ(address.error().code, Code::kMalformed);
    EXPECT_THAT(address.error().text, testing::HasSubstr(reason));
  }
}

}  // namespace
}  // namespace mandated::net
