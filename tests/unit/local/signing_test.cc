// What the holder key signs for the agent, and all that it does not sign.
#include "proxy/local/signing.h"

#include "tests/unit/local/world.h"

namespace mandated::local {
namespace {

using testing::HasSubstr;
using testing::Not;

class DelegationsTest : public LocalTest {
 protected:
  Json asked() const {
    return {{"holder", kOther},
            {"holder_key", Json::parse(other_.public_key().jwk())},
            {"tools", Json::parse(kReadOnly)},
            {"lifetime", 600}};
  }
  /// With some members changed; null takes one away.
  Json asked(const Json& changes) const {
    Json request = asked();
    request.merge_patch(changes);
    return request;
  }
  std::string code(const Json& changes = Json::object()) {
    const Answered answered = post("/delegations", asked(changes));
    EXPECT_EQ(answered.status, answered.code() == "malformed" ? 400 : 403) << answered.body;
    EXPECT_FALSE(answered.body.contains("chain"));
    return answered.code();
  }
};

TEST_F(DelegationsTest, SignsANarrowerReceiptForAnotherHolder) {
  const auto parent = root();
  hold("a.json", parent);
  const Json path = {{"constraint_type", "path_containment"}, {"root", "/data/q3"}};
  const Answered answered =
      post("/delegations", asked({{"tools", {{"read_file", {{"path", path}}}}},
                                  {"depth", 1},
                                  {"task", "only the third quarter"},
                                  {"mandate", {{"budget", {{"calls", 2}}}}}}));
  ASSERT_EQ(answered.status, 201) << answered.body;
  const auto tokens = answered.body["chain"].get<std::vector<std::string>>();
  ASSERT_EQ(tokens.size(), 2U);
  EXPECT_EQ(tokens[0], parent[0]);
  EXPECT_EQ(answered.body["id"], id_of(tokens));
  EXPECT_EQ(answered.body["receipt"], id_of(parent));
  EXPECT_EQ(answered.body["holder"], kOther);
  EXPECT_EQ(answered.body["tools"], Json({{"read_file", {{"path", path}}}}));
  EXPECT_EQ(answered.body["mandate"], Json({{"budget", {{"calls", 2}}},
                                            {"holder", kOther},
                                            {"task", "only the third quarter"},
                                            {"user", "mailto:alice@test.example"}}));
  EXPECT_EQ(answered.body["seconds_left"], 600);
  EXPECT_EQ(answered.body["depth_left"], 1);

  const receipt::ChainPtr chain = *receipt::verify_chain(views(tokens), anchors_, now());
  EXPECT_EQ(chain->holder_key(), other_.public_key());
  EXPECT_TRUE(receipt::check_presenter(*chain, {kOther, {}}));
  EXPECT_FALSE(receipt::check_presenter(*chain, {kAgent, {}}));
  const json::Document inside = *json::Document::parse(R"({"path":"/data/q3/x"})");
  const json::Document outside = *json::Document::parse(R"({"path":"/data/q4/x"})");
  EXPECT_TRUE(receipt::check_call(*chain, "read_file", inside.root()));
  EXPECT_FALSE(receipt::check_call(*chain, "read_file", outside.root()));
  EXPECT_FALSE(receipt::check_call(*chain, "pay", inside.root()));
  EXPECT_EQ(files(), 1U) << "it is the other's";

  ASSERT_EQ(audit_.records().size(), 1U);
  const audit::Record& record = audit_.records()[0];
  EXPECT_TRUE(record.permit);
  EXPECT_EQ(record.method, "POST /delegations");
  EXPECT_EQ(record.receipt, id_of(tokens));
  EXPECT_EQ(record.chain.size(), 2U);
  EXPECT_EQ(record.user, "mailto:alice@test.example");
}

TEST_F(DelegationsTest, WithoutALifetimeItLastsAsLongAsItsParent) {
  hold("a.json", root(kTools, Json::object(), 3, 1234));
  const Answered answered = post("/delegations", asked({{"lifetime", nullptr}}));
  ASSERT_EQ(answered.status, 201) << answered.body;
  EXPECT_EQ(answered.body["seconds_left"], 1234);
  EXPECT_EQ(answered.body["depth_left"], 0) << "nor is it handed on unless that was asked for";
}

// A parent of the future, within the skew of clocks, is not younger than its child.
TEST_F(DelegationsTest, ClocksMayDifferALittle) {
  hold("a.json", root());
  clock_.jump_wall(-std::chrono::seconds(30));
  EXPECT_EQ(post("/delegations", asked()).status, 201);
}

TEST_F(DelegationsTest, TheNarrowestThatWorksIsUsed) {
  const auto wide = root();
  const auto narrow = root(kReadOnly);
  hold("1.json", wide);
  hold("2.json", narrow);
  hold("3.json", root(kReadOnly, Json::object(), 0));  // may not be handed on
  hold("4.json", root(kReadOnly, Json::object(), 3, 300));
  EXPECT_EQ(post("/delegations", asked()).body["receipt"], id_of(narrow));
  const Json any = {{"pay", {{"amount", {{"constraint_type", "wildcard"}}}}}};
  EXPECT_EQ(post("/delegations", asked({{"tools", any}})).body["receipt"], id_of(wide));
  const Answered named = post("/delegations", asked({{"receipt", id_of(wide)}}));
  EXPECT_EQ(named.body["receipt"], id_of(wide));
}

TEST_F(DelegationsTest, OnlyFromReceiptsThatStand) {
  EXPECT_EQ(code(), "no_receipt");
  const auto theirs = root(kTools, {{"holder", kOther}});
  hold("a.json", theirs);
  EXPECT_EQ(code(), "no_receipt");
  EXPECT_EQ(code({{"receipt", id_of(theirs)}}), "wrong_holder");
  // One that was tampered with has the name of the honest one.
  auto tampered = root();
  hold("c.json", tampered);
  tampered[0].back() = tampered[0].back() == 'A' ? 'Q' : 'A';
  hold("b.json", tampered);
  EXPECT_EQ(post("/delegations", asked({{"receipt", id_of(tampered)}})).status, 201);
  const Answered unknown = post("/delegations", asked({{"receipt", "x"}}));
  EXPECT_EQ(unknown.status, 404);
  EXPECT_EQ(unknown.code(), "no_receipt");
}

// What the verifier would refuse is never signed, and the code is the verifier's.
TEST_F(DelegationsTest, NothingIsWidened) {
  hold("a.json",
       handed_down({{"user", "mailto:alice@test.example"},
                    {"intent", "reports"},
                    {"holders", {"spiffe://test.example/agent/*"}},
                    {"aud", {kTool}},
                    {"budget", {{"calls", 5}}},
                    {"require", {{"read_file", {"approval"}}}},
                    {"approvers", {{"keys", {person_.public_key().thumbprint()}}, {"min", 1}}}},
                   {{"holder", kAgent}, {"budget", {{"calls", 4}}}}));
  EXPECT_EQ(post("/delegations", asked()).status, 201);
  const Json root_path = {{"constraint_type", "path_containment"}, {"root", "/"}};
  const Json any = {{"constraint_type", "wildcard"}, {"root", nullptr}};
  struct Case {
    Json changes;
    const char* code;
  };
  for (const Case& c : {
           Case{{{"tools", {{"read_file", {{"path", root_path}}}}}}, "escalation"},
           {{{"tools", {{"read_file", {{"path", any}}}}}}, "escalation"},
           {{{"tools", {{"pay", Json::object()}}}}, "escalation"},
           {{{"tools", {{"read_file", {{"path", nullptr}}}}}}, "escalation"},
           {{{"tools", {{"read_file", {{"path", {{"constraint_type", "new"}}}}}}}},
            "unknown_constraint"},
           {{{"lifetime", 3601}}, "lifetime"},
           {{{"depth", 4}}, "depth"},
           {{{"holder", "spiffe://test.example/robot/y"}}, "escalation"},
           {{{"holder", "spiffe://elsewhere.example/agent/y"}}, "escalation"},
           {{{"mandate", {{"user", "mailto:mallory@test.example"}}}}, "escalation"},
           {{{"mandate", {{"intent", "everything"}}}}, "escalation"},
           {{{"mandate", {{"holders", {"spiffe://test.example/**"}}}}}, "escalation"},
           {{{"mandate", {{"aud", {kTool, "https://more.example"}}}}}, "escalation"},
           {{{"mandate", {{"budget", {{"calls", 5}}}}}}, "escalation"},
           {{{"mandate", {{"require", {{"read_file", {"reason"}}}}}}}, "escalation"},
           {{{"mandate",
              {{"approvers", {{"keys", {other_.public_key().thumbprint()}}, {"min", 1}}}}}},
            "escalation"},
           {{{"mandate", {{"surprise", 1}}}}, "malformed"},
       }) {
    EXPECT_EQ(code(c.changes), c.code) << c.changes;
  }
  for (std::size_t at = 1; at < audit_.records().size(); ++at) {
    EXPECT_FALSE(audit_.records()[at].permit);
    EXPECT_TRUE(audit_.records()[at].refusal);
    EXPECT_EQ(audit_.records()[at].receipt, "");
  }
}

TEST_F(DelegationsTest, TheRefusalTellsOfTheReceiptThatCameNearest) {
  hold("1.json", root(R"({"list":{}})"));
  hold("2.json", root());
  const Answered answered =
      post("/delegations",
           asked({{"tools",
                   {{"read_file",
                     {{"path", {{"constraint_type", "path_containment"}, {"root", "/"}}}}}}}}));
  EXPECT_EQ(answered.code(), "escalation");
  EXPECT_EQ(answered.body["tool"], "read_file");
  EXPECT_EQ(answered.body["argument"], "path");
  EXPECT_EQ(answered.body["constraint"]["root"], "/");
  EXPECT_EQ(answered.body["hop"], 1);
}

TEST_F(DelegationsTest, MalformedRequests) {
  hold("a.json", root());
  for (const Json& changes : {Json({{"holder", nullptr}}),
                              Json({{"holder", 5}}),
                              Json({{"holder", "agent y"}}),
                              Json({{"holder_key", nullptr}}),
                              Json({{"holder_key", "x"}}),
                              Json({{"holder_key", {{"kty", "oct"}, {"k", "AAAA"}}}}),
                              Json({{"tools", nullptr}}),
                              Json({{"tools", Json::array()}}),
                              Json({{"tools", {{"read_file", 5}}}}),
                              Json({{"lifetime", 0}}),
                              Json({{"lifetime", -5}}),
                              Json({{"lifetime", "1h"}}),
                              Json({{"depth", -1}}),
                              Json({{"depth", 0.5}}),
                              Json({{"depth", 17}}),
                              Json({{"depth", "1"}}),
                              Json({{"receipt", 5}}),
                              Json({{"task", 5}}),
                              Json({{"mandate", "x"}}),
                              Json({{"mandate", {{"holder", kAgent}}}}),
                              Json({{"mandate", {{"task", "x"}}}}),
                              Json({{"chain", Json::array()}})}) {
    EXPECT_EQ(code(changes), "malformed") << changes;
  }
}

TEST_F(DelegationsTest, APrivateKeyIsRefusedAndNotRepeated) {
  hold("a.json", root());
  const Json key = Json::parse(other_.jwk());
  const Answered answered = post("/delegations", asked({{"holder_key", key}}));
  EXPECT_EQ(answered.code(), "malformed");
  EXPECT_THAT(answered.body.dump(), Not(HasSubstr(key["d"].get<std::string>())));
}

TEST_F(DelegationsTest, WhatCannotBeRecordedIsNotHandedOut) {
  hold("a.json", root());
  audit_.failing = true;
  const Answered answered = post("/delegations", asked());
  EXPECT_EQ(answered.status, 503);
  EXPECT_EQ(answered.code(), "storage");
  EXPECT_FALSE(answered.body.contains("chain"));
  EXPECT_EQ(code({{"depth", 9}}), "depth") << "a refusal is one either way";
}

class AttachmentsTest : public LocalTest {
 protected:
  static Json asked(const Json& changes = Json::object()) {
    Json request = {{"tool", "read_file"}, {"args", {{"path", "/data/a"}}}, {"aud", kTool}};
    request.merge_patch(changes);
    return request;
  }
  std::string code(const Json& changes = Json::object()) {
    const Answered answered = post("/attachments", asked(changes));
    EXPECT_EQ(answered.status, answered.code() == "malformed" ? 400 : 403) << answered.body;
    EXPECT_FALSE(answered.body.contains("proof"));
    return answered.code();
  }
};

TEST_F(AttachmentsTest, GivesTheReceiptAndAProofForThisCall) {
  const auto tokens = root();
  hold("a.json", tokens);
  const Answered answered = post("/attachments", asked());
  ASSERT_EQ(answered.status, 201) << answered.body;
  EXPECT_EQ(answered.body["receipt"], id_of(tokens));
  EXPECT_EQ(answered.body["chain"], tokens);
  const std::string proof = answered.body["proof"];
  const receipt::ChainPtr chain = *receipt::verify_chain(views(tokens), anchors_, now());
  const json::Document args = *json::Document::parse(R"({"path":"/data/a"})");
  const json::Document other = *json::Document::parse(R"({"path":"/data/b"})");
  const std::vector<std::string> here = {kTool};
  const std::vector<std::string> elsewhere = {kOther};
  const auto check = [&](const json::Document& arguments, const std::vector<std::string>& at) {
    return receipt::verify_proof(*chain, proof, "read_file", arguments.root(), at, now())
        .has_value();
  };
  EXPECT_TRUE(check(args, here));
  EXPECT_FALSE(check(other, here));
  EXPECT_FALSE(check(args, elsewhere));
  EXPECT_NE(post("/attachments", asked()).body["proof"], proof) << "each is good once";

  const audit::Record& record = audit_.records()[0];
  EXPECT_TRUE(record.permit);
  EXPECT_EQ(record.method, "POST /attachments");
  EXPECT_EQ(record.tool, "read_file");
  EXPECT_EQ(record.arguments_hash, audit::arguments_hash(args.root()));
  EXPECT_EQ(record.receipt, id_of(tokens));
}

TEST_F(AttachmentsTest, ACallWithoutArgumentsHasNone) {
  hold("a.json", root(R"({"list":{}})"));
  const Answered answered = post("/attachments", asked({{"tool", "list"}, {"args", nullptr}}));
  ASSERT_EQ(answered.status, 201) << answered.body;
  const auto tokens = answered.body["chain"].get<std::vector<std::string>>();
  const receipt::ChainPtr chain = *receipt::verify_chain(views(tokens), anchors_, now());
  const json::Document none = *json::Document::parse("{}");
  EXPECT_TRUE(receipt::verify_proof(*chain, answered.body["proof"].get<std::string>(), "list",
                                    none.root(), {}, now()));
}

TEST_F(AttachmentsTest, TheNarrowestThatPermitsTheCallIsUsed) {
  const auto wide = root();
  const auto narrow = root(kReadOnly);
  hold("1.json", wide);
  hold("2.json", narrow);
  hold("3.json", root(R"({"read_file":{"path":{"constraint_type":"exact","value":"/x"}}})"));
  hold("4.json", root(kReadOnly, {{"aud", {"https://elsewhere.example"}}}, 3, 60));
  EXPECT_EQ(post("/attachments", asked()).body["receipt"], id_of(narrow));
  EXPECT_EQ(post("/attachments", asked({{"receipt", id_of(wide)}})).body["receipt"], id_of(wide));
}

TEST_F(AttachmentsTest, WhatIsNotGrantedIsNotProven) {
  EXPECT_EQ(code(), "no_receipt");
  hold("a.json", root(kTools, {{"aud", {kTool}}}));
  EXPECT_EQ(code({{"tool", "delete_file"}}), "tool_not_granted");
  EXPECT_EQ(code({{"args", {{"path", "/data/../etc"}}}}), "argument_denied");
  EXPECT_EQ(code({{"args", {{"head", 3}}}}), "argument_unexpected");
  EXPECT_EQ(code({{"args", nullptr}}), "argument_missing");
  EXPECT_EQ(code({{"aud", kOther}}), "wrong_audience");
  EXPECT_EQ(code({{"aud", nullptr}}), "malformed");
  EXPECT_EQ(code({{"aud", ""}}), "malformed");
  EXPECT_EQ(code({{"tool", nullptr}}), "malformed");
  EXPECT_EQ(code({{"args", "x"}}), "malformed");
  EXPECT_EQ(code({{"more", 1}}), "malformed");
  EXPECT_EQ(post("/attachments", asked({{"receipt", "none"}})).status, 404);
  EXPECT_EQ(audit_.records()[1].refusal->code, "tool_not_granted");
  EXPECT_EQ(audit_.records()[2].refusal->argument, "path");
  EXPECT_EQ(audit_.records()[2].refusal->hop, 0);
}

// Who acts on the call counts, and asks for approvals.
TEST_F(AttachmentsTest, BudgetsAndConditionsAreTheFarSides) {
  const auto tokens =
      root(kTools, {{"budget", {{"calls", 0}}},
                    {"require", {{"read_file", {"approval"}}}},
                    {"approvers", {{"keys", {person_.public_key().thumbprint()}}, {"min", 1}}}});
  hold("a.json", tokens);
  EXPECT_EQ(post("/attachments", asked()).status, 201);
  EXPECT_EQ(ledger_.reads, 0);
}

TEST_F(AttachmentsTest, WhatCannotBeRecordedIsNotHandedOut) {
  hold("a.json", root());
  audit_.failing = true;
  const Answered answered = post("/attachments", asked());
  EXPECT_EQ(answered.status, 503);
  EXPECT_FALSE(answered.body.contains("proof"));
}

}  // namespace
}  // namespace mandated::local
