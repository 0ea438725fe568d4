// Whole files, and files of secrets: not read at all when others can read them.
#include "proxy/base/file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cerrno>
#include <filesystem>
#include <fstream>

namespace mandated {
namespace {

class FileTest : public testing::Test {
 protected:
  FileTest() {
    std::string name = testing::TempDir() + "secret-XXXXXX";
    folder_ = ::mkdtemp(name.data());
  }
  ~FileTest() override { std::filesystem::remove_all(folder_); }

  Result<std::string> read(const std::string& text, mode_t mode) const {
    const std::string path = folder_ + "/secret";
    std::ofstream(path, std::ios::binary) << text;
    ::chmod(path.c_str(), mode);
    return read_secret(path);
  }

  std::string folder_;
};

TEST_F(FileTest, ASecretIsReadWithoutTheLinesEnd) {
  EXPECT_EQ(read("swordfish", 0600), "swordfish");
  EXPECT_EQ(read("swordfish\n", 0400), "swordfish");
  EXPECT_EQ(read("sword fish \r\n", 0600), "sword fish ");
  EXPECT_EQ(read(std::string(1024, 'x') + "\r\n", 0600), std::string(1024, 'x'));
}

TEST_F(FileTest, ASecretIsRefusedWhenItIsNoneOrNobodysSecret) {
  for (const mode_t mode : {0640U, 0604U, 0620U, 0601U}) {
    const Result<std::string> secret = read("swordfish", mode);
    ASSERT_FALSE(secret) << mode;
    EXPECT_EQ(secret.error().code, Code::kInvalidConfig);
    EXPECT_EQ(secret.error().text.find("swordfish"), std::string::npos);
  }
  for (const std::string& text : {std::string(), std::string("\n"), std::string(1025, 'x')}) {
    EXPECT_FALSE(read(text, 0600)) << text.size();
  }
  EXPECT_FALSE(read_secret(folder_));
  EXPECT_FALSE(read_secret(folder_ + "/missing"));
}

TEST_F(FileTest, AWholeFileIsReadUpToItsBound) {
  const std::string path = folder_ + "/file";
  const std::string text = std::string(100000, 'x') + std::string(1, '\0') + "end";
  std::ofstream(path, std::ios::binary) << text;
  EXPECT_EQ(read_file(path, text.size()), text);
  EXPECT_EQ(read_file(path, text.size() - 1), std::nullopt);
  EXPECT_EQ(errno, EFBIG);
  EXPECT_EQ(read_file(path + "s", 1), std::nullopt);
  EXPECT_EQ(errno, ENOENT);
  EXPECT_EQ(read_file(folder_, 1), std::nullopt);
  EXPECT_EQ(errno, EISDIR);
}

}  // namespace
}  // namespace mandated
