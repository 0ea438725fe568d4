// What a record looks like, and that nothing a peer sends can break its line.
#include "proxy/audit/record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "proxy/audit/chain.h"
#include "tests/unit/audit/records.h"

namespace mandated::audit {
namespace {

nlohmann::json parsed(const Record& record) {
  return nlohmann::json::parse("{" + serialize(record) + "}");
}

TEST(Hash, IsBase64UrlOfSha256) {
  EXPECT_EQ(hash(""), "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU");
  EXPECT_EQ(hash("abc"), "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0");
}

TEST(ArgumentsHash, IsOfTheCanonicalForm) {
  const auto a = json::Document::parse(R"({"b": 1.0, "a": "x"})");
  const auto b = json::Document::parse(R"({"a":"x","b":1})");
  EXPECT_EQ(arguments_hash(a->root()), hash(R"({"a":"x","b":1})"));
  EXPECT_EQ(arguments_hash(a->root()), arguments_hash(b->root()));
}

TEST(TimeText, IsUtcWithMicroseconds) {
  EXPECT_EQ(time_text(test::at(0)), "1970-01-01T00:00:00.000000Z");
  EXPECT_EQ(time_text(test::at(1780000000.25)), "2026-05-28T20:26:40.250000Z");
  EXPECT_EQ(time_text(test::at(-0.5)), "1969-12-31T23:59:59.500000Z");
}

TEST(Serialize, EveryMember) {
  const nlohmann::json record = parsed(test::full_record());
  EXPECT_EQ(record["phase"], "decision");
  EXPECT_EQ(record["verdict"], "deny");
  EXPECT_EQ(record["arguments"]["path"], "/data/f");
  EXPECT_EQ(record["chain"], nlohmann::json({"root-1", "leaf-\"2\""}));
  EXPECT_EQ(record["intent"], "Summarise the \xE2\x80\x9Cquarter\xE2\x80\x9D\nreports");
  EXPECT_EQ(record["refusal"]["code"], "argument_denied");
  EXPECT_EQ(record["refusal"]["hop"], 1);
  EXPECT_FALSE(record.contains("status"));
  const nlohmann::json outcome = parsed(test::outcome_record());
  EXPECT_EQ(outcome["bytes_in"], 0);
  EXPECT_EQ(outcome["verdict"], "permit");
  EXPECT_FALSE(outcome.contains("tool"));
  EXPECT_FALSE(outcome.contains("refusal"));
}

TEST(Serialize, AnAlertNamesBothInstances) {
  Record record = test::full_record();
  record.phase = Phase::kAlert;
  record.instances = {"process 7 (/usr/bin/agent)", "process 8 (/usr/bin/agent)"};
  record.caller_executable = "/usr/bin/agent";
  record.caller_sha256 = "ab";
  record.caller_pid = 7;
  const nlohmann::json line = parsed(record);
  EXPECT_EQ(line["phase"], "alert");
  EXPECT_EQ(line["instances"], nlohmann::json(record.instances));
  EXPECT_EQ(line["caller_executable"], "/usr/bin/agent");
  EXPECT_EQ(line["caller_sha256"], "ab");
  EXPECT_EQ(line["caller_pid"], 7);
  EXPECT_FALSE(parsed(test::full_record()).contains("caller_pid"));
}

TEST(Serialize, BytesOfAPeerStayOneLineOfJson) {
  for (const std::string& hostile :
       {std::string("a\nb\r\"\\\x01\x7f"), std::string("\xff\xfe"), std::string("\xC0\x80x"),
        std::string("\xED\xA0\x80"), std::string("a\0b", 3), std::string("\xF0\x9F\x98"),
        std::string(10000, 'x'), std::string(4095, 'x') + "\xE2\x82\xAC" + std::string(100, 'y')}) {
    Record record;
    record.method = hostile;
    record.tool = hostile;
    record.chain = {hostile};
    record.refusal = Refusal{"malformed", -1, hostile, "", hostile};
    const std::string members = serialize(record);
    EXPECT_EQ(members.find('\n'), std::string::npos);
    EXPECT_LT(members.size(), 60000U);
    EXPECT_TRUE(json::Document::parse("{" + members + "}")) << members;
  }
}

TEST(Serialize, LongTextIsCutBetweenCharacters) {
  Record record;
  record.tool = std::string(4095, 'x') + "\xE2\x82\xAC";
  EXPECT_EQ(parsed(record)["tool"], std::string(4095, 'x') + "\xE2\x80\xA6");
  record.tool = std::string(4096, 'x');
  EXPECT_EQ(parsed(record)["tool"], record.tool);
}

TEST(Serialize, HugeArgumentsAreLeftToTheirHash) {
  Record record;
  record.arguments = "\"" + std::string(2U << 20U, 'x') + "\"";
  record.arguments_hash = "h";
  EXPECT_FALSE(parsed(record).contains("arguments"));
  EXPECT_EQ(parsed(record)["arguments_hash"], "h");
}

}  // namespace
}  // namespace mandated::audit
