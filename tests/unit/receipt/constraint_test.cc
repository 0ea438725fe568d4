// AAT sections 3.4 and 4.5: each core type's `check`, and the whole matrix of (parent, child)
// pairs. The extension types' own rules are in extension_test.cc.
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <sstream>

#include "tests/unit/receipt/constraint_fixture.h"

namespace mandated::receipt {
namespace {

struct CheckCase {
  const char* constraint;
  const char* argument;
  bool accepted;
};

TEST(Constraint, ChecksArguments) {
  const CheckCase cases[] = {
      {R"({"constraint_type":"exact","value":"a"})", R"("a")", true},
      {R"({"constraint_type":"exact","value":"a"})", R"("\u0061")", true},
      {R"({"constraint_type":"exact","value":"a"})", R"("A")", false},
      {R"({"constraint_type":"exact","value":1})", "1.0", true},
      {R"({"constraint_type":"exact","value":1})", R"("1")", false},
      {R"({"constraint_type":"exact","value":1})", "true", false},
      {R"({"constraint_type":"exact","value":0})", "-0", true},
      {R"({"constraint_type":"exact","value":null})", "null", true},
      {R"({"constraint_type":"exact","value":null})", "false", false},
      {R"({"constraint_type":"exact","value":true})", "true", true},
      {R"({"constraint_type":"exact","value":"a"})", R"(["a"])", false},

      {R"({"constraint_type":"range"})", "12", true},
      {R"({"constraint_type":"range"})", R"("12")", false},
      {R"({"constraint_type":"range"})", "null", false},
      {R"({"constraint_type":"range","min":1,"max":5})", "1", true},
      {R"({"constraint_type":"range","min":1,"max":5})", "5", true},
      {R"({"constraint_type":"range","min":1,"max":5})", "0.999", false},
      {R"({"constraint_type":"range","min":1,"max":5})", "5.001", false},
      {R"({"constraint_type":"range","min":1,"min_inclusive":false})", "1", false},
      {R"({"constraint_type":"range","min":1,"min_inclusive":false})", "1.5", true},
      {R"({"constraint_type":"range","max":5,"max_inclusive":false})", "5", false},
      {R"({"constraint_type":"range","max":5,"max_inclusive":true})", "-1e300", true},
      {R"({"constraint_type":"range","min":5,"max":1})", "3", false},

      {R"({"constraint_type":"one_of","values":["a",2,[3],{"k":4}]})", R"("a")", true},
      {R"({"constraint_type":"one_of","values":["a",2,[3],{"k":4}]})", "2e0", true},
      {R"({"constraint_type":"one_of","values":["a",2,[3],{"k":4}]})", "[3.0]", true},
      {R"({"constraint_type":"one_of","values":["a",2,[3],{"k":4}]})", R"({"k":4})", true},
      {R"({"constraint_type":"one_of","values":["a",2,[3],{"k":4}]})", "3", false},
      {R"({"constraint_type":"one_of","values":[]})", "3", false},

      {R"({"constraint_type":"not_one_of","excluded":["a",2]})", R"("b")", true},
      {R"({"constraint_type":"not_one_of","excluded":["a",2]})", "2.0", false},
      {R"({"constraint_type":"not_one_of","excluded":["a",2]})", R"(["a"])", true},
      {R"({"constraint_type":"not_one_of","excluded":[]})", "null", true},

      {R"({"constraint_type":"contains","required":["a",1]})", R"([1.0,"b","a"])", true},
      {R"({"constraint_type":"contains","required":["a",1]})", R"(["a"])", false},
      {R"({"constraint_type":"contains","required":["a","a"]})", R"(["a"])", true},
      {R"({"constraint_type":"contains","required":[]})", "[]", true},
      {R"({"constraint_type":"contains","required":[]})", R"("a")", false},
      {R"({"constraint_type":"contains","required":["a"]})", R"({"a":1})", false},

      {R"({"constraint_type":"subset","allowed":["a",1]})", R"(["a","a",1])", true},
      {R"({"constraint_type":"subset","allowed":["a",1]})", "[]", true},
      {R"({"constraint_type":"subset","allowed":["a",1]})", R"(["b"])", false},
      {R"({"constraint_type":"subset","allowed":["a",1]})", R"("a")", false},

      {R"({"constraint_type":"wildcard"})", "null", true},
      {R"({"constraint_type":"wildcard"})", "{}", true},

      {R"({"constraint_type":"all","constraints":[]})", "1", true},
      {R"({"constraint_type":"all","constraints":[{"constraint_type":"range","min":1},{"constraint_type":"range","max":3}]})",
       "2", true},
      {R"({"constraint_type":"all","constraints":[{"constraint_type":"range","min":1},{"constraint_type":"range","max":3}]})",
       "4", false},
      {R"({"constraint_type":"any","constraints":[]})", "1", false},
      {R"({"constraint_type":"any","constraints":[{"constraint_type":"exact","value":1},{"constraint_type":"exact","value":"x"}]})",
       R"("x")", true},
      {R"({"constraint_type":"any","constraints":[{"constraint_type":"exact","value":1},{"constraint_type":"exact","value":"x"}]})",
       "2", false},

      {R"({"constraint_type":"path_containment","root":"/srv/data"})", R"("/srv/data")", true},
      {R"({"constraint_type":"path_containment","root":"/srv/data"})", R"("/srv/data/")", true},
      {R"({"constraint_type":"path_containment","root":"/srv/data"})", R"("/srv/data/a/b")", true},
      {R"({"constraint_type":"path_containment","root":"/srv/data/"})", R"("//srv/./data//a")",
       true},
      {R"({"constraint_type":"path_containment","root":"/srv/data"})", R"("/srv/x/../data/a")",
       true},
      {R"({"constraint_type":"path_containment","root":"/srv/data"})", R"("/srv/data/../secret")",
       false},
      {R"({"constraint_type":"path_containment","root":"/srv/data"})",
       R"("/srv/data/a/../../../etc/passwd")", false},
      {R"({"constraint_type":"path_containment","root":"/srv/data"})", R"("/srv/database")", false},
      {R"({"constraint_type":"path_containment","root":"/srv/data"})", R"("srv/data/a")", false},
      {R"({"constraint_type":"path_containment","root":"/srv/data"})", R"("")", false},
      {R"({"constraint_type":"path_containment","root":"/srv/data"})", R"("/srv/data/a\u0000b")",
       false},
      {R"({"constraint_type":"path_containment","root":"/srv/data"})", R"("/SRV/data/a")", false},
      {R"({"constraint_type":"path_containment","root":"/srv/data"})", R"("/srv/data/..")", false},
      {R"({"constraint_type":"path_containment","root":"/srv/data"})", R"("/srv/data/...")", true},
      {R"({"constraint_type":"path_containment","root":"/srv/data"})", "7", false},
      {R"({"constraint_type":"path_containment","root":"/"})", R"("/../../etc")", true},
  };
  for (const auto& each : cases) {
    EXPECT_EQ(accepts(each.constraint, each.argument), each.accepted)
        << each.constraint << " and " << each.argument;
  }
}

// More values than are searched one by one.
TEST(Constraint, LargeSetsAgreeWithSmallOnes) {
  std::string values;
  for (int at = 0; at < 500; ++at) {
    values += (at == 0 ? "" : ",") +
              std::string(at % 3 == 0   ? "\"v"
                          : at % 3 == 1 ? "["
                                        : "") +
              std::to_string(at) +
              (at % 3 == 0   ? "\""
               : at % 3 == 1 ? "]"
                             : "");
  }
  const std::string one_of = R"({"constraint_type":"one_of","values":[)" + values + "]}";
  for (const char* argument : {"\"v0\"", "[1]", "2", "2.0", "[499.0]", "\"v498\""})
    EXPECT_TRUE(accepts(one_of, argument));
  for (const char* argument : {"\"v1\"", "[2]", "1", "true", "null", "{}"})
    EXPECT_FALSE(accepts(one_of, argument));
  EXPECT_TRUE(narrower(one_of, one_of));
  EXPECT_FALSE(narrower(R"({"constraint_type":"one_of","values":["v0","other"]})", one_of));
  const std::string contains = R"({"constraint_type":"contains","required":[)" + values + "]}";
  EXPECT_TRUE(accepts(contains, "[" + values + "]"));
  EXPECT_FALSE(accepts(contains, "[" + values.substr(0, values.rfind(',')) + "]"));
}

TEST(Constraint, AnswersNoOnceTheEffortIsSpent) {
  std::string elements;
  for (int at = 0; at < 300'000; ++at) elements += (at == 0 ? "" : ",") + std::string("1");
  const auto argument = forge::parse("[" + elements + "]");
  std::string clauses;
  for (int at = 0; at < 300; ++at) {
    clauses +=
        (at == 0 ? "" : ",") + std::string(R"({"constraint_type":"subset","allowed":[1,2,3]})");
  }
  const auto all = parse_constraint(R"({"constraint_type":"all","constraints":[)" + clauses + "]}");
  Effort effort;
  EXPECT_FALSE(all.constraint.check(argument.root(), effort));
  EXPECT_TRUE(effort.exhausted());
}

// Null, false and true share their hashes with 0 and the two smallest numbers.
TEST(Constraint, LargeSetsTellValuesOfOneHashApart) {
  std::string words;
  for (int at = 0; at < 30; ++at) words += ",\"w" + std::to_string(at) + "\"";
  const auto one_of = [&](const std::string& values) {
    return R"({"constraint_type":"one_of","values":[)" + values + words + "]}";
  };
  for (const char* literal : {"null", "false", "true"})
    EXPECT_TRUE(accepts(one_of("null,false,true"), literal)) << literal;
  for (const char* number : {"0", "-0", "5e-324", "1e-323"}) {
    EXPECT_FALSE(accepts(one_of("null,false,true"), number)) << number;
    EXPECT_TRUE(accepts(one_of("null,false,true,0,5e-324,1e-323"), number)) << number;
  }
  for (int at = 0; at < 100; ++at)
    EXPECT_FALSE(accepts(one_of("null"), "\"absent " + std::to_string(at) + "\""));
}

struct EffortCase {
  const char* name;
  std::string constraint;
  std::string argument;  // a constraint again where two are compared
};

// Wherever the effort runs out, the answer is no or the effort says so.
TEST(Constraint, NoStepOfTheWorkIsFree) {
  constexpr std::size_t kWhole = std::size_t{1} << 22U;
  ASSERT_TRUE(Effort().spend(kWhole - 1));
  ASSERT_FALSE(Effort().spend(kWhole));
  std::string many = "[0";
  for (int at = 1; at < 20; ++at) many += "," + std::to_string(at);
  many += "]";
  const std::string path = R"({"constraint_type":"path_containment","root":"/a"})";
  const std::string any = R"({"constraint_type":"wildcard"})";
  const std::string pair = R"({"constraint_type":"all","constraints":[)" + any + "," + path + "]}";
  const std::string turned =
      R"({"constraint_type":"all","constraints":[)" + path + "," + any + "]}";
  const EffortCase checks[] = {
      {"exact", R"({"constraint_type":"exact","value":1})", "1"},
      {"few", R"({"constraint_type":"one_of","values":[1,2,3]})", "3"},
      {"many", R"({"constraint_type":"one_of","values":)" + many + "}", "7"},
      {"contains", R"({"constraint_type":"contains","required":[1,2]})", "[2,1]"},
      {"subset", R"({"constraint_type":"subset","allowed":)" + many + "}", "[1,2]"},
      {"not", R"({"constraint_type":"not_one_of","excluded":[1,2]})", "3"},
      {"all", pair, "\"/a/b\""},
      {"url", R"({"constraint_type":"url_containment","scheme":"https","host":"a.example"})",
       "\"https://a.example/b\""},
      {"glob", R"({"constraint_type":"glob","pattern":"*b"})", "\"aaab\""},
  };
  const EffortCase comparisons[] = {
      {"sets", R"({"constraint_type":"one_of","values":[1,2]})",
       R"({"constraint_type":"one_of","values":)" + many + "}"},
      {"same order", pair, pair},
      {"other order", turned, pair},
  };
  const auto expect_paid = [](const EffortCase& each, const auto& answers) {
    SCOPED_TRACE(each.name);
    std::size_t left = 1;
    for (; left < 500; ++left) {
      Effort effort;
      effort.spend(kWhole - left);
      if (answers(effort) && !effort.exhausted()) break;
      EXPECT_TRUE(effort.exhausted()) << left;
    }
    EXPECT_GT(left, 1U);
    EXPECT_LT(left, 500U);
  };
  for (const EffortCase& each : checks) {
    const auto constraint = parse_constraint(each.constraint);
    const auto argument = forge::parse(each.argument);
    expect_paid(
        each, [&](Effort& effort) { return constraint.constraint.check(argument.root(), effort); });
  }
  for (const EffortCase& each : comparisons) {
    const auto child = parse_constraint(each.constraint);
    const auto parent = parse_constraint(each.argument);
    expect_paid(each,
                [&](Effort& effort) { return child.constraint.within(parent.constraint, effort); });
  }
}

struct MalformedCase {
  const char* text;
  Code code;
};

TEST(Constraint, RefusesWhatItsTypeDoesNotDefine) {
  const MalformedCase cases[] = {
      {R"("exact")", Code::kMalformed},
      {R"({})", Code::kMalformed},
      {R"({"constraint_type":7})", Code::kMalformed},
      {R"({"constraint_type":"regex","pattern":"a"})", Code::kUnknownConstraint},
      {R"({"constraint_type":"","value":1})", Code::kUnknownConstraint},
      {R"({"constraint_type":"EXACT","value":1})", Code::kUnknownConstraint},
      {R"({"constraint_type":"exact"})", Code::kMalformed},
      {R"({"constraint_type":"exact","value":[1]})", Code::kMalformed},
      {R"({"constraint_type":"exact","value":{}})", Code::kMalformed},
      {R"({"constraint_type":"exact","value":1,"max":2})", Code::kMalformed},
      {R"({"constraint_type":"wildcard","":1})", Code::kMalformed},
      {R"({"constraint_type":"range","min":"1"})", Code::kMalformed},
      {R"({"constraint_type":"range","max":null})", Code::kMalformed},
      {R"({"constraint_type":"range","min_inclusive":0})", Code::kMalformed},
      {R"({"constraint_type":"range","minimum":0})", Code::kMalformed},
      {R"({"constraint_type":"one_of","values":"a"})", Code::kMalformed},
      {R"({"constraint_type":"one_of"})", Code::kMalformed},
      {R"({"constraint_type":"not_one_of","values":[]})", Code::kMalformed},
      {R"({"constraint_type":"contains","required":{}})", Code::kMalformed},
      {R"({"constraint_type":"subset","allowed":null})", Code::kMalformed},
      {R"({"constraint_type":"all"})", Code::kMalformed},
      {R"({"constraint_type":"any","constraints":{}})", Code::kMalformed},
      {R"({"constraint_type":"any","constraints":[1]})", Code::kMalformed},
      {R"({"constraint_type":"path_containment","root":"data"})", Code::kMalformed},
      {R"({"constraint_type":"path_containment","root":""})", Code::kMalformed},
      {R"({"constraint_type":"path_containment","root":"/a\u0000"})", Code::kMalformed},
      {R"({"constraint_type":"path_containment"})", Code::kMalformed},
  };
  for (const auto& [text, code] : cases) {
    const auto document = forge::parse(text);
    const auto constraint = Constraint::parse(document.root(), {});
    ASSERT_FALSE(constraint) << text;
    EXPECT_EQ(to_string(constraint.error().code), to_string(code)) << text;
  }
}

TEST(Constraint, ValuesHaveALengthLimit) {
  const Limits limits{.constraint_value_bytes_max = 4};
  const auto parses = [&](std::string_view text) {
    const auto document = forge::parse(text);
    return Constraint::parse(document.root(), limits).has_value();
  };
  EXPECT_TRUE(parses(R"({"constraint_type":"exact","value":"abcd"})"));
  EXPECT_FALSE(parses(R"({"constraint_type":"exact","value":"abcde"})"));
  EXPECT_FALSE(parses(R"({"constraint_type":"one_of","values":["a","abcde"]})"));
  EXPECT_FALSE(parses(R"({"constraint_type":"subset","allowed":[[1,2,3]]})"));
  EXPECT_FALSE(parses(R"({"constraint_type":"path_containment","root":"/abcd"})"));
}

// One representative of each type, for the pairs that are refused whatever their members. The
// values of exact and one_of pass every extension type but those that no path can pass.
const std::map<std::string, std::string>& representatives() {
  static const std::map<std::string, std::string> map{
      {"exact", R"({"constraint_type":"exact","value":"/a"})"},
      {"range", R"({"constraint_type":"range","min":1,"max":2})"},
      {"one_of", R"({"constraint_type":"one_of","values":["/a"]})"},
      {"not_one_of", R"({"constraint_type":"not_one_of","excluded":["/z"]})"},
      {"contains", R"({"constraint_type":"contains","required":["/a"]})"},
      {"subset", R"({"constraint_type":"subset","allowed":["/a"]})"},
      {"wildcard", R"({"constraint_type":"wildcard"})"},
      {"all",
       R"({"constraint_type":"all","constraints":[{"constraint_type":"exact","value":"/a"}]})"},
      {"any",
       R"({"constraint_type":"any","constraints":[{"constraint_type":"exact","value":"/a"}]})"},
      {"path_containment", R"({"constraint_type":"path_containment","root":"/"})"},
      {"url_containment",
       R"({"constraint_type":"url_containment","scheme":"https","host":"example.com"})"},
      {"string_prefix", R"({"constraint_type":"string_prefix","prefix":"/"})"},
      {"cidr", R"({"constraint_type":"cidr","net":"10.0.0.0/8"})"},
      {"length", R"({"constraint_type":"length","max":10})"},
      {"glob", R"({"constraint_type":"glob","pattern":"/*"})"},
      {"shell_command", R"({"constraint_type":"shell_command","programs":["/a"]})"},
  };
  return map;
}

// (child, parent) pairs that some members may satisfy. Section 4.5, and profile section 3 for the
// extension types.
const std::set<std::pair<std::string, std::string>> kPermitted{
    {"exact", "exact"},
    {"exact", "range"},
    {"exact", "one_of"},
    {"exact", "path_containment"},
    {"exact", "url_containment"},
    {"exact", "string_prefix"},
    {"exact", "cidr"},
    {"exact", "length"},
    {"exact", "glob"},
    {"exact", "shell_command"},
    {"range", "range"},
    {"one_of", "one_of"},
    {"one_of", "path_containment"},
    {"one_of", "url_containment"},
    {"one_of", "string_prefix"},
    {"one_of", "cidr"},
    {"one_of", "length"},
    {"one_of", "glob"},
    {"one_of", "shell_command"},
    {"not_one_of", "not_one_of"},
    {"contains", "contains"},
    {"subset", "subset"},
    {"all", "all"},
    {"any", "any"},
    {"path_containment", "path_containment"},
    {"url_containment", "url_containment"},
    {"string_prefix", "string_prefix"},
    {"cidr", "cidr"},
    {"length", "length"},
    {"glob", "glob"},
    {"shell_command", "shell_command"},
};

// A value that passes the representative of a type which the usual "/a" does not pass.
const std::map<std::string, std::string> kPassing{
    {"range", "1.5"}, {"url_containment", R"("https://example.com/a")"}, {"cidr", R"("10.1.2.3")"}};

TEST(Subsumption, EveryPairOfTypes) {
  for (const auto& [child_type, child] : representatives()) {
    for (const auto& [parent_type, parent] : representatives()) {
      SCOPED_TRACE(child_type + " under " + parent_type);
      const bool permitted =
          parent_type == "wildcard" || kPermitted.contains({child_type, parent_type});
      const auto passing = kPassing.find(parent_type);
      const bool lists_values = child_type == "exact" || child_type == "one_of";
      if (permitted && lists_values && passing != kPassing.end()) {
        EXPECT_FALSE(narrower(child, parent));
        const std::string value =
            child_type == "exact" ? passing->second : "[" + passing->second + "]";
        const std::string member = child_type == "exact" ? "value" : "values";
        EXPECT_TRUE(narrower(
            R"({"constraint_type":")" + child_type + "\",\"" + member + "\":" + value + "}",
            parent));
        continue;
      }
      EXPECT_EQ(narrower(child, parent), permitted);
    }
  }
}

// What is printed for others to check is the table that decides.
TEST(Subsumption, ThePrintedRulesNameEveryPermittedPair) {
  std::set<std::pair<std::string, std::string>> printed;
  std::istringstream lines(Constraint::rules());
  for (std::string line; std::getline(lines, line);) {
    const auto row = forge::Json::parse(line);
    EXPECT_EQ(row.size(), 3U);
    EXPECT_FALSE(row.at("rule").get<std::string>().empty());
    EXPECT_TRUE(printed.emplace(row.at("child"), row.at("parent")).second) << line;
  }
  auto expected = kPermitted;
  for (const auto& [type, text] : representatives()) expected.emplace(type, "wildcard");
  EXPECT_EQ(printed, expected);
}

TEST(Subsumption, MembersDecide) {
  const PairCase cases[] = {
      {R"({"constraint_type":"range","max":5,"max_inclusive":false})",
       R"({"constraint_type":"range","max":5,"max_inclusive":false})", true},
      {R"({"constraint_type":"exact","value":1.0})", R"({"constraint_type":"exact","value":1})",
       true},
      {R"({"constraint_type":"exact","value":"1"})", R"({"constraint_type":"exact","value":1})",
       false},
      {R"({"constraint_type":"exact","value":5})", R"({"constraint_type":"range","max":5})", true},
      {R"({"constraint_type":"exact","value":5})",
       R"({"constraint_type":"range","max":5,"max_inclusive":false})", false},
      {R"({"constraint_type":"exact","value":true})", R"({"constraint_type":"range"})", false},
      {R"({"constraint_type":"exact","value":"a"})",
       R"({"constraint_type":"one_of","values":["b","a"]})", true},
      {R"({"constraint_type":"exact","value":"c"})",
       R"({"constraint_type":"one_of","values":["b","a"]})", false},
      // Narrower in fact, and refused by the rules all the same.
      {R"({"constraint_type":"exact","value":"c"})",
       R"({"constraint_type":"not_one_of","excluded":["a"]})", false},
      {R"({"constraint_type":"exact","value":"a"})",
       R"({"constraint_type":"any","constraints":[{"constraint_type":"exact","value":"a"}]})",
       false},
      {R"({"constraint_type":"one_of","values":[1,2]})",
       R"({"constraint_type":"range","min":0,"max":9})", false},
      {R"({"constraint_type":"exact","value":"/d/../d/a"})",
       R"({"constraint_type":"path_containment","root":"/d"})", true},
      {R"({"constraint_type":"exact","value":"/d/../e"})",
       R"({"constraint_type":"path_containment","root":"/d"})", false},
      {R"({"constraint_type":"exact","value":5})",
       R"({"constraint_type":"path_containment","root":"/"})", false},
      {R"({"constraint_type":"one_of","values":["/d/a","/d/b"]})",
       R"({"constraint_type":"path_containment","root":"/d"})", true},
      {R"({"constraint_type":"one_of","values":["/d/a","/e"]})",
       R"({"constraint_type":"path_containment","root":"/d"})", false},
      {R"({"constraint_type":"path_containment","root":"/d/e/"})",
       R"({"constraint_type":"path_containment","root":"/d"})", true},
      {R"({"constraint_type":"path_containment","root":"/data"})",
       R"({"constraint_type":"path_containment","root":"/d"})", false},
      {R"({"constraint_type":"path_containment","root":"/d/.."})",
       R"({"constraint_type":"path_containment","root":"/d"})", false},

      {R"({"constraint_type":"range","min":2,"max":4})",
       R"({"constraint_type":"range","min":1,"max":5})", true},
      {R"({"constraint_type":"range","min":1,"max":5})",
       R"({"constraint_type":"range","min":1,"max":5})", true},
      {R"({"constraint_type":"range","min":0,"max":5})",
       R"({"constraint_type":"range","min":1,"max":5})", false},
      {R"({"constraint_type":"range","min":1,"max":6})",
       R"({"constraint_type":"range","min":1,"max":5})", false},
      {R"({"constraint_type":"range","min":1})", R"({"constraint_type":"range","min":1,"max":5})",
       false},
      {R"({"constraint_type":"range","max":5})", R"({"constraint_type":"range","min":1,"max":5})",
       false},
      {R"({"constraint_type":"range","min":1,"max":5})", R"({"constraint_type":"range"})", true},
      {R"({"constraint_type":"range","min":1,"min_inclusive":false})",
       R"({"constraint_type":"range","min":1})", true},
      {R"({"constraint_type":"range","min":1})",
       R"({"constraint_type":"range","min":1,"min_inclusive":false})", false},
      {R"({"constraint_type":"range","min":2})",
       R"({"constraint_type":"range","min":1,"min_inclusive":false})", true},
      {R"({"constraint_type":"range","max":5})",
       R"({"constraint_type":"range","max":5,"max_inclusive":false})", false},
      {R"({"constraint_type":"range","max":4})",
       R"({"constraint_type":"range","max":5,"max_inclusive":false})", true},
      {R"({"constraint_type":"range","max":5,"max_inclusive":false})",
       R"({"constraint_type":"range","max":5})", true},
      // An inclusivity without its bound says nothing.
      {R"({"constraint_type":"range","min_inclusive":false})", R"({"constraint_type":"range"})",
       true},

      {R"({"constraint_type":"one_of","values":[2.0]})",
       R"({"constraint_type":"one_of","values":[1,2]})", true},
      {R"({"constraint_type":"one_of","values":[]})",
       R"({"constraint_type":"one_of","values":[1]})", true},
      {R"({"constraint_type":"one_of","values":[1,3]})",
       R"({"constraint_type":"one_of","values":[1,2]})", false},
      {R"({"constraint_type":"one_of","values":[1]})", R"({"constraint_type":"exact","value":1})",
       false},
      {R"({"constraint_type":"not_one_of","excluded":[1,2]})",
       R"({"constraint_type":"not_one_of","excluded":[1]})", true},
      {R"({"constraint_type":"not_one_of","excluded":[2]})",
       R"({"constraint_type":"not_one_of","excluded":[1]})", false},
      {R"({"constraint_type":"not_one_of","excluded":[2]})",
       R"({"constraint_type":"one_of","values":[1]})", false},
      {R"({"constraint_type":"contains","required":[1,2]})",
       R"({"constraint_type":"contains","required":[1]})", true},
      {R"({"constraint_type":"contains","required":[2]})",
       R"({"constraint_type":"contains","required":[1]})", false},
      {R"({"constraint_type":"subset","allowed":[1]})",
       R"({"constraint_type":"subset","allowed":[1,2]})", true},
      {R"({"constraint_type":"subset","allowed":[1,3]})",
       R"({"constraint_type":"subset","allowed":[1,2]})", false},

      {R"({"constraint_type":"any","constraints":[]})",
       R"({"constraint_type":"any","constraints":[]})", false},
      {R"({"constraint_type":"any","constraints":[{"constraint_type":"exact","value":"pdf"}]})",
       R"({"constraint_type":"any","constraints":[{"constraint_type":"one_of","values":["pdf","csv"]}]})",
       true},
      {R"({"constraint_type":"any","constraints":[{"constraint_type":"exact","value":"pdf"},{"constraint_type":"exact","value":"docx"}]})",
       R"({"constraint_type":"any","constraints":[{"constraint_type":"exact","value":"pdf"},{"constraint_type":"exact","value":"csv"},{"constraint_type":"exact","value":"xlsx"}]})",
       false},
      {R"({"constraint_type":"any","constraints":[{"constraint_type":"exact","value":"pdf"},{"constraint_type":"exact","value":"csv"}]})",
       R"({"constraint_type":"any","constraints":[{"constraint_type":"exact","value":"pdf"},{"constraint_type":"exact","value":"csv"},{"constraint_type":"exact","value":"xlsx"}]})",
       true},

      {R"({"constraint_type":"all","constraints":[]})",
       R"({"constraint_type":"all","constraints":[]})", true},
      {R"({"constraint_type":"all","constraints":[{"constraint_type":"range","max":3},{"constraint_type":"range","min":1}]})",
       R"({"constraint_type":"all","constraints":[{"constraint_type":"range","min":0},{"constraint_type":"range","max":5}]})",
       true},
      {R"({"constraint_type":"all","constraints":[{"constraint_type":"range","min":1}]})",
       R"({"constraint_type":"all","constraints":[{"constraint_type":"range","min":0},{"constraint_type":"range","max":5}]})",
       false},
      // One child clause must not stand for two parent clauses.
      {R"({"constraint_type":"all","constraints":[{"constraint_type":"range","min":1,"max":3},{"constraint_type":"wildcard"}]})",
       R"({"constraint_type":"all","constraints":[{"constraint_type":"range","min":0},{"constraint_type":"range","max":5}]})",
       false},
      // Greedy matching fails here: the first parent clause must leave the narrow child to the
      // second.
      {R"({"constraint_type":"all","constraints":[{"constraint_type":"range","min":2,"max":3},{"constraint_type":"range","min":1}]})",
       R"({"constraint_type":"all","constraints":[{"constraint_type":"range","min":0},{"constraint_type":"range","max":5}]})",
       true},
      {R"({"constraint_type":"all","constraints":[{"constraint_type":"range","min":3},{"constraint_type":"range","min":2},{"constraint_type":"range","min":1}]})",
       R"({"constraint_type":"all","constraints":[{"constraint_type":"range","min":1},{"constraint_type":"range","min":2},{"constraint_type":"range","min":3}]})",
       true},
      {R"({"constraint_type":"all","constraints":[{"constraint_type":"range","min":3},{"constraint_type":"range","min":2},{"constraint_type":"range","min":1}]})",
       R"({"constraint_type":"all","constraints":[{"constraint_type":"range","min":2},{"constraint_type":"range","min":2},{"constraint_type":"range","min":2}]})",
       false},
  };
  for (const auto& each : cases) {
    EXPECT_EQ(narrower(each.child, each.parent), each.narrower)
        << each.child << "\n  under " << each.parent;
  }
}

TEST(Path, IsResolvedLexically) {
  EXPECT_EQ(normal_path("/"), "/");
  EXPECT_EQ(normal_path("/."), "/");
  EXPECT_EQ(normal_path("/.."), "/");
  EXPECT_EQ(normal_path("//a///b/"), "/a/b");
  EXPECT_EQ(normal_path("/a/./b/../c"), "/a/c");
  EXPECT_EQ(normal_path("/a/../../b"), "/b");
  EXPECT_EQ(normal_path("/..a/.b"), "/..a/.b");
  EXPECT_EQ(normal_path(""), std::nullopt);
  EXPECT_EQ(normal_path("a/b"), std::nullopt);
  EXPECT_EQ(normal_path("./a"), std::nullopt);
  EXPECT_EQ(normal_path("\\a"), std::nullopt);
  EXPECT_EQ(normal_path(std::string_view("/a\0b", 4)), std::nullopt);
}

}  // namespace
}  // namespace mandated::receipt
