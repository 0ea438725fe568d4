// HTTP/2 client against a server that makes its frames by hand: what it refuses, and what it tells
// the pool about trying again.
#include <gtest/gtest.h>
#include <nghttp2/nghttp2.h>

#include "tests/unit/http/http2_frames.h"
#include "tests/unit/http/http_world.h"

namespace mandated::http {
namespace {

/// A client whose server is a raw peer, after the exchange of settings.
struct Pair {
  explicit Pair(World& world, const ClientLimits& limits = {}) {
    auto ends = test::make_memory_pipe(world.clock);
    client = world.make_client(Version::kHttp2, std::move(ends.first), limits);
    server.emplace(world, std::move(ends.second));
    server->write(frame(kSettings, 0, 0, "") + frame(kSettings, kAck, 0, ""));
  }
  std::vector<Frame> frames() const {
    return split_frames(std::string_view(server->received()).substr(kClientPreface.size()));
  }
  std::shared_ptr<ClientConnection> client;
  std::optional<RawPeer> server;
};

std::string headers(std::uint32_t stream, const HeaderList& fields, bool end = false) {
  return frame(kHeaders, kEndHeaders | (end ? kEndStream : 0), stream, header_block(fields));
}

struct Failed {
  const char* name;
  std::string frames;
  Code code;
  bool alive;  // the connection, afterwards
  bool shutdown = false;
};

void PrintTo(const Failed& row, std::ostream* out) { *out << row.name; }

class Http2ClientFails : public testing::TestWithParam<Failed> {};

TEST_P(Http2ClientFails, WithItsCode) {
  for (const std::size_t piece : {SIZE_MAX, std::size_t{1}, std::size_t{13}}) {
    World world;
    ClientLimits limits;
    limits.header_bytes_max = 2048;
    limits.header_count_max = 16;
    Answer answer;
    Pair pair(world, limits);
    world.tasks.spawn(call(*pair.client, make_request("GET", "/"), "", &answer));
    world.clock.run_ready();
    pair.server->write(GetParam().frames, piece);
    if (GetParam().shutdown) pair.server->shutdown();
    world.clock.run_ready();
    ASSERT_TRUE(answer.error.has_value());
    EXPECT_EQ(to_string(answer.error->code), to_string(GetParam().code)) << answer.error->text;
    EXPECT_EQ(answer.error->side, Side::kUpstream);
    world.clock.advance(std::chrono::seconds(2));
    EXPECT_EQ(pair.client->alive(), GetParam().alive);
  }
}

std::vector<Failed> failed() {
  const std::string ok = headers(1, {{":status", "200"}});
  return {
      // never processed: any request may be sent again
      {"refused_stream", frame(kRstStream, 0, 1, number(NGHTTP2_REFUSED_STREAM)),
       Code::kUnavailable, true},
      {"goaway_below", frame(kGoaway, 0, 0, number(0) + number(0)), Code::kUnavailable, false},
      // perhaps never seen
      {"closed", "", Code::kReset, false, true},
      {"goaway_then_closed", frame(kGoaway, 0, 0, number(1) + number(0)), Code::kReset, false,
       true},
      // begun, or given up by the server
      {"reset", frame(kRstStream, 0, 1, number(NGHTTP2_INTERNAL_ERROR)), Code::kEnd, true},
      {"reset_in_body", ok + frame(kRstStream, 0, 1, number(NGHTTP2_INTERNAL_ERROR)), Code::kEnd,
       true},
      {"reset_without_error", ok + frame(kRstStream, 0, 1, number(NGHTTP2_NO_ERROR)), Code::kEnd,
       true},
      {"closed_in_body", ok + frame(kData, 0, 1, "abc"), Code::kEnd, false, true},
      {"too_large", headers(1, {{":status", "200"}, {"x", std::string(2048, 'x')}}),
       Code::kTooLarge, true},
      {"too_many",
       headers(1,
               [] {
                 HeaderList fields(20, std::pair<std::string, std::string>("x", "y"));
                 fields.insert(fields.begin(), {":status", "200"});
                 return fields;
               }()),
       Code::kTooLarge, true},
      {"no_status", headers(1, {{"x", "y"}}), Code::kEnd, true},
      {"bad_status", headers(1, {{":status", "2x0"}}), Code::kEnd, true},
      {"connection_field", headers(1, {{":status", "200"}, {"connection", "close"}}), Code::kEnd,
       true},
      {"line_break", headers(1, {{":status", "200"}, {"x", "a\r\nb: c"}}), Code::kEnd, true},
      {"status_050", headers(1, {{":status", "050"}}) + frame(kData, kEndStream, 1, "abc"),
       Code::kMalformed, true},
      {"status_600", headers(1, {{":status", "600"}}), Code::kMalformed, true},
      {"interim_only", headers(1, {{":status", "103"}}) + frame(kData, kEndStream, 1, ""),
       Code::kEnd, true},
      {"upgrade", headers(1, {{":status", "101"}}), Code::kEnd, true},
      {"longer_than_its_length",
       headers(1, {{":status", "200"}, {"content-length", "2"}}) +
           frame(kData, kEndStream, 1, "abc"),
       Code::kEnd, true},
      {"shorter_than_its_length",
       headers(1, {{":status", "200"}, {"content-length", "4"}}) +
           frame(kData, kEndStream, 1, "abc"),
       Code::kEnd, true},
      {"endless_interim",
       [] {
         std::string all;
         for (int i = 0; i < 18; ++i) all += headers(1, {{":status", "103"}});
         return all;
       }(),
       Code::kProtocol, true},
      {"push", frame(kPushPromise, kEndHeaders, 1, number(2) + header_block({{":method", "GET"}})),
       Code::kReset, false},
      {"garbage", "HTTP/1.1 400 Bad Request\r\n\r\n", Code::kReset, false},
  };
}

INSTANTIATE_TEST_SUITE_P(Table, Http2ClientFails, testing::ValuesIn(failed()),
                         [](const testing::TestParamInfo<Failed>& row) {
                           return std::string(row.param.name);
                         });

TEST(Http2Client, SkipsInterimAnswersAndTrailers) {
  World world;
  Answer answer;
  Pair pair(world);
  world.tasks.spawn(call(*pair.client, make_request("GET", "/"), "", &answer));
  world.clock.run_ready();
  pair.server->write(headers(1, {{":status", "103"}, {"link", "x"}}) +
                     headers(1, {{":status", "200"}, {"x", "y"}}) + frame(kData, 0, 1, "abc") +
                     headers(1, {{"x-trailer", "z"}}, true));
  ASSERT_FALSE(answer.error.has_value()) << answer.error->text;
  EXPECT_EQ(answer.head.status, 200);
  ASSERT_EQ(answer.head.fields.all().size(), 1U);
  EXPECT_EQ(answer.head.fields.single("x"), "y");
  EXPECT_EQ(answer.body, "abc");
}

Task<void> read_trailers(ClientConnection& client, Fields* trailers) {
  RequestHead head = make_request("POST", "/");
  head.fields.add("te", "trailers");
  Result<std::unique_ptr<ClientStream>> stream = co_await client.start(head, true);
  if (!stream) co_return;
  EXPECT_TRUE(co_await (*stream)->response());
  const Result<std::string> body = co_await read_all((*stream)->body(), 100);
  EXPECT_TRUE(body);
  *trailers = (*stream)->trailers();
}

TEST(Http2Client, GivesTrailersToWhomAsks) {
  World world;
  Pair pair(world);
  Fields trailers;
  world.tasks.spawn(read_trailers(*pair.client, &trailers));
  world.clock.run_ready();
  pair.server->write(headers(1, {{":status", "200"}}) + frame(kData, 0, 1, "abc") +
                     headers(1, {{"grpc-status", "0"}, {"grpc-message", "x"}}, true));
  ASSERT_EQ(trailers.all().size(), 2U);
  EXPECT_EQ(trailers.single("grpc-status"), "0");
}

TEST(Http2Client, GoesAwayAfterWhatIsUnderWay) {
  World world;
  Answer answer;
  Pair pair(world);
  world.tasks.spawn(call(*pair.client, make_request("GET", "/"), "", &answer));
  world.clock.run_ready();
  pair.server->write(frame(kGoaway, 0, 0, number(1) + number(0)));
  EXPECT_FALSE(pair.client->available());
  EXPECT_FALSE(pair.client->alive());
  EXPECT_EQ(pair.client->active(), 1U);
  Answer second;
  world.run(call(*pair.client, make_request("GET", "/2"), "", &second));
  ASSERT_TRUE(second.error.has_value());
  EXPECT_EQ(second.error->code, Code::kUnavailable);
  pair.server->write(headers(1, {{":status", "204"}}, true));
  EXPECT_FALSE(answer.error.has_value());
  EXPECT_EQ(answer.head.status, 204);
  world.clock.advance(std::chrono::seconds(2));
  EXPECT_TRUE(pair.server->ended());
}

TEST(Http2Client, IsBoundBySettings) {
  World world;
  Pair pair(world);
  pair.server->write(frame(kSettings, 0, 0, std::string("\0\3", 2) + number(0)));
  EXPECT_FALSE(pair.client->available());
  EXPECT_TRUE(pair.client->alive());
  pair.server->write(frame(kSettings, 0, 0, std::string("\0\3", 2) + number(1)));
  EXPECT_TRUE(pair.client->available());
}

TEST(Http2Client, OffersNoPush) {
  World world;
  Pair pair(world);
  for (const Frame& each : pair.frames()) {
    if (each.type != kSettings || (each.flags & kAck) != 0) continue;
    EXPECT_NE(each.payload.find(std::string("\0\2\0\0\0\0", 6)), std::string::npos);
    return;
  }
  FAIL() << "no settings";
}

TEST(Http2Client, CalmsAServerThatFloods) {
  World world;
  Answer answer;
  Pair pair(world);
  world.tasks.spawn(call(*pair.client, make_request("GET", "/"), "", &answer));
  for (int i = 0; i < 2000 && !pair.server->ended(); ++i) {
    pair.server->write(frame(kPing, 0, 0, "12345678"));
  }
  EXPECT_EQ(error_code(pair.frames(), kGoaway), NGHTTP2_ENHANCE_YOUR_CALM);
  ASSERT_TRUE(answer.error.has_value());
  EXPECT_FALSE(pair.client->alive());
}

}  // namespace
}  // namespace mandated::http
