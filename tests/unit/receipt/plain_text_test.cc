// What a screen would not show as it is stands as its number.
#include "filters/receipt/plain_text.h"

#include <gtest/gtest.h>

#include "filters/receipt/words.h"
#include "tests/unit/receipt/forge.h"

namespace mandated::receipt {
namespace {

std::string utf8(char32_t point) {
  std::string text;
  const auto more = [&](int shift) {
    text.push_back(static_cast<char>(0x80U | ((point >> shift) & 0x3FU)));
  };
  if (point < 0x80) return std::string(1, static_cast<char>(point));
  if (point < 0x800) {
    text.push_back(static_cast<char>(0xC0U | (point >> 6U)));
  } else if (point < 0x10000) {
    text.push_back(static_cast<char>(0xE0U | (point >> 12U)));
    more(6);
  } else {
    text.push_back(static_cast<char>(0xF0U | (point >> 18U)));
    more(12);
    more(6);
  }
  more(0);
  return text;
}

TEST(PlainText, MostTextIsPlain) {
  for (const char* text :
       {"", "Read /srv/reports, then file 1 ticket.", "a  b", "Größe", "読む",
        "\xD0\xBF\xD1\x80\xD0\xB8\xD0\xB2\xD0\xB5\xD1\x82", "e\xCC\x81", "\xF0\x9F\x99\x82"}) {
    EXPECT_TRUE(is_plain(text)) << text;
    EXPECT_EQ(escaped(text), text);
  }
}

TEST(PlainText, WhatCannotBeSeenIsANumber) {
  struct Case {
    char32_t point;
    const char* number;
  };
  // Each range's ends, and a few that matter most.
  const Case cases[] = {{0x7F, "\\u{7f}"},        {0x85, "\\u{85}"},       {0xA0, "\\u{a0}"},
                        {0xAD, "\\u{ad}"},        {0x34F, "\\u{34f}"},     {0x61C, "\\u{61c}"},
                        {0x115F, "\\u{115f}"},    {0x1680, "\\u{1680}"},   {0x180E, "\\u{180e}"},
                        {0x2000, "\\u{2000}"},    {0x200B, "\\u{200b}"},   {0x200D, "\\u{200d}"},
                        {0x200F, "\\u{200f}"},    {0x2028, "\\u{2028}"},   {0x202E, "\\u{202e}"},
                        {0x202F, "\\u{202f}"},    {0x2060, "\\u{2060}"},   {0x2066, "\\u{2066}"},
                        {0x2069, "\\u{2069}"},    {0x2800, "\\u{2800}"},   {0x3000, "\\u{3000}"},
                        {0x3164, "\\u{3164}"},    {0xE000, "\\u{e000}"},   {0xFE0F, "\\u{fe0f}"},
                        {0xFEFF, "\\u{feff}"},    {0xFFA0, "\\u{ffa0}"},   {0xFFFC, "\\u{fffc}"},
                        {0x1D173, "\\u{1d173}"},  {0xE0001, "\\u{e0001}"}, {0xE0100, "\\u{e0100}"},
                        {0x10FFFF, "\\u{10ffff}"}};
  for (const Case& c : cases) {
    const std::string text = "a" + utf8(c.point) + "b";
    EXPECT_FALSE(is_plain(text)) << c.number;
    EXPECT_EQ(escaped(text), std::string("a") + c.number + "b");
  }
  for (const char32_t point :
       {0x7EU, 0xA1U, 0xACU, 0xAEU, 0x1FFFU, 0x2010U, 0x2027U, 0x2030U, 0x2070U, 0xDFFU})
    EXPECT_TRUE(is_plain(utf8(point))) << static_cast<unsigned>(point);
}

TEST(PlainText, ControlCharactersAreNotPlain) {
  for (const char* text : {"a\nb", "a\tb", "\x01", "a\rb"}) {
    EXPECT_FALSE(is_plain(text));
    EXPECT_EQ(escaped(text), text) << "quoting sees to them";
  }
}

TEST(PlainText, MarksDoNotPileUp) {
  const std::string mark = "\xCC\x81";
  EXPECT_TRUE(is_plain("a" + mark + mark + "b" + mark));
  EXPECT_FALSE(is_plain("a" + mark + mark + mark));
  EXPECT_EQ(escaped("a" + mark + mark + mark + mark), "a" + mark + mark + "\\u{301}\\u{301}");
}

TEST(PlainText, LookAlikesAreSpelt) {
  EXPECT_EQ(spelt("p\xD0\xB0y"), "p\\u{430}y");
  EXPECT_EQ(spelt("p\xD0\xB0\x7F"), "p\\u{430}\\u{7f}") << "what cannot be seen is spelt, too";
  EXPECT_EQ(spelt("\xEF\xBD\x81"
                  "bc"),
            "\\u{ff41}bc");
  EXPECT_EQ(spelt("a\xE2\x88\x95"
                  "b"),
            "a\\u{2215}b");
  for (const char* text : {"pay", "", "Größe", "読む"}) EXPECT_EQ(spelt(text), "");
}

TEST(Words, AreWholeWhenSigned) {
  EXPECT_EQ(whole_in_words(std::string_view("/data")), "\"/data\"");
  EXPECT_EQ(whole_in_words(std::string_view("p\xD0\xB0y")),
            "\"p\xD0\xB0y\" (spelt \"p\\u{430}y\")");
  EXPECT_EQ(whole_in_words(std::string_view("a\xE2\x80\xAE\\u{202e}")), "\"a\\u{202e}\\\\u{202e}\"")
      << "a number cannot be faked";
  EXPECT_EQ(whole_in_words(forge::parse(R"({"b":[1,"\n"],"a":null})").root()),
            R"({"a":null,"b":[1,"\n"]})");
  const std::string text(300, 'x');
  std::string values;
  for (int at = 0; at < 30; ++at) values += (at == 0 ? "" : ",") + std::to_string(at);
  const std::string all =
      R"({"constraint_type":"all","constraints":[{"constraint_type":"exact","value":")" + text +
      R"("},{"constraint_type":"one_of","values":[)" + values + "]}]}";
  const auto document = forge::parse(all);
  const std::string whole = constraint_in_words(document.root(), Detail::kWhole);
  EXPECT_NE(whole.find(text), std::string::npos);
  EXPECT_NE(whole.find("28 and 29"), std::string::npos);
  const std::string cut = constraint_in_words(document.root());
  EXPECT_EQ(cut.find(text), std::string::npos);
  EXPECT_NE(cut.find("10 more"), std::string::npos);
}

}  // namespace
}  // namespace mandated::receipt
