// `mandated trust …` as it is typed.
#include "proxy/main/trust_commands.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "proxy/base/clock.h"
#include "proxy/identity/identity.h"
#include "proxy/identity/pem.h"
#include "tests/support/run_command.h"

namespace mandated {
namespace {

using test::Outcome;
using testing::HasSubstr;

class TrustCommandsTest : public testing::Test {
 protected:
  TrustCommandsTest() {
    std::string pattern = testing::TempDir() + "mandated_trust_XXXXXX";
    base_ = ::mkdtemp(pattern.data());
    state_ = (base_ / "state").string();
  }
  ~TrustCommandsTest() override { std::filesystem::remove_all(base_); }

  static Outcome run(std::vector<std::string> words) {
    words.insert(words.begin(), "trust");
    return test::run_command(add_trust_commands, words);
  }
  std::string content(const std::string& path) {
    std::ifstream file(path);
    return std::string(std::istreambuf_iterator<char>(file), {});
  }
  static unsigned mode(const std::string& path) {
    struct stat status{};
    EXPECT_EQ(::lstat(path.c_str(), &status), 0);
    return status.st_mode & 0777U;
  }

  std::filesystem::path base_;
  std::string state_;
};

TEST_F(TrustCommandsTest, ShowNeedsATrustDomainThatIsThereOrNamed) {
  Outcome ran = run({"show", "--state", state_});
  EXPECT_EQ(ran.code, 1);
  EXPECT_THAT(ran.err, HasSubstr("does not exist"));
  EXPECT_FALSE(std::filesystem::exists(state_));

  ran = run({"show", "--state", state_, "--trust-domain", "test.example"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("trust domain  test.example\nauthority     sha256:"));
  EXPECT_THAT(ran.out, HasSubstr(", signs\n"));
  EXPECT_EQ(run({"show", "--state", state_}).out, ran.out);
}

TEST_F(TrustCommandsTest, ExportsPemAndTheSpiffeDocument) {
  const Outcome pem = run({"export", "--state", state_, "--trust-domain", "test.example"});
  ASSERT_EQ(pem.code, 0) << pem.err;
  const auto certificates = identity::parse_pem_certificates(pem.out);
  ASSERT_TRUE(certificates);

  const std::string file = (base_ / "bundle.json").string();
  ASSERT_EQ(run({"export", "--state", state_, "--format", "spiffe", "--out", file}).code, 0);
  const auto document = nlohmann::json::parse(content(file));
  ASSERT_EQ(document["keys"].size(), 2U);
  EXPECT_EQ(document["keys"][1]["use"], "wit-svid");
  const auto& key = document["keys"][0];
  EXPECT_EQ(key["kty"], "EC");
  EXPECT_EQ(key["crv"], "P-256");
  EXPECT_EQ(key["use"], "x509-svid");
  EXPECT_EQ(key["x"].get<std::string>().size(), 43U);
  EXPECT_EQ(key["y"].get<std::string>().size(), 43U);
  const std::string wrapped = "-----BEGIN CERTIFICATE-----\n" + key["x5c"][0].get<std::string>() +
                              "\n-----END CERTIFICATE-----\n";
  EXPECT_EQ(*identity::parse_pem_certificates(wrapped), *certificates);

  EXPECT_NE(run({"export", "--state", state_, "--format", "der"}).code, 0);
  const Outcome unwritable = run({"export", "--state", state_, "--out", "/nowhere/bundle.pem"});
  EXPECT_EQ(unwritable.code, 1);
  EXPECT_THAT(unwritable.err, HasSubstr("/nowhere/bundle.pem"));
}

TEST_F(TrustCommandsTest, IssuesAnSvidForOthers) {
  const std::string out = (base_ / "client").string();
  const std::string id = "spiffe://test.example/client";
  for (int times = 0; times < 2; ++times) {
    const Outcome ran = run({"issue", "--state", state_, "--trust-domain", "test.example",
                             "--spiffe-id", id, "--ttl", "1h", "--out", out});
    ASSERT_EQ(ran.code, 0) << ran.err;
    EXPECT_THAT(ran.out, HasSubstr(id + " until "));
  }
  EXPECT_EQ(mode(out + "/key.pem"), 0600U);
  const auto chain = identity::parse_pem_certificates(content(out + "/svid.pem"));
  const auto bundle = identity::parse_pem_certificates(content(out + "/bundle.pem"));
  ASSERT_TRUE(chain && bundle);
  boost::asio::io_context context;
  const auto verify_at = [&](std::chrono::minutes later) {
    return identity::verify_x509_svid(*chain, {{"test.example", *bundle}},
                                      identity::Purpose::kClient,
                                      RealClock(context).wall() + later);
  };
  EXPECT_TRUE(verify_at(std::chrono::minutes(59)));
  EXPECT_FALSE(verify_at(std::chrono::minutes(61)));
}

TEST_F(TrustCommandsTest, RefusesWhatItMayNotIssue) {
  const auto refused = [this](const std::string& id, const std::string& ttl) {
    const Outcome ran = run({"issue", "--state", state_, "--trust-domain", "test.example",
                             "--spiffe-id", id, "--ttl", ttl, "--out", (base_ / "out").string()});
    EXPECT_EQ(ran.code, 1);
    EXPECT_FALSE(std::filesystem::exists(base_ / "out"));
    return ran.err;
  };
  EXPECT_THAT(refused("spiffe://other.example/a", "5m"), HasSubstr("not of the trust domain"));
  EXPECT_THAT(refused("test.example/a", "5m"), HasSubstr("does not begin with spiffe://"));
  EXPECT_THAT(refused("spiffe://test.example/a", "8d"), HasSubstr("seven days"));
  EXPECT_THAT(refused("spiffe://test.example/a", "99999999d"), HasSubstr("seven days"));
  EXPECT_THAT(refused("spiffe://test.example/a", "soon"), HasSubstr("no duration"));
}

}  // namespace
}  // namespace mandated
