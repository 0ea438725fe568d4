// Strict JSON: what is refused and why, what RFC 8785 prints, and what counts as equal.
#include "proxy/json/json.h"

#include <gtest/gtest.h>

#include <bit>
#include <chrono>
#include <cstdint>
#include <string>

namespace mandated::json {
namespace {

using Reason = ParseError::Reason;

std::string canonical_of(std::string_view text) {
  const auto document = Document::parse(text);
  return document ? canonical(document->root()) : "refused: " + document.error().text;
}

struct RefusedCase {
  const char* name;
  std::string text;
  Reason reason;
};

class Refused : public testing::TestWithParam<RefusedCase> {};

TEST_P(Refused, HasItsReason) {
  const auto document = Document::parse(GetParam().text);
  ASSERT_FALSE(document) << canonical(document->root());
  EXPECT_EQ(document.error().reason, GetParam().reason) << document.error().text;
}

std::string nested(std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); }

INSTANTIATE_TEST_SUITE_P(
    Json, Refused,
    testing::Values(
        RefusedCase{"empty", "", Reason::kSyntax}, RefusedCase{"blank", " \n\t ", Reason::kSyntax},
        RefusedCase{"bom", "\xEF\xBB\xBF{}", Reason::kEncoding},
        RefusedCase{"bom_inside", "[\xEF\xBB\xBF]", Reason::kSyntax},
        RefusedCase{"bad_utf8", "\"\xC3\x28\"", Reason::kEncoding},
        RefusedCase{"overlong_utf8", "\"\xC0\xAF\"", Reason::kEncoding},
        RefusedCase{"surrogate_in_utf8", "\"\xED\xA0\x80\"", Reason::kEncoding},
        RefusedCase{"truncated_utf8", "\"\xE2\x82\"", Reason::kEncoding},
        RefusedCase{"lone_high", R"("\ud800")", Reason::kEncoding},
        RefusedCase{"lone_low", R"("\udc00")", Reason::kEncoding},
        RefusedCase{"high_high", R"("\ud800\ud800")", Reason::kEncoding},
        RefusedCase{"high_then_plain", R"("\ud800\u0041")", Reason::kEncoding},
        RefusedCase{"lone_high_in_name", R"({"\ud800":1})", Reason::kEncoding},
        RefusedCase{"bad_escape", R"("\x")", Reason::kEncoding},
        RefusedCase{"short_unicode", R"("\u12")", Reason::kEncoding},
        RefusedCase{"control_in_string", "\"a\nb\"", Reason::kSyntax},
        RefusedCase{"nul_in_string", std::string("\"a\0b\"", 5), Reason::kSyntax},
        RefusedCase{"nul_after", std::string("{}\0", 3), Reason::kTrailing},
        RefusedCase{"unclosed_string", "\"a", Reason::kSyntax},
        RefusedCase{"unclosed_array", "[1", Reason::kSyntax},
        RefusedCase{"unclosed_object", "{\"a\":1", Reason::kSyntax},
        RefusedCase{"closed_wrongly", "[1}", Reason::kSyntax},
        RefusedCase{"trailing_comma", "[1,]", Reason::kSyntax},
        RefusedCase{"trailing_comma_object", "{\"a\":1,}", Reason::kSyntax},
        RefusedCase{"missing_comma", "[1 2]", Reason::kSyntax},
        RefusedCase{"missing_colon", "{\"a\" 1}", Reason::kSyntax},
        RefusedCase{"missing_value", "{\"a\":}", Reason::kSyntax},
        RefusedCase{"name_not_string", "{1:2}", Reason::kSyntax},
        RefusedCase{"single_quotes", "'a'", Reason::kSyntax},
        RefusedCase{"comment", "[1/*x*/]", Reason::kSyntax},
        RefusedCase{"literal_glued", "[truefalse]", Reason::kSyntax},
        RefusedCase{"literal_short", "tru", Reason::kSyntax},
        RefusedCase{"literal_case", "True", Reason::kSyntax},
        RefusedCase{"nan", "NaN", Reason::kSyntax},
        RefusedCase{"infinity", "-Infinity", Reason::kSyntax},
        RefusedCase{"form_feed", "[\f1]", Reason::kSyntax},
        RefusedCase{"substitute_as_colon", "{\"a\"\x1A 1}", Reason::kSyntax},
        RefusedCase{"trailing_value", "{} {}", Reason::kTrailing},
        RefusedCase{"trailing_bracket", "[]]", Reason::kTrailing},
        RefusedCase{"trailing_scalar", "{}x", Reason::kTrailing},
        RefusedCase{"string_glued", "\"a\"b", Reason::kTrailing},
        RefusedCase{"number_glued_string", "[1\"a\"]", Reason::kSyntax},
        RefusedCase{"duplicate", R"({"a":1,"a":1})", Reason::kDuplicate},
        RefusedCase{"duplicate_escaped", R"({"a":1,"\u0061":2})", Reason::kDuplicate},
        RefusedCase{"duplicate_deep", R"([{"x":{"a":1,"b":2,"a":3}}])", Reason::kDuplicate},
        RefusedCase{"duplicate_empty_name", R"({"":1,"":2})", Reason::kDuplicate},
        RefusedCase{"too_deep", nested(65), Reason::kDepth},
        RefusedCase{"far_too_deep", nested(200'000), Reason::kDepth},
        RefusedCase{"leading_zero", "01", Reason::kSyntax},
        RefusedCase{"negative_leading_zero", "-01", Reason::kSyntax},
        RefusedCase{"plus", "+1", Reason::kSyntax}, RefusedCase{"dot_first", ".5", Reason::kSyntax},
        RefusedCase{"dot_last", "1.", Reason::kSyntax},
        RefusedCase{"bare_minus", "-", Reason::kSyntax},
        RefusedCase{"bare_exponent", "1e", Reason::kSyntax},
        RefusedCase{"signed_exponent", "1e+", Reason::kSyntax},
        RefusedCase{"hex", "0x10", Reason::kSyntax},
        RefusedCase{"not_an_integer_double", "9007199254740993", Reason::kNumber},
        RefusedCase{"same_with_fraction", "9007199254740993.0", Reason::kNumber},
        RefusedCase{"overflow", "1e400", Reason::kNumber},
        RefusedCase{"huge_exponent", "1e99999999999999999999", Reason::kNumber},
        RefusedCase{"underflow", "1e-400", Reason::kNumber},
        RefusedCase{"between_denormals", "4.9e-324", Reason::kNumber},
        RefusedCase{"rfc8785_long_fraction", "333333333.33333329", Reason::kNumber},
        RefusedCase{"too_many_digits", "0.1000000000000000055511151231257827", Reason::kNumber},
        RefusedCase{"long_integer", "12345678901234567890", Reason::kNumber}),
    [](const auto& tested) { return std::string(tested.param.name); });

TEST(Json, LimitsAreKept) {
  EXPECT_EQ(Document::parse("[1]", {.bytes_max = 2}).error().reason, Reason::kTooLarge);
  EXPECT_TRUE(Document::parse("[1]", {.bytes_max = 3}));
  EXPECT_EQ(Document::parse("[[1]]", {.depth_max = 1}).error().reason, Reason::kDepth);
  EXPECT_TRUE(Document::parse("[1]", {.depth_max = 1}));
  EXPECT_TRUE(Document::parse("1", {.depth_max = 0}));
  EXPECT_TRUE(Document::parse(nested(64)));
  EXPECT_EQ(Document::parse("[1,2,3]", {.structurals_max = 6}).error().reason, Reason::kTooLarge);
  EXPECT_EQ(Document::parse(nested(600), {.depth_max = 100'000}).error().reason, Reason::kDepth);
}

struct NumberCase {
  std::uint64_t bits;
  const char* text;
};

// RFC 8785 Appendix B.
TEST(Json, PrintsNumbersAsRfc8785) {
  const NumberCase cases[] = {
      {0x0000000000000000, "0"},
      {0x8000000000000000, "0"},
      {0x0000000000000001, "5e-324"},
      {0x8000000000000001, "-5e-324"},
      {0x7fefffffffffffff, "1.7976931348623157e+308"},
      {0xffefffffffffffff, "-1.7976931348623157e+308"},
      {0x4340000000000000, "9007199254740992"},
      {0xc340000000000000, "-9007199254740992"},
      {0x4430000000000000, "295147905179352830000"},
      {0x44b52d02c7e14af5, "9.999999999999997e+22"},
      {0x44b52d02c7e14af6, "1e+23"},
      {0x44b52d02c7e14af7, "1.0000000000000001e+23"},
      {0x444b1ae4d6e2ef4e, "999999999999999700000"},
      {0x444b1ae4d6e2ef4f, "999999999999999900000"},
      {0x444b1ae4d6e2ef50, "1e+21"},
      {0x3eb0c6f7a0b5ed8c, "9.999999999999997e-7"},
      {0x3eb0c6f7a0b5ed8d, "0.000001"},
      {0x41b3de4355555553, "333333333.3333332"},
      {0x41b3de4355555554, "333333333.33333325"},
      {0x41b3de4355555555, "333333333.3333333"},
      {0x41b3de4355555556, "333333333.3333334"},
      {0x41b3de4355555557, "333333333.33333343"},
      {0xbecbf647612f3696, "-0.0000033333333333333333"},
      {0x43143ff3c1cb0959, "1424953923781206.2"},
  };
  for (const auto& [bits, text] : cases) {
    EXPECT_EQ(number_text(std::bit_cast<double>(bits)), text);
    EXPECT_EQ(canonical_of(text), text) << "what is printed must be readable";
  }
}

TEST(Json, AcceptsNumbersThatADoubleHolds) {
  const std::pair<const char*, const char*> cases[] = {
      {"0.1", "0.1"},
      {"1.0", "1"},
      {"1e0", "1"},
      {"-0", "0"},
      {"-0.0e5", "0"},
      {"0e999999999999", "0"},
      {"100e-2", "1"},
      {"1E30", "1e+30"},
      {"4.50", "4.5"},
      {"2e-3", "0.002"},
      {"1e21", "1e+21"},
      {"123456789012345680000", "123456789012345680000"},
      {"1e-7", "1e-7"},
      {"0.00000001", "1e-8"},
      {"9007199254740991", "9007199254740991"},
      {"1e308", "1e+308"},
      {"2.5e-5", "0.000025"},
      {"1000000000000000000000", "1e+21"},
      {"0.30000000000000004", "0.30000000000000004"},
      {"10000000000000000000000000000000000000000e-40", "1"},
  };
  for (const auto& [text, expected] : cases) EXPECT_EQ(canonical_of(text), expected) << text;
}

// RFC 8785 section 3.2.2, but for the number that a double does not hold.
TEST(Json, CanonicalFormOfTheRfcExample) {
  EXPECT_EQ(canonical_of(R"({
      "numbers": [333333333.3333333, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
      "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
      "literals": [null, true, false]
    })"),
            "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,1e+30,4.5,0.002,1e-27],"
            "\"string\":\"\xE2\x82\xAC$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}");
}

// RFC 8785 section 3.2.3: U+1F600 (a surrogate pair) sorts before U+FB33.
TEST(Json, SortsByUtf16CodeUnits) {
  EXPECT_EQ(
      canonical_of(
          R"({"\u20ac":"Euro Sign","\r":"Carriage Return","\ufb33":"Hebrew Letter Dalet With Dagesh",
                             "1":"One","\ud83d\ude00":"Emoji: Grinning Face","\u0080":"Control",
                             "\u00f6":"Latin Small Letter O With Diaeresis"})"),
      "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\xC2\x80\":\"Control\","
      "\"\xC3\xB6\":\"Latin Small Letter O With Diaeresis\",\"\xE2\x82\xAC\":\"Euro Sign\","
      "\"\xF0\x9F\x98\x80\":\"Emoji: Grinning Face\","
      "\"\xEF\xAC\xB3\":\"Hebrew Letter Dalet With Dagesh\"}");
  EXPECT_EQ(canonical_of(R"({"ab":1,"a":2,"":3})"), R"({"":3,"a":2,"ab":1})");
}

TEST(Json, ReadsValues) {
  const auto document = Document::parse(
      R"( {"s":"a\n\ud83d\ude00","n":-12,"f":1.5,"t":true,"z":null,"a":[1,[],{}]} )");
  ASSERT_TRUE(document) << document.error().text;
  const Value& root = document->root();
  EXPECT_EQ(root.find_string("s"), "a\n\xF0\x9F\x98\x80");
  EXPECT_EQ(root.find("n")->integer(), -12);
  EXPECT_EQ(root.find("f")->integer(), std::nullopt);
  EXPECT_DOUBLE_EQ(root.find("f")->number(), 1.5);
  EXPECT_TRUE(root.find("t")->boolean());
  EXPECT_TRUE(root.find("z")->is_null());
  EXPECT_EQ(root.find("a")->array().size(), 3U);
  EXPECT_EQ(root.find("absent"), nullptr);
  EXPECT_EQ(root.find_string("n"), std::nullopt);
  EXPECT_EQ(root.find("a")->raw(), "[1,[],{}]");
  EXPECT_EQ(root.find("s")->raw(), R"("a\n\ud83d\ude00")");
  EXPECT_EQ(root.object().front().name, "s");
  EXPECT_EQ(root.raw().front(), '{');
  EXPECT_EQ(root.raw().back(), '}');
}

TEST(Json, ValuesSurviveAMove) {
  auto document = Document::parse(R"({"a":"b\tc"})");
  ASSERT_TRUE(document);
  const Document moved = std::move(*document);
  EXPECT_EQ(moved.root().find_string("a"), "b\tc");
}

TEST(Json, EqualityIgnoresOrderAndSpelling) {
  const auto same = [](std::string_view a, std::string_view b) {
    return equal(Document::parse(a)->root(), Document::parse(b)->root());
  };
  EXPECT_TRUE(same(R"({"a":1,"b":[1.0,"x"]})", R"({ "b":[1e0,"\u0078"], "a":1 })"));
  EXPECT_TRUE(same("0", "-0"));
  EXPECT_FALSE(same("[1,2]", "[2,1]"));
  EXPECT_FALSE(same("1", "\"1\""));
  EXPECT_FALSE(same("true", "1"));
  EXPECT_FALSE(same("null", "false"));
  EXPECT_FALSE(same(R"({"a":1})", R"({"a":1,"b":2})"));
  EXPECT_FALSE(same(R"({"a":1,"c":2})", R"({"a":1,"b":2})"));
}

std::string wide_object(int members, bool reversed) {
  std::string text = "{";
  for (int i = 0; i < members; ++i) {
    const int number = reversed ? members - 1 - i : i;
    text += (i == 0 ? "\"member" : ",\"member") + std::to_string(number) +
            "\":" + std::to_string(number);
  }
  return text + "}";
}

// 100,000 members: pairwise comparison would take minutes.
TEST(Json, WideObjectsAreNotQuadratic) {
  const auto forwards = Document::parse(wide_object(20'000, false));
  const auto backwards = Document::parse(wide_object(20'000, true));
  ASSERT_TRUE(forwards && backwards);
  EXPECT_TRUE(equal(forwards->root(), backwards->root()));
  EXPECT_EQ(canonical(forwards->root()), canonical(backwards->root()));
  std::string twice = wide_object(100'000, false);
  twice.back() = ',';
  twice += "\"member77\":0}";
  EXPECT_EQ(Document::parse(twice).error().reason, Reason::kDuplicate);
}

TEST(Json, QuotesAsRfc8785) {
  EXPECT_EQ(json::quoted(std::string("\b\f\n\r\t\"\\/\x01\x1f\x7f", 11)),
            "\"\\b\\f\\n\\r\\t\\\"\\\\/\\u0001\\u001f\x7f\"");
}

}  // namespace
}  // namespace mandated::json
