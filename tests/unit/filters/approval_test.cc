// Calls that are held until people approve them, as the mandate filter meets them. The consent
// service is a table.
#include <gtest/gtest.h>

#include "filters/mandate/mandate.h"
#include "filters/receipt/approval.h"
#include "tests/support/run_now.h"
#include "tests/unit/filters/call_fixture.h"

namespace mandated {
namespace {

using test::CallFixture;

const std::string kRequests = "https://consent.test.example/requests";
const std::string kPage = "https://consent.test.example/requests/q1/page";

class ApprovalTest : public testing::Test {
 protected:
  ApprovalTest() {
    root_ = *receipt::issue_root(grant(), "https://alice.test.example", call_.person);
    answer_new("q1");
  }

  receipt::Grant grant() const {
    receipt::Grant made = call_.grant();
    made.mandate_json = R"({"user":"mailto:alice@test.example","intent":"Tidy up",)"
                        R"("holder":"spiffe://test.example/agent/x","budget":{"calls":2},)"
                        R"("require":{"read_file":"approval"},"approvers":{"keys":[")" +
                        call_.person.public_key().thumbprint() + R"("],"min":1}})";
    return made;
  }
  void answer_new(const std::string& id) {
    call_.fetcher.answer(kRequests,
                         R"({"id":")" + id + R"(","url":"https://consent.test.example)" +
                             "/requests/" + id + R"(/page","expires":1780000600})",
                         201);
  }
  void answer(const std::string& body, int status = 200) {
    call_.fetcher.answer(kRequests + "/q1", body, status);
  }
  // The call of a test, decided; what was refused is kept.
  std::string decide(const std::string& path = "/data/a") {
    if (!filter_) filter_ = std::move(*make_mandate_filter(call_.deps()));
    exchange_ = call_.exchange("read_file", R"({"path":")" + path + R"("})");
    call_.attach(exchange_, {root_}, test::kNow);
    const Verdict verdict = test::run_now(filter_->on_call(exchange_));
    refusal_ = {};
    if (const Deny* deny = std::get_if<Deny>(&verdict)) {
      refusal_ = deny->refusal;
      return std::string(receipt::to_string(refusal_.code));
    }
    return "pass";
  }
  // What was last put to people, as they would sign it.
  receipt::AskedCall asked() const {
    for (auto request = call_.fetcher.asked.rbegin(); request != call_.fetcher.asked.rend();
         ++request) {
      if (request->method != "POST") continue;
      const auto body = json::Document::parse(request->body);
      const auto text = [&](std::string_view name) {
        return std::string(body->root().find_string(name).value_or(""));
      };
      return {text("ticket"), text("receipt"),
              text("tool"),   json::canonical(*body->root().find("args")),
              text("holder"), text("user"),
              text("intent"), text("server")};
    }
    ADD_FAILURE() << "nothing was asked";
    return {};
  }
  std::string signed_by(const receipt::PrivateKey& key, double at = test::kNow) const {
    return R"({"status":"signed","approvals":[")" + receipt::sign_approval(asked(), key, at) +
           "\"]}";
  }
  receipt::Checked<Approval> find(Approvals& approvals, const std::string& arguments, double now) {
    const std::string_view root = root_;
    const receipt::ChainPtr chain = *receipt::verify_chain({&root, 1}, call_.anchors, test::kNow);
    const auto approvers = receipt::approvers_of(*chain, "read_file");
    const auto document = json::Document::parse(arguments);
    return test::run_now(approvals.find(*chain, "files", "read_file", document->root(), **approvers,
                                        now, call_.fetcher, call_.rng, call_.clock));
  }
  std::size_t questions() const {
    std::size_t count = 0;
    for (const fetch::Request& request : call_.fetcher.asked) count += request.method == "POST";
    return count;
  }

  CallFixture call_;
  std::string root_;
  std::unique_ptr<const Filter> filter_;
  Exchange exchange_;
  receipt::Refusal refusal_;
};

TEST_F(ApprovalTest, TheCallerIsToldAtOnceWherePeopleDecide) {
  EXPECT_EQ(decide(), "approval_required");
  EXPECT_EQ(refusal_.url, kPage);
  EXPECT_EQ(refusal_.ticket, asked().ticket);
  EXPECT_EQ(refusal_.ticket.size(), 32U);
  EXPECT_EQ(refusal_.tool, "read_file");
  EXPECT_NE(refusal_.sentence.find(kPage), std::string::npos);
  const receipt::AskedCall call = asked();
  EXPECT_EQ(call.arguments, R"({"path":"/data/a"})");
  EXPECT_EQ(call.intent, "Tidy up");
  EXPECT_EQ(call.holder, "spiffe://test.example/agent/x");
  EXPECT_EQ(call.server, "files");
  EXPECT_NE(
      call_.fetcher.asked.back().body.find(
          R"("approvers":{"keys":[")" + call_.person.public_key().thumbprint() + R"("],"min":1})"),
      std::string::npos);
}

