// The pool of connections to one upstream, on memory pipes and a virtual clock.
#include "proxy/upstream/pool.h"

#include <gtest/gtest.h>

#include <array>
#include <boost/asio/io_context.hpp>

#include "proxy/http/server.h"
#include "tests/sim/sim_network.h"
#include "tests/support_ca/test_ca.h"

namespace mandated::upstream {
namespace {

using namespace std::chrono_literals;

class PoolTest : public testing::Test, private http::Handler {
 protected:
  PoolTest() { gate_.spawn(accept()); }
  ~PoolTest() override {
    pool_.reset();
    listener_->close();
    gate_.drain();
    EXPECT_TRUE(clock_.run_until([&] { return gate_.active() == 0; }, 120s));
  }

  // Answers after `think`.
  Task<void> handle(http::ServerStream& stream) override {
    ++served_;
    co_await clock_.sleep_for(think_);
    http::ResponseHead head;
    head.status = 204;
    static_cast<void>(co_await stream.respond(head, true));
  }
  Task<void> accept() {
    while (true) {
      Result<net::StreamPtr> stream = co_await listener_->accept();
      if (!stream) co_return;
      ++accepted_;
      gate_.spawn(serve(std::move(*stream)));
    }
  }
  Task<void> serve(net::StreamPtr stream) {
    if (server_identity_) {
      tls::Options options;
      options.alpn = {"http/1.1"};
      const tls::ContextPtr context = *tls::make_server_context(server_identity_, options);
      Result<tls::TlsStreamPtr> secured =
          co_await tls::accept(std::move(stream), context, clock_, clock_.now() + 5s);
      if (!secured) co_return;
      static_cast<void>(co_await http::serve_http1(**secured, http::ServerLimits{}, clock_, gate_,
                                                   *this, "https"));
      co_return;
    }
    static_cast<void>(
        co_await http::serve_cleartext(*stream, http::ServerLimits{}, clock_, gate_, *this));
  }

  void make(HttpVersion version, std::size_t connections_max) {
    PoolOptions options;
    options.address = address_;
    options.scheme = "http";
    options.version = version;
    options.connections_max = connections_max;
    options.idle_timeout = 10s;
    pool_ = std::make_unique<Pool>(std::move(options), network_, clock_, gate_, nullptr);
  }

  // The same over TLS, by SVIDs that live so long.
  void make_secure(std::chrono::seconds client_life, std::chrono::seconds server_life) {
    const Clock::WallTime now = clock_.wall();
    server_identity_ = ca_.snapshot(ca_.svid_at("/server", now, server_life), ca_.bundles());
    const auto client = ca_.snapshot(ca_.svid_at("/client", now, client_life), ca_.bundles());
    PoolOptions options;
    options.address = address_;
    options.version = HttpVersion::kHttp1;
    options.idle_timeout = 1h;
    client_context_ = *tls::make_client_context(client, {});
    pool_ = std::make_unique<Pool>(std::move(options), network_, clock_, gate_,
                                   [this] { return client_context_; });
  }

  struct Outcome {
    bool done = false;
    int status = 0;
    Code code = Code::kInternal;
    Progress progress;
  };
  Task<void> send_task(Clock::Time deadline, Outcome& outcome) {
    const http::RequestHead head{"POST", "http", "127.0.0.1", "/", {}};
    const Pool::Payload payload{"{}", nullptr};
    Result<http::Response> response =
        co_await pool_->send(head, payload, deadline, Clock::Duration::zero(), outcome.progress);
    if (response) {
      outcome.status = response->head.status;
    } else {
      outcome.code = response.error().code;
    }
    outcome.done = true;
  }
  void send(Outcome& outcome, Clock::Duration within = 60s) {
    gate_.spawn(send_task(clock_.now() + within, outcome));
  }
  void wait(const Outcome& outcome) {
    EXPECT_TRUE(clock_.run_until([&] { return outcome.done; }, 120s));
  }

