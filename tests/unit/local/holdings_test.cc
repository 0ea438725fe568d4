// The wallet as the agent sees it: what stands, what is left of it, and what may be put in.
#include "proxy/local/holdings.h"

#include "tests/unit/local/world.h"

namespace mandated::local {
namespace {

using testing::ElementsAre;

class HoldingsTest : public LocalTest {
 protected:
  void charge(const std::vector<std::string>& tokens, const std::string& tool,
              const std::string& arguments) {
    const receipt::ChainPtr chain = *receipt::verify_chain(views(tokens), anchors_, now());
    const json::Document document = *json::Document::parse(arguments);
    const auto charges = receipt::charges_of(*chain, tool, document.root());
    const auto over = test::run_now(ledger_.charge(*charges, now()));
    ASSERT_TRUE(over && !*over);
  }
  Json only() {
    const Answered answered = get("/receipts");
    EXPECT_EQ(answered.status, 200);
    EXPECT_EQ(answered.body["receipts"].size(), 1U);
    return answered.body["receipts"][0];
  }
  std::string refusal(const std::vector<std::string>& tokens) {
    const Answered answered = post("/receipts", {{"chain", tokens}});
    EXPECT_GE(answered.status, 400);
    return answered.code();
  }
};

TEST_F(HoldingsTest, AnEmptyWalletIsAnEmptyList) {
  EXPECT_EQ(get("/receipts").body, Json({{"receipts", Json::array()}}));
}

TEST_F(HoldingsTest, ListsWhatAReceiptGrants) {
  const auto tokens = root();
  hold("a.json", tokens);
  clock_.advance(std::chrono::milliseconds(500));
  const Json one = only();
  EXPECT_EQ(one["id"], id_of(tokens));
  EXPECT_EQ(one["file"], "a.json");
  EXPECT_EQ(one["holder"], kAgent);
  EXPECT_EQ(one["tools"], Json::parse(kTools));
  EXPECT_EQ(one["mandate"], Json({{"holder", kAgent}, {"user", "mailto:alice@test.example"}}));
  EXPECT_EQ(one["expires"], now() - 0.5 + 3600);
  EXPECT_EQ(one["seconds_left"], 3599);
  EXPECT_EQ(one["depth_left"], 3);
  EXPECT_EQ(one["budget"], Json::object());
  EXPECT_EQ(ledger_.reads, 0) << "without budgets nobody is asked";
}

// The smallest counts, on whatever hop it is: others spend from the same.
TEST_F(HoldingsTest, TellsWhatIsLeftOfEveryBudget) {
  const auto tokens = handed_down(
      {{"budget", {{"calls", 5}, {"sum", {{"pay.amount", 2.5}}}}}},
      {{"budget", {{"calls", 4}, {"sum", {{"pay.amount", 2}}}, {"tools", {{"read_file", 3}}}}}},
      kTools);
  hold("a.json", tokens);
  charge(tokens, "pay", R"({"amount":0.25})");
  charge(tokens, "read_file", "{}");
  charge({tokens[0]}, "pay", R"({"amount":1.5})");  // somebody else, under the same root
  charge({tokens[0]}, "read_file", "{}");
  const Json budget = only()["budget"];
  EXPECT_EQ(budget["calls"], Json::parse(R"({"left":1,"hops":[
      {"hop":0,"limit":5,"spent":4,"left":1},{"hop":1,"limit":4,"spent":2,"left":2}]})"));
  EXPECT_EQ(budget["sum.pay.amount"], Json::parse(R"({"left":0.75,"hops":[
      {"hop":0,"limit":2.5,"spent":1.75,"left":0.75},
      {"hop":1,"limit":2,"spent":0.25,"left":1.75}]})"));
  EXPECT_EQ(budget["tools.read_file"],
            Json::parse(R"({"left":2,"hops":[{"hop":1,"limit":3,"spent":1,"left":2}]})"));
  EXPECT_EQ(budget.size(), 3U);
}

