// The folder: invitations are good once and for ten minutes, only their hashes are written down,
// and what is admitted is an anchor that a proxy reads.
#include "proxy/consent/registry.h"

#include <sys/stat.h>

#include <fstream>
#include <iterator>

#include "filters/receipt/anchor.h"
#include "tests/unit/consent/fixture.h"

namespace mandated::consent {
namespace {

namespace fs = std::filesystem;
using identity::StateFolder;
using test::kAlice;
using test::kBob;
using test::Person;

constexpr Seconds kNow = 1780000000;

class RegistryTest : public testing::Test {
 protected:
  std::string invite(std::string_view user = kAlice, const std::string& name = {}) {
    auto code = registry_.invite(std::string(user), name, rng_, kNow);
    EXPECT_TRUE(code) << code.error().text;
    return code.value_or("");
  }
  std::vector<std::string> names() const {
    std::vector<std::string> found;
    const std::vector<Registry::Passkey> passkeys = registry_.passkeys().value();
    for (const Registry::Passkey& passkey : passkeys) found.push_back(passkey.name);
    return found;
  }
  static mode_t mode_of(const fs::path& path) {
    struct stat status{};
    EXPECT_EQ(::stat(path.c_str(), &status), 0) << path;
    return status.st_mode & 07777U;
  }
  std::string all_text() const {
    std::string text;
    for (const auto& entry : fs::recursive_directory_iterator(folder_.path())) {
      text += entry.path().string();
      if (!entry.is_regular_file()) continue;
      std::ifstream in(entry.path());
      text.append(std::istreambuf_iterator<char>(in), {});
    }
    return text;
  }

  test::Folder folder_;
  test::SimRng rng_{3};
  Registry registry_ = *Registry::open(folder_.path(), StateFolder::Missing::kCreate);
  Person alice_{40};
  Person bob_{41, receipt::KeyType::kEd25519};
};

TEST_F(RegistryTest, WhatIsAdmittedIsAnAnchor) {
  for (const Person& person : {alice_, bob_}) {
    const std::string code = invite();
    ASSERT_TRUE(registry_.admit(code, person.anchor(kAlice), kNow + 599));
  }
  EXPECT_EQ(names(), (std::vector<std::string>{"alice-example.org", "alice-example.org-2"}));
  const Registry::Passkey kept = registry_.passkeys()->front();
  EXPECT_EQ(kept.anchor.user, kAlice);
  EXPECT_EQ(kept.anchor.kid, alice_.credential_id());
  EXPECT_EQ(kept.anchor.key, alice_.authenticator.key.public_key());
  EXPECT_EQ(kept.anchor.passkey->origins, std::vector<std::string>{std::string(test::kOrigin)});
  const fs::path root(folder_.path());
  EXPECT_EQ(mode_of(root), 0700U);
  EXPECT_EQ(mode_of(root / "anchors"), 0700U);
  EXPECT_EQ(mode_of(registry_.path_of("alice-example.org")), 0600U);
}

TEST_F(RegistryTest, AnInvitationIsGoodOnce) {
  const std::string code = invite();
  EXPECT_EQ(registry_.invitation(code, kNow)->user, kAlice);
  EXPECT_TRUE(registry_.invitation(code, kNow + 1)) << "looking does not use it up";
  ASSERT_TRUE(registry_.admit(code, alice_.anchor(kAlice), kNow));
  for (const auto& failed : {registry_.invitation(code, kNow).map([](const auto&) {}),
                             registry_.admit(code, bob_.anchor(kAlice), kNow)}) {
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().code, Code::kDenied);
  }
  EXPECT_EQ(names().size(), 1U);
}

TEST_F(RegistryTest, AnInvitationExpires) {
  const std::string code = invite();
  EXPECT_TRUE(registry_.invitation(code, kNow + 599.9));
  EXPECT_FALSE(registry_.invitation(code, kNow + 600));
  EXPECT_FALSE(registry_.admit(code, alice_.anchor(kAlice), kNow + 600));
  EXPECT_TRUE(names().empty());
  ASSERT_TRUE(registry_.invite(std::string(kAlice), "", rng_, kNow + 600));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_.path() + "/invitations"), {}), 1)
      << "what has expired is cleared away";
}

