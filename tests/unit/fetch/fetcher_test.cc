// Fetching, over memory pipes with real TLS: from servers that are what they should be, and from
// those that are not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "proxy/fetch/fetch.h"
#include "proxy/identity/pem.h"
#include "tests/sim/sim_network.h"
#include "tests/support_ca/test_ca.h"

namespace mandated::fetch {
namespace {

using namespace std::chrono_literals;
using test::TestCa;
using test::TestCertificate;
using testing::HasSubstr;

constexpr char kHost[] = "lists.example";
constexpr char kUrl[] = "https://lists.example/a?b=c";

std::string ok(const std::string& fields, const std::string& body = "") {
  return "HTTP/1.1 200 OK\r\n" + fields + "\r\n" + body;
}

/// A server that reads a request's head and then writes `answer`, and ends, or hangs, or is cut.
struct Script {
  std::string answer = ok("content-length: 5\r\n", "hello");
  enum class End { kClean, kHang, kCut } end = End::kClean;
  Clock::Duration pause = 0s;  // between pieces of 7 bytes
};

class FetcherTest : public testing::Test {
 protected:
  FetcherTest() {
    roots_ = *tls::parse_web_roots(identity::to_pem("CERTIFICATE", ca_.certificate_der()));
  }
  ~FetcherTest() override {
    for (const auto& listener : listeners_) listener->close();
    EXPECT_TRUE(clock_.run_until([&] { return gate_.active() == 0; }, 120s));
  }

  static void name(TestCertificate& says) {
    says.uris = {};
    says.dns_names = {kHost};
    says.san_critical = false;
  }

  void serve(const std::string& address, const identity::Svid* svid, Script script = {}) {
    listeners_.push_back(network_.listen(*net::Address::parse(address)));
    tls::ContextPtr context;
    if (svid != nullptr) {
      auto snapshot = std::make_shared<identity::Snapshot>();
      snapshot->svid = std::make_shared<const identity::Svid>(*svid);
      tls::Options options;
      options.require_client_certificate = false;
      options.alpn = {"http/1.1"};
      context = *tls::make_server_context(std::move(snapshot), options);
    }
    gate_.spawn(accept(*listeners_.back(), std::move(context), std::move(script)));
  }
  void serve_web(const std::function<void(TestCertificate&)>& lie = name, Script script = {}) {
    const identity::Svid svid = ca_.svid("/", lie);
    serve("lists.example:443", &svid, std::move(script));
  }

  Task<void> accept(net::Listener& listener, tls::ContextPtr context, Script script) {
    while (true) {
      Result<net::StreamPtr> stream = co_await listener.accept();
      if (!stream) co_return;
      gate_.spawn(answer(std::move(*stream), context, script));
    }
  }
  Task<void> answer(net::StreamPtr stream, tls::ContextPtr context, Script script) {
    if (context) {
      auto session = co_await tls::accept(std::move(stream), context, clock_, clock_.now() + 10s);
      if (!session) {
        refused_ = session.error().text;
        co_return;
      }
      stream = std::move(*session);
    }
    stream->set_deadline(clock_.now() + 60s);
    std::string block(4096, '\0');
    while (received_.find("\r\n\r\n") == std::string::npos) {
      const auto size = co_await stream->read_some(block);
      if (!size || *size == 0) co_return;
      received_.append(block, 0, *size);
    }
    for (std::size_t at = 0; at < script.answer.size(); at += 7) {
      const std::string piece = script.answer.substr(at, 7);
      if (!co_await stream->write(piece)) co_return;
      if (script.pause > 0s) co_await clock_.sleep_for(script.pause);
    }
    if (script.end == Script::End::kClean) static_cast<void>(co_await stream->shutdown());
    // A close without shutdown() is a cut.
    while (script.end != Script::End::kCut) {
      const auto size = co_await stream->read_some(block);
      if (!size || *size == 0) co_return;
      received_.append(block, 0, *size);
    }
  }

