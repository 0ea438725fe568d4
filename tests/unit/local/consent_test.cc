// Asking a person by way of the consent service, which may answer anything.
#include "proxy/local/consent.h"

#include "tests/unit/local/world.h"

namespace mandated::local {
namespace {

using testing::ElementsAre;

class ConsentTest : public LocalTest {
 protected:
  static Json asked() {
    return {{"user", "mailto:alice@test.example"},
            {"tools", Json::parse(kReadOnly)},
            {"lifetime", 3600},
            {"depth", 1},
            {"intent", "read the reports"},
            {"mandate", {{"budget", {{"calls", 3}}}}}};
  }
  std::vector<std::string> urls() const {
    std::vector<std::string> all;
    for (const fetch::Request& request : fetcher_.asked) all.push_back(request.url);
    return all;
  }
  std::string outcome(const Answered& answered) {
    return std::to_string(answered.status) + " " +
           (answered.status < 300 ? answered.body.value("status", "") : answered.code());
  }
};

TEST_F(ConsentTest, AsksForUsAndNobodyElse) {
  fetcher_.answer(201, R"({"id":"r1","url":"https://sign.example/requests/r1/page","expires":5,
                           "more":"is ignored"})");
  const Answered answered = post("/requests", asked());
  EXPECT_EQ(answered.status, 201);
  EXPECT_EQ(answered.body,
            Json({{"id", "r1"}, {"url", "https://sign.example/requests/r1/page"}, {"expires", 5}}));
  ASSERT_EQ(fetcher_.asked.size(), 1U);
  const fetch::Request& request = fetcher_.asked[0];
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.url, "https://consent.example/requests");
  EXPECT_EQ(request.content_type, "application/json");
  Json expected = asked();
  expected["kind"] = "receipt";
  expected["holder"] = kAgent;
  expected["holder_key"] = Json::parse(key_.public_key().jwk());
  EXPECT_EQ(Json::parse(request.body), expected);
  for (const char* name : {"kind", "holder", "holder_key", "ticket"}) {
    Json more = asked();
    more[name] = kOther;
    EXPECT_EQ(outcome(post("/requests", more)), "400 malformed") << name;
  }
  EXPECT_EQ(fetcher_.asked.size(), 1U);
}

TEST_F(ConsentTest, WhatTheServiceDeclinesIsToldInItsWords) {
  fetcher_.answer(400, R"({"status":400,"detail":"The lifetime is too long."})");
  const Answered answered = post("/requests", asked());
  EXPECT_EQ(outcome(answered), "400 consent_declined");
  EXPECT_EQ(answered.body["detail"], "The lifetime is too long.");
  fetcher_.answers.clear();
  fetcher_.answer(404, "no JSON");
  EXPECT_EQ(outcome(get("/requests/r1")), "404 consent_declined");
}

