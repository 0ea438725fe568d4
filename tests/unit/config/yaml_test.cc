// YAML into JSON: what scalars mean, where things stand, and what is refused.
#include "config/yaml.h"

#include <gtest/gtest.h>

#include <string>

namespace mandated::config {
namespace {

TEST(Yaml, CoreSchemaScalars) {
  struct Case {
    const char* yaml;
    const char* json;
  };
  for (const Case& c : {Case{"true", "true"},
                        {"False", "false"},
                        {"yes", R"("yes")"},
                        {"off", R"("off")"},
                        {"~", "null"},
                        {"null", "null"},
                        {"12", "12"},
                        {"-12", "-12"},
                        {"+12", "12"},
                        {"0", "0"},
                        {"0x1F", "31"},
                        {"0o17", "15"},
                        {"1.5", "1.5"},
                        {"1e3", "1000.0"},
                        {".5", "0.5"},
                        {"5.", "5.0"},
                        {"1_000", R"("1_000")"},
                        {"12:30", R"("12:30")"},
                        {"0b1", R"("0b1")"},
                        {"1.2.3", R"("1.2.3")"},
                        {"\"12\"", R"("12")"},
                        {"'true'", R"("true")"},
                        {"\"\"", R"("")"},
                        {"a: ", R"({"a":null})"},
                        {"{a: 1, \"b\": [x, 2]}", R"({"a":1,"b":["x",2]})"},
                        {"1: x", R"({"1":"x"})"},
                        {"a: |\n  x\n  y\n", R"({"a":"x\ny\n"})"},
                        {"%YAML 1.2\n---\na: 1\n...\n", R"({"a":1})"},
                        {"# only\na: 1 # here\n", R"({"a":1})"}}) {
    const auto parsed = parse_yaml(c.yaml);
    ASSERT_TRUE(parsed) << c.yaml << ": " << to_string(parsed.error());
    EXPECT_EQ(parsed->value.dump(), c.json) << c.yaml;
  }
}

TEST(Yaml, Refused) {
  struct Case {
    std::string yaml;
    const char* problem;  ///< as printed, with an empty file name
  };
  const std::string deep = std::string(33, '[') + std::string(33, ']');
  for (const Case& c :
       {Case{"", ":1:1: the file is empty"},
        {"# nothing\n", ":1:1: the file is empty"},
        {"a: 1\nb: 2\na: 3\n", ":3:1: /a: stands here for the second time; first in line 1"},
        {"a: {b: 1, \"b\": 2}\n", ":1:11: /a/b: stands here for the second time; first in line 1"},
        {"a: &x 1\nb: 2\n", ":1:4: anchors are not supported; write the value out"},
        {"a: &x [1]\n", ":1:4: anchors are not supported; write the value out"},
        {"a: !!str 1\n", ":1:4: tags are not supported; quote a value to make it text"},
        {"a: !x {b: 1}\n", ":1:4: tags are not supported; quote a value to make it text"},
        {"a: 1\n---\nb: 2\n", ":2:1: expected one document, found a second"},
        {"a: 007\n",
         ":1:4: /a: a number must not begin with 0; write it without, or in quotes as text"},
        {"a: 99999999999999999999\n", ":1:4: /a: the number is too large"},
        {"a: 1e999\n", ":1:4: /a: the number is too large"},
        {"a: .inf\n", ":1:4: /a: the number must be finite"},
        {"a: -.inf\n", ":1:4: /a: the number must be finite"},
        {"a: .nan\n", ":1:4: /a: the number must be finite"},
        {"? [a]\n: 1\n", ":1:3: a member's name must be plain text"},
        {"? {a: 1}\n: 1\n", ":1:3: a member's name must be plain text"},
        {"~: 1\n", ":1:1: a member's name must be plain text"},
        {"a: [1\n", "not YAML: "},
        {"a: b: c\n", ":1:5: not YAML: "},
        {"\ta: 1\n", "not YAML: "},
        {"a: \"\\q\"\n", "not YAML: "},
        {deep, ":1:33: "},
        {"a: \xff\n", ":1:1: the line is not UTF-8"},
        {"a: 1\nb: \xC0\x80\n", ":2:1: the line is not UTF-8"},
        {std::string("a: 1\n\0", 6), ":2:1: the line holds a NUL byte"},
        {"a: " + std::string(1U << 20U, 'x'), ":1:1: the file is larger than 1 MiB"}}) {
    const auto parsed = parse_yaml(c.yaml);
    ASSERT_FALSE(parsed) << c.yaml.substr(0, 80);
    EXPECT_NE(to_string(parsed.error()).find(c.problem), std::string::npos)
        << c.yaml.substr(0, 80) << "\n  gave " << to_string(parsed.error());
  }
}

TEST(Yaml, AliasesAreRefusedBeforeTheyMultiply) {
  std::string bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n";
  for (char c = 'b'; c < 'k'; ++c) {
    bomb += std::string(1, c) + ": &" + c + " [";
    for (int i = 0; i < 9; ++i)
      bomb += std::string(i > 0 ? "," : "") + "*" + static_cast<char>(c - 1);
    bomb += "]\n";
  }
  const auto parsed = parse_yaml(bomb);
  ASSERT_FALSE(parsed);
  EXPECT_NE(parsed.error().text.find("anchors are not supported"), std::string::npos);
}

TEST(Yaml, DepthAndCountAreBounded) {
  EXPECT_TRUE(parse_yaml(std::string(32, '[') + std::string(32, ']')));
  const auto deep = parse_yaml(std::string(100000, '['));
  ASSERT_FALSE(deep);

  std::string many = "[";
  for (int i = 0; i < 19999; ++i) many += "1,";
  EXPECT_TRUE(parse_yaml(many + "]"));
  const auto over = parse_yaml(many + "1]");
  ASSERT_FALSE(over);
  EXPECT_EQ(over.error().text, "more than 20000 values");
}

TEST(Yaml, Positions) {
  const auto parsed = parse_yaml("a:\n  - b: 1\n    c/d~e: two\n  - x\n");
  ASSERT_TRUE(parsed);
  const auto is = [&](Position at, int line, int column) {
    EXPECT_EQ(at.line, line);
    EXPECT_EQ(at.column, column);
  };
  is(parsed->positions.of_member("/a"), 1, 1);
  is(parsed->positions.of_member("/a/0/b"), 2, 5);
  is(parsed->positions.of_value("/a/0/b"), 2, 8);
  is(parsed->positions.of_member("/a/0/c~1d~0e"), 3, 5);
  is(parsed->positions.of_value("/a/0/c~1d~0e"), 3, 12);
  is(parsed->positions.of_value("/a/1"), 4, 5);
}

}  // namespace
}  // namespace mandated::config
