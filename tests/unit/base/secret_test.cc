#include "proxy/base/secret.h"

#include <gtest/gtest.h>

#include <utility>

namespace mandated {
namespace {

TEST(Secret, LeavesNothingWhereItWas) {
  Secret first(std::string(64, 'k'));
  const char* const where = first.bytes().data();
  Secret second(std::move(first));
  EXPECT_EQ(second.bytes(), std::string(64, 'k'));
  EXPECT_EQ(second.bytes().data(), where);
  second = Secret(std::string(8, 'z'));
  EXPECT_EQ(second.bytes(), "zzzzzzzz");
  std::string text = "secret";
  const char* const bytes = text.data();
  wipe(text);
  EXPECT_TRUE(text.empty());
  for (std::size_t i = 0; i < 6; ++i) EXPECT_EQ(bytes[i], '\0');
}

TEST(Secret, GrowsLikeAnyText) {
  std::string grown(40, 'k');
  std::string whole(40, 'k');
  for (const char* more : {"a", "bc", ""}) {
    append_secret(grown, more);
    whole += more;
    EXPECT_EQ(grown, whole);
  }
  append_secret(grown, std::string(1000, 'x'));
  EXPECT_EQ(grown, whole + std::string(1000, 'x'));
  EXPECT_GE(grown.capacity(), 2000U);
}

}  // namespace
}  // namespace mandated
