#include "proxy/identity/embedded.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "proxy/base/gate.h"
#include "proxy/identity/bundle_document.h"
#include "proxy/identity/pem.h"
#include "tests/support/sim_clock.h"
#include "tests/support_ca/test_ca.h"

namespace mandated::identity {
namespace {

using namespace std::chrono_literals;
using test::TestCa;
using testing::HasSubstr;

const Clock::WallTime kNow = TestCa::sim_start();
constexpr auto kDay = 24h;

class EmbeddedTest : public testing::Test {
 protected:
  EmbeddedTest() {
    std::string pattern = testing::TempDir() + "mandated_embedded_XXXXXX";
    base_ = ::mkdtemp(pattern.data());
    state_ = (base_ / "state").string();
  }
  ~EmbeddedTest() override { std::filesystem::remove_all(base_); }

  std::unique_ptr<EmbeddedTrustDomain> open(Clock::WallTime now = kNow) {
    auto opened = EmbeddedTrustDomain::open(state_, "test.example", now);
    EXPECT_TRUE(opened) << opened.error().text;
    return std::move(*opened);
  }

  std::filesystem::path base_;
  std::string state_;
  const SpiffeId id_ = *SpiffeId::parse("spiffe://test.example/agent/x");
};

void expect_fails(const Error& error, Code code, const std::string& reason) {
  EXPECT_EQ(error.code, code);
  EXPECT_THAT(error.text, HasSubstr(reason));
}

TEST_F(EmbeddedTest, IssuesSvidsThatTheVerifierTakes) {
  const auto domain = open();
  const Bundles bundles{{"test.example", domain->bundle()}};
  for (const KeyType type : {KeyType::kP256, KeyType::kEd25519}) {
    const auto svid = domain->issue(id_, type, 5min, kNow);
    ASSERT_TRUE(svid) << svid.error().text;
    EXPECT_EQ(EVP_PKEY_id(svid->private_key.get()),
              type == KeyType::kP256 ? EVP_PKEY_EC : EVP_PKEY_ED25519);
    EXPECT_EQ(svid->not_before, kNow - 10s);
    EXPECT_EQ(svid->expires, kNow + 5min);
    for (const Purpose purpose : {Purpose::kClient, Purpose::kServer}) {
      const auto verified = verify_x509_svid(svid->chain_der, bundles, purpose, kNow);
      ASSERT_TRUE(verified) << verified.error().text;
      EXPECT_EQ(*verified, id_);
    }
  }
}

TEST_F(EmbeddedTest, KeyIsPrivateAndStands) {
  const std::vector<std::string> bundle = open()->bundle();
  struct stat status{};
  ASSERT_EQ(::lstat((state_ + "/authority.pem").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 0600U);
  ASSERT_EQ(::lstat(state_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 0700U);
  EXPECT_EQ(open()->bundle(), bundle);
}

TEST_F(EmbeddedTest, ProcessesThatStartAtOnceAgree) {
  constexpr int kProcesses = 8;
  int pipes[2];
  ASSERT_EQ(::pipe(pipes), 0);
  for (int i = 0; i < kProcesses; ++i) {
    if (::fork() == 0) {
      const auto opened = EmbeddedTrustDomain::open(state_, "test.example", kNow);
      const std::string seen =
          opened ? (*opened)->authorities(kNow).front().fingerprint : std::string(64, '!');
      const ssize_t written = ::write(pipes[1], seen.data(), 64);
      ::_exit(written == 64 ? 0 : 1);
    }
  }
  std::set<std::string> fingerprints;
  for (int i = 0; i < kProcesses; ++i) {
    std::string seen(64, '\0');
    ASSERT_EQ(::read(pipes[0], seen.data(), 64), 64);
    fingerprints.insert(seen);
  }
  while (::wait(nullptr) > 0) {
  }
  EXPECT_EQ(fingerprints.size(), 1U);
  EXPECT_EQ(fingerprints.count(std::string(64, '!')), 0U);
}

TEST_F(EmbeddedTest, OpeningNeedsAName) {
  auto nothing = EmbeddedTrustDomain::open(state_, "", kNow);
  ASSERT_FALSE(nothing);
  expect_fails(nothing.error(), Code::kNotFound, "does not exist");
  ::mkdir(state_.c_str(), 0700);
  nothing = EmbeddedTrustDomain::open(state_, "", kNow);
  ASSERT_FALSE(nothing);
  expect_fails(nothing.error(), Code::kNotFound, "holds no trust domain");
  for (const char* name : {"Test", "a/b", "a b", "spiffe://a"}) {
    const auto bad = EmbeddedTrustDomain::open(state_, name, kNow);
    ASSERT_FALSE(bad) << name;
    expect_fails(bad.error(), Code::kInvalidConfig, "no name of a trust domain");
  }
  open();
  const auto known = EmbeddedTrustDomain::open(state_, "", kNow);
  ASSERT_TRUE(known);
  EXPECT_EQ((*known)->trust_domain(), "test.example");
  const auto other = EmbeddedTrustDomain::open(state_, "other.example", kNow);
  ASSERT_FALSE(other);
  expect_fails(other.error(), Code::kInvalidConfig, "test.example, not other.example");
}

TEST_F(EmbeddedTest, DamagedOrOpenAuthorityFileIsRefused) {
  const auto certificate = to_pem("CERTIFICATE", open()->bundle().front());
  const std::string path = state_ + "/authority.pem";
  const auto reason = [&] {
    const auto opened = EmbeddedTrustDomain::open(state_, "test.example", kNow);
    EXPECT_FALSE(opened);
    if (opened) return std::string();
    EXPECT_EQ(opened.error().code, Code::kStorage);
    return opened.error().text;
  };
  ::chmod(path.c_str(), 0644);
  EXPECT_THAT(reason(), HasSubstr("open to others"));
  ::chmod(path.c_str(), 0600);
  std::string good;
  {
    std::ifstream file(path);
    good.assign(std::istreambuf_iterator<char>(file), {});
  }
  std::ofstream(path) << good.substr(0, good.size() - 40);
  EXPECT_THAT(reason(), HasSubstr("damaged"));
  std::ofstream(path) << "";
  EXPECT_THAT(reason(), HasSubstr("no PEM block"));
  const TestCa other;
  std::ofstream(path) << certificate << to_pem(other.svid("/x").private_key.get());
  EXPECT_THAT(reason(), HasSubstr("not that of its certificate"));
  std::ofstream(path) << to_pem("CERTIFICATE", other.svid("/x").chain_der[0]);
  EXPECT_THAT(reason(), HasSubstr("no CA"));
  std::ofstream(path) << to_pem("EC PARAMETERS", "x") << good;
  EXPECT_THAT(reason(), HasSubstr("EC PARAMETERS"));
}

TEST_F(EmbeddedTest, IssuesOnlyWhatItMay) {
  const auto domain = open();
  const auto refuse = [&](const char* id, Clock::Duration ttl, const std::string& reason) {
    const auto svid = domain->issue(*SpiffeId::parse(id), KeyType::kP256, ttl, kNow);
    ASSERT_FALSE(svid);
    expect_fails(svid.error(), Code::kInvalidConfig, reason);
  };
  refuse("spiffe://other.example/a", 5min, "not of the trust domain");
  refuse("spiffe://test.example", 5min, "no workload");
  refuse("spiffe://test.example/a", 0s, "from one second");
  refuse("spiffe://test.example/a", 8 * kDay, "seven days");
  EXPECT_TRUE(domain->issue(id_, KeyType::kP256, 7 * kDay, kNow));
}

TEST_F(EmbeddedTest, AuthorityIsRenewedWithOverlap) {
  auto domain = open();
  const auto first = domain->bundle();
  ASSERT_EQ(first.size(), 1U);
  ASSERT_TRUE(domain->refresh(kNow + 334 * kDay));
  EXPECT_EQ(domain->bundle(), first);

  // 30 days before the end a second one appears, and does not sign yet.
  const Clock::WallTime overlap = kNow + 336 * kDay;
  ASSERT_TRUE(domain->refresh(overlap));
  const auto both = domain->bundle();
  ASSERT_EQ(both.size(), 2U);
  EXPECT_EQ(both[0], first[0]);
  EXPECT_TRUE(domain->authorities(overlap)[0].signs);
  EXPECT_FALSE(domain->authorities(overlap)[1].signs);
  const auto old_svid = domain->issue(id_, KeyType::kP256, 5min, overlap);
  EXPECT_TRUE(
      verify_x509_svid(old_svid->chain_der, {{"test.example", first}}, Purpose::kClient, overlap));

  // Another process that looks now sees the same two.
  EXPECT_EQ(open(overlap)->bundle(), both);

  // In the last seven days the new one signs; who knows both takes both.
  const Clock::WallTime last_week = kNow + 359 * kDay;
  ASSERT_TRUE(domain->refresh(last_week));
  EXPECT_FALSE(domain->authorities(last_week)[0].signs);
  EXPECT_TRUE(domain->authorities(last_week)[1].signs);
  const auto new_svid = domain->issue(id_, KeyType::kP256, 5min, last_week);
  EXPECT_TRUE(
      verify_x509_svid(new_svid->chain_der, {{"test.example", both}}, Purpose::kClient, last_week));
  EXPECT_FALSE(verify_x509_svid(new_svid->chain_der, {{"test.example", first}}, Purpose::kClient,
                                last_week));

  // After its end the old one is gone.
  ASSERT_TRUE(domain->refresh(kNow + 366 * kDay));
  EXPECT_EQ(domain->bundle(), std::vector<std::string>{both[1]});
}

TEST_F(EmbeddedTest, FolderThatSleptForYearsStartsAnew) {
  const auto first = open()->bundle();
  const Clock::WallTime later = kNow + 2000 * kDay;
  const auto domain = open(later);
  ASSERT_EQ(domain->bundle().size(), 1U);
  EXPECT_NE(domain->bundle(), first);
  EXPECT_TRUE(domain->issue(id_, KeyType::kP256, 5min, later));
}

TEST_F(EmbeddedTest, ClockBeforeTheAuthorityIsToldApart) {
  open();
  const auto domain = open(kNow - kDay);
  EXPECT_EQ(domain->bundle().size(), 1U);
  const auto svid = domain->issue(id_, KeyType::kP256, 5min, kNow - kDay);
  ASSERT_FALSE(svid);
  expect_fails(svid.error(), Code::kUnavailable, "is the clock right");
}

class SourceTest : public EmbeddedTest {
 protected:
  SourceTest() {
    options_.state_folder = state_;
    options_.trust_domain = "test.example";
    options_.id = id_;
    options_.log = [this](std::string_view text) { logged_.emplace_back(text); };
  }

  void start() {
    source_ = std::make_unique<EmbeddedSvidSource>(options_);
    auto first = source_->first(kNow);
    ASSERT_TRUE(first) << first.error().text;
    snapshots_.push_back(*first);
    gate_.spawn(source_->run(
        clock_, [this](SnapshotPtr snapshot) { snapshots_.push_back(std::move(snapshot)); }));
  }
  void stop() {
    source_->stop();
    source_->stop();
    clock_.run_ready();
    EXPECT_EQ(gate_.active(), 0U);
  }

  boost::asio::io_context io_{1};
  test::SimClock clock_{io_};
  Gate gate_{clock_.executor()};
  EmbeddedOptions options_;
  std::unique_ptr<EmbeddedSvidSource> source_;
  std::vector<SnapshotPtr> snapshots_;
  std::vector<std::string> logged_;
};

TEST_F(SourceTest, RenewsAtHalfLife) {
  start();
  clock_.advance(149s);
  EXPECT_EQ(snapshots_.size(), 1U);
  clock_.advance(1s);
  ASSERT_EQ(snapshots_.size(), 2U);
  EXPECT_EQ(snapshots_[1]->svid->expires, kNow + 450s);
  EXPECT_EQ(snapshots_[1]->bundles, snapshots_[0]->bundles);
  EXPECT_NE(snapshots_[1]->svid->private_key, snapshots_[0]->svid->private_key);
  EXPECT_EQ(logged_, std::vector<std::string>());
  stop();
}

TEST_F(SourceTest, KeepsRenewingAndTellsWhenTheFolderIsGone) {
  start();
  std::filesystem::remove_all(state_);
  clock_.advance(200s);
  // The authority is still in memory, so the SVID goes on; nothing is made anew behind our back.
  EXPECT_EQ(snapshots_.size(), 2U);
  EXPECT_FALSE(std::filesystem::exists(state_));
  ASSERT_FALSE(logged_.empty());
  EXPECT_THAT(logged_.front(), HasSubstr("holds no trust domain"));
  stop();
}

TEST_F(SourceTest, OldSnapshotStandsWhileABundleFileIsBroken) {
  const std::string file = (base_ / "other.pem").string();
  const TestCa other("other.example");
  std::ofstream(file) << to_pem("CERTIFICATE", other.certificate_der());
  options_.bundle_files["other.example"] = file;
  start();
  EXPECT_EQ(snapshots_[0]->bundles.at("other.example"),
            std::vector<std::string>{other.certificate_der()});
  std::ofstream(file) << "broken";
  clock_.advance(10s);
  EXPECT_EQ(snapshots_.size(), 1U);
  ASSERT_FALSE(logged_.empty());
  EXPECT_THAT(logged_.front(), HasSubstr("other.pem: no PEM block"));

  const TestCa next("other.example", kNow, test::TestKey::kEd25519, 9);
  std::ofstream(file) << to_pem("CERTIFICATE", next.certificate_der());
  clock_.advance(10s);
  ASSERT_EQ(snapshots_.size(), 2U);
  EXPECT_EQ(snapshots_[1]->bundles.at("other.example"),
            std::vector<std::string>{next.certificate_der()});
  EXPECT_EQ(snapshots_[1]->svid, snapshots_[0]->svid);
  stop();
}

TEST_F(SourceTest, ABundleFileMayBeABundleDocument) {
  const std::string file = (base_ / "other.json").string();
  const TestCa other("other.example");
  BundleDocument document;
  document.certificates_der = {other.certificate_der()};
  const auto publish = [&](std::uint64_t seed) {
    document.jwt_keys = {
        {"a", {test::make_key(test::TestKey::kEd25519, seed).release(), EVP_PKEY_free}}};
    std::ofstream(file) << "\n" << *to_bundle_document(document);
  };
  publish(1);
  options_.bundle_files["other.example"] = file;
  start();
  EXPECT_EQ(snapshots_[0]->bundles.at("other.example"), document.certificates_der);
  EXPECT_EQ(snapshots_[0]->jwt_bundles.at("other.example"), document.jwt_keys);
  clock_.advance(10s);
  EXPECT_EQ(snapshots_.size(), 1U);  // nothing changed
  publish(2);
  clock_.advance(10s);
  ASSERT_EQ(snapshots_.size(), 2U);
  EXPECT_EQ(snapshots_[1]->jwt_bundles.at("other.example"), document.jwt_keys);
  std::ofstream(file) << R"({"keys":{}})";
  clock_.advance(10s);
  EXPECT_EQ(snapshots_.size(), 2U);
  EXPECT_THAT(logged_.back(), HasSubstr("other.json: bundle document"));
  stop();
}

TEST_F(SourceTest, TakesUpAnAuthorityThatChangedOnDisk) {
  start();
  std::filesystem::remove(state_ + "/authority.pem");
  const auto renewed = open();  // another process made it anew
  clock_.advance(10s);
  ASSERT_GE(snapshots_.size(), 2U);
  const Snapshot& last = *snapshots_.back();
  EXPECT_EQ(last.bundles.at("test.example"), renewed->bundle());
  EXPECT_TRUE(verify_x509_svid(last.svid->chain_der, last.bundles, Purpose::kClient, kNow));
  stop();
}

TEST_F(SourceTest, RefusesToStartWithUnfitBundles) {
  const auto reason = [this](const std::string& name, const std::string& content) {
    const std::string file = (base_ / "bundle.pem").string();
    std::ofstream(file) << content;
    options_.bundle_files = {{name, file}};
    const auto first = EmbeddedSvidSource(options_).first(kNow);
    EXPECT_FALSE(first);
    return first ? std::string() : first.error().text;
  };
  const TestCa other("other.example");
  EXPECT_THAT(reason("other.example", "nothing"), HasSubstr("no PEM block"));
  EXPECT_THAT(reason("other.example", to_pem("CERTIFICATE", other.svid("/x").chain_der[0])),
              HasSubstr("no CA"));
  EXPECT_THAT(reason("test.example", to_pem("CERTIFICATE", other.certificate_der())),
              HasSubstr("our own trust domain"));
  options_.bundle_files = {{"other.example", (base_ / "missing.pem").string()}};
  const auto first = EmbeddedSvidSource(options_).first(kNow);
  ASSERT_FALSE(first);
  expect_fails(first.error(), Code::kNotFound, "is not there");
}

// Another domain's mistake takes nothing of our own away.
TEST_F(SourceTest, RenewsWhateverOthersBundleFilesHold) {
  const std::string file = (base_ / "other.pem").string();
  const TestCa other("other.example");
  std::ofstream(file) << to_pem("CERTIFICATE", other.certificate_der());
  options_.bundle_files["other.example"] = file;
  start();
  const auto last = [this] { return snapshots_.back(); };
  std::ofstream(file) << "nothing";
  clock_.advance(10min);
  EXPECT_EQ(snapshots_.size(), 5U);  // every two and a half minutes
  EXPECT_GT(last()->svid->expires, clock_.wall());
  EXPECT_EQ(last()->bundles.at("other.example").front(), other.certificate_der());
  EXPECT_EQ(logged_.size(), 1U);
  std::filesystem::remove(file);  // taken away, as when it is believed no more
  clock_.advance(10s);
  EXPECT_EQ(last()->bundles.count("other.example"), 0U);
  EXPECT_EQ(last()->jwt_bundles.count("other.example"), 0U);
  EXPECT_EQ(logged_.size(), 2U);
  std::ofstream(file) << to_pem("CERTIFICATE", other.certificate_der());
  clock_.advance(10s);
  EXPECT_EQ(last()->bundles.count("other.example"), 1U);
  stop();
}

TEST_F(SourceTest, JumpOfTheClockRenewsAtOnce) {
  start();
  clock_.jump_wall(2h);
  clock_.advance(10s);
  ASSERT_EQ(snapshots_.size(), 2U);
  EXPECT_EQ(snapshots_[1]->svid->expires, clock_.wall() + 5min);
  stop();
}

TEST_F(SourceTest, StopBeforeRunEndsItAtOnce) {
  source_ = std::make_unique<EmbeddedSvidSource>(options_);
  ASSERT_TRUE(source_->first(kNow));
  source_->stop();
  gate_.spawn(source_->run(clock_, [](const SnapshotPtr&) { FAIL(); }));
  clock_.run_ready();
  EXPECT_EQ(gate_.active(), 0U);
}

}  // namespace
}  // namespace mandated::identity
