// The service as agents and browsers meet it: each path, each answer, and what no answer is
// without.
#include "proxy/consent/handler.h"

#include "proxy/consent/page.h"
#include "tests/unit/consent/fixture.h"

namespace mandated::consent {
namespace {

using test::FakeStream;
using test::Json;
using test::kAlice;
using test::kBob;
using test::Person;
using test::receipt_question;
using testing::HasSubstr;
using testing::Not;

class HandlerTest : public test::ServiceTest {
 protected:
  HandlerTest() { admit(alice_, kAlice, "alice"); }

  Json approval_question(const std::vector<const Person*>& people, int min) const {
    Json keys = Json::array();
    for (const Person* person : people)
      keys.push_back(person->authenticator.key.public_key().thumbprint());
    return {{"kind", "approval"},      {"ticket", "t-1"},
            {"receipt", "digest"},     {"tool", "pay"},
            {"args", {{"amount", 5}}}, {"approvers", {{"keys", keys}, {"min", min}}}};
  }

  Person alice_{40};
  Person bob_{41, receipt::KeyType::kEd25519};
};

TEST_F(HandlerTest, AReceiptIsAskedForAndSigned) {
  const auto asked = call("POST", "/requests", receipt_question().dump());
  ASSERT_EQ(asked->response.status, 201) << asked->sent;
  const std::string id = asked->json()["id"];
  EXPECT_EQ(asked->json()["url"], std::string(test::kOrigin) + "/requests/" + id + "/page");
  EXPECT_EQ(asked->json()["expires"], std::floor(now()) + 900);
  EXPECT_EQ(status(id), "pending");
  const auto done = sign(id, alice_);
  EXPECT_EQ(done->response.status, 200) << done->sent;
  const Json outcome = call("GET", "/requests/" + id)->json();
  EXPECT_EQ(outcome["status"], "signed");
  ASSERT_EQ(outcome["chain"].size(), 1U);
  const std::string token = outcome["chain"][0];
  const std::string_view chain[] = {token};
  const auto verified = receipt::verify_chain(
      chain, receipt::AnchorSet({registry_.passkeys()->front().anchor}), now());
  ASSERT_TRUE(verified) << verified.error().sentence;
  EXPECT_EQ((*verified)->mandate(0).user, kAlice);
  EXPECT_EQ((*verified)->mandate(0).holder, "spiffe://acme.example/agent/x");
  EXPECT_EQ((*verified)->mandate(0).intent, "read the reports");
  EXPECT_EQ((*verified)->tools(), (std::vector<std::string_view>{"list", "read_file"}));
  EXPECT_EQ((*verified)->holder_key(), receipt::forge::key(1).public_key());
}

TEST_F(HandlerTest, WhatIsShownIsComputedFromWhatIsSigned) {
  const std::string id = ask();
  const Json content = call("GET", "/requests/" + id + "/content")->json();
  EXPECT_EQ(content["kind"], "receipt");
  EXPECT_EQ(content["rp_id"], "receipts.example.org");
  ASSERT_EQ(content["passkeys"].size(), 1U);
  const Json& passkey = content["passkeys"][0];
  EXPECT_EQ(passkey["name"], "alice");
  EXPECT_EQ(passkey["credential_id"], alice_.credential_id());
  EXPECT_EQ(passkey["telling"],
            Json::parse(to_json(*tell_receipt(passkey["input"].get<std::string>()))));
}

TEST_F(HandlerTest, ASignatureThatDoesNotCountChangesNothing) {
  admit(bob_, kBob, "bob");
  const std::string id = ask();
  const std::string other = ask();
  const std::string right = challenge(id, alice_);
  struct Case {
    const char* what;
    Json body;
    int status;
  };
  const auto bent = [&](const std::function<void(test::forge::Ceremony&)>& bend) {
    return alice_.answer(right, bend);
  };
  Json unnamed = alice_.answer(right);
  unnamed.erase("credential_id");
  const Case cases[] = {
      {"for another request", alice_.answer(challenge(other, alice_)), 403},
      {"by another person", bob_.answer(right), 403},
      {"by another key",
       bent([&](auto& c) { c.signer = receipt::forge::key(9, receipt::KeyType::kP256); }), 403},
      {"without verification", bent([](auto& c) {
         c.authenticator_data = test::forge::authenticator_data("receipts.example.org", 0x01);
       }),
       403},
      {"on another page", bent([&](auto& c) {
         c.client_data = test::forge::client_data(right, "https://evil.example");
       }),
       403},
      {"with no credential", unnamed, 403},
      {"nothing", Json::object(), 403},
      {"a list", Json::array(), 400},
      {"too much", {{"credential_id", std::string(20000, 'A')}}, 413},
  };
  for (const Case& c : cases) {
    const auto answer = call("POST", "/requests/" + id + "/signature", c.body.dump());
    EXPECT_EQ(answer->response.status, c.status) << c.what << answer->sent;
    EXPECT_EQ(status(id), "pending") << c.what;
  }
  EXPECT_EQ(sign(id, alice_)->response.status, 200);
  const auto again = call("POST", "/requests/" + id + "/signature", alice_.answer(right).dump());
  EXPECT_EQ(again->response.status, 409);
}

TEST_F(HandlerTest, APasskeyThatWasRemovedSignsNothing) {
  const std::string id = ask();
  const std::string body = alice_.answer(challenge(id, alice_)).dump();
  ASSERT_TRUE(registry_.remove("alice"));
  EXPECT_EQ(call("POST", "/requests/" + id + "/signature", body)->response.status, 403);
  EXPECT_TRUE(call("GET", "/requests/" + id + "/content")->json()["passkeys"].empty());
}

TEST_F(HandlerTest, RefusedAndExpired) {
  const std::string refused = ask();
  EXPECT_EQ(call("POST", "/requests/" + refused + "/refusal", "{}")->response.status, 200);
  EXPECT_EQ(status(refused), "refused");
  EXPECT_EQ(call("POST", "/requests/" + refused + "/refusal", "{}")->response.status, 409);
  EXPECT_EQ(call("GET", "/requests/" + refused + "/content")->json(),
            Json({{"status", "refused"}}));
  const std::string expired = ask();
  const std::string body = alice_.answer(challenge(expired, alice_)).dump();
  clock_.advance(std::chrono::seconds(901));
  EXPECT_EQ(status(expired), "expired");
  EXPECT_EQ(call("POST", "/requests/" + expired + "/signature", body)->response.status, 409);
  EXPECT_EQ(status(expired), "expired");
}

TEST_F(HandlerTest, ApprovalsAreCollected) {
  admit(bob_, kBob, "bob");
  const std::string id = ask(approval_question({&alice_, &bob_}, 2));
  EXPECT_EQ(sign(id, bob_)->response.status, 200);
  EXPECT_EQ(status(id), "pending");
  const Json content = call("GET", "/requests/" + id + "/content")->json();
  EXPECT_EQ(content["signed"], 1);
  EXPECT_EQ(content["needed"], 2);
  ASSERT_EQ(content["passkeys"].size(), 1U) << "who has signed is not asked again";
  EXPECT_EQ(content["passkeys"][0]["name"], "alice");
  EXPECT_EQ(sign(id, alice_)->response.status, 200);
  const Json outcome = call("GET", "/requests/" + id)->json();
  EXPECT_EQ(outcome["status"], "signed");
  std::vector<std::string> tokens = outcome["approvals"];
  const std::vector<std::string_view> approvals(tokens.begin(), tokens.end());
  const receipt::AskedCall call{
      .ticket = "t-1", .receipt = "digest", .tool = "pay", .arguments = R"({"amount":5})"};
  std::vector<receipt::Anchor> anchors;
  receipt::Approvers approvers{{}, 2};
  const std::vector<Registry::Passkey> passkeys = registry_.passkeys().value();
  for (const Registry::Passkey& passkey : passkeys) {
    anchors.push_back(passkey.anchor);
    approvers.keys.insert(passkey.anchor.key.thumbprint());
  }
  const auto checked =
      receipt::check_approvals(approvals, call, approvers, receipt::AnchorSet(anchors), now());
  EXPECT_TRUE(checked) << checked.error().sentence;
}

TEST_F(HandlerTest, OnlyApproversApprove) {
  admit(bob_, kBob, "bob");
  const std::string id = ask(approval_question({&alice_}, 1));
  const std::string right = challenge(id, alice_);
  const auto wrong = call("POST", "/requests/" + id + "/signature", bob_.answer(right).dump());
  EXPECT_EQ(wrong->response.status, 403);
  EXPECT_EQ(status(id), "pending");
}

TEST_F(HandlerTest, NobodyIsAskedInVain) {
  Json question = receipt_question();
  question["user"] = kBob;
  const auto refused = call("POST", "/requests", question.dump());
  EXPECT_EQ(refused->response.status, 409);
  EXPECT_THAT(refused->json()["detail"].get<std::string>(), HasSubstr("consent invite"));
  EXPECT_EQ(
      call("POST", "/requests", approval_question({&alice_, &bob_}, 2).dump())->response.status,
      409);
  EXPECT_EQ(store_.size(), 0U);
}

TEST_F(HandlerTest, WaitingEndsWithTheRequest) {
  const std::string id = ask();
  auto waiting = stream("GET", "/requests/" + id + "?wait=30");
  start(*waiting);
  clock_.advance(std::chrono::seconds(20));
  EXPECT_FALSE(waiting->ended);
  EXPECT_EQ(sign(id, alice_)->response.status, 200);
  clock_.run_ready();
  ASSERT_TRUE(waiting->ended);
  EXPECT_EQ(waiting->json()["status"], "signed");
  EXPECT_EQ(waiting->gone, nullptr);
}

TEST_F(HandlerTest, WaitingEndsInTime) {
  const std::string id = ask();
  auto waiting = stream("GET", "/requests/" + id + "?wait=5");
  start(*waiting);
  clock_.advance(std::chrono::milliseconds(4999));
  EXPECT_FALSE(waiting->ended);
  clock_.advance(std::chrono::milliseconds(1));
  ASSERT_TRUE(waiting->ended);
  EXPECT_EQ(waiting->json(), Json({{"status", "pending"}}));
  EXPECT_EQ(clock_.timers(), 0U);
}

TEST_F(HandlerTest, WaitingSeesTheRequestExpire) {
  Json question = receipt_question();
  question["lifetime"] = 3;
  const std::string id = ask(question);
  auto waiting = stream("GET", "/requests/" + id + "?wait=30");
  start(*waiting);
  clock_.advance(std::chrono::seconds(3));
  ASSERT_TRUE(waiting->ended);
  EXPECT_EQ(waiting->json(), Json({{"status", "expired"}}));
}

TEST_F(HandlerTest, WaitingEndsWhenTheAgentGoesOrTheServiceDoes) {
  const std::string id = ask();
  auto one = stream("GET", "/requests/" + id + "?wait=30");
  auto two = stream("GET", "/requests/" + id + "?wait=30");
  start(*one);
  start(*two);
  ASSERT_NE(one->gone, nullptr);
  one->gone();
  clock_.run_ready();
  EXPECT_TRUE(one->ended);
  EXPECT_FALSE(two->ended);
  drain_.drain();
  clock_.run_ready();
  ASSERT_TRUE(two->ended);
  EXPECT_EQ(two->json(), Json({{"status", "pending"}}));
}

TEST_F(HandlerTest, WaitersAreBounded) {
  const std::string id = ask();
  auto one = stream("GET", "/requests/" + id + "?wait=30");
  auto two = stream("GET", "/requests/" + id + "?wait=30");
  start(*one);
  start(*two);
  const auto third = call("GET", "/requests/" + id + "?wait=30");
  EXPECT_EQ(third->response.status, 503);
  EXPECT_EQ(third->response.fields.single("retry-after"), "2");
  EXPECT_EQ(status(id), "pending") << "asking without waiting goes on";
  drain_.drain();
  clock_.run_ready();
  EXPECT_TRUE(one->ended && two->ended);
}

TEST_F(HandlerTest, TheQueryIsStrict) {
  const std::string id = ask();
  for (const char* query :
       {"wait=31", "wait=-1", "wait=", "wait=1s", "wait=1&wait=2", "wait=0x1", "a=b", "wait"})
    EXPECT_EQ(call("GET", "/requests/" + id + "?" + query)->response.status, 400) << query;
  EXPECT_EQ(call("GET", "/requests/" + id + "?wait=0")->response.status, 200);
}

TEST_F(HandlerTest, RequestsAreBounded) {
  for (int at = 0; at < 8; ++at) ask();
  const auto more = call("POST", "/requests", receipt_question().dump());
  EXPECT_EQ(more->response.status, 503);
  clock_.advance(std::chrono::minutes(26));
  ask();
  const auto long_body = call("POST", "/requests", std::string(kAskBytesMax + 1, ' '));
  EXPECT_EQ(long_body->response.status, 413);
}

TEST_F(HandlerTest, APasskeyIsRegistered) {
  const std::string code = registry_.invite(std::string(kBob), "bob", rng_, now()).value();
  const auto begun = call("POST", "/registrations", Json{{"code", code}}.dump());
  ASSERT_EQ(begun->response.status, 201) << begun->sent;
  EXPECT_EQ(begun->json()["user"], kBob);
  EXPECT_EQ(begun->json()["exclude"], Json::array()) << "another person's passkeys are not told";
  Json body = bob_.answer(begun->json()["challenge"].get<std::string>());
  body["public_key"] = receipt::encode_base64url(test::spki(bob_.authenticator.key.public_key()));
  const std::string path = "/registrations/" + begun->json()["id"].get<std::string>();
  const auto kept = call("POST", path, body.dump());
  ASSERT_EQ(kept->response.status, 201) << kept->sent;
  EXPECT_EQ(kept->json()["name"], "bob");
  EXPECT_EQ(call("POST", path, body.dump())->response.status, 404);
  EXPECT_EQ(call("POST", "/registrations", Json{{"code", code}}.dump())->response.status, 403);
  EXPECT_EQ(call("POST", "/registrations", "{}")->response.status, 403);
  const std::string more = registry_.invite(std::string(kBob), "", rng_, now()).value();
  const auto second = call("POST", "/registrations", Json{{"code", more}}.dump());
  EXPECT_EQ(second->json()["exclude"], Json({bob_.credential_id()}));
}

TEST_F(HandlerTest, EveryAnswerIsGuarded) {
  const std::string id = ask();
  const std::pair<const char*, std::string> targets[] = {{"GET", "/"},
                                                         {"GET", "/register"},
                                                         {"GET", "/assets/sign.js"},
                                                         {"GET", "/assets/none"},
                                                         {"GET", "/requests/" + id},
                                                         {"GET", "/requests/" + id + "/page"},
                                                         {"GET", "/requests/" + id + "/content"},
                                                         {"GET", "/requests/0"},
                                                         {"POST", "/requests"},
                                                         {"POST", "/requests/" + id + "/signature"},
                                                         {"POST", "/registrations"},
                                                         {"DELETE", "/requests"},
                                                         {"GET", "/requests/" + id + "?wait=x"}};
  for (const auto& [method, target] : targets) {
    const auto answer = call(method, target);
    const http::Fields& fields = answer->response.fields;
    const std::string policy(fields.single("content-security-policy").value_or(""));
    for (const char* part : {"default-src 'none'", "script-src 'self';", "style-src 'self';",
                             "frame-ancestors 'none'", "form-action 'none'", "base-uri 'none'",
                             "require-trusted-types-for 'script'", "trusted-types 'none'"})
      EXPECT_THAT(policy, HasSubstr(part)) << target;
    EXPECT_THAT(policy, Not(HasSubstr("unsafe"))) << target;
    const std::pair<const char*, const char*> expected[] = {
        {"x-frame-options", "DENY"},
        {"x-content-type-options", "nosniff"},
        {"referrer-policy", "no-referrer"},
        {"cache-control", "no-store"},
        {"cross-origin-opener-policy", "same-origin"},
        {"cross-origin-resource-policy", "same-origin"}};
    for (const auto& [name, value] : expected) EXPECT_EQ(fields.single(name), value) << target;
    EXPECT_THAT(std::string(fields.single("permissions-policy").value_or("")),
                HasSubstr("publickey-credentials-get=(self)"));
    EXPECT_EQ(fields.count("access-control-allow-origin"), 0U);
    if (answer->response.status >= 400) {
      EXPECT_EQ(fields.single("content-type"), "application/problem+json") << target;
      EXPECT_EQ(answer->json()["status"], answer->response.status) << target;
      EXPECT_TRUE(answer->json()["detail"].is_string()) << target;
    }
  }
}

TEST_F(HandlerTest, MethodsAndPaths) {
  const std::string id = ask();
  const std::string request = "/requests/" + id;
  struct Case {
    const char* method;
    std::string target;
    int status;
  };
  const Case cases[] = {{"GET", "/register", 200},
                        {"HEAD", "/register", 200},
                        {"POST", "/register", 405},
                        {"GET", "/assets/style.css", 200},
                        {"GET", "/assets/../sign.html", 404},
                        {"GET", "/assets/", 404},
                        {"POST", "/assets/style.css", 405},
                        {"GET", "/requests", 405},
                        {"PUT", request, 405},
                        {"GET", request + "/", 404},
                        {"GET", request + "/page", 200},
                        {"GET", request + "/page/", 404},
                        {"POST", request + "/page", 405},
                        {"GET", request + "/other", 404},
                        {"GET", "/requests/", 404},
                        {"GET", "/requests//page", 404},
                        {"GET", "/requests/" + std::string(32, 'g'), 404},
                        {"GET", "/requests/" + std::string(32, '0'), 404},
                        {"GET", "/requests/" + std::string(32, '0') + "/content", 404},
                        {"POST", "/requests/" + std::string(32, '0') + "/refusal", 404},
                        {"GET", "/requestsx", 404},
                        {"GET", "/registrationsx", 404},
                        {"GET", "/registerx", 404},
                        {"GET", "/", 404},
                        {"GET", "*", 404}};
  for (const Case& c : cases) {
    const auto answer = call(c.method, c.target);
    EXPECT_EQ(answer->response.status, c.status) << c.method << " " << c.target;
    EXPECT_EQ(answer->response.fields.count("allow"), c.status == 405 ? 1U : 0U) << c.target;
  }
  EXPECT_EQ(call("HEAD", request)->sent, "");
}

// What a browser says of another site, or a name that is not ours, stops every path.
TEST_F(HandlerTest, OthersAreNotAnswered) {
  const std::string id = ask();
  const std::pair<const char*, std::string> targets[] = {{"GET", "/"},
                                                         {"GET", "/register"},
                                                         {"GET", "/assets/sign.js"},
                                                         {"GET", "/requests/" + id},
                                                         {"GET", "/requests/" + id + "/page"},
                                                         {"GET", "/requests/" + id + "/content"},
                                                         {"POST", "/requests"},
                                                         {"POST", "/requests/" + id + "/signature"},
                                                         {"POST", "/requests/" + id + "/refusal"},
                                                         {"POST", "/registrations"},
                                                         {"POST", "/registrations/" + id}};
  const std::function<void(http::RequestHead&)> bends[] = {
      [](http::RequestHead& head) { head.authority = "evil.example"; },
      [](http::RequestHead& head) { head.fields.set("origin", "https://evil.example"); },
      [](http::RequestHead& head) { head.fields.set("origin", "null"); },
      [](http::RequestHead& head) { head.fields.set("sec-fetch-site", "cross-site"); },
      [](http::RequestHead& head) { head.fields.set("sec-fetch-site", "same-site"); }};
  for (const auto& [method, target] : targets) {
    for (const auto& bend : bends) {
      auto request = stream(method, target, receipt_question().dump());
      bend(request->request);
      start(*request);
      EXPECT_EQ(request->response.status, 403) << method << " " << target;
    }
  }
  EXPECT_EQ(status(id), "pending");
  EXPECT_EQ(store_.size(), 1U);
}

// No person's answer is taken but from the page itself.
TEST_F(HandlerTest, AnswersComeFromThePageOnly) {
  const std::string id = ask();
  for (const std::string& target :
       {"/requests/" + id + "/signature", "/requests/" + id + "/refusal",
        std::string("/registrations"), "/registrations/" + id}) {
    auto request = stream("POST", target, alice_.answer(challenge(id, alice_)).dump());
    request->request.fields.remove("origin");
    start(*request);
    EXPECT_EQ(request->response.status, 403) << target;
  }
  auto agent = stream("POST", "/requests", receipt_question().dump());
  agent->request.fields.remove("origin");
  start(*agent);
  EXPECT_EQ(agent->response.status, 201) << "agents are no browsers";
}

TEST(Pages, BringAllThatTheyNeedAndNoMarkupFromText) {
  std::set<std::string_view> names;
  for (const PageFile& file : page_files()) {
    names.insert(file.name);
    EXPECT_FALSE(file.bytes.empty()) << file.name;
    for (const char* never : {"https://", "//cdn", "innerHTML", "outerHTML", "insertAdjacent",
                              "document.write", "eval(", "new Function", "setTimeout(", "onclick",
                              "style=", "<script>", "DOMParser", "localStorage"})
      EXPECT_THAT(std::string(file.bytes), Not(HasSubstr(never))) << file.name;
    if (file.name.ends_with(".svg")) continue;
    EXPECT_THAT(std::string(file.bytes), Not(HasSubstr("http://"))) << file.name;
  }
  for (const std::string page : {"sign", "register"}) {
    EXPECT_TRUE(names.contains(page + ".html"));
    EXPECT_TRUE(names.contains(page + ".js"));
  }
}

}  // namespace
}  // namespace mandated::consent
