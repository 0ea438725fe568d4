// What a person is told: every member of what is signed, in words, whole; and what is too much or
// could mislead is refused before anybody is asked.
#include "proxy/consent/telling.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "filters/receipt/base64url.h"
#include "tests/unit/consent/fixture.h"

namespace mandated::consent {
namespace {

using test::Json;
using test::receipt_question;
using testing::HasSubstr;
using testing::Not;

constexpr Seconds kNow = 1780000000;

Checked<Ask> read(const Json& question) { return read_ask(question.dump(), kNow, "jti-1"); }

Json told(const Json& question) {
  const auto ask = read(question);
  if (!ask) {
    ADD_FAILURE() << ask.error().sentence;
    return {};
  }
  return Json::parse(to_json(*tell(*ask, *signing_input(*ask, "AAAA"))));
}

// Title, then text and details of each line.
std::string flat(const Json& telling) {
  std::string text = "intent: " + telling.at("intent").get<std::string>() + "\n";
  for (const Json& section : telling.at("sections")) {
    text += "# " + section.at("title").get<std::string>();
    if (section.contains("time")) text += " @" + section.at("time").dump();
    text += "\n";
    for (const Json& line : section.at("lines")) {
      text += line.at("text").get<std::string>() + (line.at("wide") == true ? " (!)" : "") + "\n";
      for (const Json& detail : line.at("details")) text += "  " + detail.get<std::string>() + "\n";
    }
  }
  return text;
}

TEST(Telling, OfAReceiptSaysAll) {
  Json question = receipt_question();
  question["depth"] = 2;
  question["mandate"] = {
      {"holders", {"spiffe://acme.example/agent/*"}},
      {"instance", {{"k8s:pod-uid", "1-2"}}},
      {"aud", {"https://a.example", "https://b.example"}},
      {"nbf", kNow + 60},
      {"budget", {{"calls", 5}, {"tools", {{"list", 1}}}, {"sum", {{"list.bytes", 0.5}}}}},
      {"require", {{"list", {"approval", "clean", "reason"}}}},
      {"approvers", {{"keys", {receipt::sha256_text("k")}}, {"min", 1}}},
      {"status", {{"uri", "https://lists.example/1"}, {"idx", 7}}}};
  EXPECT_EQ(flat(told(question)),
            "intent: read the reports\n"
            "# Who will act\n"
            "spiffe://acme.example/agent/x\n"
            "Only the one instance of it with\n"
            "  k8s:pod-uid: \"1-2\"\n"
            "Its key: " +
                receipt::forge::key(1).public_key().thumbprint() +
                "\n"
                "# For whom\n"
                "mailto:alice@example.org\n"
                "# What it may do\n"
                "list (!)\n"
                "  with any arguments whatever\n"
                "read_file\n"
                "  path: a path in or below \"/data\"\n"
                "# How often\n"
                "At most 5 times in all.\n"
                "list at most once.\n"
                "list.bytes adding up to at most 0.5.\n"
                "# From when @1780000060\n"
                "# Until when @1780003600\n"
                "1 hour, counted from when this was asked for.\n"
                "# Where\n"
                "Only at \"https://a.example\" or \"https://b.example\".\n"
                "# How far it may be passed on\n"
                "2 times, from one workload to the next, never with more rights than these.\n"
                "Only to \"spiffe://acme.example/agent/*\".\n"
                "# What else is required\n"
                "Before each call of list\n"
                "  a plan that the policy agent has accepted\n"
                "  a person's signature under that very call\n"
                "  a session that has read nothing untrusted\n"
                "Such a signature is given by 1 of these keys\n"
                "  " +
                receipt::sha256_text("k") +
                "\n"
                "That it was not taken back in \"https://lists.example/1\", entry 7.\n");
}

TEST(Telling, PointsOutWhatIsNotBounded) {
  Json question = receipt_question();
  question.erase("holder");
  question["depth"] = 1;
  question["tools"] = Json::object();
  const std::string text = flat(told(question));
  for (const char* words : {"Any workload that holds the key below: none is named. (!)",
                            "Any instance of it.\n", "# What it may do\nNothing.\n",
                            "As often as it likes, as long as the receipt is valid. (!)",
                            "Once, to another workload, never with more rights than these.\nTo any "
                            "workload, by whoever holds the key named above. (!)",
                            "# What else is required\nNothing.\n"})
    EXPECT_THAT(text, HasSubstr(words));
  question["depth"] = 0;
  EXPECT_THAT(flat(told(question)), HasSubstr("# How far it may be passed on\nNot at all.\n"));
}

// A figure of one tool says nothing of the others.
TEST(Telling, PointsOutWhichToolsHaveNoFigure) {
  Json question = receipt_question();
  question["mandate"]["budget"] = {{"tools", {{"list", 3}}}, {"sum", {{"read_file.path", 1}}}};
  EXPECT_THAT(flat(told(question)),
              HasSubstr("# How often\n"
                        "list at most 3 times.\n"
                        "read_file as often as it likes, as long as the receipt is valid. (!)\n"
                        "read_file.path adding up to at most 1.\n"));
  question["mandate"]["budget"]["calls"] = 5;
  EXPECT_THAT(flat(told(question)), Not(HasSubstr("as often as it likes")));
}

TEST(Telling, OfACallSaysAll) {
  const Json question{{"kind", "approval"},
                      {"ticket", "t"},
                      {"receipt", "digest"},
                      {"server", "bank"},
                      {"tool", "pay"},
                      {"args", {{"to", {{"iban", "DE02"}}}, {"amount", 2.5}, {"note", "a\nb"}}},
                      {"holder", "spiffe://acme.example/agent/x"},
                      {"user", "mailto:alice@example.org"},
                      {"intent", "pay the\ninvoices"},
                      {"approvers", {{"keys", {receipt::sha256_text("k")}}, {"min", 1}}}};
  EXPECT_EQ(
      flat(told(question)),
      "intent: \n"
      "# What will be called, once\npay\n"
      "# At which server\nbank\n"
      "# With exactly these arguments\namount: 2.5\nnote: \"a\\nb\"\nto: {\"iban\":\"DE02\"}\n"
      "# Who calls it\nspiffe://acme.example/agent/x\n"
      "# For whom\nmailto:alice@example.org\n"
      "# What for\n\"pay the\\ninvoices\"\n"
      "# Until when @1780000300\n");
  Json bare = question;
  for (const char* member : {"server", "holder", "user", "intent"}) bare.erase(member);
  bare["args"] = Json::object();
  const std::string text = flat(told(bare));
  for (const char* words : {"None.", "No server is named.", "No workload is named.",
                            "Nobody is named.", "That is not said."})
    EXPECT_THAT(text, HasSubstr(words));
}

TEST(Telling, EveryPasskeySignsTheSameUnderItsOwnName) {
  const Ask ask = *read(receipt_question());
  const std::string one = *signing_input(ask, "AAAA");
  const std::string two = *signing_input(ask, "BBBB");
  EXPECT_NE(one, two);
  EXPECT_EQ(one.substr(one.find('.')), two.substr(two.find('.')));
  EXPECT_EQ(one, *signing_input(ask, "AAAA"));
}

TEST(Telling, ReadsWhatIsSignedAndNothingElse) {
  const Ask ask = *read(receipt_question());
  const std::string input = *signing_input(ask, "AAAA");
  EXPECT_TRUE(tell_receipt(input));
  EXPECT_FALSE(tell_approval(input)) << "another type of token";
  EXPECT_FALSE(tell_receipt(input + "x"));
  EXPECT_FALSE(tell_receipt(input.substr(input.find('.'))));
  const std::string plain =
      receipt::encode_base64url(R"({"alg":"EdDSA","typ":"delegation-receipt+jwt"})") +
      input.substr(input.find('.'));
  EXPECT_FALSE(tell_receipt(plain)) << "not for a passkey to sign";
}

// The bound counts what is shown.
TEST(Telling, IsBounded) {
  const auto tools = [](std::size_t count, const Json& arguments) {
    Json made = Json::object();
    for (std::size_t at = 0; at < count; ++at) made["tool-" + std::to_string(at)] = arguments;
    return made;
  };
  const auto exact = [](std::size_t size) {
    return Json{{"a", {{"constraint_type", "exact"}, {"value", std::string(size, 'x')}}}};
  };
  struct Case {
    const char* what;
    Json tools;
    bool fits;
  };
  const Case cases[] = {
      {"twelve tools", tools(kToolsMax, Json::object()), true},
      {"thirteen tools", tools(kToolsMax + 1, Json::object()), false},
      {"a long value", tools(1, exact(4096)), true},
      {"two long values", tools(2, exact(4096)), false},
      {"many arguments",
       {{"t",
         [] {
           Json arguments = Json::object();
           for (std::size_t at = 0; at < kLinesMax; ++at)
             arguments["a" + std::to_string(at)] = {{"constraint_type", "wildcard"}};
           return arguments;
         }()}},
       false},
  };
  for (const Case& c : cases) {
    Json question = receipt_question();
    question["tools"] = c.tools;
    const auto ask = read(question);
    EXPECT_EQ(ask.has_value(), c.fits) << c.what;
    if (!ask) {
      EXPECT_EQ(ask.error().code, receipt::Code::kTooLarge) << c.what;
    }
  }
}

TEST(Ask, MalformedQuestionsAreRefused) {
  struct Case {
    const char* what;
    std::function<void(Json&)> bend;
    const char* sentence;
  };
  const Case cases[] = {
      {"no kind", [](Json& q) { q.erase("kind"); }, "\"kind\""},
      {"another kind", [](Json& q) { q["kind"] = "proof"; }, "\"kind\""},
      {"unknown member", [](Json& q) { q["url"] = "x"; }, "unknown member \"url\""},
      {"no user", [](Json& q) { q.erase("user"); }, "\"user\""},
      {"a user that is no URI", [](Json& q) { q["user"] = "alice"; }, "URI"},
      {"no intent", [](Json& q) { q.erase("intent"); }, "\"intent\""},
      {"an empty intent", [](Json& q) { q["intent"] = ""; }, "\"intent\""},
      {"a line break", [](Json& q) { q["intent"] = "a\nb"; }, "cannot be seen"},
      {"a right-to-left override",
       [](Json& q) {
         q["intent"] =
             "a\xE2\x80\xAE"
             "b";
       },
       "cannot be seen"},
      {"no tools", [](Json& q) { q.erase("tools"); }, "\"tools\""},
      {"tools that are a list", [](Json& q) { q["tools"] = Json::array(); }, "\"tools\""},
      {"an unknown constraint",
       [](Json& q) { q["tools"]["t"]["a"] = {{"constraint_type", "regex"}}; }, "regex"},
      {"no key", [](Json& q) { q.erase("holder_key"); }, "\"holder_key\""},
      {"a private key",
       [](Json& q) { q["holder_key"] = Json::parse(receipt::forge::key(1).jwk()); },
       "private member"},
      {"a holder that is no SPIFFE ID", [](Json& q) { q["holder"] = "x"; }, "SPIFFE"},
      {"no lifetime", [](Json& q) { q.erase("lifetime"); }, "\"lifetime\""},
      {"half a second", [](Json& q) { q["lifetime"] = 0.5; }, "\"lifetime\""},
      {"no time at all", [](Json& q) { q["lifetime"] = 0; }, "expire"},
      {"a negative lifetime", [](Json& q) { q["lifetime"] = -5; }, "\"lifetime\""},
      {"for ever", [](Json& q) { q["lifetime"] = 91 * 86400; }, "lives longer"},
      {"too deep", [](Json& q) { q["depth"] = 17; }, "delegations"},
      {"far too deep", [](Json& q) { q["depth"] = 9007199254740991; }, "delegations"},
      {"a negative depth", [](Json& q) { q["depth"] = -1; }, "\"depth\""},
      {"a mandate that is a list", [](Json& q) { q["mandate"] = Json::array(); }, "\"mandate\""},
      {"another user", [](Json& q) { q["mandate"]["user"] = "mailto:b@example.org"; },
       "must not carry"},
      {"another intent", [](Json& q) { q["mandate"]["intent"] = "x"; }, "must not carry"},
      {"another holder", [](Json& q) { q["mandate"]["holder"] = "x"; }, "must not carry"},
      {"a task", [](Json& q) { q["mandate"]["task"] = "x"; }, "must not carry"},
      // Each would be read as a limit, and is none.
      {"a budget for a tool that is not granted",
       [](Json& q) { q["mandate"]["budget"] = {{"tools", {{"read_fi1e", 1}}}}; },
       "\"read_fi1e\", which it does not grant"},
      {"a sum for an argument that is not granted",
       [](Json& q) { q["mandate"]["budget"] = {{"sum", {{"read_file.size", 1}}}}; },
       "\"read_file.size\", which it does not grant"},
      {"a requirement for a tool that is not granted",
       [](Json& q) { q["mandate"]["require"] = {{"List", "approval"}}; },
       "\"List\", which it does not grant"},
      {"an unknown restriction", [](Json& q) { q["mandate"]["color"] = 1; }, "not enforced here"},
  };
  for (const Case& c : cases) {
    Json question = receipt_question();
    c.bend(question);
    const auto ask = read(question);
    ASSERT_FALSE(ask) << c.what;
    EXPECT_THAT(ask.error().sentence, HasSubstr(c.sentence)) << c.what;
  }
  for (const char* body : {"", "[]", "7", "{", R"({"kind":"receipt","kind":"receipt"})"})
    EXPECT_FALSE(read_ask(body, kNow, "jti")) << body;
}

TEST(Ask, MalformedApprovalsAreRefused) {
  const Json good{
      {"kind", "approval"},     {"ticket", "t"},
      {"receipt", "d"},         {"tool", "pay"},
      {"args", Json::object()}, {"approvers", {{"keys", {receipt::sha256_text("k")}}, {"min", 1}}}};
  ASSERT_TRUE(read(good));
  for (const char* member : {"ticket", "receipt", "tool", "args", "approvers"}) {
    Json question = good;
    question.erase(member);
    EXPECT_FALSE(read(question)) << member;
    question[member] = 7;
    EXPECT_FALSE(read(question)) << member;
  }
  for (const char* approvers :
       {"{}", "null", R"({"keys":[],"min":0})", R"({"keys":[],"min":1})",
        R"({"keys":["x"],"min":1})", R"({"keys":["x"],"min":1,"more":1})"}) {
    Json question = good;
    question["approvers"] = Json::parse(approvers);
    EXPECT_FALSE(read(question)) << approvers;
  }
  for (const char* member : {"server", "holder", "user", "intent", "lifetime"}) {
    Json question = good;
    question[member] = 7;
    EXPECT_FALSE(read(question)) << member;
  }
}

TEST(Ask, IsDecidedInTime) {
  Json question = receipt_question();
  EXPECT_EQ(read(question)->decide_until, kNow + 900);
  question["lifetime"] = 60;
  EXPECT_EQ(read(question)->decide_until, kNow + 60);
}

TEST(Duration, InWords) {
  const std::pair<Seconds, const char*> cases[] = {{0, "0 seconds"},
                                                   {1, "1 second"},
                                                   {7200, "2 hours"},
                                                   {5400, "1 hour 30 minutes"},
                                                   {90061, "1 day 1 hour 1 minute 1 second"},
                                                   {59.9, "59 seconds"},
                                                   {-5, "0 seconds"}};
  for (const auto& [seconds, words] : cases) EXPECT_EQ(duration_in_words(seconds), words);
}

}  // namespace
}  // namespace mandated::consent