TEST_F(ConsentTest, AServiceThatMakesNoSenseIsNotBelieved) {
  const std::string good = R"({"id":"r1","url":"https://sign.example/","expires":5})";
  const auto answered = [&](int status, const std::string& body) {
    fetcher_.answers.clear();
    fetcher_.answer(status, body);
    return outcome(post("/requests", asked()));
  };
  EXPECT_EQ(answered(201, good), "201 ");
  EXPECT_EQ(answered(500, good), "502 consent_unavailable");
  EXPECT_EQ(answered(204, ""), "502 consent_unavailable");
  for (const char* body :
       {"", "[]", "{}", R"({"id":"a/../b","url":"https://x/","expires":5})",
        R"({"id":"","url":"https://x/","expires":5})", R"({"id":"r1","expires":5})",
        R"({"id":"r1","url":"javascript:x","expires":5})",
        R"({"id":"r1","url":"http://sign.example/","expires":5})",
        R"({"id":"r1","url":"http://localhost.evil/","expires":5})",
        R"({"id":"r1","url":"https://x/","expires":"soon"})",
        R"({"id":"r1","id":"r2","url":"https://x/","expires":5})"}) {
    EXPECT_EQ(answered(201, body), "502 consent_unavailable") << body;
  }
  fetcher_.failing = true;
  EXPECT_EQ(answered(201, good), "502 consent_unavailable");
}

TEST_F(ConsentTest, WithoutAServiceNobodyIsAsked) {
  make_consent("");
  EXPECT_EQ(outcome(post("/requests", asked())), "501 no_consent_service");
  EXPECT_EQ(outcome(get("/requests/r1")), "501 no_consent_service");
  EXPECT_TRUE(fetcher_.asked.empty());
}

TEST_F(ConsentTest, WaitsInPieces) {
  fetcher_.answer(200, R"({"status":"pending"})");
  EXPECT_EQ(outcome(get("/requests/r1")), "200 pending");
  EXPECT_EQ(outcome(get("/requests/r1?wait=5")), "200 pending");
  const std::string base = "https://consent.example/requests/r1?wait=";
  EXPECT_THAT(urls(), ElementsAre(base + "0", base + "2", base + "2", base + "1"));
  fetcher_.asked.clear();
  fetcher_.on_fetch = [this] { gate_.drain(); };
  EXPECT_EQ(outcome(get("/requests/r1?wait=30")), "200 pending");
  EXPECT_EQ(fetcher_.asked.size(), 1U) << "a drain is not kept waiting";
}

TEST_F(ConsentTest, WhatWasSignedGoesIntoTheWallet) {
  const auto tokens = root();
  fetcher_.answer(200, R"({"status":"pending"})");
  fetcher_.answer(200, Json({{"status", "signed"}, {"chain", tokens}}).dump());
  const Answered answered = get("/requests/r1?wait=30");
  EXPECT_EQ(outcome(answered), "200 signed");
  EXPECT_EQ(fetcher_.asked.size(), 2U);
  EXPECT_EQ(answered.body["receipt"]["id"], id_of(tokens));
  EXPECT_EQ(answered.body["receipt"]["tools"], Json::parse(kTools));
  EXPECT_EQ(get("/receipts").body["receipts"][0]["id"], id_of(tokens));
  EXPECT_EQ(outcome(get("/requests/r1?wait=30")), "200 signed") << "asking again is harmless";
  EXPECT_EQ(files(), 1U);
}

TEST_F(ConsentTest, WhatWasSignedForAnotherOrByAStrangerDoesNot) {
  const auto answered = [&](const Json& chain) {
    fetcher_.answers.clear();
    fetcher_.answer(200, Json({{"status", "signed"}, {"chain", chain}}).dump());
    return outcome(get("/requests/r1"));
  };
  EXPECT_EQ(answered(root(kTools, {{"holder", kOther}})), "403 wrong_holder");
  EXPECT_EQ(answered({5}), "400 malformed");
  person_ = receipt::PrivateKey::generate(receipt::KeyType::kEd25519);
  EXPECT_EQ(answered(root()), "403 untrusted_root");
  EXPECT_EQ(files(), 0U);
}

TEST_F(ConsentTest, OtherEnds) {
  for (const char* status : {"refused", "expired", "signed"}) {
    fetcher_.answers.clear();
    fetcher_.answer(200, Json({{"status", status}}).dump());
    const Answered answered = get("/requests/r1?wait=30");
    EXPECT_EQ(answered.status, 200);
    EXPECT_EQ(answered.body, Json({{"status", status}}));
  }
  fetcher_.answers.clear();
  fetcher_.answer(200, R"({"status":"perhaps"})");
  EXPECT_EQ(outcome(get("/requests/r1?wait=30")), "502 consent_unavailable");
}

TEST_F(ConsentTest, IdsAndWaitsAreReadStrictly) {
  fetcher_.answer(200, R"({"status":"pending"})");
  for (const char* target :
       {"/requests/", "/requests/a%2Fb", "/requests/a/b", "/requests/..", "/requests/a.b"}) {
    EXPECT_EQ(outcome(get(target)), "404 not_found") << target;
  }
  EXPECT_EQ(outcome(get("/requests/" + std::string(129, 'a'))), "404 not_found");
  for (const char* query : {"?", "?wait", "?wait=", "?wait=-1", "?wait=31", "?wait=1x", "?wait=1.5",
                            "?wait=+1", "?wait=1&wait=2", "?x=1", "?wait=99999999999999999999"}) {
    EXPECT_EQ(outcome(get(std::string("/requests/r1") + query)), "400 malformed") << query;
  }
  EXPECT_TRUE(fetcher_.asked.empty());
}

}  // namespace
}  // namespace mandated::local
