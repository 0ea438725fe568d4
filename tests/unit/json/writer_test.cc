#include "proxy/json/writer.h"

#include <gtest/gtest.h>

#include <vector>

#include "proxy/json/json.h"

namespace mandated::json {
namespace {

TEST(Writer, WritesWhatTheParserReads) {
  const std::vector<std::string> names = {"a", "\"b\""};
  ObjectWriter object;
  object.text("text\n", "\u00fc").number("number", 1.5).texts("texts", names).json("json", "[]");
  const std::string text = object.take();
  EXPECT_EQ(text, R"({"text\n":"ü","number":1.5,"texts":["a","\"b\""],"json":[]})");
  EXPECT_TRUE(Document::parse(text));
}

TEST(Writer, BeginsAgainOnceTaken) {
  ObjectWriter object;
  ArrayWriter array;
  EXPECT_EQ(array.text("a").json("{}").take(), R"(["a",{}])");
  EXPECT_EQ(object.json("a", array.take()).take(), R"({"a":[]})");
  EXPECT_EQ(object.take(), "{}");
}

}  // namespace
}  // namespace mandated::json
