// Profile section 3: the extension types one by one, with what an attacker would write;
// url_containment is in url_containment_test.cc.
#include <gtest/gtest.h>

#include "tests/unit/receipt/constraint_fixture.h"

namespace mandated::receipt {
namespace {

using forge::Json;

// --- string_prefix

TEST(StringPrefix, ComparesBytes) {
  const TextCase cases[] = {
      {"rep\u00e9", true},        {"rep\u00e9-2026", true},
      {"rep\u00e9\u0301", true},  {"rep", false},
      {"repe\u0301", false},      {"Rep\u00e9", false},
      {" rep\u00e9", false},      {"", false},
      {"\ufeffrep\u00e9", false}, {std::string_view("rep\xc3\xa9\0x", 7), true},
      {"re\tp\u00e9", false},     {"xrep\u00e9", false},
      {"rep\u00ea", false},       {"\u0072ep\u00e9", true},
      {"rep\u200b\u00e9", false}, {"R\u0415P\u00c9", false},
      {"r\u0435p\u00e9", false},  {"\nrep\u00e9", false},
      {"rep\u00e9\n", true},      {"\\u0072ep\u00e9", false},
      {"rep%c3%a9", false},       {"rep&eacute;", false},
      {"..rep\u00e9", false},     {"\uff52ep\u00e9", false},
  };
  constexpr const char* kConstraint = R"({"constraint_type":"string_prefix","prefix":"rep\u00e9"})";
  expect_checks(kConstraint, cases);
  expect_no_other_kinds(kConstraint);
  EXPECT_FALSE(accepts(kConstraint, R"(["rep\u00e9"])"));
  EXPECT_TRUE(accepts(R"({"constraint_type":"string_prefix","prefix":""})", R"("")"));
  expect_no_other_kinds(R"({"constraint_type":"string_prefix","prefix":""})");
  const char* const malformed[] = {
      R"({"constraint_type":"string_prefix"})",
      R"({"constraint_type":"string_prefix","prefix":null})",
      R"({"constraint_type":"string_prefix","prefix":["a"]})",
      R"({"constraint_type":"string_prefix","prefix":7})",
      R"({"constraint_type":"string_prefix","prefix":"a","suffix":"b"})",
      R"({"constraint_type":"string_prefix","value":"a"})",
  };
  expect_malformed(malformed);
  const PairCase pairs[] = {
      {R"("prefix":"ab")", R"("prefix":"a")", true},
      {R"("prefix":"a")", R"("prefix":"a")", true},
      {R"("prefix":"a")", R"("prefix":"")", true},
      {R"("prefix":"")", R"("prefix":"a")", false},
      {R"("prefix":"a")", R"("prefix":"ab")", false},
      {R"("prefix":"ba")", R"("prefix":"a")", false},
      {R"("prefix":"Ab")", R"("prefix":"a")", false},
      {R"("prefix":"a\u0301")", R"("prefix":"\u00e1")", false},
      {R"("prefix":"\u0061b")", R"("prefix":"a")", true},
  };
  expect_pairs("string_prefix", pairs);
}

// --- cidr

TEST(Cidr, TakesAddressesInOneSpelling) {
  const TextCase four[] = {
      {"10.0.0.0", true},
      {"10.255.255.255", true},
      {"10.1.2.3", true},
      {"11.0.0.0", false},
      {"9.255.255.255", false},
      {"", false},
      {"10", false},
      {"10.1", false},
      {"10.1.2", false},
      {"10.1.2.3.4", false},
      {"10.1.2.3000000000000000000000000000000000000000000000", false},
      {"010.1.2.3", false},
      {"10.01.2.3", false},
      {"10.1.2.003", false},
      {"0xa.1.2.3", false},
      {"167838211", false},
      {"10.1.2.256", false},
      {"10.1.2.-3", false},
      {"10.1.2.+3", false},
      {" 10.1.2.3", false},
      {"10.1.2.3 ", false},
      {"10.1.2.3\n", false},
      {"10.1.2.3/8", false},
      {"10.1.2.3:80", false},
      {"10.1.2.3.", false},
      {".10.1.2.3", false},
      {"10..2.3", false},
      {"10.1.2.3%eth0", false},
      {"::ffff:10.1.2.3", false},
      {"::ffff:a01:203", false},
      {"::10.1.2.3", false},
      {"64:ff9b::10.1.2.3", false},
      {"::a01:203", false},
      {"[10.1.2.3]", false},
      {"\uff11\uff10.1.2.3", false},
      {"10.1.2.3\u200b", false},
      {"localhost", false},
      {"10\u30021\u30022\u30023", false},
      {std::string_view("10.1.2.3\0", 9), false},
      {std::string_view("10.1.2.3\0.evil", 14), false},
  };
  constexpr const char* kFour = R"({"constraint_type":"cidr","net":"10.0.0.0/8"})";
  expect_checks(kFour, four);
  expect_no_other_kinds(kFour);
  EXPECT_FALSE(accepts(kFour, R"(["10.1.2.3"])"));
  const TextCase six[] = {
      {"2001:db8::", true},
      {"2001:db8::1", true},
      {"2001:DB8::A", true},
      {"2001:0db8:0:0:0:0:0:1", true},
      {"2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", true},
      {"2001:db9::", false},
      {"2001:db7:ffff::", false},
      {"2001:db8", false},
      {"2001:db8:::1", false},
      {"2001:db8::1::2", false},
      {"2001:00db8::1", false},
      {"2001:db8::g", false},
      {"2001:db8::1%eth0", false},
      {"2001:db8::1%1", false},
      {"[2001:db8::1]", false},
      {"2001:db8::1/128", false},
      {"2001:db8::1.2.3.4", false},
      {"::ffff:2001:db8", false},
      {"1.2.3.4", false},
      {"2001:db8:0:0:0:0:0:0:1", false},
      {" 2001:db8::1", false},
      {"2001:db8::1 ", false},
      {"::", false},
      {":2001:db8::1", false},
      {"2001:db8::1:", false},
  };
  expect_checks(R"({"constraint_type":"cidr","net":"2001:db8::/32"})", six);
  const TextCase all_six[] = {{"::", true},
                              {"::1", true},
                              {"ffff::", true},
                              {"::ffff:0:0", false},
                              {"::ffff:127.0.0.1", false},
                              {"::fffe:0:0", true},
                              {"127.0.0.1", false}};
  expect_checks(R"({"constraint_type":"cidr","net":"::/0"})", all_six);
  expect_checks(
      R"({"constraint_type":"cidr","net":"0.0.0.0/0"})",
      std::array<TextCase, 3>{{{"255.255.255.255", true}, {"0.0.0.0", true}, {"::", false}}});
  expect_checks(
      R"({"constraint_type":"cidr","net":"10.1.2.128/25"})",
      std::array<TextCase, 3>{{{"10.1.2.128", true}, {"10.1.2.255", true}, {"10.1.2.127", false}}});
}

TEST(Cidr, NetsAreExact) {
  for (const char* net : {"",
                          "/",
                          "10.0.0.0",
                          "10.0.0.0/",
                          "10.0.0.0/33",
                          "10.0.0.0/08",
                          "10.0.0.0/+8",
                          "10.0.0.0/-1",
                          "10.0.0.0/8 ",
                          "10.0.0.0/ 8",
                          "10.0.0.0/8/8",
                          "10.0.0.0/255.0.0.0",
                          "10.0.0.0/0x8",
                          "10.0.0.1/8",
                          "10.128.0.0/8",
                          "10/8",
                          "010.0.0.0/8",
                          "10.0.0.0/1e1",
                          "/8",
                          "10.0.0.0/999",
                          "10.0.0.0/4294967304",
                          "::/129",
                          "2001:db8::1/32",
                          "2001:db8:8000::/32",
                          "::ffff:10.0.0.0/104",
                          "::ffff:a00:0/104",
                          "::ffff:0:0/96",
                          "::10.0.0.0/104",
                          "fe80::%eth0/64",
                          "[::]/0",
                          "*"}) {
    const std::string text = Json{{"constraint_type", "cidr"}, {"net", net}}.dump();
    const char* const texts[] = {text.c_str()};
    expect_malformed(texts);
  }
  const char* const malformed[] = {
      R"({"constraint_type":"cidr"})",
      R"({"constraint_type":"cidr","net":null})",
      R"({"constraint_type":"cidr","net":["10.0.0.0/8"]})",
      R"({"constraint_type":"cidr","net":"10.0.0.0/8\u0000"})",
      R"({"constraint_type":"cidr","net":"10.0.0.0\u0000/8"})",
      R"({"constraint_type":"cidr","net":"10.0.0.0/8","except":"10.1.0.0/16"})"};
  expect_malformed(malformed);
  const PairCase pairs[] = {
      {R"("net":"10.0.0.0/8")", R"("net":"10.0.0.0/8")", true},
      {R"("net":"10.1.0.0/16")", R"("net":"10.0.0.0/8")", true},
      {R"("net":"10.1.2.3/32")", R"("net":"10.0.0.0/8")", true},
      {R"("net":"10.0.0.0/8")", R"("net":"0.0.0.0/0")", true},
      {R"("net":"10.0.0.0/7")", R"("net":"10.0.0.0/8")", false},
      {R"("net":"0.0.0.0/0")", R"("net":"10.0.0.0/8")", false},
      {R"("net":"11.0.0.0/16")", R"("net":"10.0.0.0/8")", false},
      {R"("net":"::/0")", R"("net":"0.0.0.0/0")", false},
      {R"("net":"0.0.0.0/0")", R"("net":"::/0")", false},
      {R"("net":"2001:db8:1::/48")", R"("net":"2001:db8::/32")", true},
      {R"("net":"2001:db9:1::/48")", R"("net":"2001:db8::/32")", false},
      {R"("net":"2001:DB8::/32")", R"("net":"2001:db8::/32")", true},
  };
  expect_pairs("cidr", pairs);
}

// --- length

TEST(Length, CountsCodePointsAndElements) {
  const TextCase cases[] = {
      {"", true},
      {"abc", true},
      {"abcd", false},
      {"\u00e9\u00e9\u00e9", true},
      {"\u00e9\u00e9\u00e9\u00e9", false},
      {"\u20ac\u20ac\u20ac", true},
      {"\U0001f600\U0001f600\U0001f600", true},
      {"\U0001f600\U0001f600\U0001f600\U0001f600", false},
      {"e\u0301a", true},
      {"e\u0301e\u0301", false},  // two characters, four code points
      {std::string_view("\0\0\0", 3), true},
      {std::string_view("\0\0\0\0", 4), false},
      {"\u200b\u200b\u200b\u200b", false},
      {"\ufeffabc", false},
      {"abc ", false},
      {"\n\n\n", true},
      {"\u0600\u0600\u0600\u0600", false},
      {"\U0010ffff\uffff\u07ff", true},
  };
  constexpr const char* kConstraint = R"({"constraint_type":"length","max":3})";
  expect_checks(kConstraint, cases);
  for (const char* argument :
       {"[]", "[1,2,3]", R"(["abcd","b"])", "[[1,2,3,4]]", R"("\ud83d\ude00ab")"})
    EXPECT_TRUE(accepts(kConstraint, argument)) << argument;
  for (const char* argument : {"[1,2,3,4]", "[null,null,null,null]", "null", "3", "0", "false",
                               "{}", R"({"a":1})", R"("\ud83d\ude00abc")"})
    EXPECT_FALSE(accepts(kConstraint, argument)) << argument;
  EXPECT_TRUE(accepts(R"({"constraint_type":"length","max":0})", R"("")"));
  EXPECT_FALSE(accepts(R"({"constraint_type":"length","max":0})", R"("\u0000")"));
  EXPECT_TRUE(accepts(R"({"constraint_type":"length","max":3.0})", R"("abc")"));
  const char* const malformed[] = {
      R"({"constraint_type":"length"})",
      R"({"constraint_type":"length","max":-1})",
      R"({"constraint_type":"length","max":1.5})",
      R"({"constraint_type":"length","max":"3"})",
      R"({"constraint_type":"length","max":null})",
      R"({"constraint_type":"length","max":1e300})",
      R"({"constraint_type":"length","max":[3]})",
      R"({"constraint_type":"length","max":3,"min":1})",
  };
  expect_malformed(malformed);
  const PairCase pairs[] = {
      {R"("max":3)", R"("max":3)", true},   {R"("max":2)", R"("max":3)", true},
      {R"("max":0)", R"("max":0)", true},   {R"("max":4)", R"("max":3)", false},
      {R"("max":3e0)", R"("max":3)", true}, {R"("max":9007199254740991)", R"("max":3)", false},
  };
  expect_pairs("length", pairs);
}

// --- glob

struct GlobCase {
  const char* pattern;
  std::string_view text;
  bool accepted;
};

TEST(Glob, MatchesTheWholeString) {
  const GlobCase cases[] = {
      {"", "", true},
      {"", "a", false},
      {"abc", "abc", true},
      {"abc", "abcd", false},
      {"abc", "xabc", false},
      {"abc", "ABC", false},
      {"*", "", true},
      {"*", "abc", true},
      {"*", "a/b", false},
      {"*", "/", false},
      {"**", "", true},
      {"**", "/a/b/../c", true},
      {"a*", "a", true},
      {"a*", "ab/c", false},
      {"a*c", "abcbc", true},
      {"a*c", "abcbd", false},
      {"a*c", "ac\n", false},
      {"*.txt", "a.txt", true},
      {"*.txt", ".txt", true},
      {"*.txt", "d/a.txt", false},
      {"*.txt", "a.txt/", false},
      {"*.txt", "a.txt\n", false},
      {"*.txt", "aXtxt", false},
      {"*.txt", std::string_view("a.txt\0", 6), false},
      {"/srv/*/x", "/srv/a/x", true},
      {"/srv/*/x", "/srv//x", true},
      {"/srv/*/x", "/srv/a/b/x", false},
      {"/srv/**/x", "/srv/a/b/x", true},
      {"/srv/**/x", "/srv//x", true},
      {"/srv/**/x", "/srv/x", false},
      {"/srv/**x", "/srv/x", true},
      {"**/*", "a", false},
      {"**/*", "a/b/c", true},
      {"*/**/*.c", "a/b/c/d.c", true},
      {"*/**/*.c", "a/d.c", false},
      {"?", "a", true},
      {"?", "", false},
      {"?", "ab", false},
      {"?", "/", true},
      {"?", "\u20ac", true},
      {"?", "\U0001f600", true},
      {"?", "e\u0301", false},
      {"??", "e\u0301", true},
      {"?*", "", false},
      {"*?", "a", true},
      {"*?", "a/b", false},
      {"\u20ac*", "\u20ac5", true},
      {"\u20ac", "\u20ad", false},
      {"\\*", "*", true},
      {"\\*", "a", false},
      {"\\?", "?", true},
      {"\\?", "a", false},
      {"\\\\", "\\", true},
      {"\\a", "a", true},
      {"\\a", "\\a", false},
      {"\\\u20ac", "\u20ac", true},
      {"*\\**", "a*b", true},
      {"*\\**", "ab", false},
      {"[ab]", "a", false},
      {"[ab]", "[ab]", true},
      {"{a,b}", "a", false},
      {"{a,b}", "{a,b}", true},
      {"!a", "b", false},
      {"+(a)", "aa", false},
      {"a|b", "a", false},
      {".*", "xyz", false},
      {"^a$", "a", false},
      {"~", "~", true},
      {"a*b*c", "a1b2c", true},
      {"a*b**c", "a1b/2c", true},
      {"a*b**c", "a/1b2c", false},
      {"a**b*c", "a/b/bxc", true},
      {"a**b*c", "a/b/b/xc", false},
  };
  for (const auto& [pattern, text, accepted] : cases) {
    EXPECT_EQ(
        accepts(Json{{"constraint_type", "glob"}, {"pattern", pattern}}.dump(), Json(text).dump()),
        accepted)
        << pattern << " and " << Json(text).dump();
  }
  expect_no_other_kinds(R"({"constraint_type":"glob","pattern":"**"})");
  EXPECT_FALSE(accepts(R"({"constraint_type":"glob","pattern":"**"})", R"(["a"])"));
  const char* const malformed[] = {
      R"({"constraint_type":"glob"})",
      R"({"constraint_type":"glob","pattern":7})",
      R"({"constraint_type":"glob","pattern":["*"]})",
      R"({"constraint_type":"glob","pattern":"\\"})",
      R"({"constraint_type":"glob","pattern":"a\\\\\\"})",
      R"({"constraint_type":"glob","pattern":"***"})",
      R"({"constraint_type":"glob","pattern":"a****b"})",
      R"({"constraint_type":"glob","pattern":"*","flags":"i"})",
  };
  expect_malformed(malformed);
  const PairCase pairs[] = {
      {R"("pattern":"a*")", R"("pattern":"a*")", true},
      {R"("pattern":"\u0061*")", R"("pattern":"a*")", true},
      // Narrower or the same in fact, and refused by the rule all the same.
      {R"("pattern":"ab*")", R"("pattern":"a*")", false},
      {R"("pattern":"a")", R"("pattern":"*")", false},
      {R"("pattern":"*")", R"("pattern":"**")", false},
      {R"("pattern":"\\a")", R"("pattern":"a")", false},
  };
  expect_pairs("glob", pairs);
}

// The pattern that ruins a backtracking matcher, at the greatest length that a receipt has room
// for.
TEST(Glob, CostIsBounded) {
  std::string pattern;
  while (pattern.size() < 4000) pattern += "*a**b";
  const auto glob =
      parse_constraint(Json{{"constraint_type", "glob"}, {"pattern", pattern}}.dump());
  const auto argument = forge::parse(Json(std::string(1'000'000, 'a')).dump());
  Effort effort;
  EXPECT_FALSE(glob.constraint.check(argument.root(), effort));
  EXPECT_TRUE(effort.exhausted());
  // A usual pattern may meet a long argument.
  EXPECT_TRUE(accepts(R"({"constraint_type":"glob","pattern":"**/a"})",
                      Json(std::string(1'000'000, 'b') + "/a").dump()));
}

// --- shell_command

TEST(ShellCommand, TakesPlainWordsOnly) {
  const TextCase cases[] = {
      {"git status", true},
      {"git", true},
      {"  git\tlog  ", true},
      {"git log -n 5 -- src/a.cc", true},
      {"'git' \"status\"", true},
      {"g'i't status", true},
      {"git commit -m 'a; rm -rf / $(x) `y` \\ \"z\" !'", true},
      {"git commit -m \"it's | a & b > c\"", true},
      {"git ''", true},
      {"git \"\"x''", true},
      {"ls user@host:/a,b+c_d.e", true},
      {"git add '\u00e9t\u00e9'", true},
      {"git add 'a\tb'", true},
      // other programs
      {"", false},
      {"   ", false},
      {"rm", false},
      {"gitx", false},
      {"Git", false},
      {"/usr/bin/git status", false},
      {"./git", false},
      {"'git status'", false},
      {"''git rm", true},
      {"'' git", false},
      {"env git", false},
      // operators, redirection, substitution
      {"git; rm x", false},
      {"git & rm x", false},
      {"git && rm x", false},
      {"git | sh", false},
      {"git || sh", false},
      {"git > x", false},
      {"git 2>x", false},
      {"git < x", false},
      {"git <<EOF", false},
      {"git $(rm x)", false},
      {"git `rm x`", false},
      {"git \"$(rm x)\"", false},
      {"git \"`rm x`\"", false},
      {"git $HOME", false},
      {"git \"$HOME\"", false},
      {"git ${IFS}x", false},
      {"git $'a\\nb'", false},
      {"git $\"a\"", false},
      {"git <(ls)", false},
      {"(git)", false},
      {"{ git; }", false},
      {"! git", false},
      {"git\nrm x", false},
      {"git\rrm x", false},
      {"git 'a\nb'", false},
      {"git \"a\nb\"", false},
      {"git\v x", false},
      {"git\f x", false},
      {"git\x7f", false},
      {"git '\x1b[2J'", false},
      {std::string_view("git\0rm", 6), false},
      {std::string_view("git 'a\0b'", 9), false},
      // expansions, escapes, history, comments
      {"git *", false},
      {"git a?", false},
      {"git [ab]", false},
      {"git {a,b}", false},
      {"git ~", false},
      {"git ~root", false},
      {"git a\\ b", false},
      {"git \\", false},
      {"git \"a\\\"b\"", false},
      {"git \"a\\", false},
      {"git !!", false},
      {"git \"!x\"", false},
      {"^git^rm", false},
      {"git %1", false},
      {"git # x", false},
      {"git a#b", false},
      {"git --author=x", false},
      {"git '--author=x'", true},
      {"A=b git", false},
      {"PATH=. git", false},
      {"'A'=b git", false},
      {"git A=b", false},
      // controls
      {"git \x7f", false},
      {"git 'a\x7f'", false},
      {"git 'a\x01'", false},
      // quotes that do not end
      {"git 'a", false},
      {"git \"a", false},
      {"git a'", false},
      {"git '\"", false},
      {"git 'a'\"b", false},
      // what only looks like a blank, or like an ASCII character
      {"git\u00a0status", false},
      {"git \u00e9", false},
      {"git\u2028rm", false},
      {"\uff47it", false},
      {"git \uff1b rm", false},
  };
  constexpr const char* kConstraint =
      R"({"constraint_type":"shell_command","programs":["ls","git"]})";
  expect_checks(kConstraint, cases);
  expect_no_other_kinds(kConstraint);
  EXPECT_FALSE(accepts(kConstraint, R"(["git"])"));
  EXPECT_FALSE(accepts(R"({"constraint_type":"shell_command","programs":[]})", R"("git")"));
}

TEST(ShellCommand, FlagsAreListedOneByOne) {
  const TextCase cases[] = {
      {"ls", true},          {"ls -l", true},         {"ls -a -l x", true}, {"ls x -l", true},
      {"ls --all", true},    {"ls '-l'", true},       {"ls \"-\"l", true},  {"ls -la", false},
      {"ls -al", false},     {"ls -L", false},        {"ls -l1", false},    {"ls --al", false},
      {"ls --all=x", false}, {"ls '--all=x'", false}, {"ls -", false},      {"ls --", false},
      {"ls -- -l", false},   {"ls x -r", false},      {"ls '-r'", false},   {"ls \"-\"r", false},
      {"ls ''-r", false},    {"ls -'r'", false},      {"ls ' -r'", true},   {"ls a-r", true},
      {"ls -l -r", false},   {"ls\t-r", false},       {"ls '-l '", false},  {"ls +r", true},
      {"-l", false},         {"ls '\u2212r'", true},
  };
  expect_checks(
      R"({"constraint_type":"shell_command","programs":["ls"],"flags":["-l","-a","--all"]})",
      cases);
  expect_checks(R"({"constraint_type":"shell_command","programs":["ls"],"flags":[]})",
                std::array<TextCase, 2>{{{"ls x", true}, {"ls -l", false}}});
  const char* const malformed[] = {
      R"({"constraint_type":"shell_command"})",
      R"({"constraint_type":"shell_command","flags":["-l"]})",
      R"({"constraint_type":"shell_command","programs":"ls"})",
      R"({"constraint_type":"shell_command","programs":[7]})",
      R"({"constraint_type":"shell_command","programs":["ls",""]})",
      R"({"constraint_type":"shell_command","programs":["ls",["cat"]]})",
      R"({"constraint_type":"shell_command","programs":{"ls":[]}})",
      R"({"constraint_type":"shell_command","programs":["ls"],"flags":null})",
      R"({"constraint_type":"shell_command","programs":["ls"],"flags":"-l"})",
      R"({"constraint_type":"shell_command","programs":["ls"],"flags":["l"]})",
      R"({"constraint_type":"shell_command","programs":["ls"],"flags":[""]})",
      R"({"constraint_type":"shell_command","programs":["ls"],"flags":[7]})",
      R"({"constraint_type":"shell_command","programs":["ls"],"arguments":["x"]})",
  };
  expect_malformed(malformed);
  const PairCase pairs[] = {
      {R"("programs":["ls"])", R"("programs":["ls","cat"])", true},
      {R"("programs":["cat","ls","ls"])", R"("programs":["ls","cat"])", true},
      {R"("programs":[])", R"("programs":["ls"])", true},
      {R"("programs":["rm"])", R"("programs":["ls","cat"])", false},
      {R"("programs":["ls","rm"])", R"("programs":["ls","cat"])", false},
      {R"("programs":["LS"])", R"("programs":["ls"])", false},
      {R"("programs":["ls"],"flags":["-l"])", R"("programs":["ls"])", true},
      {R"("programs":["ls"],"flags":[])", R"("programs":["ls"],"flags":["-l"])", true},
      {R"("programs":["ls"],"flags":["-l"])", R"("programs":["ls"],"flags":["-l","-a"])", true},
      {R"("programs":["ls"],"flags":["-l","-r"])", R"("programs":["ls"],"flags":["-l"])", false},
      {R"("programs":["ls"])", R"("programs":["ls"],"flags":["-l"])", false},
      {R"("programs":["ls"],"flags":["-la"])", R"("programs":["ls"],"flags":["-l","-a"])", false},
  };
  expect_pairs("shell_command", pairs);
}

// --- all of them

TEST(Extensions, ListedValuesMustEachPass) {
  const std::tuple<const char*, const char*, const char*> cases[] = {
      {R"({"constraint_type":"url_containment","scheme":"https","host":"*.example.com"})",
       R"("https://a.example.com/")", R"("https://a.example.com/%2e%2e")"},
      {R"({"constraint_type":"string_prefix","prefix":"a"})", R"("ab")", R"("b")"},
      {R"({"constraint_type":"cidr","net":"10.0.0.0/8"})", R"("10.0.0.1")", R"("::ffff:10.0.0.1")"},
      {R"({"constraint_type":"length","max":2})", R"([1,2])", R"("abc")"},
      {R"({"constraint_type":"glob","pattern":"a*"})", R"("ab")", R"("a/b")"},
      {R"({"constraint_type":"shell_command","programs":["ls"]})", R"("ls -l")", R"("ls;rm")"},
  };
  const auto one_of = [](const std::string& values) {
    return R"({"constraint_type":"one_of","values":[)" + values + "]}";
  };
  const auto exact = [](const std::string& value) {
    return R"({"constraint_type":"exact","value":)" + value + "}";
  };
  for (const auto& [parent, good, bad] : cases) {
    SCOPED_TRACE(parent);
    EXPECT_TRUE(narrower(one_of(good), parent));
    EXPECT_TRUE(narrower(one_of(""), parent));
    EXPECT_FALSE(narrower(one_of(bad), parent));
    EXPECT_FALSE(narrower(one_of(std::string(good) + "," + bad), parent));
    EXPECT_FALSE(narrower(exact(bad), parent));
    EXPECT_FALSE(narrower(exact("7"), parent));
    if (*good != '[') {
      EXPECT_TRUE(narrower(exact(good), parent));
    }
    EXPECT_FALSE(narrower(parent, one_of(good)));
    EXPECT_FALSE(narrower(R"({"constraint_type":"wildcard"})", parent));
  }
}

TEST(Extensions, MembersHaveALengthLimit) {
  const Limits limits{.constraint_value_bytes_max = 8};
  const auto code_of = [&](const char* text) {
    const auto document = forge::parse(text);
    const auto constraint = Constraint::parse(document.root(), limits);
    return constraint ? "" : std::string(to_string(constraint.error().code));
  };
  // constraint_type is a member too.
  EXPECT_EQ(code_of(R"({"constraint_type":"glob","pattern":"12345678"})"), "");
  EXPECT_EQ(code_of(R"({"constraint_type":"glob","pattern":"123456789"})"), "too_large");
  EXPECT_EQ(code_of(R"({"constraint_type":"cidr","net":"10.10.0.0/16"})"), "too_large");
}

}  // namespace
}  // namespace mandated::receipt