  boost::asio::io_context context_{1};
  test::SimClock clock_{context_};
  test::SimRng rng_{3};
  sim::Network network_{clock_, rng_, sim::Faults{}};
  net::Address address_{"127.0.0.1", 3000, {}};
  Gate gate_{context_.get_executor()};
  std::unique_ptr<net::Listener> listener_ = network_.listen(address_);
  std::unique_ptr<Pool> pool_;
  test::TestCa ca_;
  identity::SnapshotPtr server_identity_;
  tls::ContextPtr client_context_;
  Clock::Duration think_ = 1s;
  int served_ = 0;
  int accepted_ = 0;
};

TEST_F(PoolTest, AConnectionIsUsedAgain) {
  make(HttpVersion::kHttp1, 4);
  for (int round = 0; round < 3; ++round) {
    Outcome outcome;
    send(outcome);
    wait(outcome);
    EXPECT_EQ(outcome.status, 204);
  }
  EXPECT_EQ(accepted_, 1);
}

TEST_F(PoolTest, WhoFindsNoFreeConnectionWaitsForOne) {
  make(HttpVersion::kHttp1, 1);
  Outcome first;
  Outcome second;
  send(first);
  send(second);
  wait(second);
  EXPECT_TRUE(first.done);
  EXPECT_EQ(second.status, 204);
  EXPECT_EQ(accepted_, 1);
}

TEST_F(PoolTest, ButNotForEver) {
  make(HttpVersion::kHttp1, 1);
  think_ = 30s;
  Outcome first;
  Outcome second;
  Outcome hurried;
  send(first);
  send(second);
  send(hurried, 2s);
  wait(hurried);
  EXPECT_EQ(hurried.code, Code::kOverloaded);
  wait(second);
  EXPECT_EQ(second.code, Code::kOverloaded);
  EXPECT_FALSE(first.done);
  EXPECT_EQ(served_, 1);
  wait(first);
  EXPECT_EQ(first.status, 204);
}

TEST_F(PoolTest, WhoGaveUpPassesTheFreeConnectionOn) {
  make(HttpVersion::kHttp1, 1);
  const Clock::Time began = clock_.now();
  Outcome first;
  Outcome gone;
  Outcome patient;
  send(first);
  clock_.run_ready();
  send(gone);
  clock_.run_ready();
  send(patient);
  clock_.run_ready();
  gone.progress.cancel();
  wait(patient);
  EXPECT_EQ(gone.code, Code::kCancelled);
  EXPECT_EQ(patient.status, 204);
  EXPECT_LT(clock_.now() - began, 3s);
}

TEST_F(PoolTest, AnHttp2ConnectionIsShared) {
  make(HttpVersion::kHttp2, 4);
  Outcome first;
  send(first);
  wait(first);
  std::array<Outcome, 5> outcomes;
  for (Outcome& outcome : outcomes) send(outcome);
  for (const Outcome& outcome : outcomes) {
    wait(outcome);
    EXPECT_EQ(outcome.status, 204);
  }
  EXPECT_EQ(accepted_, 1);
}

TEST_F(PoolTest, IdleConnectionsAreClosed) {
  make(HttpVersion::kHttp1, 4);
  Outcome outcome;
  send(outcome);
  wait(outcome);
  EXPECT_EQ(pool_->connections(), 1U);
  clock_.advance(21s);
  EXPECT_EQ(pool_->connections(), 0U);
}

TEST_F(PoolTest, ARetiredConnectionFinishesWhatItHasAndIsNotUsedAgain) {
  make(HttpVersion::kHttp1, 4);
  Outcome standing;
  send(standing);
  clock_.advance(100ms);
  pool_->retire_connections();
  Outcome next;
  send(next);
  wait(standing);
  wait(next);
  EXPECT_EQ(standing.status, 204);
  EXPECT_EQ(next.status, 204);
  EXPECT_EQ(accepted_, 2);
}

TEST_F(PoolTest, AConnectionIsNotUsedOnceAnSvidThatOpenedItEnds) {
  const std::pair<std::chrono::seconds, std::chrono::seconds> lives[] = {{1h, 30s}, {30s, 1h}};
  for (const auto& [client, server] : lives) {
    SCOPED_TRACE(client.count());
    const int before = accepted_;
    make_secure(client, server);
    Outcome first;
    send(first);
    wait(first);
    EXPECT_EQ(first.status, 204);
    clock_.advance(25s);
    Outcome in_time;
    send(in_time);
    wait(in_time);
    EXPECT_EQ(in_time.status, 204);
    EXPECT_EQ(accepted_, before + 1);
    clock_.advance(3s);                         // a moment before the end
    const Clock::WallTime now = clock_.wall();  // both have new ones by now
    server_identity_ = ca_.snapshot(ca_.svid_at("/server", now), ca_.bundles());
    const auto renewed = ca_.snapshot(ca_.svid_at("/client", now), ca_.bundles());
    client_context_ = *tls::make_client_context(renewed, {});
    Outcome late;
    send(late);
    wait(late);
    EXPECT_EQ(accepted_, before + 2);
    EXPECT_EQ(late.status, 204);
    EXPECT_EQ(pool_->connections(), 1U);
  }
}

TEST_F(PoolTest, ATimeoutIsNotRetriedAndItsConnectionNotUsedAgain) {
  make(HttpVersion::kHttp1, 4);
  think_ = 5s;
  Outcome late;
  send(late, 2s);
  wait(late);
  EXPECT_EQ(late.code, Code::kTimeout);
  think_ = 1s;
  Outcome next;
  send(next);
  wait(next);
  EXPECT_EQ(next.status, 204);
  EXPECT_EQ(accepted_, 2);
  EXPECT_EQ(served_, 2);
}

TEST_F(PoolTest, NobodyListensIsRefusedAtOnce) {
  make(HttpVersion::kHttp1, 4);
  listener_->close();
  Outcome outcome;
  send(outcome);
  wait(outcome);
  EXPECT_EQ(outcome.code, Code::kRefused);
}

TEST_F(PoolTest, NothingIsSentAfterTheDeadline) {
  make(HttpVersion::kHttp1, 4);
  Outcome outcome;
  send(outcome, -1s);
  wait(outcome);
  EXPECT_EQ(outcome.code, Code::kTimeout);
  EXPECT_EQ(served_, 0);
}

}  // namespace
}  // namespace mandated::upstream
