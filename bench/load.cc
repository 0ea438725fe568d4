// The load of the benchmark: a closed loop of MCP tools/call requests with a fixed body, over N
// connections of HTTP/1.1 or HTTP/2, with mTLS or in plaintext, under receipts or none. One line of
// JSON at the end. Called by bench/run, which reads the proxies' CPU time around it.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "bench/party.h"
#include "filters/receipt/issue.h"
#include "proxy/base/gate.h"
#include "proxy/http/client.h"
#include "proxy/net/socket.h"
#include "proxy/tls/tls.h"

namespace mandated::bench {

namespace {

constexpr std::string_view kTool = "read_file";
constexpr std::string_view kArguments = R"({"path":"/data/quarterly-report.txt"})";
constexpr std::string_view kBody =
    R"({"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read_file",)"
    R"("arguments":{"path":"/data/quarterly-report.txt"},)"
    R"("_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",)"
    R"("io.modelcontextprotocol/clientCapabilities":{}}}})";
constexpr std::string_view kTools =
    R"({"read_file":{"path":{"constraint_type":"one_of","values":["/data/quarterly-report.txt","/data/plan.txt"]}}})";
constexpr std::size_t kAnswerBytesMax = 1U << 20U;

struct Options {
  std::string target;
  std::string state;
  std::string spiffe_id;  // who calls; empty: plaintext
  std::string server_id;  // whom to expect
  std::string audience;   // aat_aud of proofs; empty: no proofs
  std::string anchor_key;
  std::string holder_key;
  std::string receipts = "none";
  bool http2 = false;
  unsigned connections = 8;
  unsigned streams = 1;
  double seconds = 2;
  unsigned chains = 0;      // cold: how many to make beforehand
  std::string write_chain;  // write a chain for a wallet to this file, and no more
  bool hold = false;        // one call on each connection, then all stand idle until stdin ends
};

// --- receipts --------------------------------------------------------------------------------

receipt::PrivateKey read_key(const std::string& file) {
  std::FILE* opened = std::fopen(file.c_str(), "rb");
  if (opened == nullptr) give_up(file, "cannot be read");
  std::string text(4096, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), opened));
  std::fclose(opened);
  const auto document = json::Document::parse(text);
  if (!document) give_up(file, document.error().text);
  auto key = receipt::PrivateKey::from_jwk(document->root());
  if (!key) give_up(file, key.error().sentence);
  return *key;
}

template <class T>
T granted(receipt::Checked<T> made) {
  if (!made) give_up("receipt", made.error().sentence);
  return std::move(*made);
}

/// Chains of depth 3 (a root and two delegations), and what proofs need of them.
class Receipts {
 public:
  Receipts(const Options& options, double now) : holder_(read_key(options.holder_key)) {
    const receipt::PrivateKey anchor = read_key(options.anchor_key);
    anchors_ = receipt::AnchorSet({{"bench", anchor.public_key(), std::nullopt}});
    mandate_ = "{\"holder\":\"" + options.spiffe_id + "\"}";
    const std::size_t count = options.receipts == "cold" ? options.chains : 1;
    for (std::size_t i = 0; i < count; ++i) add(anchor, now);
  }

  /// The next call's header; a chain is used again only after all others.
  const std::string& next_field() {
    position_ = (position_ + 1) % fields_.size();
    used_ += 1;
    return fields_[position_];
  }
  std::string proof(std::string_view audience, double now) const {
    return receipt::prove(*verified_[position_], holder_, kTool, arguments_.root(), audience, now);
  }
  bool exhausted() const { return fields_.size() > 1 && used_ > fields_.size(); }

 private:
  void add(const receipt::PrivateKey& anchor, double now) {
    receipt::Grant grant;
    grant.tools_json = kTools;
    grant.mandate_json = mandate_;
    grant.holder = holder_.public_key();
    grant.issued_at = now;
    grant.expires = now + 3600;
    grant.depth_max = 2;
    std::vector<std::string> tokens;
    tokens.push_back(granted(receipt::issue_root(grant, "https://bench.example/issuer", anchor)));
    for (int hop = 1; hop <= 2; ++hop) {
      const std::vector<std::string_view> chain(tokens.begin(), tokens.end());
      tokens.push_back(granted(receipt::derive(chain, grant, holder_)));
    }
    const std::vector<std::string_view> chain(tokens.begin(), tokens.end());
    verified_.push_back(granted(receipt::verify_chain(chain, anchors_, now)));
    fields_.push_back(tokens[0] + ", " + tokens[1] + ", " + tokens[2]);
  }

  receipt::PrivateKey holder_;
  receipt::AnchorSet anchors_;
  std::string mandate_;
  json::Document arguments_ = *json::Document::parse(kArguments);
  std::vector<std::string> fields_;
  std::vector<receipt::ChainPtr> verified_;
  std::size_t position_ = 0;
  std::size_t used_ = 0;
};

