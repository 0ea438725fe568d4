#include "proxy/upstream/http_upstream.h"

#include <utility>

#include "proxy/protocol/mcp.h"

namespace mandated::upstream {

namespace {

PoolOptions pool_options(const config::Upstream& config, const config::Timeouts& timeouts,
                         const config::Limits& limits) {
  PoolOptions options;
  options.address = config.unix_path.empty() ? net::Address{config.host, config.port, {}}
                                             : net::Address{{}, 0, config.unix_path};
  options.scheme = config.tls ? "https" : "http";
  options.version = config.http_version == config::HttpVersion::k2    ? HttpVersion::kHttp2
                    : config.http_version == config::HttpVersion::k11 ? HttpVersion::kHttp1
                                                                      : HttpVersion::kAuto;
  options.connections_max = config.pool.connections_max;
  options.connect_timeout = timeouts.connect;
  options.handshake_timeout = timeouts.handshake;
  options.idle_timeout = config.pool.idle_timeout;
  options.limits.header_bytes_max = limits.header_bytes_max;
  return options;
}

constexpr std::string_view kSessionField = "mcp-session-id";

// To another peer a session does not exist (MCP 2025-11-25, "Session Management").
protocol::Rejection no_such_session(const protocol::Call& call) {
  return {404, protocol::kInvalidRequest, "There is no such session.", call.id, {}};
}

bool is_proof_of_sender(std::string_view name) {
  return name == "workload-identity-token" || name == "workload-proof-token" ||
         name == "signature" || name == "signature-input";
}

// Whether a field of an MCP request goes on. The length is ours, since a body that was checked is
// sent as it was checked; a session id goes only when this peer was given it; receipts are set
// anew, and so is what proves who calls: it was meant for us, and covers what came, not what goes.
// A list must come back in a form that can be read and cut down. The rest are fields in which
// a caller could claim to be somebody else, or to mean another method or field, to a server that
// trusts what stands before it.
bool goes_on(std::string_view name, bool is_list) {
  if (name == "content-length" || name == kSessionField || name == "delegation-receipt" ||
      name == "delegation-proof" || is_proof_of_sender(name) || name == "content-digest") {
    return false;
  }
  if (is_list && (name == "accept-encoding" || name == "range")) return false;
  return name != "forwarded" && !name.starts_with("x-forwarded-") &&
         !name.starts_with("x-http-method") && name != "x-method-override" &&
         name.find('_') == std::string_view::npos;
}

class HttpUpstream final : public Upstream {
 public:
  HttpUpstream(const config::Upstream& config, PoolOptions options, Clock::Duration stream_idle,
               std::size_t answer_bytes_max, const SessionSeal::Key& session_key,
               net::Dialer& dialer, Clock& clock, Gate& gate,
               std::function<tls::ContextPtr()> context, Credentials credentials)
      : config_(config),
        stream_idle_(stream_idle),
        answer_bytes_max_(answer_bytes_max),
        seal_(session_key, config.name),
        credentials_(std::move(credentials)),
        pool_(std::move(options), dialer, clock, gate, std::move(context)) {}

  Task<Result<http::Response>> forward(Permit, const Outgoing& outgoing) override {
    http::RequestHead head;
    head.method = outgoing.head.method;
    head.scheme = config_.tls ? "https" : "http";
    head.authority = config_.authority();
    head.target =
        config_.path.empty() ? outgoing.head.target : config_.path + query_of(outgoing.head.target);
    std::string bytes;
    Pool::Payload payload;
    if (outgoing.call != nullptr) {
      const bool is_list = outgoing.call->list != protocol::List::kNone;
      for (const http::Field& field : outgoing.head.fields.all()) {
        // Evidence is a part of what receipts prove, and goes where they go.
        if (field.name == "delegation-evidence" && outgoing.receipts.empty()) continue;
        if (goes_on(field.name, is_list)) head.fields.add(field.name, field.value);
      }
      if (!outgoing.call->session_id.empty()) {
        const auto session_id = seal_.open(outgoing.call->session_id, outgoing.peer);
        if (!session_id) co_return protocol::to_response(no_such_session(*outgoing.call));
        head.fields.add(std::string(kSessionField), *session_id);
      }
      protocol::set_delegation_fields(head.fields, outgoing.receipts, outgoing.proof);
      if (outgoing.call->message) bytes = protocol::without_receipt(*outgoing.call->message);
      if (!bytes.empty()) head.fields.add("content-length", std::to_string(bytes.size()));
      payload.bytes = bytes;
    } else {
      head.fields = outgoing.head.fields;
      protocol::set_delegation_fields(head.fields, {}, {});
      head.fields.remove("workload-identity-token");
      head.fields.remove("workload-proof-token");
      if (!outgoing.stream->ended()) payload.stream = outgoing.stream;
    }
    if (credentials_.attach) {
      CO_CHECK(credentials_.attach(head, bytes));
    }
    const bool endless = outgoing.call != nullptr && outgoing.call->is_endless();
    const Clock::Duration idle = endless ? stream_idle_ : Clock::Duration::zero();
    CO_TRY(http::Response response,
           co_await pool_.send(head, payload, outgoing.deadline, idle, outgoing.progress));
    if (credentials_.has_own && credentials_.has_own(response.head)) {
      CO_CHECK(co_await check_answer(head, response));
    }
    const auto given = response.head.fields.single(kSessionField);
    if (outgoing.call != nullptr && given) {
      response.head.fields.set(std::string(kSessionField), seal_.seal(*given, outgoing.peer));
    }
    co_return response;
  }

  void retire_connections() override { pool_.retire_connections(); }
  void drain() override { pool_.drain(); }

 private:
  // What proves the answer was for us: it ends here, since the caller may get less than the server
  // sent.
  Task<Result<void>> check_answer(const http::RequestHead& sent, http::Response& response) {
    CO_TRY(std::string whole, co_await http::read_all(*response.body, answer_bytes_max_));
    Result<void> good = credentials_.check(sent, response.head, whole);
    if (!good) co_return fail(good.error().code, Side::kUpstream, std::move(good.error().text));
    for (const std::string_view name :
         {"workload-identity-token", "signature", "signature-input", "content-digest"}) {
      response.head.fields.remove(name);
    }
    response.body = std::make_unique<http::StringBody>(std::move(whole));
    co_return Result<void>();
  }

  static std::string query_of(std::string_view target) {
    const std::size_t mark = target.find('?');
    return mark == std::string_view::npos ? std::string() : std::string(target.substr(mark));
  }

  const config::Upstream& config_;
  Clock::Duration stream_idle_;
  std::size_t answer_bytes_max_;  // of those that are read whole
  SessionSeal seal_;
  Credentials credentials_;
  Pool pool_;
};

}  // namespace

std::unique_ptr<Upstream> make_http_upstream(
    const config::Upstream& config, const config::Timeouts& timeouts, const config::Limits& limits,
    const SessionSeal::Key& session_key, net::Dialer& dialer, Clock& clock, Gate& gate,
    std::function<tls::ContextPtr()> context, Credentials credentials) {
  return std::make_unique<HttpUpstream>(
      config, pool_options(config, timeouts, limits), timeouts.stream_idle, limits.body_bytes_max,
      session_key, dialer, clock, gate, std::move(context), std::move(credentials));
}

}  // namespace mandated::upstream