  Task<void> ask(Request request, Clock::Time deadline, std::optional<Result<Response>>& outcome) {
    const std::unique_ptr<Fetcher> fetcher = make_fetcher(network_, clock_, gate_, roots_);
    outcome = co_await fetcher->fetch(request, deadline);
  }
  Result<Response> fetch(const Request& request) {
    std::optional<Result<Response>> outcome;
    gate_.spawn(ask(request, clock_.now() + 10s, outcome));
    EXPECT_TRUE(clock_.run_until([&] { return outcome.has_value(); }, 11s));
    return *outcome;
  }
  Result<Response> fetch(const std::string& url) {
    Request request;
    request.url = url;
    return fetch(request);
  }
  void expect_fails(const Result<Response>& outcome, Code code, const std::string& why) {
    ASSERT_FALSE(outcome) << outcome->status;
    EXPECT_EQ(to_string(outcome.error().code), to_string(code)) << outcome.error().text;
    EXPECT_EQ(outcome.error().side,
              code == Code::kMalformed ? outcome.error().side : Side::kUpstream);
    EXPECT_THAT(outcome.error().text, HasSubstr(why));
  }

  boost::asio::io_context io_{1};
  test::SimClock clock_{io_};
  test::SimRng rng_{1};
  sim::Network network_{clock_, rng_, sim::Faults{}};
  Gate gate_{clock_.executor()};
  TestCa ca_{"test.example"};
  tls::WebRootsPtr roots_;
  std::vector<std::unique_ptr<net::Listener>> listeners_;
  std::string received_;
  std::string refused_;
};

TEST_F(FetcherTest, GetsADocumentOverTls) {
  serve_web();
  const auto outcome = fetch(kUrl);
  ASSERT_TRUE(outcome) << outcome.error().text;
  EXPECT_EQ(outcome->status, 200);
  EXPECT_EQ(outcome->body, "hello");
  EXPECT_EQ(outcome->fields.single("content-length"), "5");
  EXPECT_EQ(received_,
            "GET /a?b=c HTTP/1.1\r\nhost: lists.example\r\naccept: */*\r\n"
            "accept-encoding: identity\r\nuser-agent: mandated\r\n\r\n");
}

TEST_F(FetcherTest, PostsADocument) {
  serve_web();
  Request request;
  request.method = "POST";
  request.url = kUrl;
  request.accept = "application/json";
  request.content_type = "application/json";
  request.body = "{\"a\":1}";
  const auto outcome = fetch(request);
  ASSERT_TRUE(outcome) << outcome.error().text;
  clock_.run_ready();
  EXPECT_EQ(received_,
            "POST /a?b=c HTTP/1.1\r\nhost: lists.example\r\naccept: application/json\r\n"
            "accept-encoding: identity\r\nuser-agent: mandated\r\n"
            "content-type: application/json\r\ncontent-length: 7\r\n\r\n{\"a\":1}");
}

TEST_F(FetcherTest, TakesPlaintextOnLoopback) {
  serve("127.0.0.1:8700", nullptr);
  const auto outcome = fetch("http://127.0.0.1:8700/a");
  ASSERT_TRUE(outcome) << outcome.error().text;
  EXPECT_EQ(outcome->body, "hello");
  EXPECT_THAT(received_, HasSubstr("\r\nhost: 127.0.0.1:8700\r\n"));
}

TEST_F(FetcherTest, DialsNobodyForPlaintextElsewhere) {
  serve("192.0.2.1:80", nullptr);
  expect_fails(fetch("http://192.0.2.1/"), Code::kMalformed, "plaintext goes to loopback only");
  clock_.run_ready();
  EXPECT_EQ(received_, "");
}

TEST_F(FetcherTest, GivesOtherStatusesWithTheirBody) {
  serve_web(name, {"HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\nno"});
  const auto outcome = fetch(kUrl);
  ASSERT_TRUE(outcome) << outcome.error().text;
  EXPECT_EQ(outcome->status, 404);
  EXPECT_EQ(outcome->body, "no");
}

// Each lie is one that a server which is not the one that the URL names could tell.
struct BadServer {
  const char* name;
  std::function<void(TestCertificate&)> lie;
  std::string why;
};

void PrintTo(const BadServer& row, std::ostream* out) { *out << row.name; }

class FetcherRefuses : public FetcherTest, public testing::WithParamInterface<BadServer> {};

TEST_P(FetcherRefuses, TheServer) {
  serve_web(GetParam().lie);
  expect_fails(fetch(kUrl), Code::kPeerIdentity, GetParam().why);
  EXPECT_EQ(received_, "") << "something was sent to a server that was not believed";
  EXPECT_NE(refused_, "");
}

std::vector<BadServer> bad_servers() {
  const auto but = [](std::function<void(TestCertificate&)> lie) {
    return [lie = std::move(lie)](TestCertificate& says) {
      says.uris = {};
      says.dns_names = {kHost};
      says.san_critical = false;
      lie(says);
    };
  };
  return {
      {"another_name", but([](auto& says) { says.dns_names = {"other.example"}; }),
       "Hostname mismatch"},
      {"the_name_below", but([](auto& says) { says.dns_names = {"a.lists.example"}; }),
       "Hostname mismatch"},
      {"a_wildcard_above", but([](auto& says) { says.dns_names = {"*.lists.example"}; }),
       "Hostname mismatch"},
      {"a_wildcard_for_all", but([](auto& says) { says.dns_names = {"*"}; }), "Hostname mismatch"},
      {"only_a_spiffe_id", but([](auto& says) {
         says.dns_names = {};
         says.uris = {"spiffe://lists.example/a"};
       }),
       "Hostname mismatch"},
      {"no_name", but([](auto& says) { says.dns_names = {}; }), "Hostname mismatch"},
      {"expired", but([](auto& says) {
         says.begins = -20s;
         says.ends = -1s;
       }),
       "expired"},
      {"of_tomorrow", but([](auto& says) { says.begins = 3600s; }), "not yet valid"},
      {"for_clients", but([](auto& says) { says.extended_usage = {NID_client_auth}; }),
       "unsupported certificate purpose"},
      {"broken_signature", but([](auto& says) { says.break_signature = true; }),
       "certificate signature failure"},
      {"weak_key", but([](auto& says) { says.key = test::TestKey::kRsa1024; }), "shorter than"},
      {"unknown_critical_extension",
       but([](auto& says) { says.unknown_critical_extension = true; }),
       "unhandled critical extension"},
  };
}

INSTANTIATE_TEST_SUITE_P(Table, FetcherRefuses, testing::ValuesIn(bad_servers()),
                         [](const testing::TestParamInfo<BadServer>& row) {
                           return std::string(row.param.name);
                         });

TEST_F(FetcherTest, RefusesAnUnknownAuthority) {
  const TestCa other("test.example", TestCa::sim_start(), test::TestKey::kEd25519, 7);
  const identity::Svid svid = other.svid("/", name);
  serve("lists.example:443", &svid);
  expect_fails(fetch(kUrl), Code::kPeerIdentity, "unable to get local issuer certificate");
}

TEST_F(FetcherTest, RefusesASelfSignedServer) {
  // The authority's own certificate, of a CA that is not among the roots.
  const TestCa other("test.example", TestCa::sim_start(), test::TestKey::kEd25519, 7,
                     [](TestCertificate& says) { says.dns_names = {kHost}; });
  identity::Svid svid = other.svid("/", name);
  svid.chain_der.push_back(other.certificate_der());
  serve("lists.example:443", &svid);
  expect_fails(fetch(kUrl), Code::kPeerIdentity, "self signed certificate");
}

TEST_F(FetcherTest, TakesAChainOverAnIntermediate) {
  const TestCa below = ca_.intermediate();
  const identity::Svid svid = below.svid("/", name);
  serve("lists.example:443", &svid);
  EXPECT_TRUE(fetch(kUrl));
}

TEST_F(FetcherTest, TakesAWildcardOfOneLabel) {
  const identity::Svid svid = ca_.svid("/", [](TestCertificate& says) {
    name(says);
    says.dns_names = {"*.lists.example"};
  });
  serve("a.lists.example:443", &svid);
  EXPECT_TRUE(fetch("https://a.lists.example/"));
}

// A name is not an address: only an iPAddress entry may vouch for one.
TEST_F(FetcherTest, RefusesAnAddressThatIsOnlyAName) {
  const identity::Svid svid = ca_.svid("/", [](TestCertificate& says) {
    name(says);
    says.dns_names = {"192.0.2.1"};
  });
  serve("192.0.2.1:443", &svid);
  expect_fails(fetch("https://192.0.2.1/"), Code::kPeerIdentity, "IP address mismatch");
}

TEST_F(FetcherTest, NeedsAuthorities) {
  serve_web();
  roots_ = nullptr;
  expect_fails(fetch(kUrl), Code::kUnavailable, "no file of certificate authorities");
}

TEST_F(FetcherTest, DoesNotSpeakTlsToPlaintext) {
  serve("lists.example:443", nullptr, {"SSH-2.0-OpenSSH_9\r\n\r\n", Script::End::kHang});
  expect_fails(fetch(kUrl), Code::kTimeout, "did not answer in time");
}

struct BadAnswer {
  const char* name;
  std::string answer;
  bool cut;
  Code code;
  std::string why;
};

void PrintTo(const BadAnswer& row, std::ostream* out) { *out << row.name; }

class FetcherRefusesAnswer : public FetcherTest, public testing::WithParamInterface<BadAnswer> {};

TEST_P(FetcherRefusesAnswer, WithItsCode) {
  Script script;
  script.answer = GetParam().answer;
  script.end = GetParam().cut ? Script::End::kCut : Script::End::kClean;
  serve_web(name, script);
  Request request;
  request.url = kUrl;
  request.answer_bytes_max = 100;
  expect_fails(fetch(request), GetParam().code, GetParam().why);
}

std::vector<BadAnswer> bad_answers() {
  return {
      {"redirect", "HTTP/1.1 302 Found\r\nlocation: https://a.example/\r\n\r\n", false,
       Code::kProtocol, "redirect (302)"},
      {"permanent_redirect", "HTTP/1.1 308 Permanent\r\nlocation: /b\r\ncontent-length: 0\r\n\r\n",
       false, Code::kProtocol, "redirect (308)"},
      {"not_modified", "HTTP/1.1 304 Not Modified\r\n\r\n", false, Code::kProtocol, "(304)"},
      {"gzip", ok("content-encoding: gzip\r\ncontent-length: 1\r\n", "a"), false,
       Code::kUnsupported, "content coding"},
      {"two_codings",
       ok("content-encoding: identity\r\ncontent-encoding: br\r\ncontent-length: 1\r\n", "a"),
       false, Code::kUnsupported, "content coding"},
      {"too_long", ok("content-length: 101\r\n", std::string(101, 'a')), false, Code::kTooLarge,
       "larger than 100 bytes"},
      {"too_long_chunked",
       ok("transfer-encoding: chunked\r\n", "65\r\n" + std::string(101, 'a') + "\r\n0\r\n\r\n"),
       false, Code::kTooLarge, "larger than 100 bytes"},
      {"too_long_without_end", ok("", std::string(101, 'a')), false, Code::kTooLarge,
       "larger than 100 bytes"},
      {"truncated", ok("content-length: 5\r\n", "hell"), false, Code::kEnd, ""},
      {"cut", ok("content-length: 5\r\n", "hell"), true, Code::kEnd, ""},
      {"cut_without_length", ok("", "hell"), true, Code::kEnd, ""},
      {"truncated_chunks", ok("transfer-encoding: chunked\r\n", "5\r\nhello\r\n"), false,
       Code::kEnd, ""},
      {"truncated_head", "HTTP/1.1 200 OK\r\ncont", false, Code::kEnd, ""},
      {"nothing", "", false, Code::kReset, ""},
      {"garbage", "SSH-2.0-OpenSSH_9\r\n\r\n", false, Code::kMalformed, ""},
      {"two_lengths", ok("content-length: 5\r\ncontent-length: 6\r\n", "hello"), false,
       Code::kMalformed, ""},
      {"upgrade", "HTTP/1.1 101 Switching\r\nupgrade: h2c\r\n\r\n", false, Code::kProtocol, ""},
  };
}

INSTANTIATE_TEST_SUITE_P(Table, FetcherRefusesAnswer, testing::ValuesIn(bad_answers()),
                         [](const testing::TestParamInfo<BadAnswer>& row) {
                           return std::string(row.param.name);
                         });

TEST_F(FetcherTest, GivesUpOnASlowBody) {
  Script script;
  script.answer = ok("content-length: 500\r\n", std::string(500, 'a'));
  script.pause = 1s;
  serve_web(name, script);
  const Clock::Time before = clock_.now();
  expect_fails(fetch(kUrl), Code::kTimeout, "lists.example: it did not answer in time");
  EXPECT_EQ(clock_.now() - before, 10s);
}

TEST_F(FetcherTest, GivesUpOnASilentServer) {
  serve_web(name, {"", Script::End::kHang});
  expect_fails(fetch(kUrl), Code::kTimeout, "did not answer in time");
}

TEST_F(FetcherTest, TellsThatNobodyIsThere) {
  expect_fails(fetch(kUrl), Code::kRefused, "lists.example");
}

TEST_F(FetcherTest, LeavesNoConnectionBehind) {
  serve_web(name, {ok("content-length: 5\r\n", "hello"), Script::End::kHang});
  ASSERT_TRUE(fetch(kUrl));
  listeners_.front()->close();
  clock_.run_ready();
  EXPECT_EQ(gate_.active(), 0U);
}

}  // namespace
}  // namespace mandated::fetch
