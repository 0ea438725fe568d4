#include "tests/support/memory_stream.h"

#include <algorithm>
#include <array>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "proxy/base/event.h"
#include "proxy/base/watchdog.h"
#include "tests/support/sim_rng.h"

namespace mandated::test {

namespace {

struct Piece {
  Clock::Time arrives;
  std::string bytes;
};

/// One direction: what was written and not yet read.
struct Channel {
  explicit Channel(Executor executor) : readable(executor), writable(executor) {}

  std::deque<Piece> pieces;
  std::size_t under_way = 0;
  Clock::Time last_arrival{};
  bool ended = false;        // the writer called shutdown()
  bool reader_gone = false;  // the reader closed: nobody will take what is written
  Event readable;
  Event writable;
  std::unique_ptr<Clock::Timer> arrival;
};

struct Pipe {
  Pipe(SimClock& sim_clock, const PipeOptions& pipe_options)
      : clock(sim_clock),
        options(pipe_options),
        rng(pipe_options.seed),
        channels{Channel(sim_clock.executor()), Channel(sim_clock.executor())} {}

  void cut() {
    reset = true;
    for (Channel& channel : channels) {
      channel.readable.notify();
      channel.writable.notify();
    }
  }

  SimClock& clock;
  const PipeOptions options;
  SimRng rng;
  std::array<Channel, 2> channels;
  std::uint64_t passed = 0;
  bool reset = false;
};

class MemoryStream final : public net::Stream {
 public:
  MemoryStream(std::shared_ptr<Pipe> pipe, std::size_t side)
      : pipe_(std::move(pipe)),
        in_(pipe_->channels[1 - side]),
        out_(pipe_->channels[side]),
        deadline_(pipe_->clock, [this] { wake(); }) {}
  ~MemoryStream() override { close(); }

  Task<Result<std::size_t>> read_some(std::span<char> buffer) override {
    while (true) {
      if (std::optional<Error> error = failure()) co_return Failure(*std::move(error));
      if (!in_.pieces.empty() && in_.pieces.front().arrives <= pipe_->clock.now()) {
        co_return take(buffer);
      }
      if (pipe_->reset) co_return fail(Code::kReset, "the pipe was cut");
      if (in_.pieces.empty() && in_.ended) co_return 0U;
      if (!in_.pieces.empty()) await_arrival();
      co_await in_.readable.wait();
    }
  }

  Task<Result<void>> write(std::string_view bytes) override {
    while (true) {
      if (std::optional<Error> error = failure()) co_return Failure(*std::move(error));
      if (pipe_->reset || out_.reader_gone) co_return fail(Code::kReset, "the pipe was cut");
      if (out_.ended) co_return fail(Code::kInternal, "a write after shutdown");
      if (bytes.empty()) co_return Result<void>();
      if (out_.under_way < pipe_->options.capacity) {
        bytes.remove_prefix(put(bytes));
      } else {
        co_await out_.writable.wait();
      }
    }
  }

  Task<Result<void>> shutdown() override {
    if (std::optional<Error> error = failure()) co_return Failure(*std::move(error));
    out_.ended = true;
    out_.readable.notify();
    co_return Result<void>();
  }

  void set_deadline(Clock::Time deadline) override { deadline_.set_deadline(deadline); }

  void close() override {
    if (closed_) return;
    closed_ = true;
    if (out_.ended) {  // a clean end: the peer still reads what is under way
      in_.reader_gone = true;
      in_.writable.notify();
    } else {
      pipe_->cut();
    }
    wake();
  }

 private:
  std::optional<Error> failure() const {
    if (closed_) return Error{Code::kCancelled, Side::kLocal, "the stream was closed"};
    if (timed_out_ || deadline_.expired()) {
      return Error{Code::kTimeout, Side::kLocal, "the stream's deadline passed"};
    }
    return std::nullopt;
  }

  void wake() {
    if (deadline_.expired()) timed_out_ = true;
    in_.readable.notify();
    out_.writable.notify();
  }

  void await_arrival() {
    in_.arrival = pipe_->clock.call_at(in_.pieces.front().arrives,
                                       [channel = &in_] { channel->readable.notify(); });
  }

  std::size_t shorten(std::size_t size, std::size_t limit) {
    size = std::min(size, limit);
    if (size > 1 && pipe_->options.short_permille > 0 &&
        pipe_->rng.chance(pipe_->options.short_permille)) {
      size = static_cast<std::size_t>(pipe_->rng.between(1, size));
    }
    return size;
  }

  std::size_t take(std::span<char> buffer) {
    std::size_t room = shorten(buffer.size(), pipe_->options.read_max);
    std::size_t taken = 0;
    while (room > taken && !in_.pieces.empty() &&
           in_.pieces.front().arrives <= pipe_->clock.now()) {
      std::string& bytes = in_.pieces.front().bytes;
      const std::size_t count = std::min(room - taken, bytes.size());
      std::copy_n(bytes.begin(), count, buffer.begin() + static_cast<std::ptrdiff_t>(taken));
      taken += count;
      if (count == bytes.size()) {
        in_.pieces.pop_front();
      } else {
        bytes.erase(0, count);
      }
    }
    in_.under_way -= taken;
    in_.writable.notify();
    return taken;
  }

  std::size_t put(std::string_view bytes) {
    const PipeOptions& options = pipe_->options;
    const std::size_t count =
        shorten(std::min(bytes.size(), options.capacity - out_.under_way), options.write_max);
    Clock::Duration latency = options.latency_min;
    if (options.latency_max > options.latency_min) {
      latency += Clock::Duration(pipe_->rng.between(
          0, static_cast<std::uint64_t>((options.latency_max - options.latency_min).count())));
    }
    out_.last_arrival = std::max(out_.last_arrival, pipe_->clock.now() + latency);
    out_.pieces.push_back(Piece{out_.last_arrival, std::string(bytes.substr(0, count))});
    out_.under_way += count;
    out_.readable.notify();
    pipe_->passed += count;
    if (pipe_->passed >= options.reset_after_bytes) pipe_->cut();
    return count;
  }

  std::shared_ptr<Pipe> pipe_;
  Channel& in_;
  Channel& out_;
  Watchdog deadline_;
  bool timed_out_ = false;
  bool closed_ = false;
};

}  // namespace

std::pair<net::StreamPtr, net::StreamPtr> make_memory_pipe(SimClock& clock,
                                                           const PipeOptions& options) {
  auto pipe = std::make_shared<Pipe>(clock, options);
  net::StreamPtr first = std::make_unique<MemoryStream>(pipe, 0);
  net::StreamPtr second = std::make_unique<MemoryStream>(std::move(pipe), 1);
  return {std::move(first), std::move(second)};
}

}  // namespace mandated::test
