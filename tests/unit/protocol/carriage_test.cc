#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/unit/protocol/fixtures.h"

namespace mandated::protocol {
namespace {

using testing::request;

struct Sent {
  std::vector<std::string> receipt_fields;
  std::vector<std::string> proof_fields;
  std::string meta;
};

Accepted<Delegation> read(const Sent& sent, const UnderstandOptions& options = {}) {
  http::Fields fields;
  for (const std::string& value : sent.receipt_fields) fields.add("delegation-receipt", value);
  for (const std::string& value : sent.proof_fields) fields.add("delegation-proof", value);
  const std::string meta = sent.meta.empty() ? "{}" : sent.meta;
  const auto message = parse_message(request("tools/call", R"({"name":"t","_meta":)" + meta + "}"));
  EXPECT_TRUE(message) << meta;
  return read_delegation(fields, &*message, options);
}

void expect_refused(const Accepted<Delegation>& outcome, const std::string& code) {
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().status, 200);
  EXPECT_EQ(outcome.error().code, kCallRefused);
  EXPECT_EQ(outcome.error().id, "7");
  EXPECT_EQ(outcome.error().data.find("{\"code\":\"" + code + "\""), 0U) << outcome.error().data;
}

TEST(ReadDelegation, EvidenceIsAKindAndADocument) {
  const auto with = [](const std::vector<std::string>& values) {
    http::Fields fields;
    for (const std::string& value : values) fields.add("delegation-evidence", value);
    const auto message = parse_message(request("tools/call", R"({"name":"t"})"));
    return read_delegation(fields, &*message, UnderstandOptions{});
  };
  EXPECT_EQ(with({"nitro aGk_-"})->evidence, "nitro aGk_-");
  EXPECT_FALSE(with({})->evidence);
  for (const std::vector<std::string>& wrong :
       std::vector<std::vector<std::string>>{{""},
                                             {"nitro"},
                                             {"nitro "},
                                             {" a"},
                                             {"nitro  a"},
                                             {"nitro a b"},
                                             {"nitro a="},
                                             {"nitro a", "dcap b"}}) {
    expect_refused(with(wrong), "malformed");
  }
}

TEST(ReadDelegation, FromFieldsOrMetaOrBoth) {
  const std::vector<std::string> two = {"a.b.c", "d.e.f"};
  const std::vector<Sent> all = {
      {{"a.b.c, d.e.f"}, {"p"}, ""},
      {{"a.b.c,d.e.f"}, {"p"}, ""},
      {{"a.b.c \t,\t d.e.f"}, {"p"}, ""},
      {{"a.b.c", "d.e.f"}, {"p"}, ""},
      {{}, {}, R"({"io.mandated/receipt":["a.b.c","d.e.f"],"io.mandated/proof":"p"})"},
      {{"a.b.c, d.e.f"},
       {"p"},
       R"({"io.mandated/receipt":["a.b.c","d.e.f"],"io.mandated/proof":"p"})"},
      {{"a.b.c, d.e.f"}, {}, R"({"io.mandated/proof":"p"})"},
  };
  for (const Sent& each : all) {
    const auto delegation = read(each);
    ASSERT_TRUE(delegation) << delegation.error().message;
    EXPECT_EQ(delegation->receipts, two);
    EXPECT_EQ(delegation->proof, "p");
  }
  const auto none = read({});
  ASSERT_TRUE(none);
  EXPECT_TRUE(none->receipts.empty());
  EXPECT_FALSE(none->proof);
}

TEST(ReadDelegation, RefusesWhatIsMalformedOrContradicts) {
  const std::vector<Sent> all = {
      {{""}, {}, ""},
      {{"a,"}, {}, ""},
      {{",a"}, {}, ""},
      {{"a,,b"}, {}, ""},
      {{"a b"}, {}, ""},
      {{"\"a\""}, {}, ""},
      {{"a;b"}, {}, ""},
      {{"a="}, {}, ""},
      {{"a\xC3\xA9"}, {}, ""},
      {{}, {"a, b"}, ""},
      {{}, {"a", "a"}, ""},
      {{}, {""}, ""},
      {{}, {}, R"({"io.mandated/receipt":"a"})"},
      {{}, {}, R"({"io.mandated/receipt":[]})"},
      {{}, {}, R"({"io.mandated/receipt":[1]})"},
      {{}, {}, R"({"io.mandated/receipt":["a "]})"},
      {{}, {}, R"({"io.mandated/receipt":null})"},
      {{}, {}, R"({"io.mandated/proof":["a"]})"},
      {{}, {}, R"({"io.mandated/proof":""})"},
      {{"a"}, {}, R"({"io.mandated/receipt":["b"]})"},
      {{"a"}, {}, R"({"io.mandated/receipt":["a","b"]})"},
      {{"a, b"}, {}, R"({"io.mandated/receipt":["b","a"]})"},
      {{}, {"a"}, R"({"io.mandated/proof":"b"})"},
  };
  for (const Sent& each : all) {
    SCOPED_TRACE(each.meta + (each.receipt_fields.empty() ? "" : " " + each.receipt_fields[0]));
    expect_refused(read(each), "malformed");
  }
}

TEST(ReadDelegation, IsBounded) {
  UnderstandOptions options;
  options.receipts_max = 2;
  EXPECT_TRUE(read({{"a,b"}, {}, ""}, options));
  expect_refused(read({{"a,b,c"}, {}, ""}, options), "too_large");
  expect_refused(read({{}, {}, R"({"io.mandated/receipt":["a","b","c"]})"}, options), "too_large");
  options.receipt_bytes_max = 10;
  expect_refused(read({{"aaaaaaaaaaa"}, {}, ""}, options), "too_large");
  expect_refused(read({{}, {"aaaaaaaaaaa"}, ""}, options), "too_large");
}

TEST(WithReceipt, PutsThemInPlaceOfWhatStoodThere) {
  const auto message = parse_message(
      R"( {"jsonrpc":"2.0", "id":7,"method":"tools/call","params":{"name":"t","arguments":{"b":1.0},)"
      R"("_meta":{"k":1,"io.mandated/receipt":["old"],"io.mandated/proof":"old"}}})");
  ASSERT_TRUE(message);
  EXPECT_EQ(with_receipt(*message, {"a", "b"}, "p"),
            R"({"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"t",)"
            R"("arguments":{"b":1},"_meta":{"k":1,"io.mandated/receipt":["a","b"],)"
            R"("io.mandated/proof":"p"}}})");
  EXPECT_EQ(with_receipt(*message, {}, ""),
            R"({"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"t",)"
            R"("arguments":{"b":1},"_meta":{"k":1}}})");
}

