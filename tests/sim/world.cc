#include "tests/sim/world.h"

#include <boost/asio/io_context.hpp>
#include <cmath>
#include <cstdio>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <sstream>
#include <utility>

#include "filters/mandate/wallet.h"
#include "filters/receipt/issue.h"
#include "proxy/audit/memory_sink.h"
#include "proxy/audit/verify.h"
#include "proxy/http/client.h"
#include "proxy/http/server.h"
#include "proxy/protocol/mcp.h"
#include "proxy/server/worker.h"
#include "tests/sim/identities.h"
#include "tests/sim/list_host.h"
#include "tests/sim/sim_network.h"

namespace mandated::sim {

namespace {

using namespace std::chrono_literals;

constexpr std::string_view kToolId = "spiffe://sim.test/tool/files";
constexpr std::string_view kAttackerId = "spiffe://sim.test/agent/y";

// Fixed keys: Ed25519 signatures are deterministic, and so is the run.
constexpr std::string_view kPersonKey =
    R"({"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",)"
    R"("x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})";
constexpr std::string_view kHolderKey =
    R"({"kty":"OKP","crv":"Ed25519","d":"TM0Imyj_ltqdtsNG7BFOD1uKMZ81q6Yk2oz27U-4pvs",)"
    R"("x":"PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw"})";

constexpr std::string_view kOutboundConfig = R"(
version: 1
role: outbound
workers: 1
identity: {embedded: {state: sim, trust_domain: sim.test, spiffe_id: "spiffe://sim.test/agent/x"}}
listeners: [{name: agent, address: "127.0.0.1:1000", tls: none}]
routes:
  - {name: files, path: /mcp, upstream: files, mandate: {mode: attach}}
upstreams:
  - {name: files, url: "https://127.0.0.1:2000", spiffe_ids: ["spiffe://sim.test/tool/files"], receipts: pass, http_version: HTTP_VERSION}
