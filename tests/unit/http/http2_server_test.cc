// HTTP/2 server against a client that makes its frames by hand.
#include <gtest/gtest.h>
#include <nghttp2/nghttp2.h>

#include "tests/unit/http/http2_frames.h"
#include "tests/unit/http/http_world.h"

namespace mandated::http {
namespace {

std::string preface() { return std::string(kClientPreface) + frame(kSettings, 0, 0, ""); }

HeaderList request(const std::string& method = "GET") {
  return {{":method", method}, {":scheme", "https"}, {":authority", "a"}, {":path", "/"}};
}

std::string headers(std::uint32_t stream, const HeaderList& fields, bool end = true) {
  return frame(kHeaders, kEndHeaders | (end ? kEndStream : 0), stream, header_block(fields));
}

HeaderList with(HeaderList fields, const HeaderList& more) {
  fields.insert(fields.end(), more.begin(), more.end());
  return fields;
}

HeaderList changed(HeaderList fields, const std::string& name, const std::string& value) {
  for (auto& field : fields) {
    if (field.first == name) field.second = value;
  }
  return fields;
}

HeaderList without(HeaderList fields, const std::string& name) {
  std::erase_if(fields, [&](const auto& field) { return field.first == name; });
  return fields;
}

struct Refused {
  const char* name;
  std::string frames;
  int status = 0;           // of stream 1, or
  std::int64_t reset = -1;  // RST_STREAM of stream 1, or
  std::int64_t goaway = -1;
};

void PrintTo(const Refused& row, std::ostream* out) { *out << row.name; }

class Http2Refuses : public testing::TestWithParam<Refused> {};

TEST_P(Http2Refuses, WithItsCode) {
  for (const std::size_t piece : {SIZE_MAX, std::size_t{1}, std::size_t{13}}) {
    World world;
    FunctionHandler handler(echo);
    ServerLimits limits;
    limits.header_bytes_max = 4096;
    limits.header_count_max = 16;
    RawPeer peer(world, world.serve(Version::kHttp2, handler, limits));
    peer.write(preface() + GetParam().frames, piece);
    const std::vector<Frame> frames = split_frames(peer.received());
    EXPECT_EQ(status_of(frames, 1), GetParam().status);
    if (GetParam().status == 0) {
      EXPECT_EQ(error_code(frames, kRstStream, 1), GetParam().reset);
      EXPECT_EQ(error_code(frames, kGoaway), GetParam().goaway);
    }
    EXPECT_EQ(handler.started, 0) << "a handler saw it";
    EXPECT_EQ(world.served.has_value(), false) << "served until the peer closes, or a moment";
    if (GetParam().goaway > 0) {
      world.clock.advance(std::chrono::seconds(2));
      ASSERT_TRUE(world.served.has_value());
      ASSERT_FALSE(world.served->has_value());
      EXPECT_EQ(to_string(world.served->error().code), "protocol");
      EXPECT_EQ(world.served->error().side, Side::kDownstream);
    }
  }
}

std::vector<Refused> refused() {
  const std::string nul(1, '\0');
  return {
      // malformed requests: the stream is reset
      {"no_method", headers(1, without(request(), ":method")), 0, NGHTTP2_PROTOCOL_ERROR},
      {"no_path", headers(1, without(request(), ":path")), 0, NGHTTP2_PROTOCOL_ERROR},
      {"no_scheme", headers(1, without(request(), ":scheme")), 0, NGHTTP2_PROTOCOL_ERROR},
      {"no_authority", headers(1, without(request(), ":authority")), 0, NGHTTP2_PROTOCOL_ERROR},
      {"empty_path", headers(1, changed(request(), ":path", "")), 0, NGHTTP2_PROTOCOL_ERROR},
      {"two_paths", headers(1, with(request(), {{":path", "/x"}})), 0, NGHTTP2_PROTOCOL_ERROR},
      {"unknown_pseudo", headers(1, with(request(), {{":evil", "x"}})), 0, NGHTTP2_PROTOCOL_ERROR},
      {"response_pseudo", headers(1, with(request(), {{":status", "200"}})), 0,
       NGHTTP2_PROTOCOL_ERROR},
      {"extended_connect",
       headers(1, with(request("CONNECT"), {{":protocol", "websocket"}}), false), 0,
       NGHTTP2_PROTOCOL_ERROR},
      {"pseudo_after_field",
       headers(1, with(with(without(request(), ":path"), {{"x", "y"}}), {{":path", "/"}})), 0,
       NGHTTP2_PROTOCOL_ERROR},
      {"upper_case", headers(1, with(request(), {{"X", "y"}})), 0, NGHTTP2_PROTOCOL_ERROR},
      {"connection", headers(1, with(request(), {{"connection", "close"}})), 0,
       NGHTTP2_PROTOCOL_ERROR},
      {"keep_alive", headers(1, with(request(), {{"keep-alive", "1"}})), 0, NGHTTP2_PROTOCOL_ERROR},
      {"proxy_connection", headers(1, with(request(), {{"proxy-connection", "x"}})), 0,
       NGHTTP2_PROTOCOL_ERROR},
      {"transfer_encoding", headers(1, with(request(), {{"transfer-encoding", "chunked"}})), 0,
       NGHTTP2_PROTOCOL_ERROR},
      {"upgrade", headers(1, with(request(), {{"upgrade", "h2c"}})), 0, NGHTTP2_PROTOCOL_ERROR},
      {"te_gzip", headers(1, with(request(), {{"te", "gzip"}})), 0, NGHTTP2_PROTOCOL_ERROR},
      {"line_break_in_value", headers(1, with(request(), {{"x", "a\r\nb: c"}})), 0,
       NGHTTP2_PROTOCOL_ERROR},
      {"lf_in_value", headers(1, with(request(), {{"x", "a\nb"}})), 0, NGHTTP2_PROTOCOL_ERROR},
      {"nul_in_value", headers(1, with(request(), {{"x", "a" + nul}})), 0, NGHTTP2_PROTOCOL_ERROR},
      {"line_break_in_name", headers(1, with(request(), {{"x\r\ny", "a"}})), 0,
       NGHTTP2_PROTOCOL_ERROR},
      {"colon_in_name", headers(1, with(request(), {{"x:y", "a"}})), 0, NGHTTP2_PROTOCOL_ERROR},
      {"space_in_name", headers(1, with(request(), {{"x y", "a"}})), 0, NGHTTP2_PROTOCOL_ERROR},
      {"empty_name", headers(1, with(request(), {{"", "a"}})), 0, NGHTTP2_PROTOCOL_ERROR},
      {"leading_space_in_value", headers(1, with(request(), {{"x", " a"}})), 0,
       NGHTTP2_PROTOCOL_ERROR},
      {"line_break_in_path", headers(1, changed(request(), ":path", "/ HTTP/1.1\r\nx: y")), 0,
       NGHTTP2_PROTOCOL_ERROR},
      {"line_break_in_method", headers(1, changed(request(), ":method", "GET\r\n")), 0,
       NGHTTP2_PROTOCOL_ERROR},
      {"two_lengths",
       headers(1, with(request("POST"), {{"content-length", "3"}, {"content-length", "3"}}), false),
       0, NGHTTP2_PROTOCOL_ERROR},
      {"bad_length", headers(1, with(request("POST"), {{"content-length", "+3"}}), false), 0,
       NGHTTP2_PROTOCOL_ERROR},
      {"length_without_body", headers(1, with(request("POST"), {{"content-length", "3"}})), 0,
       NGHTTP2_PROTOCOL_ERROR},
      {"two_hosts", headers(1, with(request(), {{"host", "a"}, {"host", "a"}})), 0,
       NGHTTP2_PROTOCOL_ERROR},
      // well-formed, but not for us
      {"host_against_authority", headers(1, with(request(), {{"host", "b"}})), 400},
      {"authority_with_user", headers(1, changed(request(), ":authority", "u@a")), 400},
      {"authority_list", headers(1, changed(request(), ":authority", "a,b")), 400},
      {"fragment", headers(1, changed(request(), ":path", "/a#b")), 400},
      {"backslash", headers(1, changed(request(), ":path", "/a\\b")), 400},
      {"asterisk_of_get", headers(1, changed(request(), ":path", "*")), 0, NGHTTP2_PROTOCOL_ERROR},
      {"other_scheme", headers(1, changed(request(), ":scheme", "ftp")), 400},
      {"connect", headers(1, {{":method", "CONNECT"}, {":authority", "a:1"}}, false), 501},
      {"unknown_expectation", headers(1, with(request(), {{"expect", "gold"}})), 417},
      {"too_large", headers(1, with(request(), {{"x", std::string(5000, 'x')}})), 431},
      {"too_many",
       headers(1, with(request(), HeaderList(20, std::pair<std::string, std::string>("x", "y")))),
       431},
      {"far_too_large", headers(1, with(request(), {{"x", std::string(16'250, 'x')}, {"y", "z"}})),
       0, NGHTTP2_INTERNAL_ERROR},
      // broken connections
      {"data_on_idle_stream", frame(kData, 0, 1, "x"), 0, -1, NGHTTP2_PROTOCOL_ERROR},
      {"even_stream", headers(2, request()), 0, -1, NGHTTP2_PROTOCOL_ERROR},
      {"headers_on_stream_0", headers(0, request()), 0, -1, NGHTTP2_PROTOCOL_ERROR},
      {"push_promise", frame(kPushPromise, kEndHeaders, 1, number(2)), 0, -1,
       NGHTTP2_PROTOCOL_ERROR},
      {"bad_hpack", frame(kHeaders, kEndHeaders | kEndStream, 1, "\xff\xff\xff\xff\xff\xff"), 0, -1,
       NGHTTP2_COMPRESSION_ERROR},
      {"oversized_frame", frame(kData, 0, 1, std::string(16385, 'x')), 0, -1,
       NGHTTP2_FRAME_SIZE_ERROR},
      {"bad_ping_size", frame(kPing, 0, 0, "1234567"), 0, -1, NGHTTP2_FRAME_SIZE_ERROR},
      {"bad_settings_size", frame(kSettings, 0, 0, "12345"), 0, -1, NGHTTP2_FRAME_SIZE_ERROR},
      {"window_overflow", frame(kWindowUpdate, 0, 0, number(0x7fffffff)), 0, -1,
       NGHTTP2_FLOW_CONTROL_ERROR},
      {"continuation_alone", frame(kContinuation, kEndHeaders, 1, ""), 0, -1,
       NGHTTP2_PROTOCOL_ERROR},
      {"interleaved_headers",
       frame(kHeaders, kEndStream, 1, header_block(request())) + frame(kPing, 0, 0, "12345678"), 0,
       -1, NGHTTP2_PROTOCOL_ERROR},
  };
}

INSTANTIATE_TEST_SUITE_P(Table, Http2Refuses, testing::ValuesIn(refused()),
                         [](const testing::TestParamInfo<Refused>& row) {
                           return std::string(row.param.name);
                         });

TEST(Http2Server, RefusesAnotherPreface) {
  World world;
  FunctionHandler handler(echo);
  RawPeer peer(world, world.serve(Version::kHttp2, handler));
  peer.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  world.clock.advance(std::chrono::seconds(2));
  ASSERT_TRUE(world.served.has_value());
  ASSERT_FALSE(world.served->has_value());
  EXPECT_EQ(to_string(world.served->error().code), "malformed");
}

Task<void> describe(ServerStream& stream) {
  std::string text = stream.head().method + " " + stream.head().scheme + " " +
                     stream.head().authority + " " + stream.head().target + ";";
  for (const Field& field : stream.head().fields.all()) {
    text += field.name + "=" + field.value + ";";
  }
  ResponseHead head;
  head.status = 200;
  Result<void> sent = co_await stream.respond(head, false);
  if (sent) (void)co_await stream.send(text, true);
}

TEST(Http2Server, HandsOverTheRequest) {
  World world;
  FunctionHandler handler(describe);
  RawPeer peer(world, world.serve(Version::kHttp2, handler));
  peer.write(preface() + headers(1, {{":method", "GET"},
                                     {":scheme", "http"},
                                     {":authority", "A.Example"},
                                     {":path", "/x?y"},
                                     {"host", "a.example"},
                                     {"te", "trailers"},
                                     {"cookie", "a=b"},
                                     {"x", "1"},
                                     {"cookie", "c=d"}}));
  EXPECT_EQ(data_of(split_frames(peer.received()), 1),
            "GET https a.example /x?y;x=1;cookie=a=b; c=d;");
}

TEST(Http2Server, TakesTheHostFieldForAnAuthority) {
  World world;
  FunctionHandler handler(describe);
  RawPeer peer(world, world.serve(Version::kHttp2, handler));
  peer.write(preface() + headers(1, with(without(request(), ":authority"), {{"host", "h:1"}})));
  EXPECT_EQ(data_of(split_frames(peer.received()), 1), "GET https h:1 /;");
}

TEST(Http2Server, AsksForABodyThatWaitsForIt) {
  World world;
  FunctionHandler handler(echo);
  RawPeer peer(world, world.serve(Version::kHttp2, handler));
  peer.write(preface() + headers(1, with(request("POST"), {{"expect", "100-continue"}}), false));
  EXPECT_EQ(status_of(split_frames(peer.received()), 1), 100);
  peer.write(frame(kData, kEndStream, 1, "abc"));
  EXPECT_EQ(data_of(split_frames(peer.received()), 1), "abc");
}

TEST(Http2Server, DropsTrailers) {
  World world;
  FunctionHandler handler(echo);
  RawPeer peer(world, world.serve(Version::kHttp2, handler));
  peer.write(preface() + headers(1, request("POST"), false) + frame(kData, 0, 1, "abc") +
             headers(1, {{"x-trailer", "y"}}));
  EXPECT_EQ(data_of(split_frames(peer.received()), 1), "abc");
}

TEST(Http2Server, ResetsABodyThatIsNotAsLongAsItsLength) {
  World world;
  FunctionHandler handler(echo);
  RawPeer peer(world, world.serve(Version::kHttp2, handler));
  peer.write(preface() + headers(1, with(request("POST"), {{"content-length", "3"}}), false) +
             frame(kData, kEndStream, 1, "abcd"));
  const std::vector<Frame> frames = split_frames(peer.received());
  EXPECT_EQ(error_code(frames, kRstStream, 1), NGHTTP2_PROTOCOL_ERROR);
  EXPECT_EQ(data_of(frames, 1), "");
  EXPECT_EQ(handler.active, 0);
}

Task<void> too_long(ServerStream& stream) {
  ResponseHead head;
  head.status = 200;
  head.fields.add("content-length", "2");
  (void)co_await stream.respond(head, false);
  Result<void> sent = co_await stream.send("abc", true);
  EXPECT_EQ(sent.error().code, Code::kInternal);
}

TEST(Http2Server, DoesNotSendMoreThanItAnnounced) {
  World world;
  FunctionHandler handler(too_long);
  RawPeer peer(world, world.serve(Version::kHttp2, handler));
  peer.write(preface() + headers(1, request()));
  const std::vector<Frame> frames = split_frames(peer.received());
  EXPECT_EQ(data_of(frames, 1), "");
  EXPECT_EQ(error_code(frames, kRstStream, 1), NGHTTP2_INTERNAL_ERROR);
}

Task<void> leave(ServerStream& stream) {
  ResponseHead head;
  head.status = 200;
  (void)co_await stream.respond(head, false);
}

TEST(Http2Server, ResetsTheStreamWhenTheHandlerLeavesEarly) {
  World world;
  FunctionHandler handler(leave);
  RawPeer peer(world, world.serve(Version::kHttp2, handler));
  peer.write(preface() + headers(1, request()));
  EXPECT_EQ(error_code(split_frames(peer.received()), kRstStream, 1), NGHTTP2_INTERNAL_ERROR);
}

Task<void> refuse(ServerStream& stream) {
  ResponseHead head;
  head.status = 403;
  (void)co_await stream.respond(head, true);
}

// RFC 9113 section 8.1: the rest of the request is not wanted, and costs no window.
TEST(Http2Server, StopsABodyThatNobodyWanted) {
  World world;
  FunctionHandler handler(refuse);
  RawPeer peer(world, world.serve(Version::kHttp2, handler));
  peer.write(preface());
  for (std::uint32_t stream = 1; stream < 200; stream += 2) {
    peer.take();
    peer.write(headers(stream, request("POST"), false) +
               frame(kData, 0, stream, std::string(16384, 'x')) +
               frame(kData, 0, stream, std::string(16384, 'x')));
    EXPECT_EQ(error_code(split_frames(peer.received()), kRstStream, stream), NGHTTP2_NO_ERROR);
    EXPECT_EQ(error_code(split_frames(peer.received()), kGoaway), -1) << stream;
  }
  EXPECT_EQ(handler.started, 100);
}

TEST(Http2Server, HandsOutNoWindowForABodyThatNobodyReads) {
  World world;
  struct Idle final : Handler {
    explicit Idle(Executor executor) : woken(executor) {}
    Task<void> handle(ServerStream& stream) override {
      stream.on_gone([this] { woken.notify(); });
      co_await woken.wait();
    }
    Event woken;
  } handler(world.context.get_executor());
  RawPeer peer(world, world.serve(Version::kHttp2, handler));
  peer.write(preface() + headers(1, request("POST"), false));
  for (int i = 0; i < 4; ++i) peer.write(frame(kData, 0, 1, std::string(16383, 'x')));
  for (const Frame& each : split_frames(peer.take())) {
    if (each.type == kWindowUpdate) {
      EXPECT_EQ(each.stream, 0U) << "the stream's window stays shut";
    }
  }
  peer.write(frame(kData, 0, 1, std::string(16383, 'x')));
  EXPECT_GT(std::max(error_code(split_frames(peer.received()), kRstStream, 1),
                     error_code(split_frames(peer.received()), kGoaway)),
            0);
}

struct Flood {
  const char* name;
  std::string frames;
  int repeat;
};

void PrintTo(const Flood& row, std::ostream* out) { *out << row.name; }

class Http2Flood : public testing::TestWithParam<Flood> {};

TEST_P(Http2Flood, IsCalmed) {
  World world;
  FunctionHandler handler(echo);
  RawPeer peer(world, world.serve(Version::kHttp2, handler));
  peer.write(preface());
  std::uint32_t stream = 1;
  for (int i = 0; i < GetParam().repeat && !peer.ended(); ++i) {
    std::string frames = GetParam().frames;
    // "S" frames name their stream by the placeholder 0x7ffffff1.
    for (std::size_t at = frames.find("\x7f\xff\xff\xf1"); at != std::string::npos;
         at = frames.find("\x7f\xff\xff\xf1")) {
      frames.replace(at, 4, number(stream));
    }
    stream += 2;
    peer.write(frames);
  }
  EXPECT_EQ(error_code(split_frames(peer.received()), kGoaway), NGHTTP2_ENHANCE_YOUR_CALM);
  world.clock.advance(std::chrono::seconds(2));
  ASSERT_TRUE(world.served.has_value());
  ASSERT_FALSE(world.served->has_value());
  EXPECT_EQ(to_string(world.served->error().code), "overloaded");
  EXPECT_EQ(handler.active, 0);
}

constexpr std::uint32_t kSome = 0x7ffffff1;

std::vector<Flood> floods() {
  return {
      {"ping", frame(kPing, 0, 0, "12345678"), 2000},
      {"settings", frame(kSettings, 0, 0, ""), 2000},
      {"priority", frame(kPriority, 0, 1, std::string("\0\0\0\0\1", 5)), 2000},
      {"empty_data",
       headers(kSome, request("POST"), false) +
           [] {
             std::string all;
             for (int i = 0; i < 100; ++i) all += frame(kData, 0, kSome, "");
             return all;
           }(),
       20},
      {"window_update", frame(kWindowUpdate, 0, 0, number(1)), 3000},
      {"rapid_reset", headers(kSome, request()) + frame(kRstStream, 0, kSome, number(8)), 2000},
      // CVE-2025-8671: the server is made to reset
      {"made_to_reset",
       headers(kSome, request("POST"), false) + frame(kWindowUpdate, 0, kSome, number(0x7fffffff)),
       2000},
      {"malformed_requests", headers(kSome, with(request(), {{"connection", "x"}})), 2000},
  };
}

INSTANTIATE_TEST_SUITE_P(Table, Http2Flood, testing::ValuesIn(floods()),
                         [](const testing::TestParamInfo<Flood>& row) {
                           return std::string(row.param.name);
                         });

TEST(Http2Server, BearsWhatAnHonestPeerSends) {
  World world;
  FunctionHandler handler(echo);
  RawPeer peer(world, world.serve(Version::kHttp2, handler));
  peer.write(preface());
  std::uint32_t stream = 1;
  for (int second = 0; second < 100; ++second) {
    for (int i = 0; i < 40; ++i, stream += 2) {
      peer.write(headers(stream, request()) + frame(kRstStream, 0, stream, number(8)) +
                 frame(kPing, 0, 0, "12345678"));
    }
    world.clock.advance(std::chrono::seconds(1));
  }
  EXPECT_EQ(error_code(split_frames(peer.received()), kGoaway), -1);
  EXPECT_FALSE(world.served.has_value());
}

// CVE-2024-28182.
TEST(Http2Server, BoundsContinuations) {
  World world;
  FunctionHandler handler(echo);
  RawPeer peer(world, world.serve(Version::kHttp2, handler));
  peer.write(preface() + frame(kHeaders, kEndStream, 1, header_block(request())));
  for (int i = 0; i < 100 && !peer.ended(); ++i) peer.write(frame(kContinuation, 0, 1, ""));
  world.clock.advance(std::chrono::seconds(2));
  ASSERT_TRUE(world.served.has_value());
  EXPECT_FALSE(world.served->has_value());
  EXPECT_EQ(handler.started, 0);
}

TEST(Http2Server, EndsASlowHeaderInTime) {
  World world;
  FunctionHandler handler(echo);
  ServerLimits limits;
  RawPeer peer(world, world.serve(Version::kHttp2, handler, limits));
  peer.write(preface());
  world.clock.advance(std::chrono::seconds(30));
  const Clock::Time then = world.clock.now();
  const std::string bytes = headers(1, with(request(), {{"x", std::string(1000, 'x')}}));
  for (std::size_t i = 0; i < bytes.size() - 1 && !world.served; ++i) {
    peer.write(bytes.substr(i, 1));
    world.clock.advance(std::chrono::seconds(1));
  }
  ASSERT_TRUE(world.served.has_value());
  ASSERT_FALSE(world.served->has_value());
  EXPECT_EQ(to_string(world.served->error().code), "timeout");
  EXPECT_LE(world.clock.now() - then, limits.header_timeout + std::chrono::seconds(13));
}

TEST(Http2Server, EndsAConnectionWithoutPrefaceInTime) {
  World world;
  FunctionHandler handler(echo);
  RawPeer peer(world, world.serve(Version::kHttp2, handler));
  peer.write("PRI");
  world.clock.advance(std::chrono::seconds(12));
  ASSERT_TRUE(world.served.has_value());
  ASSERT_FALSE(world.served->has_value());
  EXPECT_EQ(to_string(world.served->error().code), "timeout");
}

TEST(Http2Server, EndsAnIdleConnectionInTime) {
  World world;
  FunctionHandler handler(echo);
  ServerLimits limits;
  RawPeer peer(world, world.serve(Version::kHttp2, handler, limits));
  peer.write(preface() + headers(1, request()));
  world.clock.advance(limits.idle_timeout - std::chrono::seconds(1));
  EXPECT_EQ(error_code(split_frames(peer.received()), kGoaway), -1);
  world.clock.advance(std::chrono::seconds(3));
  EXPECT_EQ(error_code(split_frames(peer.received()), kGoaway), NGHTTP2_NO_ERROR);
  ASSERT_TRUE(world.served.has_value());
  EXPECT_TRUE(world.served->has_value());
}

TEST(Http2Server, EndsWhenTheBodyMakesNoProgress) {
  World world;
  FunctionHandler handler(echo);
  RawPeer peer(world, world.serve(Version::kHttp2, handler));
  peer.write(preface() + headers(1, request("POST"), false));
  for (int i = 0; i < 4; ++i) {  // progress, if slow
    world.clock.advance(std::chrono::seconds(20));
    peer.write(frame(kData, 0, 1, "a"));
  }
  EXPECT_EQ(handler.active, 1);
  world.clock.advance(std::chrono::seconds(31));
  EXPECT_EQ(handler.active, 0);
  EXPECT_EQ(data_of(split_frames(peer.received()), 1), "timeout");
}

Task<void> send_much(ServerStream& stream) {
  ResponseHead head;
  head.status = 200;
  (void)co_await stream.respond(head, false);
  Result<void> sent = co_await stream.send(std::string(1U << 20U, 'x'), true);
  EXPECT_EQ(to_string(sent.error().code), "timeout");
}

TEST(Http2Server, EndsAStreamWhoseWindowStaysShut) {
  World world;
  FunctionHandler handler(send_much);
  RawPeer peer(world, world.serve(Version::kHttp2, handler));
  peer.write(preface() + headers(1, request()));
  world.clock.advance(std::chrono::seconds(31));
  EXPECT_EQ(handler.active, 0);
  EXPECT_EQ(error_code(split_frames(peer.received()), kRstStream, 1), NGHTTP2_CANCEL);
}

TEST(Http2Server, DrainsInTwoSteps) {
  World world;
  FunctionHandler handler(echo);
  RawPeer peer(world, world.serve(Version::kHttp2, handler));
  peer.write(preface() + headers(1, request("POST"), false));
  peer.take();
  world.drain.drain();
  world.clock.run_ready();
  std::vector<Frame> frames = split_frames(peer.take());
  ASSERT_EQ(error_code(frames, kGoaway), NGHTTP2_NO_ERROR);
  // A request that was on its way is still served.
  peer.write(headers(3, request()));
  EXPECT_EQ(status_of(split_frames(peer.take()), 3), 200);
  peer.write(frame(kPing, kAck, 0, std::string(8, '\0')));
  frames = split_frames(peer.take());
  ASSERT_EQ(error_code(frames, kGoaway), NGHTTP2_NO_ERROR);
  EXPECT_EQ(frames.front().payload.substr(0, 4), number(3)) << "the last stream that is served";
  peer.write(headers(5, request()));
  EXPECT_EQ(status_of(split_frames(peer.take()), 5), 0);
  EXPECT_FALSE(world.served.has_value());
  peer.write(frame(kData, kEndStream, 1, "abc"));
  EXPECT_EQ(data_of(split_frames(peer.received()), 1), "abc");
  ASSERT_TRUE(world.run_until([&] { return world.served.has_value(); }, std::chrono::seconds(2)));
  EXPECT_TRUE(world.served->has_value());
}

TEST(Http2Server, ClosesAfterAnExchangeThatAsksForIt) {
  World world;
  FunctionHandler handler(echo_and_close);
  RawPeer peer(world, world.serve(Version::kHttp2, handler));
  peer.write(preface() + headers(1, request()));
  peer.write(frame(kPing, kAck, 0, std::string(8, '\0')));
  const std::vector<Frame> frames = split_frames(peer.take());
  EXPECT_EQ(status_of(frames, 1), 200);
  EXPECT_EQ(error_code(frames, kGoaway), NGHTTP2_NO_ERROR);
  peer.write(headers(3, request()));
  EXPECT_EQ(status_of(split_frames(peer.take()), 3), 0);
  ASSERT_TRUE(world.run_until([&] { return world.served.has_value(); }, std::chrono::seconds(2)));
  EXPECT_TRUE(world.served->has_value());
  EXPECT_EQ(handler.started, 1);
}

}  // namespace
}  // namespace mandated::http
