#include "proxy/server/exchange.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "proxy/base/log.h"
#include "proxy/http/field_rules.h"
#include "proxy/protocol/elicitation.h"
#include "proxy/protocol/mcp.h"
#include "proxy/protocol/sse.h"
#include "proxy/route/route.h"
#include "proxy/server/answers.h"
#include "proxy/wimse/peer.h"

namespace mandated::server {

namespace {

// Answers up to this size are held until they are whole, so that a server that dies in the middle
// of one gives the caller an error instead of half an answer.
constexpr std::size_t kHeldAnswerMax = 65536;

// Between the deadline of a body, which is answered with 408, and the cut.
constexpr Clock::Duration kLastWord = std::chrono::seconds(2);
// Answers in this time before the end of a connection's SVIDs ask for another one.
constexpr std::chrono::seconds kLastCalls(3);

bool has_type(const http::ResponseHead& head, std::string_view type) {
  const std::optional<std::string_view> value = head.fields.single("content-type");
  if (!value) return false;
  std::string essence = http::to_lower(value->substr(0, value->find(';')));
  while (!essence.empty() && essence.back() == ' ') essence.pop_back();
  return essence == type;
}

// A refusal names its code; whatever else was not understood is malformed.
std::string code_of(const protocol::Rejection& rejection) {
  const auto data = json::Document::parse(rejection.data);
  return std::string(data ? data->root().find_string("code").value_or("malformed") : "malformed");
}

std::string_view proof_name(identity::PeerIdentity::Proof proof) {
  switch (proof) {
    case identity::PeerIdentity::Proof::kNone:
      return "none";
    case identity::PeerIdentity::Proof::kLocalSocket:
      return "local_socket";
    case identity::PeerIdentity::Proof::kX509Svid:
      return "x509_svid";
    case identity::PeerIdentity::Proof::kWorkloadToken:
      return "workload_token";
    case identity::PeerIdentity::Proof::kHttpSignature:
      return "http_signature";
  }
  return "none";
}

// A body whose pieces were read ahead, and what is left of it.
class ResumedBody final : public http::Body {
 public:
  ResumedBody(std::string head, http::BodyPtr rest)
      : head_(std::move(head)), rest_(std::move(rest)) {}
  Task<Result<std::string>> read() override {
    if (!head_.empty()) co_return std::exchange(head_, std::string());
    co_return co_await rest_->read();
  }

 private:
  std::string head_;
  http::BodyPtr rest_;
};

Task<void> record_outcome(Worker& worker, audit::Record record) {
  static_cast<void>(co_await worker.record(std::move(record)));
}

class Run {
 public:
  Run(Worker& worker, const Connection& connection, http::ServerStream& stream)
      : worker_(worker), connection_(connection), stream_(stream) {}

  Task<void> run();

 private:
  // The steps. Each returns the answer when it ends the exchange.
  void build();
  Task<http::Response> answer();
  Task<http::Response> understand();
  Task<http::Response> pass_through();
  Task<http::Response> decide_and_forward();
  Task<std::optional<http::Response>> know_instance();
  void watch_for_clones();
  Task<http::Response> forward(Permit permit);
  Task<Result<http::Response>> narrow(http::Response response);
  Task<Result<http::Response>> hold(http::Response response);
  void mark_session(http::Fields& fields) const;
  Task<void> send(http::Response response);

  Result<void> identify();
  Task<Result<void>> use_up_proof();
  Task<http::Response> refuse_unproven(Error error);
  std::optional<http::Response> refuse_caller() const;
  std::optional<http::Response> refuse_rebound_host() const;
  Task<Result<std::string>> read_body();
  Task<Result<void>> record_decision(bool permit, std::optional<audit::Refusal> refusal);
  Task<http::Response> refuse_early(http::Response response, std::string_view code,
                                    std::string_view why);
  audit::Record describe() const;
  void describe_call(audit::Record& record) const;
  void count(const audit::Record& outcome) const;
  json::Limits json_limits() const {
    json::Limits limits;
    limits.bytes_max = worker_.config().limits.body_bytes_max;
    limits.depth_max = worker_.config().limits.json_depth_max;
    return limits;
  }
  protocol::ToolNaming naming() const {
    protocol::ToolNaming tools;
    if (exchange_.route->mandate.tool_names == config::ToolNames::kUri) {
      tools.upstream = exchange_.route->upstream;
    }
    return tools;
  }
  // Whom sessions and shares belong to.
  std::string peer_name() const {
    return exchange_.caller.spiffe_id.empty() ? "listener:" + connection_.listener.name
                                              : exchange_.caller.spiffe_id;
  }
  const protocol::Call* call() const { return understood_ ? &exchange_.call : nullptr; }

