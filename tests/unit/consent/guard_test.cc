// Whom the service answers: every field that tells one sender from another, right and wrong.
#include "proxy/consent/guard.h"

#include <gtest/gtest.h>

#include <vector>

namespace mandated::consent {
namespace {

TEST(Origin, IsWhereBrowsersLetPasskeysBeUsed) {
  const std::pair<const char*, const char*> good[] = {
      {"http://localhost:8700", "localhost"},
      {"http://localhost", "localhost"},
      {"https://receipts.example.org", "receipts.example.org"},
      {"https://receipts.example.org:8443", "receipts.example.org"},
  };
  for (const auto& [text, rp_id] : good) {
    const auto origin = Origin::parse(text);
    ASSERT_TRUE(origin) << text;
    EXPECT_EQ(origin->text, text);
    EXPECT_EQ(origin->rp_id, rp_id);
    EXPECT_EQ("//" + origin->authority, std::string(text).substr(std::string(text).find("//")));
  }
  for (const char* bad : {"",
                          "localhost:8700",
                          "http://",
                          "https://",
                          "http://127.0.0.1:8700",
                          "http://[::1]:8700",
                          "https://192.0.2.1",
                          "http://example.org",
                          "http://localhost.example.org",
                          "https://Example.org",
                          "https://example.org/",
                          "https://example.org/page",
                          "https://user@example.org",
                          "https://example.org:443",
                          "http://localhost:80",
                          "https://example.org:",
                          "https://example.org:0",
                          "https://example.org:08443",
                          "https://example.org:65536",
                          "https://example.org:+1",
                          "https://.example.org",
                          "https://example..org",
                          "https://example.org.",
                          "https://ex ample.org",
                          "wss://example.org",
                          "https://b\xC3\xBC"
                          "cher.example"}) {
    EXPECT_FALSE(Origin::parse(bad)) << bad;
  }
}

struct Case {
  const char* what;
  std::vector<http::Field> fields;
  bool navigation;
  bool own_page;
  bool anybody;
};

class GuardTest : public testing::Test {
 protected:
  static http::RequestHead head(const std::string& method, const std::vector<http::Field>& fields) {
    http::RequestHead made;
    made.method = method;
    made.authority = "localhost:8700";
    made.target = "/requests";
    for (const http::Field& field : fields) made.fields.add(field.name, field.value);
    return made;
  }
  static bool passes(const http::RequestHead& head, Sender sender) {
    const auto checked = check_sender(head, *Origin::parse("http://localhost:8700"), sender);
    if (!checked) {
      EXPECT_EQ(checked.error().code, Code::kDenied);
    }
    return checked.has_value();
  }
};

TEST_F(GuardTest, OriginAndFetchMetadata) {
  const http::Field ours{"origin", "http://localhost:8700"};
  const Case cases[] = {
      {"no browser", {}, true, false, true},
      {"our page", {ours, {"sec-fetch-site", "same-origin"}}, false, true, true},
      {"our page, old browser", {ours}, true, true, true},
      {"another port", {{"origin", "http://localhost:8701"}}, false, false, false},
      {"another scheme", {{"origin", "https://localhost:8700"}}, false, false, false},
      {"no port", {{"origin", "http://localhost"}}, false, false, false},
      {"by address", {{"origin", "http://127.0.0.1:8700"}}, false, false, false},
      {"opaque", {{"origin", "null"}}, false, false, false},
      {"empty", {{"origin", ""}}, false, false, false},
      {"two", {ours, ours}, false, false, false},
      {"another site", {{"sec-fetch-site", "cross-site"}}, false, false, false},
      {"another host of the site", {{"sec-fetch-site", "same-site"}}, false, false, false},
      {"another site that lies", {ours, {"sec-fetch-site", "cross-site"}}, false, false, false},
      {"fetch metadata twice",
       {{"sec-fetch-site", "same-origin"}, {"sec-fetch-site", "cross-site"}},
       false,
       false,
       false},
      {"a link elsewhere",
       {{"sec-fetch-site", "cross-site"},
        {"sec-fetch-mode", "navigate"},
        {"sec-fetch-dest", "document"}},
       true,
       false,
       false},
      {"typed",
       {{"sec-fetch-site", "none"}, {"sec-fetch-mode", "navigate"}, {"sec-fetch-dest", "document"}},
       true,
       false,
       true},
      {"framed elsewhere",
       {{"sec-fetch-site", "cross-site"},
        {"sec-fetch-mode", "navigate"},
        {"sec-fetch-dest", "iframe"}},
       false,
       false,
       false},
      {"framed by ourselves",
       {{"sec-fetch-site", "same-origin"},
        {"sec-fetch-mode", "navigate"},
        {"sec-fetch-dest", "iframe"}},
       false,
       false,
       true},
      {"fetched as a page",
       {{"sec-fetch-site", "cross-site"},
        {"sec-fetch-mode", "no-cors"},
        {"sec-fetch-dest", "document"}},
       false,
       false,
       false},
      {"an object",
       {{"sec-fetch-site", "cross-site"},
        {"sec-fetch-mode", "navigate"},
        {"sec-fetch-dest", "object"}},
       false,
       false,
       false},
  };
  for (const Case& c : cases) {
    const http::RequestHead request = head("GET", c.fields);
    EXPECT_EQ(passes(request, Sender::kNavigation), c.navigation) << c.what;
    EXPECT_EQ(passes(request, Sender::kOwnPage), c.own_page) << c.what;
    EXPECT_EQ(passes(request, Sender::kAnybody), c.anybody) << c.what;
  }
}

TEST_F(GuardTest, TheHostIsOurs) {
  for (const char* authority :
       {"", "localhost", "localhost:8701", "localhost.:8700", "127.0.0.1:8700", "[::1]:8700",
        "evil.example:8700", "localhost:8700.evil.example", "localhost:08700"}) {
    http::RequestHead request = head("GET", {});
    request.authority = authority;
    for (const Sender sender : {Sender::kNavigation, Sender::kOwnPage, Sender::kAnybody})
      EXPECT_FALSE(passes(request, sender)) << authority;
  }
}

TEST_F(GuardTest, APostIsJsonAndNoFormCanSendIt) {
  const auto post = [](const std::vector<http::Field>& fields) {
    return check_sender(head("POST", fields), *Origin::parse("http://localhost:8700"),
                        Sender::kAnybody);
  };
  for (const char* type : {"application/json", "Application/JSON", "application/json;charset=utf-8",
                           "application/json; charset=UTF-8"})
    EXPECT_TRUE(post({{"content-type", type}})) << type;
  for (const char* type :
       {"", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data",
        "application/json; charset=utf-16", "application/jsonp", "text/plain; application/json"}) {
    const auto checked = post({{"content-type", type}});
    ASSERT_FALSE(checked) << type;
    EXPECT_EQ(checked.error().code, Code::kUnsupported);
  }
  EXPECT_FALSE(post({}));
  EXPECT_FALSE(post({{"content-type", "application/json"}, {"content-type", "text/plain"}}));
  EXPECT_FALSE(post({{"content-type", "application/json"},
                     {"sec-fetch-site", "none"},
                     {"sec-fetch-mode", "navigate"},
                     {"sec-fetch-dest", "document"}}))
      << "nobody types a POST";
}

}  // namespace
}  // namespace mandated::consent
