// Profile section 3: url_containment, and every URL that two readers may take differently.
#include <gtest/gtest.h>

#include "tests/unit/receipt/constraint_fixture.h"

namespace mandated::receipt {
namespace {

TEST(UrlContainment, TakesUrlsThatHaveOneReading) {
  const TextCase cases[] = {
      {"https://api.example.com/v1", true},
      {"https://api.example.com/v1/", true},
      {"https://api.example.com/v1/users/7", true},
      {"https://api.example.com/v1?q=a%2fb&r=../..", true},
      {"https://api.example.com/v1/#../x", true},
      {"HTTPS://API.Example.COM/v1/x", true},
      {"https://api.example.com:443/v1/x", true},
      {"https://api.example.com/v1/a%20b", true},
      {"https://api.example.com/v1/%e9", true},
      {"https://api.example.com/v1/a;v=1/b", true},
      {"https://api.example.com/v1/.well-known/x", true},
      {"https://api.example.com/v1/a..b/c.", true},
      {"https://api.example.com/v1/a@b:c", true},
      {"https://api.example.com/v1//x", true},
      // elsewhere
      {"http://api.example.com/v1", false},
      {"https://example.com/v1", false},
      {"https://api.example.com.evil.org/v1", false},
      {"https://evil.org/api.example.com/v1", false},
      {"https://apixexample.com/v1", false},
      {"https://api.example.com:8443/v1", false},
      {"https://api.example.com", false},
      {"https://api.example.com/", false},
      {"https://api.example.com/v10", false},
      {"https://api.example.com/V1", false},
      {"https://api.example.com//v1", false},
      {"https://api.example.com/v%31", false},
      // not an absolute URL of a known scheme
      {"", false},
      {"/v1", false},
      {"//api.example.com/v1", false},
      {"api.example.com/v1", false},
      {"https:api.example.com/v1", false},
      {"https:/api.example.com/v1", false},
      {"https:///api.example.com/v1", false},
      {"https:\\\\api.example.com\\v1", false},
      {"javascript://api.example.com/v1", false},
      {"file://api.example.com/v1", false},
      {"view-source:https://api.example.com/v1", false},
      {"://api.example.com/v1", false},
      {"https://", false},
      // userinfo, and what some read as one
      {"https://user@api.example.com/v1", false},
      {"https://user:pass@api.example.com/v1", false},
      {"https://@api.example.com/v1", false},
      {"https://:@api.example.com/v1", false},
      {"https://api.example.com@evil.org/v1", false},
      {"https://api.example.com:443@evil.org/v1", false},
      {"https://api.example.com%40evil.org/v1", false},
      {"https://evil.org\\@api.example.com/v1", false},
      {"https://api.example.com\\@evil.org/v1", false},
      {"https://api.example.com#@evil.org/v1", false},
      {"https://evil.org#@api.example.com/v1", false},
      {"https://evil.org?@api.example.com/v1", false},
      {"https://api.example.com;@evil.org/v1", false},
      // blanks and controls
      {" https://api.example.com/v1", false},
      {"https://api.example.com/v1 ", false},
      {"https://api.example.com/v1\n", false},
      {"ht\ttps://api.example.com/v1", false},
      {"https://api.exam\nple.com/v1", false},
      {"https://api.example.com/v1/.\t./x", false},
      {"https://api.example.com/v1/a b", false},
      {std::string_view("https://api.example.com/v1\0.evil", 32), false},
      {"https://api.example.com/v1?a\r\nHost: evil", false},
      {"https://api.example.com/v1\x7f", false},
      // hosts that are respelled
      {"https://api.example.com./v1", false},
      {"https://.api.example.com/v1", false},
      {"https://api..example.com/v1", false},
      {"https://ap%69.example.com/v1", false},
      {"https://api%2eexample.com/v1", false},
      {"https://api\u3002example.com/v1", false},
      {"https://\uff41pi.example.com/v1", false},
      {"https://api.ex\u00adample.com/v1", false},
      {"https://api.example.com%00.evil.org/v1", false},
      {"https://api.example.com:/v1", false},
      {"https://api.example.com:0443/v1", false},
      {"https://api.example.com:443:443/v1", false},
      {"https://api.example.com:+443/v1", false},
      {"https://api.example.com:65979/v1", false},
      {"https://[api.example.com]/v1", false},
      {"https://[api.example.com/v1", false},
      // paths that are respelled, or decoded once more by some
      {"https://api.example.com/v1/../admin", false},
      {"https://api.example.com/v1/..", false},
      {"https://api.example.com/v1/.", false},
      {"https://api.example.com/x/../v1/y", false},
      {"https://api.example.com/v1/%2e%2e/admin", false},
      {"https://api.example.com/v1/.%2E/admin", false},
      {"https://api.example.com/v1/%252e%252e/admin", false},
      {"https://api.example.com/v1/..%2fadmin", false},
      {"https://api.example.com/v1/%2f..%2fadmin", false},
      {"https://api.example.com/v1/..%5cadmin", false},
      {"https://api.example.com/v1/..;/admin", false},
      {"https://api.example.com/v1/..;a=b/admin", false},
      {"https://api.example.com/v1/..%3b/admin", false},
      {"https://api.example.com/v1/.%20/admin", false},
      {"https://api.example.com/v1/..%20/admin", false},
      {"https://api.example.com/v1/%20../admin", false},
      {"https://api.example.com/v1/%20/admin", true},
      {"https://api.example.com/v1/.../admin", false},
      {"https://api.example.com/v1\\..\\admin", false},
      {"https://api.example.com/v1/%7f", false},
      {"https://api.example.com/v1/%1f", false},
      {"https://api.example.com/v1/%c0%ae%c0%ae/admin", false},
      {"https://api.example.com/v1/%c1%9c", false},
      {"https://api.example.com/v1/%c3%a9", true},
      {"https://api.example.com/v1/%e0%a0%80", true},
      {"https://api.example.com/v1/%f0%90%80%80", true},
      {"https://api.example.com/v1/%F4%8F%BF%BF", true},
      {"https://api.example.com/v1/..%c0%af..%c0%afadmin", false},
      {"https://api.example.com/v1/..%e0%80%af", false},
      {"https://api.example.com/v1/..%f0%80%80%af", false},
      {"https://api.example.com/v1/..%f8%80%80%80%af", false},
      {"https://api.example.com/v1/%00", false},
      {"https://api.example.com/v1/%0d%0aHost:evil", false},
      {"https://api.example.com/v1/%", false},
      {"https://api.example.com/v1/%2", false},
      {"https://api.example.com/v1/%zz", false},
      {"https://api.example.com/v1/%2z", false},
      {"https://api.example.com/v1/%2!", false},
      {"https://api.example.com/v1/%2:", false},
      {"https://api.example.com/v1/%u002e", false},
      {"https://api.example.com/v1/\u00e9", false},
      {"https://api.example.com/v1/\"x", false},
      {"https://api.example.com/v1/{x}", false},
  };
  constexpr const char* kConstraint =
      R"({"constraint_type":"url_containment","scheme":"https","host":"api.example.com","path":"/v1"})";
  expect_checks(kConstraint, cases);
  expect_no_other_kinds(kConstraint);
}

TEST(UrlContainment, HostsAreAsLongAsDnsAllows) {
  constexpr const char* kConstraint =
      R"({"constraint_type":"url_containment","scheme":"https","host":"*.example.com"})";
  const std::string label = std::string(63, 'a') + ".";
  const auto url = [&](std::size_t last) {
    return "\"https://" + label + label + label + std::string(last, 'b') + ".example.com/\"";
  };
  EXPECT_TRUE(accepts(kConstraint, url(49)));
  EXPECT_FALSE(accepts(kConstraint, url(50)));
  EXPECT_FALSE(accepts(kConstraint, "\"https://" + std::string(64, 'a') + ".example.com/\""));
  EXPECT_FALSE(accepts(kConstraint, "\"https://a{.example.com/\""));
  EXPECT_FALSE(accepts(kConstraint, "\"https://a~.example.com/\""));
}

TEST(UrlContainment, WildcardHosts) {
  const TextCase cases[] = {
      {"https://a.example.com", true},
      {"https://a.b.c.example.com/x?y#z", true},
      {"https://xn--bcher-kva.example.com/", true},
      {"https://XN--BCHER-KVA.example.com/", true},
      {"https://a_b-c.example.com/", true},
      {"https://example.com/", false},
      {"https://.example.com/", false},
      {"https://a..example.com/", false},
      {"https://aexample.com/", false},
      {"https://a.example.com./", false},
      {"https://a.example.com.evil.org/", false},
      {"https://*.example.com/", false},
      {"https://evil.org;.example.com/", false},
      {"https://evil.org,a.example.com/", false},
      {"https://evil.org&a.example.com/", false},
      {"https://evil.org$.example.com/", false},
      {"https://evil.org%2f.example.com/", false},
      {"https://evil.org%3f.example.com/", false},
      {"https://evil.org\u2044.example.com/", false},
      {"https://evil.org\uff0f.example.com/", false},
      {"https://evil.org\u2100.example.com/", false},
      {"https://b\u00fccher.example.com/", false},
      {"https://fa\u00df.example.com/", false},  // fass.example.com in IDNA 2003
      {"https://xn--fa-hia.example.com/", true},
      {"https://xn--.example.com/", false},
      {"https://xn--evilx-vg33a.example.com/", false},   // holds a full-width slash
      {"https://xn--evilorg-9o3f.example.com/", false},  // an ideographic full stop
      {"https://xn--ab-gnu.example.com/", false},        // U+2100, which maps to a/c
      {"https://xn--bcher-2pa.example.com/", false},     // an upper-case letter
      {"https://xn--bcher-0ha66c.example.com/", false},  // a soft hyphen
      {"https://xn--bcher-kva.xn--a-.example.com/", false},
      {"https://xn--a-.example.com/", false},
      {"https://xn--9999999.example.com/", false},
      {"https://a\u200db.example.com/", false},
      {"https://[::1].example.com/", false},
      {"https://127.0.0.1/", false},
  };
  expect_checks(R"({"constraint_type":"url_containment","scheme":"https","host":"*.example.com"})",
                cases);
  // The cost of reading a name is bounded before it is read.
  const std::string label(64, 'a');
  EXPECT_FALSE(
      accepts(R"({"constraint_type":"url_containment","scheme":"https","host":"*.example.com"})",
              "\"https://" + label + ".example.com/\""));
}

TEST(UrlContainment, Addresses) {
  const TextCase four[] = {
      {"http://127.0.0.1:8080/x", true},
      {"http://127.0.0.1/x", false},
      {"http://127.0.0.1:80/x", false},
      {"http://0x7f.1:8080/x", false},
      {"http://0x7f.0.0.1:8080/", false},
      {"http://127.1:8080/x", false},
      {"http://2130706433:8080/", false},
      {"http://0177.0.0.1:8080/", false},
      {"http://127.0.0.01:8080/", false},
      {"http://127.0.0.1.:8080/", false},
      {"http://127.0.0.1.5:8080/", false},
      {"http://[::ffff:127.0.0.1]:8080/", false},
      {"http://\uff11\uff127.0.0.1:8080/", false},
      {"http://localhost:8080/", false},
      {"http://127.0.0.256:8080/", false},
  };
  expect_checks(
      R"({"constraint_type":"url_containment","scheme":"http","host":"127.0.0.1","port":8080})",
      four);
  const TextCase six[] = {
      {"http://[2001:db8::1]/", true},
      {"http://[2001:DB8::1]:80/a", true},
      {"http://[2001:db8:0::1]/", false},
      {"http://[2001:0db8::1]/", false},
      {"http://[2001:db8::0.0.0.1]/", false},
      {"http://[2001:db8::1%25eth0]/", false},
      {"http://[2001:db8::1]x/", false},
      {"http://[2001:db8::1]:/", false},
      {"http://2001:db8::1/", false},
      {"http://[2001:db8::1/", false},
      {"http://[]/", false},
      {"http://[::1]/", false},
  };
  expect_checks(R"({"constraint_type":"url_containment","scheme":"http","host":"[2001:db8::1]"})",
                six);
}

TEST(UrlContainment, MembersStandAsTheyArePrinted) {
  for (const char* members : {
           R"("host":"a.example")",
           R"("scheme":"https")",
           R"("scheme":"","host":"a.example")",
           R"("scheme":7,"host":"a.example")",
           R"("scheme":"https","host":7)",
           R"("scheme":"HTTPS","host":"a.example")",
           R"("scheme":"https:","host":"a.example")",
           R"("scheme":"ssh","host":"a.example")",
           R"("scheme":"file","host":"a.example")",
           R"("scheme":"data","host":"a.example")",
           R"("scheme":"https","host":"")",
           R"("scheme":"https","host":"A.example")",
           R"("scheme":"https","host":"a.example.")",
           R"("scheme":"https","host":"b\u00fccher.example")",
           R"("scheme":"https","host":"a.example:443")",
           R"("scheme":"https","host":"a.example/")",
           R"("scheme":"https","host":"u@a.example")",
           R"("scheme":"https","host":"a b.example")",
           R"("scheme":"https","host":"*")",
           R"("scheme":"https","host":"*.")",
           R"("scheme":"https","host":"*.com")",
           R"("scheme":"https","host":"*.*.example.com")",
           R"("scheme":"https","host":"a.*.example.com")",
           R"("scheme":"https","host":"a*.example.com")",
           R"("scheme":"https","host":"*example.com")",
           R"("scheme":"https","host":"**.example.com")",
           R"("scheme":"https","host":"*.0.0.1")",
           R"("scheme":"https","host":"*.10.0.0.1")",
           R"("scheme":"https","host":"*.[::1]")",
           R"("scheme":"https","host":"*..example.com")",
           R"("scheme":"https","host":"127.1")",
           R"("scheme":"https","host":"0x7f.0.0.1")",
           R"("scheme":"https","host":"::1")",
           R"("scheme":"https","host":"[0::1]")",
           R"("scheme":"https","host":"a.example","port":"443")",
           R"("scheme":"https","host":"a.example","port":0)",
           R"("scheme":"https","host":"a.example","port":-1)",
           R"("scheme":"https","host":"a.example","port":1.5)",
           R"("scheme":"https","host":"a.example","port":65536)",
           R"("scheme":"https","host":"a.example","port":null)",
           R"("scheme":"https","host":"a.example","path":null)",
           R"("scheme":"https","host":"a.example","path":"")",
           R"("scheme":"https","host":"a.example","path":"v1")",
           R"("scheme":"https","host":"a.example","path":".evil.org/")",
           R"("scheme":"https","host":"a.example","path":":80/")",
           R"("scheme":"https","host":"a.example","path":"/a/../b")",
           R"("scheme":"https","host":"a.example","path":"/a//b")",
           R"("scheme":"https","host":"a.example","path":"/a?b")",
           R"("scheme":"https","host":"a.example","path":"/a#b")",
           R"("scheme":"https","host":"a.example","path":"/a%2fb")",
           R"("scheme":"https","host":"a.example","path":"/a\\b")",
           R"("scheme":"https","host":"a.example","path":"/a\u0000")",
           R"("scheme":"https","host":"a.example","query":"a")",
       }) {
    const std::string text =
        R"({"constraint_type":"url_containment",)" + std::string(members) + "}";
    const char* const texts[] = {text.c_str()};
    expect_malformed(texts);
  }
}

TEST(UrlContainment, Subsumption) {
  const PairCase cases[] = {
      {R"("scheme":"https","host":"a.example.com")", R"("scheme":"https","host":"a.example.com")",
       true},
      {R"("scheme":"http","host":"a.example.com")", R"("scheme":"https","host":"a.example.com")",
       false},
      {R"("scheme":"https","host":"b.example.com")", R"("scheme":"https","host":"a.example.com")",
       false},
      {R"("scheme":"https","host":"a.example.com")", R"("scheme":"https","host":"*.example.com")",
       true},
      {R"("scheme":"https","host":"a.b.example.com")", R"("scheme":"https","host":"*.example.com")",
       true},
      {R"("scheme":"https","host":"*.b.example.com")", R"("scheme":"https","host":"*.example.com")",
       true},
      {R"("scheme":"https","host":"*.example.com")", R"("scheme":"https","host":"*.example.com")",
       true},
      {R"("scheme":"https","host":"example.com")", R"("scheme":"https","host":"*.example.com")",
       false},
      {R"("scheme":"https","host":"*.example.com")", R"("scheme":"https","host":"example.com")",
       false},
      {R"("scheme":"https","host":"*.example.com")", R"("scheme":"https","host":"a.example.com")",
       false},
      {R"("scheme":"https","host":"*.example.com")", R"("scheme":"https","host":"*.b.example.com")",
       false},
      {R"("scheme":"https","host":"*.evilexample.com")",
       R"("scheme":"https","host":"*.example.com")", false},
      {R"("scheme":"https","host":"a.example.com","port":443)",
       R"("scheme":"https","host":"a.example.com")", true},
      {R"("scheme":"https","host":"a.example.com")",
       R"("scheme":"https","host":"a.example.com","port":443)", true},
      {R"("scheme":"https","host":"a.example.com","port":8443)",
       R"("scheme":"https","host":"a.example.com")", false},
      {R"("scheme":"https","host":"a.example.com")",
       R"("scheme":"https","host":"a.example.com","port":8443)", false},
      {R"("scheme":"https","host":"a.example.com","path":"/v1")",
       R"("scheme":"https","host":"a.example.com")", true},
      {R"("scheme":"https","host":"a.example.com","path":"/")",
       R"("scheme":"https","host":"a.example.com")", true},
      {R"("scheme":"https","host":"a.example.com")",
       R"("scheme":"https","host":"a.example.com","path":"/")", true},
      {R"("scheme":"https","host":"a.example.com")",
       R"("scheme":"https","host":"a.example.com","path":"/v1")", false},
      {R"("scheme":"https","host":"a.example.com","path":"/v1/x")",
       R"("scheme":"https","host":"a.example.com","path":"/v1/")", true},
      {R"("scheme":"https","host":"a.example.com","path":"/v1")",
       R"("scheme":"https","host":"a.example.com","path":"/v1/")", true},
      {R"("scheme":"https","host":"a.example.com","path":"/v10")",
       R"("scheme":"https","host":"a.example.com","path":"/v1")", false},
  };
  expect_pairs("url_containment", cases);
}

}  // namespace
}  // namespace mandated::receipt
