// The configuration as the rest of the program sees it: plain structs whose defaults are those of
// schema.json, filled and checked by load(). A Config that load() returned is valid: names resolve,
// addresses, SPIFFE IDs and URLs parse, paths are absolute or relative to the working directory.
// It never changes after that and is shared by all workers.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

namespace mandated::config {

using Duration = std::chrono::nanoseconds;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

/// outbound: beside the agent. inbound: beside the tool.
enum class Role : std::uint8_t { kOutbound, kInbound };

/// A trust domain of our own making, with its CA in a state folder.
struct EmbeddedIdentity {
  std::string state;
  std::string trust_domain;
  std::string spiffe_id;
  Duration svid_ttl = minutes(5);
};

/// CA certificates of another trust domain, PEM.
struct TrustBundle {
  std::string trust_domain;
  std::string file;
};

/// A SPIFFE agent that gives us our identity.
struct WorkloadApi {
  std::string endpoint;   ///< empty: what SPIFFE_ENDPOINT_SOCKET says
  std::string spiffe_id;  ///< the SVID to take; empty: any
  std::string hint;       ///< of the SVID to take
  Duration startup_timeout = seconds(30);
};

/// Exactly one of the first two is set.
struct Identity {
  std::optional<EmbeddedIdentity> embedded;
  std::optional<WorkloadApi> workload_api;
  std::vector<TrustBundle> trust_bundles;  ///< with `embedded`

  /// What the configuration says about who we are; empty where it leaves that to the agent.
  const std::string& spiffe_id() const {
    return embedded ? embedded->spiffe_id : workload_api->spiffe_id;
  }
};

/// What a local process must be to call: selectors by type (`unix:uid`, …), all of them; never
/// empty.
using AllowedCaller = std::map<std::string, std::string>;

enum class ListenerTls : std::uint8_t { kNone, kMtls };

/// How a Workload Identity Token's key is proven: a Workload Proof Token, or a signature over the
/// request.
enum class WimseMethod : std::uint8_t { kToken, kSignature, kAny };

/// Who calls, where TLS was ended before us.
struct ListenerWimse {
  bool required = true;  ///< false: a call may come without, from whoever the SVID names
  WimseMethod method = WimseMethod::kAny;
  std::vector<std::string> audiences;  ///< what proofs may be made out to; not empty
  std::vector<std::string> carriers;   ///< SPIFFE IDs that bring calls of others over mTLS
};

struct Listener {
  std::string name;
  std::string address;  ///< net::Address::parse takes it, or "stdio:"
  ListenerTls tls = ListenerTls::kMtls;
  bool allow_tls12 = false;
  std::vector<AllowedCaller> allowed_callers;  ///< empty: any that reaches it
  std::optional<ListenerWimse> wimse;

  /// Whoever started the process is its only client, by standard input and output (MCP over stdio).
  bool is_stdio() const { return address == "stdio:"; }
};

enum class MandateMode : std::uint8_t {
  kOff,      ///< no receipt is asked for
  kEnforce,  ///< the call must bring its receipt
  kAttach,   ///< the wallet gives one when the call brings none
};
enum class Discovery : std::uint8_t { kOpen, kReceipt };
enum class ProofMode : std::uint8_t { kRequired, kMtls };
enum class ToolNames : std::uint8_t { kPlain, kUri };

struct Mandate {
  MandateMode mode = MandateMode::kEnforce;
  Discovery discovery = Discovery::kOpen;
  /// Inbound: names of this enforcement point, by default its own SPIFFE ID. Outbound: of the far
  /// side, by default the upstream's only SPIFFE ID; the first one is signed as aat_aud. load()
  /// fills the default in; empty where there is neither.
  std::vector<std::string> audiences;
  ProofMode proof = ProofMode::kRequired;
  ToolNames tool_names = ToolNames::kPlain;
  /// mTLS peers (SPIFFE IDs or patterns) that hold receipts to their instance before they pass
  /// calls on.
  std::vector<std::string> instance_vouchers;
};

enum class Protocol : std::uint8_t { kMcp, kHttp };

struct Route {
  std::string name;
  std::string listener;  ///< empty: all
  std::string host;      ///< lower case, without port; empty: any
  std::string path = "/";
  Protocol protocol = Protocol::kMcp;
  std::string upstream;
  std::vector<std::string> allowed_peers;    ///< SPIFFE IDs or patterns
  std::vector<std::string> allowed_origins;  ///< empty: only loopback origins
  Mandate mandate;
};

enum class HttpVersion : std::uint8_t { kAuto, k11, k2 };
enum class ReceiptForwarding : std::uint8_t { kPass, kStrip };

struct Pool {
  std::size_t connections_max = 64;
  Duration idle_timeout = seconds(60);
};

struct Restart {
  Duration backoff_min = milliseconds(250);
  Duration backoff_max = seconds(30);
};

/// Who we are, to an upstream behind something that ends TLS. Never kAny.
struct UpstreamWimse {
  WimseMethod method = WimseMethod::kToken;
  /// An origin that the path is added to, or all of it; empty: the URI that the request goes to.
  std::string audience;
};

/// Reached by HTTP (`url`) or started and spoken to over stdio (`command`): exactly one is set.
struct Upstream {
  std::string name;

