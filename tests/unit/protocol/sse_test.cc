#include "proxy/protocol/sse.h"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <deque>
#include <string>
#include <vector>

namespace mandated::protocol {
namespace {

SseEvent event(std::string data, std::string type = {}) {
  SseEvent made;
  made.data = std::move(data);
  made.type = std::move(type);
  return made;
}

struct Parsed {
  std::vector<SseEvent> events;
  std::optional<Code> error;
  bool inside = false;
};

Parsed parse(std::string_view text, std::size_t piece, std::size_t max = 1000) {
  SseParser parser(max);
  Parsed out;
  for (std::size_t i = 0; i < text.size(); i += piece) {
    if (auto fed = parser.feed(text.substr(i, piece), out.events); !fed) {
      out.error = fed.error().code;
      return out;
    }
  }
  out.inside = parser.inside_event();
  return out;
}

TEST(SseParser, FollowsTheGrammar) {
  struct Case {
    std::string text;
    std::vector<SseEvent> events;
  };
  SseEvent with_id = event("x");
  with_id.id = "7";
  SseEvent only_id = event("");
  only_id.id = "";
  SseEvent with_retry = event("");
  with_retry.retry = "100";
  const std::vector<Case> cases = {
      {"data: x\n\n", {event("x")}},
      {"data:x\r\n\r\n", {event("x")}},
      {"data: x\r\r", {event("x")}},
      {"\xEF\xBB\xBF"
       "data: x\n\n",
       {event("x")}},
      {"data: x\n\n\xEF\xBB\xBF"
       "data: y\n\n",
       {event("x")}},  // a BOM counts at the start only
      {"data:  x\n\n", {event(" x")}},
      {"data: a\ndata: b\n\n", {event("a\nb")}},
      {"data\ndata\n\n", {event("\n")}},
      {"data\n\n", {event("")}},
      {": comment\n\n:\n\ndata: x\n\n", {event("x")}},
      {"event: message\ndata: x\n\n", {event("x", "message")}},
      {"id: 7\ndata: x\n\n", {with_id}},
      {"id\n\n", {only_id}},
      {"retry: 100\n\n", {with_retry}},
      {"retry: 1e3\n\n", {}},
      {"DATA: x\n\n", {}},
      {"unknown: x\ndata: y\n\n", {event("y")}},
      {"data: a:b\n\n", {event("a:b")}},
      {"\n\n\ndata: x\n\n\n", {event("x")}},
  };
  for (const Case& each : cases) {
    for (const std::size_t piece :
         {std::size_t{1}, std::size_t{2}, std::size_t{3}, std::size_t{99}}) {
      const Parsed parsed = parse(each.text, piece);
      EXPECT_FALSE(parsed.error) << each.text;
      EXPECT_EQ(parsed.events, each.events) << each.text << " in pieces of " << piece;
      EXPECT_FALSE(parsed.inside) << each.text;
    }
  }
}

TEST(SseParser, KnowsThatItWasCut) {
  EXPECT_TRUE(parse("data: x\n", 99).inside);
  EXPECT_TRUE(parse("data: x", 99).inside);
  EXPECT_FALSE(parse("data: x\n\n", 99).inside);
}

TEST(SseParser, IsBounded) {
  const std::string line = "data: " + std::string(95, 'x');
  EXPECT_FALSE(parse(line + "\n\n", 7, 101).error);
  for (const std::size_t piece : {std::size_t{1}, std::size_t{50}, std::size_t{1000}}) {
    EXPECT_EQ(parse(line + "x\n\n", piece, 101).error, Code::kTooLarge);
    // Many small lines of one event, and comments without end.
    EXPECT_EQ(parse("data: aaaaaaaa\n" + line + "\n\n", piece, 101).error, Code::kTooLarge);
    EXPECT_EQ(parse(std::string(300, ':'), piece, 101).error, Code::kTooLarge);
  }
  EXPECT_EQ(parse(std::string("data: \0\n\n", 9), 99).error, Code::kMalformed);
}

TEST(WriteSse, IsReadBackTheSame) {
  SseEvent full = event("line 1\nline 2\n", "message");
  full.id = "42";
  full.retry = "5";
  for (const SseEvent& each : {event("x"), event(""), event("\n"), full}) {
    const Parsed parsed = parse(write_sse(each), 5);
    ASSERT_EQ(parsed.events.size(), 1U);
    EXPECT_EQ(parsed.events[0], each);
  }
}

class PiecesBody final : public http::Body {
 public:
  explicit PiecesBody(std::deque<std::string> pieces) : pieces_(std::move(pieces)) {}
  Task<Result<std::string>> read() override {
    if (pieces_.empty()) co_return std::string();
    std::string piece = std::move(pieces_.front());
    pieces_.pop_front();
    co_return piece;
  }

 private:
  std::deque<std::string> pieces_;
};

Task<void> drain(http::Body& body, std::string& out, std::optional<Error>& error) {
  while (true) {
    auto piece = co_await body.read();
    if (!piece) {
      error = piece.error();
      co_return;
    }
    if (piece->empty()) co_return;
    out += *piece;
  }
}

std::pair<std::string, std::optional<Error>> change_all(std::deque<std::string> pieces,
                                                        ChangeData change) {
  const http::BodyPtr body =
      change_events(std::make_unique<PiecesBody>(std::move(pieces)), 1000, std::move(change));
  boost::asio::io_context context;
  std::string out;
  std::optional<Error> error;
  boost::asio::co_spawn(context, drain(*body, out, error), boost::asio::detached);
  context.run();
  return {out, error};
}

TEST(ChangeEvents, ChangesEachEvent) {
  const auto [out, error] = change_all(
      {"id: 1\nda", "ta: a\n\n:\n\n", "data: b\n\n"},
      [](std::string_view data) -> Accepted<std::string> { return "<" + std::string(data) + ">"; });
  EXPECT_FALSE(error);
  EXPECT_EQ(out, "id: 1\ndata: <a>\n\ndata: <b>\n\n");
}

TEST(ChangeEvents, PassesKeepAlivesAndPrimingEvents) {
  const auto [out, error] =
      change_all({":\n\n", "id: 1\ndata:\n\n"}, [](std::string_view) -> Accepted<std::string> {
        return reject(502, kInternalError, "not to be called");
      });
  EXPECT_FALSE(error);
  EXPECT_EQ(out, ":\n\nid: 1\ndata: \n\n");
}

TEST(ChangeEvents, AnEventThatIsRejectedEndsTheStream) {
  const auto [out, error] = change_all({"data: good\n\n", "data: bad\n\n", "data: good\n\n"},
                                       [](std::string_view data) -> Accepted<std::string> {
                                         if (data == "bad")
                                           return reject(502, kInternalError, "bad");
                                         return std::string(data);
                                       });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code, Code::kProtocol);
  EXPECT_EQ(error->side, Side::kUpstream);
  EXPECT_EQ(out, "data: good\n\n");
}

TEST(ChangeEvents, ACutStreamIsAnError) {
  const auto [out, error] =
      change_all({"data: x\n"},
                 [](std::string_view data) -> Accepted<std::string> { return std::string(data); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code, Code::kMalformed);
  EXPECT_EQ(out, "");
}

}  // namespace
}  // namespace mandated::protocol
