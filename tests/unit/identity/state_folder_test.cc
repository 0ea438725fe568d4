#include "proxy/identity/state_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace mandated::identity {
namespace {

using testing::HasSubstr;

class StateFolderTest : public testing::Test {
 protected:
  StateFolderTest() {
    std::string pattern = testing::TempDir() + "mandated_state_XXXXXX";
    base_ = ::mkdtemp(pattern.data());
    path_ = (base_ / "state").string();
  }
  ~StateFolderTest() override { std::filesystem::remove_all(base_); }

  Result<StateFolder> open(StateFolder::Missing missing = StateFolder::Missing::kCreate) {
    return StateFolder::open(path_, missing);
  }
  static unsigned mode(const std::string& path) {
    struct stat status{};
    EXPECT_EQ(::lstat(path.c_str(), &status), 0);
    return status.st_mode & 07777U;
  }
  static void expect_storage(const Error& error, const std::string& reason) {
    EXPECT_EQ(error.code, Code::kStorage);
    EXPECT_THAT(error.text, HasSubstr(reason));
  }

  std::filesystem::path base_;
  std::string path_;
};

TEST_F(StateFolderTest, IsMadePrivateWithItsParents) {
  path_ = (base_ / "a/b/state/").string();
  ASSERT_TRUE(open());
  EXPECT_EQ(mode((base_ / "a").string()), 0700U);
  EXPECT_EQ(mode((base_ / "a/b/state").string()), 0700U);
}

TEST_F(StateFolderTest, MissingIsNotFoundWhenItMayNotBeMade) {
  const auto folder = open(StateFolder::Missing::kFail);
  ASSERT_FALSE(folder);
  EXPECT_EQ(folder.error().code, Code::kNotFound);
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(StateFolderTest, OpenToOthersIsRefused) {
  for (const mode_t open_mode : {0750U, 0701U, 0755U, 0720U}) {
    ::mkdir(path_.c_str(), 0700);
    ::chmod(path_.c_str(), open_mode);
    const auto folder = open();
    ASSERT_FALSE(folder) << open_mode;
    expect_storage(folder.error(), "open to others");
  }
}

TEST_F(StateFolderTest, SymbolicLinkIsRefusedWithAndWithoutSlash) {
  std::filesystem::create_directory(base_ / "real");
  ::chmod((base_ / "real").c_str(), 0700);
  std::filesystem::create_directory_symlink(base_ / "real", path_);
  for (const char* end : {"", "/", "//"}) {
    const auto folder = StateFolder::open(path_ + end, StateFolder::Missing::kCreate);
    ASSERT_FALSE(folder) << end;
    expect_storage(folder.error(), "symbolic link");
  }
}

TEST_F(StateFolderTest, AnotherUsersFolderIsRefused) {
  if (::geteuid() != 0) {
    // Not ours to give away: another user's folder that every system has.
    const auto folder = StateFolder::open("/", StateFolder::Missing::kFail);
    ASSERT_FALSE(folder);
    expect_storage(folder.error(), "another user");
    return;
  }
  ::mkdir(path_.c_str(), 0700);
  ASSERT_EQ(::chown(path_.c_str(), 65534, 65534), 0);
  const auto folder = open();
  ASSERT_FALSE(folder);
  expect_storage(folder.error(), "another user");
}

TEST_F(StateFolderTest, FileInTheWayIsRefused) {
  std::ofstream(path_) << "x";
  const auto folder = open();
  ASSERT_FALSE(folder);
  EXPECT_EQ(folder.error().code, Code::kStorage);
}

TEST_F(StateFolderTest, ReplacesWholeFilesPrivately) {
  const auto folder = open();
  ASSERT_TRUE(folder);
  EXPECT_EQ(*folder->read("file", 100), std::nullopt);
  ASSERT_TRUE(folder->replace("file", "first"));
  ASSERT_TRUE(folder->replace("file", "second"));
  EXPECT_EQ(**folder->read("file", 100), "second");
  EXPECT_EQ(mode(path_ + "/file"), 0600U);
  std::ofstream(path_ + "/file.new") << "left by a run that died";
  ASSERT_TRUE(folder->replace("file", "third"));
  EXPECT_EQ(**folder->read("file", 100), "third");
  EXPECT_FALSE(std::filesystem::exists(path_ + "/file.new"));
}

TEST_F(StateFolderTest, ListsAndRemoves) {
  const auto folder = open();
  ASSERT_TRUE(folder);
  for (const char* name : {"b.json", "a.json", "c.pem"}) ASSERT_TRUE(folder->replace(name, "x"));
  EXPECT_EQ(*folder->list(".json", 2), (std::vector<std::string>{"a.json", "b.json"}));
  const auto many = folder->list(".json", 1);
  ASSERT_FALSE(many);
  EXPECT_EQ(many.error().code, Code::kTooLarge);
  ASSERT_TRUE(folder->remove("a.json"));
  EXPECT_EQ(*folder->list(".json", 2), std::vector<std::string>{"b.json"});
  const auto again = folder->remove("a.json");
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, Code::kNotFound);
}

TEST_F(StateFolderTest, UnfitFilesAreNotRead) {
  const auto folder = open();
  ASSERT_TRUE(folder);
  ASSERT_TRUE(folder->replace("file", "content"));
  expect_storage(folder->read("file", 6).error(), "too large");
  ::chmod((path_ + "/file").c_str(), 0640);
  expect_storage(folder->read("file", 100).error(), "open to others");
  std::filesystem::create_symlink("file", path_ + "/link");
  expect_storage(folder->read("link", 100).error(), "symbolic link");
  ASSERT_EQ(::mkfifo((path_ + "/pipe").c_str(), 0600), 0);
  expect_storage(folder->read("pipe", 100).error(), "no regular file");
}

TEST_F(StateFolderTest, LockIsForOneAtATime) {
  const auto folder = open();
  const auto other = open();
  ASSERT_TRUE(folder && other);
  {
    const auto held = folder->lock(StateFolder::Patience::kNone);
    ASSERT_TRUE(held);
    const auto taken = other->lock(StateFolder::Patience::kNone);
    ASSERT_FALSE(taken);
    EXPECT_EQ(taken.error().code, Code::kUnavailable);
  }
  EXPECT_TRUE(other->lock(StateFolder::Patience::kNone));
}

}  // namespace
}  // namespace mandated::identity