  std::string url;         ///< as written; the parsed parts follow
  bool tls = false;        ///< https
  std::string host;        ///< lower case, brackets removed
  std::uint16_t port = 0;  ///< filled in when the url names none
  std::string path;        ///< takes the place of the request's path; empty: that stays
  std::string unix_path;   ///< connect here instead of host and port
  std::vector<std::string> spiffe_ids;  ///< who must be there; non-empty when tls
  HttpVersion http_version = HttpVersion::kAuto;
  ReceiptForwarding receipts = ReceiptForwarding::kStrip;
  std::optional<UpstreamWimse> wimse;
  Pool pool;

  std::vector<std::string> command;
  std::map<std::string, std::string> env;  ///< added to a minimal environment
  std::string cwd;                         ///< empty: the folder of the config file
  Restart restart;
  std::size_t sessions_max = 64;

  bool is_command() const { return !command.empty(); }
  /// host[:port] as the authority of requests: IPv6 literals in brackets, a default port left out.
  std::string authority() const;
};

enum class AnchorUse : std::uint8_t { kRoots, kApprovals };

/// A key that may sign roots or approvals: a file, an inline JWK or a registered passkey; exactly
/// one is set.
struct Anchor {
  std::string file;
  std::string jwk;            ///< the JWK as JSON text
  std::string webauthn;       ///< the passkey as JSON text, as receipt::read_anchor takes it
  std::string credential_id;  ///< of the passkey
  std::string user;           ///< empty: anybody, or whom file or passkey name
  AnchorUse use = AnchorUse::kRoots;
  std::string ceiling;  ///< as JSON text, its lifetime in seconds; empty: none
  int line = 1;         ///< where the entry stands: keys and constraints are not read here
  int column = 1;
};

struct Wallet {
  std::string folder;
  std::string holder_key;
};

/// Bounds of the AAT draft's Appendix B.5: the defaults are the ceilings.
struct ReceiptLimits {
  std::size_t token_bytes_max = 64U << 10U;
  std::size_t chain_bytes_max = 256U << 10U;
  std::size_t tools_max = 256;
  std::size_t constraints_per_tool_max = 64;
  std::size_t constraint_depth_max = 32;
  std::size_t tool_name_bytes_max = 256;
  std::size_t constraint_value_bytes_max = 4096;
  int delegation_depth_max = 16;
  Duration iat_skew_max = seconds(30);
  Duration proof_window = seconds(30);
  Duration token_lifetime_max = hours(24 * 90);
};

/// A server that replicas share their budgets and used proofs through.
struct Valkey {
  std::string address;                  ///< net::Address::parse takes it
  std::vector<std::string> spiffe_ids;  ///< who must be there, over mTLS
  std::string ca_file;                  ///< who vouches for its name, over TLS; both empty: no TLS
  std::string user;                     ///< empty: the server's default
  std::string password_file;            ///< empty: no password
  std::string prefix = "mandated";      ///< of the keys
  Duration timeout = seconds(1);
};

/// How it is found out whether receipts were revoked.
struct Status {
  /// Where lists may stand: https origins and paths; a path covers what lies below it. Nothing else
  /// is fetched, whatever a receipt names.
  std::vector<std::string> lists;
  std::vector<std::string> issuers;  ///< files of keys whose lists speak for every receipt
  Duration grace = minutes(10);
  Duration ttl_min = seconds(10);
  Duration ttl_max = minutes(15);  ///< also of a list that names none
  Duration age_max = hours(24);    ///< of a list without `exp`, from its iat
  Duration timeout = seconds(5);   ///< of one fetch, and of waiting for it
  std::size_t lists_max = 1024;
  std::size_t bytes_max = 256U << 20U;  ///< of all lists together, unpacked
};

/// Whose evidence of hardware is believed: PEM files of roots; empty: nobody's. Not both are empty.
struct Evidence {
  std::string nitro_roots;
  std::string dcap_roots;
};

struct Receipts {
  std::vector<Anchor> anchors;
  std::string consent_url;  ///< an origin; empty: nobody can be asked
  std::optional<Wallet> wallet;
  std::optional<Evidence> evidence;
  std::optional<Status> status;  ///< without it, receipts that name a list are refused
  ReceiptLimits limits;
  std::size_t cache_entries_max = 4096;
  std::string ledger;  ///< the file of what was spent; never empty once loaded, but for valkey
  std::optional<Valkey> valkey;
};

struct Filter {
  std::string name;
};

/// How the proxy itself fetches: status lists, keys, what the consent service says.
struct Fetch {
  std::string ca_file;  ///< PEM; empty: the system's, if it is there
};

enum class AuditMode : std::uint8_t { kBefore, kAfter };
enum class AuditArguments : std::uint8_t { kHash, kFull };

struct Audit {
  std::string file;
  AuditMode mode = AuditMode::kBefore;
  AuditArguments arguments = AuditArguments::kHash;
};

struct Limits {
  std::size_t body_bytes_max = 4U << 20U;
  std::size_t header_bytes_max = 64U << 10U;
  std::size_t json_depth_max = 64;
  std::size_t streams_max = 128;
  std::size_t connections_max = 10000;
  std::size_t sessions_max = 1024;
  std::size_t buffered_bytes_max = 256U << 20U;
};

struct Timeouts {
  Duration connect = seconds(5);
  Duration handshake = seconds(5);
  Duration header = seconds(10);
  Duration idle = seconds(60);
  Duration body = seconds(30);
  Duration call = seconds(120);
  Duration drain = seconds(30);
  Duration stream_idle = hours(1);
};

/// Where the agent beside the proxy manages its receipts.
struct LocalApi {
  std::string socket;
  std::vector<std::uint32_t> allowed_uids;     ///< empty: the proxy's own user
  std::vector<AllowedCaller> allowed_callers;  ///< besides; empty: any of those users
};

struct Admin {
  std::string address;
};

enum class LogLevel : std::uint8_t { kDebug, kInfo, kWarn, kError };
enum class LogFormat : std::uint8_t { kJson, kText };

struct Log {
  LogLevel level = LogLevel::kInfo;
  LogFormat format = LogFormat::kJson;
};

struct Config {
  Role role = Role::kOutbound;
  unsigned workers = 0;  ///< 0: as many as the machine has cores
  std::optional<Identity> identity;
  std::vector<Listener> listeners;
  std::vector<Route> routes;  ///< the first match wins
  std::vector<Upstream> upstreams;
  Receipts receipts;
  std::vector<Filter> filters;
  Fetch fetch;
  Audit audit;
  Limits limits;
  Timeouts timeouts;
  std::optional<LocalApi> local_api;
  std::optional<Admin> admin;
  Log log;