TEST_F(ApprovalTest, TheSameCallIsTheSameQuestion) {
  EXPECT_EQ(decide(), "approval_required");
  const std::string ticket = refusal_.ticket;
  answer(R"({"status":"pending"})");
  EXPECT_EQ(decide(), "approval_required");
  EXPECT_EQ(refusal_.ticket, ticket);
  EXPECT_EQ(refusal_.url, kPage);
  EXPECT_EQ(questions(), 1U);
  EXPECT_EQ(decide("/data/b"), "approval_required");
  EXPECT_EQ(questions(), 2U);
  EXPECT_NE(refusal_.ticket, ticket);
}

TEST_F(ApprovalTest, ApprovedItPassesOnce) {
  EXPECT_EQ(decide(), "approval_required");
  const std::string ticket = refusal_.ticket;
  answer(signed_by(call_.person));
  EXPECT_EQ(decide(), "pass");
  ASSERT_TRUE(exchange_.approval);
  EXPECT_EQ(exchange_.approval->ticket, ticket);
  EXPECT_EQ(exchange_.approval->by, std::vector{call_.person.public_key().thumbprint()});
  EXPECT_EQ(exchange_.charges.size(), 1U);
  EXPECT_EQ(decide(), "approval_required");  // another question
  EXPECT_EQ(questions(), 2U);
  EXPECT_NE(refusal_.ticket, ticket);
  EXPECT_EQ(decide("/data/b"), "approval_required");
}

// Behind one proxy two servers may have a tool of the same name.
TEST_F(ApprovalTest, AnApprovalIsForOneServer) {
  EXPECT_EQ(decide(), "approval_required");
  const std::string ticket = refusal_.ticket;
  answer(signed_by(call_.person));
  call_.upstream.name = "production";
  EXPECT_EQ(decide(), "approval_required");
  EXPECT_NE(refusal_.ticket, ticket);
  EXPECT_EQ(asked().server, "production");
  EXPECT_EQ(decide(), "approval_required");
  EXPECT_NE(refusal_.sentence.find("for another call"), std::string::npos);
  call_.upstream.name = "files";
  EXPECT_EQ(decide(), "pass");
}

// They may change what the call does, and stand on no page.
TEST_F(ApprovalTest, AnswersToAServersQuestionsAreNotApproved) {
  EXPECT_EQ(decide(), "approval_required");
  answer(signed_by(call_.person));
  for (const char* more : {R"("inputResponses":{"q":{"action":"accept","content":{"all":true}}})",
                           R"("requestState":"step 2")", R"("inputResponses":null)"}) {
    Exchange exchange = call_.request(
        R"("tools/call","params":{"name":"read_file","arguments":{"path":"/data/a"},)" +
        std::string(more) + "}");
    call_.attach(exchange, {root_}, test::kNow);
    const Verdict verdict = test::run_now(filter_->on_call(exchange));
    const Deny* deny = std::get_if<Deny>(&verdict);
    ASSERT_NE(deny, nullptr) << more;
    EXPECT_EQ(deny->refusal.code, receipt::Code::kApprovalRequired);
    EXPECT_NE(deny->refusal.sentence.find("answers a question"), std::string::npos);
  }
  EXPECT_EQ(decide(), "pass");
}

// The service is not believed: it may repeat an approval, or somebody may in its place.
TEST_F(ApprovalTest, AnApprovalThatIsGivenAgainIsNotTakenAgain) {
  EXPECT_EQ(decide(), "approval_required");
  const std::string answer_text = signed_by(call_.person);
  answer(answer_text);
  EXPECT_EQ(decide(), "pass");
  EXPECT_EQ(decide(), "approval_required");  // asked anew; the old yes stands at the same place
  EXPECT_EQ(decide(), "approval_required");
  EXPECT_NE(refusal_.sentence.find("for another call"), std::string::npos);
}

TEST_F(ApprovalTest, OfTwoCallsAtOnceOnePasses) {
  EXPECT_EQ(decide(), "approval_required");
  answer(signed_by(call_.person));
  // Both have found the approval before either uses it.
  const auto found = find(call_.approvals, R"({"path":"/data/a"})", test::kNow);
  ASSERT_TRUE(found);
  EXPECT_EQ(decide(), "pass");
  const receipt::Proof other{"approval " + found->ticket, test::kNow};
  const auto used =
      test::run_now(call_.replays->remember(call_.holder.public_key(), other, test::kNow, 330));
  ASSERT_FALSE(used);
  EXPECT_EQ(used.error().code, receipt::Code::kReplayed);
}

