// The source of identity against an agent that comes, goes, changes its mind and lies.
#include "proxy/workload_api/source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "tests/unit/http/http2_frames.h"
#include "tests/unit/workload_api/fake_agent.h"

namespace mandated::workload_api {
namespace {

using namespace std::chrono_literals;
using identity::SnapshotPtr;
using test::FakeAgent;
using test::TestCa;
using test::to_message;
using test::to_response;
using testing::HasSubstr;

constexpr char kSvids[] = "FetchX509SVID";
constexpr char kKeys[] = "FetchJWTBundles";

/// The source owns its dialer; the network is the test's.
class SharedDialer final : public net::Dialer {
 public:
  explicit SharedDialer(net::Dialer& dialer) : dialer_(dialer) {}
  Task<Result<net::StreamPtr>> dial(const net::Address& address, Clock::Time deadline) override {
    return dialer_.dial(address, deadline);
  }

 private:
  net::Dialer& dialer_;
};

class SourceTest : public testing::Test {
 protected:
  SourceTest() {
    options_.endpoint = *net::Address::parse(test::kAgentAddress);
    options_.log = [this](std::string_view words) { logged_.emplace_back(words); };
    options_.on_connected = [this](bool connected) { connected_.push_back(connected); };
    options_.make_dialer = [this](Clock&) { return std::make_unique<SharedDialer>(network_); };
    give("/agent/x");
  }
  ~SourceTest() override { stop(); }

  std::string message(const std::string& path, std::string_view hint = {}) const {
    return to_response({to_message(ca_.svid_at(path, clock_.wall()), ca_, hint)})
        .SerializeAsString();
  }
  void give(const std::string& path) { agent_.answers[kSvids] = {{message(path)}, ""}; }

  static Task<void> keep(Task<Result<SnapshotPtr>> task,
                         std::optional<Result<SnapshotPtr>>* outcome) {
    outcome->emplace(co_await std::move(task));
  }
  /// Begins to wait for the first snapshot, and lets `patience` pass.
  void begin(Clock::Duration patience = 0s) {
    source_ = std::make_unique<WorkloadApiSvidSource>(options_);
    gate_.spawn(keep(source_->await_first(clock_), &first_));
    clock_.advance(std::max<Clock::Duration>(patience, 1ms));
  }
  Error failure() {
    EXPECT_TRUE(clock_.run_until([&] { return first_.has_value(); }));
    EXPECT_FALSE(*first_);
    return *first_ ? Error{} : first_->error();
  }
  void start() {
    begin();
    clock_.run_until([&] { return first_.has_value(); });
    ASSERT_TRUE(*first_) << first_->error().text;
    snapshots_.push_back(**first_);
    gate_.spawn(source_->run(
        clock_, [this](SnapshotPtr snapshot) { snapshots_.push_back(std::move(snapshot)); }));
    clock_.advance(1ms);
  }
  void stop() {
    if (!source_) return;
    source_->stop();
    clock_.run_until([&] { return gate_.active() == 0; }, 30s);
    EXPECT_EQ(gate_.active(), 0U);
  }
  const std::string& own_id() const { return snapshots_.back()->svid->id.text(); }

