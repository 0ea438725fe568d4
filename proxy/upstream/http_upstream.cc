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

// Whether a field of an MCP request goes on. The length is ours, since a body that was checked is
// sent as it was checked; a session id goes only when this peer was given it; receipts are set
// anew. A list must come back in a form that can be read and cut down. The rest are fields in which
// a caller could claim to be somebody else, or to mean another method or field, to a server that
// trusts what stands before it.
bool goes_on(std::string_view name, bool is_list) {
  if (name == "content-length" || name == kSessionField || name == "delegation-receipt" ||
      name == "delegation-proof") {
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
               const SessionSeal::Key& session_key, net::Dialer& dialer, Clock& clock, Gate& gate,
               std::function<tls::ContextPtr()> context)
      : config_(config),
        stream_idle_(stream_idle),
        seal_(session_key, config.name),
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
      if (!outgoing.stream->ended()) payload.stream = outgoing.stream;
    }
    const bool endless = outgoing.call != nullptr && outgoing.call->is_endless();
    const Clock::Duration idle = endless ? stream_idle_ : Clock::Duration::zero();
    CO_TRY(http::Response response,
           co_await pool_.send(head, payload, outgoing.deadline, idle, outgoing.progress));
    const auto given = response.head.fields.single(kSessionField);
    if (outgoing.call != nullptr && given) {
      response.head.fields.set(std::string(kSessionField), seal_.seal(*given, outgoing.peer));
    }
    co_return response;
  }

  void retire_connections() override { pool_.retire_connections(); }
  void drain() override { pool_.drain(); }

 private:
  static std::string query_of(std::string_view target) {
    const std::size_t mark = target.find('?');
    return mark == std::string_view::npos ? std::string() : std::string(target.substr(mark));
  }

  const config::Upstream& config_;
  Clock::Duration stream_idle_;
  SessionSeal seal_;
  Pool pool_;
};

}  // namespace

std::unique_ptr<Upstream> make_http_upstream(const config::Upstream& config,
                                             const config::Timeouts& timeouts,
                                             const config::Limits& limits,
                                             const SessionSeal::Key& session_key,
                                             net::Dialer& dialer, Clock& clock, Gate& gate,
                                             std::function<tls::ContextPtr()> context) {
  return std::make_unique<HttpUpstream>(config, pool_options(config, timeouts, limits),
                                        timeouts.stream_idle, session_key, dialer, clock, gate,
                                        std::move(context));
}

}  // namespace mandated::upstream