TEST_F(ApprovalTest, WhatIsNoApprovalIsNone) {
  struct Case {
    std::string body;
    int status;
    const char* words;
  };
  EXPECT_EQ(decide(), "approval_required");
  const std::string stranger = signed_by(receipt::PrivateKey::generate(receipt::KeyType::kEd25519));
  const std::string old = signed_by(call_.person, test::kNow - 300);
  for (const Case& each : {
           Case{stranger, 200, "not signed by a key known here"},
           Case{R"({"status":"signed","approvals":[]})", 200, "0 of 1"},
           Case{R"({"status":"signed","approvals":["a.b.c"]})", 200, "no good"},
           Case{old, 200, "for another call"},  // each of these ended the question
           Case{R"({"status":"refused"})", 200, "said no"},
           Case{R"({"status":"signed"})", 200, "cannot be reached"},
           Case{R"({"status":"signed","approvals":[1]})", 200, "cannot be reached"},
           Case{R"({"status":"yes"})", 200, "cannot be reached"},
           Case{R"([])", 200, "cannot be reached"},
           Case{R"({"status":"signed","status":"pending"})", 200, "cannot be reached"},
           Case{"", 500, "cannot be reached"},
       }) {
    SCOPED_TRACE(each.body);
    answer(each.body, each.status);
    EXPECT_EQ(decide(), "approval_required");
    if (refusal_.sentence.find("must approve this very call first. Open") != std::string::npos) {
      EXPECT_EQ(decide(), "approval_required");  // the question before was ended by its answer
    }
    EXPECT_NE(refusal_.sentence.find(each.words), std::string::npos) << refusal_.sentence;
  }
}

TEST_F(ApprovalTest, AQuestionThatIsGoneIsPutAgain) {
  for (const auto& [body, status] :
       {std::pair("", 404), std::pair(R"({"status":"expired"})", 200)}) {
    EXPECT_EQ(decide(), "approval_required");
    const std::size_t before = questions();
    answer(body, status);
    EXPECT_EQ(decide(), "approval_required");
    EXPECT_EQ(refusal_.url, kPage);
    EXPECT_EQ(questions(), before + 1);
  }
}

