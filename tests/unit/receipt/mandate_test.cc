// The profile's claim: what it may say, and how a child may tighten it.
#include "filters/receipt/mandate.h"

#include <gtest/gtest.h>

#include "tests/unit/receipt/forge.h"

namespace mandated::receipt {
namespace {

using forge::Chain;
using forge::Draft;
using forge::Json;
using forge::kNow;

struct ReadCase {
  const char* text;
  Code code;
};

TEST(Mandate, IsReadStrictly) {
  const std::string long_text(2049, 'x');
  const std::string too_long = R"({"intent":")" + long_text + "\"}";
  const std::string too_long_task = R"({"task":")" + long_text + "\"}";
  const ReadCase cases[] = {
      {"[]", Code::kMalformed},
      {"null", Code::kMalformed},
      {R"({"user":7})", Code::kMalformed},
      {R"({"user":"jane"})", Code::kMalformed},
      {R"({"intent":["x"]})", Code::kMalformed},
      {too_long.c_str(), Code::kTooLarge},
      {too_long_task.c_str(), Code::kTooLarge},
      {R"({"task":null})", Code::kMalformed},
      {R"({"holder":"td/ns/x"})", Code::kMalformed},
      {R"({"holder":"spiffe://td/ns/*"})", Code::kMalformed},
      {R"({"holder":"spiffe://td"})", Code::kMalformed},
      {R"({"holder":"spiffe://td/a/"})", Code::kMalformed},
      {R"({"holder":"spiffe://TD/a"})", Code::kMalformed},
      {R"({"holder":"spiffe://td/a/../b"})", Code::kMalformed},
      {R"({"holder":"spiffe://td/a%2fb"})", Code::kMalformed},
      {R"({"holders":"spiffe://td/a"})", Code::kMalformed},
      {R"({"holders":["spiffe://*/a"]})", Code::kMalformed},
      {R"({"holders":["spiffe://td/a*"]})", Code::kMalformed},
      {R"({"holders":["spiffe://td/**/a"]})", Code::kMalformed},
      {R"({"holders":[1]})", Code::kMalformed},
      {R"({"aud":"https://x"})", Code::kMalformed},
      {R"({"aud":["not a uri"]})", Code::kMalformed},
      {R"({"nbf":"soon"})", Code::kMalformed},
      {R"({"color":"red"})", Code::kMalformed},
      {R"({"instance":{"unix:uid":7}})", Code::kMalformed},
      {R"({"instance":{"unix:uid":""}})", Code::kMalformed},
      {R"({"instance":{"":"7"}})", Code::kMalformed},
      {R"({"instance":"unix:uid:7"})", Code::kMalformed},
      {R"({"budget":{"calls":-1}})", Code::kMalformed},
      {R"({"budget":{"calls":1.5}})", Code::kMalformed},
      {R"({"budget":{"calls":"5"}})", Code::kMalformed},
      {R"({"budget":{"calls":null}})", Code::kMalformed},
      {R"({"budget":{"tools":{}}})", Code::kMalformed},
      {R"({"budget":{"tools":{"t":-1}}})", Code::kMalformed},
      {R"({"budget":{"tools":[5]}})", Code::kMalformed},
      {R"({"budget":{"sum":{"t.a":-0.1}}})", Code::kMalformed},
      {R"({"budget":{"sum":{"t.a":1e10}}})", Code::kMalformed},
      {R"({"budget":{"calls":5,"hours":1}})", Code::kMalformed},
      {R"({"budget":5})", Code::kMalformed},
      {R"({"require":{"t":[]}})", Code::kMalformed},
      {R"({"require":{"t":"a reason"}})", Code::kMalformed},
      {R"({"require":{"t":["reason","luck"]}})", Code::kMalformed},
      {R"({"require":{"t":true}})", Code::kMalformed},
      {R"({"require":["t"]})", Code::kMalformed},
      {R"({"approvers":{"keys":[],"min":0}})", Code::kMalformed},
      {R"({"approvers":{"keys":["short"],"min":1}})", Code::kMalformed},
      {R"({"approvers":{"keys":["AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"],"min":2}})",
       Code::kMalformed},
      {R"({"approvers":{"keys":["AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"],"min":0}})",
       Code::kMalformed},
      {R"({"approvers":{"keys":["AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",)"
       R"("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"],"min":2}})",
       Code::kMalformed},
      {R"({"approvers":{"keys":["AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"]}})",
       Code::kMalformed},
      {R"({"approvers":{"keys":"AAAA","min":1}})", Code::kMalformed},
      {R"({"approvers":{"keys":[7],"min":1}})", Code::kMalformed},
      {R"({"approvers":{"keys":["AAAA"],"min":1}})", Code::kMalformed},
      {R"({"approvers":{"keys":["AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"],"min":"1"}})",
       Code::kMalformed},
      {R"({"approvers":{"keys":["AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"],"min":1,"x":1}})",
       Code::kMalformed},
      {R"({"status":{"uri":"https://x/list"}})", Code::kMalformed},
      {R"({"status":{"uri":"https://x/a b","idx":1}})", Code::kMalformed},
      {R"({"status":{"uri":"http://x/list","idx":1}})", Code::kMalformed},
      {R"({"status":{"uri":"https://x/list","idx":-1}})", Code::kMalformed},
      {R"({"status":{"uri":"https://x/list","idx":1,"more":1}})", Code::kMalformed},
      {R"({"instance":{}})", Code::kMalformed},
      {R"({"budget":{}})", Code::kMalformed},
      {R"({"require":{}})", Code::kMalformed},
      {R"({"approvers":{}})", Code::kMalformed},
      {R"({"status":{}})", Code::kMalformed},
  };
  for (const auto& [text, code] : cases) {
    const auto document = forge::parse(text);
    const auto mandate = parse_mandate(&document.root());
    ASSERT_FALSE(mandate) << text;
    EXPECT_EQ(to_string(mandate.error().code), to_string(code)) << text;
  }
}

TEST(Mandate, NamesTheMemberThatItDoesNotKnow) {
  const auto document = forge::parse(R"({"colour":"red"})");
  const auto mandate = parse_mandate(&document.root());
  ASSERT_FALSE(mandate);
  EXPECT_NE(mandate.error().sentence.find("\"colour\""), std::string::npos);
}

TEST(Mandate, ReadsEveryMember) {
  const auto document = forge::parse(R"({"user":"https://idp.example#jane","intent":"i","task":"t",
      "holder":"spiffe://td/ns/a/sa/b","holders":["spiffe://td/ns/*/sa/x","spiffe://td/**"],
      "aud":["spiffe://td/files","https://files.example"],"nbf":5.5})");
  const auto mandate = parse_mandate(&document.root());
  ASSERT_TRUE(mandate) << mandate.error().sentence;
  EXPECT_EQ(mandate->user, "https://idp.example#jane");
  EXPECT_EQ(mandate->intent, "i");
  EXPECT_EQ(mandate->task, "t");
  EXPECT_EQ(mandate->holder, "spiffe://td/ns/a/sa/b");
  EXPECT_EQ(mandate->holders->size(), 2U);
  EXPECT_EQ(mandate->audience->size(), 2U);
  EXPECT_EQ(mandate->not_before, 5.5);
  EXPECT_TRUE(parse_mandate(nullptr));
}

TEST(Mandate, PatternsStandForSegments) {
  EXPECT_TRUE(spiffe_matches("spiffe://td/ns/*/sa/x", "spiffe://td/ns/team/sa/x"));
  EXPECT_FALSE(spiffe_matches("spiffe://td/ns/*/sa/x", "spiffe://td/ns/team/more/sa/x"));
  EXPECT_FALSE(spiffe_matches("spiffe://td/ns/*/sa/x", "spiffe://td/ns/team/sa/y"));
  EXPECT_FALSE(spiffe_matches("spiffe://td/ns/*", "spiffe://td/ns"));
  EXPECT_FALSE(spiffe_matches("spiffe://td/ns/*", "spiffe://td/ns/a/b"));
  EXPECT_TRUE(spiffe_matches("spiffe://td/ns/**", "spiffe://td/ns/a/b/c"));
  EXPECT_TRUE(spiffe_matches("spiffe://td/**", "spiffe://td/a"));
  EXPECT_FALSE(spiffe_matches("spiffe://td/ns/**", "spiffe://td/ns"));
  EXPECT_FALSE(spiffe_matches("spiffe://td/ns/**", "spiffe://td/nsx/a"));
  EXPECT_FALSE(spiffe_matches("spiffe://td/ns/**", "spiffe://other/ns/a"));
  EXPECT_TRUE(spiffe_matches("spiffe://td/a", "spiffe://td/a"));
  EXPECT_FALSE(spiffe_matches("spiffe://td/a", "spiffe://td/a/b"));
  EXPECT_FALSE(spiffe_matches("spiffe://td/a", ""));
}

struct StepCase {
  const char* parent;
  const char* child;
  bool allowed;
};

TEST(Mandate, AChildOnlyTightens) {
  const StepCase cases[] = {
      {R"({})", R"({})", true},
      {R"({"user":"mailto:a@x"})", R"({"user":"mailto:a@x"})", true},
      {R"({"user":"mailto:a@x"})", R"({"user":"mailto:b@x"})", false},
      {R"({"user":"mailto:a@x"})", R"({})", false},
      {R"({})", R"({"user":"mailto:a@x"})", true},
      {R"({"intent":"a"})", R"({"intent":"a","task":"b"})", true},
      {R"({"intent":"a"})", R"({"intent":"b"})", false},
      {R"({"intent":"a"})", R"({})", false},
      {R"({"task":"a"})", R"({"task":"b"})", true},
      {R"({"task":"a"})", R"({})", true},
      {R"({"holder":"spiffe://td/a"})", R"({"holder":"spiffe://td/b"})", true},
      {R"({"holder":"spiffe://td/a"})", R"({})", false},
      {R"({"holders":["spiffe://td/t/*"]})",
       R"({"holders":["spiffe://td/t/*"],"holder":"spiffe://td/t/a"})", true},
      {R"({"holders":["spiffe://td/t/*"]})",
       R"({"holders":["spiffe://td/t/*"],"holder":"spiffe://td/u/a"})", false},
      {R"({"holders":["spiffe://td/t/*","spiffe://td/u/*"]})", R"({"holders":["spiffe://td/u/*"]})",
       true},
      {R"({"holders":["spiffe://td/t/*"]})", R"({"holders":["spiffe://td/t/a"]})", false},
      {R"({"holders":["spiffe://td/t/*"]})", R"({"holders":["spiffe://td/**"]})", false},
      {R"({"holders":["spiffe://td/t/*"]})", R"({})", false},
      {R"({"holders":[]})", R"({"holders":[],"holder":"spiffe://td/a"})", false},
      {R"({"aud":["https://a","https://b"]})", R"({"aud":["https://b"]})", true},
      {R"({"aud":["https://a"]})", R"({"aud":["https://a","https://b"]})", false},
      {R"({"aud":["https://a"]})", R"({"aud":["https://a/"]})", false},
      {R"({"aud":["https://a"]})", R"({})", false},
      {R"({"aud":["https://a"]})", R"({"aud":[]})", true},
      {R"({"nbf":5})", R"({"nbf":5.0})", true},
      {R"({"nbf":5})", R"({"nbf":6})", true},
      {R"({"nbf":5})", R"({"nbf":4})", false},
      {R"({"nbf":5})", R"({})", false},
      {R"({"instance":{"a":"1"}})", R"({"instance":{"b":"2"}})", true},
      {R"({"instance":{"a":"1"}})", R"({})", false},
      {R"({})", R"({"instance":{"a":"1"}})", true},
      {R"({"budget":{"calls":5}})", R"({"budget":{"calls":5}})", true},
      {R"({"budget":{"calls":5}})", R"({"budget":{"calls":4,"tools":{"read_file":9}}})", true},
      {R"({"budget":{"calls":5}})", R"({"budget":{"calls":6}})", false},
      {R"({"budget":{"calls":5}})", R"({"budget":{"tools":{"read_file":1}}})", false},
      {R"({"budget":{"calls":5}})", R"({})", false},
      {R"({"budget":{"tools":{"read_file":2}}})", R"({"budget":{"tools":{"read_file":3}}})", false},
      {R"({"budget":{"tools":{"read_file":2}}})", R"({"budget":{"tools":{"x":1}}})", false},
      {R"({"budget":{"sum":{"t.a":2}}})", R"({"budget":{"sum":{"t.a":1.5,"t.b":3}}})", true},
      {R"({"budget":{"sum":{"t.a":2}}})", R"({"budget":{"sum":{"t.a":2.000001}}})", false},
      {R"({"require":{"read_file":"reason"}})",
       R"({"require":{"read_file":["approval","reason"]}})", true},
      {R"({"require":{"read_file":"reason"}})", R"({"require":{"read_file":"approval"}})", false},
      {R"({"require":{"read_file":["reason","clean"]}})", R"({"require":{"read_file":"clean"}})",
       false},
      {R"({"require":{"read_file":"reason"}})", R"({})", false},
      {R"({"require":{"read_file":"reason","list_directory":"clean"}})",
       R"({"require":{"read_file":"reason"}})", false},
      {R"({"require":{"other":"clean"}})", R"({"require":{"read_file":"reason"}})", true},
      {R"({"status":{"uri":"https://x/l","idx":1}})", R"({})", true},
      {R"({"status":{"uri":"https://x/l","idx":1}})", R"({"status":{"uri":"https://y/l","idx":2}})",
       true},
  };
  for (const auto& each : cases) {
    const Chain chain(2, [&](std::size_t hop, Draft& draft) {
      draft.payload["mandate"] = Json::parse(hop == 0 ? each.parent : each.child);
    });
    const auto verified = chain.verify();
    SCOPED_TRACE(std::string(each.parent) + " then " + each.child);
    ASSERT_EQ(verified.has_value(), each.allowed) << (verified ? "" : verified.error().sentence);
    if (!verified) {
      EXPECT_EQ(to_string(verified.error().code), "escalation");
      EXPECT_EQ(verified.error().hop, 1);
    }
  }
}

TEST(Mandate, ApproversOnlyShrinkAndAskForMore) {
  const std::string a(43, 'A');
  const std::string b = "B" + std::string(42, 'A');
  const std::string c = "C" + std::string(42, 'A');
  struct Case {
    std::vector<std::string> keys;
    int min;
    bool allowed;
  };
  const Case cases[] = {{{a, b}, 1, true}, {{a}, 1, true}, {{b, a}, 2, true},    {{a, c}, 1, false},
                        {{c}, 1, false},   {{}, 0, false}, {{a, b, c}, 2, false}};
  for (const Case& each : cases) {
    const Chain chain(2, [&](std::size_t hop, Draft& draft) {
      Json& approvers = draft.payload["mandate"]["approvers"];
      approvers = hop == 0 ? Json{{"keys", {a, b}}, {"min", 1}} : Json::object();
      if (hop == 1) {
        approvers["keys"] = each.keys;
        approvers["min"] = each.min;
      }
    });
    EXPECT_EQ(chain.verify().has_value(), each.allowed) << each.keys.size() << " " << each.min;
  }
  const Chain lowered(2, [&](std::size_t hop, Draft& draft) {
    draft.payload["mandate"]["approvers"] = Json{{"keys", {a, b}}, {"min", hop == 0 ? 2 : 1}};
  });
  EXPECT_EQ(lowered.verify().error().code, Code::kEscalation);
  const Chain dropped(2, [&](std::size_t hop, Draft& draft) {
    draft.payload["mandate"] = Json::object();
    if (hop == 0) draft.payload["mandate"]["approvers"] = Json{{"keys", {a, b}}, {"min", 1}};
  });
  EXPECT_EQ(dropped.verify().error().code, Code::kEscalation);
}

// The rule spans generations: what the root admits binds a grandchild.
TEST(Mandate, HoldersBindAllDescendants) {
  const auto with_leaf_holder = [](const char* holder) {
    return Chain(3, [holder](std::size_t hop, Draft& draft) {
      draft.payload["mandate"]["holders"] = Json::array({"spiffe://td/t/*"});
      if (hop == 2) draft.payload["mandate"]["holder"] = holder;
    });
  };
  EXPECT_TRUE(with_leaf_holder("spiffe://td/t/a").verify());
  const auto refused = with_leaf_holder("spiffe://td/u/a").verify();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kEscalation);
}

TEST(Mandate, NotBeforeIsCheckedForEveryToken) {
  for (const std::size_t hop : {0U, 1U}) {
    const Chain chain(2, [hop](std::size_t at, Draft& draft) {
      if (at >= hop) draft.payload["mandate"]["nbf"] = kNow + 60;
    });
    const auto verified = chain.verify();
    ASSERT_FALSE(verified);
    EXPECT_EQ(verified.error().code, Code::kNotYetValid);
    EXPECT_EQ(verified.error().hop, static_cast<int>(hop));
    EXPECT_TRUE(chain.verify(kNow + 60));
  }
}

struct PresenterCase {
  const char* name;
  Json root;
  Json leaf;
  const char* peer;
  std::vector<std::string> audiences;
  const char* code;
  int hop;
};

TEST(Presenter, MustBeNamed) {
  const Json holders{{"holders", {"spiffe://td/t/*"}}};
  const Json holders_and_a{{"holders", {"spiffe://td/t/*"}}, {"holder", "spiffe://td/t/a"}};
  const Json aud{{"aud", {"https://a", "https://b"}}};
  const PresenterCase cases[] = {
      {"nothing asked", {}, {}, "", {}, "", 0},
      {"right holder", holders, holders_and_a, "spiffe://td/t/a", {}, "", 0},
      {"other holder", holders, holders_and_a, "spiffe://td/t/b", {}, "wrong_holder", 1},
      {"longer id", holders, holders_and_a, "spiffe://td/t/a/b", {}, "wrong_holder", 1},
      {"unknown peer", holders, holders_and_a, "", {}, "wrong_holder", 1},
      {"within holders", holders, holders, "spiffe://td/t/x", {}, "", 0},
      {"outside holders", holders, holders, "spiffe://td/u/x", {}, "wrong_holder", 0},
      {"unknown peer, holders", holders, holders, "", {}, "wrong_holder", 0},
      {"right audience", aud, aud, "", {"https://b", "https://c"}, "", 0},
      {"other audience", aud, aud, "", {"https://c"}, "wrong_audience", 0},
      {"no audience", aud, aud, "", {}, "wrong_audience", 0},
      {"narrowed away", aud, Json{{"aud", {"https://a"}}}, "", {"https://b"}, "wrong_audience", 1},
  };
  for (const auto& each : cases) {
    SCOPED_TRACE(each.name);
    const Chain chain(2, [&](std::size_t hop, Draft& draft) {
      const Json& mandate = hop == 0 ? each.root : each.leaf;
      if (!mandate.is_null()) draft.payload["mandate"] = mandate;
    });
    const auto verified = chain.verify();
    ASSERT_TRUE(verified) << verified.error().sentence;
    const auto checked = check_presenter(**verified, {each.peer, each.audiences});
    EXPECT_EQ(checked ? "" : to_string(checked.error().code), each.code);
    if (!checked) {
      EXPECT_EQ(checked.error().hop, each.hop);
    }
  }
}

// A root's own holder is not below it, so its `holders` do not bind him.
TEST(Presenter, HoldersBindThoseBelow) {
  const Chain chain(1, [](std::size_t, Draft& draft) {
    draft.payload["mandate"] = Json{{"holder", "spiffe://td/x"}, {"holders", {"spiffe://td/t/*"}}};
  });
  const auto verified = chain.verify();
  ASSERT_TRUE(verified);
  EXPECT_TRUE(check_presenter(**verified, {"spiffe://td/x", {}}));
  EXPECT_FALSE(check_presenter(**verified, {"spiffe://td/t/a", {}}));
}

TEST(SpiffeId, AsTheSpecificationSpellsIt) {
  const std::string deepest = "spiffe://td/" + std::string(2048 - 12, 'a');
  const std::string long_domain = "spiffe://" + std::string(255, 'd') + "/a";
  for (const std::string& good :
       {std::string("spiffe://td/a"), std::string("spiffe://a.b-c_9/A-1.b_2/z"),
        std::string("spiffe://9/0"), std::string("spiffe://td/..."), deepest, long_domain}) {
    EXPECT_TRUE(is_spiffe_id(good)) << good;
  }
  for (const std::string& bad :
       {std::string(), std::string("spiffe://"), std::string("spiffe:///a"),
        std::string("SPIFFE://td/a"), std::string("https://td/a"), std::string("spiffe://td"),
        std::string("spiffe://td//a"), std::string("spiffe://td/a//b"),
        std::string("spiffe://td/./a"), std::string("spiffe://td/{"), std::string("spiffe://t~/a"),
        std::string("spiffe://{d/a"), std::string("spiffe://td/~"), std::string("spiffe://td:1/a"),
        std::string("spiffe://td/a?b"), std::string("spiffe://td/*"), deepest + "a",
        "spiffe://d" + long_domain.substr(9)}) {
    EXPECT_FALSE(is_spiffe_id(bad)) << bad;
  }
}

TEST(SpiffePattern, CoversWhatTheOtherMatches) {
  struct Case {
    const char* outer;
    const char* inner;
    bool covers;
  };
  const Case cases[] = {
      {"spiffe://td/a", "spiffe://td/a", true},     {"spiffe://td/*", "spiffe://td/a", true},
      {"spiffe://td/*", "spiffe://td/*", true},     {"spiffe://td/a", "spiffe://td/*", false},
      {"spiffe://td/*", "spiffe://td/**", false},   {"spiffe://td/**", "spiffe://td/*", true},
      {"spiffe://td/**", "spiffe://td/a/**", true}, {"spiffe://td/a", "spiffe://td/a/b", false},
      {"spiffe://td/a/b", "spiffe://td/a", false},  {"spiffe://td/**", "spiffe://te/a", false},
      {"spiffe://td/a/**", "spiffe://td/a", false}, {"spiffe://td/a/*", "spiffe://td/a", false},
      {"spiffe://td/*/b", "spiffe://td/a/b", true}, {"spiffe://td/*/b", "spiffe://td/**", false},
  };
  for (const auto& [outer, inner, covers] : cases)
    EXPECT_EQ(spiffe_covers(outer, inner), covers) << outer << " and " << inner;
}

TEST(Uri, ByItsCharacters) {
  for (const char* good : {"https://a", "mailto:jane@example.com", "acct:j@x", "urn:a:b",
                           "a+b-c.1:", "https://a/%20?q#f", "x:%aF%Af%fA%09"}) {
    EXPECT_TRUE(is_uri(good)) << good;
  }
  for (const char* bad :
       {"", ":", "a", "1a:b", "ht tp://a", "https://a b", "https://\xC3\xA9", "x:%2", "x:%zz",
        "x:%2g", "x:%2G", "x:%:0", "{:a", "x:{", "x:<>", "x:\"", "x:\\"}) {
    EXPECT_FALSE(is_uri(bad)) << bad;
  }
}

}  // namespace
}  // namespace mandated::receipt
