// Every code of the profile's section 7, each provoked by a real call through the proxy: the caller
// gets it as a JSON-RPC error with its own id and what failed, and nothing reaches the server.
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "filters/receipt/anchor.h"
#include "filters/status/token.h"
#include "tests/unit/receipt/forge.h"
#include "tests/unit/server/exchange_fixture.h"

namespace mandated::server {
namespace {

using receipt::Code;
using receipt::forge::Chain;
using receipt::forge::Draft;
using receipt::forge::Json;
using receipt::forge::key;
using receipt::forge::kNow;
using receipt::forge::sign_text;

constexpr int kLowAnchor = 50;  // its ceiling grants no tool

// One call, honest until a row bends it.
struct Attempt {
  std::string receipts;  ///< the header; empty: none
  std::string tool = "read_file";
  Json arguments = {{"path", "/data/a"}};
  Json proof;
  receipt::PrivateKey prover;
  bool proves = true;
};

struct Row {
  Code code;
  const char* data;  ///< without `code` and `sentence`
  std::size_t hops = 2;
  receipt::forge::Bend bend{};
  std::function<void(Chain& chain)> bend_tokens{};
  std::function<void(Attempt& attempt)> bend_attempt{};
  enum class Before : std::uint8_t { kNothing, kSameProof, kFreshProof };
  Before before = Before::kNothing;  ///< what was called, and permitted, before
  bool ledger_fails = false;
};

// Sets a claim of one hop, given as a JSON pointer.
receipt::forge::Bend set(std::size_t at, const char* pointer, const Json& value) {
  return [at, pointer, value](std::size_t hop, Draft& draft) {
    if (hop == at) draft.payload[Json::json_pointer(pointer)] = value;
  };
}
receipt::forge::Bend mandate(const char* text) { return set(0, "/mandate", Json::parse(text)); }

constexpr const char* kDeniedPath =
    R"({"hop":1,"tool":"read_file","argument":"path","constraint":)"
    R"({"constraint_type":"one_of","values":["/data/a","/data/b","/data/c"]}})";
constexpr const char* kPath = "/authorization_details/0/tools/read_file/path";

const std::vector<Row>& rows() {
  static const std::vector<Row> all = {
      {Code::kNoReceipt,
       R"({"tool":"read_file"})",
       2,
       {},
       {},
       [](Attempt& attempt) { attempt.receipts.clear(); }},
      {Code::kMalformed, "{}", 2, {}, {}, [](Attempt& attempt) { attempt.receipts = "a.b.c, ?"; }},
      {Code::kMalformed, R"({"hop":1,"tool":"read_file"})", 2, set(1, "/exp", "soon")},
      {Code::kTooLarge,
       "{}",
       2,
       {},
       {},
       [](Attempt& attempt) {
         attempt.receipts = "a.b.c";
         for (int more = 0; more < 30; ++more) attempt.receipts += ", a.b.c";
       }},
      {Code::kBadAlg, R"({"hop":0,"tool":"read_file"})", 2,
       [](std::size_t, Draft& draft) { draft.header = R"({"alg":"none"})"; }},
      {Code::kBadSignature,
       R"({"hop":1,"tool":"read_file"})",
       2,
       {},
       [](Chain& chain) {
         chain.tokens()[1] =
             sign_text(receipt::forge::honest_header(key(7)), chain.payload(1).dump(), key(7));
       }},
      {Code::kUntrustedRoot,
       R"({"hop":0,"tool":"read_file"})",
       1,
       {},
       [](Chain& chain) {
         chain.tokens()[0] =
             sign_text(receipt::forge::honest_header(key(7)), chain.payload(0).dump(), key(7));
       }},
      {Code::kAboveCeiling,
       R"({"hop":0,"tool":"list_directory"})",
       1,
       {},
       [](Chain& chain) {
         chain.tokens()[0] = sign_text(receipt::forge::honest_header(key(kLowAnchor)),
                                       chain.payload(0).dump(), key(kLowAnchor));
       }},
      {Code::kBrokenLink, R"({"hop":1,"tool":"read_file"})", 2,
       set(1, "/par_hash", receipt::sha256_text("another"))},
      {Code::kDepth, R"({"hop":1,"tool":"read_file"})", 2, set(0, "/del_max_depth", 0)},
      {Code::kExpired, R"({"hop":0,"tool":"read_file"})", 1, set(0, "/exp", kNow - 50)},
      {Code::kNotYetValid, R"({"hop":0,"tool":"read_file"})", 1,
       set(0, "/mandate", Json{{"nbf", kNow + 60}})},
      {Code::kLifetime, R"({"hop":0,"tool":"read_file"})", 1, set(0, "/exp", kNow + 91.0 * 86400)},
      {Code::kEscalation,
       R"({"hop":1,"tool":"read_file","argument":"path","constraint":{"constraint_type":"wildcard"}})",
       2, set(1, kPath, Json{{"constraint_type", "wildcard"}})},
      {Code::kUnknownConstraint, R"({"hop":0,"tool":"read_file","argument":"path"})", 2,
       set(0, kPath, Json{{"constraint_type", "whatever"}})},
      {Code::kToolNotGranted,
       R"({"hop":1,"tool":"delete_file"})",
       2,
       {},
       {},
       [](Attempt& attempt) { attempt.tool = "delete_file"; }},
      {Code::kArgumentMissing,
       kDeniedPath,
       2,
       {},
       {},
       [](Attempt& attempt) { attempt.arguments = Json::object(); }},
      {Code::kArgumentUnexpected,
       R"({"hop":1,"tool":"read_file","argument":"mode"})",
       2,
       {},
       {},
       [](Attempt& attempt) { attempt.arguments["mode"] = "r"; }},
      {Code::kArgumentDenied,
       kDeniedPath,
       2,
       {},
       {},
       [](Attempt& attempt) { attempt.arguments["path"] = "/etc/passwd"; }},
      {Code::kNoProof,
       R"({"tool":"read_file"})",
       2,
       {},
       {},
       [](Attempt& attempt) { attempt.proves = false; }},
      {Code::kBadProof,
       R"({"hop":1,"tool":"read_file"})",
       2,
       {},
       {},
       [](Attempt& attempt) { attempt.prover = key(7); }},
      {Code::kBadProof,
       R"({"hop":1,"tool":"read_file"})",
       2,
       {},
       {},
       [](Attempt& attempt) { attempt.proof["hta"]["path"] = "/data/b"; }},
      {Code::kReplayed, R"({"tool":"read_file"})", 2, {}, {}, {}, Row::Before::kSameProof},
      {Code::kWrongHolder, R"({"hop":0,"tool":"read_file"})", 1,
       mandate(R"({"holder":"spiffe://test.example/agent/x"})")},
      {Code::kWrongInstance, R"({"hop":0,"tool":"read_file"})", 1,
       mandate(R"({"instance":{"unix:sha256":"00"}})")},
      {Code::kWrongAudience, R"({"hop":0,"tool":"read_file"})", 1,
       mandate(R"({"aud":["spiffe://test.example/elsewhere"]})")},
      {Code::kRevoked, R"({"hop":0,"tool":"read_file"})", 1,
       mandate(R"({"status":{"uri":"https://lists.test.example/1","idx":3}})")},
      {Code::kStatusUnknown, R"({"hop":0,"tool":"read_file"})", 1,
       mandate(R"({"status":{"uri":"https://lists.test.example/2","idx":3}})")},
      {Code::kStatusUnknown, R"({"hop":0,"tool":"read_file"})", 1,
       mandate(R"({"status":{"uri":"https://status.example/1","idx":7}})")},
      {Code::kBudgetSpent,
       R"({"hop":0,"tool":"read_file"})",
       1,
       mandate(R"({"budget":{"calls":1}})"),
       {},
       {},
       Row::Before::kFreshProof},
      {Code::kReasonRequired, R"({"hop":0,"tool":"read_file"})", 1,
       mandate(R"({"require":{"read_file":"reason"}})")},
      {Code::kApprovalRequired, R"({"hop":0,"tool":"read_file"})", 1,
       mandate(R"({"require":{"read_file":"approval"}})")},
      {Code::kUnclean, R"({"hop":0,"tool":"read_file"})", 1,
       mandate(R"({"require":{"read_file":"clean"}})")},
      {Code::kInternal,
       R"({"tool":"read_file"})",
       1,
       mandate(R"({"budget":{"calls":1}})"),
       {},
       {},
       Row::Before::kNothing,
       true},
  };
  return all;
}

// A ledger that can be told to fail.
class FallibleLedger final : public Ledger {
 public:
  explicit FallibleLedger(const bool& fails) : fails_(fails) {}
  Task<Result<std::optional<std::size_t>>> charge(std::span<const receipt::Charge> charges,
                                                  receipt::Seconds now) override {
    if (fails_) co_return fail(mandated::Code::kStorage, "the disk is full");
    co_return co_await ledger_->charge(charges, now);
  }
  Task<Result<void>> give_back(std::span<const receipt::Charge> charges,
                               receipt::Seconds now) override {
    co_return co_await ledger_->give_back(charges, now);
  }
  Task<Result<std::vector<std::uint64_t>>> spent(
      std::span<const receipt::Charge> charges) override {
    co_return co_await ledger_->spent(charges);
  }

 private:
  const bool& fails_;
  std::unique_ptr<Ledger> ledger_ = make_memory_ledger();
};

class CodesTest : public ExchangeTest, public testing::WithParamInterface<std::size_t> {
 protected:
  CodesTest() : ExchangeTest(anchors(), std::make_unique<FallibleLedger>(row().ledger_fails)) {
    clock_.jump_wall(std::chrono::duration_cast<Clock::Duration>(
        std::chrono::duration<double>(kNow - clock_.wall_seconds())));
    answers(200, "application/json", {R"({"jsonrpc":"2.0","id":"first","result":{}})"});
    status::PublishedList list{"https://lists.test.example/1",  kNow, {}, {}, 60,
                               *status::StatusList::make(1, 16)};
    if (!list.list.set(3, status::kInvalid)) ADD_FAILURE() << "the list has no such entry";
    fetcher_.answer(list.uri, *status::issue_status_list(list, key(0)));
  }
  static const Row& row() { return rows()[GetParam()]; }
  static receipt::AnchorSet anchors() {
    receipt::Anchor low{"low", key(kLowAnchor).public_key(), std::nullopt};
    const json::Document ceiling = receipt::forge::parse(R"({"tools":{}})");
    if (!receipt::set_ceiling(low, ceiling.root())) ADD_FAILURE() << "the ceiling cannot be read";
    return receipt::AnchorSet({{"high", key(0).public_key(), std::nullopt}, low});
  }

  Attempt attempt(const Chain& chain, const std::string& jti) const {
    Attempt made;
    for (const std::string_view token : chain.views()) {
      made.receipts += (made.receipts.empty() ? "" : ", ") + std::string(token);
    }
    made.prover = chain.holder();
    made.proof = chain.honest_proof(made.tool, made.arguments);
    made.proof["aat_aud"] = "spiffe://test.example/tool";
    made.proof["iat"] = clock_.wall_seconds();
    made.proof["jti"] = jti;
    return made;
  }
  nlohmann::json send(const Attempt& attempt, const std::string& id) {
    const Json body = {{"jsonrpc", "2.0"},
                       {"id", id},
                       {"method", "tools/call"},
                       {"params", {{"name", attempt.tool}, {"arguments", attempt.arguments}}}};
    http::Fields fields;
    if (!attempt.receipts.empty()) fields.set("delegation-receipt", attempt.receipts);
    if (attempt.proves) {
      fields.set("delegation-proof", receipt::forge::sign_proof(attempt.proof, attempt.prover));
    }
    const Answer answer = ask("/mcp", body.dump(), "POST", std::move(fields));
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.type, "application/json");
    return nlohmann::json::parse(answer.body);
  }
};

TEST_P(CodesTest, IsAnsweredAndNothingLeaves) {
  Chain chain(row().hops, row().bend);
  if (row().bend_tokens) row().bend_tokens(chain);
  if (row().before != Row::Before::kNothing) {
    const nlohmann::json first = send(attempt(chain, "first"), "first");
    ASSERT_TRUE(first.contains("result")) << first;
    ASSERT_EQ(server_.seen.size(), 1U);
    server_.seen.clear();
  }
  Attempt bent = attempt(chain, row().before == Row::Before::kSameProof ? "first" : "second");
  if (row().bend_attempt) row().bend_attempt(bent);
  const std::string id = "call \"" + std::to_string(GetParam()) + "\"";
  const nlohmann::json answer = send(bent, id);

  EXPECT_EQ(answer.at("jsonrpc"), "2.0");
  EXPECT_EQ(answer.at("id"), id);
  ASSERT_TRUE(answer.contains("error")) << answer;
  EXPECT_EQ(answer["error"]["code"], -32010);
  nlohmann::json data = answer["error"]["data"];
  EXPECT_EQ(data["code"], receipt::to_string(row().code)) << answer;
  const std::string sentence = data.value("sentence", "");
  EXPECT_EQ(answer["error"]["message"], sentence);
  EXPECT_GT(sentence.size(), 10U);
  data.erase("code");
  data.erase("sentence");
  EXPECT_EQ(data, nlohmann::json::parse(row().data)) << answer;
  EXPECT_TRUE(server_.seen.empty());
  EXPECT_EQ(decisions(false), 1);
}

INSTANTIATE_TEST_SUITE_P(Section7, CodesTest, testing::Range(std::size_t{0}, rows().size()),
                         [](const testing::TestParamInfo<std::size_t>& each) {
                           return std::string(receipt::to_string(rows()[each.param].code)) + "_" +
                                  std::to_string(each.param);
                         });

TEST(CodesTableTest, EveryCodeHasARow) {
  for (int each = 0; each <= static_cast<int>(Code::kInternal); ++each) {
    const auto code = static_cast<Code>(each);
    const bool has_row = std::any_of(rows().begin(), rows().end(),
                                     [code](const Row& row) { return row.code == code; });
    EXPECT_TRUE(has_row) << receipt::to_string(code);
  }
}

}  // namespace
}  // namespace mandated::server
