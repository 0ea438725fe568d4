#include "proxy/protocol/jsonrpc.h"

#include <gtest/gtest.h>

#include <string>

namespace mandated::protocol {
namespace {

TEST(ParseMessage, ReadsARequest) {
  const auto message = parse_message(
      " {\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"tools/call\",\"params\":{\"name\":\"t\","
      "\"_meta\":{\"progressToken\":1}}}\n");
  ASSERT_TRUE(message) << message.error().message;
  EXPECT_EQ(message->kind(), Kind::kRequest);
  EXPECT_EQ(message->id(), "7");
  EXPECT_EQ(message->method(), "tools/call");
  EXPECT_EQ(message->param("name"), "t");
  ASSERT_NE(message->meta(), nullptr);
  EXPECT_EQ(message->meta()->find("progressToken")->integer(), 1);
  EXPECT_EQ(message->bytes().front(), '{');
  EXPECT_EQ(message->bytes().back(), '}');
}

TEST(ParseMessage, ReadsNotificationsAndResponses) {
  const auto notification =
      parse_message(R"({"jsonrpc":"2.0","method":"notifications/initialized"})");
  ASSERT_TRUE(notification);
  EXPECT_EQ(notification->kind(), Kind::kNotification);
  EXPECT_EQ(notification->id(), "");

  const auto result = parse_message(R"({"jsonrpc":"2.0","id":"a","result":{"roots":[]}})");
  ASSERT_TRUE(result);
  EXPECT_EQ(result->kind(), Kind::kResponse);
  EXPECT_EQ(result->id(), "\"a\"");
  EXPECT_NE(result->result(), nullptr);

  const auto error =
      parse_message(R"({"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"no"}})");
  ASSERT_TRUE(error);
  EXPECT_NE(error->error(), nullptr);
  EXPECT_EQ(error->result(), nullptr);
}

TEST(ParseMessage, IdsThatAreEqualAreOneId) {
  const auto a = parse_message(R"({"jsonrpc":"2.0","id":1.0,"method":"ping"})");
  const auto b = parse_message(R"({"jsonrpc":"2.0","id":"\u0061","method":"ping"})");
  ASSERT_TRUE(a && b);
  EXPECT_EQ(a->id(), "1");
  EXPECT_EQ(b->id(), "\"a\"");
}

TEST(ParseMessage, ValuesStayValidAcrossAMove) {
  auto first = parse_message(R"({"jsonrpc":"2.0","id":1,"method":"m","params":{"name":"x"}})");
  ASSERT_TRUE(first);
  const Message second = std::move(*first);
  EXPECT_EQ(second.param("name"), "x");
  EXPECT_EQ(second.method(), "m");
}

TEST(ParseMessage, OnlyAServerMayAnswerWithoutAnId) {
  constexpr std::string_view kNull =
      R"({"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"x"}})";
  constexpr std::string_view kAbsent = R"({"jsonrpc":"2.0","error":{"code":1,"message":"x"}})";
  for (const std::string_view text : {kNull, kAbsent}) {
    const auto server = parse_message(text, Origin::kServer);
    ASSERT_TRUE(server) << text;
    EXPECT_EQ(server->id(), "");
    EXPECT_FALSE(parse_message(text, Origin::kClient)) << text;
  }
  EXPECT_FALSE(parse_message(R"({"jsonrpc":"2.0","result":{}})", Origin::kServer));
}

struct Bad {
  const char* name;
  std::string text;
  int code;
  std::string id = "null";
};

class ParseMessageRefuses : public ::testing::TestWithParam<Bad> {};

TEST_P(ParseMessageRefuses, It) {
  const auto message = parse_message(GetParam().text);
  ASSERT_FALSE(message) << GetParam().text;
  EXPECT_EQ(message.error().code, GetParam().code);
  EXPECT_EQ(message.error().status, 400);
  EXPECT_EQ(message.error().id, GetParam().id);
  EXPECT_FALSE(message.error().message.empty());
}

std::string request(const std::string& params) {
  return R"({"jsonrpc":"2.0","id":7,"method":"tools/call","params":)" + params + "}";
}