TEST_F(ApprovalTest, WithoutAnybodyToAskTheCallIsRefused) {
  for (const char* body :
       {R"({"id":"q1"})", R"({"id":"../q1","url":"https://a/"})", R"({"id":"","url":"https://a"})",
        R"({"id":"q1","url":"javascript:alert"})", R"({"id":"q1","url":"http://localhost.evil/"})",
        R"({"id":"q1","url":"https://a@evil/"})", R"({"id":"q1","url":"https://a b"})"}) {
    call_.fetcher.answer(kRequests, body, 201);
    EXPECT_EQ(decide(), "approval_required") << body;
    EXPECT_EQ(refusal_.url, "");
    EXPECT_NE(refusal_.sentence.find("cannot be reached"), std::string::npos);
  }
  call_.fetcher.answers.clear();
  EXPECT_EQ(decide(), "approval_required");
  EXPECT_NE(refusal_.sentence.find("cannot be reached"), std::string::npos);
  Approvals none("", call_.anchors, receipt::Limits{});
  const auto found = find(none, R"({"path":"/data/a"})", test::kNow);
  ASSERT_FALSE(found);
  EXPECT_NE(found.error().sentence.find("nobody can be asked here"), std::string::npos);
}

TEST_F(ApprovalTest, ASpentBudgetIsNotWorthAQuestionTwice) {
  for (int time = 0; time < 2; ++time) {
    EXPECT_EQ(decide(), "approval_required");
    answer(signed_by(call_.person));
    EXPECT_EQ(decide(), "pass");
  }
  EXPECT_EQ(decide(), "approval_required");
  answer(signed_by(call_.person));
  EXPECT_EQ(decide(), "budget_spent");
}

TEST_F(ApprovalTest, WhereTheChainIsPassedOnTheFarSideAsks) {
  call_.upstream.receipts = config::ReceiptForwarding::kPass;
  EXPECT_EQ(decide(), "pass");
  EXPECT_TRUE(call_.fetcher.asked.empty());
}

TEST_F(ApprovalTest, AReceiptThatNeedsNoApprovalComesFirst) {
  auto wallet = std::make_shared<Wallet>();
  wallet->key = call_.holder;
  wallet->entries = {{"asks", {root_}}, {"does not", call_.chain()}};
  call_.wallet = std::make_unique<FixedWallet>(std::move(wallet));
  call_.route.mandate.mode = config::MandateMode::kAttach;
  filter_ = std::move(*make_mandate_filter(call_.deps()));
  Exchange exchange = call_.exchange();
  EXPECT_TRUE(std::holds_alternative<Pass>(test::run_now(filter_->on_call(exchange))));
  EXPECT_TRUE(call_.fetcher.asked.empty());
  EXPECT_FALSE(exchange.approval);
}

// An agent can delegate to itself as often as it likes.
TEST_F(ApprovalTest, OneCallIsOneQuestionHoweverManyReceiptsAskIt) {
  receipt::Grant narrower = grant();
  narrower.jti = "other";
  const std::string other =
      *receipt::issue_root(narrower, "https://alice.test.example", call_.person);
  auto wallet = std::make_shared<Wallet>();
  wallet->key = call_.holder;
  wallet->entries = {{"one", {root_}}, {"two", {other}}};
  call_.wallet = std::make_unique<FixedWallet>(std::move(wallet));
  call_.route.mandate.mode = config::MandateMode::kAttach;
  filter_ = std::move(*make_mandate_filter(call_.deps()));
  const auto code = [&] {
    Exchange exchange = call_.exchange();
    const Verdict verdict = test::run_now(filter_->on_call(exchange));
    const Deny* deny = std::get_if<Deny>(&verdict);
    if (deny != nullptr) refusal_ = deny->refusal;
    return deny == nullptr ? "pass" : receipt::to_string(deny->refusal.code);
  };
  EXPECT_EQ(code(), "approval_required");
  EXPECT_EQ(questions(), 1U);
  EXPECT_EQ(refusal_.ticket, asked().ticket);
  answer(R"({"status":"pending"})");
  EXPECT_EQ(code(), "approval_required");
  EXPECT_EQ(questions(), 1U);
  answer_new("q2");
  answer(R"({"status":"refused"})");  // then those of the other receipt are asked
  EXPECT_EQ(code(), "approval_required");
  EXPECT_EQ(questions(), 2U);
  EXPECT_EQ(refusal_.ticket, asked().ticket);
}

// So that one agent leaves people and their service to the others. Delegating makes no new root.
TEST_F(ApprovalTest, QuestionsOfOneRootAreBounded) {
  const auto ask = [&](int path, double now) {
    const auto found =
        find(call_.approvals, R"({"path":"/data/)" + std::to_string(path) + "\"}", now);
    return found ? std::string() : found.error().sentence;
  };
  for (int path = 0; path < 32; ++path) {
    EXPECT_NE(ask(path, test::kNow).find("Open"), std::string::npos);
  }
  EXPECT_NE(ask(32, test::kNow + 299).find("already asked about 32 other calls"),
            std::string::npos);
  EXPECT_EQ(questions(), 32U);
  answer(R"({"status":"pending"})");
  EXPECT_NE(ask(31, test::kNow + 299).find("Nobody has approved"), std::string::npos);
  EXPECT_NE(ask(32, test::kNow + 300).find("Open"), std::string::npos);
  answer("", 404);  // nor do those that are put again
  for (int path = 0; path < 31; ++path) {
    EXPECT_NE(ask(path, test::kNow + 300).find("Open"), std::string::npos);
  }
  EXPECT_NE(ask(31, test::kNow + 300).find("already asked"), std::string::npos);
  receipt::Grant another = grant();
  another.jti = "another";
  root_ = *receipt::issue_root(another, "https://alice.test.example", call_.person);
  EXPECT_NE(ask(33, test::kNow).find("Open"), std::string::npos);
}

TEST_F(ApprovalTest, QuestionsAreBounded) {
  Approvals few("https://consent.test.example", call_.anchors, receipt::Limits{}, 2);
  const auto ask = [&](int path, double now) {
    const auto found = find(few, R"({"path":"/data/)" + std::to_string(path) + "\"}", now);
    return found ? std::string() : found.error().ticket;
  };
  answer(R"({"status":"pending"})");
  const std::string first = ask(1, test::kNow);
  const std::string second = ask(2, test::kNow + 1);
  EXPECT_EQ(ask(1, test::kNow), first);
  const std::string third = ask(3, test::kNow + 2);
  EXPECT_EQ(ask(2, test::kNow), second);
  EXPECT_EQ(ask(3, test::kNow), third);
  EXPECT_NE(ask(1, test::kNow), first);
}

}  // namespace
}  // namespace mandated
