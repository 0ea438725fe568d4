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

// Fields in which a caller could claim to be somebody else, or to mean another method or field, to
// a server that trusts what stands before it.
void strip_doubtful(http::Fields& fields) {
  std::vector<std::string> doubtful;
  for (const http::Field& field : fields.all()) {
    const std::string_view name = field.name;
    if (name == "forwarded" || name.starts_with("x-forwarded-") ||
        name.starts_with("x-http-method") || name == "x-method-override" ||
        name.find('_') != std::string_view::npos) {
      doubtful.push_back(field.name);
    }
  }
  for (const std::string& name : doubtful) fields.remove(name);
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
    http::RequestHead head = outgoing.head;
    head.scheme = config_.tls ? "https" : "http";
    head.authority = config_.authority();
    if (!config_.path.empty()) head.target = config_.path + query_of(head.target);
    std::string bytes;
    Pool::Payload payload;
    if (outgoing.call != nullptr) {
      strip_doubtful(head.fields);
      // Only an id that this peer was given goes out; the revision without sessions sends none.
      head.fields.remove(kSessionField);
      if (!outgoing.call->session_id.empty()) {
        const auto session_id = seal_.open(outgoing.call->session_id, outgoing.peer);
        if (!session_id) co_return protocol::to_response(no_such_session(*outgoing.call));
        head.fields.set(std::string(kSessionField), *session_id);
      }
      protocol::set_delegation_fields(head.fields, outgoing.receipts, outgoing.proof);
      // A list must come back in a form that can be read and cut down.
      if (outgoing.call->list != protocol::List::kNone) {
        head.fields.remove("accept-encoding");
        head.fields.remove("range");
      }
      if (outgoing.call->message) bytes = protocol::without_receipt(*outgoing.call->message);
      // The length is ours: a body that was decoded and checked is sent as it was checked.
      head.fields.remove("content-length");
      if (!bytes.empty()) head.fields.set("content-length", std::to_string(bytes.size()));
      payload.bytes = bytes;
    } else {
      protocol::set_delegation_fields(head.fields, {}, {});
      if (!outgoing.stream->ended()) payload.stream = outgoing.stream;
    }
    const bool endless = outgoing.call != nullptr && outgoing.call->is_endless();
    const Clock::Duration idle = endless ? stream_idle_ : Clock::Duration::zero();
    CO_TRY(http::Response response,
           co_await pool_.send(head, payload, outgoing.deadline, idle, outgoing.cancel));
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
