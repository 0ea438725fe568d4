#include "tests/fuzz/http/hostile_peer.h"

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <utility>

#include "proxy/base/gate.h"
#include "proxy/http/client.h"
#include "proxy/http/server.h"
#include "tests/support/sim_rng.h"

namespace mandated::fuzz {

namespace {

struct Run {
  Run() : clock(context), drain(context.get_executor()), tasks(context.get_executor()) {}
  boost::asio::io_context context;
  test::SimClock clock;
  Gate drain;
  Gate tasks;
  Outcome outcome;
  bool done = false;
};

class Echo final : public http::Handler {
 public:
  Task<void> handle(http::ServerStream& stream) override {
    Result<std::string> body = co_await http::read_all(stream.body(), 1U << 20U);
    http::ResponseHead head;
    head.status = body ? 200 : 400;
    std::string text;
    if (body) {
      text = stream.head().method + " " + stream.head().authority + stream.head().target + "\n";
      for (const http::Field& field : stream.head().fields.all()) {
        text += field.name + ": " + field.value + "\n";
      }
      text += *body;
    } else {
      text = to_string(body.error().code);
    }
    Result<void> sent = co_await stream.respond(head, false);
    if (sent) (void)co_await stream.send(text, true);
  }
};

http::ServerLimits small_limits() {
  http::ServerLimits limits;
  limits.header_bytes_max = 2048;
  limits.header_count_max = 16;
  limits.streams_max = 4;
  return limits;
}

Task<void> serve(Run* run, net::StreamPtr stream, Version version, http::Handler* handler) {
  const http::ServerLimits limits = small_limits();
  Result<void> served;
  if (version == Version::kHttp1) {
    served = co_await http::serve_http1(*stream, limits, run->clock, run->drain, *handler, "http");
  } else {
    served = co_await http::serve_http2(*stream, limits, run->clock, run->drain, *handler, "http");
  }
  stream->close();
  run->outcome.code = served ? "ok" : std::string(to_string(served.error().code));
  run->done = true;
}

Task<void> write_pieces(Run* run, net::Stream* stream, std::string bytes, std::uint64_t split) {
  test::SimRng rng(split);
  std::string_view left = bytes;
  while (!left.empty()) {
    const std::size_t size = split == 0 ? left.size() : rng.between(1, 1U << rng.between(0, 6));
    const std::string_view piece = left.substr(0, size);
    left.remove_prefix(piece.size());
    Result<void> written = co_await stream->write(piece);
    if (!written) co_return;
    // The other side reads before the next piece comes.
    if (split != 0) co_await run->clock.sleep_for(std::chrono::nanoseconds(1));
  }
  (void)co_await stream->shutdown();
}

Task<void> collect(net::Stream* stream, std::string* received, bool* ended) {
  std::string buffer(65536, '\0');
  while (true) {
    Result<std::size_t> count = co_await stream->read_some(buffer);
    if (!count || *count == 0) break;
    received->append(buffer, 0, *count);
  }
  *ended = true;
}

Task<void> call_twice(Run* run, std::shared_ptr<http::ClientConnection> client) {
  Outcome& outcome = run->outcome;
  for (int i = 0; i < 2 && client->available(); ++i) {
    http::RequestHead head;
    head.method = "GET";
    head.scheme = "http";
    head.authority = "a";
    head.target = "/";
    Result<std::unique_ptr<http::ClientStream>> stream = co_await client->start(head, true);
    if (!stream) {
      outcome.code = to_string(stream.error().code);
      break;
    }
    (*stream)->set_deadline(run->clock.now() + std::chrono::seconds(60));
    Result<http::ResponseHead> answer = co_await (*stream)->response();
    if (!answer) {
      outcome.code = to_string(answer.error().code);
      break;
    }
    outcome.received += std::to_string(answer->status) + "\n";
    for (const http::Field& field : answer->fields.all()) {
      outcome.received += field.name + ": " + field.value + "\n";
    }
    Result<std::string> body = co_await http::read_all((*stream)->body(), 1U << 20U);
    if (!body) {
      outcome.code = to_string(body.error().code);
      break;
    }
    outcome.received += *body + "\n";
    outcome.code = "ok";
    stream->reset();
    // The answer to one request is all that was sent, or the connection is not used again.
    co_await run->clock.sleep_for(std::chrono::milliseconds(1));
    if (run->clock.now() == Clock::Time()) break;
  }
  outcome.reusable = client->available();
  client->close();
  run->done = true;
}

void finish(Run& run, const bool& collected) {
  if (!run.clock.run_until([&] { return run.done && collected; }) ||
      !run.clock.run_until([&] { return run.tasks.active() == 0; })) {
    report("everything ends", run.outcome, run.outcome);
  }
}

}  // namespace

Outcome run_server(Version version, std::string_view bytes, std::uint64_t split) {
  Run run;
  Echo handler;
  auto ends = test::make_memory_pipe(run.clock, test::PipeOptions{.capacity = 1U << 20U});
  bool collected = false;
  run.tasks.spawn(serve(&run, std::move(ends.first), version, &handler));
  run.tasks.spawn(collect(ends.second.get(), &run.outcome.received, &collected));
  run.tasks.spawn(write_pieces(&run, ends.second.get(), std::string(bytes), split));
  finish(run, collected);
  return run.outcome;
}

Outcome run_client(Version version, std::string_view bytes, std::uint64_t split) {
  Run run;
  http::ClientLimits limits;
  limits.header_bytes_max = 2048;
  limits.header_count_max = 16;
  auto ends = test::make_memory_pipe(run.clock, test::PipeOptions{.capacity = 1U << 20U});
  auto client = version == Version::kHttp1
                    ? http::make_http1_client(std::move(ends.first), limits, run.clock, run.tasks)
                    : http::make_http2_client(std::move(ends.first), limits, run.clock, run.tasks);
  bool collected = false;
  std::string requests;
  run.tasks.spawn(call_twice(&run, std::move(client)));
  run.clock.run_ready();
  run.tasks.spawn(collect(ends.second.get(), &requests, &collected));
  run.tasks.spawn(write_pieces(&run, ends.second.get(), std::string(bytes), split));
  finish(run, collected);
  return run.outcome;
}

void report(const char* property, const Outcome& one, const Outcome& other) {
  std::fprintf(stderr, "broken: %s\n--- %s %d\n%s\n--- %s %d\n%s\n", property, one.code.c_str(),
               one.reusable ? 1 : 0, one.received.c_str(), other.code.c_str(),
               other.reusable ? 1 : 0, other.received.c_str());
  std::abort();
}

}  // namespace mandated::fuzz