receipts: {anchors: [{jwk: {"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}}], wallet: {folder: sim, holder_key: sim.jwk}, STATUS}
audit: {file: sim.jsonl, mode: before}
timeouts: {connect: 1s, handshake: 2s, header: 2s, idle: 10s, body: 4s, call: 5s, drain: 5s, stream_idle: 20s}
)";

constexpr std::string_view kInboundConfig = R"(
version: 1
role: inbound
workers: 1
identity: {embedded: {state: sim, trust_domain: sim.test, spiffe_id: "spiffe://sim.test/tool/files"}}
listeners: [{name: mesh, address: "127.0.0.1:2000", tls: mtls}]
routes:
  - {name: files, path: /mcp, upstream: tool, allowed_peers: ["spiffe://sim.test/agent/*"], mandate: {mode: enforce}}
upstreams:
  - {name: tool, url: "http://127.0.0.1:3000"}
receipts: {anchors: [{jwk: {"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}}], STATUS}
audit: {file: sim.jsonl, mode: before}
timeouts: {connect: 1s, handshake: 2s, header: 2s, idle: 10s, body: 4s, call: 4s, drain: 5s, stream_idle: 20s}
)";

constexpr std::string_view kStatusConfig =
    R"(status: {lists: ["https://lists.sim/"], ttl_min: 1s, ttl_max: 1s, grace: 1s, timeout: 500ms})";

void replace(std::string& text, std::string_view name, std::string_view by) {
  const std::size_t at = text.find(name);
  if (at != std::string::npos) text.replace(at, name.size(), by);
}

config::Config load(std::string_view text, std::string_view http_version) {
  std::string yaml(text);
  replace(yaml, "HTTP_VERSION", http_version);
  replace(yaml, "STATUS", kStatusConfig);
  config::Loaded loaded = config::load_text("sim.yaml", yaml);
  if (!loaded) {
    std::fprintf(stderr, "%s\n", config::to_string(loaded.error()).c_str());
    std::abort();
  }
  return std::move(*loaded);
}

receipt::PrivateKey key_of(std::string_view jwk) {
  return *receipt::PrivateKey::from_jwk(json::Document::parse(jwk)->root());
}

admin::Metrics::Names names_of(const config::Config& config) {
  admin::Metrics::Names names;
  for (const auto& entry : config.listeners) names.listeners.push_back(entry.name);
  for (const auto& entry : config.routes) names.routes.push_back(entry.name);
  for (const auto& entry : config.upstreams) names.upstreams.push_back(entry.name);
  return names;
}

// A ledger that knows how many calls it has on its books.
class CountingLedger final : public Ledger {
 public:
  Task<Result<std::optional<std::size_t>>> charge(std::span<const receipt::Charge> charges,
                                                  receipt::Seconds now) override {
    Result<std::optional<std::size_t>> over = co_await ledger_->charge(charges, now);
    if (over && !*over) ++calls;
    co_return over;
  }
  Task<Result<void>> give_back(std::span<const receipt::Charge> charges,
                               receipt::Seconds now) override {
    --calls;
    co_return co_await ledger_->give_back(charges, now);
  }
  Task<Result<std::vector<std::uint64_t>>> spent(
      std::span<const receipt::Charge> charges) override {
    return ledger_->spent(charges);
  }
  std::size_t calls = 0;

 private:
  std::unique_ptr<Ledger> ledger_ = make_memory_ledger();
};

// One proxy with everything that a process gives its worker.
struct Proxy {
  Proxy(config::Config config_in, test::SimClock& clock, test::SimRng& rng, Network& network,
        std::shared_ptr<const Wallet> wallet, const receipt::AnchorSet& anchors)
      : config(std::move(config_in)),
        metrics(names_of(config), admin::BuildInfo{}),
        approvals("", anchors, receipt::Limits{}),
        status_gate(clock.executor()),
        shared{config, audit, metrics, anchors, replays.get(), &ledger, approvals, {}} {
    std::unique_ptr<WalletSource> source;
    if (wallet) source = std::make_unique<FixedWallet>(std::move(wallet));
    StatusOptions options{*config.receipts.status, {}, anchors};
    status_fetcher = fetch::make_fetcher(network, clock, status_gate, web_roots());
    status =
        std::make_unique<StatusLists>(std::move(options), *status_fetcher, clock, rng, status_gate);
    shared.status = status.get();
    shared.own_spiffe_id = config.identity->spiffe_id();
    shared.tickets = tls::make_ticket_secret();
    worker =
        std::move(*server::Worker::make(shared, clock, rng, network, std::move(source), nullptr));
    const config::Listener& listener = config.listeners.front();
    if (!worker->set_identity(snapshot_of(config.identity->spiffe_id()))) std::abort();
    worker->listen(network.listen(*net::Address::parse(listener.address)), listener);
  }

  config::Config config;
  audit::MemorySink audit;
  admin::Metrics metrics;
  std::unique_ptr<Replays> replays = make_memory_replays(1U << 16U);
  CountingLedger ledger;
  Approvals approvals;
  Gate status_gate;
  std::unique_ptr<fetch::Fetcher> status_fetcher;
  std::unique_ptr<StatusLists> status;
  server::Shared shared;
  std::unique_ptr<server::Worker> worker;
};

struct Trace {
  bool print = false;
  std::uint64_t digest = 1469598103934665603U;
  test::SimClock* clock = nullptr;

  void add(const std::string& event) {
    const auto at = clock->now().time_since_epoch().count();
    const std::string line = std::to_string(at) + " " + event;
    for (const char c : line) {
      digest = (digest ^ static_cast<unsigned char>(c)) * 1099511628211U;
    }
    if (print) std::printf("%s\n", line.c_str());
  }
};

// The server behind the inbound proxy. It remembers what reached it, and misbehaves.
class Tool final : public http::Handler {
 public:
  Tool(test::SimClock& clock, test::SimRng& rng, unsigned misbehave_permille, Trace& trace)
      : clock_(clock), rng_(rng), misbehave_(misbehave_permille), trace_(trace) {}

  Task<void> handle(http::ServerStream& stream) override {
    const Result<std::string> body = co_await http::read_all(stream.body(), 1U << 20U);
    if (!body) co_return;
    const protocol::Accepted<protocol::Message> message = protocol::parse_message(*body);
    if (!message || !message->is_request()) {
      arrived.insert("unreadable: " + *body);
      co_return;
    }
    const std::string marker = marker_of(*message);
    arrived.insert(marker);
    trace_.add("tool got " + marker);
    if (on_arrival) on_arrival(marker, *message);
    const bool misbehaves = rng_.chance(misbehave_);
    const std::uint64_t how = rng_.between(0, 4);
    if (!misbehaves) co_await clock_.sleep_for(std::chrono::milliseconds(rng_.between(0, 50)));
    if (misbehaves && how == 0) co_await clock_.sleep_for(12s);  // beyond every time-out
    if (misbehaves && how == 1) co_return;                       // no answer at all
    const std::string answer = "{\"jsonrpc\":\"2.0\",\"id\":" + message->id() +
                               ",\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"" + marker +
                               "\"}]}}";
    http::ResponseHead head;
    head.status = 200;
    if (rng_.chance(300)) {
      head.fields.set("content-type", "text/event-stream");
      ignore(co_await stream.respond(head, false));
      const std::string event = "data: " + answer + "\n\n";
      ignore(co_await stream.send(event, true));
      co_return;
    }
    head.fields.set("content-type", "application/json");
    head.fields.set("content-length", std::to_string(answer.size()));
    ignore(co_await stream.respond(head, false));
    if (misbehaves && how == 2) {  // half an answer
      ignore(co_await stream.send(answer.substr(0, answer.size() / 2), false));
      stream.reset();
      co_return;
    }
    if (misbehaves && how == 3) {  // an answer that stalls in the middle
      ignore(co_await stream.send(answer.substr(0, answer.size() / 2), false));
      co_await clock_.sleep_for(12s);
      ignore(co_await stream.send(answer.substr(answer.size() / 2), true));
      co_return;
    }
    ignore(co_await stream.send(answer, true));
  }

  static std::string marker_of(const protocol::Message& message) {
    const json::Value* arguments = message.params() ? message.params()->find("arguments") : nullptr;
    if (arguments == nullptr) return "none";
    return std::string(arguments->find_string("marker").value_or("none"));
  }

  std::multiset<std::string> arrived;
  std::function<void(const std::string&, const protocol::Message&)> on_arrival;

 private:
  // The peer may be gone: a tool does not care.
  static void ignore(const Result<void>&) {}

  test::SimClock& clock_;
  test::SimRng& rng_;
  unsigned misbehave_;
  Trace& trace_;
};

Task<void> serve_tool(net::Listener& listener, test::SimClock& clock, Gate& gate, Tool& tool) {
  struct Serve {
    static Task<void> one(net::StreamPtr stream, test::SimClock& clock, Gate& gate, Tool& tool) {
      static_cast<void>(
          co_await http::serve_cleartext(*stream, http::ServerLimits{}, clock, gate, tool));
    }
  };
  while (true) {
    Result<net::StreamPtr> stream = co_await listener.accept();
    if (!stream) co_return;
    gate.spawn(Serve::one(std::move(*stream), clock, gate, tool));
  }
}

enum class Expect { kPermit, kRefuse };

class World {
 public:
  World(std::uint64_t seed, bool print_trace)
      : clock_(context_),
        rng_(seed),
        faults_(draw_faults()),
        network_(clock_, rng_, faults_),
        gate_(context_.get_executor()),
        person_(key_of(kPersonKey)),
        holder_(key_of(kHolderKey)) {
    trace_.clock = &clock_;
    trace_.print = print_trace;
  }

  Report run();

 private:
  Faults draw_faults();
  std::shared_ptr<const Wallet> make_wallet();
  Task<void> agent(std::size_t number, std::size_t calls);
  Task<void> attacker(std::size_t calls);
  Task<void> chaos();
  Task<void> list_chaos();
  Task<Result<http::Response>> ask(http::ClientConnection& connection, std::string_view authority,
                                   const std::string& body, const http::Fields& extra);
  Task<void> one_call(http::ClientConnection& connection, const std::string& marker);
  void judge(const std::string& marker, const std::string& id, Expect expect,
             const Result<std::string>& answer);
  void check_arrival(const std::string& marker, const protocol::Message& message);
  void check_budget();
  void check_revocation(std::string_view name, const Proxy& proxy);
  void check_laws();
  bool has_perfect_network() const;
  bool may_be_refused(const std::string& answer) const;
  void check_audit(std::string_view name, const Proxy& proxy);
  void violated(const std::string& law) { report_.violations.push_back(law); }

  boost::asio::io_context context_{1};
  test::SimClock clock_;
  test::SimRng rng_;
  unsigned tool_misbehaves_ = 0;
  bool audit_fails_ = false;
  std::optional<std::uint64_t> budget_;  // calls, where the root has one
  bool revocable_ = false;               // the root names a status list
  bool list_troubled_ = false;           // …which is sometimes away or behind the times
  Faults faults_;                        // drawn together with those above
  Network network_;
  Gate gate_;
  Trace trace_;
  receipt::PrivateKey person_;
  receipt::PrivateKey holder_;
  std::vector<std::string> chain_;
  std::unique_ptr<Proxy> outbound_;
  std::unique_ptr<Proxy> inbound_;
  std::unique_ptr<Tool> tool_;
  std::unique_ptr<ListHost> lists_;
  bool rolled_back_ = false;
  std::map<std::string, Expect> expected_;

  Report report_;
};

Faults World::draw_faults() {
  Faults faults;
  if (rng_.chance(400)) budget_ = rng_.between(0, 20);
  revocable_ = rng_.chance(400);
  list_troubled_ = revocable_ && rng_.chance(500);
  if (rng_.chance(300)) return faults;  // three in ten worlds have a perfect network
  faults.dial_refused = static_cast<unsigned>(rng_.between(0, 40));
  faults.dial_blackhole = static_cast<unsigned>(rng_.between(0, 20));
  faults.connection_cut = static_cast<unsigned>(rng_.between(0, 100));
  faults.short_io = static_cast<unsigned>(rng_.between(0, 300));
  faults.latency_max = std::chrono::milliseconds(rng_.between(0, 40));
  tool_misbehaves_ = static_cast<unsigned>(rng_.between(0, 200));
  audit_fails_ = rng_.chance(250);
  return faults;
}

// A root for the agent, handed on once to the same key with less in it.
std::shared_ptr<const Wallet> World::make_wallet() {
  receipt::Grant grant;
  grant.tools_json =
      R"({"read_file":{"path":{"constraint_type":"path_containment","root":"/data"},)"
      R"("marker":{"constraint_type":"wildcard"}},)"
      R"("list_directory":{"path":{"constraint_type":"path_containment","root":"/data"},)"
      R"("marker":{"constraint_type":"wildcard"}}})";
  grant.mandate_json = R"({"user":"mailto:alice@sim.test","intent":"read the reports",)"
                       R"("holder":"spiffe://sim.test/agent/x")";
  if (budget_) grant.mandate_json += R"(,"budget":{"calls":)" + std::to_string(*budget_) + "}";
  std::string child = grant.mandate_json + "}";
  if (revocable_) {
    grant.mandate_json += R"(,"status":{"uri":")" + std::string(kListUri) + R"(","idx":)" +
                          std::to_string(kListEntry) + "}";
  }
  grant.mandate_json += "}";
  grant.holder = holder_.public_key();
  grant.issued_at = std::floor(clock_.wall_seconds()) - 5;
  grant.expires = grant.issued_at + 7200;
  grant.depth_max = 2;
  grant.jti = "root";
  chain_.push_back(*receipt::issue_root(grant, "https://alice.sim.test", person_));
  grant.depth_max = 1;
  grant.jti = "child";
  grant.mandate_json = std::move(child);
  const std::vector<std::string_view> parent{chain_.begin(), chain_.end()};
  chain_.push_back(*receipt::derive(parent, grant, holder_));
  auto wallet = std::make_shared<Wallet>();
  wallet->key = holder_;
  wallet->entries.push_back({"files.json", chain_});
  return wallet;
}

Task<Result<http::Response>> World::ask(http::ClientConnection& connection,
                                        std::string_view authority, const std::string& body,
                                        const http::Fields& extra) {
  http::RequestHead head;
  head.method = "POST";
  head.scheme = "http";
  head.authority = authority;
  head.target = "/mcp";
  head.fields = extra;
  head.fields.set("content-type", "application/json");
  head.fields.set("accept", "application/json, text/event-stream");
  head.fields.set("content-length", std::to_string(body.size()));
  CO_TRY(std::unique_ptr<http::ClientStream> stream, co_await connection.start(head, false));
  stream->set_deadline(clock_.now() + 30s);
  CO_CHECK(co_await stream->send(body, true));
  http::Response response;
  CO_TRY(response.head, co_await stream->response());
  CO_TRY(std::string bytes, co_await http::read_all(stream->body(), 1U << 20U));
  response.body = std::make_unique<http::StringBody>(std::move(bytes));
  co_return response;
}

std::string call_body(std::uint64_t id, std::string_view tool, std::string_view path,
                      std::string_view marker) {
  std::ostringstream text;
  text << R"({"jsonrpc":"2.0","id":)" << id << R"(,"method":"tools/call","params":{"name":")"
       << tool << R"(","arguments":{"path":")" << path << R"(","marker":")" << marker << R"("}}})";
  return text.str();
}

Task<void> World::one_call(http::ClientConnection& connection, const std::string& marker) {
  struct Kind {
    Expect expect;
    std::string_view tool;
    std::string_view path;
  };
  static constexpr Kind kKinds[] = {
      {Expect::kPermit, "read_file", "/data/a.txt"},
      {Expect::kPermit, "list_directory", "/data/reports"},
      {Expect::kRefuse, "read_file", "/data/../etc/passwd"},
      {Expect::kRefuse, "delete_file", "/data/a.txt"},
  };
  const Kind& kind = kKinds[rng_.chance(700) ? rng_.between(0, 1) : rng_.between(2, 3)];
  const std::uint64_t id = rng_.between(1, 1U << 30U);
  expected_[marker] = kind.expect;
  ++report_.asked;
  const std::string body = call_body(id, kind.tool, kind.path, marker);
  trace_.add("ask " + marker);
  Result<http::Response> response =
      co_await ask(connection, "127.0.0.1:1000", body, http::Fields());
  Result<std::string> answer = fail(Code::kInternal, "");
  if (response) {
    answer = co_await http::read_all(*response->body, 1U << 20U);
  } else {
    answer = tl::unexpected(std::move(response).error());
  }
  judge(marker, std::to_string(id), kind.expect, answer);
}

// What came back must be the answer to this call, or no answer.
void World::judge(const std::string& marker, const std::string& id, Expect expect,
                  const Result<std::string>& answer) {
  if (!answer) {
    trace_.add("lost " + marker + " " + std::string(to_string(answer.error().code)));
    ++report_.failed;
    return;
  }
  std::string text = *answer;
  if (text.starts_with("data: ")) text = text.substr(6);
  text = text.substr(0, text.find('\n'));
  const protocol::Accepted<protocol::Message> message =
      protocol::parse_message(text, protocol::Origin::kServer);
  if (!message) {
    trace_.add("unreadable " + marker);
    ++report_.failed;
    return;
  }
  trace_.add("answer " + marker);
  // An error that is nobody's answer has no id: the request could not be read, or not be recorded.
  const bool anonymous = message->error() != nullptr && message->id().empty();
  if (anonymous) trace_.add("anonymous " + text);
  if (message->id() != id && !anonymous) {
    violated("the call " + marker + " got the answer to request " + message->id() + ": " + text);
    return;
  }
  if (message->result() != nullptr) {
    ++report_.answered;
    if (text.find(marker) == std::string::npos) {
      violated("the call " + marker + " got another call's answer: " + text);
    }
    if (expect == Expect::kRefuse) violated("the call " + marker + " should have been refused");
    return;
  }
  const std::optional<std::int64_t> code = message->error()->find("code")->integer();
  if (code == protocol::kCallRefused) {
    ++report_.refused;
    if (expect == Expect::kPermit && !may_be_refused(text))
      violated("the call " + marker + " was refused: " + text);
  } else {
    ++report_.failed;
    if (text.find("timeout") != std::string::npos) ++report_.timed_out;
  }
}

Task<void> World::agent(std::size_t number, std::size_t calls) {
  std::shared_ptr<http::ClientConnection> connection;
  const bool http2 = rng_.chance(500);
  for (std::size_t call = 0; call < calls; ++call) {
    co_await clock_.sleep_for(std::chrono::milliseconds(rng_.between(0, 400)));
    if (!connection || !connection->available()) {
      if (connection) connection->close();
      connection = nullptr;
      const net::Address outbound{"127.0.0.1", 1000, {}};
      Result<net::StreamPtr> stream = co_await network_.dial(outbound, clock_.now() + 2s);
      if (!stream) continue;
      const http::ClientLimits limits;
      connection = http2 ? http::make_http2_client(std::move(*stream), limits, clock_, gate_)
                         : http::make_http1_client(std::move(*stream), limits, clock_, gate_);
    }
    co_await one_call(*connection, "a" + std::to_string(number) + "c" + std::to_string(call));
  }
  if (connection) connection->close();
}

// Has the agent's receipt and even its holder key, but its own SVID: nothing of it may pass.
Task<void> World::attacker(std::size_t calls) {
  const std::vector<std::string_view> views{chain_.begin(), chain_.end()};
  const receipt::AnchorSet anchors({receipt::Anchor{"", person_.public_key(), std::nullopt}});
  for (std::size_t call = 0; call < calls; ++call) {
    co_await clock_.sleep_for(std::chrono::milliseconds(rng_.between(0, 1500)));
    const net::Address inbound{"127.0.0.1", 2000, {}};
    Result<net::StreamPtr> stream = co_await network_.dial(inbound, clock_.now() + 2s);
    if (!stream) continue;
    const tls::ContextPtr context =
        *tls::make_client_context(snapshot_of(std::string(kAttackerId)), tls::Options{});
    Result<tls::TlsStreamPtr> session =
        co_await tls::connect(std::move(*stream), context, clock_, clock_.now() + 2s);
    if (!session) continue;
    const bool http2 = (*session)->alpn() == "h2";
    const http::ClientLimits limits;
    const auto connection =
        http2 ? http::make_http2_client(std::move(*session), limits, clock_, gate_)
              : http::make_http1_client(std::move(*session), limits, clock_, gate_);
    const std::string marker = "attack" + std::to_string(call);
    const std::uint64_t id = 1000000 + call;
    const std::string body = call_body(id, "read_file", "/data/a.txt", marker);
    const auto chain = receipt::verify_chain(views, anchors, clock_.wall_seconds());
    const auto document = json::Document::parse(body);
    http::Fields fields;
    fields.set("delegation-receipt", protocol::receipt_field(chain_));
    fields.set("delegation-proof",
               receipt::prove(**chain, holder_, "read_file",
                              *document->root().find("params")->find("arguments"), kToolId,
                              clock_.wall_seconds(), rng_.identifier()));
    expected_[marker] = Expect::kRefuse;
    ++report_.asked;
    Result<http::Response> response = co_await ask(*connection, "127.0.0.1:2000", body, fields);
    Result<std::string> answer = fail(Code::kInternal, "");
    if (response) {
      answer = co_await http::read_all(*response->body, 1U << 20U);
    } else {
      answer = tl::unexpected(std::move(response).error());
    }
    judge(marker, std::to_string(id), Expect::kRefuse, answer);
    connection->close();
  }
}

// What operations do to a proxy while it works.
Task<void> World::chaos() {
  for (int step = 0; step < 6; ++step) {
    co_await clock_.sleep_for(std::chrono::milliseconds(rng_.between(100, 2000)));
    Proxy& proxy = rng_.chance(500) ? *outbound_ : *inbound_;
    if (rng_.chance(500)) {
      trace_.add("rotation");
      const std::string id = proxy.config.identity->spiffe_id();
      if (!proxy.worker->set_identity(snapshot_of(id))) violated("an identity was not taken");
    }
    if (audit_fails_ && rng_.chance(500)) {
      proxy.audit.failing = !proxy.audit.failing;
      trace_.add(proxy.audit.failing ? "disk full" : "disk well");
    }
  }
  outbound_->audit.failing = false;
  inbound_->audit.failing = false;
}

// The receipt is taken back at some time, or never; the list is away for a while, or old again.
Task<void> World::list_chaos() {
  co_await clock_.sleep_for(std::chrono::milliseconds(rng_.between(0, 3000)));
  if (rng_.chance(700)) {
    trace_.add("revoked");
    lists_->revoke();
  }
  if (!list_troubled_) co_return;
  co_await clock_.sleep_for(std::chrono::milliseconds(rng_.between(0, 2500)));
  if (rng_.chance(500)) {
    trace_.add("list rolled back");
    rolled_back_ = true;
    lists_->roll_back();
    co_return;
  }
  trace_.add("list away");
  lists_->down = true;
  co_await clock_.sleep_for(std::chrono::milliseconds(rng_.between(500, 4000)));
  lists_->down = false;
}

bool World::has_perfect_network() const {
  return faults_.dial_refused + faults_.dial_blackhole + faults_.connection_cut == 0 &&
         faults_.latency_max == Clock::Duration{};
}

// Whether that refusal of a call that the receipt grants can be right.
bool World::may_be_refused(const std::string& answer) const {
  const auto has = [&](std::string_view code) { return answer.find(code) != std::string::npos; };
  if (budget_ && has("\"budget_spent\"")) return true;
  if (revocable_ && lists_->revoked_at && has("\"revoked\"")) return true;
  return revocable_ && (list_troubled_ || !has_perfect_network()) && has("\"status_unknown\"");
}

// No call of a revoked receipt is permitted once the list's ttl and a fetch have passed, or the
// grace too where fetching failed; and who has once seen the revocation never forgets it.
void World::check_revocation(std::string_view name, const Proxy& proxy) {
  constexpr Clock::Duration kFetch = 500ms;
  constexpr Clock::Duration kTtl = 1s;
  constexpr Clock::Duration kGrace = 1s;
  if (!lists_->revoked_at) return;
  // A list that was already on its way, then its ttl, then the fetch of the next.
  const Clock::Duration most =
      kFetch + kTtl + (has_perfect_network() && !list_troubled_ ? kFetch : kGrace);
  bool seen = false;
  for (const audit::Record& record : proxy.audit.records()) {
    if (record.phase != audit::Phase::kDecision) continue;
    if (record.permit && seen) violated(std::string(name) + ": forgot a revocation");
    if (record.permit && record.time > *lists_->revoked_at + most && !rolled_back_) {
      violated(std::string(name) + ": permitted a call of a revoked receipt");
    }
    seen = seen || (record.refusal && record.refusal->code == "revoked");
  }
}

// Nothing reaches the tool but what both proxies permitted and had recorded before.
void World::check_arrival(const std::string& marker, const protocol::Message& message) {
  const auto expected = expected_.find(marker);
  if (expected == expected_.end() || expected->second != Expect::kPermit) {
    violated("the call " + marker + " reached the tool");
    return;
  }
  const std::string hash = audit::arguments_hash(*message.params()->find("arguments"));
  for (const Proxy* proxy : {outbound_.get(), inbound_.get()}) {
    bool recorded = false;
    for (const audit::Record& record : proxy->audit.records()) {
      recorded = recorded || (record.phase == audit::Phase::kDecision && record.permit &&
                              record.arguments_hash == hash);
    }
    if (!recorded) violated("the call " + marker + " reached the tool without a record");
  }
}

void World::check_audit(std::string_view name, const Proxy& proxy) {
  std::map<std::string, int> decisions;
  std::map<std::string, int> outcomes;
  for (const audit::Record& record : proxy.audit.records()) {
    if (record.error == "peer_identity") continue;  // refused before there was a call
    ++(record.phase == audit::Phase::kDecision ? decisions : outcomes)[record.exchange];
  }
  // While the disk was full, records were lost; the law is then only that no call went out.
  if (!audit_fails_ && decisions != outcomes) {
    violated(std::string(name) + ": not every exchange has one decision and one outcome");
  }
  for (const auto& [exchange, count] : decisions) {
    if (count != 1) violated(std::string(name) + ": exchange " + exchange + " was decided twice");
  }
  std::istringstream lines(proxy.audit.text());
  const audit::Verification verified = audit::verify(lines);
  // Where nobody got through, or the disk was full all the time.
  const bool nothing =
      proxy.audit.text().empty() && (audit_fails_ || proxy.audit.records().empty());
  if (!verified.ok && !nothing)
    violated(std::string(name) + ": the audit trail: " + verified.problem);
}

// No more calls arrive than the budget has, each is on the books, and what never left is not.
void World::check_budget() {
  const std::size_t arrived = tool_->arrived.size();
  const std::size_t charged = inbound_->ledger.calls;
  if (outbound_->ledger.calls != 0) violated("outbound: counted what the far side counts");
  if (!budget_) {
    if (charged != 0) violated("inbound: counted without a budget");
    return;
  }
  if (charged > *budget_) violated("inbound: more is on the books than the budget allows");
  if (arrived > charged) violated("inbound: a call arrived that is not on the books");
  const Faults& faults = faults_;
  const bool perfect = faults.dial_refused + faults.dial_blackhole + faults.connection_cut == 0;
  if (perfect && arrived != charged) violated("inbound: a call is on the books that did not leave");
}

void World::check_laws() {
  check_budget();
  for (const auto& [name, proxy] :
       {std::pair("outbound", outbound_.get()), std::pair("inbound", inbound_.get())}) {
    check_audit(name, *proxy);
    if (revocable_) check_revocation(name, *proxy);
    if (proxy->worker->gate().active() != 0) violated(std::string(name) + ": something still runs");
    if (proxy->shared.connections != 0) violated(std::string(name) + ": connections leaked");
    if (proxy->shared.buffered_bytes != 0) violated(std::string(name) + ": buffered bytes leaked");
  }
  if (report_.asked != report_.answered + report_.refused + report_.failed &&
      report_.violations.empty()) {
    violated("a call has neither an answer nor an error");
  }
}

Report World::run() {
  const receipt::AnchorSet anchors({receipt::Anchor{"", person_.public_key(), std::nullopt}});
  const std::string_view version = rng_.chance(500) ? "2" : "auto";
  outbound_ = std::make_unique<Proxy>(load(kOutboundConfig, version), clock_, rng_, network_,
                                      make_wallet(), anchors);
  inbound_ = std::make_unique<Proxy>(load(kInboundConfig, version), clock_, rng_, network_, nullptr,
                                     anchors);
  tool_ = std::make_unique<Tool>(clock_, rng_, tool_misbehaves_, trace_);
  tool_->on_arrival = [this](const std::string& marker, const protocol::Message& message) {
    check_arrival(marker, message);
  };
  const std::unique_ptr<net::Listener> tool_listener =
      network_.listen(net::Address{"127.0.0.1", 3000, {}});
  Gate tool_gate(context_.get_executor());
  tool_gate.spawn(serve_tool(*tool_listener, clock_, tool_gate, *tool_));

  lists_ = std::make_unique<ListHost>(clock_, person_);
  const std::unique_ptr<net::Listener> list_listener =
      network_.listen(net::Address{"lists.sim", 443, {}});
  tool_gate.spawn(serve_lists(*list_listener, clock_, tool_gate, *lists_));

  const Clock::Time began = clock_.now();
  const std::size_t agents = rng_.between(1, 4);
  for (std::size_t number = 0; number < agents; ++number) {
    gate_.spawn(agent(number, rng_.between(3, 12)));
  }
  gate_.spawn(attacker(rng_.between(0, 3)));
  gate_.spawn(chaos());
  if (revocable_) gate_.spawn(list_chaos());
  if (!clock_.run_until([this] { return gate_.active() == 0; }, 30min)) {
    violated("a client waits for ever");
  }
  std::size_t drained = 0;
  Gate drains(context_.get_executor());
  struct Drain {
    static Task<void> one(Proxy& proxy, std::size_t& count) {
      co_await proxy.worker->drain();
      proxy.status_gate.drain();
      co_await proxy.status_gate.wait_empty();
      ++count;
    }
  };
  drains.spawn(Drain::one(*outbound_, drained));
  drains.spawn(Drain::one(*inbound_, drained));
  if (!clock_.run_until([&] { return drained == 2; }, 60s)) violated("a proxy does not drain");
  tool_listener->close();
  list_listener->close();
  tool_gate.drain();
  clock_.run_until([&] { return tool_gate.active() == 0; }, 120s);
  check_laws();
  report_.virtual_seconds = std::chrono::duration<double>(clock_.now() - began).count();
  report_.trace = trace_.digest;
  return report_;
}

}  // namespace

Report run_world(std::uint64_t seed, bool print_trace) { return World(seed, print_trace).run(); }

}  // namespace mandated::sim