  Worker& worker_;
  const Connection& connection_;
  http::ServerStream& stream_;
  Exchange exchange_;
  bool understood_ = false;
  bool permitted_ = false;
  bool denied_ = false;
  bool gone_ = false;                           // the caller went away
  upstream::Progress progress_;                 // of the call to the upstream
  std::optional<Gate::Registration> on_drain_;  // of an answer without end
  std::optional<Worker::HeldBytes> held_;       // of bodies, given back at the end
  std::optional<wimse::Proven> proven_;         // by the request itself
  std::unique_ptr<Clock::Timer> token_ends_;    // of an answer without end
  std::optional<Error> failure_;
  int status_ = 0;
  std::int64_t bytes_in_ = 0;
  std::int64_t bytes_out_ = 0;
};

void Run::build() {
  exchange_.id = worker_.rng().identifier();
  exchange_.started = worker_.clock().now();
  exchange_.deadline = exchange_.started + worker_.config().timeouts.call;
  exchange_.caller = connection_.peer;
}

Task<void> Run::run() {
  build();
  stream_.on_gone([this] {
    gone_ = true;
    if (progress_.cancel) progress_.cancel();
  });
  http::Response response = co_await answer();
  if (!progress_.left) co_await worker_.filters().unsent(exchange_);
  co_await send(std::move(response));
  stream_.on_gone(nullptr);
  held_.reset();

  audit::Record outcome = describe();
  outcome.phase = audit::Phase::kOutcome;
  outcome.status = status_;
  outcome.bytes_in = bytes_in_;
  outcome.bytes_out = bytes_out_;
  const auto took = worker_.clock().now() - exchange_.started;
  outcome.duration_us = std::chrono::duration_cast<std::chrono::microseconds>(took).count();
  if (failure_) outcome.error = to_string(failure_->code);
  count(outcome);
  // Not awaited: the next exchange of the connection need not wait for the disk.
  worker_.gate().spawn(record_outcome(worker_, std::move(outcome)));
}

Task<http::Response> Run::answer() {
  exchange_.route = route::find(worker_.config(), connection_.listener.name,
                                stream_.head().authority, stream_.head().target);
  if (exchange_.route == nullptr) {
    co_return co_await refuse_early(problem(404, "not_found", "No route serves this path."),
                                    "not_found", "no route serves this path");
  }
  exchange_.upstream = worker_.config().find_upstream(exchange_.route->upstream);
  const Result<void> identified = identify();
  if (!identified) co_return co_await refuse_unproven(identified.error());
  if (std::optional<http::Response> refusal = refuse_caller()) {
    co_return co_await refuse_early(std::move(*refusal), "denied",
                                    "the caller is not one of the route's allowed peers");
  }
  if (exchange_.route->protocol == config::Protocol::kHttp) co_return co_await pass_through();
  co_return co_await understand();
}

// Where a Workload Identity Token says who calls. It may name another workload than the TLS peer
// only if that one is known to bring calls of others: the two never disagree in silence.
Result<void> Run::identify() {
  const std::optional<config::ListenerWimse>& rule = connection_.listener.wimse;
  if (!rule) return {};
  TRY(proven_,
      wimse::prove_peer(stream_.head(), *rule, worker_.wit_keys(), worker_.clock().wall_seconds()));
  const std::string& over_tls = connection_.peer.spiffe_id;
  const bool is_carrier = std::any_of(rule->carriers.begin(), rule->carriers.end(),
                                      [&over_tls](const std::string& pattern) {
                                        return identity::spiffe_id_matches(pattern, over_tls);
                                      });
  if (!proven_) {
    // A carrier never calls for itself: what it brings without a token is anybody's.
    if (!rule->required && !is_carrier) return {};
    return wimse::not_proven("this listener takes only calls with a Workload Identity Token");
  }
  if (over_tls == proven_->peer.spiffe_id) return {};  // what TLS proved is more, and stands
  if (!over_tls.empty() && !is_carrier) {
    return wimse::not_proven(over_tls + " brings no calls of others, and the WIT is of " +
                             proven_->peer.spiffe_id);
  }
  exchange_.caller = proven_->peer;
  return {};
}

// Once, for all workers and replicas that remember together.
Task<Result<void>> Run::use_up_proof() {
  constexpr receipt::Seconds kKeptAfterEnd = 30;
  if (proven_->wit_expires <= exchange_.now || proven_->once.expires <= exchange_.now)
    co_return wimse::not_proven("the token or its proof has expired");
  const receipt::Proof used{proven_->once.name, proven_->once.expires};
  const receipt::Checked<void> first =
      co_await worker_.replays().remember(proven_->key, used, exchange_.now, kKeptAfterEnd);
  if (first) co_return Result<void>();
  if (first.error().code == receipt::Code::kInternal)
    co_return fail(Code::kUnavailable, first.error().sentence);
  co_return wimse::not_proven("the proof was used before");
}

// 400, since 401 would ask for an Authorization field (draft-ietf-wimse-wpt, "Error Conditions").
Task<http::Response> Run::refuse_unproven(Error error) {
  const int status = error.code == Code::kPeerIdentity ? 400 : status_of(error);
  const std::string_view code = to_string(error.code);
  http::Response response = problem(status, code, "Who calls is not proven: " + error.text + ".");
  co_return co_await refuse_early(std::move(response), code, error.text);
}

std::optional<http::Response> Run::refuse_caller() const {
  const config::Listener& listener = connection_.listener;
  if (listener.tls == config::ListenerTls::kNone && !listener.wimse) return refuse_rebound_host();
  const std::vector<std::string>& allowed = exchange_.route->allowed_peers;
  const bool let_in = std::any_of(allowed.begin(), allowed.end(), [&](const std::string& pattern) {
    return identity::spiffe_id_matches(pattern, exchange_.caller.spiffe_id);
  });
  if (let_in) return std::nullopt;
  return problem(403, "denied", exchange_.caller.spiffe_id + " is not allowed to call this route.");
}

// A page in a browser can be made to reach a loopback port under a name of its own (DNS rebinding).
std::optional<http::Response> Run::refuse_rebound_host() const {
  if (connection_.listener.address.starts_with("unix:") || !exchange_.route->host.empty()) {
    return std::nullopt;
  }
  std::string host = stream_.head().authority;
  const std::size_t colon = host.rfind(':');
  if (colon != std::string::npos && host.find(']', colon) == std::string::npos) host.resize(colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (net::Address{host, 0, {}}.is_local()) return std::nullopt;
  return problem(403, "denied", "This listener is called by loopback names only.");
}

Task<http::Response> Run::pass_through() {
  // The configuration allows such a route only with `mandate: off`.
  exchange_.call.is_discovery = true;
  co_return co_await decide_and_forward();
}

Task<http::Response> Run::understand() {
  Result<std::string> body = co_await read_body();
  if (!body) {
    failure_ = body.error();
    co_return co_await refuse_early(failed(nullptr, body.error()), to_string(body.error().code),
                                    body.error().text);
  }
  bytes_in_ = static_cast<std::int64_t>(body->size());
  if (proven_) {
    const Result<void> whole = wimse::check_body(*proven_, stream_.head(), *body);
    if (!whole) co_return co_await refuse_unproven(whole.error());
  }
  const config::Config& config = worker_.config();
  protocol::UnderstandOptions options;
  options.limits = json_limits();
  options.receipts_max = static_cast<std::size_t>(config.receipts.limits.delegation_depth_max) + 1;
  options.receipt_bytes_max = config.receipts.limits.chain_bytes_max;
  options.origins = exchange_.route->allowed_origins;
  options.naming = naming();
  protocol::Accepted<protocol::Call> call = protocol::understand(stream_.head(), *body, options);
  if (!call) {
    const protocol::Rejection rejection = std::move(call).error();
    const std::string code = code_of(rejection);
    co_return co_await refuse_early(protocol::to_response(rejection), code, rejection.message);
  }
  exchange_.call = std::move(*call);
  understood_ = true;
  *body = std::string();  // the call holds its own copy
  if (proven_) {
    const Result<void> covered =
        wimse::check_receipts(*proven_, stream_.head(), !exchange_.call.receipts.empty(),
                              exchange_.call.proof.has_value());
    if (!covered) co_return co_await refuse_unproven(covered.error());
  }
  if (exchange_.call.tool.size() > config.receipts.limits.tool_name_bytes_max) {
    exchange_.call.tool.clear();
    protocol::Rejection rejection;
    rejection.code = protocol::kInvalidParams;
    rejection.message = "The tool's name is too long.";
    rejection.id = exchange_.call.id;
    co_return co_await refuse_early(protocol::to_response(rejection), "too_large",
                                    rejection.message);
  }
  co_return co_await decide_and_forward();
}

Task<Result<std::string>> Run::read_body() {
  const std::size_t bytes_max = worker_.config().limits.body_bytes_max;
  held_.emplace(worker_, peer_name());
  // Framing alone can trickle without ever giving a piece: then the exchange is cut.
  const std::unique_ptr<Clock::Timer> cut =
      worker_.clock().call_at(exchange_.deadline + kLastWord, [this] { stream_.reset(); });
  std::string body;
  while (true) {
    CO_TRY(std::string piece, co_await stream_.body().read());
    if (worker_.clock().now() > exchange_.deadline) {
      co_return fail(Code::kTimeout, Side::kDownstream, "the body did not arrive in time");
    }
    if (piece.empty()) co_return body;
    if (piece.size() > bytes_max - body.size()) {
      worker_.shared().metrics.limit_exceeded(admin::Limit::kBodyBytes);
      co_return fail(Code::kTooLarge, Side::kDownstream,
                     "the body is larger than " + std::to_string(bytes_max) + " bytes");
    }
    if (!held_->add(piece.size())) {
      worker_.shared().metrics.limit_exceeded(admin::Limit::kBufferedBytes);
      co_return fail(Code::kOverloaded, "too many bodies are under way at once");
    }
    if (body.empty()) {
      body = std::move(piece);
    } else {
      body += piece;
    }
  }
}

Task<http::Response> Run::decide_and_forward() {
  std::optional<http::Response> unknown = co_await know_instance();
  if (unknown) co_return std::move(*unknown);
  // Only now: all before may take its time, and a receipt may end meanwhile.
  exchange_.now = worker_.clock().wall_seconds();
  const Clock::WallTime now = worker_.clock().wall();
  const Clock::WallTime ends = std::min(connection_.peer_expires, connection_.own_expires);
  // Told with an answer, an HTTP/1.1 client cannot send into a connection that is being closed.
  if (now > ends - kLastCalls) stream_.close_connection_after();
  if (now > ends) {
    constexpr std::string_view kWhy =
        "The certificate that this connection was opened with has expired.";
    co_return co_await refuse_early(problem(403, "denied", kWhy), "denied", kWhy);
  }
  std::variant<Permit, Deny> decision = co_await worker_.filters().decide(exchange_);
  if (const Deny* deny = std::get_if<Deny>(&decision)) {
    const receipt::Refusal& refusal = deny->refusal;
    denied_ = true;
    const std::string_view code = receipt::to_string(refusal.code);
    worker_.shared().metrics.refused(exchange_.route->name, code);
    audit::Refusal recorded{std::string(code), refusal.hop, refusal.argument, refusal.constraint,
                            refusal.sentence};
    // Refused either way; a record that cannot be written is counted, not answered.
    static_cast<void>(co_await record_decision(false, std::move(recorded)));
    co_return refused(call(), refusal);
  }
  // Not for what is refused anyway: whoever has no receipt shall not fill what all remember in.
  if (proven_) {
    const Result<void> fresh = co_await use_up_proof();
    if (!fresh) co_return co_await refuse_unproven(fresh.error());
  }
  const Result<void> recorded = co_await record_decision(true, std::nullopt);
  if (!recorded) {
    failure_ = recorded.error();
    co_return failed(call(), recorded.error());
  }
  permitted_ = true;
  watch_for_clones();
  co_return co_await forward(std::move(std::get<Permit>(decision)));
}

// Which process calls, asked anew for each call: it can have become another program, or have passed
// its end of the socket on. Where callers are listed, one that is not, or cannot be told, ends
// here.
Task<std::optional<http::Response>> Run::know_instance() {
  std::string why = "The process that calls cannot be told.";
  identity::InstancePtr here;
  if (connection_.caller != nullptr) {
    Result<identity::InstancePtr> instance = co_await connection_.caller->now();
    if (instance) {
      here = std::move(*instance);
      // Where a token says who calls, this process only carries the call.
      if (!proven_) exchange_.caller.instance = here;
      why = "The process that calls is not one of the listener's allowed callers.";
    } else {
      stream_.close_connection_after();  // nothing of it can be believed any more
      log::warn("connection.caller_changed",
                {{"listener", connection_.listener.name}, {"why", instance.error().text}});
      why = "Not the process that opened this connection: " + instance.error().text + ".";
    }
  }
  const std::vector<config::AllowedCaller>& allowed = connection_.listener.allowed_callers;
  if (allowed.empty() || attest::is_among(allowed, here.get())) {
    co_return std::nullopt;
  }
  receipt::Refusal refusal;
  refusal.code = receipt::Code::kWrongInstance;
  refusal.tool = exchange_.call.tool;
  refusal.sentence = std::move(why);
  http::Response answer = refused(call(), refusal);
  co_return co_await refuse_early(std::move(answer), "wrong_instance", refusal.sentence);
}

// A receipt that two instances use at once: both are named, and nothing is refused, since each may
// be in its right.
void Run::watch_for_clones() {
  if (exchange_.call.is_discovery || exchange_.chains.size() != 1) return;
  const std::string& receipt = exchange_.chains.front()->digest();
  std::optional<attest::Clones::Alert> alert =
      worker_.shared().clones.note(receipt, exchange_.caller, worker_.clock().now());
  if (!alert) return;
  worker_.shared().metrics.receipt_clones().add();
  log::warn("receipt.used_by_two", {{"receipt", receipt},
                                    {"instance", alert->returned},
                                    {"other", alert->other},
                                    {"exchange", exchange_.id}});
  audit::Record record = describe();
  describe_call(record);
  record.phase = audit::Phase::kAlert;
  record.instances = {std::move(alert->returned), std::move(alert->other)};
  worker_.gate().spawn(record_outcome(worker_, std::move(record)));
}

Task<http::Response> Run::forward(Permit permit) {
  upstream::Upstream& upstream = worker_.upstream(exchange_.route->upstream);
  const std::string peer = peer_name();
  const upstream::Outgoing outgoing{stream_.head(),  call(), &stream_.body(),    exchange_.receipts,
                                    exchange_.proof, peer,   exchange_.deadline, progress_};
  Result<http::Response> response = fail(Code::kCancelled, "the caller went away");
  if (exchange_.call.is_endless()) {
    on_drain_.emplace(worker_.gate(), [this] {
      if (progress_.cancel) progress_.cancel();
    });
  }
  // A stream lasts no longer than what said who opened it; connections see to that for SVIDs.
  if (exchange_.call.is_endless() && proven_) {
    constexpr std::chrono::duration<double> kLongest = std::chrono::hours(24 * 365);
    const std::chrono::duration<double> left(proven_->wit_expires - exchange_.now);
    const auto until = std::chrono::ceil<Clock::Duration>(std::min(left, kLongest));
    token_ends_ = worker_.clock().call_at(worker_.clock().now() + until, [this] {
      if (progress_.cancel) progress_.cancel();
    });
  }
  if (!gone_) response = co_await upstream.forward(std::move(permit), outgoing);
  if (response) response = co_await narrow(std::move(*response));
  if (response) response = co_await hold(std::move(*response));
  if (response) mark_session(response->head.fields);
  if (!response) {
    failure_ = response.error();
    worker_.shared().metrics.upstream_failed(exchange_.route->upstream, failure_->code);
    log::warn("upstream.failed", {{"upstream", exchange_.route->upstream},
                                  {"code", to_string(failure_->code)},
                                  {"why", failure_->text},
                                  {"exchange", exchange_.id}});
    co_return failed(call(), *failure_);
  }
  co_return std::move(*response);
}

// Lists show only what the receipt grants.
Task<Result<http::Response>> Run::narrow(http::Response response) {
  if (!understood_ || exchange_.call.list == protocol::List::kNone ||
      exchange_.route->mandate.mode == config::MandateMode::kOff ||
      response.head.status / 100 != 2 || response.body->ended()) {
    co_return response;
  }
  if (response.head.fields.count("content-encoding") > 0) {
    co_return fail(Code::kUnsupported, Side::kUpstream,
                   "the server sent a list in an encoding that cannot be read");
  }
  const protocol::ToolNaming tools = naming();
  const protocol::Granted granted = [this](std::string_view tool) {
    return worker_.filters().shows(exchange_, tool);
  };
  const json::Limits limits = json_limits();
  const protocol::List list = exchange_.call.list;
  if (has_type(response.head, "text/event-stream")) {
    protocol::ChangeData change = [list, tools, granted, limits](std::string_view data) {
      return protocol::filter_list(list, data, tools, granted, limits);
    };
    response.body =
        protocol::change_events(std::move(response.body), limits.bytes_max, std::move(change));
    response.head.fields.remove("content-length");
    co_return response;
  }
  CO_TRY(const std::string whole, co_await http::read_all(*response.body, limits.bytes_max));
  const protocol::Accepted<std::string> filtered =
      protocol::filter_list(list, whole, tools, granted, limits);
  if (!filtered) co_return fail(Code::kMalformed, Side::kUpstream, filtered.error().message);
  response.head.fields.set("content-length", std::to_string(filtered->size()));
  response.body = std::make_unique<http::StringBody>(*filtered);
  co_return response;
}

void Run::mark_session(http::Fields& fields) const {
  if (!understood_ || exchange_.call.method != "initialize") return;
  const auto session_id = fields.single("mcp-session-id");
  if (session_id && protocol::says_it_opens_pages(*exchange_.call.message)) {
    fields.set("mcp-session-id", protocol::mark_session(*session_id));
  }
}

// A JSON answer of modest size is complete before its first byte goes out.
Task<Result<http::Response>> Run::hold(http::Response response) {
  if (!understood_ || !has_type(response.head, "application/json")) co_return response;
  std::string held;
  while (held.size() < kHeldAnswerMax) {
    CO_TRY(std::string piece, co_await response.body->read());
    if (piece.empty()) {
      response.head.fields.set("content-length", std::to_string(held.size()));
      response.body = std::make_unique<http::StringBody>(std::move(held));
      co_return response;
    }
    held += piece;
  }
  response.body = std::make_unique<ResumedBody>(std::move(held), std::move(response.body));
  co_return response;
}

Task<void> Run::send(http::Response response) {
  status_ = response.head.status;
  const bool head_only = stream_.head().method == "HEAD" || response.body->ended();
  Result<void> sent = co_await stream_.respond(response.head, head_only);
  while (sent && !head_only) {
    Result<std::string> piece = co_await response.body->read();
    if (!piece) {
      failure_ = piece.error();
      worker_.shared().metrics.upstream_failed(exchange_.route->upstream, failure_->code);
      if (understood_ && exchange_.call.is_endless() && worker_.gate().draining()) {
        static_cast<void>(co_await stream_.send("", true));  // the client opens another elsewhere
      } else if (understood_ && has_type(response.head, "text/event-stream") &&
                 exchange_.call.kind == protocol::CallKind::kRequest) {
        const std::string last = failed_event(exchange_.call, *failure_);
        static_cast<void>(co_await stream_.send(last, true));
      } else {
        stream_.reset();
      }
      co_return;
    }
    const bool last = piece->empty() || response.body->ended();
    bytes_out_ += static_cast<std::int64_t>(piece->size());
    sent = co_await stream_.send(*piece, last);
    if (last) break;
  }
  if (!sent && !failure_) failure_ = std::move(sent).error();
}

Task<Result<void>> Run::record_decision(bool permit, std::optional<audit::Refusal> refusal) {
  audit::Record record = describe();
  describe_call(record);
  record.phase = audit::Phase::kDecision;
  record.permit = permit;
  record.refusal = std::move(refusal);
  co_return co_await worker_.record(std::move(record));
}

Task<http::Response> Run::refuse_early(http::Response response, std::string_view code,
                                       std::string_view why) {
  denied_ = true;
  if (exchange_.route != nullptr) {
    worker_.shared().metrics.refused(exchange_.route->name, code);
  }
  audit::Refusal refusal{std::string(code), -1, {}, {}, std::string(why)};
  static_cast<void>(co_await record_decision(false, std::move(refusal)));
  co_return response;
}

audit::Record Run::describe() const {
  audit::Record record = worker_.new_record();
  record.exchange = exchange_.id;
  if (exchange_.route != nullptr) {
    record.route = exchange_.route->name;
    record.upstream = exchange_.route->upstream;
    record.protocol = exchange_.route->protocol == config::Protocol::kMcp ? "mcp" : "http";
  }
  record.caller = exchange_.caller.spiffe_id;
  record.caller_proof = proof_name(exchange_.caller.proof);
  record.permit = permitted_;
  record.method = exchange_.call.method.empty() ? stream_.head().method : exchange_.call.method;
  record.tool = exchange_.call.tool;
  return record;
}

// What the decision was about; the outcome names it by the exchange.
void Run::describe_call(audit::Record& record) const {
  const protocol::Call& call = exchange_.call;
  if (const identity::InstancePtr& instance = exchange_.caller.instance) {
    record.caller_executable = instance->executable;
    record.caller_sha256 = instance->executable_sha256;
    record.caller_pid = instance->process;
  }
  if (call.arguments != nullptr) {
    record.arguments_hash = audit::arguments_hash(*call.arguments);
    if (worker_.config().audit.arguments == config::AuditArguments::kFull) {
      record.arguments = json::canonical(*call.arguments);
    }
  }
  if (exchange_.chains.size() != 1) return;
  const receipt::VerifiedChain& chain = *exchange_.chains.front();
  record.receipt = chain.digest();
  for (std::size_t hop = 0; hop < chain.size(); ++hop) record.chain.push_back(chain.jti(hop));
  record.user = chain.mandate(0).user.value_or("");
  record.intent = chain.mandate(0).intent.value_or("");
  if (!exchange_.approval) return;
  record.ticket = exchange_.approval->ticket;
  record.approved_by = exchange_.approval->by;
}

void Run::count(const audit::Record& outcome) const {
  if (exchange_.route == nullptr) return;
  worker_.count_cache();
  const admin::Metrics::Route& route = worker_.shared().metrics.route(exchange_.route->name);
  const auto took = std::chrono::microseconds(outcome.duration_us);
  route.duration.observe(took);
  if (failure_) {
    route.failed.add();
  } else if (denied_) {
    route.denied.add();
  } else {
    route.permitted.add();
  }
}

}  // namespace

Task<void> run_exchange(Worker& worker, const Connection& connection, http::ServerStream& stream) {
  Run run(worker, connection, stream);
  co_await run.run();
}

}  // namespace mandated::server
