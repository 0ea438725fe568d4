// Receipts told to a person: what is unusual, long or broken is said too, never left out.
#include "filters/receipt/words.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/receipt/forge.h"

namespace mandated::receipt {
namespace {

using forge::Chain;
using forge::Json;
using testing::HasSubstr;
using testing::Not;

std::string told(const Json& claims) {
  return receipt_in_words(forge::parse(claims.dump()).root());
}

/// An honest root's claims with this mandate.
std::string told_with(const char* mandate) {
  Json claims = Chain(1).payload(0);
  claims["mandate"] = Json::parse(mandate);
  return told(claims);
}

std::string constraint(const Json& source) {
  return constraint_in_words(forge::parse(source.dump()).root());
}

struct WordsCase {
  const char* source;
  const char* words;
};

TEST(MandateWords, TellEveryMember) {
  const WordsCase cases[] = {
      {R"({"user":"mailto:jane@example.org"})", "  on behalf of \"mailto:jane@example.org\"\n"},
      {R"({"intent":"Pay"})", "  in order to: \"Pay\"\n"},
      {R"({"task":"Look"})", "  this hop's task: \"Look\"\n"},
      {R"({"holder":"spiffe://td/a"})", "  to be presented by \"spiffe://td/a\"\n"},
      {R"({"holders":["spiffe://td/a","spiffe://td/b"]})",
       "  to be passed on only to \"spiffe://td/a\" or \"spiffe://td/b\"\n"},
      {R"({"holders":[]})", "  to be passed on only to (nothing)\n"},
      {R"({"aud":["https://a"]})", "  for use at \"https://a\"\n"},
      {R"({"nbf":1780000000})", "  not before 2026-05-28T20:26:40Z\n"},
      {R"({"nbf":"soon"})", "  not before (unreadable)\n"},
      {R"({"instance":{"unix:uid":"7"}})", "  only by the instance whose \"unix:uid\" is \"7\"\n"},
      {R"({"budget":{"calls":5}})", "  for at most 5 calls in all\n"},
      {R"({"budget":{"tools":{"pay":2}}})", "  for \"pay\" at most 2 calls\n"},
      {R"({"budget":{"sum":{"pay.amount":9.5}}})",
       "  with \"pay.amount\" adding up to at most 9.5\n"},
      {R"({"require":{"pay":"approval"}})", "  before \"pay\" wanting first \"approval\"\n"},
      {R"({"require":{"pay":["reason","clean"]}})",
       "  before \"pay\" wanting first \"reason\" and \"clean\"\n"},
      {R"({"approvers":{"keys":["k1","k2"],"min":2}})",
       "  approved by 2 of the keys \"k1\" and \"k2\"\n"},
      {R"({"approvers":{"min":2}})", "  approved by 2 of the keys (unreadable)\n"},
      {R"({"status":{"idx":7,"uri":"https://x"}})",
       "  unless revoked in {\"idx\":7,\"uri\":\"https://x\"}\n"},
  };
  for (const auto& [mandate, words] : cases) EXPECT_THAT(told_with(mandate), HasSubstr(words));
  const std::string none = told_with("{}");
  for (const char* words : {"calls", "wanting", "approved", "instance", "revoked"})
    EXPECT_THAT(none, Not(HasSubstr(words)));
  EXPECT_EQ(told_with(R"({"budget":7,"approvers":[],"require":"x"})"), none);
}

TEST(ReceiptWords, TellWhatIsGranted) {
  Json claims = Chain(1).payload(0);
  EXPECT_THAT(told(claims), HasSubstr("  may be passed on 3 more times\n  grants\n"));
  EXPECT_THAT(told(claims), HasSubstr("  - \"list_directory\" with any arguments\n"));
  EXPECT_THAT(told(claims), HasSubstr("  - \"read_file\" with exactly these arguments:\n"
                                      "      \"path\": one of "));
  Json& details = claims["authorization_details"];
  details[0]["tools"] = {{"t", 7}};
  details.push_back({{"type", "payment"}, {"tools", {{"other", Json::object()}}}});
  details.push_back({{"type", "attenuating_agent_token"}});
  EXPECT_THAT(told(claims), HasSubstr("  grants\n  - \"t\" (unreadable)\n"));
  EXPECT_THAT(told(claims), Not(HasSubstr("other")));
  for (const Json& broken : {Json::array(), Json("x"), Json(nullptr)}) {
    claims["authorization_details"] = broken;
    EXPECT_THAT(told(claims), HasSubstr("  grants\n  - nothing\n"));
  }
}

TEST(ReceiptWords, TellWhatIsBroken) {
  EXPECT_EQ(told(Json::object()),
            "  issued by \"(unreadable)\" at (unreadable)\n"
            "  expires at (unreadable)\n"
            "  grants\n"
            "  - nothing\n");
  Json claims = Chain(1).payload(0);
  claims["exp"] = "tomorrow";
  claims["del_max_depth"] = 0;
  claims["cnf"] = 7;
  const std::string words = told(claims);
  EXPECT_THAT(words, HasSubstr("  expires at (unreadable)\n"));
  EXPECT_THAT(words, HasSubstr("  may not be passed on\n"));
  EXPECT_THAT(words, Not(HasSubstr("holder's key")));
}

TEST(ConstraintWords, TellBoundsAsTheyHold) {
  const WordsCase cases[] = {
      {R"({"constraint_type":"range"})", "a number"},
      {R"({"constraint_type":"range","min":1,"min_inclusive":false})", "a number above 1"},
      {R"({"constraint_type":"range","max":2,"max_inclusive":true})", "a number up to 2"},
      {R"({"constraint_type":"all","constraints":[{"constraint_type":"range","min":1},{"constraint_type":"wildcard"}]})",
       "all of: (a number from 1) and (anything)"},
      {R"({"constraint_type":"all","constraints":[]})", "all of: (no condition)"},
      {R"({"constraint_type":"any"})", "any of: (unreadable)"},
      {R"({"constraint_type":"any","constraints":7})", "any of: (unreadable)"},
      {R"({"constraint_type":"one_of"})", "one of (unreadable)"},
      {R"({"constraint_type":"one_of","values":"a"})", "one of (unreadable)"},
      {R"({"constraint_type":"length"})",
       "a text of at most (unreadable) characters, or a list of at most (unreadable) values"},
  };
  for (const auto& [source, words] : cases)
    EXPECT_EQ(constraint_in_words(forge::parse(source).root()), words);
}

// Nobody can push what matters out of sight by writing more.
TEST(ConstraintWords, AreCutToWhatAPersonReads) {
  Json values = Json::array();
  Json clauses = Json::array();
  for (int at = 0; at < 1000; ++at) {
    values.push_back(at);
    clauses.push_back({{"constraint_type", "exact"}, {"value", at}});
  }
  EXPECT_THAT(constraint({{"constraint_type", "one_of"}, {"values", values}}),
              HasSubstr("18, 19 and 980 more"));
  EXPECT_THAT(constraint({{"constraint_type", "any"}, {"constraints", clauses}}),
              HasSubstr("(exactly 18), (exactly 19) or 980 more"));
  EXPECT_EQ(constraint({{"constraint_type", "exact"}, {"value", values}}), "exactly a long value");
  Json nested{{"constraint_type", "wildcard"}};
  for (int level = 0; level < 6; ++level)
    nested = Json{{"constraint_type", "all"}, {"constraints", Json::array({nested})}};
  EXPECT_EQ(constraint(nested),
            "all of: (all of: (all of: (all of: (all of: (a deeper condition)))))");
}

}  // namespace
}  // namespace mandated::receipt