INSTANTIATE_TEST_SUITE_P(
    Grammar, ParseMessageRefuses,
    ::testing::Values(
        Bad{"Empty", "", kParseError}, Bad{"Half", R"({"jsonrpc":"2.0","id":1)", kParseError},
        Bad{"Trailing", R"({"jsonrpc":"2.0","id":1,"method":"ping"} {})", kParseError},
        Bad{"Nul", std::string(R"({"jsonrpc":"2.0","id":1,"method":"ping"})") + '\0', kParseError},
        Bad{"NulInside", std::string("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"pi\0ng\"}", 41),
            kParseError},
        Bad{"ByteOrderMark", "\xEF\xBB\xBF{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}",
            kParseError},
        Bad{"LoneSurrogate", request(R"({"name":"\ud800"})"), kParseError},
        Bad{"InvalidUtf8", request("{\"name\":\"\xC3\x28\"}"), kParseError},
        Bad{"Overlong", request("{\"name\":\"\xC0\xAF\"}"), kParseError},
        Bad{"DuplicateMethod", R"({"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call"})",
            kParseError},
        Bad{"DuplicateEscaped",
            R"({"jsonrpc":"2.0","id":1,"method":"ping","m\u0065thod":"tools/call"})", kParseError},
        Bad{"DuplicateDeep", request(R"({"name":"t","arguments":{"a":{"b":1,"b":2}}})"),
            kParseError},
        Bad{"InexactNumber", request(R"({"name":"t","arguments":{"n":9007199254740993}})"),
            kParseError},
        Bad{"HugeNumber", request(R"({"name":"t","arguments":{"n":1e400}})"), kParseError},
        Bad{"Deep", request(std::string(100, '[') + std::string(100, ']')), kParseError},
        Bad{"Comment", R"({"jsonrpc":"2.0",/**/"id":1,"method":"ping"})", kParseError},
        Bad{"SingleQuotes", "{'jsonrpc':'2.0'}", kParseError},
        Bad{"Batch", R"([{"jsonrpc":"2.0","id":1,"method":"ping"}])", kInvalidRequest},
        Bad{"EmptyBatch", "[]", kInvalidRequest}, Bad{"Scalar", "1", kInvalidRequest},
        Bad{"Null", "null", kInvalidRequest}, Bad{"EmptyObject", "{}", kInvalidRequest}),
    [](const auto& each) { return each.param.name; });

INSTANTIATE_TEST_SUITE_P(
    JsonRpc, ParseMessageRefuses,
    ::testing::Values(
        Bad{"NoVersion", R"({"id":1,"method":"ping"})", kInvalidRequest, "1"},
        Bad{"Version1", R"({"jsonrpc":"1.0","id":1,"method":"ping"})", kInvalidRequest, "1"},
        Bad{"VersionNumber", R"({"jsonrpc":2.0,"id":1,"method":"ping"})", kInvalidRequest, "1"},
        Bad{"UnknownMember", R"({"jsonrpc":"2.0","id":1,"method":"ping","x":1})", kInvalidRequest},
        Bad{"MethodLookAlike", R"({"jsonrpc":"2.0","id":1,"method":"ping","Method":"tools/call"})",
            kInvalidRequest},
        Bad{"ParamsLookAlike",
            R"({"jsonrpc":"2.0","id":1,"method":"ping","params":{},"PARAMS":{}})", kInvalidRequest},
        Bad{"IdNull", R"({"jsonrpc":"2.0","id":null,"method":"ping"})", kInvalidRequest},
        Bad{"IdFraction", R"({"jsonrpc":"2.0","id":1.5,"method":"ping"})", kInvalidRequest},
        Bad{"IdObject", R"({"jsonrpc":"2.0","id":{},"method":"ping"})", kInvalidRequest},
        Bad{"IdBool", R"({"jsonrpc":"2.0","id":true,"method":"ping"})", kInvalidRequest},
        Bad{"IdLong",
            R"({"jsonrpc":"2.0","id":")" + std::string(2000, 'a') + R"(","method":"ping"})",
            kInvalidRequest},
        Bad{"CallWithoutId", R"({"jsonrpc":"2.0","method":"tools/call","params":{"name":"t"}})",
            kInvalidRequest},
        Bad{"NotificationWithId",
            R"({"jsonrpc":"2.0","id":1,"method":"notifications/initialized"})", kInvalidRequest,
            "1"},
        Bad{"MethodNumber", R"({"jsonrpc":"2.0","id":1,"method":7})", kInvalidRequest, "1"},
        Bad{"MethodEmpty", R"({"jsonrpc":"2.0","id":1,"method":""})", kInvalidRequest, "1"},
        Bad{"MethodWithNul", R"({"jsonrpc":"2.0","id":1,"method":"tools/list\u0000"})",
            kInvalidRequest, "1"},
        Bad{"MethodWithSpace", R"({"jsonrpc":"2.0","id":1,"method":"tools/call "})",
            kInvalidRequest, "1"},
        Bad{"RequestAndResult", R"({"jsonrpc":"2.0","id":1,"method":"ping","result":{}})",
            kInvalidRequest, "1"},
        Bad{"ResultAndError",
            R"({"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":""}})",
            kInvalidRequest, "1"},
        Bad{"ErrorWithoutCode", R"({"jsonrpc":"2.0","id":1,"error":{"message":""}})",
            kInvalidRequest, "1"},
        Bad{"ErrorIsText", R"({"jsonrpc":"2.0","id":1,"error":"no"})", kInvalidRequest, "1"},
        Bad{"ResultWithParams", R"({"jsonrpc":"2.0","id":1,"result":{},"params":{}})",
            kInvalidRequest, "1"},
        Bad{"ParamsArray", request("[1]"), kInvalidRequest, "7"},
        Bad{"ParamsNull", request("null"), kInvalidRequest, "7"},
        Bad{"MetaText", request(R"({"name":"t","_meta":"x"})"), kInvalidParams, "7"}),
    [](const auto& each) { return each.param.name; });

