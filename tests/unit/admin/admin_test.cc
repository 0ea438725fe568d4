// The operator's endpoint: what each path answers in each state.
#include "proxy/admin/admin.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "tests/support/fake_stream.h"

namespace mandated::admin {
namespace {

using test::FakeStream;

class AdminTest : public testing::Test {
 protected:
  AdminTest() {
    health_.identity_present = true;
    health_.listeners_up = true;
  }
  void handle(FakeStream& stream) {
    AdminHandler handler(health_, metrics_);
    boost::asio::io_context context(1);
    boost::asio::co_spawn(context, handler.handle(stream),
                          [](const std::exception_ptr& escaped) { EXPECT_EQ(escaped, nullptr); });
    context.run();
  }
  FakeStream get(const std::string& target, const std::string& method = "GET") {
    FakeStream stream(method, target);
    handle(stream);
    EXPECT_TRUE(stream.ended);
    return stream;
  }
  Health health_;
  Metrics metrics_{Metrics::Names(), BuildInfo()};
};

TEST_F(AdminTest, Ready) {
  const FakeStream stream = get("/ready");
  EXPECT_EQ(stream.response.status, 200);
  EXPECT_EQ(stream.sent, "ready\n");
  EXPECT_EQ(stream.response.fields.single("cache-control"), "no-store");
}

TEST_F(AdminTest, NotReady) {
  struct Case {
    std::atomic<bool> Health::* member;
    bool value;
    const char* reason;
  };
  for (const Case& c :
       {Case{&Health::identity_present, false, "no identity yet\n"},
        Case{&Health::identity_expired, true, "our SVID has expired and was not renewed\n"},
        {&Health::listeners_up, false, "listeners are not up\n"},
        {&Health::draining, true, "draining\n"},
        {&Health::audit_healthy, false, "the audit file cannot be written\n"}}) {
    health_.*c.member = c.value;
    const FakeStream stream = get("/ready");
    EXPECT_EQ(stream.response.status, 503);
    EXPECT_EQ(stream.sent, c.reason);
    health_.*c.member = !c.value;
  }
}

TEST_F(AdminTest, LiveWhateverElseIsWrong) {
  health_.draining = true;
  health_.audit_healthy = false;
  const FakeStream stream = get("/live?x=1");
  EXPECT_EQ(stream.response.status, 200);
  EXPECT_EQ(stream.sent, "alive\n");
}

TEST_F(AdminTest, Metrics) {
  const FakeStream stream = get("/metrics");
  EXPECT_EQ(stream.response.status, 200);
  EXPECT_EQ(stream.response.fields.single("content-type"),
            "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_THAT(stream.sent, testing::HasSubstr("mandated_build_info{"));
}

TEST_F(AdminTest, HeadHasNoBody) {
  const FakeStream stream = get("/live", "HEAD");
  EXPECT_EQ(stream.response.status, 200);
  EXPECT_EQ(stream.sent, "");
}

TEST_F(AdminTest, OtherMethodsAndPaths) {
  const FakeStream post = get("/ready", "POST");
  EXPECT_EQ(post.response.status, 405);
  EXPECT_EQ(post.response.fields.single("allow"), "GET, HEAD");
  for (const char* path : {"/", "/readyz", "/ready/", "/metrics2"})
    EXPECT_EQ(get(path).response.status, 404) << path;
}

TEST_F(AdminTest, APeerThatIsGoneGetsNothingMore) {
  FakeStream stream("GET", "/live");
  stream.is_gone = true;
  handle(stream);
  EXPECT_EQ(stream.sent, "");
}

}  // namespace
}  // namespace mandated::admin
