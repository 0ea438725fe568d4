// Our own standard input and output as one Stream. Descriptors of any kind: pipes as a parent makes
// them, sockets, a terminal; regular files too, which are read without waiting.
#include <fcntl.h>
#include <unistd.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/write.hpp>

#include "proxy/base/event.h"
#include "proxy/base/watchdog.h"
#include "proxy/net/descriptor.h"
#include "proxy/net/socket.h"

namespace mandated::net {

namespace {

using Pipe = boost::asio::posix::basic_stream_descriptor<Executor>;

class StandardStream final : public Stream {
 public:
  StandardStream(Clock& clock, Descriptor input, Descriptor output)
      : input_(clock.executor(), input.release()),
        output_(clock.executor(), output.release()),
        watchdog_(clock, [this] {
          timed_out_ = true;
          cut();
        }) {}

  Task<Result<std::size_t>> read_some(std::span<char> buffer) override {
    boost::system::error_code error;
    const std::size_t size =
        co_await input_.async_read_some(boost::asio::buffer(buffer.data(), buffer.size()),
                                        boost::asio::redirect_error(use_task, error));
    if (timed_out_ || closed_) co_return failure(error);
    if (error == boost::asio::error::eof) co_return std::size_t{0};
    if (error) co_return failure(error);
    co_return size;
  }

  Task<Result<void>> write(std::string_view bytes) override {
    boost::system::error_code error;
    co_await boost::asio::async_write(output_, boost::asio::buffer(bytes.data(), bytes.size()),
                                      boost::asio::redirect_error(use_task, error));
    if (error || timed_out_ || closed_) co_return failure(error);
    co_return Result<void>();
  }

  Task<Result<void>> shutdown() override {
    boost::system::error_code ignored;
    output_.close(ignored);
    co_return Result<void>();
  }

  void set_deadline(Clock::Time deadline) override { watchdog_.set_deadline(deadline); }

  void close() override {
    if (!timed_out_) closed_ = true;
    watchdog_.set_deadline(Watchdog::kNever);
    cut();
  }

 private:
  Failure failure(const boost::system::error_code& error) const {
    if (timed_out_) return fail(Code::kTimeout, "the connection's deadline passed");
    if (closed_) return fail(Code::kCancelled, "the connection was closed");
    return fail(Code::kReset, error.message());
  }
  void cut() {
    boost::system::error_code ignored;
    input_.close(ignored);
    output_.close(ignored);
  }

  Pipe input_;
  Pipe output_;
  Watchdog watchdog_;
  bool timed_out_ = false;
  bool closed_ = false;
};

// Accepts whoever started us, once.
class StandardListener final : public Listener {
 public:
  StandardListener(Clock& clock, StreamPtr stream)
      : stream_(std::move(stream)), closed_(clock.executor()) {}

  Task<Result<StreamPtr>> accept() override {
    if (stream_) co_return std::move(stream_);
    co_await closed_.wait();
    co_return fail(Code::kCancelled, "the listener was closed");
  }
  void close() override { closed_.notify(); }
  const Address& address() const override { return address_; }

 private:
  StreamPtr stream_;
  Event closed_;
  Address address_;
};

// A copy that nothing else of this process writes to; in its place stands `other`.
Result<Descriptor> take(int standard, int other) {
  Descriptor copy(::fcntl(standard, F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
  if (!copy || ::dup2(other, standard) < 0) {
    return fail(Code::kUnavailable, "standard input or output: " + errno_text(errno));
  }
  return copy;
}

}  // namespace

Result<std::unique_ptr<Listener>> listen_on_standard_streams(Clock& clock) {
  const Descriptor nothing(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (!nothing) return fail(Code::kUnavailable, "/dev/null: " + errno_text(errno));
  TRY(Descriptor input, take(STDIN_FILENO, nothing.get()));
  // Whatever prints by mistake then shows in the log, not in the middle of the protocol.
  TRY(Descriptor output, take(STDOUT_FILENO, STDERR_FILENO));
  return std::make_unique<StandardListener>(
      clock, std::make_unique<StandardStream>(clock, std::move(input), std::move(output)));
}

}  // namespace mandated::net
