// Which URLs may be fetched at all, and what is read from them.
#include "proxy/fetch/target.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mandated::fetch {
namespace {

struct Taken {
  std::string url;
  bool tls;
  std::string address;
  std::string authority;
  std::string path;
};

TEST(Target, IsReadFromItsUrl) {
  const std::vector<Taken> table = {
      {"https://example.org", true, "example.org:443", "example.org", "/"},
      {"https://example.org/", true, "example.org:443", "example.org", "/"},
      {"https://example.org:443/a", true, "example.org:443", "example.org", "/a"},
      {"https://example.org:8443/a/b.jwt", true, "example.org:8443", "example.org:8443",
       "/a/b.jwt"},
      {"https://example.org?x=1", true, "example.org:443", "example.org", "/?x=1"},
      {"https://example.org/a?x=/../%2e&y=b", true, "example.org:443", "example.org",
       "/a?x=/../%2e&y=b"},
      {"https://example.org/a%20b/...", true, "example.org:443", "example.org", "/a%20b/..."},
      {"https://192.0.2.1/a", true, "192.0.2.1:443", "192.0.2.1", "/a"},
      {"https://[2001:db8::1]:99/a", true, "[2001:db8::1]:99", "[2001:db8::1]:99", "/a"},
      {"http://127.0.0.1:8700/a", false, "127.0.0.1:8700", "127.0.0.1:8700", "/a"},
      {"http://localhost/a", false, "localhost:80", "localhost", "/a"},
      {"http://[::1]/a", false, "[::1]:80", "[::1]", "/a"},
  };
  for (const Taken& row : table) {
    const auto target = parse_target(row.url);
    ASSERT_TRUE(target) << row.url << ": " << target.error().text;
    EXPECT_EQ(target->tls, row.tls) << row.url;
    EXPECT_EQ(target->address.to_string(), row.address);
    EXPECT_EQ(target->authority, row.authority);
    EXPECT_EQ(target->path, row.path);
  }
}

TEST(Target, IsRefusedWithTheReason) {
  const std::vector<std::pair<std::string, std::string>> table = {
      {"", "is no absolute URL"},
      {"example.org/a", "is no absolute URL"},
      {"//example.org/a", "is no absolute URL"},
      {"/a", "is no absolute URL"},
      {"https:/a", "is no absolute URL"},
      {"https://example.org:443(/a", "is no absolute URL"},
      {"http://localhost:80a/b", "is no absolute URL"},
      {"https://exa mple.org/", "is no absolute URL"},
      {"https://example.org/a b", "is no absolute URL"},
      {"https://example.org/a\\b", "is no absolute URL"},
      {"https://example.org/%2", "is no absolute URL"},
      {"https://example.org/\xc3\xa9", "is no absolute URL"},
      {"https://example.org/a\r\nhost: b", "is no absolute URL"},
      {std::string("https://example.org/a\0", 22), "is no absolute URL"},
      {"HTTPS://example.org/", "is neither https nor http"},
      {"ftp://example.org/", "is neither https nor http"},
      {"file:///etc/passwd", "is neither https nor http"},
      {"unix://a/b", "is neither https nor http"},
      {"https://alice@example.org/", "names a user"},
      {"https://@example.org/", "names a user"},
      {"https://good.example:443@evil.example/", "names a user"},
      {"https://example.org/a#b", "has a fragment"},
      {"https://example.org/#", "has a fragment"},
      {"https://example.org/a/../b", "servers read differently"},
      {"https://example.org/a/..", "servers read differently"},
      {"https://example.org/./b", "servers read differently"},
      {"https://example.org/a/%2e%2e/b", "servers read differently"},
      {"https://example.org/a/.%2E/b", "servers read differently"},
      {"https://example.org/a%2fb", "servers read differently"},
      {"https://example.org/a/..%5cb", "servers read differently"},
      {"https:///a", "no host and port"},
      {"https://EXAMPLE.org/", "no host and port"},
      {"https://ex%61mple.org/", "no host and port"},
      {"https://example.org./", "no host and port"},
      {"https://127.1/", "no host and port"},
      {"https://0x7f.0.0.1/", "no host and port"},
      {"https://2130706433/", "no host and port"},
      {"https://[v1.a]/", "no host and port"},
      {"https://example.org:/", "no host and port"},
      {"https://example.org:0/", "no host and port"},
      {"https://example.org:0443/", "no host and port"},
      {"https://example.org:65536/", "no host and port"},
      {"http://example.org/", "plaintext goes to loopback only"},
      {"http://10.0.0.1/", "plaintext goes to loopback only"},
      {"http://169.254.169.254/latest/meta-data", "plaintext goes to loopback only"},
      {"http://[::ffff:127.0.0.1]/", "plaintext goes to loopback only"},
      {"http://localhost.example.org/", "plaintext goes to loopback only"},
      {"https://example.org/" + std::string(2048, 'a'), "is longer than 2048 bytes"},
  };
  for (const auto& [url, why] : table) {
    const auto target = parse_target(url);
    ASSERT_FALSE(target) << url;
    EXPECT_EQ(target.error().code, Code::kMalformed);
    EXPECT_THAT(target.error().text, testing::HasSubstr(why)) << url;
  }
}

}  // namespace
}  // namespace mandated::fetch
