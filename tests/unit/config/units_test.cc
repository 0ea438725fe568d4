// The grammars of single values.
#include "config/units.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>

namespace mandated::config {
namespace {

TEST(Duration, Table) {
  struct Case {
    const char* text;
    std::optional<Duration> value;
  };
  for (const Case& c : {Case{"250ms", milliseconds(250)},
                        {"10s", seconds(10)},
                        {"5m", minutes(5)},
                        {"2h", hours(2)},
                        {"90d", hours(24 * 90)},
                        {"36500d", hours(24 * 36500)},
                        {"", {}},
                        {"10", {}},
                        {"0s", {}},
                        {"010s", {}},
                        {"-1s", {}},
                        {"+1s", {}},
                        {"1.5s", {}},
                        {"1 s", {}},
                        {"1S", {}},
                        {"1us", {}},
                        {"s", {}},
                        {"1s ", {}},
                        {"36501d", {}},
                        {"9999999999s", {}}}) {
    const Parsed<Duration> parsed = parse_duration(c.text);
    EXPECT_EQ(parsed.has_value(), c.value.has_value()) << c.text;
    if (parsed && c.value) {
      EXPECT_EQ(*parsed, *c.value) << c.text;
    }
    if (!parsed) {
      EXPECT_TRUE(parsed.error().starts_with("expected a duration")) << parsed.error();
    }
  }
}

TEST(Size, Table) {
  EXPECT_EQ(parse_size("64KiB"), std::size_t{65536});
  EXPECT_EQ(parse_size("4MiB"), std::size_t{4} << 20U);
  EXPECT_EQ(parse_size("999999999GiB"), std::size_t{999999999} << 30U);
  for (const char* text :
       {"", "1", "1kB", "1MB", "0KiB", "-1KiB", "1.5MiB", "1 MiB", "1000000000KiB"}) {
    const Parsed<std::size_t> parsed = parse_size(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_TRUE(parsed.error().starts_with("expected a size")) << parsed.error();
  }
}

TEST(Name, Table) {
  for (const char* text : {"a", "files", "Files-2.x_y", "0"}) EXPECT_TRUE(check_name(text)) << text;
  for (const char* text : {"", "-a", ".", "a/b", "a b", "\xC3\xA4", "a\n"})
    EXPECT_FALSE(check_name(text)) << text;
  EXPECT_TRUE(check_name(std::string(64, 'a')));
  EXPECT_FALSE(check_name(std::string(65, 'a')));
}

TEST(ListenAddress, Local) {
  for (const char* text : {"127.0.0.1:8080", "127.9.9.9:1", "localhost:80", "[::1]:0",
                           "unix:/run/a.sock", "unix:a.sock"}) {
    const Parsed<ListenAddress> parsed = parse_listen_address(text);
    ASSERT_TRUE(parsed) << text;
    EXPECT_TRUE(parsed->local) << text;
  }
}

TEST(ListenAddress, NotLocal) {
  for (const char* text : {"0.0.0.0:8080", "[::]:8080", "10.0.0.1:65535", "[2001:db8::1]:1",
                           "128.0.0.1:1", "[::ffff:127.0.0.1]:1"}) {
    const Parsed<ListenAddress> parsed = parse_listen_address(text);
    ASSERT_TRUE(parsed) << text;
    EXPECT_FALSE(parsed->local) << text;
  }
}

TEST(ListenAddress, Refused) {
  for (const char* text :
       {"", "8080", ":8080", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:+1", "::1:80",
        "[::1]", "[::1:80", "[127.0.0.1]:80", "localhost.evil:80", "example.org:80", "127.1:80",
        "127.0.0.1:80 ", "unix:", "tcp:127.0.0.1:80"}) {
    const Parsed<ListenAddress> parsed = parse_listen_address(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_TRUE(parsed.error().starts_with("expected ")) << parsed.error();
  }
}

TEST(SpiffeId, Table) {
  for (const char* text : {"spiffe://example.org/agent/x", "spiffe://td_1.x/A-b_c.d/0"})
    EXPECT_TRUE(check_spiffe_id(text, false)) << text;
  for (const char* text :
       {"", "spiffe://example.org", "spiffe://example.org/", "spiffe://example.org/a/",
        "spiffe:///a", "spiffe://example.org//a", "spiffe://Example.org/a",
        "spiffe://example.org/.", "spiffe://example.org/../a", "spiffe://example.org/a%2fb",
        "spiffe://example.org:1/a", "spiffe://u@example.org/a", "spiffe://example.org/a?b",
        "spiffe://example.org/a#b", "SPIFFE://example.org/a", "https://example.org/a",
        "spiffe://example.org/agent/*", "spiffe://example.org/\xC3\xA4"})
    EXPECT_FALSE(check_spiffe_id(text, false)) << text;
  EXPECT_FALSE(check_spiffe_id("spiffe://example.org/" + std::string(2048, 'a'), false));
}

TEST(SpiffePattern, Table) {
  for (const char* text :
       {"spiffe://example.org/agent/x", "spiffe://example.org/*", "spiffe://example.org/**",
        "spiffe://example.org/ns/*/sa/x", "spiffe://example.org/ns/*/**"})
    EXPECT_TRUE(check_spiffe_id(text, true)) << text;
  for (const char* text : {"spiffe://*/a", "spiffe://example.org/a*", "spiffe://example.org/**/a",
                           "spiffe://example.org/***", "*", "spiffe://example.org"})
    EXPECT_FALSE(check_spiffe_id(text, true)) << text;
}

TEST(Url, Parts) {
  const Parsed<Url> plain = parse_url("http://127.0.0.1:3001");
  ASSERT_TRUE(plain);
  EXPECT_FALSE(plain->tls);
  EXPECT_TRUE(plain->local);
  EXPECT_EQ(plain->port, 3001);
  EXPECT_EQ(plain->path, "");

  const Parsed<Url> full = parse_url("https://Tools.Example.org/a/b");
  ASSERT_TRUE(full);
  EXPECT_TRUE(full->tls);
  EXPECT_FALSE(full->local);
  EXPECT_EQ(full->host, "tools.example.org");
  EXPECT_EQ(full->port, 443);
  EXPECT_EQ(full->path, "/a/b");

  const Parsed<Url> v6 = parse_url("http://[::1]:80/");
  ASSERT_TRUE(v6);
  EXPECT_EQ(v6->host, "::1");
  EXPECT_TRUE(v6->local);
  EXPECT_EQ(v6->path, "");
}

TEST(Url, Refused) {
  for (const char* text : {"",
                           "example.org",
                           "//example.org",
                           "ftp://example.org",
                           "http://",
                           "https://user@example.org",
                           "https://user:secret@example.org",
                           "https://example.org?q",
                           "https://example.org#f",
                           "https://example.org:0",
                           "https://example.org:65536",
                           "https://example.org:",
                           "https://ex ample.org",
                           "https://example.org/a b",
                           "https://example.org/%61",
                           "https://example.org/../a",
                           "https://example.org//a",
                           "https://exa%6Dple.org",
                           "https://.example.org",
                           "https://a..b",
                           "http:/example.org",
                           "https://[v1.a]"}) {
    EXPECT_FALSE(parse_url(text)) << text;
  }
  // Boost.URL takes the second, and asserts on the first.
  EXPECT_FALSE(parse_url("s:\x92"));
  EXPECT_FALSE(parse_url("http://localhost:80a/b"));
}

TEST(ListPlace, Table) {
  for (const char* good :
       {"https://lists.example.org", "https://lists.example.org/",
        "https://lists.example.org:8443/a", "https://lists.example.org/Receipts/2026/",
        "https://127.0.0.1:9000/a"}) {
    EXPECT_TRUE(check_list_place(good)) << good;
  }
  for (const char* bad :
       {"", "lists.example.org", "http://127.0.0.1/a", "https://Lists.example.org/",
        "HTTPS://lists.example.org/", "https://lists.example.org/a?b",
        "https://a@lists.example.org/", "https://lists.example.org/a/../b",
        "https://*.example.org/", "https://"}) {
    EXPECT_FALSE(check_list_place(bad)) << bad;
  }
}

TEST(Origin, Table) {
  for (const char* text :
       {"https://chat.example.org", "http://localhost:5173", "https://[2001:db8::1]:8443"})
    EXPECT_TRUE(check_origin(text)) << text;
  for (const char* text : {"null", "*", "chat.example.org", "https://chat.example.org/",
                           "https://Chat.example.org", "https://chat.example.org/a", "file:///a"})
    EXPECT_FALSE(check_origin(text)) << text;
}

TEST(Passkey, Table) {
  for (const std::string& text : {std::string("AQ"), std::string("AQI"), std::string("AQID"),
                                  std::string("_-9z"), std::string(1364, 'A')})
    EXPECT_TRUE(check_credential_id(text)) << text;
  for (const std::string& text :
       {std::string(), std::string("A"), std::string("AQ=="), std::string("AR"), std::string("AQJ"),
        std::string("AQIDA"), std::string("A+/A"), std::string("AQ I"), std::string(1366, 'A')})
    EXPECT_FALSE(check_credential_id(text)) << text;
  for (const char* text : {"example.org", "localhost", "a-b.example"})
    EXPECT_TRUE(check_rp_id(text)) << text;
  for (const char* text : {"", "Example.org", "example.org.", "127.0.0.1", "https://example.org",
                           "example.org:443", "a_b.example", "[::1]"})
    EXPECT_FALSE(check_rp_id(text)) << text;
  for (const char* text :
       {"https://example.org", "https://a.b.example.org", "https://example.org:8443"})
    EXPECT_TRUE(check_passkey_origin(text, "example.org")) << text;
  EXPECT_TRUE(check_passkey_origin("http://localhost:8080", "localhost"));
  for (const char* text : {"http://example.org", "https://example.org/", "https://Example.org",
                           "https://example.com", "https://notexample.org", "https://org",
                           "https://example.org.evil", "null", "android:apk-key-hash:abc"})
    EXPECT_FALSE(check_passkey_origin(text, "example.org")) << text;
}

TEST(Service, Table) {
  for (const char* text : {"https://consent.example.org", "https://consent.example.org:8443",
                           "http://localhost:8700", "http://127.0.0.1:8700", "http://[::1]:8700"})
    EXPECT_TRUE(check_service(text)) << text;
  for (const char* text : {"", "http://consent.example.org", "https://consent.example.org/",
                           "https://consent.example.org/x", "http://localhost:8700/?a",
                           "https://user@consent.example.org", "ftp://localhost", "localhost:8700"})
    EXPECT_FALSE(check_service(text)) << text;
}

TEST(Host, Table) {
  for (const char* text : {"example.org", "EXAMPLE.org", "localhost", "10.0.0.1"})
    EXPECT_TRUE(check_host(text)) << text;
  for (const char* text : {"", "example.org:80", "a b", "*.example.org", ".a", "a..b"})
    EXPECT_FALSE(check_host(text)) << text;
}

TEST(RoutePath, Table) {
  for (const char* text : {"/", "/mcp", "/a/b-c_d.e~f", "/a:b@c"})
    EXPECT_TRUE(check_route_path(text)) << text;
  for (const char* text :
       {"", "mcp", "/mcp/", "//", "/a//b", "/a?b", "/a#b", "/%61", "/./a", "/a/..", "/a b"})
    EXPECT_FALSE(check_route_path(text)) << text;
}

}  // namespace
}  // namespace mandated::config