TEST_F(HoldingsTest, WhatCannotBeCountedIsNotGuessed) {
  hold("a.json", root(kTools, {{"budget", {{"calls", 5}}}}));
  ledger_.failing = true;
  const Answered answered = get("/receipts");
  EXPECT_EQ(answered.status, 503);
  EXPECT_EQ(answered.code(), "storage");
}

TEST_F(HoldingsTest, WhatDoesNotStandIsListedWithItsCode) {
  hold("1.json", root(kTools, Json::object(), 3, 60));
  hold("2.json", root(kTools, {{"holder", kOther}}));
  hold("3.json", {"no.such.token"});
  auto forged = root();
  forged[0].back() = forged[0].back() == 'A' ? 'Q' : 'A';
  hold("4.json", forged);
  const auto mine = key_;
  key_ = other_;  // bound to a key that is not the wallet's
  hold("5.json", root());
  key_ = mine;
  hold("6.json", root(kTools, {{"instance", {{"unix:uid", "7"}}}}));
  clock_.advance(std::chrono::seconds(61));
  const Json receipts = get("/receipts").body["receipts"];
  std::vector<std::string> codes;
  for (const Json& one : receipts) {
    codes.push_back(one["refusal"]["code"]);
    EXPECT_FALSE(one["id"].get<std::string>().empty());
    EXPECT_FALSE(one.contains("tools"));
  }
  EXPECT_THAT(codes, ElementsAre("expired", "wrong_holder", "malformed", "untrusted_root",
                                 "wrong_holder", "wrong_instance"));
  EXPECT_EQ(receipts[0]["id"], id_of(wallet_->current()->entries[0].tokens));
}

TEST_F(HoldingsTest, WhatWasRevokedDoesNotStand) {
  const std::string uri = "https://lists.example/1";
  const auto named = [&](int index) {
    return root(kTools, {{"status", {{"uri", uri}, {"idx", index}}}});
  };
  const auto revoked = named(3);
  hold("1.json", revoked);
  hold("2.json", named(4));
  const Json unknown = get("/receipts").body["receipts"];
  for (const Json& one : unknown)
    EXPECT_EQ(one["refusal"]["code"], "status_unknown") << "nobody fetches lists here";

  status::PublishedList list{uri, now(), {}, {}, 60, *status::StatusList::make(2, 64)};
  ASSERT_TRUE(list.list.set(3, status::kInvalid));
  FakeFetcher lists;
  lists.answer(200, *status::issue_status_list(list, person_));
  lists.answers[0].fields.set("content-type", "application/statuslist+jwt");
  StatusOptions options;
  options.settings.lists = {"https://lists.example/"};
  options.anchors = anchors_;
  status_ = std::make_unique<StatusLists>(options, lists, clock_, rng_, gate_);
  make_holdings();
  const Json receipts = get("/receipts").body["receipts"];
  EXPECT_EQ(receipts[0]["refusal"]["code"], "revoked");
  EXPECT_FALSE(receipts[1].contains("refusal")) << receipts[1];
  const Answered refused = post(
      "/attachments",
      {{"tool", "pay"}, {"args", {{"amount", 1}}}, {"aud", kTool}, {"receipt", id_of(revoked)}});
  EXPECT_EQ(refused.code(), "revoked");
  gate_.drain();
  clock_.run_until([this] { return gate_.active() == 0; });
}

// Where it may be used is asked when it is used.
TEST_F(HoldingsTest, AReceiptForOnePlaceStands) {
  hold("a.json", root(kTools, {{"aud", {kTool, "https://more.example"}}}));
  EXPECT_FALSE(only().contains("refusal"));
}

