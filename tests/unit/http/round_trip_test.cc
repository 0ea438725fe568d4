// Our client against our server over a memory pipe, the same for both versions.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "tests/unit/http/http_world.h"

namespace mandated::http {
namespace {

class RoundTrip : public testing::TestWithParam<Version> {};

INSTANTIATE_TEST_SUITE_P(Versions, RoundTrip, testing::Values(Version::kHttp1, Version::kHttp2),
                         [](const testing::TestParamInfo<Version>& row) {
                           return std::string(row.param == Version::kHttp1 ? "http1" : "http2");
                         });

std::string pattern(std::size_t size) {
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i * 31 + i / 251);
  return bytes;
}

TEST_P(RoundTrip, CarriesAGet) {
  World world;
  FunctionHandler handler(echo);
  const auto client = world.connect(GetParam(), handler);
  Answer answer;
  world.run(call(*client, make_request("GET", "/a?b"), "", &answer));
  ASSERT_FALSE(answer.error.has_value()) << answer.error->text;
  EXPECT_EQ(answer.head.status, 200);
  EXPECT_EQ(answer.body, "GET /a?b tools.example");
  EXPECT_EQ(answer.head.fields.single("content-length"), "22");
  EXPECT_EQ(client->active(), 0U);
  EXPECT_TRUE(client->available());
}

TEST_P(RoundTrip, UsesTheConnectionAgain) {
  World world;
  FunctionHandler handler(echo);
  const auto client = world.connect(GetParam(), handler);
  for (int i = 0; i < 50; ++i) {
    Answer answer;
    world.run(call(*client, make_request("POST", "/"), std::string(100, 'x'), &answer));
    ASSERT_FALSE(answer.error.has_value()) << answer.error->text;
    EXPECT_EQ(answer.body, std::string(100, 'x'));
  }
  EXPECT_EQ(handler.started, 50);
}

TEST_P(RoundTrip, CarriesAMebibyteBothWays) {
  const std::string body = pattern(1U << 20U);
  for (const unsigned shorten : {0U, 500U}) {
    World world;
    FunctionHandler handler(echo);
    test::PipeOptions options;
    options.short_permille = shorten;
    options.capacity = 20000;
    options.latency_max = std::chrono::microseconds(shorten);
    const auto client = world.connect(GetParam(), handler, ServerLimits(), options);
    Answer answer;
    world.run(call(*client, make_request("POST", "/"), body, &answer));
    ASSERT_FALSE(answer.error.has_value()) << answer.error->text;
    EXPECT_TRUE(answer.body == body);
  }
}

Task<void> echo_piece_by_piece(ServerStream& stream) {
  ResponseHead head;
  head.status = 200;
  Result<void> sent = co_await stream.respond(head, false);
  while (sent) {
    Result<std::string> piece = co_await stream.body().read();
    if (!piece) co_return;
    const bool end = piece->empty();
    sent = co_await stream.send(*piece, end);
    if (end) co_return;
  }
}

struct Ping {
  static Task<void> run(ClientConnection* client, std::vector<std::string>* got) {
    RequestHead head = make_request("POST", "/");
    Result<std::unique_ptr<ClientStream>> stream = co_await client->start(head, false);
    if (!stream) co_return;
    Result<ResponseHead> answer = co_await (*stream)->response();
    if (!answer) co_return;
    for (const std::string word : {"one", "two", "three"}) {
      Result<void> sent = co_await (*stream)->send(word, false);
      if (!sent) co_return;
      Result<std::string> piece = co_await (*stream)->body().read();
      if (!piece) co_return;
      got->push_back(*piece);
    }
    Result<void> sent = co_await (*stream)->send("", true);
    if (!sent) co_return;
    Result<std::string> piece = co_await (*stream)->body().read();
    if (piece) got->push_back("end:" + *piece);
  }
};

// Full duplex: the answer begins before the request ends, and each piece is passed on at once.
TEST_P(RoundTrip, StreamsBothWaysAtOnce) {
  World world;
  FunctionHandler handler(echo_piece_by_piece);
  const auto client = world.connect(GetParam(), handler);
  std::vector<std::string> got;
  world.run(Ping::run(client.get(), &got));
  EXPECT_EQ(got, (std::vector<std::string>{"one", "two", "three", "end:"}));
  EXPECT_TRUE(client->available());
}

/// Sends without end and counts what was taken.
class Fast final : public Handler {
 public:
  Task<void> handle(ServerStream& stream) override {
    ResponseHead head;
    head.status = 200;
    (void)co_await stream.respond(head, false);
    const std::string piece(8192, 'x');
    while (true) {
      Result<void> taken = co_await stream.send(piece, false);
      if (!taken) break;
      sent += piece.size();
    }
    returned = true;
  }
  std::size_t sent = 0;
  bool returned = false;
};

struct SlowReader {
  static Task<void> run(World* world, ClientConnection* client, std::size_t* read, bool* stop) {
    RequestHead head = make_request("GET", "/");
    Result<std::unique_ptr<ClientStream>> stream = co_await client->start(head, true);
    if (!stream) co_return;
    Result<ResponseHead> answer = co_await (*stream)->response();
    while (answer && !*stop) {
      Result<std::string> piece = co_await (*stream)->body().read();
      if (!piece) co_return;
      *read += piece->size();
      co_await world->clock.sleep_for(std::chrono::seconds(1));
    }
  }
};

TEST_P(RoundTrip, HoldsBackAFastSender) {
  World world;
  Fast handler;
  test::PipeOptions options;
  options.capacity = 16384;
  const auto client = world.connect(GetParam(), handler, ServerLimits(), options);
  std::size_t read = 0;
  bool stop = false;
  world.tasks.spawn(SlowReader::run(&world, client.get(), &read, &stop));
  for (int i = 0; i < 100; ++i) {
    world.clock.advance(std::chrono::seconds(1));
    EXPECT_LT(handler.sent - read, 300'000U);
  }
  EXPECT_GT(read, 100 * 4096U);
  stop = true;
  world.clock.advance(std::chrono::seconds(2));
  EXPECT_TRUE(handler.returned) << "the sender learns that its reader went";
}

/// Sends a request's body without end.
struct FastClient {
  static Task<void> run(ClientConnection* client, std::size_t* sent, Code* code) {
    RequestHead head = make_request("POST", "/");
    Result<std::unique_ptr<ClientStream>> stream = co_await client->start(head, false);
    if (!stream) co_return;
    const std::string piece(8192, 'x');
    while (true) {
      Result<void> taken = co_await (*stream)->send(piece, false);
      if (!taken) {
        *code = taken.error().code;
        co_return;
      }
      *sent += piece.size();
    }
  }
};

class SlowHandler final : public Handler {
 public:
  explicit SlowHandler(World& world) : world_(world) {}
  Task<void> handle(ServerStream& stream) override {
    while (!stop) {
      Result<std::string> piece = co_await stream.body().read();
      if (!piece) co_return;
      read += piece->size();
      co_await world_.clock.sleep_for(std::chrono::seconds(1));
    }
  }
  std::size_t read = 0;
  bool stop = false;

 private:
  World& world_;
};

TEST_P(RoundTrip, HoldsBackAFastClient) {
  World world;
  SlowHandler handler(world);
  test::PipeOptions options;
  options.capacity = 16384;
  const auto client = world.connect(GetParam(), handler, ServerLimits(), options);
  std::size_t sent = 0;
  Code code = Code::kInternal;
  world.tasks.spawn(FastClient::run(client.get(), &sent, &code));
  for (int i = 0; i < 100; ++i) {
    world.clock.advance(std::chrono::seconds(1));
    EXPECT_LT(sent - handler.read, 300'000U);
  }
  EXPECT_GT(handler.read, 100 * 4096U);
  handler.stop = true;
  world.clock.advance(std::chrono::seconds(2));
  EXPECT_NE(code, Code::kInternal) << "the sender learns that its reader went";
}

struct Started {
  std::unique_ptr<ClientStream> stream;
  std::optional<Error> error;
  static Task<void> run(ClientConnection* client, RequestHead head, bool end, Started* started) {
    Result<std::unique_ptr<ClientStream>> stream = co_await client->start(head, end);
    if (stream) {
      started->stream = std::move(*stream);
    } else {
      started->error = stream.error();
    }
  }
};

struct Awaited {
  bool done = false;
  Result<ResponseHead> result;
  static Task<void> run(ClientStream* stream, Awaited* awaited) {
    awaited->result = co_await stream->response();
    awaited->done = true;
  }
};

class Waiting final : public Handler {
 public:
  explicit Waiting(Executor executor) : woken(executor) {}
  Task<void> handle(ServerStream& stream) override {
    ++active;
    stream.on_gone([this] {
      ++gone;
      woken.notify();
    });
    co_await woken.wait();
    --active;
  }
  Event woken;
  int gone = 0;
  int active = 0;
};

TEST_P(RoundTrip, CancelsAPendingCall) {
  World world;
  Waiting handler(world.context.get_executor());
  const auto client = world.connect(GetParam(), handler);
  Started started;
  world.run(Started::run(client.get(), make_request("GET", "/"), true, &started));
  Awaited awaited;
  world.tasks.spawn(Awaited::run(started.stream.get(), &awaited));
  world.clock.run_ready();
  EXPECT_EQ(handler.active, 1);
  EXPECT_FALSE(awaited.done);
  started.stream->cancel();
  world.clock.run_ready();
  ASSERT_TRUE(awaited.done);
  EXPECT_EQ(awaited.result.error().code, Code::kCancelled);
  EXPECT_EQ(handler.gone, 1);
  EXPECT_EQ(handler.active, 0);
  started.stream.reset();
  EXPECT_EQ(client->available(), GetParam() == Version::kHttp2);
}

TEST_P(RoundTrip, EndsACallAtItsDeadline) {
  World world;
  Waiting handler(world.context.get_executor());
  const auto client = world.connect(GetParam(), handler);
  Started started;
  world.run(Started::run(client.get(), make_request("GET", "/"), true, &started));
  started.stream->set_deadline(world.clock.now() + std::chrono::seconds(5));
  Awaited awaited;
  world.tasks.spawn(Awaited::run(started.stream.get(), &awaited));
  world.clock.advance(std::chrono::milliseconds(4999));
  EXPECT_FALSE(awaited.done);
  world.clock.advance(std::chrono::milliseconds(1));
  ASSERT_TRUE(awaited.done);
  EXPECT_EQ(awaited.result.error().code, Code::kTimeout);
  EXPECT_EQ(awaited.result.error().side, Side::kUpstream);
  EXPECT_EQ(handler.gone, 1);
  started.stream.reset();
  EXPECT_FALSE(GetParam() == Version::kHttp1 && client->alive()) << "used after a timeout";
}

TEST_P(RoundTrip, DroppingACallCancelsIt) {
  World world;
  Waiting handler(world.context.get_executor());
  const auto client = world.connect(GetParam(), handler);
  Started started;
  world.run(Started::run(client.get(), make_request("GET", "/"), true, &started));
  world.clock.run_ready();
  EXPECT_EQ(handler.active, 1);
  started.stream.reset();
  world.clock.run_ready();
  EXPECT_EQ(handler.gone, 1);
  EXPECT_EQ(handler.active, 0);
}

TEST_P(RoundTrip, ClosingTheClientEndsEverything) {
  World world;
  Waiting handler(world.context.get_executor());
  const auto client = world.connect(GetParam(), handler);
  Started started;
  world.run(Started::run(client.get(), make_request("GET", "/"), true, &started));
  Awaited awaited;
  world.tasks.spawn(Awaited::run(started.stream.get(), &awaited));
  world.clock.run_ready();
  client->close();
  world.clock.run_ready();
  ASSERT_TRUE(awaited.done);
  EXPECT_EQ(awaited.result.error().code, Code::kCancelled);
  EXPECT_EQ(handler.gone, 1);
  EXPECT_FALSE(client->alive());
  EXPECT_EQ(world.tasks.active(), 0U);
}

/// Answers when told.
class Held final : public Handler {
 public:
  explicit Held(Executor executor) : executor_(executor) {}
  Task<void> handle(ServerStream& stream) override {
    ++active;
    held_.push_back(std::make_unique<Event>(executor_));
    Event& release_me = *held_.back();
    co_await release_me.wait();
    ResponseHead head;
    head.status = 204;
    (void)co_await stream.respond(head, true);
    --active;
  }
  void release() {
    for (const std::unique_ptr<Event>& event : held_) event->notify();
  }
  int active = 0;

 private:
  Executor executor_;
  std::vector<std::unique_ptr<Event>> held_;
};

TEST_P(RoundTrip, DrainsGracefully) {
  World world;
  Held handler(world.context.get_executor());
  const auto client = world.connect(GetParam(), handler);
  Started started;
  world.run(Started::run(client.get(), make_request("GET", "/"), true, &started));
  world.clock.run_ready();
  world.drain.drain();
  world.clock.run_ready();
  EXPECT_EQ(handler.active, 1) << "what is under way goes on";
  EXPECT_FALSE(client->available());
  handler.release();
  Awaited awaited;
  world.run(Awaited::run(started.stream.get(), &awaited));
  ASSERT_TRUE(awaited.result.has_value()) << awaited.result.error().text;
  EXPECT_EQ(awaited.result->status, 204);
  started.stream.reset();
  ASSERT_TRUE(world.run_until([&] { return world.served.has_value(); }, std::chrono::seconds(2)));
  EXPECT_TRUE(world.served->has_value()) << world.served->error().text;
  EXPECT_FALSE(client->alive());
}

TEST_P(RoundTrip, ReportsACutBeforeAnyAnswerAsReset) {
  World world;
  Waiting handler(world.context.get_executor());
  auto client = world.connect(GetParam(), handler, ServerLimits(),
                              test::PipeOptions{.reset_after_bytes = 1000});
  Started started;
  RequestHead head = make_request("GET", "/");
  head.fields.add("x", std::string(1000, 'x') + std::string(1000, 'y'));
  world.run(Started::run(client.get(), head, true, &started));
  if (started.stream) {
    Awaited awaited;
    world.run(Awaited::run(started.stream.get(), &awaited));
    started.error = awaited.result.error();
  }
  ASSERT_TRUE(started.error.has_value());
  EXPECT_EQ(to_string(started.error->code), "reset");
  EXPECT_EQ(started.error->side, Side::kUpstream);
  EXPECT_FALSE(client->alive());
}

class HalfAnAnswer final : public Handler {
 public:
  explicit HalfAnAnswer(World& world) : world_(world) {}
  Task<void> handle(ServerStream& stream) override {
    ResponseHead head;
    head.status = 200;
    (void)co_await stream.respond(head, false);
    (void)co_await stream.send("half", false);
    co_await world_.clock.sleep_for(std::chrono::seconds(1));
    stream.reset();
  }

 private:
  World& world_;
};

TEST_P(RoundTrip, ReportsACutAnswerAsEnd) {
  World world;
  HalfAnAnswer handler(world);
  const auto client = world.connect(GetParam(), handler);
  Answer answer;
  world.run(call(*client, make_request("POST", "/"), "x", &answer));
  ASSERT_TRUE(answer.error.has_value());
  EXPECT_EQ(to_string(answer.error->code), "end");
  EXPECT_EQ(answer.error->side, Side::kUpstream);
}

Task<void> refuse_early(ServerStream& stream) {
  ResponseHead head;
  head.status = 413;
  (void)co_await stream.respond(head, true);
}

// An answer that comes before the request's end is an answer, not an error.
TEST_P(RoundTrip, AcceptsAnEarlyAnswer) {
  World world;
  FunctionHandler handler(refuse_early);
  const auto client = world.connect(GetParam(), handler);
  Answer answer;
  world.run(call(*client, make_request("POST", "/"), pattern(1U << 20U), &answer));
  ASSERT_FALSE(answer.error.has_value()) << answer.error->text;
  EXPECT_EQ(answer.head.status, 413);
}

Task<void> count_bytes(ServerStream& stream) {
  Result<std::string> body = co_await read_all(stream.body(), 100);
  ResponseHead head;
  head.status = body ? 200 : 413;
  head.fields.add("code", std::string(body ? "none" : to_string(body.error().code)));
  (void)co_await stream.respond(head, true);
}

TEST_P(RoundTrip, BoundsABodyThatIsReadWhole) {
  World world;
  FunctionHandler handler(count_bytes);
  const auto client = world.connect(GetParam(), handler);
  Answer answer;
  world.run(call(*client, make_request("POST", "/"), std::string(101, 'x'), &answer));
  ASSERT_FALSE(answer.error.has_value()) << answer.error->text;
  EXPECT_EQ(answer.head.status, 413);
  EXPECT_EQ(answer.head.fields.single("code"), "too_large");
}

TEST_P(RoundTrip, CarriesFieldsUnchanged) {
  World world;
  struct Mirror final : Handler {
    Task<void> handle(ServerStream& stream) override {
      ResponseHead head;
      head.status = 200;
      for (const Field& field : stream.head().fields.all())
        head.fields.add(field.name, field.value);
      (void)co_await stream.respond(head, true);
    }
  } handler;
  const auto client = world.connect(GetParam(), handler);
  RequestHead head = make_request("GET", "/");
  head.fields.add("delegation-receipt", std::string(30'000, 'r'));
  head.fields.add("x-empty", "");
  head.fields.add("x-twice", "1");
  head.fields.add("x-twice", "2");
  head.fields.add("x-obs", "\xc3\xa9");
  head.fields.add("connection", "x-twice");
  head.fields.add("upgrade", "h2c");
  head.fields.add("te", "gzip");
  head.fields.add("host", "evil.example");
  Answer answer;
  world.run(call(*client, head, "", &answer));
  ASSERT_FALSE(answer.error.has_value()) << answer.error->text;
  answer.head.fields.remove("content-length");
  ASSERT_EQ(answer.head.fields.all().size(), 5U);
  EXPECT_EQ(answer.head.fields.single("delegation-receipt"), std::string(30'000, 'r'));
  EXPECT_EQ(answer.head.fields.single("x-empty"), "");
  EXPECT_EQ(answer.head.fields.joined("x-twice"), "1, 2");
  EXPECT_EQ(answer.head.fields.single("x-twice"), std::nullopt);
  EXPECT_EQ(answer.head.fields.single("x-obs"), "\xc3\xa9");
}

TEST_P(RoundTrip, RefusesToWriteABadHead) {
  World world;
  FunctionHandler handler(echo);
  const auto client = world.connect(GetParam(), handler);
  const auto broken = [](auto change) {
    RequestHead head = make_request("GET", "/");
    change(head);
    return head;
  };
  for (const RequestHead& head : {
           broken([](RequestHead& h) { h.target = "/ HTTP/1.1\r\nx: y"; }),
           broken([](RequestHead& h) { h.target = ""; }),
           broken([](RequestHead& h) { h.method = "GET /x"; }),
           broken([](RequestHead& h) { h.method = "CONNECT"; }),
           broken([](RequestHead& h) { h.authority = "a\r\nb"; }),
           broken([](RequestHead& h) { h.authority = ""; }),
           broken([](RequestHead& h) { h.fields.add("x", "a\nb"); }),
           broken([](RequestHead& h) { h.fields.add("x", std::string(1, '\0')); }),
           broken([](RequestHead& h) { h.fields.add("X", "a"); }),
           broken([](RequestHead& h) { h.fields.add(":path", "/"); }),
       }) {
    Started started;
    world.run(Started::run(client.get(), head, true, &started));
    ASSERT_TRUE(started.error.has_value());
    EXPECT_EQ(to_string(started.error->code), "internal");
  }
  Answer answer;
  world.run(call(*client, make_request("GET", "/"), "", &answer));
  EXPECT_FALSE(answer.error.has_value()) << "nothing of them went out";
}

TEST_P(RoundTrip, IsFoundInCleartext) {
  World world;
  FunctionHandler handler(echo);
  const auto client = world.make_client(GetParam(), world.serve(Version::kCleartext, handler));
  Answer answer;
  world.run(call(*client, make_request("GET", "/x"), "", &answer));
  ASSERT_FALSE(answer.error.has_value()) << answer.error->text;
  EXPECT_EQ(answer.body, "GET /x tools.example");
}

// Every operation fails in turn: whatever the point of the cut, nothing hangs and nothing is left.
TEST_P(RoundTrip, SurvivesACutAtEveryByte) {
  int answered = 0;
  for (std::uint64_t cut = 1; cut < 1500; cut += 7) {
    World world;
    FunctionHandler handler(echo);
    {
      test::PipeOptions options;
      options.reset_after_bytes = cut;
      options.short_permille = 300;
      options.seed = cut;
      const auto client = world.connect(GetParam(), handler, ServerLimits(), options);
      Answer answer;
      world.run(call(*client, make_request("POST", "/"), std::string(300, 'x'), &answer));
      if (!answer.error) ++answered;
    }
    ASSERT_TRUE(world.run_until([&] { return world.served.has_value(); }));
    EXPECT_EQ(handler.active, 0);
  }
  EXPECT_GT(answered, 0);
}

TEST(Http2RoundTrip, CarriesManyStreamsAtOnce) {
  World world;
  FunctionHandler handler(echo);
  const auto client = world.connect(Version::kHttp2, handler);
  std::vector<Answer> answers(100);
  const std::string body = pattern(50'000);
  for (Answer& answer : answers) {
    world.tasks.spawn(call(*client, make_request("POST", "/"), body, &answer));
  }
  ASSERT_TRUE(world.run_until([&] {
    return std::all_of(answers.begin(), answers.end(),
                       [](const Answer& answer) { return answer.error || !answer.body.empty(); });
  }));
  for (const Answer& answer : answers) {
    ASSERT_FALSE(answer.error.has_value()) << answer.error->text;
    EXPECT_TRUE(answer.body == body);
  }
  EXPECT_EQ(handler.started, 100);
}

TEST(Http2RoundTrip, KeepsToThePeersStreamLimit) {
  World world;
  Held handler(world.context.get_executor());
  ServerLimits limits;
  limits.streams_max = 2;
  const auto client = world.connect(Version::kHttp2, handler, limits);
  world.clock.run_ready();
  std::vector<Started> started(3);
  for (Started& each : started) {
    world.run(Started::run(client.get(), make_request("GET", "/"), true, &each));
  }
  EXPECT_TRUE(started[0].stream && started[1].stream);
  ASSERT_TRUE(started[2].error.has_value());
  EXPECT_EQ(started[2].error->code, Code::kUnavailable);
  EXPECT_EQ(started[2].error->side, Side::kUpstream);
  world.clock.run_ready();
  EXPECT_EQ(client->active(), 2U);
  handler.release();
  world.clock.run_ready();
  EXPECT_TRUE(client->available());
  client->close();
  handler.release();
}

TEST(Http2RoundTrip, ASilentConnectionIsNotUsedAfterATimeout) {
  World world;
  auto ends = test::make_memory_pipe(world.clock);
  const auto client = world.make_client(Version::kHttp2, std::move(ends.first));
  Started started;
  world.clock.advance(std::chrono::seconds(1));
  world.run(Started::run(client.get(), make_request("GET", "/"), true, &started));
  started.stream->set_deadline(world.clock.now() + std::chrono::seconds(5));
  Awaited awaited;
  world.run(Awaited::run(started.stream.get(), &awaited));
  EXPECT_EQ(awaited.result.error().code, Code::kTimeout);
  EXPECT_FALSE(client->alive());
}

}  // namespace
}  // namespace mandated::http