TEST_F(RegistryTest, OtherCodesInviteNobody) {
  const std::string code = invite();
  for (const std::string& other : {std::string(), code.substr(1), code + "0", std::string("..")})
    EXPECT_FALSE(registry_.invitation(other, kNow)) << other;
}

TEST_F(RegistryTest, TheCodeIsNotWrittenDown) {
  const std::string code = invite();
  EXPECT_EQ(code.size(), 32U);
  EXPECT_EQ(all_text().find(code), std::string::npos);
  EXPECT_NE(all_text().find(std::string(kAlice)), std::string::npos);
  EXPECT_NE(code, invite(kAlice)) << "each has its own";
}

TEST_F(RegistryTest, NamesAreFileNamesAndDistinct) {
  for (const char* bad : {"-a", ".a", "a/b", "A", "a b", "..", "\xC3\xA4"}) {
    const auto code = registry_.invite(std::string(kAlice), bad, rng_, kNow);
    ASSERT_FALSE(code) << bad;
    EXPECT_EQ(code.error().code, Code::kMalformed);
  }
  invite(kAlice, "key");
  const auto pending = registry_.invite(std::string(kBob), "key", rng_, kNow);
  ASSERT_FALSE(pending) << "an invitation of that name is out";
  EXPECT_EQ(pending.error().code, Code::kProtocol);
  EXPECT_TRUE(registry_.invite(std::string(kBob), "key", rng_, kNow + 600));
  for (const auto& [user, name] : {std::pair("https://idp.example#Sub-1", "idp.example-sub-1"),
                                   std::pair("acct:%20", "20"), std::pair("x:---", "passkey")}) {
    const std::string code = invite(user);
    EXPECT_EQ(registry_.invitation(code, kNow)->name, name);
  }
  EXPECT_FALSE(registry_.invite("alice", "", rng_, kNow)) << "no URI";
}

TEST_F(RegistryTest, APasskeyStandsOnce) {
  ASSERT_TRUE(registry_.admit(invite(), alice_.anchor(kAlice), kNow));
  const std::string second = invite(kBob);
  const auto again = registry_.admit(second, alice_.anchor(kBob), kNow);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, Code::kProtocol);
  EXPECT_TRUE(registry_.admit(second, bob_.anchor(kBob), kNow)) << "the invitation was not used up";
}

TEST_F(RegistryTest, OnlyThoseOfThisOriginSignHere) {
  ASSERT_TRUE(registry_.admit(invite(), alice_.anchor(kAlice), kNow));
  EXPECT_EQ(registry_.passkeys_on(*Origin::parse(test::kOrigin))->size(), 1U);
  for (const char* other :
       {"https://receipts.example.org:8443", "https://example.org", "http://localhost"})
    EXPECT_TRUE(registry_.passkeys_on(*Origin::parse(other))->empty()) << other;
}

TEST_F(RegistryTest, RemoveIsSeenAtOnce) {
  ASSERT_TRUE(registry_.admit(invite(), alice_.anchor(kAlice), kNow));
  Registry other = *Registry::open(folder_.path(), StateFolder::Missing::kFail);
  ASSERT_TRUE(other.remove("alice-example.org"));
  EXPECT_TRUE(names().empty());
  for (const char* unknown : {"alice-example.org", "../lock", "..", ""}) {
    const auto removed = other.remove(unknown);
    ASSERT_FALSE(removed) << unknown;
    EXPECT_EQ(removed.error().code, Code::kNotFound);
  }
}

TEST_F(RegistryTest, AFileThatIsNoPasskeyStopsEverything) {
  for (const char* text :
       {"{}", "not json",
        R"({"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})"}) {
    const std::string path = registry_.path_of("odd");
    {
      std::ofstream(path) << text;
    }
    ::chmod(path.c_str(), S_IRUSR | S_IWUSR);
    EXPECT_FALSE(registry_.passkeys()) << text;
    fs::remove(path);
  }
  EXPECT_TRUE(registry_.passkeys());
}

TEST_F(RegistryTest, AFolderThatOthersCanReadIsRefused) {
  ASSERT_EQ(::chmod(folder_.path().c_str(), 0750), 0);
  EXPECT_FALSE(Registry::open(folder_.path(), StateFolder::Missing::kCreate));
  ::chmod(folder_.path().c_str(), 0700);
  EXPECT_FALSE(Registry::open(folder_.path() + "/none", StateFolder::Missing::kFail));
}

}  // namespace
}  // namespace mandated::consent
