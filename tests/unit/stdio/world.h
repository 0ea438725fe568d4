// A world for the bridge in memory: a clock that jumps when nothing else is left to do, and servers
// whose every line the test sees and writes. One thread, no waiting.
#pragma once

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "proxy/base/clock.h"
#include "proxy/base/event.h"
#include "proxy/stdio/stdio_upstream.h"

namespace mandated::stdio::testing {

class JumpingClock final : public Clock {
 public:
  explicit JumpingClock(boost::asio::io_context& context) : context_(context) {}

  Time now() const override { return now_; }
  WallTime wall() const override { return WallTime(std::chrono::seconds(1'800'000'000)); }
  Executor executor() override { return context_.get_executor(); }
  std::unique_ptr<Timer> call_at(Time when, std::function<void()> callback) override {
    const auto place = timers_.emplace(when, std::move(callback));
    return std::make_unique<Placed>(*this, place);
  }

  /// To the next timer that is due by `until`; false if there is none.
  bool jump(Time until) {
    if (timers_.empty() || timers_.begin()->first > until) {
      if (until != Time::max()) now_ = std::max(now_, until);
      return false;
    }
    auto next = timers_.extract(timers_.begin());
    now_ = std::max(now_, next.key());
    next.mapped()();
    return true;
  }

 private:
  using Timers = std::multimap<Time, std::function<void()>>;
  class Placed final : public Timer {
   public:
    Placed(JumpingClock& clock, Timers::iterator place)
        : clock_(clock), callback_(&place->second) {}
    Placed(const Placed&) = delete;
    Placed& operator=(const Placed&) = delete;
    ~Placed() override {
      for (auto each = clock_.timers_.begin(); each != clock_.timers_.end(); ++each) {
        if (&each->second == callback_) {
          clock_.timers_.erase(each);
          return;
        }
      }
    }

   private:
    JumpingClock& clock_;
    const std::function<void()>*
        callback_;  // node addresses are stable, and gone ones do not match
  };

  boost::asio::io_context& context_;
  Time now_ = Time(std::chrono::hours(1));
  Timers timers_;
};

class CountingRng final : public Rng {
 public:
  void fill(std::span<std::uint8_t> out) override {
    for (std::uint8_t& byte : out) byte = next_++;
  }

 private:
  std::uint8_t next_ = 1;
};

/// One process of the fake server.
class FakeServer {
 public:
  explicit FakeServer(Executor executor) : output_(executor), input_(executor), gone_(executor) {}

  void say(std::string line) {
    lines_out_.push_back(std::move(line));
    output_.notify();
  }
  void die() {
    dead_ = true;
    output_.notify();
    input_.notify();
    gone_.notify();
  }
  /// While false, it does not read its input.
  void set_reading(bool reading) {
    reading_ = reading;
    input_.notify();
  }

  std::vector<std::string> heard;  ///< lines, without newlines
  std::function<void(FakeServer&, const std::string&)> on_line;
  bool told_to_end = false;
  bool dead() const { return dead_; }

 private:
  friend class FakeChild;
  std::deque<std::string> lines_out_;
  Event output_, input_, gone_;
  bool dead_ = false;
  bool reading_ = true;
};

class FakeChild final : public Child {
 public:
  explicit FakeChild(std::shared_ptr<FakeServer> server) : server_(std::move(server)) {}

  Task<Result<std::string>> read_line() override { return read(server_); }
  Task<Result<void>> write(std::string_view bytes) override { return write_to(server_, bytes); }
  void end() override {
    server_->told_to_end = true;
    server_->die();
  }
  void kill() override { server_->die(); }
  Task<void> exited() override { return wait(server_); }

 private:
  static Task<Result<std::string>> read(std::shared_ptr<FakeServer> server) {
    while (server->lines_out_.empty() && !server->dead_) co_await server->output_.wait();
    if (server->lines_out_.empty()) co_return fail(Code::kEnd, "dead");
    std::string line = std::move(server->lines_out_.front());
    server->lines_out_.pop_front();
    if (line == "TOO LARGE") co_return fail(Code::kTooLarge, "the line is too long");
    co_return line;
  }
  static Task<Result<void>> write_to(std::shared_ptr<FakeServer> server, std::string_view bytes) {
    while (!server->reading_ && !server->dead_) co_await server->input_.wait();
    if (server->dead_) co_return fail(Code::kReset, "dead");
    EXPECT_EQ(bytes.find('\n'), bytes.size() - 1);
    const std::string line(bytes.substr(0, bytes.size() - 1));
    server->heard.push_back(line);
    if (server->on_line) server->on_line(*server, line);
    co_return Result<void>();
  }
  static Task<void> wait(std::shared_ptr<FakeServer> server) {
    if (!server->dead_) co_await server->gone_.wait();
  }

  std::shared_ptr<FakeServer> server_;
};

/// Every process it started, oldest first.
class FakeServers final : public ChildFactory {
 public:
  explicit FakeServers(Executor executor) : executor_(executor) {}
  Result<ChildPtr> start() override {
    if (refuse) return fail(Code::kUnavailable, "no such program");
    started.push_back(std::make_shared<FakeServer>(executor_));
    started.back()->on_line = on_line;
    return std::make_unique<FakeChild>(started.back());
  }
  FakeServer& last() { return *started.back(); }

  std::vector<std::shared_ptr<FakeServer>> started;
  std::function<void(FakeServer&, const std::string&)> on_line;
  bool refuse = false;

 private:
  Executor executor_;
};

/// What came of a request that was started.
struct Outcome {
  std::optional<Result<http::Response>> response;
  std::shared_ptr<Abandonment> abandonment;
  bool done() const { return response.has_value(); }
  const Result<http::Response>& operator*() const { return *response; }
  int status() const { return response && *response ? (**response).head.status : -1; }
  std::optional<Code> error() const {
    if (!response || *response) return std::nullopt;
    return response->error().code;
  }
  std::string field(std::string_view name) const {
    if (!response || !*response) return {};
    return std::string((**response).head.fields.single(name).value_or(""));
  }
};

class World {
 public:
  explicit World(StdioOptions options = {})
      : clock(context),
        servers(new FakeServers(context.get_executor())),
        upstream(std::make_unique<StdioUpstream>(
            options, std::unique_ptr<ChildFactory>(servers), clock, rng,
            [this](std::string_view line) { log.emplace_back(line); })) {}
  World(const World&) = delete;
  World& operator=(const World&) = delete;
  ~World() {
    bool closed = false;
    boost::asio::co_spawn(context, upstream->close(),
                          [&closed](const std::exception_ptr&) { closed = true; });
    settle(std::chrono::hours(10));
    EXPECT_TRUE(closed) << "something hangs";
    EXPECT_EQ(upstream->counters().sessions, 0U);
    for (const auto& server : servers->started) EXPECT_TRUE(server->dead());
  }

  /// Runs what is ready, and the clock on by `time`.
  void settle(Clock::Duration time = std::chrono::nanoseconds(0)) {
    const Clock::Time until = clock.now() + time;
    do {
      context.restart();
      context.poll();
    } while (clock.jump(until));
    context.restart();
    context.poll();
  }

  std::shared_ptr<Outcome> start(StdioRequest request) {
    auto outcome = std::make_shared<Outcome>();
    outcome->abandonment = std::make_shared<Abandonment>(upstream->home());
    boost::asio::co_spawn(
        context, upstream->handle(std::move(request), outcome->abandonment),
        [outcome](const std::exception_ptr& escaped, Result<http::Response> response) {
          ASSERT_FALSE(escaped);
          outcome->response = std::move(response);
        });
    settle();
    return outcome;
  }

  /// The next piece of a streamed answer; "?" while there is none, "!" and the code for an error.
  std::string piece(Outcome& outcome, Clock::Duration time = std::chrono::nanoseconds(0)) {
    auto got = std::make_shared<std::optional<Result<std::string>>>();
    boost::asio::co_spawn(
        context, (**outcome.response).body->read(),
        [got](const std::exception_ptr&, Result<std::string> read) { *got = std::move(read); });
    settle(time);
    if (!*got) return "?";
    if (!**got) return "!" + std::string(to_string((*got)->error().code));
    return ***got;
  }
  std::string body(Outcome& outcome) {
    if (!outcome.done() || !*outcome) return "no response";
    std::string all;
    while (true) {
      const std::string next = piece(outcome);
      if (next.empty() || next == "?") return all;
      all += next;
      if (next.front() == '!') return all;
    }
  }

  boost::asio::io_context context;
  JumpingClock clock;
  CountingRng rng;
  FakeServers* servers;  // the upstream owns it
  std::vector<std::string> log;
  std::unique_ptr<StdioUpstream> upstream;
};

}  // namespace mandated::stdio::testing