// --- calls -----------------------------------------------------------------------------------

struct Load {
  const Options& options;
  Clock& clock;
  Gate& gate;
  net::Dialer& dialer;
  tls::ContextPtr context;  // null: plaintext
  std::unique_ptr<Receipts> receipts;
  http::RequestHead head;
  Clock::Time end;
  std::vector<float> micros;
  std::size_t failures = 0;
  std::string first_failure;
};

void count_failure(Load& load, std::string why) {
  if (load.failures++ == 0) load.first_failure = std::move(why);
}

Task<Result<std::string>> exchange(http::ClientConnection& connection,
                                   const http::RequestHead& head) {
  CO_TRY(std::unique_ptr<http::ClientStream> stream, co_await connection.start(head, false));
  CO_CHECK(co_await stream->send(kBody, true));
  CO_TRY(const http::ResponseHead answer, co_await stream->response());
  CO_TRY(std::string body, co_await http::read_all(stream->body(), kAnswerBytesMax));
  if (answer.status != 200 || body.find("\"result\"") == std::string::npos) {
    co_return fail(Code::kDenied, std::to_string(answer.status) + " " + body);
  }
  co_return body;
}

Task<void> call_until_the_end(Load& load, std::shared_ptr<http::ClientConnection> connection) {
  while (load.clock.now() < load.end) {
    http::RequestHead head = load.head;
    if (load.receipts) {
      head.fields.add("delegation-receipt", load.receipts->next_field());
      if (!load.options.audience.empty()) {
        head.fields.add("delegation-proof",
                        load.receipts->proof(load.options.audience, load.clock.wall_seconds()));
      }
    }
    const Clock::Time began = load.clock.now();
    const Result<std::string> answer = co_await exchange(*connection, head);
    const std::chrono::duration<float, std::micro> took = load.clock.now() - began;
    if (answer) {
      load.micros.push_back(took.count());
    } else {
      count_failure(load, answer.error().text);
      if (!connection->alive()) co_return;
    }
  }
}

Task<Result<std::shared_ptr<http::ClientConnection>>> open(Load& load) {
  CO_TRY(const net::Address address, net::Address::parse(load.options.target));
  const Clock::Time deadline = load.clock.now() + std::chrono::seconds(10);
  CO_TRY(net::StreamPtr stream, co_await load.dialer.dial(address, deadline));
  if (load.context != nullptr) {
    CO_TRY(tls::TlsStreamPtr secured,
           co_await tls::connect(std::move(stream), load.context, load.clock, deadline));
    stream = std::move(secured);
  }
  stream->set_deadline(Clock::Time::max());
  const http::ClientLimits limits;
  if (load.options.http2) {
    co_return http::make_http2_client(std::move(stream), limits, load.clock, load.gate);
  }
  co_return http::make_http1_client(std::move(stream), limits, load.clock, load.gate);
}

Task<void> use_connection(Load& load) {
  Result<std::shared_ptr<http::ClientConnection>> opened = co_await open(load);
  if (!opened) {
    count_failure(load, opened.error().text);
    co_return;
  }
  std::shared_ptr<http::ClientConnection> connection = *opened;
  Gate calls(load.clock.executor());
  const unsigned streams = load.options.http2 ? load.options.streams : 1;
  for (unsigned i = 0; i < streams; ++i) calls.spawn(call_until_the_end(load, connection));
  co_await calls.wait_empty();
  connection->close();
}

// --- idle connections ------------------------------------------------------------------------

using Connections = std::vector<std::shared_ptr<http::ClientConnection>>;

/// One after the other, each with a call, so that it has been in use.
Task<void> open_some(Load& load, unsigned count, Connections& held) {
  for (unsigned i = 0; i < count && load.failures == 0; ++i) {
    Result<std::shared_ptr<http::ClientConnection>> opened = co_await open(load);
    if (!opened) {
      count_failure(load, opened.error().text);
      co_return;
    }
    held.push_back(*opened);
    const Result<std::string> answer = co_await exchange(*held.back(), load.head);
    if (!answer) count_failure(load, answer.error().text);
  }
}

/// Says on stdout when all stand, and keeps them until stdin ends.
Task<void> hold(Load& load) {
  constexpr unsigned kAtOnce = 16;
  Connections held;
  Gate openers(load.clock.executor());
  for (unsigned i = 0; i < kAtOnce; ++i) {
    const unsigned share =
        load.options.connections / kAtOnce + (i < load.options.connections % kAtOnce ? 1 : 0);
    openers.spawn(open_some(load, share, held));
  }
  co_await openers.wait_empty();
  if (load.failures != 0) give_up("idle connections", load.first_failure);
  const auto alive = [&held] {
    return std::count_if(held.begin(), held.end(), [](const auto& each) { return each->alive(); });
  };
  std::printf("{\"connections\":%td}\n", alive());
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
  std::printf("{\"connections\":%td}\n", alive());
  std::fflush(stdout);
  std::_Exit(0);  // the kernel closes them
}

