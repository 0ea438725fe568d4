// `mandated status …` as an issuer uses it: real files, real exit codes, and two commands at once.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "filters/status/token.h"
#include "proxy/main/status_commands.h"
#include "tests/support/run_command.h"
#include "tests/unit/receipt/forge.h"

namespace mandated {
namespace {

using receipt::Anchor;
using receipt::AnchorSet;
using receipt::forge::kNow;
using test::Outcome;
using testing::HasSubstr;

constexpr const char* kUri = "https://issuer.example/lists/1";

int parse(std::vector<std::string> words) {
  words.insert(words.begin(), "status");
  return test::parse_command(add_status_commands, words);
}

Outcome run(std::vector<std::string> words) {
  words.insert(words.begin(), "status");
  return test::run_command(add_status_commands, words);
}

class StatusCommands : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "status-commands-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    for (const int number : {0, 1}) {
      const auto key = receipt::forge::key(number);
      write("key" + std::to_string(number), key.jwk());
      write("key" + std::to_string(number) + ".pub", key.public_key().jwk());
    }
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  std::string list() const { return path("list"); }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(path(name)) << text;
  }
  std::string content() const {
    std::ifstream stream(list());
    return {std::istreambuf_iterator<char>(stream), {}};
  }

  Outcome publish(std::vector<std::string> more, double at = kNow, int key = 0) const {
    std::vector<std::string> words{"publish", "--key", path("key" + std::to_string(key)),
                                   "--uri",   kUri,    "--out",
                                   list(),    "--at",  std::to_string(at)};
    words.insert(words.end(), more.begin(), more.end());
    return run(words);
  }
  std::vector<std::string> revoke_words(const std::vector<std::string>& indices, double at) const {
    std::vector<std::string> words{"revoke", "--key", path("key0"),      "--list",
                                   list(),   "--at",  std::to_string(at)};
    for (const std::string& index : indices) words.insert(words.end(), {"--idx", index});
    return words;
  }
  Outcome revoke(const std::vector<std::string>& indices, double at = kNow) const {
    return run(revoke_words(indices, at));
  }
  receipt::Checked<status::VerifiedList> verified(double at = kNow, int key = 0) const {
    const AnchorSet anchors({Anchor{{}, receipt::forge::key(key).public_key(), std::nullopt}});
    return status::verify_status_list(content(), kUri, anchors, at);
  }

  std::filesystem::path folder_;
};

TEST_F(StatusCommands, PublishRevokeShow) {
  const Outcome made = publish({"--size", "1000", "--ttl", "60s", "--for", "24h"});
  ASSERT_EQ(made.code, 0) << made.err;
  EXPECT_EQ(made.out, std::string(kUri) + ": 0 revoked of 1000, until 2026-05-29T20:26:40Z\n");
  struct stat about{};
  ASSERT_EQ(::stat(list().c_str(), &about), 0);
  const mode_t mask = ::umask(0);
  ::umask(mask);
  EXPECT_EQ(about.st_mode & 0777, 0644 & ~mask);
  ASSERT_TRUE(verified());
  EXPECT_EQ(verified()->ttl, 60);
  EXPECT_EQ(verified()->list.size(), 1000U);

  // What was valid for a day from then is valid for a day from now.
  const Outcome revoked = revoke({"7", "999"}, kNow + 3600);
  ASSERT_EQ(revoked.code, 0) << revoked.err;
  EXPECT_EQ(revoked.out, std::string(kUri) + ": 2 revoked of 1000, until 2026-05-29T21:26:40Z\n");
  const auto after = verified(kNow + 3600);
  ASSERT_TRUE(after) << after.error().sentence;
  EXPECT_EQ(after->issued_at, kNow + 3600);
  EXPECT_EQ(after->ttl, 60);
  EXPECT_TRUE(check_entry(after->list, 8));
  EXPECT_EQ(check_entry(after->list, 7).error().code, receipt::Code::kRevoked);
  EXPECT_EQ(check_entry(after->list, 999).error().code, receipt::Code::kRevoked);

  const Outcome shown = run({"show", list(), "--idx", "7", "--idx", "8"});
  ASSERT_EQ(shown.code, 0) << shown.err;
  EXPECT_EQ(shown.out,
            "list       \"https://issuer.example/lists/1\"\n"
            "signature  not checked\n"
            "entries    1000 of 1 bit\n"
            "revoked    2\n"
            "issued     2026-05-28T21:26:40Z\n"
            "expires    2026-05-29T21:26:40Z\n"
            "ttl        60s\n"
            "entry 7  invalid\n"
            "entry 8  valid\n");
  EXPECT_THAT(run({"show", list(), "--anchor", path("key0.pub")}).out, HasSubstr("  good\n"));
  EXPECT_EQ(run({"show", list(), "--anchor", path("key1.pub")}).code, 1);
  EXPECT_EQ(run({"show", list(), "--idx", "1000"}).code, 1);
}

