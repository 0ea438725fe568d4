// Workload Identity Tokens of the embedded trust domain, as their verifier takes them.
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <fstream>

#include "proxy/base/gate.h"
#include "proxy/identity/bundle_document.h"
#include "proxy/identity/embedded.h"
#include "proxy/wimse/wit.h"
#include "tests/support/sim_clock.h"

namespace mandated::wimse {
namespace {

using namespace std::chrono_literals;
using identity::EmbeddedTrustDomain;
using identity::JwtBundles;
using identity::SnapshotPtr;

constexpr auto kDay = 24h;

class EmbeddedWitTest : public testing::Test {
 protected:
  EmbeddedWitTest() {
    std::string pattern = testing::TempDir() + "mandated_wit_XXXXXX";
    base_ = ::mkdtemp(pattern.data());
    state_ = (base_ / "state").string();
  }
  ~EmbeddedWitTest() override { std::filesystem::remove_all(base_); }

  std::unique_ptr<EmbeddedTrustDomain> open() {
    auto opened = EmbeddedTrustDomain::open(state_, "test.example", now_);
    EXPECT_TRUE(opened) << opened.error().text;
    return std::move(*opened);
  }
  static Seconds seconds(Clock::WallTime time) {
    return std::chrono::duration<Seconds>(time.time_since_epoch()).count();
  }
  static Result<Wit> verify(const identity::WorkloadToken& token, const JwtBundles& bundles,
                            Clock::WallTime now) {
    return verify_wit(token.token, read_wit_keys(bundles), seconds(now));
  }

