// Fields, bodies and the rules of what may be written, apart from any connection.
#include <gtest/gtest.h>

#include "proxy/http/body_writer.h"
#include "proxy/http/field_rules.h"
#include "tests/unit/http/http_world.h"

namespace mandated::http {
namespace {

TEST(Fields, GiveASingleValueOnlyIfThereIsOne) {
  Fields fields;
  fields.add("a", "1");
  fields.add("b", "2");
  fields.add("a", "3");
  EXPECT_EQ(fields.single("a"), std::nullopt);
  EXPECT_EQ(fields.single("b"), "2");
  EXPECT_EQ(fields.single("c"), std::nullopt);
  EXPECT_EQ(fields.joined("a"), "1, 3");
  EXPECT_EQ(fields.joined("c"), std::nullopt);
  EXPECT_EQ(fields.count("a"), 2U);
  fields.set("a", "4");
  EXPECT_EQ(fields.single("a"), "4");
  fields.remove("a");
  EXPECT_EQ(fields.count("a"), 0U);
  EXPECT_EQ(fields.all().size(), 1U);
}

struct ReadAll {
  static Task<void> run(std::string bytes, std::size_t max, Result<std::string>* result) {
    StringBody body(std::move(bytes));
    *result = co_await read_all(body, max);
  }
};

TEST(ReadAll, IsBounded) {
  World world;
  Result<std::string> result;
  world.run(ReadAll::run("abc", 3, &result));
  EXPECT_EQ(*result, "abc");
  world.run(ReadAll::run("", 0, &result));
  EXPECT_EQ(*result, "");
  world.run(ReadAll::run("abcd", 3, &result));
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code, Code::kTooLarge);
}

TEST(MakeResponse, SetsItsFields) {
  Response response = make_response(404, "text/plain", "none");
  EXPECT_EQ(response.head.status, 404);
  EXPECT_EQ(response.head.fields.single("content-length"), "4");
  EXPECT_EQ(response.head.fields.single("content-type"), "text/plain");
}

TEST(FieldRules, Authority) {
  for (const char* good : {"a", "a.example", "a-b.c_d~", "1.2.3.4", "a:1", "a:65535", "[::1]",
                           "[::1]:8", "[::ffff:1.2.3.4]"}) {
    EXPECT_TRUE(valid_authority(good)) << good;
  }
  for (const char* bad :
       {"",     ":",       ":1",  "a:",     "a:b",    "a:65536", "a:1:2",  "a:99999999999",
        "u@a",  "a/b",     "a?b", "a#b",    "a b",    "a,b",     "a%20b",  "[",
        "[]",   "[::1",    "::1", "[::1]x", "[::1]:", "[::g]",   "[v1.x]", "a\r",
        "a\\b", "\xc3\xa9"}) {
    EXPECT_FALSE(valid_authority(bad)) << bad;
  }
}

TEST(FieldRules, Target) {
  for (const char* good : {"/", "/a/b?c=d&e", "/%2e%2e/", "/a//b", "/?", "*", "/a|b^{}`"}) {
    EXPECT_TRUE(valid_target(good)) << good;
  }
  for (const char* bad : {"", "a", "*/", "//\t", "/a b", "/a#b", "/a\\b", "/\"", "/<", "/>",
                          "/\x7f", "/\xc3\xa9", "http://a/", "/a\r\n"}) {
    EXPECT_FALSE(valid_target(bad)) << bad;
  }
}

TEST(FieldRules, ContentLength) {
  EXPECT_EQ(parse_content_length("0"), 0U);
  EXPECT_EQ(parse_content_length("007"), 7U);
  EXPECT_EQ(parse_content_length("9223372036854775807"), 9223372036854775807U);
  for (const char* bad : {"", " 1", "1 ", "+1", "-1", "1,1", "0x1", "1e3", "9223372036854775808",
                          "99999999999999999999999"}) {
    EXPECT_EQ(parse_content_length(bad), std::nullopt) << bad;
  }
}

TEST(BodyWriter, KeepsToItsFraming) {
  std::string out;
  BodyWriter length(Framing::kLength, 3);
  EXPECT_TRUE(length.append(out, "ab", false));
  EXPECT_EQ(length.append(out, "cd", true).error().code, Code::kInternal);
  EXPECT_EQ(out, "ab");
  BodyWriter chunks(Framing::kChunked, 0);
  out.clear();
  EXPECT_TRUE(chunks.append(out, "", false));
  EXPECT_EQ(out, "") << "an empty chunk would end the body";
  EXPECT_TRUE(chunks.append(out, std::string(26, 'x'), false));
  EXPECT_TRUE(chunks.append(out, "", true));
  EXPECT_EQ(out, "1a\r\n" + std::string(26, 'x') + "\r\n0\r\n\r\n");
  EXPECT_EQ(chunks.append(out, "x", true).error().code, Code::kInternal);
  BodyWriter none;
  EXPECT_EQ(none.append(out, "x", true).error().code, Code::kInternal);
}

}  // namespace
}  // namespace mandated::http
