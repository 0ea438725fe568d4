// A connection ends with the SVIDs that opened it, and its calls do not.
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>

#include "proxy/audit/memory_sink.h"
#include "proxy/http/client.h"
#include "proxy/http/server.h"
#include "proxy/server/worker.h"
#include "tests/sim/sim_network.h"
#include "tests/support_ca/test_ca.h"

namespace mandated::server {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kConfig = R"(
version: 1
role: inbound
workers: 1
identity: {embedded: {state: /unused, trust_domain: test.example, spiffe_id: "spiffe://test.example/tool"}}
listeners: [{name: in, address: "127.0.0.1:1000", tls: mtls}]
routes: [{name: r, path: /, protocol: http, upstream: tool, mandate: "off",
          allowed_peers: ["spiffe://test.example/agent"]}]
upstreams: [{name: tool, url: "http://127.0.0.1:3000"}]
audit: {file: unused.jsonl, mode: before}
timeouts: {call: 20s, idle: 1h}
)";

class RetirementTest : public testing::Test, private http::Handler {
 protected:
  RetirementTest() {
    worker_ = std::move(*Worker::make(shared_, clock_, rng_, network_, nullptr, nullptr));
    worker_->listen(network_.listen({"127.0.0.1", 1000, {}}), config_.listeners.front());
    gate_.spawn(accept());
  }
  ~RetirementTest() override {
    bool drained = false;
    gate_.spawn(drain(drained));
    EXPECT_TRUE(clock_.run_until([&] { return drained; }, 60s));
    listener_->close();
    gate_.drain();
    EXPECT_TRUE(clock_.run_until([&] { return gate_.active() == 0; }, 120s));
    EXPECT_EQ(shared_.connections, 0U);
  }

  static config::Config load() {
    config::Loaded loaded = config::load_text("test.yaml", kConfig);
    if (!loaded) ADD_FAILURE() << config::to_string(loaded.error());
    return std::move(*loaded);
  }
  Task<void> drain(bool& drained) {
    co_await worker_->drain();
    drained = true;
  }

  // The tool server: answers after `think_`.
  Task<void> handle(http::ServerStream& stream) override {
    co_await clock_.sleep_for(think_);
    http::ResponseHead head;
    head.status = 204;
    static_cast<void>(co_await stream.respond(head, true));
  }
  Task<void> accept() {
    while (true) {
      Result<net::StreamPtr> stream = co_await listener_->accept();
      if (!stream) co_return;
      gate_.spawn(serve(std::move(*stream)));
    }
  }
  Task<void> serve(net::StreamPtr stream) {
    static_cast<void>(
        co_await http::serve_cleartext(*stream, http::ServerLimits{}, clock_, gate_, *this));
  }

  identity::SnapshotPtr living(std::string_view path, std::chrono::seconds life) {
    return ca_.snapshot(ca_.svid_at(path, clock_.wall(), life), ca_.bundles());
  }

  struct Called {
    bool done = false;
    int status = 0;
  };
  Task<void> open(identity::SnapshotPtr who, bool http2, bool& done) {
    tls::Options options;
    options.alpn = {http2 ? "h2" : "http/1.1"};
    const tls::ContextPtr context = *tls::make_client_context(who, options);
    const net::Address proxy{"127.0.0.1", 1000, {}};
    Result<net::StreamPtr> stream = co_await network_.dial(proxy, clock_.now() + 5s);
    Result<tls::TlsStreamPtr> secured =
        co_await tls::connect(std::move(*stream), context, clock_, clock_.now() + 5s);
    if (secured && http2) {
      client_ = http::make_http2_client(std::move(*secured), {}, clock_, gate_);
    } else if (secured) {
      client_ = http::make_http1_client(std::move(*secured), {}, clock_, gate_);
    }
    done = true;
  }
  void connect(std::chrono::seconds peers_life, std::chrono::seconds our_life, bool http2) {
    ASSERT_TRUE(worker_->set_identity(living("/tool", our_life)));
    bool done = false;
    gate_.spawn(open(living("/agent", peers_life), http2, done));
    ASSERT_TRUE(clock_.run_until([&] { return done; }, 10s) && client_);
  }
  Task<void> call_task(Called& called) {
    const http::RequestHead head{"GET", "https", "127.0.0.1:1000", "/", {}};
    Result<std::unique_ptr<http::ClientStream>> stream = co_await client_->start(head, true);
    if (stream) {
      const Result<http::ResponseHead> answer = co_await (*stream)->response();
      if (answer) called.status = answer->status;
    }
    called.done = true;
  }
  int call() {
    Called called;
    gate_.spawn(call_task(called));
    EXPECT_TRUE(clock_.run_until([&] { return called.done; }, 60s));
    return called.status;
  }
  void expect_ended() {
    EXPECT_TRUE(clock_.run_until([&] { return !client_->alive(); }, 3s));
  }