  boost::asio::io_context io_{1};
  mandated::test::SimClock clock_{io_};
  const Clock::WallTime now_ = clock_.wall();
  std::filesystem::path base_;
  std::string state_;
  const identity::SpiffeId id_ = *identity::SpiffeId::parse("spiffe://test.example/agent/x");
};

TEST_F(EmbeddedWitTest, IssuesTokensThatTheVerifierTakes) {
  const auto domain = open();
  const auto token = domain->issue_wit(id_, 5min, now_);
  ASSERT_TRUE(token) << token.error().text;
  EXPECT_EQ(token->id, id_);
  EXPECT_EQ(token->expires, now_ + 5min);
  const JwtBundles bundles = {{"test.example", domain->wit_keys()}};
  const auto wit = verify(*token, bundles, now_);
  ASSERT_TRUE(wit) << wit.error().text;
  EXPECT_EQ(wit->subject, id_.text());
  EXPECT_EQ(wit->key, *receipt::PublicKey::from_handle(token->private_key.get()));
  EXPECT_EQ(wit->expires, seconds(now_ + 5min));
  EXPECT_FALSE(verify(*token, bundles, now_ + 5min));
  // Each token has a key of its own.
  const auto next = domain->issue_wit(id_, 5min, now_);
  ASSERT_TRUE(next);
  EXPECT_NE(EVP_PKEY_cmp(next->private_key.get(), token->private_key.get()), 1);
  const auto foreign =
      domain->issue_wit(*identity::SpiffeId::parse("spiffe://other.example/a"), 5min, now_);
  ASSERT_FALSE(foreign);
  EXPECT_EQ(foreign.error().code, mandated::Code::kInvalidConfig);
}

TEST_F(EmbeddedWitTest, TheAuthorityIsPrivateAndStands) {
  const auto keys = open()->wit_keys();
  struct stat status{};
  ASSERT_EQ(::lstat((state_ + "/wit_authority.pem").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 0600U);
  ASSERT_EQ(keys.size(), 1U);
  EXPECT_EQ(open()->wit_keys().front().kid, keys.front().kid);
  // Its certificate vouches for nobody in TLS.
  EXPECT_EQ(open()->bundle().size(), 1U);
  ::chmod((state_ + "/wit_authority.pem").c_str(), 0644);
  EXPECT_FALSE(EmbeddedTrustDomain::open(state_, "test.example", now_));
}

TEST_F(EmbeddedWitTest, AFolderFromBeforeGetsAnAuthorityForTokens) {
  const auto bundle = open()->bundle();
  std::filesystem::remove(state_ + "/wit_authority.pem");
  const auto domain = open();
  EXPECT_EQ(domain->bundle(), bundle);
  EXPECT_TRUE(domain->issue_wit(id_, 5min, now_));
}

TEST_F(EmbeddedWitTest, AuthoritiesOverlap) {
  const auto domain = open();
  const auto first = domain->wit_keys();
  ASSERT_TRUE(domain->refresh(now_ + 336 * kDay));
  const auto both = domain->wit_keys();
  ASSERT_EQ(both.size(), 2U);
  EXPECT_EQ(both[0].kid, first[0].kid);
  const JwtBundles old_ones = {{"test.example", first}};
  const JwtBundles all = {{"test.example", both}};
  const auto early = domain->issue_wit(id_, 5min, now_ + 336 * kDay);
  EXPECT_TRUE(verify(*early, old_ones, now_ + 336 * kDay));
  const auto late = domain->issue_wit(id_, 5min, now_ + 359 * kDay);
  EXPECT_FALSE(verify(*late, old_ones, now_ + 359 * kDay));
  EXPECT_TRUE(verify(*late, all, now_ + 359 * kDay));
}

TEST_F(EmbeddedWitTest, AnotherTrustDomainTakesTheKeysFromTheBundleDocument) {
  const auto domain = open();
  identity::BundleDocument document;
  document.certificates_der = domain->bundle();
  document.jwt_keys = domain->wit_keys();
  const std::string file = (base_ / "test.json").string();
  std::ofstream(file) << *identity::to_bundle_document(document);

  identity::EmbeddedOptions options;
  options.state_folder = (base_ / "other").string();
  options.trust_domain = "other.example";
  options.id = *identity::SpiffeId::parse("spiffe://other.example/tool");
  options.bundle_files["test.example"] = file;
  const auto snapshot = identity::EmbeddedSvidSource(options).first(now_);
  ASSERT_TRUE(snapshot) << snapshot.error().text;
  EXPECT_EQ((*snapshot)->bundles.at("test.example"), domain->bundle());
  EXPECT_EQ((*snapshot)->wit, nullptr);
  const auto token = domain->issue_wit(id_, 5min, now_);
  EXPECT_TRUE(verify(*token, (*snapshot)->jwt_bundles, now_));
}

TEST_F(EmbeddedWitTest, TokensAreRenewedWithTheSvid) {
  identity::EmbeddedOptions options;
  options.state_folder = state_;
  options.trust_domain = "test.example";
  options.id = id_;
  options.workload_token = true;
  identity::EmbeddedSvidSource source(options);
  std::vector<SnapshotPtr> snapshots;
  const auto first = source.first(now_);
  ASSERT_TRUE(first) << first.error().text;
  snapshots.push_back(*first);
  Gate gate(clock_.executor());
  gate.spawn(source.run(clock_, [&](SnapshotPtr fresh) { snapshots.push_back(std::move(fresh)); }));
  clock_.advance(150s);
  ASSERT_EQ(snapshots.size(), 2U);
  EXPECT_EQ(snapshots[1]->wit->expires, now_ + 450s);
  EXPECT_NE(snapshots[1]->wit->token, snapshots[0]->wit->token);
  EXPECT_TRUE(verify(*snapshots[1]->wit, snapshots[1]->jwt_bundles, now_ + 150s));
  // At once when its authority is gone: another process made one anew.
  std::filesystem::remove(state_ + "/wit_authority.pem");
  const auto renewed = EmbeddedTrustDomain::open(state_, "test.example", clock_.wall());
  ASSERT_TRUE(renewed);
  clock_.advance(10s);
  ASSERT_EQ(snapshots.size(), 3U);
  EXPECT_TRUE(
      verify(*snapshots[2]->wit, {{"test.example", (*renewed)->wit_keys()}}, clock_.wall()));
  source.stop();
  clock_.run_ready();
  EXPECT_EQ(gate.active(), 0U);
}

}  // namespace
}  // namespace mandated::wimse