  /// Null when there is none of that name.
  const Upstream* find_upstream(std::string_view name) const;
};

/// One thing that is wrong. `line` and `column` begin at 1.
struct Problem {
  std::string file;
  int line = 1;
  int column = 1;
  std::string path;  ///< JSON pointer of the member; empty for the whole document
  std::string text;  ///< what was expected
};

/// file:line:column: /path: what was expected
std::string to_string(const Problem& problem);
/// One line each.
std::string to_string(const std::vector<Problem>& problems);

using Loaded = tl::expected<Config, std::vector<Problem>>;

/// Reads and checks a file. At most the first ten problems are returned, in the file's order.
Loaded load(const std::string& path);
/// The same for a text; `name` stands in problems, and its folder is what relative paths start
/// from.
Loaded load_text(std::string_view name, std::string_view text);

/// An MCP server as a client would start it, for `mandated wrap`.
struct Wrapped {
  std::string name;
  std::vector<std::string> command;
  std::string cwd;
  std::map<std::string, std::string> env;  ///< all that it gets
  ToolNames tool_names = ToolNames::kUri;
};

/// A file that says neither role nor listeners, routes or upstreams: they are made for `wrapped`,
/// its client at our own standard input and output.
Loaded load_wrap(const std::string& path, const Wrapped& wrapped);

/// The JSON Schema (draft 7) of the file, as `mandated config schema` prints it.
std::string_view schema_text();

}  // namespace mandated::config
