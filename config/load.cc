#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>
#include <tuple>

#include "config/config.h"
#include "config/cross_check.h"
#include "config/cursor.h"
#include "config/schema.h"
#include "config/units.h"
#include "config/yaml.h"

namespace mandated::config {

namespace {

constexpr std::size_t kProblemsMax = 10;

/// Where relative paths start: the folder of the file, absolute.
class Folder {
 public:
  explicit Folder(std::string_view file) {
    std::error_code error;
    const std::filesystem::path whole = std::filesystem::absolute(std::string(file), error);
    folder_ = error ? std::filesystem::path("/") : whole.parent_path();
  }
  void resolve(std::string& path) const {
    if (!path.empty()) path = (folder_ / path).lexically_normal().string();
  }
  std::string text() const { return folder_.lexically_normal().string(); }

 private:
  std::filesystem::path folder_;
};

const auto kAnyText = [](const std::string&) { return Parsed<void>(); };
const auto kSpiffePattern = [](const std::string& text) { return check_spiffe_id(text, true); };
const auto kPeerPattern = [](const std::string& text) { return check_peer(text); };

/// unix: paths become absolute and must fit into a socket address.
void read_address(const Cursor& at, const Folder& folder, std::string& out,
                  Parsed<ListenAddress> (*parse)(std::string_view) = parse_listen_address) {
  at.text("address", out);
  if (out.empty()) return;
  const Parsed<ListenAddress> parsed = parse(out);
  at.check("address", parsed);
  if (!parsed || parsed->unix_path.empty()) return;
  std::string path = parsed->unix_path;
  folder.resolve(path);
  if (path.size() > kUnixPathBytesMax) at.problem("address", "expected a shorter socket path");
  out = "unix:" + path;
}

void read_name(const Cursor& at, std::string& out) {
  at.text("name", out);
  if (!out.empty()) at.check("name", check_name(out));
}

Identity read_identity(const Cursor& at, const Folder& folder) {
  Identity identity;
  at.member("embedded", [&](const Cursor& one) {
    EmbeddedIdentity& own = identity.embedded.emplace();
    one.text("state", own.state);
    folder.resolve(own.state);
    one.text("trust_domain", own.trust_domain);
    if (!own.trust_domain.empty()) one.check("trust_domain", check_trust_domain(own.trust_domain));
    one.text("spiffe_id", own.spiffe_id);
    if (!own.spiffe_id.empty()) one.check("spiffe_id", check_spiffe_id(own.spiffe_id, false));
    one.duration("svid_ttl", own.svid_ttl);
    if (own.svid_ttl < seconds(1) || own.svid_ttl > hours(24))
      one.problem("svid_ttl", "expected between 1s and 24h");
  });
  at.member("workload_api", [&](const Cursor& one) {
    WorkloadApi& own = identity.workload_api.emplace();
    one.text("endpoint", own.endpoint);
    one.text("spiffe_id", own.spiffe_id);
    if (!own.spiffe_id.empty()) one.check("spiffe_id", check_spiffe_id(own.spiffe_id, false));
    one.text("hint", own.hint);
    one.duration("startup_timeout", own.startup_timeout);
    if (own.startup_timeout < seconds(1) || own.startup_timeout > hours(1))
      one.problem("startup_timeout", "expected between 1s and 1h");
  });
  at.each("trust_bundles", [&](const Cursor& one) {
    TrustBundle bundle;
    one.text("trust_domain", bundle.trust_domain);
    if (!bundle.trust_domain.empty())
      one.check("trust_domain", check_trust_domain(bundle.trust_domain));
    one.text("file", bundle.file);
    folder.resolve(bundle.file);
    identity.trust_bundles.push_back(std::move(bundle));
  });
  return identity;
}

AllowedCaller read_caller(const Cursor& at) {
  AllowedCaller caller;
  for (const char* name : {"uid", "gid"}) {
    at.member(name, [&](const Cursor& one) {
      if (one.value().is_number_integer())
        caller[std::string("unix:") + name] = std::to_string(one.value().get<std::uint32_t>());
    });
  }
  const auto text = [&](const char* name, const char* selector, const auto& fits,
                        const char* wanted) {
    std::string value;
    at.text(name, value);
    if (value.empty()) return;
    if (!fits(value)) at.problem(name, wanted);
    caller[selector] = std::move(value);
  };
  const auto absolute = [](const std::string& value) { return value.front() == '/'; };
  const auto digest = [](const std::string& value) {
    return value.size() == 64 && value.find_first_not_of("0123456789abcdef") == std::string::npos;
  };
  const auto any = [](const std::string&) { return true; };
  text("path", "unix:path", absolute, "expected an absolute path");
  text("sha256", "unix:sha256", digest, "expected 64 hexadecimal digits in lower case");
  text("cgroup", "unix:cgroup", absolute, "expected a path such as /system.slice/agent.service");
  text("container_id", "container:id", digest, "expected 64 hexadecimal digits in lower case");
  text("pod_uid", "k8s:pod-uid", any, "");
  if (caller.empty()) at.problem("expected at least one member");
  return caller;
}

void read_wimse_method(const Cursor& at, WimseMethod& method) {
  at.choice("method",
            {{"token", WimseMethod::kToken},
             {"signature", WimseMethod::kSignature},
             {"any", WimseMethod::kAny}},
            method);
}

ListenerWimse read_listener_wimse(const Cursor& at) {
  ListenerWimse wimse;
  at.choice("mode", {{"accept", false}, {"require", true}}, wimse.required);
  read_wimse_method(at, wimse.method);
  at.strings("audiences", wimse.audiences,
             [](const std::string& text) { return check_audience(text); });
  at.strings("carriers", wimse.carriers, kSpiffePattern);
  return wimse;
}

UpstreamWimse read_upstream_wimse(const Cursor& at) {
  UpstreamWimse wimse;
  read_wimse_method(at, wimse.method);
  at.text("audience", wimse.audience);
  if (!wimse.audience.empty()) at.check("audience", check_audience(wimse.audience));
  return wimse;
}

Listener read_listener(const Cursor& at, const Folder& folder) {
  Listener listener;
  read_name(at, listener.name);
  read_address(at, folder, listener.address);
  at.choice("tls", {{"none", ListenerTls::kNone}, {"mtls", ListenerTls::kMtls}}, listener.tls);
  at.boolean("allow_tls12", listener.allow_tls12);
  at.each("allowed_callers",
          [&](const Cursor& one) { listener.allowed_callers.push_back(read_caller(one)); });
  at.member("wimse", [&](const Cursor& one) { listener.wimse = read_listener_wimse(one); });
  return listener;
}

Mandate read_mandate(const Cursor& at) {
  Mandate mandate;
  if (at.is_string()) {
    mandate.mode = MandateMode::kOff;
    if (at.value() != "off") at.problem("expected members or off");
    return mandate;
  }
  at.choice("mode", {{"enforce", MandateMode::kEnforce}, {"attach", MandateMode::kAttach}},
            mandate.mode);
  at.choice("discovery", {{"open", Discovery::kOpen}, {"receipt", Discovery::kReceipt}},
            mandate.discovery);
  at.strings("audiences", mandate.audiences,
             [](const std::string& text) { return check_audience(text); });
  at.choice("proof", {{"required", ProofMode::kRequired}, {"mtls", ProofMode::kMtls}},
            mandate.proof);
  at.choice("tool_names", {{"plain", ToolNames::kPlain}, {"uri", ToolNames::kUri}},
            mandate.tool_names);
  at.strings("instance_vouchers", mandate.instance_vouchers, kSpiffePattern);
  return mandate;
}

Route read_route(const Cursor& at) {
  Route route;
  read_name(at, route.name);
  at.text("listener", route.listener);
  at.text("host", route.host);
  if (!route.host.empty()) at.check("host", check_host(route.host));
  std::transform(route.host.begin(), route.host.end(), route.host.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  at.text("path", route.path);
  if (!route.path.empty()) at.check("path", check_route_path(route.path));
  at.choice("protocol", {{"mcp", Protocol::kMcp}, {"http", Protocol::kHttp}}, route.protocol);
  at.text("upstream", route.upstream);
  at.strings("allowed_peers", route.allowed_peers, kPeerPattern);
  at.strings("allowed_origins", route.allowed_origins,
             [](const std::string& text) { return check_origin(text); });
  at.member("mandate", [&](const Cursor& one) { route.mandate = read_mandate(one); });
  return route;
}

void read_environment(const Cursor& at, std::map<std::string, std::string>& out) {
  if (!at.is_object()) return;
  for (const auto& [name, value] : at.value().items()) {
    if (name.empty() || name.find('=') != std::string::npos)
      at.problem(name, "expected the name of an environment variable");
    if (value.is_string()) out[name] = value.get<std::string>();
  }
}

/// Members that belong to the other kind of upstream.
void refuse_members(const Cursor& at, std::initializer_list<const char*> names, const char* kind) {
  for (const char* name : names)
    if (at.has(name)) at.problem(name, std::string("goes with ") + kind + " only");
}

void read_url_upstream(const Cursor& at, const Folder& folder, Upstream& upstream) {
  at.text("url", upstream.url);
  at.text("unix", upstream.unix_path);
  folder.resolve(upstream.unix_path);
  if (upstream.unix_path.size() > kUnixPathBytesMax)
    at.problem("unix", "expected a shorter socket path");
  if (!upstream.url.empty()) {
    const Parsed<Url> url = parse_url(upstream.url);
    at.check("url", url);
    if (url) {
      upstream.tls = url->tls;
      upstream.host = url->host;
      upstream.port = url->port;
      upstream.path = url->path;
      if (!url->tls && !url->local && upstream.unix_path.empty())
        at.problem("url", "expected https: plaintext goes to loopback or a Unix socket only");
    }
  }
  at.strings("spiffe_ids", upstream.spiffe_ids, kSpiffePattern);
  at.choice("http_version",
            {{"auto", HttpVersion::kAuto}, {"1.1", HttpVersion::k11}, {"2", HttpVersion::k2}},
            upstream.http_version);
  at.choice("receipts", {{"pass", ReceiptForwarding::kPass}, {"strip", ReceiptForwarding::kStrip}},
            upstream.receipts);
  at.member("wimse", [&](const Cursor& one) { upstream.wimse = read_upstream_wimse(one); });
  at.member("pool", [&](const Cursor& pool) {
    pool.number("connections_max", upstream.pool.connections_max);
    pool.duration("idle_timeout", upstream.pool.idle_timeout);
  });
  refuse_members(at, {"env", "cwd", "restart", "sessions_max"}, "command");
}

void read_command_upstream(const Cursor& at, const Folder& folder, Upstream& upstream) {
  at.strings("command", upstream.command, kAnyText);
  at.member("env", [&](const Cursor& env) { read_environment(env, upstream.env); });
  at.text("cwd", upstream.cwd);
  folder.resolve(upstream.cwd);
  if (upstream.cwd.empty()) upstream.cwd = folder.text();
  at.member("restart", [&](const Cursor& restart) {
    restart.duration("backoff_min", upstream.restart.backoff_min);
    restart.duration("backoff_max", upstream.restart.backoff_max);
    if (upstream.restart.backoff_min > upstream.restart.backoff_max)
      restart.problem("backoff_min", "expected no more than backoff_max");
  });
  at.number("sessions_max", upstream.sessions_max);
  refuse_members(at, {"unix", "spiffe_ids", "http_version", "receipts", "wimse", "pool"}, "url");
}

Upstream read_upstream(const Cursor& at, const Folder& folder) {
  Upstream upstream;
  read_name(at, upstream.name);
  if (at.has("url") == at.has("command"))
    at.problem("expected either url or command");
  else if (at.has("url"))
    read_url_upstream(at, folder, upstream);
  else
    read_command_upstream(at, folder, upstream);
  return upstream;
}

void read_user(const Cursor& at, std::string& user) {
  at.text("user", user);
  if (!user.empty() && user.find(':') == std::string::npos)
    at.problem("user", "expected a URI such as mailto:alice@example.org");
}

void read_passkey(const Cursor& at, Anchor& anchor) {
  at.text("credential_id", anchor.credential_id);
  if (!anchor.credential_id.empty())
    at.check("credential_id", check_credential_id(anchor.credential_id));
  at.member("public_key", [](const Cursor& jwk) {
    if (jwk.has("d")) jwk.problem("d", "a private key; expected the public one");
  });
  std::string rp_id;
  at.text("rp_id", rp_id);
  if (!rp_id.empty()) at.check("rp_id", check_rp_id(rp_id));
  std::vector<std::string> origins;
  at.strings("origins", origins,
             [&](const std::string& text) { return check_passkey_origin(text, rp_id); });
  std::string user;
  read_user(at, user);
  anchor.webauthn = at.value().dump();
}

/// Constraints are the receipt engine's to read (proxy/server/anchors); here only their outline.
void check_tool(const Cursor& tool) {
  if (!tool.is_object()) return;
  for (const auto& [name, constraint] : tool.value().items()) {
    const bool typed = constraint.is_object() && constraint.contains("constraint_type") &&
                       constraint["constraint_type"].is_string();
    if (!typed) tool.problem(name, "expected a constraint such as {constraint_type: wildcard}");
  }
}

std::string read_ceiling(const Cursor& at) {
  if (!at.is_object()) return "";
  nlohmann::json ceiling = at.value();
  at.member("tools", [](const Cursor& tools) {
    if (!tools.is_object()) return;
    for (const auto& [name, ignored] : tools.value().items()) tools.member(name, check_tool);
  });
  std::vector<std::string> holders;
  at.strings("holders", holders, kSpiffePattern);
  if (at.has("lifetime")) {
    Duration lifetime{};
    at.duration("lifetime", lifetime);
    ceiling["lifetime"] = std::chrono::duration<double>(lifetime).count();
  }
  return ceiling.dump();
}

Anchor read_anchor(const Cursor& at, const Folder& folder) {
  Anchor anchor;
  anchor.line = at.position().line;
  anchor.column = at.position().column;
  if (at.has("file") + at.has("jwk") + at.has("webauthn") != 1)
    at.problem("expected either file, jwk or webauthn");
  at.text("file", anchor.file);
  folder.resolve(anchor.file);
  at.member("jwk", [&](const Cursor& jwk) {
    if (jwk.has("d")) jwk.problem("d", "a private key; expected the public one");
    anchor.jwk = jwk.value().dump();
  });
  at.member("webauthn", [&](const Cursor& one) { read_passkey(one, anchor); });
  if (at.has("webauthn")) {
    refuse_members(at, {"user"}, "file and jwk");
  } else {
    read_user(at, anchor.user);
  }
  at.choice("use", {{"roots", AnchorUse::kRoots}, {"approvals", AnchorUse::kApprovals}},
            anchor.use);
  at.member("ceiling", [&](const Cursor& one) { anchor.ceiling = read_ceiling(one); });
  return anchor;
}

void read_receipt_limits(const Cursor& at, ReceiptLimits& limits) {
  at.lower_size("token_bytes_max", limits.token_bytes_max);
  at.lower_size("chain_bytes_max", limits.chain_bytes_max);
  at.number("tools_max", limits.tools_max);
  at.number("constraints_per_tool_max", limits.constraints_per_tool_max);
  at.number("constraint_depth_max", limits.constraint_depth_max);
  at.number("tool_name_bytes_max", limits.tool_name_bytes_max);
  at.lower_size("constraint_value_bytes_max", limits.constraint_value_bytes_max);
  at.number("delegation_depth_max", limits.delegation_depth_max);
  at.lower_duration("iat_skew_max", limits.iat_skew_max);
  at.lower_duration("proof_window", limits.proof_window);
  at.lower_duration("token_lifetime_max", limits.token_lifetime_max);
}

Valkey read_valkey(const Cursor& at, const Folder& folder) {
  Valkey valkey;
  read_address(at, folder, valkey.address, parse_server_address);
  at.strings("spiffe_ids", valkey.spiffe_ids, kSpiffePattern);
  at.text("ca_file", valkey.ca_file);
  folder.resolve(valkey.ca_file);
  if (!valkey.spiffe_ids.empty() && !valkey.ca_file.empty())
    at.problem("ca_file", "expected either spiffe_ids or ca_file");
  const Parsed<ListenAddress> parsed = parse_server_address(valkey.address);
  if (parsed && !parsed->local && valkey.spiffe_ids.empty() && valkey.ca_file.empty()) {
    at.problem("expected spiffe_ids or ca_file: plaintext goes to loopback or a Unix socket only");
  }
  if (parsed && !parsed->unix_path.empty() && !valkey.ca_file.empty())
    at.problem("ca_file", "goes with host:port only");
  at.text("user", valkey.user);
  at.text("password_file", valkey.password_file);
  folder.resolve(valkey.password_file);
  if (!valkey.user.empty() && valkey.password_file.empty())
    at.problem("password_file", "missing; user needs it");
  at.text("prefix", valkey.prefix);
  at.check("prefix", check_name(valkey.prefix));
  at.duration("timeout", valkey.timeout);
  if (valkey.timeout > seconds(10)) at.problem("timeout", "expected at most 10s");
  return valkey;
}

Status read_status(const Cursor& at, const Folder& folder) {
  Status status;
  at.strings("lists", status.lists, [](const std::string& text) { return check_list_place(text); });
  at.strings("issuers", status.issuers, kAnyText);
  for (std::string& file : status.issuers) folder.resolve(file);
  at.duration("grace", status.grace);
  at.duration("ttl_min", status.ttl_min);
  at.duration("ttl_max", status.ttl_max);
  if (status.ttl_min < seconds(1)) at.problem("ttl_min", "expected at least 1s");
  if (status.ttl_min > status.ttl_max) at.problem("ttl_min", "expected no more than ttl_max");
  at.duration("age_max", status.age_max);
  at.duration("timeout", status.timeout);
  at.number("lists_max", status.lists_max);
  at.size("bytes_max", status.bytes_max);
  return status;
}

Evidence read_evidence(const Cursor& at, const Folder& folder) {
  Evidence evidence;
  at.text("nitro_roots", evidence.nitro_roots);
  folder.resolve(evidence.nitro_roots);
  at.text("dcap_roots", evidence.dcap_roots);
  folder.resolve(evidence.dcap_roots);
  if (evidence.nitro_roots.empty() && evidence.dcap_roots.empty())
    at.problem("expected nitro_roots or dcap_roots");
  return evidence;
}

Receipts read_receipts(const Cursor& at, const Folder& folder) {
  Receipts receipts;
  at.each("anchors",
          [&](const Cursor& one) { receipts.anchors.push_back(read_anchor(one, folder)); });
  at.member("consent", [&](const Cursor& one) {
    one.text("url", receipts.consent_url);
    if (!receipts.consent_url.empty()) one.check("url", check_service(receipts.consent_url));
  });
  at.member("wallet", [&](const Cursor& one) {
    Wallet& wallet = receipts.wallet.emplace();
    one.text("folder", wallet.folder);
    folder.resolve(wallet.folder);
    one.text("holder_key", wallet.holder_key);
    folder.resolve(wallet.holder_key);
  });
  at.member("evidence", [&](const Cursor& one) { receipts.evidence = read_evidence(one, folder); });
  at.member("status", [&](const Cursor& one) { receipts.status = read_status(one, folder); });
  at.member("limits", [&](const Cursor& one) { read_receipt_limits(one, receipts.limits); });
  at.number("cache_entries_max", receipts.cache_entries_max);
  at.text("ledger", receipts.ledger);
  if (!receipts.ledger.empty()) folder.resolve(receipts.ledger);
  at.member("valkey", [&](const Cursor& one) { receipts.valkey = read_valkey(one, folder); });
  if (receipts.valkey && !receipts.ledger.empty())
    at.problem("ledger", "expected either ledger or valkey");
  return receipts;
}

Audit read_audit(const Cursor& at, const Folder& folder) {
  Audit audit;
  at.text("file", audit.file);
  folder.resolve(audit.file);
  at.choice("mode", {{"before", AuditMode::kBefore}, {"after", AuditMode::kAfter}}, audit.mode);
  at.choice("arguments", {{"hash", AuditArguments::kHash}, {"full", AuditArguments::kFull}},
            audit.arguments);
  return audit;
}

void read_limits(const Cursor& at, Limits& limits) {
  at.size("body_bytes_max", limits.body_bytes_max);
  at.size("header_bytes_max", limits.header_bytes_max);
  at.number("json_depth_max", limits.json_depth_max);
  at.number("streams_max", limits.streams_max);
  at.number("connections_max", limits.connections_max);
  at.number("sessions_max", limits.sessions_max);
  at.size("buffered_bytes_max", limits.buffered_bytes_max);
  if (limits.body_bytes_max > limits.buffered_bytes_max)
    at.problem("body_bytes_max", "expected no more than buffered_bytes_max");
  if (limits.header_bytes_max < 1024 || limits.header_bytes_max > 1U << 20U)
    at.problem("header_bytes_max", "expected between 1KiB and 1MiB");
}

void read_timeouts(const Cursor& at, Timeouts& timeouts) {
  at.duration("connect", timeouts.connect);
  at.duration("handshake", timeouts.handshake);
  at.duration("header", timeouts.header);
  at.duration("idle", timeouts.idle);
  at.duration("body", timeouts.body);
  at.duration("call", timeouts.call);
  at.duration("drain", timeouts.drain);
  at.duration("stream_idle", timeouts.stream_idle);
}

Log read_log(const Cursor& at) {
  Log log;
  at.choice("level",
            {{"debug", LogLevel::kDebug},
             {"info", LogLevel::kInfo},
             {"warn", LogLevel::kWarn},
             {"error", LogLevel::kError}},
            log.level);
  at.choice("format", {{"json", LogFormat::kJson}, {"text", LogFormat::kText}}, log.format);
  return log;
}

LocalApi read_local_api(const Cursor& at, const Folder& folder) {
  LocalApi local;
  at.text("socket", local.socket);
  folder.resolve(local.socket);
  if (local.socket.size() > kUnixPathBytesMax)
    at.problem("socket", "expected a shorter socket path");
  at.each("allowed_uids", [&](const Cursor& one) {
    if (one.value().is_number_integer())
      local.allowed_uids.push_back(one.value().get<std::uint32_t>());
  });
  at.each("allowed_callers",
          [&](const Cursor& one) { local.allowed_callers.push_back(read_caller(one)); });
  return local;
}

Admin read_admin(const Cursor& at, const Folder& folder) {
  Admin admin;
  read_address(at, folder, admin.address);
  const Parsed<ListenAddress> parsed = parse_listen_address(admin.address);
  if (parsed && (!parsed->local || parsed->stdio))
    at.problem("address", "expected loopback or a Unix socket: it is plaintext");
  return admin;
}

Config read(const Cursor& root, const Folder& folder) {
  Config config;
  root.choice("role", {{"outbound", Role::kOutbound}, {"inbound", Role::kInbound}}, config.role);
  root.number("workers", config.workers);
  root.member("identity", [&](const Cursor& one) { config.identity = read_identity(one, folder); });
  root.each("listeners",
            [&](const Cursor& one) { config.listeners.push_back(read_listener(one, folder)); });
  root.each("routes", [&](const Cursor& one) { config.routes.push_back(read_route(one)); });
  root.each("upstreams",
            [&](const Cursor& one) { config.upstreams.push_back(read_upstream(one, folder)); });
  root.member("receipts", [&](const Cursor& one) { config.receipts = read_receipts(one, folder); });
  root.each("filters",
            [&](const Cursor& one) { one.text("name", config.filters.emplace_back().name); });
  if (!root.has("filters")) config.filters = {{"mandate"}};
  root.member("fetch", [&](const Cursor& one) {
    one.text("ca_file", config.fetch.ca_file);
    folder.resolve(config.fetch.ca_file);
  });
  root.member("audit", [&](const Cursor& one) { config.audit = read_audit(one, folder); });
  if (config.receipts.ledger.empty() && !config.receipts.valkey)
    config.receipts.ledger = config.audit.file + ".ledger";
  root.member("limits", [&](const Cursor& one) { read_limits(one, config.limits); });
  root.member("timeouts", [&](const Cursor& one) { read_timeouts(one, config.timeouts); });
  root.member("local_api",
              [&](const Cursor& one) { config.local_api = read_local_api(one, folder); });
  root.member("admin", [&](const Cursor& one) { config.admin = read_admin(one, folder); });
  root.member("log", [&](const Cursor& one) { config.log = read_log(one); });
  return config;
}

tl::unexpected<std::vector<Problem>> failed(std::string_view name, std::vector<Problem> problems) {
  // A member can break two rules (an empty address is too short and no address): the first counts.
  std::set<std::string> seen;
  std::erase_if(problems, [&seen](const Problem& one) { return !seen.insert(one.path).second; });
  std::sort(problems.begin(), problems.end(), [](const Problem& a, const Problem& b) {
    return std::tie(a.line, a.column, a.path) < std::tie(b.line, b.column, b.path);
  });
  if (problems.size() > kProblemsMax) problems.resize(kProblemsMax);
  for (Problem& problem : problems) problem.file = name;
  return tl::unexpected(std::move(problems));
}

Loaded load_document(std::string_view name, const Document& document) {
  std::vector<Problem> problems = check_schema(document);
  const Cursor root(document, problems);
  Config config = read(root, Folder(name));
  // Names and rules across members make sense only once each member does.
  if (problems.empty()) cross_check(root, config);
  if (!problems.empty()) return failed(name, std::move(problems));
  return config;
}

}  // namespace

Loaded load_text(std::string_view name, std::string_view text) {
  const tl::expected<Document, Problem> document = parse_yaml(text);
  if (!document) return failed(name, {document.error()});
  return load_document(name, *document);
}

namespace {

tl::expected<std::string, Problem> read_file(const std::string& path) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::string text(kFileBytesMax + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!file.eof() && file.fail()) {
    const int error = errno;
    const std::string why = error != 0 ? std::strerror(error) : "not a file";
    return tl::unexpected(Problem{"", 1, 1, "", "cannot be read: " + why});
  }
  text.resize(static_cast<std::size_t>(file.gcount()));
  return text;
}

}  // namespace

Loaded load(const std::string& path) {
  const tl::expected<std::string, Problem> text = read_file(path);
  if (!text) return failed(path, {text.error()});
  return load_text(path, *text);
}

Loaded load_wrap(const std::string& path, const Wrapped& wrapped) {
  const tl::expected<std::string, Problem> text = read_file(path);
  if (!text) return failed(path, {text.error()});
  tl::expected<Document, Problem> document = parse_yaml(*text);
  if (!document) return failed(path, {document.error()});
  nlohmann::json& root = document->value;
  if (!root.is_object()) return load_document(path, *document);
  for (const char* const made : {"role", "listeners", "routes", "upstreams"}) {
    if (!root.contains(made)) continue;
    const std::string pointer = child_pointer("", made);
    const Position at = document->positions.of_member(pointer);
    return failed(path, {{"", at.line, at.column, pointer,
                          "does not belong here: it is made for the command that is wrapped"}});
  }
  root["role"] = "outbound";
  root["listeners"] = {{{"name", "client"}, {"address", "stdio:"}, {"tls", "none"}}};
  const char* const names = wrapped.tool_names == ToolNames::kUri ? "uri" : "plain";
  root["routes"] = {{{"name", wrapped.name},
                     {"upstream", wrapped.name},
                     {"mandate", {{"mode", "attach"}, {"tool_names", names}}}}};
  root["upstreams"] = {
      {{"name", wrapped.name}, {"command", wrapped.command}, {"cwd", wrapped.cwd}}};
  Loaded config = load_document(path, *document);
  if (config) config->upstreams.front().env = wrapped.env;
  return config;
}

}  // namespace mandated::config