http::RequestHead make_head(const Options& options) {
  http::RequestHead head;
  head.method = "POST";
  head.scheme = options.server_id.empty() ? "http" : "https";
  head.authority = options.target;
  head.target = "/mcp";
  head.fields.add("content-type", "application/json");
  head.fields.add("accept", "application/json, text/event-stream");
  head.fields.add("content-length", std::to_string(kBody.size()));
  head.fields.add("mcp-protocol-version", "2026-07-28");
  head.fields.add("mcp-method", "tools/call");
  head.fields.add("mcp-name", std::string(kTool));
  return head;
}

int report(Load& load, double seconds) {
  std::vector<float>& micros = load.micros;
  std::sort(micros.begin(), micros.end());
  const auto at = [&micros](double share) {
    return micros.empty()
               ? 0.0F
               : micros[static_cast<std::size_t>(share * static_cast<double>(micros.size() - 1))];
  };
  std::printf(
      "{\"calls\":%zu,\"seconds\":%.4f,\"failures\":%zu,\"p50_us\":%.1f,\"p99_us\":%.1f,"
      "\"reused_chains\":%s}\n",
      micros.size(), seconds, load.failures, static_cast<double>(at(0.5)),
      static_cast<double>(at(0.99)),
      load.receipts && load.receipts->exhausted() ? "true" : "false");
  if (load.failures != 0) std::fprintf(stderr, "bench: %s\n", load.first_failure.c_str());
  return load.failures == 0 && !micros.empty() ? 0 : 1;
}

int write_chain(const Options& options) {
  boost::asio::io_context context(1);
  Receipts receipts(options, RealClock(context).wall_seconds());
  std::string tokens = receipts.next_field();
  for (auto at = tokens.find(", "); at != std::string::npos; at = tokens.find(", ")) {
    tokens.replace(at, 2, "\",\"");
  }
  std::FILE* file = std::fopen(options.write_chain.c_str(), "wb");
  if (file == nullptr) give_up(options.write_chain, "cannot be written");
  std::fprintf(file, "[\"%s\"]\n", tokens.c_str());
  return std::fclose(file) == 0 ? 0 : 1;
}

int run(const Options& options) {
  boost::asio::io_context context(1);
  RealClock clock(context);
  Gate gate(context.get_executor());
  const std::unique_ptr<net::Dialer> dialer = net::make_socket_dialer(clock);
  Load load{options, clock, gate, *dialer, nullptr, nullptr, make_head(options), {}, {}, 0, {}};
  if (!options.server_id.empty()) {
    tls::Options rules;
    rules.alpn = {options.http2 ? "h2" : "http/1.1"};
    rules.allowed_peers = {options.server_id};
    auto credentials = tls::make_client_context(
        identity_of(options.state, options.spiffe_id, clock.wall()), rules);
    if (!credentials) give_up_on("credentials", credentials.error());
    load.context = *credentials;
  }
  if (options.receipts != "none") {
    load.receipts = std::make_unique<Receipts>(options, clock.wall_seconds());
  }
  const Clock::Time began = clock.now();
  load.end = began + std::chrono::duration_cast<Clock::Duration>(
                         std::chrono::duration<double>(options.seconds));
  Gate connections(context.get_executor());
  if (options.hold) {
    connections.spawn(hold(load));
    context.run();
    return 1;  // hold() ends the process
  }
  for (unsigned i = 0; i < options.connections; ++i) connections.spawn(use_connection(load));
  context.run();
  return report(load, std::chrono::duration<double>(clock.now() - began).count());
}

}  // namespace

}  // namespace mandated::bench

int main(int argc, char** argv) {
  CLI::App app("Closed-loop MCP calls");
  mandated::bench::Options options;
  app.add_option("--target", options.target);
  app.add_option("--state", options.state);
  app.add_option("--spiffe-id", options.spiffe_id);
  app.add_option("--server-id", options.server_id, "with it: mTLS");
  app.add_option("--audience", options.audience, "with it: a fresh proof for each call");
  app.add_option("--anchor-key", options.anchor_key);
  app.add_option("--holder-key", options.holder_key);
  app.add_option("--receipts", options.receipts)->check(CLI::IsMember({"none", "cached", "cold"}));
  app.add_flag("--http2", options.http2);
  app.add_option("--connections", options.connections);
  app.add_option("--streams", options.streams, "of each HTTP/2 connection");
  app.add_option("--seconds", options.seconds);
  app.add_flag("--hold", options.hold, "one call on each connection, then idle until stdin ends");
  app.add_option("--write-chain", options.write_chain, "write a chain for a wallet, and no more");
  app.add_option("--chains", options.chains, "cold: chains made beforehand");
  CLI11_PARSE(app, argc, argv);
  if (!options.write_chain.empty()) return mandated::bench::write_chain(options);
  return mandated::bench::run(options);
}