TEST_F(StatusCommands, PublishingAgainForgetsNothing) {
  ASSERT_EQ(publish({"--size", "16", "--ttl", "60s", "--for", "1h"}).code, 0);
  ASSERT_EQ(revoke({"3"}).code, 0);
  // Long expired, and still to be signed again.
  ASSERT_EQ(publish({}, kNow + 86400).code, 0);
  ASSERT_TRUE(verified(kNow + 86400));
  EXPECT_EQ(verified(kNow + 86400)->expires, kNow + 86400 + 3600);
  EXPECT_EQ(verified(kNow + 86400)->ttl, 60);
  EXPECT_EQ(verified(kNow + 86400)->list.count_revoked(), 1U);
  ASSERT_EQ(publish({"--size", "8", "--ttl", "5m", "--for", "2h"}).code, 0);
  EXPECT_EQ(verified()->list.size(), 16U);
  EXPECT_EQ(verified()->ttl, 300);
  EXPECT_EQ(verified()->expires, kNow + 7200);
  ASSERT_EQ(publish({"--size", "5000"}).code, 0);
  EXPECT_EQ(verified()->list.size(), 5000U);
  EXPECT_EQ(*verified()->list.get(3), status::kInvalid);
}

// Proxies take no list that is older than the one they hold.
TEST_F(StatusCommands, AClockThatIsSetBackMakesNoOlderList) {
  ASSERT_EQ(publish({"--size", "8", "--for", "1h"}).code, 0);
  const Outcome little = revoke({"3"}, kNow - 30);
  EXPECT_EQ(little.code, 0);
  EXPECT_EQ(little.out.find("warning"), std::string::npos);
  EXPECT_EQ(verified()->issued_at, kNow);
  EXPECT_EQ(verified()->expires, kNow + 3600);
  const Outcome far = revoke({"4"}, kNow - 31);
  EXPECT_EQ(far.code, 0);
  EXPECT_THAT(far.out, HasSubstr("warning: the list before it was issued later"));
  EXPECT_EQ(verified()->issued_at, kNow - 31);
  EXPECT_EQ(verified()->list.count_revoked(), 2U);
}

TEST_F(StatusCommands, AnotherKeyTakesOverOnlyWhereTheFormerIsTrusted) {
  ASSERT_EQ(publish({"--size", "8"}).code, 0);
  ASSERT_EQ(revoke({"3"}).code, 0);
  const std::string before = content();
  const Outcome refused = publish({}, kNow, 1);
  EXPECT_EQ(refused.code, 1);
  EXPECT_THAT(refused.err, HasSubstr("bad_signature"));
  EXPECT_EQ(content(), before);
  ASSERT_EQ(publish({"--anchor", path("key0.pub")}, kNow, 1).code, 0);
  ASSERT_TRUE(verified(kNow, 1));
  EXPECT_EQ(verified(kNow, 1)->list.count_revoked(), 1U);
}

TEST_F(StatusCommands, WhatIsRefusedLeavesTheListAsItWas) {
  EXPECT_THAT(publish({}).err, HasSubstr("--size"));
  EXPECT_THAT(revoke({"0"}).err, HasSubstr("No such file"));
  for (const char* size : {"-1", "0x10", "ten", "1e3", "", "99999999999999999999"})
    EXPECT_NE(publish({"--size", size}).code, 0) << size;
  EXPECT_THAT(publish({"--size", "600000000"}).err, HasSubstr("too_large"));
  EXPECT_THAT(publish({"--size", "8", "--ttl", "0s"}).err, HasSubstr("malformed"));
  EXPECT_THAT(publish({"--size", "8", "--for", "0s"}).err, HasSubstr("expired"));
  EXPECT_THAT(publish({"--size", "8", "--for", "1 day"}).err, HasSubstr("no duration"));
  EXPECT_FALSE(std::filesystem::exists(list()));

  ASSERT_EQ(publish({"--size", "100"}).code, 0);
  const std::string before = content();
  // One bad index spoils the whole command. "010" is ten, as people write it.
  for (const char* index : {"104", "-1", "0x1", "1.0", "one", "18446744073709551616"})
    EXPECT_NE(revoke({"1", index}).code, 0) << index;
  EXPECT_EQ(content(), before);
  EXPECT_EQ(run({"publish", "--key", path("key0"), "--uri", "https://issuer.example/lists/2",
                 "--out", list()})
                .code,
            1);
  EXPECT_EQ(content(), before);
  ASSERT_EQ(revoke({"010"}).code, 0);
  EXPECT_EQ(*verified()->list.get(10), status::kInvalid);
  EXPECT_EQ(verified()->list.count_revoked(), 1U);

  // A list that somebody without the key has changed is not taken up.
  write("list", content().substr(0, content().rfind('.')) + ".AAAA");
  EXPECT_THAT(revoke({"1"}).err, HasSubstr("bad_signature"));
  EXPECT_THAT(publish({}).err, HasSubstr("bad_signature"));
}

TEST_F(StatusCommands, RevocationsAtOnceAllStand) {
  constexpr int kProcesses = 8;
  constexpr int kEach = 12;
  ASSERT_EQ(publish({"--size", "1000"}).code, 0);
  std::vector<pid_t> children;
  for (int process = 0; process < kProcesses; ++process) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      int failures = std::freopen("/dev/null", "w", stdout) == nullptr ? 1 : 0;
      for (int at = 0; at < kEach; ++at)
        failures += parse(revoke_words({std::to_string(process * kEach + at)}, kNow));
      std::_Exit(failures == 0 ? 0 : 1);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int state = 0;
    ASSERT_EQ(::waitpid(child, &state, 0), child);
    EXPECT_TRUE(WIFEXITED(state) && WEXITSTATUS(state) == 0);
  }
  ASSERT_TRUE(verified());
  EXPECT_EQ(verified()->list.count_revoked(), static_cast<std::uint64_t>(kProcesses * kEach));
  EXPECT_FALSE(std::filesystem::exists(list() + ".new"));
}

}  // namespace
}  // namespace mandated
