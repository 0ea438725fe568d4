// The simulator's clock and pipes, which every other test stands on.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/memory_stream.h"
#include "tests/support/sim_rng.h"
#include "tests/unit/http/http_world.h"

namespace mandated::test {
namespace {

using http::World;

TEST(SimClock, FiresTimersInOrderAndStandsStillOtherwise) {
  boost::asio::io_context context;
  SimClock clock(context);
  const Clock::Time start = clock.now();
  std::vector<int> fired;
  const auto late = clock.call_at(start + std::chrono::seconds(2), [&] { fired.push_back(3); });
  const auto first = clock.call_at(start + std::chrono::seconds(1), [&] { fired.push_back(1); });
  const auto second = clock.call_at(start + std::chrono::seconds(1), [&] { fired.push_back(2); });
  auto dropped = clock.call_at(start + std::chrono::seconds(1), [&] { fired.push_back(9); });
  dropped.reset();
  clock.run_ready();
  EXPECT_TRUE(fired.empty());
  EXPECT_EQ(clock.now(), start);
  clock.advance(std::chrono::milliseconds(1500));
  EXPECT_EQ(fired, (std::vector<int>{1, 2}));
  EXPECT_EQ(clock.now() - start, std::chrono::milliseconds(1500));
  EXPECT_EQ(clock.wall_seconds(), 1'780'272'001.5);
  EXPECT_TRUE(clock.step());
  EXPECT_EQ(fired.back(), 3);
  EXPECT_FALSE(clock.step());
  clock.jump_wall(-std::chrono::hours(1));
  EXPECT_EQ(clock.wall_seconds(), 1'780'272'002 - 3600);
}

TEST(SimRng, IsItsSeed) {
  SimRng a(1);
  SimRng b(1);
  SimRng c(2);
  EXPECT_EQ(a.identifier(), b.identifier());
  EXPECT_NE(a.next(), c.next());
  for (int i = 0; i < 1000; ++i) {
    const std::uint64_t value = a.between(3, 5);
    EXPECT_TRUE(value >= 3 && value <= 5);
  }
}

struct Reads {
  std::vector<std::string> pieces;
  std::vector<Clock::Time> times;
  std::optional<Error> error;
  bool ended = false;

  static Task<void> run(net::Stream* stream, SimClock* clock, std::size_t room, Reads* reads) {
    std::string buffer(room, '\0');
    while (true) {
      Result<std::size_t> count = co_await stream->read_some(buffer);
      if (!count) reads->error = count.error();
      if (!count || *count == 0) break;
      reads->pieces.push_back(buffer.substr(0, *count));
      reads->times.push_back(clock->now());
    }
    reads->ended = true;
  }
  std::string all() const {
    std::string bytes;
    for (const std::string& piece : pieces) bytes += piece;
    return bytes;
  }
};

struct Write {
  bool done = false;
  Result<void> result;
  static Task<void> run(net::Stream* stream, std::string bytes, bool end, Write* write) {
    write->result = co_await stream->write(bytes);
    if (write->result && end) write->result = co_await stream->shutdown();
    write->done = true;
  }
};

std::string letters(std::size_t size) {
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>('a' + i % 26);
  return bytes;
}

TEST(MemoryPipe, CarriesBytesInOrderAndTheEnd) {
  World world;
  PipeOptions options;
  options.capacity = 100;
  options.read_max = 7;
  options.write_max = 50;
  options.short_permille = 500;
  options.latency_max = std::chrono::milliseconds(10);
  auto ends = make_memory_pipe(world.clock, options);
  Reads reads;
  Write write;
  world.tasks.spawn(Reads::run(ends.second.get(), &world.clock, 64, &reads));
  world.tasks.spawn(Write::run(ends.first.get(), letters(5000), true, &write));
  ASSERT_TRUE(world.run_until([&] { return reads.ended; }));
  EXPECT_EQ(reads.all(), letters(5000));
  EXPECT_FALSE(reads.error.has_value());
  EXPECT_TRUE(write.done && write.result);
  for (const std::string& piece : reads.pieces) EXPECT_LE(piece.size(), 7U);
}

TEST(MemoryPipe, IsDeterministic) {
  std::vector<Reads> runs(2);
  for (Reads& reads : runs) {
    World world;
    PipeOptions options;
    options.short_permille = 300;
    options.latency_max = std::chrono::seconds(1);
    options.seed = 7;
    auto ends = make_memory_pipe(world.clock, options);
    Write write;
    world.tasks.spawn(Reads::run(ends.second.get(), &world.clock, 64, &reads));
    world.tasks.spawn(Write::run(ends.first.get(), letters(2000), true, &write));
    ASSERT_TRUE(world.run_until([&] { return reads.ended; }));
  }
  EXPECT_EQ(runs[0].pieces, runs[1].pieces);
  EXPECT_EQ(runs[0].times, runs[1].times);
}

TEST(MemoryPipe, HoldsBackAWriterWhoseReaderIsSlow) {
  World world;
  PipeOptions options;
  options.capacity = 10;
  auto ends = make_memory_pipe(world.clock, options);
  Write write;
  world.tasks.spawn(Write::run(ends.first.get(), letters(11), false, &write));
  world.clock.run_ready();
  EXPECT_FALSE(write.done);
  ends.first->close();
  world.clock.run_ready();
  EXPECT_TRUE(write.done);
  EXPECT_EQ(write.result.error().code, Code::kCancelled);
}

TEST(MemoryPipe, TakesItsTime) {
  World world;
  PipeOptions options;
  options.latency_min = options.latency_max = std::chrono::seconds(3);
  auto ends = make_memory_pipe(world.clock, options);
  Reads reads;
  Write write;
  const Clock::Time start = world.clock.now();
  world.tasks.spawn(Reads::run(ends.second.get(), &world.clock, 64, &reads));
  world.tasks.spawn(Write::run(ends.first.get(), "abc", true, &write));
  ASSERT_TRUE(world.run_until([&] { return reads.ended; }));
  ASSERT_EQ(reads.times.size(), 1U);
  EXPECT_EQ(reads.times[0] - start, std::chrono::seconds(3));
}

TEST(MemoryPipe, IsCutAfterSoManyBytes) {
  World world;
  PipeOptions options;
  options.reset_after_bytes = 5;
  options.write_max = 1;
  auto ends = make_memory_pipe(world.clock, options);
  Reads reads;
  Write write;
  world.tasks.spawn(Reads::run(ends.second.get(), &world.clock, 64, &reads));
  world.tasks.spawn(Write::run(ends.first.get(), letters(10), true, &write));
  world.clock.run_ready();
  ASSERT_TRUE(reads.error.has_value());
  EXPECT_EQ(reads.error->code, Code::kReset);
  EXPECT_EQ(reads.all(), "abcde");
  EXPECT_EQ(write.result.error().code, Code::kReset);
}

TEST(MemoryPipe, EndsAtItsDeadline) {
  World world;
  auto ends = make_memory_pipe(world.clock);
  Reads reads;
  ends.second->set_deadline(world.clock.now() + std::chrono::seconds(5));
  world.tasks.spawn(Reads::run(ends.second.get(), &world.clock, 64, &reads));
  world.clock.advance(std::chrono::seconds(4));
  EXPECT_FALSE(reads.ended);
  world.clock.advance(std::chrono::seconds(1));
  ASSERT_TRUE(reads.error.has_value());
  EXPECT_EQ(reads.error->code, Code::kTimeout);
  Write write;
  ends.second->set_deadline(Clock::Time::max());
  world.tasks.spawn(Write::run(ends.second.get(), "abc", false, &write));
  world.clock.run_ready();
  EXPECT_EQ(write.result.error().code, Code::kTimeout) << "a stream does not recover";
}

TEST(MemoryPipe, TellsThePeerOfAClose) {
  for (const bool clean : {true, false}) {
    World world;
    auto ends = make_memory_pipe(world.clock);
    Reads reads;
    Write write;
    Write late;
    world.tasks.spawn(Write::run(ends.first.get(), "abc", clean, &write));
    world.clock.run_ready();
    ends.first.reset();
    world.tasks.spawn(Reads::run(ends.second.get(), &world.clock, 64, &reads));
    world.tasks.spawn(Write::run(ends.second.get(), "abc", false, &late));
    world.clock.run_ready();
    EXPECT_EQ(reads.all(), "abc") << "what was under way arrives";
    EXPECT_EQ(reads.error.has_value(), !clean);
    EXPECT_EQ(late.result.error().code, Code::kReset);
  }
}

}  // namespace
}  // namespace mandated::test
