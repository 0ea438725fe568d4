// Log lines: their form, their escaping, and that a flood of warnings stays small.
#include "proxy/base/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>
#include <vector>

namespace mandated::log {
namespace {

using nlohmann::json;
using testing::HasSubstr;

template <class Act>
std::string logged(Level level, Format format, Act&& act) {
  testing::internal::CaptureStderr();
  init(level, format);
  act();
  init(Level::kInfo, Format::kText);
  return testing::internal::GetCapturedStderr();
}

TEST(Log, Json) {
  const std::string text = logged(Level::kInfo, Format::kJson, [] {
    info("connection.closed", {{"peer", "a\"b\n\xff"},
                               {"bytes", 7U},
                               {"delta", -1},
                               {"seconds", 0.5},
                               {"clean", true},
                               {"name", std::string("x")}});
  });
  ASSERT_EQ(std::count(text.begin(), text.end(), '\n'), 1) << text;
  const json line = json::parse(text);
  EXPECT_EQ(line["level"], "info");
  EXPECT_EQ(line["event"], "connection.closed");
  EXPECT_EQ(line["peer"], "a\"b\n\xEF\xBF\xBD");
  EXPECT_EQ(line["bytes"], 7);
  EXPECT_EQ(line["delta"], -1);
  EXPECT_EQ(line["seconds"], 0.5);
  EXPECT_EQ(line["clean"], true);
  EXPECT_EQ(line["name"], "x");
  EXPECT_THAT(line["time"].get<std::string>(), testing::MatchesRegex("....-..-..T..:..:..\\....Z"));
}

TEST(Log, Text) {
  const std::string text = logged(Level::kInfo, Format::kText, [] {
    error("audit.failed", {{"why", "No space left\n on device"}, {"file", "/a/b"}, {"n", 3}});
  });
  EXPECT_THAT(text,
              HasSubstr(" error audit.failed why=\"No space left\\n on device\" file=/a/b n=3\n"));
}

TEST(Log, LevelsBelowAreLeftOut) {
  const auto everything = [] {
    debug("a");
    info("b");
    warn("level.c");
    error("d");
  };
  const std::string all = logged(Level::kDebug, Format::kText, everything);
  EXPECT_EQ(std::count(all.begin(), all.end(), '\n'), 4);
  const std::string errors = logged(Level::kError, Format::kText, everything);
  EXPECT_EQ(std::count(errors.begin(), errors.end(), '\n'), 1);
  EXPECT_THAT(errors, HasSubstr(" error d"));
}

TEST(Log, BracesAreNoFormat) {
  EXPECT_THAT(logged(Level::kInfo, Format::kText, [] { info("x", {{"a", "{}"}, {"b", "%v"}}); }),
              HasSubstr("x a={} b=%v\n"));
}

TEST(Log, LinesOfManyThreadsStayWhole) {
  const std::string text = logged(Level::kInfo, Format::kJson, [] {
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([] {
        for (int n = 0; n < 100; ++n) info("many", {{"n", n}});
      });
    }
    for (std::thread& thread : threads) thread.join();
  });
  std::istringstream lines(text);
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count)
    EXPECT_EQ(json::parse(line)["event"], "many");
  EXPECT_EQ(count, 400);
}

TEST(Log, AFloodOfWarningsStaysSmall) {
  const std::string text = logged(Level::kInfo, Format::kText, [] {
    for (int i = 0; i < 1000; ++i) warn("flood");
    warn("other");
  });
  const auto lines = std::count(text.begin(), text.end(), '\n');
  EXPECT_GE(lines, 11);
  EXPECT_LE(lines, 15);
  EXPECT_THAT(text, HasSubstr("other"));
}

TEST(Limiter, TenAtOnceThenOneASecond) {
  Limiter limiter;
  Limiter::Time now{};
  for (int i = 0; i < 10; ++i) EXPECT_EQ(limiter.admit("a", now), 0U);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(limiter.admit("a", now), std::nullopt);
  EXPECT_EQ(limiter.admit("b", now), 0U) << "each event has its own";
  now += std::chrono::milliseconds(999);
  EXPECT_EQ(limiter.admit("a", now), std::nullopt);
  now += std::chrono::milliseconds(2);
  EXPECT_EQ(limiter.admit("a", now), 6U) << "says how many were left out";
  EXPECT_EQ(limiter.admit("a", now), std::nullopt);
  now += std::chrono::hours(1);
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(limiter.admit("a", now)) << i;
  EXPECT_EQ(limiter.admit("a", now), std::nullopt) << "the bucket holds ten";
}

}  // namespace
}  // namespace mandated::log
