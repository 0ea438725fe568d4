// Our own vectors against the library, function by function; batch_test.py asks the binary the
// same.
#include <gtest/gtest.h>

#include <fstream>
#include <set>

#include "filters/receipt/anchor.h"
#include "tests/unit/receipt/forge.h"

namespace mandated::receipt {
namespace {

using forge::Json;

Checked<void> decide(const json::Value& question) {
  std::vector<std::string_view> chain;
  for (const json::Value& token : question.find("chain")->array()) chain.push_back(token.string());
  const AnchorSet anchors(read_anchors(*question.find("anchors")));
  const Seconds now = question.find("now")->number();
  const std::string_view tool = *question.find_string("tool");
  const json::Value& arguments = *question.find("args");
  std::vector<std::string> audiences;
  if (const auto audience = question.find_string("aud")) audiences.emplace_back(*audience);
  const auto verified = verify_chain(chain, anchors, now);
  if (!verified) return tl::unexpected(verified.error());
  auto checked = check_call(**verified, tool, arguments);
  if (checked) checked = check_conditions(**verified, tool);
  if (checked && !audiences.empty()) checked = check_audience(**verified, audiences);
  if (!checked) return checked;
  const std::string_view proof = question.find_string("pop").value_or("");
  return verify_proof(**verified, proof, tool, arguments, audiences, now).map([](const Proof&) {});
}

Json answer_of(const Checked<void>& decision) {
  Json answer{{"permit", decision.has_value()}};
  if (decision) return answer;
  const Refusal& refusal = decision.error();
  answer["code"] = to_string(refusal.code);
  if (refusal.hop >= 0) answer["hop"] = refusal.hop;
  if (!refusal.tool.empty()) answer["tool"] = refusal.tool;
  if (!refusal.argument.empty()) answer["argument"] = refusal.argument;
  return answer;
}

// What a pure verifier never answers: these need a peer, memory, a status list or a fault.
const std::set<std::string> kNeedMore{"replayed",     "wrong_holder", "wrong_instance",
                                      "budget_spent", "revoked",      "internal"};

TEST(Vectors, GetTheirAnswersFromTheLibrary) {
  std::set<std::string> ids;
  std::set<std::string> codes;
  int permitted = 0;
  for (const char* file : {"receipts-ed25519.jsonl", "receipts-p256.jsonl"}) {
    std::ifstream stream(std::string(VECTORS_FOLDER) + "/" + file);
    for (std::string line; std::getline(stream, line);) {
      const auto document = forge::parse(line);
      const Json expected = Json::parse(document.root().find("expect")->raw());
      const std::string id(*document.root().find_string("id"));
      EXPECT_TRUE(ids.insert(id).second) << id << " stands twice";
      EXPECT_EQ(answer_of(decide(document.root())), expected) << id;
      if (expected.at("permit").get<bool>()) ++permitted;
      codes.insert(expected.value("code", ""));
    }
  }
  EXPECT_GT(permitted, 80);
  for (int code = 0; code <= static_cast<int>(Code::kInternal); ++code) {
    const std::string name(to_string(static_cast<Code>(code)));
    EXPECT_NE(codes.contains(name), kNeedMore.contains(name)) << name;
  }
}

}  // namespace
}  // namespace mandated::receipt