TEST_F(HoldingsTest, TakesAReceiptOnce) {
  const auto tokens = root();
  const Answered taken = post("/receipts", {{"chain", tokens}});
  EXPECT_EQ(taken.status, 201);
  EXPECT_EQ(taken.body["id"], id_of(tokens));
  EXPECT_EQ(taken.body["tools"], Json::parse(kTools));
  EXPECT_EQ(only()["id"], id_of(tokens)) << "the very next request sees it";
  const std::string file = wallet_path("receipt-" + id_of(tokens) + ".json");
  struct stat status{};
  ASSERT_EQ(::stat(file.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
  const Answered again = post("/receipts", {{"chain", tokens}});
  EXPECT_EQ(again.status, 200);
  EXPECT_EQ(again.body["id"], taken.body["id"]);
  EXPECT_EQ(files(), 1U);
}

TEST_F(HoldingsTest, WhatAnOperatorPutThereIsNotTakenTwice) {
  const auto tokens = root();
  hold("reports.json", tokens);
  EXPECT_EQ(post("/receipts", {{"chain", tokens}}).status, 200);
  EXPECT_EQ(files(), 1U);
}

TEST_F(HoldingsTest, TakesOnlyWhatIsOursAndStands) {
  EXPECT_EQ(refusal(root(kTools, {{"holder", kOther}})), "wrong_holder");
  const auto future = root();
  clock_.jump_wall(-std::chrono::hours(1));
  EXPECT_EQ(refusal(future), "not_yet_valid");
  clock_.jump_wall(std::chrono::hours(3));
  EXPECT_EQ(refusal(future), "expired");
  EXPECT_EQ(refusal({"a.b.c"}), "malformed");
  auto spliced = root();
  spliced.push_back(root()[0]);
  EXPECT_NE(refusal(spliced), "");
  const auto mine = key_;
  key_ = other_;
  EXPECT_EQ(refusal(root()), "wrong_holder");
  key_ = mine;
  person_ = other_;
  EXPECT_EQ(refusal(root()), "bad_alg");
  person_ = receipt::PrivateKey::generate(receipt::KeyType::kEd25519);
  EXPECT_EQ(refusal(root()), "untrusted_root");
  EXPECT_EQ(files(), 0U);
}

TEST_F(HoldingsTest, ChainsAreListsOfTokens) {
  for (const Json& body :
       {Json({{"chain", "x"}}), Json({{"chain", Json::array()}}), Json({{"chain", {1}}}),
        Json({{"chain", std::vector<std::string>(18, "a.b.c")}}),
        Json({{"chain", root()}, {"name", "../../x"}}), Json(Json::object())}) {
    const Answered answered = post("/receipts", body);
    EXPECT_EQ(answered.status, 400) << body;
    EXPECT_EQ(answered.code(), "malformed") << body;
  }
  EXPECT_EQ(files(), 0U);
}

TEST_F(HoldingsTest, AFullOrBrokenWalletSaysSo) {
  for (std::size_t file = 0; file < WalletFolder::kFilesMax; ++file)
    std::ofstream(wallet_path(std::to_string(file) + ".json")) << "[\"x\"]";
  const Answered full = post("/receipts", {{"chain", root()}});
  EXPECT_EQ(full.status, 507);
  EXPECT_EQ(full.code(), "wallet_full");
  std::filesystem::remove_all(wallet_path(""));
  const Answered broken = post("/receipts", {{"chain", root()}});
  EXPECT_EQ(broken.status, 503);
  EXPECT_EQ(broken.code(), "storage");
}

// What the API put there itself, and only that, goes a day after it expired.
TEST_F(HoldingsTest, ForgetsItsOwnReceiptsADayAfterTheyExpired) {
  const auto early = root(kTools, Json::object(), 3, 60);
  const auto late = root(kTools, Json::object(), 3, 7200);
  hold("operator.json", root(kTools, Json::object(), 3, 60));
  EXPECT_EQ(post("/receipts", {{"chain", early}}).status, 201);
  EXPECT_EQ(post("/receipts", {{"chain", late}}).status, 201);
  clock_.advance(std::chrono::hours(24));
  EXPECT_EQ(post("/receipts", {{"chain", root()}}).status, 201);
  EXPECT_EQ(files(), 4U);
  clock_.advance(std::chrono::seconds(61));
  EXPECT_EQ(post("/receipts", {{"chain", root()}}).status, 201);
  EXPECT_EQ(files(), 4U);
  EXPECT_FALSE(std::filesystem::exists(wallet_path("receipt-" + id_of(early) + ".json")));
  EXPECT_TRUE(std::filesystem::exists(wallet_path("operator.json")));
}

}  // namespace
}  // namespace mandated::local
