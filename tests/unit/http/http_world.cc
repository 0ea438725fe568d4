#include "tests/unit/http/http_world.h"

#include <gtest/gtest.h>

namespace mandated::http {

namespace {

Task<void> run_server(net::StreamPtr stream, Version version, ServerLimits limits, World* world,
                      Handler* handler) {
  Result<void> outcome;
  switch (version) {
    case Version::kHttp1:
      outcome =
          co_await serve_http1(*stream, limits, world->clock, world->drain, *handler, "https");
      break;
    case Version::kHttp2:
      outcome =
          co_await serve_http2(*stream, limits, world->clock, world->drain, *handler, "https");
      break;
    case Version::kCleartext:
      outcome = co_await serve_cleartext(*stream, limits, world->clock, world->drain, *handler);
      break;
  }
  stream->close();
  world->served = std::move(outcome);
}

Task<void> write_all(net::Stream* stream, std::string bytes) {
  (void)co_await stream->write(bytes);
}

Task<void> shut(net::Stream* stream) { (void)co_await stream->shutdown(); }

Task<void> then_set(Task<void> task, bool* done) {
  co_await std::move(task);
  *done = true;
}

}  // namespace

Task<void> echo(ServerStream& stream) {
  Result<std::string> body = co_await read_all(stream.body(), 64U << 20U);
  ResponseHead head;
  head.status = body ? 200 : 400;
  std::string text;
  if (!body) {
    text = to_string(body.error().code);
  } else if (body->empty()) {
    text = stream.head().method + " " + stream.head().target + " " + stream.head().authority;
  } else {
    text = std::move(*body);
  }
  head.fields.add("content-length", std::to_string(text.size()));
  Result<void> sent = co_await stream.respond(head, false);
  if (sent) (void)co_await stream.send(text, true);
}

Task<void> echo_and_close(ServerStream& stream) {
  stream.close_connection_after();
  co_await echo(stream);
}

World::~World() {
  clock.run_ready();
  EXPECT_EQ(tasks.active(), 0U) << "something still runs at the end of the test";
}

net::StreamPtr World::serve(Version version, Handler& handler, const ServerLimits& limits,
                            const test::PipeOptions& options) {
  std::pair<net::StreamPtr, net::StreamPtr> ends = test::make_memory_pipe(clock, options);
  tasks.spawn(run_server(std::move(ends.first), version, limits, this, &handler));
  return std::move(ends.second);
}

std::shared_ptr<ClientConnection> World::make_client(Version version, net::StreamPtr stream,
                                                     const ClientLimits& limits) {
  return version == Version::kHttp2 ? make_http2_client(std::move(stream), limits, clock, tasks)
                                    : make_http1_client(std::move(stream), limits, clock, tasks);
}

std::shared_ptr<ClientConnection> World::connect(Version version, Handler& handler,
                                                 const ServerLimits& limits,
                                                 const test::PipeOptions& options) {
  return make_client(version, serve(version, handler, limits, options));
}

void World::run(Task<void> task) {
  bool done = false;
  tasks.spawn(then_set(std::move(task), &done));
  EXPECT_TRUE(clock.run_until([&done] { return done; })) << "a coroutine hangs";
}

RawPeer::RawPeer(World& world, net::StreamPtr stream) : world_(world), stream_(std::move(stream)) {
  world_.tasks.spawn(collect());
}

RawPeer::~RawPeer() {
  stream_->close();
  world_.run_until([this] { return ended_; });
}

Task<void> RawPeer::collect() {
  std::string buffer(65536, '\0');
  while (true) {
    Result<std::size_t> count = co_await stream_->read_some(buffer);
    if (!count || *count == 0) break;
    received_.append(buffer, 0, *count);
  }
  ended_ = true;
}

void RawPeer::write(std::string_view bytes, std::size_t piece) {
  while (!bytes.empty()) {
    const std::string_view part = bytes.substr(0, piece);
    bytes.remove_prefix(part.size());
    world_.tasks.spawn(write_all(stream_.get(), std::string(part)));
    world_.clock.run_ready();
  }
}

void RawPeer::shutdown() {
  world_.tasks.spawn(shut(stream_.get()));
  world_.clock.run_ready();
}

void RawPeer::close() {
  stream_->close();
  world_.clock.run_ready();
}

RequestHead make_request(std::string method, std::string target) {
  RequestHead head;
  head.method = std::move(method);
  head.scheme = "https";
  head.authority = "tools.example";
  head.target = std::move(target);
  return head;
}

Task<void> call(ClientConnection& client, RequestHead head, std::string body, Answer* answer) {
  if (!body.empty()) head.fields.set("content-length", std::to_string(body.size()));
  Result<std::unique_ptr<ClientStream>> stream = co_await client.start(head, body.empty());
  if (!stream) {
    answer->error = stream.error();
    co_return;
  }
  if (!body.empty()) {
    Result<void> sent = co_await (*stream)->send(body, true);
    if (!sent) answer->error = sent.error();
  }
  Result<ResponseHead> got = co_await (*stream)->response();
  if (!got) {
    answer->error = got.error();
    co_return;
  }
  answer->head = std::move(*got);
  Result<std::string> text = co_await read_all((*stream)->body(), 64U << 20U);
  if (!text) {
    answer->error = text.error();
    co_return;
  }
  answer->error.reset();
  answer->body = std::move(*text);
}

}  // namespace mandated::http
