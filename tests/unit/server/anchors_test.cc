// From the configuration's members to the receipt engine's anchors.
#include "proxy/server/anchors.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace mandated::server {
namespace {

constexpr const char* kKey =
    R"({"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})";

std::string passkey() {
  return R"({"credential_id":"AQID","public_key":)" + std::string(kKey) +
         R"(,"rp_id":"example.org","origins":["https://example.org"],"user":"mailto:a@b.example"})";
}

config::Anchor key(const std::string& jwk, const std::string& ceiling = "") {
  config::Anchor anchor;
  anchor.jwk = jwk;
  anchor.ceiling = ceiling;
  return anchor;
}

config::Anchor registered(const std::string& webauthn, const std::string& ceiling = "") {
  config::Anchor anchor;
  anchor.webauthn = webauthn;
  anchor.ceiling = ceiling;
  return anchor;
}

config::Anchor file(const std::string& path, const std::string& user = "",
                    const std::string& ceiling = "") {
  config::Anchor anchor;
  anchor.file = path;
  anchor.user = user;
  anchor.ceiling = ceiling;
  return anchor;
}

class LoadAnchors : public testing::Test {
 protected:
  void SetUp() override {
    folder_ =
        std::filesystem::path(testing::TempDir()) / ("anchors_test." + std::to_string(::getpid()));
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string write(const std::string& text) const {
    const std::string path = (folder_ / "anchor.json").string();
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }
  static Result<Anchors> load(const config::Anchor& anchor) {
    config::Receipts receipts;
    receipts.anchors = {key(kKey), anchor};
    return load_anchors(receipts);
  }
  static void expect_wrong(const config::Anchor& anchor, const std::string& words) {
    const auto loaded = load(anchor);
    ASSERT_FALSE(loaded) << words;
    EXPECT_EQ(loaded.error().code, Code::kInvalidConfig);
    EXPECT_TRUE(loaded.error().text.starts_with("/receipts/anchors/1")) << loaded.error().text;
    EXPECT_NE(loaded.error().text.find(words), std::string::npos) << loaded.error().text;
  }

  std::filesystem::path folder_;
};

TEST_F(LoadAnchors, TakesEachKind) {
  const char* const ceiling = R"({"depth":1})";
  config::Anchor inline_key = key(kKey, ceiling);
  inline_key.user = "mailto:a@b.example";
  const std::vector<config::Anchor> kinds = {inline_key, registered(passkey(), ceiling),
                                             file(write(kKey), "mailto:a@b.example", ceiling)};
  for (const config::Anchor& kind : kinds) {
    const auto loaded = load(kind);
    ASSERT_TRUE(loaded) << loaded.error().text;
    const receipt::Anchor& anchor = loaded->roots.anchors().at(1);
    EXPECT_EQ(anchor.user, "mailto:a@b.example");
    EXPECT_NE(anchor.ceiling, nullptr);
    EXPECT_EQ(anchor.passkey.has_value(), !kind.webauthn.empty());
    EXPECT_EQ(loaded->roots.anchors().at(0).ceiling, nullptr);
  }
}

TEST_F(LoadAnchors, AFileMaySayItAll) {
  const std::string whole = R"({"ceiling":{"depth":1},"webauthn":)" + passkey() + "}";
  const auto loaded = load(file(write(whole), "mailto:a@b.example"));
  ASSERT_TRUE(loaded) << loaded.error().text;
  EXPECT_TRUE(loaded->roots.anchors().at(1).passkey);
  EXPECT_NE(loaded->roots.anchors().at(1).ceiling, nullptr);
  expect_wrong(file(write(whole), "mailto:c@d.example"), "another user");
  expect_wrong(file(write(whole), "", "{}"), "carries a ceiling already");
}

TEST_F(LoadAnchors, ThoseThatOnlyApproveSignNoRoots) {
  config::Anchor approver = registered(passkey());
  approver.use = config::AnchorUse::kApprovals;
  const auto loaded = load(approver);
  ASSERT_TRUE(loaded) << loaded.error().text;
  ASSERT_EQ(loaded->roots.anchors().size(), 1U);
  EXPECT_FALSE(loaded->roots.anchors().at(0).passkey);
  ASSERT_EQ(loaded->approvers.anchors().size(), 2U);
  EXPECT_TRUE(loaded->approvers.anchors().at(1).passkey);
}

TEST_F(LoadAnchors, IssuersOfStatusListsAreFilesOfKeys) {
  config::Status status;
  EXPECT_TRUE(load_status_issuers(status)->anchors().empty());
  status.issuers = {write(kKey)};
  const auto loaded = load_status_issuers(status);
  ASSERT_TRUE(loaded) << loaded.error().text;
  EXPECT_EQ(loaded->anchors().size(), 1U);
  status.issuers = {write(R"({"webauthn":)" + passkey() + "}")};
  const auto refused = load_status_issuers(status);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().text.find("a passkey, which signs no lists"), std::string::npos);
  status.issuers = {(folder_ / "none.jwk").string()};
  EXPECT_EQ(load_status_issuers(status).error().code, Code::kInvalidConfig);
}

TEST_F(LoadAnchors, WhatIsWrongIsNamed) {
  expect_wrong(file((folder_ / "none.jwk").string()), "none.jwk): cannot be read");
  expect_wrong(file(folder_.string()), "cannot be read");
  expect_wrong(file(write(std::string((1U << 20U) + 1, ' '))), "longer than 1 MiB");
  expect_wrong(file(write("")), "not strict JSON");
  expect_wrong(file(write("key")), "not strict JSON");
  expect_wrong(file(write("{}")), "neither Ed25519");
  expect_wrong(key(R"({"kty":"OKP","crv":"Ed25519","x":"abc"})"), "32 bytes");
  expect_wrong(registered(R"({"credential_id":"AQID"})"), "public_key");
  expect_wrong(key(kKey, R"({"tools":{"t":{"a":{"constraint_type":"moon"}}}})"), "its ceiling: ");
}

}  // namespace
}  // namespace mandated::server
