// The file of certificate authorities: the configuration's, or the system's.
#include "proxy/server/web_roots.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace mandated::server {
namespace {

TEST(WebRoots, TheSystemsFileIsTakenIfItIsThere) {
  const auto roots = load_web_roots(config::Fetch{});
  ASSERT_TRUE(roots) << roots.error().text;
  EXPECT_EQ(*roots != nullptr, std::filesystem::exists("/etc/ssl/certs/ca-certificates.crt"));
}

TEST(WebRoots, ANamedFileMustBeThereAndHoldSome) {
  const std::string path = testing::TempDir() + "mandated_web_roots.pem";
  std::filesystem::remove(path);
  const auto missing = load_web_roots(config::Fetch{path});
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, Code::kInvalidConfig);
  EXPECT_THAT(missing.error().text, testing::HasSubstr("/fetch/ca_file (" + path + ")"));
  std::ofstream(path) << "no certificate";
  EXPECT_FALSE(load_web_roots(config::Fetch{path}));
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace mandated::server