  boost::asio::io_context context_{1};
  test::SimClock clock_{context_};
  test::SimRng rng_{5};
  sim::Network network_{clock_, rng_, sim::Faults{}};
  Gate gate_{context_.get_executor()};
  test::TestCa ca_;
  config::Config config_ = load();
  audit::MemorySink audit_;
  admin::Metrics metrics_{{{"in"}, {"r"}, {"tool"}, {}}, admin::BuildInfo{}};
  receipt::AnchorSet anchors_;
  std::unique_ptr<Replays> replays_ = make_memory_replays();
  std::unique_ptr<Ledger> ledger_ = make_memory_ledger();
  Approvals approvals_{"", anchors_, receipt::Limits{}};
  Shared shared_{config_,       audit_,     metrics_, anchors_, replays_.get(),
                 ledger_.get(), approvals_, {},       {},       nullptr};
  std::unique_ptr<Worker> worker_;
  std::unique_ptr<net::Listener> listener_ = network_.listen({"127.0.0.1", 3000, {}});
  std::shared_ptr<http::ClientConnection> client_;
  Clock::Duration think_{};
};

TEST_F(RetirementTest, AnIdleConnectionEndsWithTheFirstOfBothSvids) {
  const std::pair<std::chrono::seconds, std::chrono::seconds> lives[] = {{60s, 5min}, {5min, 60s}};
  for (const bool http2 : {false, true}) {
    for (const auto& [peers, ours] : lives) {
      SCOPED_TRACE(testing::Message()
                   << "HTTP/" << (http2 ? 2 : 1) << ", the peer's " << peers.count());
      connect(peers, ours, http2);
      EXPECT_EQ(call(), 204);
      clock_.advance(50s);
      EXPECT_EQ(call(), 204);
      EXPECT_TRUE(client_->alive());
      clock_.advance(9s);
      expect_ended();
      client_->close();
    }
  }
}

// So that no HTTP/1.1 client sends a call into a connection that is just being closed.
TEST_F(RetirementTest, TheLastAnswersAskForAnotherConnection) {
  for (const bool http2 : {false, true}) {
    SCOPED_TRACE(http2);
    connect(60s, 5min, http2);
    EXPECT_EQ(call(), 204);
    clock_.advance(58s);
    EXPECT_TRUE(client_->alive());
    EXPECT_EQ(call(), 204);
    EXPECT_FALSE(client_->available());
    expect_ended();
    client_->close();
  }
}

TEST_F(RetirementTest, ACallThatIsUnderWayIsAnswered) {
  for (const bool http2 : {false, true}) {
    SCOPED_TRACE(http2);
    think_ = {};
    connect(60s, 5min, http2);
    EXPECT_EQ(call(), 204);
    clock_.advance(55s);
    think_ = 15s;
    EXPECT_EQ(call(), 204);
    expect_ended();
    client_->close();
  }
}

// A rotation makes new contexts; what stands keeps its own end.
TEST_F(RetirementTest, ARotationDoesNotLengthenAConnectionsLife) {
  connect(60s, 60s, true);
  clock_.advance(30s);
  ASSERT_TRUE(worker_->set_identity(living("/tool", 60s)));
  EXPECT_EQ(call(), 204);
  clock_.advance(29s);
  expect_ended();
  client_->close();
}

}  // namespace
}  // namespace mandated::server
