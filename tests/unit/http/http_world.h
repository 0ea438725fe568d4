// A server and its peers on memory pipes under a clock that stands still: what the tests of both
// codecs share.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "proxy/base/gate.h"
#include "proxy/http/client.h"
#include "proxy/http/server.h"
#include "tests/support/memory_stream.h"
#include "tests/support/sim_clock.h"

namespace mandated::http {

enum class Version { kHttp1, kHttp2, kCleartext };

/// Answers with whatever function it was given. The function is a coroutine without captures, or an
/// object's call that outlives the server.
class FunctionHandler final : public Handler {
 public:
  using Function = std::function<Task<void>(ServerStream&)>;
  explicit FunctionHandler(Function function) : function_(std::move(function)) {}
  Task<void> handle(ServerStream& stream) override {
    ++started;
    ++active;
    co_await function_(stream);
    --active;
  }

  int started = 0;
  int active = 0;

 private:
  Function function_;
};

/// 200 with the request's body, unchanged; "target method authority" if it has none.
Task<void> echo(ServerStream& stream);

/// The same, as the last exchange of its connection.
Task<void> echo_and_close(ServerStream& stream);

class World {
 public:
  World() : clock(context), drain(context.get_executor()), tasks(context.get_executor()) {}
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  /// Serves one end of a new pipe and returns the other.
  net::StreamPtr serve(Version version, Handler& handler, const ServerLimits& limits = {},
                       const test::PipeOptions& options = {});
  /// Set once the server returned.
  std::optional<Result<void>> served;

  /// A client whose server is serve()'s.
  std::shared_ptr<ClientConnection> connect(Version version, Handler& handler,
                                            const ServerLimits& limits = {},
                                            const test::PipeOptions& options = {});
  std::shared_ptr<ClientConnection> make_client(Version version, net::StreamPtr stream,
                                                const ClientLimits& limits = {});

  /// Runs one coroutine to its end; fails the test if that takes longer than an hour of the clock.
  void run(Task<void> task);
  bool run_until(const std::function<bool()>& done,
                 Clock::Duration longest = std::chrono::hours(1)) {
    return clock.run_until(done, longest);
  }

  boost::asio::io_context context;
  test::SimClock clock;
  Gate drain;
  Gate tasks;
};

/// The raw end of a pipe: writes bytes and keeps what comes.
class RawPeer {
 public:
  RawPeer(World& world, net::StreamPtr stream);
  ~RawPeer();
  RawPeer(const RawPeer&) = delete;
  RawPeer& operator=(const RawPeer&) = delete;

  /// Writes in pieces of `piece` bytes, each seen by the other side before the next.
  void write(std::string_view bytes, std::size_t piece = SIZE_MAX);
  void shutdown();
  void close();
  const std::string& received() const { return received_; }
  /// Empties what was received.
  std::string take() { return std::exchange(received_, std::string()); }
  bool ended() const { return ended_; }

 private:
  Task<void> collect();

  World& world_;
  net::StreamPtr stream_;
  std::string received_;
  bool ended_ = false;
};

RequestHead make_request(std::string method, std::string target);

/// What a client got for one request.
struct Answer {
  std::optional<Error> error;
  ResponseHead head;
  std::string body;
};
/// One whole call: head, body in one piece, answer read to its end.
Task<void> call(ClientConnection& client, RequestHead head, std::string body, Answer* answer);

}  // namespace mandated::http
