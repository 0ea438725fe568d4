// Who may ask, what may be asked, and how it is refused before anybody looks at what it means.
#include "proxy/local/handler.h"

#include "tests/unit/local/world.h"

namespace mandated::local {
namespace {

using HandlerTest = LocalTest;

TEST_F(HandlerTest, TellsWhoWeAre) {
  const Answered answered = get("/identity");
  EXPECT_EQ(answered.status, 200);
  EXPECT_EQ(answered.body,
            Json({{"holder", kAgent}, {"holder_key", Json::parse(key_.public_key().jwk())}}));
  make_holdings("");
  EXPECT_EQ(get("/identity").body, Json({{"holder_key", Json::parse(key_.public_key().jwk())}}));
}

TEST_F(HandlerTest, OtherUsersGetNothing) {
  hold("a.json", root());
  for (const char* target : {"/identity", "/receipts", "/delegations", "/nothing"}) {
    FakeStream stream("POST", target, "{}");
    const Answered answered = run(stream, false);
    EXPECT_EQ(answered.status, 403);
    EXPECT_EQ(answered.code(), "peer_not_allowed");
    EXPECT_TRUE(stream.closes);
    EXPECT_FALSE(stream.body_read);
  }
}

TEST_F(HandlerTest, OtherPathsAndMethods) {
  for (const char* target : {"/", "/receipts/", "/receipt", "/identity?x", "/receipts?wait=1",
                             "/delegations?", "/requestsx", "*"}) {
    EXPECT_EQ(get(target).status, 404) << target;
  }
  struct Case {
    const char* method;
    const char* target;
    const char* allow;
  };
  for (const Case& c : {Case{"POST", "/identity", "GET"},
                        {"DELETE", "/receipts", "GET, POST"},
                        {"HEAD", "/receipts", "GET, POST"},
                        {"GET", "/delegations", "POST"},
                        {"GET", "/attachments", "POST"},
                        {"PUT", "/requests", "POST"},
                        {"GET", "/requests", "POST"},
                        {"POST", "/requests/abc", "GET"}}) {
    FakeStream stream(c.method, c.target, "{}");
    const Answered answered = run(stream);
    EXPECT_EQ(answered.status, 405) << c.method << c.target;
    EXPECT_EQ(answered.fields.single("allow"), c.allow) << c.method << c.target;
  }
}

TEST_F(HandlerTest, BodiesAreStrictJsonOfBoundedSize) {
  for (const char* target : {"/receipts", "/delegations", "/attachments", "/requests"}) {
    SCOPED_TRACE(target);
    const auto code_of = [&](const std::string& body, const std::string& type) {
      FakeStream stream("POST", target, body);
      stream.request.fields.set("content-type", type);
      const Answered answered = run(stream);
      return std::to_string(answered.status) + " " + answered.code();
    };
    EXPECT_EQ(code_of("{}", "text/plain"), "415 unsupported_media_type");
    EXPECT_EQ(code_of("{}", "application/jsonx"), "415 unsupported_media_type");
    EXPECT_EQ(code_of("{", "application/json"), "400 malformed");
    EXPECT_EQ(code_of("", "application/json"), "400 malformed");
    EXPECT_EQ(code_of("[]", "application/json; charset=utf-8"), "400 malformed");
    EXPECT_EQ(code_of(R"({"tools":{},"tools":{}})", "application/json"), "400 malformed");
    EXPECT_EQ(code_of(R"({"surprise":1})", "application/json"), "400 malformed");
    const std::string large(Handler::kBodyBytesMax - 1, ' ');
    EXPECT_EQ(code_of(large + "{", "application/json"), "400 malformed");
    EXPECT_EQ(code_of(large + "{}", "application/json"), "413 too_large");
  }
  EXPECT_EQ(files(), 0U);
}

TEST_F(HandlerTest, OfAProcessThatCannotBeToldNothingIsAttested) {
  EXPECT_EQ(get("/instance").body, Json({{"instance", Json::object()}}));
}

}  // namespace
}  // namespace mandated::local