TEST(WithReceipt, MakesRoomWhereThereIsNone) {
  const auto message = parse_message(R"({"jsonrpc":"2.0","id":7,"method":"tools/list"})");
  ASSERT_TRUE(message);
  EXPECT_EQ(with_receipt(*message, {"a"}, ""),
            R"({"jsonrpc":"2.0","id":7,"method":"tools/list",)"
            R"("params":{"_meta":{"io.mandated/receipt":["a"]}}})");
}

TEST(WithoutReceipt, PassesTheVeryBytesWhenThereIsNothingToTakeOut) {
  const std::string text = "{\"jsonrpc\": \"2.0\",\n \"id\":7,\"method\":\"tools/list\"}";
  const auto message = parse_message(text + "\n");
  ASSERT_TRUE(message);
  EXPECT_EQ(without_receipt(*message), text);
}

TEST(WithoutReceipt, TakesOutReceiptAndProofAndNothingElse) {
  const auto alone =
      parse_message(request("tools/call", R"({"name":"t","_meta":{"io.mandated/receipt":["a"]}})"));
  ASSERT_TRUE(alone);
  EXPECT_EQ(without_receipt(*alone), request("tools/call", R"({"name":"t"})"));
  const auto beside = parse_message(request(
      "tools/call",
      R"({"name":"t","_meta":{"io.mandated/proof":"p","progressToken":1},"arguments":{"z":"é"}})"));
  ASSERT_TRUE(beside);
  EXPECT_EQ(
      without_receipt(*beside),
      request("tools/call", R"({"name":"t","_meta":{"progressToken":1},"arguments":{"z":"é"}})"));
}

TEST(SetDelegationFields, ReplacesWhatTheClientSent) {
  http::Fields fields;
  fields.add("delegation-receipt", "old");
  fields.add("delegation-receipt", "older");
  fields.add("delegation-proof", "old");
  set_delegation_fields(fields, {"a", "b"}, "p");
  EXPECT_EQ(fields.single("delegation-receipt"), "a, b");
  EXPECT_EQ(fields.single("delegation-proof"), "p");
  set_delegation_fields(fields, {}, "");
  EXPECT_EQ(fields.count("delegation-receipt"), 0U);
  EXPECT_EQ(fields.count("delegation-proof"), 0U);
}

TEST(RefusalResponse, HasTheMembersOfTheProfile) {
  RefusalFacts facts;
  facts.code = "argument_denied";
  facts.hop = 0;
  facts.tool = "read";
  facts.argument = "path";
  facts.constraint = R"({"type":"path_containment","root":"/a"})";
  facts.sentence = "The path is not below /a.";
  EXPECT_EQ(refusal_response("\"x\"", facts),
            R"({"jsonrpc":"2.0","id":"x","error":{"code":-32010,)"
            R"("message":"The path is not below /a.","data":{"code":"argument_denied","hop":0,)"
            R"("tool":"read","argument":"path","constraint":{"root":"/a",)"
            R"("type":"path_containment"},"sentence":"The path is not below /a."}}})");
}

TEST(RefusalResponse, LeavesOutWhatDoesNotApply) {
  RefusalFacts facts;
  facts.code = "no_receipt";
  facts.sentence = "No.";
  EXPECT_EQ(refusal_response("7", facts),
            R"({"jsonrpc":"2.0","id":7,"error":{"code":-32010,"message":"No.",)"
            R"("data":{"code":"no_receipt","sentence":"No."}}})");
  facts.constraint = "not { json";
  EXPECT_NE(refusal_response("7", facts).find(R"("constraint":"not { json")"), std::string::npos);
}

}  // namespace
}  // namespace mandated::protocol
