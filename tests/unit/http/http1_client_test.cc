// HTTP/1.1 client against a hostile or careless server: what it refuses, and when it uses a
// connection again.
#include <gtest/gtest.h>

#include "tests/unit/http/http_world.h"

namespace mandated::http {
namespace {

/// A client whose server is a raw peer.
struct Pair {
  explicit Pair(World& world, const ClientLimits& limits = {}) {
    auto ends = test::make_memory_pipe(world.clock);
    client = world.make_client(Version::kHttp1, std::move(ends.first), limits);
    server.emplace(world, std::move(ends.second));
  }
  std::shared_ptr<ClientConnection> client;
  std::optional<RawPeer> server;
};

struct Refused {
  const char* name;
  std::string response;
  Code code;
  bool shutdown = false;  // the server ends its side after it
};

void PrintTo(const Refused& row, std::ostream* out) { *out << row.name; }

class Http1ClientRefuses : public testing::TestWithParam<Refused> {};

TEST_P(Http1ClientRefuses, WithItsCodeAndAnEnd) {
  for (const std::size_t piece : {SIZE_MAX, std::size_t{1}, std::size_t{7}}) {
    World world;
    ClientLimits limits;
    limits.header_bytes_max = 2048;
    limits.header_count_max = 16;
    Answer answer;
    Pair pair(world, limits);
    world.tasks.spawn(call(*pair.client, make_request("GET", "/"), "", &answer));
    world.clock.run_ready();
    pair.server->write(GetParam().response, piece);
    if (GetParam().shutdown) pair.server->shutdown();
    world.clock.run_ready();
    ASSERT_TRUE(answer.error.has_value());
    EXPECT_EQ(to_string(answer.error->code), to_string(GetParam().code));
    EXPECT_EQ(answer.error->side, Side::kUpstream);
    EXPECT_FALSE(pair.client->alive());
    EXPECT_TRUE(pair.server->ended());
  }
}

std::string ok(const std::string& fields, const std::string& body = "") {
  return "HTTP/1.1 200 OK\r\n" + fields + "\r\n" + body;
}

std::vector<Refused> refused() {
  return {
      {"length_and_chunked", ok("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
       Code::kMalformed},
      {"chunked_and_length", ok("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", "0\r\n\r\n"),
       Code::kMalformed},
      {"two_lengths", ok("Content-Length: 3\r\nContent-Length: 4\r\n", "abc"), Code::kMalformed},
      {"two_equal_lengths", ok("Content-Length: 3\r\nContent-Length: 3\r\n", "abc"),
       Code::kMalformed},
      {"a_list_of_lengths", ok("Content-Length: 3, 3\r\n", "abc"), Code::kMalformed},
      {"a_negative_length", ok("Content-Length: -1\r\n", ""), Code::kMalformed},
      {"gzip_coding", ok("Transfer-Encoding: gzip\r\n", ""), Code::kMalformed},
      {"gzip_then_chunked", ok("Transfer-Encoding: gzip, chunked\r\n", ""), Code::kMalformed},
      {"coding_under_1_0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
       Code::kMalformed},
      {"folded_line", ok("X: a\r\n b\r\n"), Code::kMalformed},
      {"bare_lf", "HTTP/1.1 200 OK\nContent-Length: 0\n\n", Code::kMalformed},
      {"bare_cr_in_value", ok("X: a\rb\r\n"), Code::kMalformed},
      {"space_before_colon", ok("X : a\r\n"), Code::kMalformed},
      {"nul_in_value", ok("X: a" + std::string(1, '\0') + "\r\n"), Code::kMalformed},
      {"bad_version", "HTTP/2.0 200 OK\r\n\r\n", Code::kMalformed},
      {"not_http", "SSH-2.0-OpenSSH_9\r\n\r\n", Code::kMalformed},
      {"bad_status", "HTTP/1.1 20x OK\r\n\r\n", Code::kMalformed},
      {"long_status", "HTTP/1.1 2000 OK\r\n\r\n", Code::kMalformed},
      {"status_600", "HTTP/1.1 600 OK\r\n\r\n", Code::kMalformed},
      {"status_000", "HTTP/1.1 000 OK\r\n\r\n", Code::kMalformed},
      {"upgrade", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n", Code::kProtocol},
      {"interim_with_length", "HTTP/1.1 100 Continue\r\nContent-Length: 3\r\n\r\nabc",
       Code::kMalformed},
      {"no_content_with_length", "HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\nabc",
       Code::kMalformed},
      {"no_content_with_coding",
       "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Code::kMalformed},
      {"endless_interim",
       [] {
         std::string all;
         for (int i = 0; i < 18; ++i) all += "HTTP/1.1 103 Early Hints\r\n\r\n";
         return all;
       }(),
       Code::kProtocol},
      {"too_large", ok("X: " + std::string(2048, 'x') + "\r\n"), Code::kTooLarge},
      {"too_many_fields",
       [] {
         std::string fields;
         for (int i = 0; i < 17; ++i) fields += "X: a\r\n";
         return ok(fields);
       }(),
       Code::kTooLarge},
      {"bad_chunk", ok("Transfer-Encoding: chunked\r\n", "3\r\nabcd\r\n0\r\n\r\n"),
       Code::kMalformed},
      {"chunks_cut", ok("Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n"), Code::kEnd, true},
      {"chunks_cut_at_the_last", ok("Transfer-Encoding: chunked\r\n", "0\r\n"), Code::kEnd, true},
      {"length_cut", ok("Content-Length: 3\r\n", "ab"), Code::kEnd, true},
      {"head_cut", "HTTP/1.1 200 OK\r\nCont", Code::kEnd, true},
      {"nothing", "", Code::kReset, true},
      {"only_interim", "HTTP/1.1 100 Continue\r\n\r\n", Code::kEnd, true},
  };
}

INSTANTIATE_TEST_SUITE_P(Table, Http1ClientRefuses, testing::ValuesIn(refused()),
                         [](const testing::TestParamInfo<Refused>& row) {
                           return std::string(row.param.name);
                         });

struct Accepted {
  const char* name;
  std::string method;
  std::string response;
  int status;
  std::string body;
  bool reusable;
  bool shutdown = false;
};

void PrintTo(const Accepted& row, std::ostream* out) { *out << row.name; }

class Http1ClientAccepts : public testing::TestWithParam<Accepted> {};

TEST_P(Http1ClientAccepts, HoweverTheBytesAreCut) {
  for (const std::size_t piece : {SIZE_MAX, std::size_t{1}, std::size_t{7}}) {
    World world;
    Pair pair(world);
    Answer answer;
    world.tasks.spawn(call(*pair.client, make_request(GetParam().method, "/"), "", &answer));
    world.clock.run_ready();
    pair.server->write(GetParam().response, piece);
    if (GetParam().shutdown) pair.server->shutdown();
    world.clock.run_ready();
    ASSERT_FALSE(answer.error.has_value()) << answer.error->text;
    EXPECT_EQ(answer.head.status, GetParam().status);
    EXPECT_EQ(answer.body, GetParam().body);
    EXPECT_EQ(pair.client->available(), GetParam().reusable);
    EXPECT_EQ(pair.client->alive(), GetParam().reusable);
  }
}

std::vector<Accepted> accepted() {
  return {
      {"length", "GET", ok("Content-Length: 3\r\n", "abc"), 200, "abc", true},
      {"no_length", "GET", ok("Content-Length: 0\r\n"), 200, "", true},
      {"chunked", "GET", ok("Transfer-Encoding: CHUNKED\r\n", "3\r\nabc\r\n0\r\nX: y\r\n\r\n"), 200,
       "abc", true},
      {"until_close", "GET", ok("", "abc"), 200, "abc", false, true},
      {"until_close_of_1_0", "GET", "HTTP/1.0 200 OK\r\n\r\nabc", 200, "abc", false, true},
      {"length_of_1_0", "GET", "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc", 200, "abc",
       false},
      {"close", "GET", ok("Content-Length: 3\r\nConnection: close\r\n", "abc"), 200, "abc", false},
      {"left_over", "GET", ok("Content-Length: 3\r\n", "abcd"), 200, "abc", false},
      {"head", "HEAD", ok("Content-Length: 3\r\n"), 200, "", true},
      {"head_chunked", "HEAD", ok("Transfer-Encoding: chunked\r\n"), 200, "", true},
      {"no_content", "GET", "HTTP/1.1 204 No Content\r\n\r\n", 204, "", true},
      {"not_modified", "GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n", 304, "",
       true},
      {"after_interim", "GET",
       "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" +
           ok("Content-Length: 3\r\n", "abc"),
       200, "abc", true},
      {"no_reason", "GET", "HTTP/1.1 404 \r\nContent-Length: 0\r\n\r\n", 404, "", true},
  };
}

INSTANTIATE_TEST_SUITE_P(Table, Http1ClientAccepts, testing::ValuesIn(accepted()),
                         [](const testing::TestParamInfo<Accepted>& row) {
                           return std::string(row.param.name);
                         });

TEST(Http1Client, WritesARequestOnce) {
  World world;
  Answer answer;
  Pair pair(world);
  RequestHead head = make_request("POST", "/mcp?x");
  head.fields.add("accept", "*/*");
  world.tasks.spawn(call(*pair.client, head, "{}", &answer));
  world.clock.run_ready();
  EXPECT_EQ(pair.server->received(),
            "POST /mcp?x HTTP/1.1\r\nhost: tools.example\r\naccept: */*\r\ncontent-length: "
            "2\r\n\r\n{}");
  pair.server->write(ok("Content-Length: 0\r\n"));
  EXPECT_FALSE(answer.error.has_value());
}

TEST(Http1Client, AnswersOneRequestAtATime) {
  World world;
  Pair pair(world);
  Answer first;
  Answer second;
  world.tasks.spawn(call(*pair.client, make_request("GET", "/1"), "", &first));
  world.clock.run_ready();
  EXPECT_FALSE(pair.client->available());
  EXPECT_TRUE(pair.client->alive());
  world.run(call(*pair.client, make_request("GET", "/2"), "", &second));
  ASSERT_TRUE(second.error.has_value());
  EXPECT_EQ(second.error->code, Code::kUnavailable);
  EXPECT_EQ(pair.server->received().find("/2"), std::string::npos);
  pair.server->write(ok("Content-Length: 0\r\n"));
  EXPECT_FALSE(first.error.has_value());
  EXPECT_TRUE(pair.client->available());
}

// The race that every pool knows: the server closed while the connection waited.
TEST(Http1Client, SeesACloseWhileIdle) {
  World world;
  Pair pair(world);
  EXPECT_TRUE(pair.client->available());
  pair.server->shutdown();
  EXPECT_FALSE(pair.client->alive());
  Answer answer;
  world.run(call(*pair.client, make_request("GET", "/"), "", &answer));
  ASSERT_TRUE(answer.error.has_value());
  EXPECT_EQ(answer.error->code, Code::kUnavailable);
  EXPECT_EQ(answer.error->side, Side::kUpstream);
}

// An answer to nothing would be taken for the answer to the next request.
TEST(Http1Client, DiesOfBytesThatCameWhileIdle) {
  World world;
  Pair pair(world);
  pair.server->write(ok("Content-Length: 4\r\n", "evil"));
  EXPECT_FALSE(pair.client->alive());
  Answer answer;
  world.run(call(*pair.client, make_request("GET", "/"), "", &answer));
  ASSERT_TRUE(answer.error.has_value());
  EXPECT_EQ(answer.error->code, Code::kUnavailable);
}

}  // namespace
}  // namespace mandated::http