  boost::asio::io_context io_{1};
  test::SimClock clock_{io_};
  test::SimRng rng_{1};
  sim::Network network_{clock_, rng_, sim::Faults{}};
  FakeAgent agent_{network_, clock_};
  Gate gate_{clock_.executor()};
  TestCa ca_;
  WorkloadApiOptions options_;
  std::unique_ptr<WorkloadApiSvidSource> source_;
  std::optional<Result<SnapshotPtr>> first_;
  std::vector<SnapshotPtr> snapshots_;
  std::vector<std::string> logged_;
  std::vector<bool> connected_;
};

TEST_F(SourceTest, AsksAsTheStandardSays) {
  start();
  const FakeAgent::Asked& asked = agent_.asked.front();
  EXPECT_EQ(asked.method, kSvids);
  EXPECT_EQ(asked.fields.at(":method"), "POST");
  EXPECT_EQ(asked.fields.at(":path"), "/SpiffeWorkloadAPI/FetchX509SVID");
  EXPECT_EQ(asked.fields.at("workload.spiffe.io"), "true");
  EXPECT_EQ(asked.fields.at("content-type"), "application/grpc");
  EXPECT_EQ(asked.fields.at("te"), "trailers");
  EXPECT_EQ(asked.message, frame_message(""));
  EXPECT_EQ(own_id(), "spiffe://test.example/agent/x");
  EXPECT_EQ(snapshots_.back()->bundles, ca_.bundles());
  EXPECT_EQ(connected_, std::vector<bool>{true});
}

TEST_F(SourceTest, SeveralSvids) {
  const std::string several =
      to_response({to_message(ca_.svid("/a"), ca_), to_message(ca_.svid("/b"), ca_, "internal"),
                   to_message(ca_.svid("/c"), ca_, "internal"),
                   to_message(ca_.svid("/b"), ca_, "external")})
          .SerializeAsString();
  agent_.answers[kSvids] = {{several}, ""};
  const auto update = read_x509_svids(several, clock_.wall());
  ASSERT_TRUE(update);
  struct {
    const char* id;
    const char* hint;
    std::size_t chosen;
  } const rows[] = {{"", "", 0},
                    {"", "internal", 1},
                    {"spiffe://test.example/c", "", 2},
                    {"spiffe://test.example/b", "", 1},
                    {"spiffe://test.example/b", "external", 3}};
  for (const auto& row : rows) {
    const auto chosen = choose_svid(update->svids, row.id, row.hint);
    ASSERT_TRUE(chosen);
    EXPECT_EQ(*chosen, &update->svids[row.chosen]);
  }
  const auto none = choose_svid(update->svids, "spiffe://test.example/a", "internal");
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, Code::kNotFound);
  EXPECT_THAT(none.error().text, HasSubstr("test.example/c ('internal')"));
  options_.hint = "external";
  start();
  EXPECT_EQ(own_id(), "spiffe://test.example/b");
}

TEST_F(SourceTest, WaitsForTheEntryThatIsOurs) {
  options_.spiffe_id = "spiffe://test.example/agent/z";
  begin(5s);
  EXPECT_FALSE(first_);
  agent_.push(kSvids, message("/agent/z"));
  ASSERT_TRUE(first_);
  ASSERT_TRUE(*first_);
  EXPECT_EQ((**first_)->svid->id.text(), "spiffe://test.example/agent/z");
}

TEST_F(SourceTest, SaysWhichSvidsThereAreWhenOursNeverCame) {
  options_.spiffe_id = "spiffe://test.example/agent/z";
  begin();
  const Error error = failure();
  EXPECT_EQ(error.code, Code::kNotFound);
  EXPECT_THAT(error.text, HasSubstr("it has: spiffe://test.example/agent/x"));
  EXPECT_THAT(error.text, HasSubstr("registration entry"));
}

TEST_F(SourceTest, WaitsForAnAgentThatStartsLate) {
  agent_.die();
  begin(20s);
  EXPECT_FALSE(first_);
  agent_.live();
  clock_.advance(10s);
  ASSERT_TRUE(first_);
  EXPECT_TRUE(*first_);
}

TEST_F(SourceTest, GivesUpTheStartInTime) {
  agent_.die();
  const Clock::Time began = clock_.now();
  begin();
  const Error error = failure();
  EXPECT_EQ(error.code, Code::kRefused);
  EXPECT_THAT(error.text, HasSubstr("Is the SPIFFE agent running, is unix:/agent.sock"));
  EXPECT_LE(clock_.now() - began, 30s);
  EXPECT_GE(clock_.now() - began, 15s);
}

TEST_F(SourceTest, ASilentAgentIsTold) {
  agent_.silent = true;
  begin();
  const Error error = failure();
  EXPECT_EQ(error.code, Code::kTimeout);
  EXPECT_THAT(error.text, HasSubstr("gave nothing in time"));
}

TEST_F(SourceTest, PermissionDeniedIsAskedAgainWithBackOff) {
  agent_.answers[kSvids] = {{}, "7", "no identity issued"};
  begin();
  const Error error = failure();
  EXPECT_EQ(error.code, Code::kDenied);
  EXPECT_THAT(error.text, HasSubstr("no identity issued"));
  EXPECT_THAT(error.text, HasSubstr("selector unix:uid:"));
  // 0, 0.1, 0.3, 0.7, … 12.7, 22.7: doubled up to ten seconds.
  EXPECT_EQ(agent_.times_asked(kSvids), 9U);
}

TEST_F(SourceTest, WhatIsOfNoUseIsNotAskedAgain) {
  for (const char* status : {"3", "12"}) {
    agent_.asked.clear();
    first_.reset();
    agent_.answers[kSvids] = {{}, status};
    begin();
    EXPECT_TRUE(is_final(failure())) << status;
    EXPECT_EQ(agent_.times_asked(kSvids), 1U) << status;
  }
}

TEST_F(SourceTest, AnotherServerIsToldApart) {
  agent_.silent = true;
  begin();
  agent_.push_raw(http::frame(http::kHeaders, http::kEndHeaders | http::kEndStream, 1,
                              http::header_block({{":status", "404"}})));
  const Error error = failure();
  EXPECT_THAT(error.text,
              testing::AnyOf(HasSubstr("speaks no gRPC (HTTP status 404)"), HasSubstr("in time")));
}

TEST_F(SourceTest, RotationIsANewSnapshot) {
  start();
  clock_.advance(60s);
  agent_.push(kSvids, message("/agent/x"));
  ASSERT_EQ(snapshots_.size(), 2U);
  EXPECT_NE(snapshots_[1]->svid, snapshots_[0]->svid);
  EXPECT_EQ(snapshots_[1]->svid->expires,
            std::chrono::floor<std::chrono::seconds>(clock_.wall()) + 5min);
  // The same again is no news.
  const std::string again = message("/agent/x");
  agent_.push(kSvids, again);
  agent_.push(kSvids, again);
  EXPECT_EQ(snapshots_.size(), 3U);
  EXPECT_TRUE(logged_.empty() || logged_.size() == 1) << logged_.back();  // FetchJWTBundles
}

TEST_F(SourceTest, BundlesChangeByThemselves) {
  const X509SVID own = to_message(ca_.svid("/agent/x"), ca_);
  agent_.answers[kSvids] = {{to_response({own}).SerializeAsString()}, ""};
  start();
  const TestCa other("other.example", clock_.wall(), test::TestKey::kEd25519, 2);
  X509SVIDResponse response = to_response({own});
  (*response.mutable_federated_bundles())["spiffe://other.example"] = other.certificate_der();
  agent_.push(kSvids, response.SerializeAsString());
  ASSERT_EQ(snapshots_.size(), 2U);
  EXPECT_EQ(snapshots_[1]->svid, snapshots_[0]->svid);
  EXPECT_EQ(snapshots_[1]->bundles.size(), 2U);
  // What is not there any more is taken back.
  agent_.push(kSvids, to_response({own}).SerializeAsString());
  ASSERT_EQ(snapshots_.size(), 3U);
  EXPECT_EQ(snapshots_[2]->bundles, ca_.bundles());
}

TEST_F(SourceTest, ABadMessageChangesNothing) {
  start();
  agent_.push(kSvids, "nonsense");
  agent_.push(kSvids, to_response({}).SerializeAsString());
  EXPECT_EQ(snapshots_.size(), 1U);
  EXPECT_THAT(logged_, testing::Contains(HasSubstr("not of its kind")));
  EXPECT_THAT(logged_, testing::Contains(HasSubstr("without an SVID")));
  agent_.push(kSvids, message("/agent/x"));  // the stream stands
  EXPECT_EQ(snapshots_.size(), 2U);
  EXPECT_EQ(agent_.times_asked(kSvids), 2U);  // once by first(), once by run()
}

TEST_F(SourceTest, AProcessStaysWhoItIs) {
  start();
  agent_.push(kSvids, message("/agent/other"));
  EXPECT_EQ(snapshots_.size(), 1U);
  EXPECT_THAT(logged_, testing::Contains(HasSubstr("no SVID of spiffe://test.example/agent/x")));
}

TEST_F(SourceTest, KeepsWhatItHasWhileTheAgentIsAwayAndFindsItAgain) {
  start();
  agent_.die();
  clock_.advance(2min);
  EXPECT_EQ(snapshots_.size(), 1U);
  EXPECT_FALSE(connected_.back());
  EXPECT_THAT(logged_, testing::Contains(HasSubstr("FetchX509SVID: unix:/agent.sock refused")));
  give("/agent/x");
  agent_.live();
  clock_.advance(10s);
  ASSERT_EQ(snapshots_.size(), 2U);
  EXPECT_TRUE(connected_.back());
}

TEST_F(SourceTest, ATornStreamIsTakenUpAtOnce) {
  start();
  agent_.finish(kSvids, "14");
  clock_.advance(101ms);
  EXPECT_EQ(agent_.times_asked(kSvids), 3U);
  EXPECT_TRUE(connected_.back());
}

TEST_F(SourceTest, AnSvidThatIsTakenBackStandsUntilItExpires) {
  start();
  agent_.answers[kSvids] = {{}, "7"};
  agent_.finish(kSvids, "7");
  clock_.advance(1min);
  EXPECT_EQ(snapshots_.size(), 1U);
  EXPECT_FALSE(connected_.back());
  EXPECT_THAT(logged_, testing::Contains(HasSubstr("PERMISSION_DENIED")));
}

TEST_F(SourceTest, AStuckAgentIsAskedAnew) {
  start();
  agent_.silent = true;
  EXPECT_EQ(agent_.times_asked(kSvids), 2U);
  clock_.advance(220s);  // three quarters of 310 s, of which 10 had passed before it came
  EXPECT_EQ(agent_.times_asked(kSvids), 2U);
  clock_.advance(5s);
  EXPECT_EQ(agent_.times_asked(kSvids), 3U);
  agent_.silent = false;
  give("/agent/x");
  clock_.advance(31s);
  EXPECT_EQ(snapshots_.size(), 2U);
}

TEST_F(SourceTest, JwtAuthoritiesComeBesides) {
  JWTBundlesResponse response;
  (*response.mutable_bundles())["spiffe://test.example"] =
      R"({"keys":[{"kty":"EC","crv":"P-256","kid":"a",)"
      R"("x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",)"
      R"("y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]})";
  (*response.mutable_bundles())["spiffe://other.example"] = "{}";
  agent_.answers[kKeys] = {{response.SerializeAsString()}, ""};
  start();
  ASSERT_EQ(snapshots_.size(), 2U);
  const identity::JwtBundles& bundles = snapshots_[1]->jwt_bundles;
  ASSERT_EQ(bundles.size(), 1U);
  EXPECT_EQ(bundles.at("test.example").front().kid, "a");
  EXPECT_EQ(snapshots_[1]->svid, snapshots_[0]->svid);
  EXPECT_THAT(logged_, testing::Contains(HasSubstr("the JWT authorities of other.example")));
  // They survive a rotation of the SVID.
  agent_.push(kSvids, message("/agent/x"));
  EXPECT_EQ(snapshots_.back()->jwt_bundles.size(), 1U);
}

TEST_F(SourceTest, AnAgentWithoutJwtAuthoritiesIsAskedOnce) {
  start();
  clock_.advance(10min);
  EXPECT_EQ(agent_.times_asked(kKeys), 1U);
  EXPECT_THAT(logged_, testing::Contains(HasSubstr("not asked again")));
}

TEST_F(SourceTest, StopBeforeRunEndsItAtOnce) {
  begin();
  source_->stop();
  gate_.spawn(source_->run(clock_, [](const SnapshotPtr&) { FAIL(); }));
  clock_.run_ready();
  EXPECT_EQ(gate_.active(), 0U);
}

}  // namespace
}  // namespace mandated::workload_api
