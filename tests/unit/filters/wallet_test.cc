#include "filters/mandate/wallet.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/support/sim_clock.h"

namespace mandated {
namespace {

namespace fs = std::filesystem;

class WalletTest : public testing::Test {
 protected:
  WalletTest() {
    folder_ = fs::temp_directory_path() / ("wallet-test-" + std::to_string(::getpid()));
    fs::create_directories(folder_ / "receipts");
    key_file_ = folder_ / "key.jwk";
    write(key_file_, receipt::PrivateKey::generate(receipt::KeyType::kEd25519).jwk());
    ::chmod(key_file_.c_str(), 0600);
  }
  ~WalletTest() override { fs::remove_all(folder_); }

  static void write(const fs::path& path, const std::string& text) {
    std::ofstream(path, std::ios::binary) << text;
  }
  Result<std::unique_ptr<WalletFolder>> open() {
    return WalletFolder::open((folder_ / "receipts").string(), key_file_.string(), clock_,
                              changes_);
  }

  boost::asio::io_context context_;
  test::SimClock clock_{context_};
  WalletChanges changes_ = 0;
  fs::path folder_;
  fs::path key_file_;
};

TEST_F(WalletTest, ReadsChainFilesAndLeavesOthersOut) {
  write(folder_ / "receipts" / "a.json", R"(["root","child"])");
  write(folder_ / "receipts" / "b.json", R"({"no":"array"})");
  write(folder_ / "receipts" / "c.json", "[]");
  write(folder_ / "receipts" / "d.json", R"(["root",5])");
  write(folder_ / "receipts" / "notes.txt", R"(["root"])");
  const auto wallet = open();
  ASSERT_TRUE(wallet) << wallet.error().text;
  const auto current = (*wallet)->current();
  ASSERT_EQ(current->entries.size(), 1U);
  EXPECT_EQ(current->entries[0].name, "a.json");
  EXPECT_EQ(current->entries[0].tokens, (std::vector<std::string>{"root", "child"}));
}

TEST_F(WalletTest, SeesANewReceiptWithinASecond) {
  const auto wallet = open();
  ASSERT_TRUE(wallet);
  EXPECT_TRUE((*wallet)->current()->entries.empty());
  write(folder_ / "receipts" / "new.json", R"(["root"])");
  clock_.advance(std::chrono::milliseconds(1001));
  EXPECT_EQ((*wallet)->current()->entries.size(), 1U);
  fs::remove(folder_ / "receipts" / "new.json");
  clock_.advance(std::chrono::milliseconds(1001));
  EXPECT_TRUE((*wallet)->current()->entries.empty());
}

// Another worker of the process took it.
TEST_F(WalletTest, SeesWhatThisProcessTookAtOnce) {
  const auto wallet = open();
  const auto other = open();
  ASSERT_TRUE(wallet && other);
  ASSERT_TRUE((*wallet)->put("new.json", {"root", "child"}));
  for (const auto& each : {wallet->get(), other->get()}) {
    const auto current = each->current();
    ASSERT_EQ(current->entries.size(), 1U);
    EXPECT_EQ(current->entries[0].tokens, (std::vector<std::string>{"root", "child"}));
  }
  struct stat status{};
  ASSERT_EQ(::stat((folder_ / "receipts" / "new.json").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
  ASSERT_TRUE((*other)->remove("new.json"));
  EXPECT_TRUE((*other)->remove("new.json"));
  EXPECT_TRUE((*wallet)->current()->entries.empty());
}

TEST_F(WalletTest, TakesNoMoreThanItWouldRead) {
  const auto wallet = open();
  ASSERT_TRUE(wallet);
  for (std::size_t file = 0; file + 1 < WalletFolder::kFilesMax; ++file)
    write(folder_ / "receipts" / (std::to_string(file) + ".json"), R"(["root"])");
  EXPECT_TRUE((*wallet)->put("last.json", {"root"}));
  const auto refused = (*wallet)->put("more.json", {"root"});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kOverloaded);
  EXPECT_FALSE(fs::exists(folder_ / "receipts" / "more.json"));
  fs::remove_all(folder_ / "receipts");
  const auto lost = (*wallet)->put("new.json", {"root"});
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().code, Code::kStorage);
}

TEST_F(WalletTest, AKeyThatOthersCanReadIsRefused) {
  ::chmod(key_file_.c_str(), 0640);
  const auto wallet = open();
  ASSERT_FALSE(wallet);
  EXPECT_EQ(wallet.error().code, Code::kInvalidConfig);
  EXPECT_NE(wallet.error().text.find("0600"), std::string::npos);
}

TEST_F(WalletTest, AMissingFolderOrKeyIsNamed) {
  fs::remove_all(folder_ / "receipts");
  const auto no_folder = open();
  ASSERT_FALSE(no_folder);
  EXPECT_NE(no_folder.error().text.find("receipts"), std::string::npos);
  fs::remove(key_file_);
  const auto no_key = open();
  ASSERT_FALSE(no_key);
  EXPECT_NE(no_key.error().text.find("key.jwk"), std::string::npos);
}

}  // namespace
}  // namespace mandated
