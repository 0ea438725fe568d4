#include "proxy/wimse/structured_field.h"

#include <gtest/gtest.h>

namespace mandated::wimse {
namespace {

TEST(StructuredField, WhatIsReadIsWrittenTheSame) {
  const std::string_view list =
      R"(sig=("@method" "a";req;n=-3);created=1;nonce="a\"b\\";t=tok/en;b=:AQI=:;no=?0;yes)";
  const auto read = parse_dictionary(list);
  ASSERT_TRUE(read) << read.error().text;
  ASSERT_EQ(read->size(), 1U);
  EXPECT_EQ("sig=" + to_text(read->front().items, read->front().parameters), list);
  EXPECT_EQ(*find(read->front().parameters, "nonce"), SfBare(std::string("a\"b\\")));
  EXPECT_EQ(*find(read->front().parameters, "b"), SfBare(SfBytes{"\x01\x02"}));
  EXPECT_EQ(find(read->front().parameters, "nothing"), nullptr);
}

TEST(StructuredField, DictionariesOfSeveralMembers) {
  const auto read = parse_dictionary("a=1 ,\t b , c=(1 2) , d=:Zg==:");
  ASSERT_TRUE(read) << read.error().text;
  ASSERT_EQ(read->size(), 4U);
  EXPECT_EQ((*read)[1].items.front().value, SfBare(true));
  EXPECT_TRUE((*read)[2].is_list);
  EXPECT_NE(find(*read, "d"), nullptr);
  EXPECT_TRUE(parse_dictionary("")->empty());
}

TEST(StructuredField, WhatIsNotStrictIsRefused) {
  for (const std::string_view text : {
           "a=1,",
           "a=1,,b=2",
           ",a=1",
           "a=1 b=2",
           "A=1",
           "1a=1",
           "a=",
           "a=1.5",
           "a=--1",
           "a=-",
           "a=1234567890123456",
           "a=\"x",
           "a=\"\\n\"",
           "a=\"\x7f\"",
           "a=\"\xc3\xa9\"",
           "a=:Zg:",
           "a=:Zg=:",
           "a=:Zh==:",
           "a=:Z-==:",
           "a=:Zg==",
           "a=:Zg===:",
           "a=?2",
           "a=?",
           "a=(1",
           "a=(1 2",
           "a=(1\t2)",
           "a=(\"x\"\"y\")",
           "a=1;",
           "a=1;B=1",
           "a=1;b=1;b=2",
           "a=1, a=2",
           "a=@1",
           "\ta=1",
       }) {
    EXPECT_FALSE(parse_dictionary(text)) << text;
  }
}

TEST(StructuredField, SizesAreBounded) {
  std::string members;
  std::string items = "a=(";
  std::string parameters = "a=1";
  for (int i = 0; i < 65; ++i) {
    members += (i == 0 ? "m" : ",m") + std::to_string(i) + "=1";
    items += std::to_string(i) + " ";
    if (i < 33) parameters += ";p" + std::to_string(i);
  }
  EXPECT_FALSE(parse_dictionary(members));
  EXPECT_FALSE(parse_dictionary(items + ")"));
  EXPECT_FALSE(parse_dictionary(parameters));
}

}  // namespace
}  // namespace mandated::wimse
