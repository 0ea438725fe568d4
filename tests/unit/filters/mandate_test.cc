#include "filters/mandate/mandate.h"

#include <gtest/gtest.h>

#include <fstream>

#include "filters/chain.h"
#include "filters/receipt/base64url.h"
#include "proxy/identity/pem.h"
#include "tests/support/run_now.h"
#include "tests/support/sim_clock.h"
#include "tests/unit/attest/forged_evidence.h"
#include "tests/unit/filters/call_fixture.h"
#include "tests/unit/receipt/authenticator.h"

namespace mandated {
namespace {

using test::CallFixture;

class MandateTest : public testing::Test {
 protected:
  // The code of the refusal, or "pass".
  std::string decide(Exchange& exchange) {
    if (!filter_) filter_ = std::move(*make_mandate_filter(call_.deps()));
    const Verdict verdict = test::run_now(filter_->on_call(exchange));
    if (const Deny* deny = std::get_if<Deny>(&verdict)) {
      EXPECT_FALSE(deny->refusal.sentence.empty());
      return std::string(receipt::to_string(deny->refusal.code));
    }
    return "pass";
  }

  CallFixture call_;
  std::unique_ptr<const Filter> filter_;
};

TEST_F(MandateTest, ACallWithoutReceiptIsRefused) {
  Exchange exchange = call_.exchange();
  EXPECT_EQ(decide(exchange), "no_receipt");
}

TEST_F(MandateTest, AReceiptWithItsProofPassesAndIsNotPassedOn) {
  Exchange exchange = call_.exchange();
  call_.attach(exchange, call_.chain());
  EXPECT_EQ(decide(exchange), "pass");
  EXPECT_EQ(exchange.chains.size(), 1U);
  EXPECT_TRUE(exchange.receipts.empty());
  EXPECT_TRUE(exchange.proof.empty());
}

// The whole way of a root that a passkey signed, the second time from the cache; and its ceiling.
TEST_F(MandateTest, ARootOfAPasskeyPasses) {
  const receipt::forge::Authenticator passkey;
  const std::string root = receipt::forge::sign_root(
      passkey, {.token = [&](receipt::forge::Json&, receipt::forge::Json& payload) {
        payload["mandate"]["holder"] = test::kAgent;
        payload["cnf"]["jwk"] = receipt::forge::Json::parse(call_.holder.public_key().jwk());
      }});
  call_.anchors = passkey.anchors();
  for (int time = 0; time < 2; ++time) {
    Exchange exchange = call_.exchange();
    call_.attach(exchange, {root});
    EXPECT_EQ(decide(exchange), "pass");
  }
  EXPECT_EQ(call_.cache.hits(), 1U);
  Exchange exchange = call_.exchange();
  call_.attach(exchange, {root});
  call_.anchors = passkey.anchors({{"holders", {"spiffe://test.example/agent/y"}}});
  EXPECT_EQ(decide(exchange), "above_ceiling");
}

TEST_F(MandateTest, AProofPassesOnce) {
  Exchange first = call_.exchange();
  call_.attach(first, call_.chain());
  Exchange second = call_.exchange();
  second.call.receipts = first.call.receipts;
  second.call.proof = first.call.proof;
  EXPECT_EQ(decide(first), "pass");
  EXPECT_EQ(decide(second), "replayed");
}

TEST_F(MandateTest, AReceiptWithoutProofIsRefused) {
  Exchange exchange = call_.exchange();
  call_.attach(exchange, call_.chain());
  exchange.call.proof.reset();
  EXPECT_EQ(decide(exchange), "no_proof");
}

TEST_F(MandateTest, AnotherWorkloadCannotPresentIt) {
  Exchange exchange = call_.exchange();
  call_.attach(exchange, call_.chain());
  exchange.caller.spiffe_id = "spiffe://test.example/agent/y";
  EXPECT_EQ(decide(exchange), "wrong_holder");
}

TEST_F(MandateTest, AnUnprovenCallerCannotPresentAReceiptThatNamesItsHolder) {
  Exchange exchange = call_.exchange();
  call_.attach(exchange, call_.chain());
  exchange.caller = {};
  EXPECT_EQ(decide(exchange), "wrong_holder");
}

TEST_F(MandateTest, AProofForAnotherAudienceIsRefused) {
  Exchange exchange = call_.exchange();
  call_.attach(exchange, call_.chain());
  call_.route.mandate.audiences = {"spiffe://test.example/tool/other"};
  EXPECT_EQ(decide(exchange), "wrong_audience");
}

TEST_F(MandateTest, WhatIsNotGrantedIsRefusedByName) {
  Exchange other_tool = call_.exchange("delete_file");
  call_.attach(other_tool, call_.chain());
  EXPECT_EQ(decide(other_tool), "tool_not_granted");
  Exchange other_path = call_.exchange("read_file", R"({"path":"/data/../etc/passwd"})");
  call_.attach(other_path, call_.chain());
  EXPECT_EQ(decide(other_path), "argument_denied");
  Exchange more = call_.exchange("read_file", R"({"path":"/data/a","head":3})");
  call_.attach(more, call_.chain());
  EXPECT_EQ(decide(more), "argument_unexpected");
}

TEST_F(MandateTest, WithoutProofsTheHolderMustBeThePeer) {
  call_.route.mandate.proof = config::ProofMode::kMtls;
  Exchange exchange = call_.exchange();
  exchange.call.receipts = call_.chain();
  EXPECT_EQ(decide(exchange), "pass");
  Exchange stranger = call_.exchange();
  stranger.call.receipts = call_.chain();
  stranger.caller.spiffe_id = "spiffe://test.example/agent/y";
  EXPECT_EQ(decide(stranger), "wrong_holder");
}

TEST_F(MandateTest, WithoutProofsTheCallItselfMustBeProven) {
  using Proof = identity::PeerIdentity::Proof;
  call_.route.mandate.proof = config::ProofMode::kMtls;
  Exchange exchange = call_.exchange();
  exchange.call.receipts = call_.chain();
  exchange.caller.proof = Proof::kHttpSignature;  // covers the body
  EXPECT_EQ(decide(exchange), "pass");
  exchange.caller.proof = Proof::kWorkloadToken;
  EXPECT_EQ(decide(exchange), "no_proof");
  call_.attach(exchange, call_.chain());
  EXPECT_EQ(decide(exchange), "pass");
}

TEST_F(MandateTest, NoWimseUriIsASpiffeIdsHolder) {
  Exchange exchange = call_.exchange();
  call_.attach(exchange, call_.chain());
  exchange.caller.spiffe_id.replace(0, std::string("spiffe").size(), "wimse");
  EXPECT_EQ(decide(exchange), "wrong_holder");
}

TEST_F(MandateTest, WithoutProofsAReceiptForAnybodyIsRefused) {
  call_.route.mandate.proof = config::ProofMode::kMtls;
  receipt::Grant grant = call_.grant();
  grant.mandate_json.clear();
  Exchange exchange = call_.exchange();
  exchange.call.receipts = {
      *receipt::issue_root(grant, "https://alice.test.example", call_.person)};
  EXPECT_EQ(decide(exchange), "wrong_holder");
}

TEST_F(MandateTest, ABadProofIsRefusedAlsoWhereNoneIsNeeded) {
  call_.route.mandate.proof = config::ProofMode::kMtls;
  Exchange exchange = call_.exchange();
  exchange.call.receipts = call_.chain();
  exchange.call.proof = "e30.e30.AAAA";
  EXPECT_NE(decide(exchange), "pass");
}

TEST_F(MandateTest, TheWalletAttachesTheNarrowestReceiptAndItsProof) {
  call_.upstream.receipts = config::ReceiptForwarding::kPass;
  const std::vector<std::string> wide = call_.chain();
  const std::vector<std::string> narrow =
      call_.chain(R"({"read_file":{"path":{"constraint_type":"exact","value":"/data/a"}}})");
  call_.give_wallet({{"wide.json", wide}, {"narrow.json", narrow}});
  Exchange exchange = call_.exchange();
  EXPECT_EQ(decide(exchange), "pass");
  EXPECT_EQ(exchange.receipts, narrow);
  const std::vector<std::string_view> views{narrow.begin(), narrow.end()};
  const receipt::ChainPtr chain = *receipt::verify_chain(views, call_.anchors, test::kNow);
  EXPECT_TRUE(receipt::verify_proof(*chain, exchange.proof, "read_file", *exchange.call.arguments,
                                    call_.route.mandate.audiences, test::kNow));
  Exchange other = call_.exchange("read_file", R"({"path":"/data/b"})");
  EXPECT_EQ(decide(other), "pass");
  EXPECT_EQ(other.receipts, wide);
}

TEST_F(MandateTest, TheWalletIsNotPassedOnToWhoDoesNotEnforce) {
  call_.give_wallet({{"a.json", call_.chain()}});
  Exchange exchange = call_.exchange();
  EXPECT_EQ(decide(exchange), "pass");
  EXPECT_TRUE(exchange.receipts.empty());
  EXPECT_TRUE(exchange.proof.empty());
}

TEST_F(MandateTest, TheNearestReceiptSaysWhyNot) {
  call_.give_wallet({{"a.json", call_.chain(R"({"other":{}})")}, {"b.json", call_.chain()}});
  Exchange exchange = call_.exchange("read_file", R"({"path":"/etc/passwd"})");
  EXPECT_EQ(decide(exchange), "argument_denied");
  Exchange unknown = call_.exchange("write_file");
  EXPECT_EQ(decide(unknown), "tool_not_granted");
}

TEST_F(MandateTest, AnEmptyWalletHasNoReceipt) {
  call_.give_wallet({});
  Exchange exchange = call_.exchange();
  EXPECT_EQ(decide(exchange), "no_receipt");
}

TEST_F(MandateTest, AReceiptOfAnotherHolderInTheWalletIsOfNoUse) {
  receipt::Grant grant = call_.grant();
  grant.holder = receipt::PrivateKey::generate(receipt::KeyType::kP256).public_key();
  call_.give_wallet(
      {{"a.json", {*receipt::issue_root(grant, "https://alice.test.example", call_.person)}}});
  Exchange exchange = call_.exchange();
  EXPECT_EQ(decide(exchange), "wrong_holder");
}

TEST_F(MandateTest, ACallThatBringsItsOwnReceiptIsCheckedBesideTheAgentToo) {
  call_.give_wallet({{"a.json", call_.chain()}});
  call_.upstream.receipts = config::ReceiptForwarding::kPass;
  Exchange exchange = call_.exchange("delete_file");
  call_.attach(exchange, call_.chain());
  EXPECT_EQ(decide(exchange), "tool_not_granted");
}

TEST_F(MandateTest, AProofThatPassesOnIsRememberedByTheFarSideOnly) {
  call_.give_wallet({});
  call_.upstream.receipts = config::ReceiptForwarding::kPass;
  Exchange first = call_.exchange();
  call_.attach(first, call_.chain());
  Exchange second = call_.exchange();
  second.call.receipts = first.call.receipts;
  second.call.proof = first.call.proof;
  EXPECT_EQ(decide(first), "pass");
  EXPECT_EQ(decide(second), "pass");
  EXPECT_EQ(second.proof, *second.call.proof);
}

TEST_F(MandateTest, DiscoveryIsOpenUnlessTheRouteSaysOtherwise) {
  Exchange exchange = call_.listing();
  EXPECT_EQ(decide(exchange), "pass");
  EXPECT_FALSE(filter_->shows(exchange, "read_file"));  // nothing is granted, so nothing is shown
  call_.route.mandate.discovery = config::Discovery::kReceipt;
  Exchange closed = call_.listing();
  EXPECT_EQ(decide(closed), "no_receipt");
}

TEST_F(MandateTest, AListShowsWhatTheReceiptGrants) {
  Exchange exchange = call_.listing();
  exchange.call.receipts = call_.chain();
  EXPECT_EQ(decide(exchange), "pass");
  EXPECT_TRUE(filter_->shows(exchange, "read_file"));
  EXPECT_FALSE(filter_->shows(exchange, "delete_file"));
}

TEST_F(MandateTest, ABadReceiptIsNotIgnoredInDiscovery) {
  Exchange exchange = call_.listing();
  exchange.call.receipts = {"e30.e30.AAAA"};
  EXPECT_NE(decide(exchange), "pass");
}

TEST_F(MandateTest, WhereTheMandateIsOffNothingIsAskedNorHidden) {
  call_.route.mandate.mode = config::MandateMode::kOff;
  Exchange exchange = call_.exchange();
  EXPECT_EQ(decide(exchange), "pass");
  EXPECT_TRUE(filter_->shows(exchange, "anything"));
}

TEST_F(MandateTest, TheSameExchangeGivesTheSameVerdict) {
  for (int time = 0; time < 2; ++time) {
    Exchange exchange = call_.exchange("read_file", R"({"path":"/etc/shadow"})");
    call_.attach(exchange, call_.chain());
    EXPECT_EQ(decide(exchange), "argument_denied");
  }
}

// ---- conditions and budgets

class BudgetTest : public MandateTest {
 protected:
  // A root with this mandate beside its user and holder.
  std::vector<std::string> root(const std::string& members, std::string_view tools = test::kTools) {
    receipt::Grant grant = call_.grant(tools);
    grant.mandate_json.pop_back();
    grant.mandate_json += "," + members + "}";
    return {*receipt::issue_root(grant, "https://alice.test.example", call_.person)};
  }
  // A child of it for the same holder; what its mandate does not say is carried down.
  std::vector<std::string> child(std::vector<std::string> chain, const std::string& mandate = "") {
    receipt::Grant grant = call_.grant();
    grant.mandate_json = mandate;
    grant.issued_at = test::kNow - 5;
    const std::vector<std::string_view> views{chain.begin(), chain.end()};
    chain.push_back(*receipt::derive(views, grant, call_.holder));
    return chain;
  }
  std::string call_with(const std::vector<std::string>& chain,
                        std::string_view tool = "read_file") {
    Exchange exchange = call_.exchange(tool);
    call_.attach(exchange, chain);
    return decide(exchange);
  }
};

TEST_F(BudgetTest, EachConditionRefusesWithItsCode) {
  const std::pair<const char*, const char*> cases[] = {
      {R"("require":{"read_file":"reason"})", "reason_required"},
      {R"("require":{"read_file":"approval"})", "approval_required"},
      {R"("require":{"read_file":"clean"})", "unclean"},
      {R"("status":{"uri":"https://x.example/list","idx":0})", "status_unknown"},
      {R"("instance":{"unix:uid":"7"})", "wrong_instance"},
      {R"("budget":{"calls":0})", "budget_spent"},
      {R"("budget":{"tools":{"read_file":0}})", "budget_spent"},
      {R"("budget":{"sum":{"read_file.path":5}})", "argument_denied"},
      {R"("require":{"list_directory":"approval"})", "pass"},
      {R"("budget":{"tools":{"list_directory":0}})", "pass"},
  };
  for (const auto& [members, code] : cases) EXPECT_EQ(call_with(root(members)), code) << members;
}

TEST_F(BudgetTest, ACallIsCountedOnEveryHop) {
  const std::vector<std::string> parent = root(R"("budget":{"calls":3})");
  EXPECT_EQ(call_with(child(parent)), "pass");
  EXPECT_EQ(call_with(child(parent, R"({"budget":{"calls":1}})")), "pass");
  EXPECT_EQ(call_with(parent), "pass");
  EXPECT_EQ(call_with(parent), "budget_spent");
}

TEST_F(BudgetTest, ManyChildrenShareTheirParentsBudget) {
  const std::vector<std::string> parent = root(R"("budget":{"calls":5})");
  int passed = 0;
  for (int each = 0; each < 10; ++each) {
    const std::vector<std::string> chain = child(parent);
    for (int call = 0; call < 2; ++call) passed += call_with(chain) == "pass" ? 1 : 0;
  }
  EXPECT_EQ(passed, 5);
}

TEST_F(BudgetTest, AToolHasItsOwnFigure) {
  const std::vector<std::string> chain = root(R"("budget":{"tools":{"read_file":1}})");
  EXPECT_EQ(call_with(chain), "pass");
  EXPECT_EQ(call_with(chain), "budget_spent");
  EXPECT_EQ(call_with(chain, "list_directory"), "pass");
}

TEST_F(BudgetTest, ACallThatDidNotLeaveCostsNothing) {
  const std::vector<std::string> chain = root(R"("budget":{"calls":1})");
  Exchange exchange = call_.exchange();
  call_.attach(exchange, chain);
  EXPECT_EQ(decide(exchange), "pass");
  EXPECT_EQ(exchange.charges.size(), 1U);
  test::run_now(filter_->on_unsent(exchange));
  test::run_now(filter_->on_unsent(exchange));
  EXPECT_EQ(call_with(chain), "pass");
  EXPECT_EQ(call_with(chain), "budget_spent");
}

// The far side, which acts on the receipt, counts.
TEST_F(BudgetTest, WhereTheReceiptIsPassedOnNothingIsCounted) {
  const std::vector<std::string> chain = root(R"("budget":{"calls":1})");
  call_.upstream.receipts = config::ReceiptForwarding::kPass;
  for (int call = 0; call < 3; ++call) EXPECT_EQ(call_with(chain), "pass");
}

TEST_F(BudgetTest, TheWalletsNextReceiptIsTakenWhenOneIsSpent) {
  const auto narrow =
      root(R"("budget":{"calls":1})", R"({"read_file":{"path":{"constraint_type":"wildcard"}}})");
  const auto wide = root(R"("budget":{"calls":1})");
  call_.give_wallet({Wallet::Entry{"wide", wide}, Wallet::Entry{"narrow", narrow}});
  const auto call = [&](std::size_t tools) {
    Exchange exchange = call_.exchange();
    const std::string decided = decide(exchange);
    if (decided == "pass") {
      EXPECT_EQ(exchange.chains.at(0)->tools().size(), tools);
    }
    return decided;
  };
  EXPECT_EQ(call(1), "pass");
  EXPECT_EQ(call(2), "pass");
  EXPECT_EQ(call(0), "budget_spent");
}

// A receipt for one instance: the local process that calls, whether it brings the receipt or the
// wallet gives it; from afar, what a proxy that was named says by passing the call on.
TEST_F(MandateTest, AReceiptForOneInstancePassesFromIt) {
  receipt::Grant grant = call_.grant();
  grant.mandate_json =
      R"({"holder":"spiffe://test.example/agent/x","instance":{"unix:sha256":"aa","unix:uid":"7"}})";
  const std::vector<std::string> tokens = {
      *receipt::issue_root(grant, "https://alice.test.example", call_.person)};
  const auto instance = [](const char* sha256) {
    auto made = std::make_shared<identity::Instance>();
    made->selectors = {{"unix:uid", "7"}, {"unix:sha256", sha256}, {"unix:pid", "12"}};
    return made;
  };
  struct Case {
    identity::InstancePtr instance;
    std::vector<std::string> vouchers;
    const char* code;
  };
  const Case cases[] = {
      {instance("aa"), {}, "pass"},
      {instance("ab"), {}, "wrong_instance"},
      {nullptr, {}, "wrong_instance"},
      {nullptr, {"spiffe://test.example/agent/*"}, "pass"},
      {nullptr, {"spiffe://test.example/other/*"}, "wrong_instance"},
  };
  for (const Case& each : cases) {
    call_.route.mandate.instance_vouchers = each.vouchers;
    Exchange exchange = call_.exchange();
    exchange.caller.instance = each.instance;
    call_.attach(exchange, tokens);
    EXPECT_EQ(decide(exchange), each.code);
  }
  call_.route.mandate.instance_vouchers.clear();
  call_.give_wallet({{"a", tokens}});
  filter_.reset();
  for (const char* sha256 : {"aa", "ab"}) {
    Exchange exchange = call_.exchange();
    exchange.caller.instance = instance(sha256);
    EXPECT_EQ(decide(exchange), sha256 == std::string("aa") ? "pass" : "wrong_instance");
  }
}

// The key that signs the proof is in an enclave: a document of the hardware says in which.
TEST_F(MandateTest, AReceiptForAnEnclavePassesWithItsEvidence) {
  attest::Nitro nitro(Clock::WallTime(std::chrono::seconds(1780000000)));
  nitro.member("nonce") = "\xF6";
  nitro.member("user_data") =
      attest::bytes(*receipt::decode_base64url(call_.holder.public_key().thumbprint()));
  const std::string file = testing::TempDir() + "mandated_mandate_roots.pem";
  std::ofstream(file) << identity::to_pem("CERTIFICATE", nitro.ca.certificate_der());
  const auto desk = std::move(*attest::EvidenceDesk::make({file, ""}));
  call_.evidence = desk.get();
  receipt::Grant grant = call_.grant();
  std::string pcr;
  for (int byte = 0; byte < 48; ++byte) pcr += "61";
  grant.mandate_json =
      R"({"holder":"spiffe://test.example/agent/x","instance":{"nitro:pcr0":")" + pcr + R"("}})";
  const std::vector<std::string> tokens = {
      *receipt::issue_root(grant, "https://alice.test.example", call_.person)};
  const std::string evidence = "nitro " + receipt::encode_base64url(nitro.document());
  const auto call = [&](std::optional<std::string> shown) {
    Exchange exchange = call_.exchange();
    call_.attach(exchange, tokens);
    exchange.call.evidence = std::move(shown);
    return decide(exchange);
  };
  EXPECT_EQ(call(evidence), "pass");
  EXPECT_EQ(call(std::nullopt), "wrong_instance");
  EXPECT_EQ(call("nitro x"), "wrong_instance");
  nitro.member("user_data") = attest::bytes(std::string(32, 'x'));
  EXPECT_EQ(call("nitro " + receipt::encode_base64url(nitro.document())), "wrong_instance");
  // Without the key's proof the document proves nothing.
  Exchange listing = call_.listing();
  listing.call.receipts = tokens;
  listing.call.proof = "x";
  listing.call.evidence = evidence;
  EXPECT_EQ(decide(listing), "wrong_instance");
  call_.route.mandate.proof = config::ProofMode::kMtls;
  Exchange unproven = call_.exchange();
  unproven.call.receipts = tokens;
  unproven.call.evidence = evidence;
  EXPECT_EQ(decide(unproven), "wrong_instance");
}

}  // namespace
}  // namespace mandated
