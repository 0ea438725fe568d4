// What /metrics says: names, units, labels, and that nothing else becomes a label.
#include "proxy/admin/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>
#include <thread>
#include <vector>

namespace mandated::admin {
namespace {

using testing::HasSubstr;
using testing::Not;

Metrics::Names names() {
  Metrics::Names result;
  result.listeners = {"agents"};
  result.routes = {"files", "tickets"};
  result.upstreams = {"server"};
  result.commands = {"server"};
  return result;
}
BuildInfo build() {
  BuildInfo info;
  info.version = "0.1.0";
  info.boringssl = "b";
  info.nghttp2 = "n";
  info.boost = "1.81";
  return info;
}

class MetricsTest : public testing::Test {
 protected:
  void expect_line(const std::string& line) {
    EXPECT_THAT("\n" + metrics_.text(), HasSubstr("\n" + line + "\n"));
  }
  Metrics metrics_{names(), build()};
};

TEST_F(MetricsTest, EverySeries) {
  metrics_.route("files").permitted.add();
  metrics_.route("files").denied.add(2);
  metrics_.route("tickets").failed.add();
  metrics_.route("files").duration.observe(std::chrono::microseconds(700));
  metrics_.refused("files", "tool_not_granted");
  metrics_.upstream_failed("server", Code::kTimeout);
  metrics_.handshake_failed(Code::kPeerIdentity, "expired");
  metrics_.restarts("server").add();
  metrics_.listener("agents").connections.add(3);
  metrics_.listener("agents").connections.add(-1);
  metrics_.limit_exceeded(Limit::kBodyBytes);
  metrics_.receipt_cache_hits().add(5);
  metrics_.receipt_cache_misses().add();
  metrics_.audit_append().observe(std::chrono::milliseconds(3));
  metrics_.audit_failures().add();
  EXPECT_THAT(metrics_.text(), Not(HasSubstr("\nmandated_svid_expiry_seconds ")));
  metrics_.svid_expires(1780000000);
  metrics_.svid_rotations().add();
  metrics_.workload_api_connected(true);
  metrics_.peer_accepted("test.example");
  metrics_.status_failures().add(2);
  metrics_.receipt_clones().add();
  metrics_.status_lists(3, 42);

  for (const char* line :
       {R"(mandated_requests_total{route="files",verdict="permit"} 1)",
        R"(mandated_requests_total{route="files",verdict="deny"} 2)",
        R"(mandated_requests_total{route="tickets",verdict="error"} 1)",
        R"(mandated_requests_total{route="tickets",verdict="permit"} 0)",
        R"(mandated_request_duration_seconds_count{route="files"} 1)",
        R"(mandated_request_duration_seconds_bucket{route="files",le="0.0005"} 0)",
        R"(mandated_request_duration_seconds_bucket{route="files",le="0.001"} 1)",
        R"(mandated_refusals_total{code="tool_not_granted",route="files"} 1)",
        R"(mandated_upstream_errors_total{code="timeout",upstream="server"} 1)",
        R"(mandated_handshake_failures_total{code="peer_identity",reason="expired"} 1)",
        R"(mandated_stdio_restarts_total{upstream="server"} 1)",
        R"(mandated_connections_active{listener="agents"} 2)",
        R"(mandated_limit_exceeded_total{limit="body_bytes"} 1)",
        "mandated_receipt_cache_hits_total 5",
        "mandated_receipt_cache_misses_total 1",
        "mandated_audit_append_seconds_count 1",
        "mandated_audit_failures_total 1",
        "mandated_svid_expiry_seconds 1780000000",
        "mandated_svid_rotations_total 1",
        "mandated_workload_api_connected 1",
        "mandated_peers_total{trust_domain=\"test.example\"} 1",
        "mandated_status_fetch_failures_total 2",
        "mandated_receipt_clones_total 1",
        "mandated_status_lists 3",
        "mandated_status_oldest_seconds 42",
        R"(mandated_build_info{boost="1.81",boringssl="b",nghttp2="n",version="0.1.0"} 1)"})
    expect_line(line);
}

TEST_F(MetricsTest, EveryFamilyHasHelpAndTheRightUnit) {
  std::istringstream text(metrics_.text());
  for (std::string line; std::getline(text, line);) {
    if (!line.starts_with("# TYPE ")) continue;
    std::istringstream words(line.substr(7));
    std::string name;
    std::string type;
    words >> name >> type;
    EXPECT_TRUE(name.starts_with("mandated_")) << name;
    EXPECT_EQ(name.ends_with("_total"), type == "counter") << line;
    if (type == "histogram") {
      EXPECT_TRUE(name.ends_with("_seconds")) << line;
    }
  }
  EXPECT_THAT(metrics_.text(), HasSubstr("# HELP mandated_requests_total Calls by route"));
}

TEST_F(MetricsTest, AForeignCodeBecomesNoLabel) {
  metrics_.refused("files", "evil\"}\n");
  metrics_.refused("files", "x");
  expect_line(R"(mandated_refusals_total{code="other",route="files"} 2)");
  EXPECT_THAT(metrics_.text(), Not(HasSubstr("evil")));
}

TEST_F(MetricsTest, AnUnknownRouteIsABug) {
  EXPECT_DEATH(metrics_.route("none"), "assertion failed");
  EXPECT_DEATH(metrics_.refused("none", "expired"), "assertion failed");
}

TEST_F(MetricsTest, FromManyThreads) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([this] {
      const Metrics::Route& route = metrics_.route("files");
      for (int n = 0; n < 1000; ++n) {
        route.permitted.add();
        route.duration.observe(std::chrono::milliseconds(1));
        metrics_.refused("files", "expired");
        if (n % 100 == 0) static_cast<void>(metrics_.text());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(metrics_.route("files").permitted.value(), 4000);
  expect_line(R"(mandated_request_duration_seconds_count{route="files"} 4000)");
  expect_line(R"(mandated_refusals_total{code="expired",route="files"} 4000)");
}

}  // namespace
}  // namespace mandated::admin