INSTANTIATE_TEST_SUITE_P(
    LookAlikes, ParseMessageRefuses,
    ::testing::Values(
        Bad{"NameBeside", request(R"({"name":"t","Name":"u"})"), kInvalidRequest, "7"},
        Bad{"NameAlone", request(R"({"NAME":"t"})"), kInvalidRequest, "7"},
        Bad{"Arguments", request(R"({"name":"t","arguments":{},"Arguments":{"a":1}})"),
            kInvalidRequest, "7"},
        Bad{"LongS", request("{\"name\":\"t\",\"argument\xC5\xBF\":{\"a\":1}}"), kInvalidRequest,
            "7"},
        Bad{"KelvinSign", request("{\"name\":\"t\",\"tas\xE2\x84\xAA\":{}}"), kInvalidRequest, "7"},
        Bad{"TwinsOfNoKnownName", request(R"({"name":"t","foo":1,"FOO":2})"), kInvalidRequest, "7"},
        Bad{"MetaMember", request(R"({"name":"t","_Meta":{}})"), kInvalidRequest, "7"},
        Bad{"ReceiptKey", request(R"({"name":"t","_meta":{"io.mandated/Receipt":["x"]}})"),
            kInvalidRequest, "7"}),
    [](const auto& each) { return each.param.name; });

TEST(ParseMessage, ArgumentsMayDifferByCase) {
  EXPECT_TRUE(parse_message(request(R"({"name":"t","arguments":{"a":1,"A":2}})")));
}

TEST(ParseMessage, TooLargeHasItsStatus) {
  json::Limits limits;
  limits.bytes_max = 10;
  const auto message =
      parse_message(R"({"jsonrpc":"2.0","id":1,"method":"ping"})", Origin::kClient, limits);
  ASSERT_FALSE(message);
  EXPECT_EQ(message.error().status, 413);
  EXPECT_EQ(message.error().code, kParseError);
}

TEST(LooksAlike, FoldsAsGoDoes) {
  EXPECT_TRUE(looks_alike("Method", "mETHOD"));
  EXPECT_TRUE(looks_alike("\xC5\xBF", "S"));
  EXPECT_TRUE(looks_alike("\xE2\x84\xAA", "k"));
  EXPECT_FALSE(looks_alike("method", "methods"));
  EXPECT_FALSE(looks_alike("\xC5", "s"));
}

TEST(ErrorResponse, IsTheJsonThatJsonRpcAsksFor) {
  EXPECT_EQ(error_response("7", -32600, "say \"no\"\n"),
            R"({"jsonrpc":"2.0","id":7,"error":{"code":-32600,"message":"say \"no\"\n"}})");
  EXPECT_EQ(error_response("", -1, "x", R"({"a":1})"),
            R"({"jsonrpc":"2.0","id":null,"error":{"code":-1,"message":"x","data":{"a":1}}})");
}

TEST(ErrorResponse, BecomesAnHttpAnswer) {
  const http::Response response = to_response(Rejection{405, kInvalidRequest, "no", "null", {}});
  EXPECT_EQ(response.head.status, 405);
  EXPECT_EQ(response.head.fields.single("content-type"), "application/json");
  EXPECT_EQ(response.head.fields.single("allow"), "GET, POST, DELETE");
}

}  // namespace
}  // namespace mandated::protocol
