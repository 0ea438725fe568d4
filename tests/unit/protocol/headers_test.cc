#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/unit/protocol/fixtures.h"

namespace mandated::protocol {
namespace {

using testing::post;
using testing::request;
using testing::stateless_post;
using testing::stateless_request;

const std::string kCall = stateless_request("tools/call", R"("name":"read","arguments":{"n":1})");

Accepted<std::string> check(const http::RequestHead& head, std::string_view body,
                            const UnderstandOptions& options = {}) {
  const auto message = parse_message(body);
  EXPECT_TRUE(message) << body;
  return check_headers(head.fields, *message, options);
}

void expect_rejected(const Accepted<std::string>& outcome, int status, int code) {
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().status, status);
  EXPECT_EQ(outcome.error().code, code) << outcome.error().message;
}

TEST(CheckHeaders, GivesTheRevision) {
  EXPECT_EQ(check(stateless_post("tools/call", "read"), kCall), "2026-07-28");
  EXPECT_EQ(check(post(), request("tools/list")), "2025-03-26");  // assumed
  http::RequestHead head = post();
  head.fields.add("mcp-protocol-version", "2025-11-25");
  EXPECT_EQ(check(head, request("tools/list")), "2025-11-25");
}

struct MediaCase {
  const char* type;
  const char* accept;
  int status;
};

TEST(CheckHeaders, MediaTypes) {
  constexpr const char* kBoth = "application/json, text/event-stream";
  const std::vector<MediaCase> cases = {
      {"application/json", kBoth, 200},
      {"Application/JSON; charset=UTF-8", kBoth, 200},
      {"application/json;charset=\"utf-8\"", kBoth, 200},
      {"application/json", "*/*", 200},
      {"application/json", "application/*, text/*;q=0.5", 200},
      {"application/json", "text/event-stream;q=1.0,application/json;q=0.9", 200},
      {"text/plain", kBoth, 415},
      {"application/json; charset=utf-7", kBoth, 415},
      {"application/json; charset=utf-16le", kBoth, 415},
      {"application/json; charset=utf-8; x=y", kBoth, 415},
      {"application/json, text/plain", kBoth, 415},
      {"application/jsonp", kBoth, 415},
      {"application/x-www-form-urlencoded", kBoth, 415},
      {"multipart/form-data; boundary=a", kBoth, 415},
      {"", kBoth, 415},
      {"application/json", "application/json", 406},
      {"application/json", "text/event-stream", 406},
      {"application/json", "application/json;q=0, text/event-stream", 406},
      {"application/json", "text/html", 406},
  };
  for (const MediaCase& each : cases) {
    http::RequestHead head = post();
    head.fields.set("content-type", each.type);
    head.fields.set("accept", each.accept);
    const auto outcome = check(head, request("tools/list"));
    if (each.status == 200) {
      EXPECT_TRUE(outcome) << each.type << " / " << each.accept;
    } else {
      ASSERT_FALSE(outcome) << each.type << " / " << each.accept;
      EXPECT_EQ(outcome.error().status, each.status) << each.type << " / " << each.accept;
      EXPECT_EQ(outcome.error().code, kInvalidRequest);
    }
  }
}

TEST(CheckHeaders, MediaTypesThatStandTwiceOrNotAtAll) {
  http::RequestHead twice = post();
  twice.fields.add("content-type", "application/json");
  expect_rejected(check(twice, request("tools/list")), 415, kInvalidRequest);
  http::RequestHead none = post();
  none.fields.remove("content-type");
  expect_rejected(check(none, request("tools/list")), 415, kInvalidRequest);
  http::RequestHead no_accept = post();
  no_accept.fields.remove("accept");
  expect_rejected(check(no_accept, request("tools/list")), 406, kInvalidRequest);
  http::RequestHead encoded = post();
  encoded.fields.add("content-encoding", "gzip");
  expect_rejected(check(encoded, request("tools/list")), 415, kInvalidRequest);
}

TEST(CheckHeaders, Origin) {
  UnderstandOptions options;
  http::RequestHead head = post();
  head.fields.add("origin", "https://evil.example");
  expect_rejected(check(head, request("tools/list"), options), 403, kInvalidRequest);
  options.origins = {"https://app.example"};
  expect_rejected(check(head, request("tools/list"), options), 403, kInvalidRequest);
  head.fields.set("origin", "https://app.example");
  EXPECT_TRUE(check(head, request("tools/list"), options));
  head.fields.add("origin", "https://app.example");
  expect_rejected(check(head, request("tools/list"), options), 403, kInvalidRequest);
}

TEST(CheckHeaders, LoopbackOriginsWhereNoneAreNamed) {
  const UnderstandOptions options;
  for (const char* good :
       {"http://localhost", "http://localhost:5173", "https://127.0.0.1:8443", "http://[::1]:80"}) {
    http::RequestHead head = post();
    head.fields.add("origin", good);
    EXPECT_TRUE(check(head, request("tools/list"), options)) << good;
  }
  for (const char* bad :
       {"null", "http://localhost.evil.example", "http://localhost:80.evil.example",
        "http://localhost@evil.example", "file://", "http://127.0.0.1.evil.example",
        "http://localhost:", "ftp://localhost", "http://LOCALHOST "}) {
    http::RequestHead head = post();
    head.fields.add("origin", bad);
    expect_rejected(check(head, request("tools/list"), options), 403, kInvalidRequest);
  }
  UnderstandOptions named;
  named.origins = {"https://app.example"};
  http::RequestHead head = post();
  head.fields.add("origin", "http://localhost");
  expect_rejected(check(head, request("tools/list"), named), 403, kInvalidRequest);
}

TEST(CheckHeaders, Versions) {
  http::RequestHead unknown = post();
  unknown.fields.add("mcp-protocol-version", "1900-01-01");
  const auto outcome = check(unknown, request("tools/list"));
  expect_rejected(outcome, 400, kUnsupportedVersion);
  EXPECT_EQ(outcome.error().id, "7");
  EXPECT_EQ(outcome.error().data,
            R"({"supported":["2026-07-28","2025-11-25","2025-06-18","2025-03-26","2024-11-05"],)"
            R"("requested":"1900-01-01"})");

  http::RequestHead twice = stateless_post("tools/call", "read");
  twice.fields.add("mcp-protocol-version", "2026-07-28");
  expect_rejected(check(twice, kCall), 400, kHeaderMismatch);

  http::RequestHead absent = stateless_post("tools/call", "read");
  absent.fields.remove("mcp-protocol-version");
  expect_rejected(check(absent, kCall), 400, kHeaderMismatch);

  http::RequestHead older = stateless_post("tools/call", "read");
  older.fields.set("mcp-protocol-version", "2025-11-25");
  expect_rejected(check(older, kCall), 400, kHeaderMismatch);

  expect_rejected(
      check(stateless_post("tools/call", "read"), request("tools/call", R"({"name":"read"})")), 400,
      kInvalidParams);
  expect_rejected(
      check(post(),
            request("tools/list", R"({"_meta":{"io.modelcontextprotocol/protocolVersion":7}})")),
      400, kInvalidParams);
  expect_rejected(
      check(stateless_post("tools/list"),
            request("tools/list",
                    R"({"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}})")),
      400, kInvalidParams);
}

