// HTTP/1.1 server: what it refuses, and how it frames. Bytes in, bytes out.
#include <gtest/gtest.h>

#include "tests/unit/http/http_world.h"

namespace mandated::http {
namespace {

struct Refused {
  const char* name;
  std::string request;
  int status;
  Code code;
};

void PrintTo(const Refused& row, std::ostream* out) { *out << row.name; }

std::string status_line(const std::string& answer) { return answer.substr(0, answer.find('\r')); }

class Http1Refuses : public testing::TestWithParam<Refused> {};

TEST_P(Http1Refuses, WithItsStatusAndAnEnd) {
  for (const std::size_t piece : {SIZE_MAX, std::size_t{1}, std::size_t{7}}) {
    World world;
    FunctionHandler handler(echo);
    ServerLimits limits;
    limits.header_bytes_max = 4096;
    limits.header_count_max = 16;
    RawPeer peer(world, world.serve(Version::kHttp1, handler, limits));
    peer.write(GetParam().request, piece);
    ASSERT_TRUE(world.run_until([&] { return world.served.has_value(); }));
    EXPECT_EQ(status_line(peer.received()).substr(0, 13),
              "HTTP/1.1 " + std::to_string(GetParam().status) + " ");
    EXPECT_NE(peer.received().find("connection: close\r\n"), std::string::npos);
    ASSERT_FALSE(world.served->has_value());
    EXPECT_EQ(to_string(world.served->error().code), to_string(GetParam().code));
    EXPECT_EQ(world.served->error().side, Side::kDownstream);
    EXPECT_EQ(handler.started, 0) << "a handler saw it";
  }
}

std::string get(const std::string& fields) {
  return "GET / HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n";
}

std::string post(const std::string& fields, const std::string& body) {
  return "POST / HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n" + body;
}

std::vector<Refused> refused() {
  const std::string nul(1, '\0');
  return {
      {"length_and_chunked",
       post("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), 400,
       Code::kMalformed},
      {"chunked_and_length",
       post("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", "0\r\n\r\n"), 400,
       Code::kMalformed},
      {"two_lengths", post("Content-Length: 3\r\nContent-Length: 4\r\n", "abc"), 400,
       Code::kMalformed},
      {"two_equal_lengths", post("Content-Length: 3\r\nContent-Length: 3\r\n", "abc"), 400,
       Code::kMalformed},
      {"a_list_of_lengths", post("Content-Length: 3, 3\r\n", "abc"), 400, Code::kMalformed},
      {"a_signed_length", post("Content-Length: +3\r\n", "abc"), 400, Code::kMalformed},
      {"a_negative_length", post("Content-Length: -3\r\n", "abc"), 400, Code::kMalformed},
      {"a_hexadecimal_length", post("Content-Length: 0x3\r\n", "abc"), 400, Code::kMalformed},
      {"an_empty_length", post("Content-Length: \r\n", "abc"), 400, Code::kMalformed},
      {"a_length_of_two_words", post("Content-Length: 3 3\r\n", "abc"), 400, Code::kMalformed},
      {"a_length_beyond_63_bits", post("Content-Length: 9223372036854775808\r\n", "abc"), 400,
       Code::kMalformed},
      {"a_length_beyond_64_bits", post("Content-Length: 36893488147419103232\r\n", "abc"), 400,
       Code::kMalformed},
      {"gzip_then_chunked", post("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"), 501,
       Code::kMalformed},
      {"chunked_then_identity", post("Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n"), 501,
       Code::kMalformed},
      {"chunked_twice", post("Transfer-Encoding: chunked, chunked\r\n", "0\r\n\r\n"), 501,
       Code::kMalformed},
      {"two_chunked_fields",
       post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), 400,
       Code::kMalformed},
      {"identity", post("Transfer-Encoding: identity\r\n", ""), 501, Code::kMalformed},
      {"xchunked", post("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"), 501, Code::kMalformed},
      {"quoted_chunked", post("Transfer-Encoding: \"chunked\"\r\n", "0\r\n\r\n"), 501,
       Code::kMalformed},
      {"chunked_with_parameter", post("Transfer-Encoding: chunked;q=1\r\n", "0\r\n\r\n"), 501,
       Code::kMalformed},
      {"empty_coding", post("Transfer-Encoding: \r\n", "0\r\n\r\n"), 501, Code::kMalformed},
      {"coding_under_1_0",
       "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400,
       Code::kMalformed},
      {"folded_line", get("X: a\r\n b\r\n"), 400, Code::kMalformed},
      {"folded_line_by_tab", get("X: a\r\n\tb\r\n"), 400, Code::kMalformed},
      {"folded_empty_value", get("X:\r\n b\r\n"), 400, Code::kMalformed},
      {"folded_first_field", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400, Code::kMalformed},
      {"bare_lf_in_line", get("X: a\nY: b\r\n"), 400, Code::kMalformed},
      {"bare_lf_after_request_line", "GET / HTTP/1.1\nHost: a\r\n\r\n", 400, Code::kMalformed},
      {"bare_lf_everywhere", "GET / HTTP/1.1\nHost: a\n\n", 400, Code::kMalformed},
      {"bare_cr_in_value", get("X: a\rb\r\n"), 400, Code::kMalformed},
      {"bare_cr_in_request_line", "GET /\r HTTP/1.1\r\nHost: a\r\n\r\n", 400, Code::kMalformed},
      {"cr_cr_lf", get("X: a\r\r\n"), 400, Code::kMalformed},
      {"space_before_colon", get("X : a\r\n"), 400, Code::kMalformed},
      {"tab_before_colon", get("X\t: a\r\n"), 400, Code::kMalformed},
      {"space_before_colon_of_length", post("Content-Length : 3\r\n", "abc"), 400,
       Code::kMalformed},
      {"no_colon", get("X\r\n"), 400, Code::kMalformed},
      {"empty_name", get(": a\r\n"), 400, Code::kMalformed},
      {"nul_in_value", get("X: a" + nul + "b\r\n"), 400, Code::kMalformed},
      {"nul_in_name", get("X" + nul + ": b\r\n"), 400, Code::kMalformed},
      {"nul_in_target", "GET /" + nul + " HTTP/1.1\r\nHost: a\r\n\r\n", 400, Code::kMalformed},
      {"control_in_value", get("X: a\x01\r\n"), 400, Code::kMalformed},
      {"delete_in_value", get("X: a\x7f\r\n"), 400, Code::kMalformed},
      {"non_ascii_name", get("X\xc3\xa9: a\r\n"), 400, Code::kMalformed},
      {"no_host", "GET / HTTP/1.1\r\n\r\n", 400, Code::kMalformed},
      {"two_hosts", get("Host: b\r\n"), 400, Code::kMalformed},
      {"two_equal_hosts", get("Host: a\r\n"), 400, Code::kMalformed},
      {"empty_host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", 400, Code::kMalformed},
      {"host_list", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400, Code::kMalformed},
      {"host_with_user", "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", 400, Code::kMalformed},
      {"host_with_path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400, Code::kMalformed},
      {"host_with_bad_port", "GET / HTTP/1.1\r\nHost: a:x\r\n\r\n", 400, Code::kMalformed},
      {"host_with_empty_port", "GET / HTTP/1.1\r\nHost: a:\r\n\r\n", 400, Code::kMalformed},
      {"host_with_large_port", "GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n", 400, Code::kMalformed},
      {"absolute_against_host", "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", 400, Code::kMalformed},
      {"absolute_with_user", "GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400, Code::kMalformed},
      {"absolute_of_another_scheme", "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400,
       Code::kMalformed},
      {"absolute_without_authority", "GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n", 400,
       Code::kMalformed},
      {"authority_form", "GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 400, Code::kMalformed},
      {"relative_target", "GET x/y HTTP/1.1\r\nHost: a\r\n\r\n", 400, Code::kMalformed},
      {"connect", "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", 501, Code::kUnsupported},
      {"asterisk_of_get", "GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400, Code::kMalformed},
      {"fragment", "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400, Code::kMalformed},
      {"backslash", "GET /a\\b HTTP/1.1\r\nHost: a\r\n\r\n", 400, Code::kMalformed},
      {"non_ascii_target", "GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n", 400, Code::kMalformed},
      {"space_in_target", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400, Code::kMalformed},
      {"two_spaces", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400, Code::kMalformed},
      {"space_after_version", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400, Code::kMalformed},
      {"bad_method", "G(T / HTTP/1.1\r\nHost: a\r\n\r\n", 400, Code::kMalformed},
      {"no_version", "GET /\r\nHost: a\r\n\r\n", 400, Code::kMalformed},
      {"lower_case_version", "GET / http/1.1\r\nHost: a\r\n\r\n", 400, Code::kMalformed},
      {"version_1_2", "GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505, Code::kMalformed},
      {"version_2_0", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505, Code::kMalformed},
      {"version_0_9", "GET / HTTP/0.9\r\nHost: a\r\n\r\n", 505, Code::kMalformed},
      {"leading_empty_line", "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400, Code::kMalformed},
      {"leading_space", " GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400, Code::kMalformed},
      {"tls_hello", std::string("\x16\x03\x01\x02\x00\x01", 6), 400, Code::kMalformed},
      {"bad_connection_list", get("Connection: a b;\r\n"), 400, Code::kMalformed},
      {"unknown_expectation", post("Content-Length: 1\r\nExpect: gold\r\n", "a"), 417,
       Code::kUnsupported},
      {"too_large", get("X: " + std::string(4096, 'x') + "\r\n"), 431, Code::kTooLarge},
      {"too_large_without_end", std::string(5000, 'x'), 431, Code::kTooLarge},
      {"too_large_target", "GET /" + std::string(5000, 'x') + " HTTP/1.1\r\nHost: a\r\n\r\n", 431,
       Code::kTooLarge},
      {"too_many_fields",
       [] {
         std::string fields;
         for (int i = 0; i < 16; ++i) fields += "X: a\r\n";
         return get(fields);
       }(),
       431, Code::kTooLarge},
      {"late_header", "GET / HTTP/1.1\r\nHost: a\r\n", 408, Code::kTimeout},
  };
}

INSTANTIATE_TEST_SUITE_P(Table, Http1Refuses, testing::ValuesIn(refused()),
                         [](const testing::TestParamInfo<Refused>& row) {
                           return std::string(row.param.name);
                         });

struct BadBody {
  const char* name;
  std::string body;
  const char* code;
};

void PrintTo(const BadBody& row, std::ostream* out) { *out << row.name; }

class Http1RefusesBody : public testing::TestWithParam<BadBody> {};

// The handler learns of it and answers; the connection ends after its answer.
TEST_P(Http1RefusesBody, AndClosesAfterTheAnswer) {
  for (const std::size_t piece : {SIZE_MAX, std::size_t{1}, std::size_t{100}}) {
    World world;
    FunctionHandler handler(echo);
    RawPeer peer(world, world.serve(Version::kHttp1, handler));
    peer.write(post("Transfer-Encoding: chunked\r\n", GetParam().body), piece);
    ASSERT_TRUE(world.run_until([&] { return world.served.has_value(); }));
    EXPECT_EQ(status_line(peer.received()), "HTTP/1.1 400 Bad Request");
    EXPECT_NE(peer.received().find("connection: close\r\n"), std::string::npos);
    const std::string body = peer.received().substr(peer.received().find("\r\n\r\n") + 4);
    EXPECT_EQ(body, GetParam().code);
    EXPECT_EQ(handler.started, 1);
  }
}

std::vector<BadBody> bad_bodies() {
  return {
      {"no_size", "\r\nabc\r\n0\r\n\r\n", "malformed"},
      {"bad_size", "xyz\r\nabc\r\n0\r\n\r\n", "malformed"},
      {"prefixed_size", "0x3\r\nabc\r\n0\r\n\r\n", "malformed"},
      {"negative_size", "-3\r\nabc\r\n0\r\n\r\n", "malformed"},
      {"size_beyond_64_bits", "10000000000000000\r\nabc\r\n0\r\n\r\n", "malformed"},
      {"space_before_size", " 3\r\nabc\r\n0\r\n\r\n", "malformed"},
      {"space_after_size", "3 \r\nabc\r\n0\r\n\r\n", "malformed"},
      {"chunk_too_long_for_its_size", "3\r\nabcd\r\n0\r\n\r\n", "malformed"},
      {"bare_lf_after_size", "3\nabc\r\n0\r\n\r\n\r\n", "malformed"},
      {"bare_cr_after_size", "3\rabc\r\n0\r\n\r\n", "malformed"},
      {"lf_in_extension", "3;a=\"b\nc\"\r\nabc\r\n0\r\n\r\n", "malformed"},
      {"lf_in_extension_name", "3;a\nb\r\nabc\r\n0\r\n\r\n", "malformed"},
      {"long_extension", "3;a=" + std::string(300, 'x') + "\r\nabc\r\n0\r\n\r\n", "malformed"},
      {"very_long_extension", "3;a=" + std::string(9000, 'x') + "\r\nabc\r\n0\r\n\r\n",
       "too_large"},
      {"endless_size", std::string(9000, '0'), "too_large"},
      {"bad_trailer", "3\r\nabc\r\n0\r\nX : a\r\n\r\n", "malformed"},
      {"length_in_trailer", "3\r\nabc\r\n0\r\nContent-Length: 3\r\n\r\n", "malformed"},
      {"coding_in_trailer", "3\r\nabc\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n", "malformed"},
      {"long_trailers", "3\r\nabc\r\n0\r\nX: " + std::string(9000, 'x') + "\r\n\r\n", "too_large"},
      {"cut_short", "3\r\nab", "timeout"},
  };
}

INSTANTIATE_TEST_SUITE_P(Table, Http1RefusesBody, testing::ValuesIn(bad_bodies()),
                         [](const testing::TestParamInfo<BadBody>& row) {
                           return std::string(row.param.name);
                         });

struct Accepted {
  const char* name;
  std::string request;
  std::string body;  // of the echo's answer
};

void PrintTo(const Accepted& row, std::ostream* out) { *out << row.name; }

class Http1Accepts : public testing::TestWithParam<Accepted> {};

TEST_P(Http1Accepts, HoweverTheBytesAreCut) {
  for (const std::size_t piece : {SIZE_MAX, std::size_t{1}, std::size_t{5}}) {
    World world;
    FunctionHandler handler(echo);
    RawPeer peer(world, world.serve(Version::kHttp1, handler));
    peer.write(GetParam().request, piece);
    EXPECT_EQ(status_line(peer.received()), "HTTP/1.1 200 OK");
    const std::string body = peer.received().substr(peer.received().find("\r\n\r\n") + 4);
    EXPECT_EQ(body, GetParam().body);
  }
}

std::vector<Accepted> accepted() {
  return {
      {"get", get(""), "GET / a"},
      {"query", "GET /a/b?c=d&e=%20 HTTP/1.1\r\nHost: A.Example:80\r\n\r\n",
       "GET /a/b?c=d&e=%20 a.example:80"},
      {"ip_literal", "GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n", "GET / [::1]:8080"},
      {"absolute", "GET http://a/x?y HTTP/1.1\r\nHost: a\r\n\r\n", "GET /x?y a"},
      {"absolute_without_path", "GET HTTP://A HTTP/1.1\r\nHost: a\r\n\r\n", "GET / a"},
      {"absolute_with_query_only", "GET http://a?x HTTP/1.1\r\nHost: a\r\n\r\n", "GET /?x a"},
      {"asterisk", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS * a"},
      {"old_version_without_host", "GET / HTTP/1.0\r\n\r\n", "GET / "},
      {"length", post("Content-Length: 3\r\n", "abc"), "abc"},
      {"zero_length", post("Content-Length: 0\r\n", ""), "POST / a"},
      {"chunked", post("Transfer-Encoding: Chunked\r\n", "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n"),
       "abcde"},
      {"chunked_with_trailers",
       post("Transfer-Encoding: chunked\r\n", "A\r\n0123456789\r\n0;z\r\nX-Trailer: v\r\n\r\n"),
       "0123456789"},
      {"empty_chunked", post("Transfer-Encoding: chunked\r\n", "0\r\n\r\n"), "POST / a"},
      {"other_method", "M-SEARCH / HTTP/1.1\r\nHost: a\r\n\r\n", "M-SEARCH / a"},
      {"upgrade_is_ignored", get("Connection: Upgrade\r\nUpgrade: h2c\r\n"), "GET / a"},
  };
}

INSTANTIATE_TEST_SUITE_P(Table, Http1Accepts, testing::ValuesIn(accepted()),
                         [](const testing::TestParamInfo<Accepted>& row) {
                           return std::string(row.param.name);
                         });

Task<void> list_fields(ServerStream& stream) {
  std::string text;
  for (const Field& field : stream.head().fields.all())
    text += field.name + "=" + field.value + ";";
  ResponseHead head;
  head.status = 200;
  Result<void> sent = co_await stream.respond(head, false);
  if (sent) (void)co_await stream.send(text, true);
}

TEST(Http1Server, HandsOverLowerCaseFieldsWithoutThoseOfTheConnection) {
  World world;
  FunctionHandler handler(list_fields);
  RawPeer peer(world, world.serve(Version::kHttp1, handler));
  peer.write(
      "GET / HTTP/1.1\r\nHost: a\r\nX-One:  1 \r\nConnection: X-Two , keep-alive\r\nX-Two: 2\r\n"
      "Keep-Alive: timeout=5\r\nTE: trailers\r\nTrailer: X\r\nProxy-Connection: keep-alive\r\n"
      "Upgrade: websocket\r\nProxy-Authorization: secret\r\nX-THREE:\r\nx-three: b\r\n\r\n");
  EXPECT_EQ(peer.received().substr(peer.received().find("\r\n\r\n")),
            "\r\n\r\n1b\r\nx-one=1;x-three=;x-three=b;\r\n0\r\n\r\n");
}

TEST(Http1Server, ServesPipelinedRequestsInOrder) {
  for (const std::size_t piece : {SIZE_MAX, std::size_t{1}}) {
    World world;
    FunctionHandler handler(echo);
    RawPeer peer(world, world.serve(Version::kHttp1, handler));
    peer.write(
        "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\n"
        "Transfer-Encoding: chunked\r\n\r\n3\r\ntwo\r\n0\r\n\r\nGET /3 HTTP/1.1\r\nHost: a\r\n"
        "Connection: close\r\n\r\nGET /4 HTTP/1.1\r\nHost: a\r\n\r\n",
        piece);
    ASSERT_TRUE(world.run_until([&] { return world.served.has_value(); }));
    EXPECT_EQ(peer.received(),
              "HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nGET /1 a"
              "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\ntwo"
              "HTTP/1.1 200 OK\r\ncontent-length: 8\r\nconnection: close\r\n\r\nGET /3 a");
    EXPECT_TRUE(world.served->has_value());
    EXPECT_EQ(handler.started, 3);
  }
}

Task<void> answer_without_reading(ServerStream& stream) {
  ResponseHead head;
  head.status = 403;
  (void)co_await stream.respond(head, true);
}

TEST(Http1Server, DrainsAShortBodyThatNobodyWanted) {
  World world;
  FunctionHandler handler(answer_without_reading);
  RawPeer peer(world, world.serve(Version::kHttp1, handler));
  peer.write(post("Content-Length: 1000\r\n", std::string(1000, 'x')) + get(""));
  EXPECT_EQ(handler.started, 2);
  EXPECT_EQ(peer.received(),
            "HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n"
            "HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n");
}

TEST(Http1Server, ClosesRatherThanDrainALongBody) {
  World world;
  FunctionHandler handler(answer_without_reading);
  RawPeer peer(world, world.serve(Version::kHttp1, handler));
  peer.write(post("Content-Length: 1000000000\r\n", "x"));
  ASSERT_TRUE(world.run_until([&] { return world.served.has_value(); }));
  EXPECT_EQ(peer.received(),
            "HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
}

TEST(Http1Server, StopsDrainingAnEndlessChunkedBody) {
  World world;
  FunctionHandler handler(answer_without_reading);
  RawPeer peer(world, world.serve(Version::kHttp1, handler));
  peer.write(post("Transfer-Encoding: chunked\r\n", "fffff\r\n" + std::string(200'000, 'x')));
  ASSERT_TRUE(world.run_until([&] { return world.served.has_value(); }));
  EXPECT_EQ(peer.received(), "HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n");
  EXPECT_EQ(handler.started, 1);
}

TEST(Http1Server, AsksForABodyThatWaitsForIt) {
  World world;
  FunctionHandler handler(echo);
  RawPeer peer(world, world.serve(Version::kHttp1, handler));
  peer.write(post("Content-Length: 3\r\nExpect: 100-continue\r\n", ""));
  EXPECT_EQ(peer.take(), "HTTP/1.1 100 Continue\r\n\r\n");
  peer.write("abc");
  EXPECT_EQ(peer.take(), "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc");
}

TEST(Http1Server, DoesNotAskForABodyThatIsHere) {
  World world;
  FunctionHandler handler(echo);
  RawPeer peer(world, world.serve(Version::kHttp1, handler));
  peer.write(post("Content-Length: 3\r\nExpect: 100-continue\r\n", "abc"));
  EXPECT_EQ(peer.take(), "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc");
}

TEST(Http1Server, ClosesWhenTheExpectedBodyWasNotWanted) {
  World world;
  FunctionHandler handler(answer_without_reading);
  RawPeer peer(world, world.serve(Version::kHttp1, handler));
  peer.write(post("Content-Length: 3\r\nExpect: 100-continue\r\n", ""));
  ASSERT_TRUE(world.run_until([&] { return world.served.has_value(); }));
  EXPECT_EQ(peer.received(),
            "HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
}

// Answers with the status, content-length and body that the target names: /status/length/body, `-`
// for none.
Task<void> answer_as_told(ServerStream& stream) {
  const std::string& target = stream.head().target;
  const std::size_t second = target.find('/', 1);
  const std::size_t third = target.find('/', second + 1);
  const std::string length = target.substr(second + 1, third - second - 1);
  const std::string body = target.substr(third + 1);
  ResponseHead head;
  head.status = std::stoi(target.substr(1, second - 1));
  if (length != "-") head.fields.add("content-length", length);
  head.fields.add("transfer-encoding", "gzip");
  head.fields.add("connection", "keep-alive, x");
  Result<void> sent = co_await stream.respond(head, body == "-");
  if (sent && body != "-") (void)co_await stream.send(body, true);
}

struct FramedAnswer {
  const char* name;
  std::string request;
  std::string answer;
};

void PrintTo(const FramedAnswer& row, std::ostream* out) { *out << row.name; }

class Http1Frames : public testing::TestWithParam<FramedAnswer> {};

TEST_P(Http1Frames, WhateverTheHandlersFieldsSay) {
  World world;
  FunctionHandler handler(answer_as_told);
  RawPeer peer(world, world.serve(Version::kHttp1, handler));
  peer.write(GetParam().request);
  EXPECT_EQ(peer.received(), GetParam().answer);
}

std::string ask(const std::string& method, const std::string& target) {
  return method + " " + target + " HTTP/1.1\r\nHost: a\r\n\r\n";
}

std::vector<FramedAnswer> framed_answers() {
  return {
      {"length", ask("GET", "/200/3/abc"), "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc"},
      {"chunks", ask("GET", "/200/-/abc"),
       "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"},
      {"invalid_length_is_chunks", ask("GET", "/200/x/abc"),
       "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"},
      {"nothing", ask("GET", "/200/-/-"), "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"},
      {"no_content", ask("GET", "/204/-/-"), "HTTP/1.1 204 No Content\r\n\r\n"},
      {"no_content_with_length", ask("GET", "/204/3/abc"), "HTTP/1.1 204 No Content\r\n\r\n"},
      {"not_modified", ask("GET", "/304/3/-"),
       "HTTP/1.1 304 Not Modified\r\ncontent-length: 3\r\n\r\n"},
      {"head", ask("HEAD", "/200/3/-"), "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n"},
      {"head_with_body", ask("HEAD", "/200/-/abc"), "HTTP/1.1 200 OK\r\n\r\n"},
      {"close_delimited", "GET /200/-/abc HTTP/1.0\r\n\r\n",
       "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nabc"},
      {"unknown_status", ask("GET", "/555/0/-"), "HTTP/1.1 555 \r\ncontent-length: 0\r\n\r\n"},
      // Too long or too short for its head: nothing more comes, above all no second answer.
      {"too_long", ask("GET", "/200/2/abc"), ""},
      {"too_short", ask("GET", "/200/4/abc"), ""},
      {"interim_status", ask("GET", "/101/-/-"), ""},
  };
}

INSTANTIATE_TEST_SUITE_P(Table, Http1Frames, testing::ValuesIn(framed_answers()),
                         [](const testing::TestParamInfo<FramedAnswer>& row) {
                           return std::string(row.param.name);
                         });

class Responder final : public Handler {
 public:
  explicit Responder(Field wanted) : field(std::move(wanted)) {}
  Task<void> handle(ServerStream& stream) override {
    ResponseHead head;
    head.status = 200;
    head.fields.add(field.name, field.value);
    result = co_await stream.respond(head, true);
  }
  Field field;
  Result<void> result;
};

TEST(Http1Server, NeverWritesALineBreakOfTheHandlers) {
  for (const Field& field :
       {Field{"x", "a\r\nset-cookie: b"}, Field{"x", "a\nb"}, Field{"x", "a\rb"},
        Field{"x", std::string("a\0b", 3)}, Field{"x\r\ny", "a"}, Field{"x y", "a"},
        Field{"X-Upper", "a"}, Field{"Content-Length", "5"}, Field{"", "a"}}) {
    World world;
    Responder handler(field);
    RawPeer peer(world, world.serve(Version::kHttp1, handler));
    peer.write(get(""));
    ASSERT_FALSE(handler.result.has_value());
    EXPECT_EQ(handler.result.error().code, Code::kInternal);
    EXPECT_EQ(peer.received(), "");
    EXPECT_TRUE(peer.ended());
  }
}

Task<void> head_then_wait(ServerStream& stream) {
  ResponseHead head;
  head.status = 200;
  (void)co_await stream.respond(head, false);
  Result<std::string> body = co_await stream.body().read();
  (void)co_await stream.send("event\n", false);
  body = co_await stream.body().read();
  (void)co_await stream.send("last\n", true);
}

// What an event stream lives on: a head, and each event, is out though the handler goes on to wait.
TEST(Http1Server, PutsTheHeadOnTheWireWhenTheHandlerWaits) {
  World world;
  FunctionHandler handler(head_then_wait);
  RawPeer peer(world, world.serve(Version::kHttp1, handler));
  peer.write(post("Content-Length: 2\r\n", ""));
  EXPECT_EQ(peer.take(), "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
  peer.write("a");
  EXPECT_EQ(peer.take(), "6\r\nevent\n\r\n");
  peer.write("b");
  EXPECT_EQ(peer.take(), "5\r\nlast\n\r\n0\r\n\r\n");
}

TEST(Http1Server, EndsAnIdleConnectionInTime) {
  World world;
  FunctionHandler handler(echo);
  ServerLimits limits;
  RawPeer peer(world, world.serve(Version::kHttp1, handler, limits));
  peer.write(get(""));
  const Clock::Time then = world.clock.now();
  ASSERT_TRUE(world.run_until([&] { return peer.ended(); }));
  EXPECT_EQ(world.clock.now() - then, limits.idle_timeout);
  peer.close();
  ASSERT_TRUE(world.run_until([&] { return world.served.has_value(); }));
  EXPECT_TRUE(world.served->has_value());
}

// A byte now and then does not keep a header open.
TEST(Http1Server, EndsASlowHeaderInTime) {
  World world;
  FunctionHandler handler(echo);
  ServerLimits limits;
  RawPeer peer(world, world.serve(Version::kHttp1, handler, limits));
  const Clock::Time then = world.clock.now();
  while (!world.served && world.clock.now() - then < std::chrono::minutes(1)) {
    peer.write("G");
    world.clock.advance(std::chrono::seconds(1));
  }
  ASSERT_TRUE(world.served.has_value());
  EXPECT_LE(world.clock.now() - then, limits.header_timeout + std::chrono::seconds(2));
  EXPECT_EQ(status_line(peer.received()), "HTTP/1.1 408 Request Timeout");
}

TEST(Http1Server, EndsWhenTheBodyMakesNoProgress) {
  World world;
  FunctionHandler handler(echo);
  RawPeer peer(world, world.serve(Version::kHttp1, handler));
  peer.write(post("Content-Length: 10\r\n", "a"));
  for (int i = 0; i < 4; ++i) {  // progress, if slow
    world.clock.advance(std::chrono::seconds(20));
    peer.write("a");
  }
  EXPECT_EQ(peer.received(), "");
  world.clock.advance(std::chrono::seconds(31));
  EXPECT_NE(peer.received().find("timeout"), std::string::npos);
  ASSERT_TRUE(world.run_until([&] { return world.served.has_value(); }));
}

TEST(Http1Server, EndsWhenThePeerDoesNotTakeTheAnswer) {
  World world;
  FunctionHandler handler(echo);
  std::pair<net::StreamPtr, net::StreamPtr> ends = test::make_memory_pipe(world.clock);
  net::StreamPtr silent =
      world.serve(Version::kHttp1, handler, ServerLimits(), test::PipeOptions{.capacity = 100});
  const std::string request = post("Content-Length: 300\r\n", std::string(300, 'x'));
  Result<void> written;
  struct Writer {
    static Task<void> write(net::Stream* stream, std::string bytes, Result<void>* result) {
      *result = co_await stream->write(bytes);
    }
  };
  world.tasks.spawn(Writer::write(silent.get(), request, &written));
  ASSERT_TRUE(world.run_until([&] { return world.served.has_value(); }));
  EXPECT_FALSE(world.served->has_value());
  EXPECT_EQ(handler.active, 0);
}

class Gone final : public Handler {
 public:
  explicit Gone(Executor executor) : woken(executor) {}
  Task<void> handle(ServerStream& stream) override {
    stream.on_gone([this] {
      ++calls;
      woken.notify();
    });
    co_await woken.wait();
    ResponseHead head;
    head.status = 200;
    result = co_await stream.respond(head, true);
    returned = true;
  }
  Event woken;
  int calls = 0;
  bool returned = false;
  Result<void> result;
};

TEST(Http1Server, TellsAWaitingHandlerThatThePeerIsGone) {
  for (const bool clean : {true, false}) {
    World world;
    Gone handler(world.context.get_executor());
    RawPeer peer(world, world.serve(Version::kHttp1, handler));
    peer.write(post("Content-Length: 3\r\n", "abc") + get(""));
    EXPECT_EQ(handler.calls, 0);
    if (clean) {
      peer.shutdown();
    } else {
      peer.close();
    }
    EXPECT_EQ(handler.calls, clean ? 2 : 1) << "two requests were served, or one";
    EXPECT_TRUE(handler.returned);
    ASSERT_TRUE(world.run_until([&] { return world.served.has_value(); }));
  }
}

TEST(Http1Server, DrainsAfterTheExchangeUnderWay) {
  World world;
  FunctionHandler handler(echo);
  RawPeer peer(world, world.serve(Version::kHttp1, handler));
  peer.write(post("Content-Length: 3\r\n", "a"));
  world.drain.drain();
  world.clock.run_ready();
  EXPECT_FALSE(world.served.has_value());
  peer.write("bc" + get(""));
  ASSERT_TRUE(world.run_until([&] { return world.served.has_value(); }));
  EXPECT_EQ(peer.received(),
            "HTTP/1.1 200 OK\r\ncontent-length: 3\r\nconnection: close\r\n\r\nabc");
  EXPECT_TRUE(world.served->has_value());
}

TEST(Http1Server, DrainsAnIdleConnectionAtOnce) {
  World world;
  FunctionHandler handler(echo);
  RawPeer peer(world, world.serve(Version::kHttp1, handler));
  peer.write(get(""));
  world.drain.drain();
  world.clock.run_ready();
  EXPECT_TRUE(peer.ended());
  peer.close();
  ASSERT_TRUE(world.run_until([&] { return world.served.has_value(); }));
  EXPECT_TRUE(world.served->has_value());
}

TEST(Http1Server, ClosesAfterAnExchangeThatAsksForIt) {
  World world;
  FunctionHandler handler(echo_and_close);
  RawPeer peer(world, world.serve(Version::kHttp1, handler));
  peer.write(post("Content-Length: 3\r\n", "abc") + get(""));
  EXPECT_EQ(peer.received(),
            "HTTP/1.1 200 OK\r\ncontent-length: 3\r\nconnection: close\r\n\r\nabc");
  EXPECT_TRUE(peer.ended());
  peer.close();
  ASSERT_TRUE(world.run_until([&] { return world.served.has_value(); }));
  EXPECT_EQ(handler.started, 1);
}

TEST(Cleartext, AConnectionThatSaidNothingIsDrainedAtOnce) {
  World world;
  FunctionHandler handler(echo);
  RawPeer peer(world, world.serve(Version::kCleartext, handler));
  world.drain.drain();
  world.clock.run_ready();
  ASSERT_TRUE(world.served.has_value());
  EXPECT_TRUE(world.served->has_value());
}

TEST(Cleartext, AConnectionThatBeganIsNot) {
  World world;
  FunctionHandler handler(echo);
  RawPeer peer(world, world.serve(Version::kCleartext, handler));
  peer.write("P");
  world.drain.drain();
  world.clock.run_ready();
  ASSERT_FALSE(world.served.has_value());
  peer.write("OST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
  EXPECT_EQ(status_line(peer.received()), "HTTP/1.1 200 OK");
  peer.close();
  ASSERT_TRUE(world.run_until([&] { return world.served.has_value(); }));
}

Task<void> leave_early(ServerStream& stream) {
  ResponseHead head;
  head.status = 200;
  (void)co_await stream.respond(head, false);
  (void)co_await stream.send("part", false);
}

// An answer without its end must not look like one that has ended.
TEST(Http1Server, CutsTheConnectionWhenTheHandlerLeavesEarly) {
  World world;
  FunctionHandler handler(leave_early);
  RawPeer peer(world, world.serve(Version::kHttp1, handler));
  peer.write(get("") + get(""));
  ASSERT_TRUE(world.run_until([&] { return world.served.has_value(); }));
  ASSERT_FALSE(world.served->has_value());
  EXPECT_EQ(world.served->error().code, Code::kCancelled);
  EXPECT_EQ(peer.received().find("0\r\n\r\n"), std::string::npos);
  EXPECT_EQ(handler.started, 1);
}

}  // namespace
}  // namespace mandated::http
