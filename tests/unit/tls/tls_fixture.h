// Both ends of a TLS connection over a pipe in memory, in virtual time; and a peer that is bare
// BoringSSL, for what our own side never does.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/bio.h>
#include <openssl/ssl.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "proxy/base/gate.h"
#include "proxy/tls/tls.h"
#include "tests/support/memory_stream.h"
#include "tests/support/sim_clock.h"
#include "tests/support_ca/test_ca.h"

namespace mandated::tls {

using namespace std::chrono_literals;
using test::TestCa;
using test::TestCertificate;
using test::TestKey;
using testing::HasSubstr;

template <class T>
Task<void> store(Task<T> task, std::optional<T>& outcome) {
  outcome = co_await std::move(task);
}

/// Bare BoringSSL over a Stream.
class RawPeer {
 public:
  RawPeer(net::StreamPtr stream, bool server, const identity::Svid* svid,
          const std::function<void(SSL_CTX*)>& rules = {});

  /// True once the handshake is done; else the failure's words stand in error().
  Task<bool> handshake();
  /// What SSL_read gives; waits for bytes as needed. Empty at the end or on failure.
  Task<std::string> read();
  Task<bool> write(std::string_view bytes);
  /// Sends what BoringSSL has made.
  Task<bool> send();
  const std::string& error() const { return error_; }
  SSL* ssl() { return ssl_.get(); }
  net::Stream& stream() { return *stream_; }
  int sessions() const { return sessions_; }

 private:
  Task<bool> receive();
  void note_error();

  net::StreamPtr stream_;
  bssl::UniquePtr<SSL_CTX> context_;
  bssl::UniquePtr<SSL> ssl_;
  std::string error_;
  int sessions_ = 0;
};

class TlsFixture : public testing::Test {
 protected:
  using Outcome = Result<TlsStreamPtr>;

  ContextPtr server_context(identity::SnapshotPtr snapshot, const Options& options = {}) {
    auto made = make_server_context(std::move(snapshot), options);
    EXPECT_TRUE(made) << made.error().text;
    return *made;
  }
  ContextPtr client_context(identity::SnapshotPtr snapshot, const Options& options = {}) {
    auto made = make_client_context(std::move(snapshot), options);
    EXPECT_TRUE(made) << made.error().text;
    return *made;
  }

  template <class T>
  T run(Task<T> task, Clock::Duration longest = 1h) {
    std::optional<T> outcome;
    gate_.spawn(store(std::move(task), outcome));
    clock_.run_until([&] { return outcome.has_value(); }, longest);
    if (!outcome) throw std::runtime_error("the task did not end");
    return std::move(*outcome);
  }

  /// Both ends at once: client, server.
  std::pair<Outcome, Outcome> shake_hands(const ContextPtr& client, const ContextPtr& server,
                                          const test::PipeOptions& pipe = {}) {
    auto [near, far] = test::make_memory_pipe(clock_, pipe);
    std::optional<Outcome> connected;
    std::optional<Outcome> accepted;
    gate_.spawn(store(connect(std::move(near), client, clock_, clock_.now() + 10s), connected));
    gate_.spawn(
        store(accept(std::move(far), server, clock_, clock_.now() + 10s, &failure_), accepted));
    clock_.run_until([&] { return connected && accepted; }, 1min);
    if (!connected || !accepted) throw std::runtime_error("the handshake did not end");
    return {std::move(*connected), std::move(*accepted)};
  }

  /// A standing connection with default rules.
  std::pair<TlsStreamPtr, TlsStreamPtr> connection(const test::PipeOptions& pipe = {}) {
    auto [client, server] = shake_hands(client_context(ca_.snapshot("/client")),
                                        server_context(ca_.snapshot("/server")), pipe);
    EXPECT_TRUE(client) << client.error().text;
    EXPECT_TRUE(server) << server.error().text;
    return {std::move(*client), std::move(*server)};
  }

  Result<std::string> read(net::Stream& stream, std::size_t size_max = 65536) {
    std::string buffer(size_max, '\0');
    const auto size = run(stream.read_some(buffer));
    if (!size) return Failure(size.error());
    buffer.resize(*size);
    return buffer;
  }

  void expect_both_ways(net::Stream& client, net::Stream& server) {
    EXPECT_TRUE(run(client.write("ping")));
    EXPECT_EQ(read(server), "ping");
    EXPECT_TRUE(run(server.write("pong")));
    EXPECT_EQ(read(client), "pong");
  }

  template <class T>
  static void expect_fails(const Result<T>& result, Code code, const std::string& reason) {
    ASSERT_FALSE(result);
    EXPECT_EQ(to_string(result.error().code), to_string(code)) << result.error().text;
    EXPECT_THAT(result.error().text, HasSubstr(reason));
  }

  boost::asio::io_context io_{1};
  test::SimClock clock_{io_};
  Gate gate_{clock_.executor()};
  TestCa ca_;
  HandshakeFailure failure_ = HandshakeFailure::kClosed;  // of the last server that refused
};

}  // namespace mandated::tls