TEST(CheckHeaders, NoResponsesUnderTheStatelessRevision) {
  http::RequestHead head = post();
  head.fields.add("mcp-protocol-version", "2026-07-28");
  expect_rejected(check(head, R"({"jsonrpc":"2.0","id":1,"result":{}})"), 400, kInvalidRequest);
}

struct HeaderCase {
  const char* field;
  const char* value;  ///< null: the field is taken out
  bool good;
};

TEST(CheckHeaders, MethodAndNameMustAgreeWithTheBody) {
  const std::vector<HeaderCase> cases = {
      {"mcp-method", "tools/call", true},
      {"mcp-method", "tools/list", false},
      {"mcp-method", "Tools/Call", false},
      {"mcp-method", "tools/call ", false},
      {"mcp-method", nullptr, false},
      {"mcp-name", "read", true},
      {"mcp-name", "=?base64?cmVhZA==?=", true},
      {"mcp-name", "=?BASE64?cmVhZA==?=", false},
      {"mcp-name", "=?base64?cmVhZA?=", false},
      {"mcp-name", "=?base64?cmVhZB==?=", false},
      {"mcp-name", "Read", false},
      {"mcp-name", "write", false},
      {"mcp-name", nullptr, false},
      {"mcp-name", "", false},
      {"mcp-param-x", "1", true},
      {"mcp-param-x", "1.0", true},
      {"mcp-param-x", "2", false},
      {"mcp-param-x", "\xC3\xA9", false},
      {"mcp-param-x", "=?base64?MQ==?=", true},
  };
  for (const HeaderCase& each : cases) {
    http::RequestHead head = stateless_post("tools/call", "read");
    head.fields.remove(each.field);
    if (each.value != nullptr) head.fields.add(each.field, each.value);
    const auto outcome = check(head, kCall);
    if (each.good) {
      EXPECT_TRUE(outcome) << each.field << ": " << each.value;
    } else {
      SCOPED_TRACE(std::string(each.field) + ": " + (each.value == nullptr ? "-" : each.value));
      expect_rejected(outcome, 400, kHeaderMismatch);
      EXPECT_EQ(outcome.error().id, "7");
    }
  }
}

TEST(CheckHeaders, AParamHeaderCannotBorrowAnotherArgumentsValue) {
  const std::string body =
      R"({"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"read","arguments":)"
      R"({"path":"/ok/a","note":"/etc/shadow"},"_meta":)"
      R"({"io.modelcontextprotocol/protocolVersion":"2026-07-28",)"
      R"("io.modelcontextprotocol/clientCapabilities":{}}}})";
  for (const char* field : {"mcp-param-path", "mcp-param-note"}) {
    http::RequestHead head = stateless_post("tools/call", "read");
    head.fields.add(field, "/etc/shadow");
    const auto outcome = check(head, body);
    if (field == std::string_view("mcp-param-note")) {
      EXPECT_TRUE(outcome);
    } else {
      expect_rejected(outcome, 400, kHeaderMismatch);
    }
  }
}

TEST(CheckHeaders, FieldsThatStandTwiceAreAMismatch) {
  for (const char* field : {"mcp-method", "mcp-name"}) {
    http::RequestHead head = stateless_post("tools/call", "read");
    head.fields.add(field, std::string(*head.fields.single(field)));
    expect_rejected(check(head, kCall), 400, kHeaderMismatch);
  }
}

TEST(CheckHeaders, OlderRevisionsNeedNoneButMustNotContradict) {
  EXPECT_TRUE(check(post(), request("tools/call", R"({"name":"read"})")));
  http::RequestHead head = post();
  head.fields.add("mcp-name", "write");
  expect_rejected(check(head, request("tools/call", R"({"name":"read"})")), 400, kHeaderMismatch);
  http::RequestHead method = post();
  method.fields.add("mcp-method", "tools/list");
  expect_rejected(check(method, request("tools/call", R"({"name":"read"})")), 400, kHeaderMismatch);
}

TEST(CheckHeaders, TheNameMirrorsWhatTheMethodHas) {
  EXPECT_TRUE(check(stateless_post("resources/read", "file:///a"),
                    stateless_request("resources/read", R"("uri":"file:///a")")));
  expect_rejected(check(stateless_post("resources/read", "file:///b"),
                        stateless_request("resources/read", R"("uri":"file:///a")")),
                  400, kHeaderMismatch);
  expect_rejected(check(stateless_post("resources/read"),
                        stateless_request("resources/read", R"("uri":"file:///a")")),
                  400, kHeaderMismatch);
  EXPECT_TRUE(
      check(stateless_post("prompts/get", "p"), stateless_request("prompts/get", R"("name":"p")")));
  EXPECT_TRUE(
      check(stateless_post("tasks/get", "t1"), stateless_request("tasks/get", R"("taskId":"t1")")));
  // A name on a method that has none could only mislead.
  expect_rejected(check(stateless_post("tools/list", "read"),
                        stateless_request("tools/list", R"("name":"read")")),
                  400, kHeaderMismatch);
}

TEST(CheckHeaders, ParamsMayMirrorNestedArguments) {
  const std::string body = stateless_request(
      "tools/call",
      R"("name":"q","arguments":{"a":{"region":"us","flag":true},"list":["hidden"],"n":null})");
  for (const auto& [value, good] : std::vector<std::pair<std::string, bool>>{
           {"us", true}, {"true", true}, {"TRUE", false}, {"hidden", false}, {"null", false}}) {
    http::RequestHead head = stateless_post("tools/call", "q");
    head.fields.add("mcp-param-p", value);
    EXPECT_EQ(check(head, body).has_value(), good) << value;
  }
}

TEST(HeaderValue, EncodesAsTheSpecificationShows) {
  // 2026-07-28, "Value Encoding", the table of examples.
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"us-west1", "us-west1"},
      {"Hello, \xE4\xB8\x96\xE7\x95\x8C", "=?base64?SGVsbG8sIOS4lueVjA==?="},
      {" padded ", "=?base64?IHBhZGRlZCA=?="},
      {"line1\nline2", "=?base64?bGluZTEKbGluZTI=?="},
      {"=?base64?literal?=", "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?="},
  };
  for (const auto& [text, value] : cases) {
    EXPECT_EQ(encode_header_value(text), value);
    EXPECT_EQ(decode_header_value(value), text);
  }
  EXPECT_EQ(decode_header_value(encode_header_value("")), "");
  EXPECT_EQ(decode_header_value("=?base64?A?="), std::nullopt);
  EXPECT_EQ(decode_header_value("=?base64?====?="), std::nullopt);
  EXPECT_EQ(decode_header_value("=?base64?QQ=Q?="), std::nullopt);
  EXPECT_EQ(decode_header_value("=?base64?"
                                "?="),
            "");
  EXPECT_EQ(decode_header_value("=?base64?="), "=?base64?=");  // too short to be encoded
}

TEST(CheckStreamHeaders, GetAndDelete) {
  http::RequestHead get;
  get.method = "GET";
  get.fields.add("accept", "text/event-stream");
  EXPECT_EQ(check_stream_headers(get, {}), "2025-03-26");
  get.fields.add("mcp-protocol-version", "2026-07-28");
  auto outcome = check_stream_headers(get, {});
  expect_rejected(outcome, 405, kInvalidRequest);
  get.fields.set("mcp-protocol-version", "nonsense");
  expect_rejected(check_stream_headers(get, {}), 400, kUnsupportedVersion);
  get.fields.remove("mcp-protocol-version");
  get.fields.set("accept", "application/json");
  expect_rejected(check_stream_headers(get, {}), 406, kInvalidRequest);
  get.method = "DELETE";
  EXPECT_TRUE(check_stream_headers(get, {}));
}

}  // namespace
}  // namespace mandated::protocol
