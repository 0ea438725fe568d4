// Loading whole files: the examples, what ends up in the structs, and the exact words for what is
// wrong.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "config/config.h"

namespace mandated::config {
namespace {

std::string read(const std::filesystem::path& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

TEST(Examples, EachLoads) {
  std::size_t seen = 0;
  for (const auto& entry : std::filesystem::directory_iterator(CONFIG_FOLDER "/examples")) {
    const Loaded loaded = load(entry.path().string());
    EXPECT_TRUE(loaded) << to_string(loaded.error());
    ++seen;
  }
  EXPECT_GE(seen, 4U);
}

TEST(Readme, EachSnippetLoads) {
  const std::string text = read(CONFIG_FOLDER "/README.md");
  const std::string fence = "```yaml\n";
  std::size_t seen = 0;
  for (std::size_t at = text.find(fence); at != std::string::npos; at = text.find(fence, at)) {
    at += fence.size();
    const std::string snippet = text.substr(at, text.find("```", at) - at);
    const Loaded loaded = load_text("README.yaml", snippet);
    EXPECT_TRUE(loaded) << to_string(loaded.error());
    ++seen;
  }
  EXPECT_GE(seen, 4U);
}

// Every negative test changes one thing in this.
const std::string kGood = R"(version: 1
role: inbound
identity:
  embedded: {state: state, trust_domain: example.org, spiffe_id: spiffe://example.org/tool/files}
  trust_bundles: [{trust_domain: other.org, file: other.pem}]
listeners:
  - name: agents
    address: 0.0.0.0:9443
  - name: local
    address: unix:run/local.sock
    tls: none
routes:
  - name: files
    listener: agents
    path: /mcp
    host: Files.Example.org
    upstream: files
    allowed_peers: [spiffe://example.org/agent/*]
    allowed_origins: [https://chat.example.org]
  - name: remote
    listener: local
    path: /remote
    upstream: remote
    mandate: {mode: enforce, proof: required, audiences: [https://a.example]}
upstreams:
  - name: files
    command: [serve, /data]
    env: {A: "1"}
  - name: remote
    url: https://tools.example.org/base
    spiffe_ids: [spiffe://example.org/tool/other]
    http_version: 2
    pool: {connections_max: 3, idle_timeout: 1m}
receipts:
  anchors: [{file: alice.jwk, user: "mailto:alice@example.org"}, {jwk: {kty: OKP, crv: Ed25519, x: abc}, use: approvals}]
  limits: {delegation_depth_max: 3, token_lifetime_max: 1d}
audit: {file: /var/log/audit.jsonl, mode: after, arguments: full}
limits: {body_bytes_max: 1MiB}
timeouts: {call: 90s}
admin: {address: 127.0.0.1:9901}
log: {level: warn, format: text}
fetch: {ca_file: web.pem}
)";

TEST(Load, FillsTheStructs) {
  const Loaded loaded = load_text("/etc/mandated/m.yaml", kGood);
  ASSERT_TRUE(loaded) << to_string(loaded.error());
  const Config& config = *loaded;
  EXPECT_EQ(config.role, Role::kInbound);
  EXPECT_EQ(config.workers, 0U);
  ASSERT_TRUE(config.identity);
  EXPECT_EQ(config.identity->embedded->state, "/etc/mandated/state");
  EXPECT_EQ(config.identity->trust_bundles[0].file, "/etc/mandated/other.pem");
  ASSERT_EQ(config.listeners.size(), 2U);
  EXPECT_EQ(config.listeners[0].tls, ListenerTls::kMtls);
  EXPECT_EQ(config.listeners[1].address, "unix:/etc/mandated/run/local.sock");
  ASSERT_EQ(config.routes.size(), 2U);
  EXPECT_EQ(config.routes[0].host, "files.example.org");
  EXPECT_EQ(config.routes[0].mandate.mode, MandateMode::kEnforce);
  EXPECT_THAT(config.routes[0].mandate.audiences,
              testing::ElementsAre("spiffe://example.org/tool/files"))
      << "inbound: its own name";
  EXPECT_THAT(config.routes[1].mandate.audiences, testing::ElementsAre("https://a.example"));
  const Upstream* const files = config.find_upstream("files");
  ASSERT_NE(files, nullptr);
  EXPECT_TRUE(files->is_command());
  EXPECT_THAT(files->command, testing::ElementsAre("serve", "/data"));
  EXPECT_EQ(files->env.at("A"), "1");
  EXPECT_EQ(files->cwd, "/etc/mandated");
  const Upstream* const remote = config.find_upstream("remote");
  ASSERT_NE(remote, nullptr);
  EXPECT_TRUE(remote->tls);
  EXPECT_EQ(remote->authority(), "tools.example.org");
  EXPECT_EQ(remote->path, "/base");
  EXPECT_EQ(remote->http_version, HttpVersion::k2);
  EXPECT_EQ(remote->pool.connections_max, 3U);
  EXPECT_EQ(remote->pool.idle_timeout, minutes(1));
  EXPECT_EQ(config.find_upstream("none"), nullptr);
  ASSERT_EQ(config.receipts.anchors.size(), 2U);
  EXPECT_EQ(config.receipts.anchors[0].file, "/etc/mandated/alice.jwk");
  EXPECT_EQ(config.receipts.anchors[0].user, "mailto:alice@example.org");
  EXPECT_EQ(config.receipts.anchors[1].jwk, R"({"crv":"Ed25519","kty":"OKP","x":"abc"})");
  EXPECT_EQ(config.receipts.limits.delegation_depth_max, 3);
  EXPECT_EQ(config.receipts.anchors[0].use, AnchorUse::kRoots);
  EXPECT_EQ(config.receipts.anchors[1].use, AnchorUse::kApprovals);
  EXPECT_EQ(config.receipts.limits.token_lifetime_max, hours(24));
  ASSERT_EQ(config.filters.size(), 1U);
  EXPECT_EQ(config.filters[0].name, "mandate");
  EXPECT_EQ(config.fetch.ca_file, "/etc/mandated/web.pem");
  EXPECT_EQ(config.audit.mode, AuditMode::kAfter);
  EXPECT_EQ(config.audit.arguments, AuditArguments::kFull);
  EXPECT_EQ(config.limits.body_bytes_max, std::size_t{1} << 20U);
  EXPECT_EQ(config.timeouts.call, seconds(90));
  ASSERT_TRUE(config.admin);
  EXPECT_EQ(config.admin->address, "127.0.0.1:9901");
  EXPECT_EQ(config.log.level, LogLevel::kWarn);
  EXPECT_EQ(config.log.format, LogFormat::kText);
}

struct Change {
  std::string from;
  std::string to;
  std::string problem;  ///< one whole line
};

std::string changed(const std::string& from, const std::string& to) {
  const std::size_t at = kGood.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  EXPECT_EQ(kGood.find(from, at + 1), std::string::npos) << "stands twice: " << from;
  return std::string(kGood).replace(at, from.size(), to);
}

class Wrong : public testing::TestWithParam<Change> {};

TEST_P(Wrong, SaysWhatAndWhere) {
  const Loaded loaded = load_text("m.yaml", changed(GetParam().from, GetParam().to));
  ASSERT_FALSE(loaded);
  EXPECT_EQ(to_string(loaded.error()), GetParam().problem + "\n");
}

INSTANTIATE_TEST_SUITE_P(
    Schema, Wrong,
    testing::Values(
        Change{"version: 1", "version: 2", "m.yaml:1:10: /version: expected 1"},
        Change{"role: inbound", "role: inbond",
               "m.yaml:2:7: /role: expected outbound or inbound; did you mean \"inbound\"?"},
        Change{"role: inbound\n", "", "m.yaml:1:1: /role: missing; expected outbound or inbound"},
        Change{"    address: 0.0.0.0:9443", "    adress: 0.0.0.0:9443",
               "m.yaml:7:5: /listeners/0/address: missing; expected text such as 127.0.0.1:8080\n"
               "m.yaml:8:5: /listeners/0/adress: unknown member; did you mean \"address\"?"},
        Change{"    tls: none\n", "    tls: none\n    allow_tls12: yes\n",
               "m.yaml:12:18: /listeners/1/allow_tls12: expected true or false, found text"},
        Change{"timeouts: {call: 90s}", "timeouts: {call: 90}",
               "m.yaml:39:18: /timeouts/call: expected text such as 120s, found a number"},
        Change{
            "timeouts: {call: 90s}", "timeouts: {call: 90 s}",
            "m.yaml:39:18: /timeouts/call: expected a duration: a whole number and ms, s, m, h or "
            "d, such as 10s"},
        Change{"timeouts: {call: 90s}", "timeouts: {zzzzzzzzzzz: 90s}",
               "m.yaml:39:12: /timeouts/zzzzzzzzzzz: unknown member; expected body, call, connect, "
               "drain, handshake, header, idle or stream_idle"},
        Change{
            "limits: {body_bytes_max: 1MiB}", "limits: {body_bytes_max: 1MB}",
            "m.yaml:38:26: /limits/body_bytes_max: expected a size: a number of bytes, or a whole "
            "number and KiB, MiB or GiB, such as 64KiB"},
        Change{"limits: {body_bytes_max: 1MiB}", "limits: {body_bytes_max: 0}",
               "m.yaml:38:26: /limits/body_bytes_max: expected at least 1"},
        Change{"limits: {body_bytes_max: 1MiB}", "limits: {json_depth_max: 1000}",
               "m.yaml:38:26: /limits/json_depth_max: expected at most 512"},
        Change{"limits: {body_bytes_max: 1MiB}", "limits: [1]",
               "m.yaml:38:9: /limits: expected members, found a list"},
        Change{"limits: {body_bytes_max: 1MiB}",
               "limits:", "m.yaml:38:1: /limits: expected members, found nothing"},
        Change{"    command: [serve, /data]", "    command: []",
               "m.yaml:27:14: /upstreams/0/command: expected at least one item"},
        Change{
            "    command: [serve, /data]", "    command: serve /data",
            "m.yaml:27:14: /upstreams/0/command: expected a list such as "
            "[\"npx\",\"-y\",\"@modelcontextprotocol/server-filesystem\",\"/data\"], found text"},
        Change{"{A: \"1\"}", "{A: 1}",
               "m.yaml:28:14: /upstreams/0/env/A: expected text, found a number"},
        Change{"{A: \"1\"}", "{A=B: \"1\"}",
               "m.yaml:28:16: /upstreams/0/env/A=B: expected the name of an environment variable"},
        Change{"http_version: 2", "http_version: 3",
               "m.yaml:32:19: /upstreams/1/http_version: expected auto, 1.1 or 2"},
        Change{"audit: {file: /var/log/audit.jsonl,", "audit: {file: \"\",",
               "m.yaml:37:15: /audit/file: expected text such as audit.jsonl, found nothing"}));

INSTANTIATE_TEST_SUITE_P(
    Values, Wrong,
    testing::Values(
        Change{"- name: agents", "- name: a/b",
               "m.yaml:7:11: /listeners/0/name: expected a name: 1 to 64 letters, digits, '-', '_' "
               "and "
               "'.', a letter or digit first"},
        Change{"address: 0.0.0.0:9443", "address: example.org:9443",
               "m.yaml:8:14: /listeners/0/address: expected an IP address and a port such as "
               "127.0.0.1:8080 or [::1]:8080, or unix: and a path"},
        Change{"unix:run/local.sock", "unix:" + std::string(108, 'x'),
               "m.yaml:10:14: /listeners/1/address: expected a shorter socket path"},
        Change{"spiffe_id: spiffe://example.org/tool/files", "spiffe_id: spiffe://example.org",
               "m.yaml:4:66: /identity/embedded/spiffe_id: expected a SPIFFE ID such as "
               "spiffe://example.org/agent/x"},
        Change{"[spiffe://example.org/agent/*]", "[spiffe://example.org/agent/x*]",
               "m.yaml:18:21: /routes/0/allowed_peers/0: expected a SPIFFE ID or pattern such as "
               "spiffe://example.org/agent/*"},
        Change{"trust_domain: other.org", "trust_domain: Other.org",
               "m.yaml:5:34: /identity/trust_bundles/0/trust_domain: expected a trust domain: "
               "lower-case letters, digits, '.', '-' and '_'"},
        Change{"[https://chat.example.org]", "[chat.example.org]",
               "m.yaml:19:23: /routes/0/allowed_origins/0: expected an origin such as "
               "https://chat.example.org"},
        Change{"[https://a.example]", "[tool]",
               "m.yaml:24:59: /routes/1/mandate/audiences/0: expected a SPIFFE ID, or an origin "
               "such as "
               "https://tools.example.org"},
        Change{"path: /mcp", "path: mcp",
               "m.yaml:15:11: /routes/0/path: expected a path such as /mcp: it begins with '/' and "
               "has "
               "no query, escape or dot segment"},
        Change{"host: Files.Example.org", "host: files.example.org:80",
               "m.yaml:16:11: /routes/0/host: expected a host name without port, such as "
               "tools.example.org"},
        Change{"{mode: enforce, proof: required, audiences: [https://a.example]}", "false",
               "m.yaml:24:14: /routes/1/mandate: expected members or off, found true or false"},
        Change{"{mode: enforce, proof: required, audiences: [https://a.example]}", "none",
               "m.yaml:24:14: /routes/1/mandate: expected members or off"},
        Change{"url: https://tools.example.org/base", "url: https://u:p@tools.example.org",
               "m.yaml:30:10: /upstreams/1/url: expected a URL: http or https, host, port and path "
               "only"},
        Change{"user: \"mailto:alice@example.org\"", "user: alice",
               "m.yaml:35:37: /receipts/anchors/0/user: expected a URI such as "
               "mailto:alice@example.org"},
        Change{"crv: Ed25519, x: abc", "crv: Ed25519, x: abc, d: secret",
               "m.yaml:35:108: /receipts/anchors/1/jwk/d: a private key; expected the public one"},
        Change{"token_lifetime_max: 1d", "token_lifetime_max: 91d",
               "m.yaml:36:57: /receipts/limits/token_lifetime_max: expected at most 7776000s"},
        Change{"delegation_depth_max: 3", "delegation_depth_max: 17",
               "m.yaml:36:34: /receipts/limits/delegation_depth_max: expected at most 16"},
        Change{"delegation_depth_max: 3", "token_bytes_max: 128KiB",
               "m.yaml:36:29: /receipts/limits/token_bytes_max: expected at most 65536 bytes"},
        Change{"admin: {address: 127.0.0.1:9901}", "admin: {address: 0.0.0.0:9901}",
               "m.yaml:40:18: /admin/address: expected loopback or a Unix socket: it is plaintext"},
        Change{"limits: {body_bytes_max: 1MiB}", "limits: {body_bytes_max: 512MiB}",
               "m.yaml:38:26: /limits/body_bytes_max: expected no more than buffered_bytes_max"},
        Change{"limits: {body_bytes_max: 1MiB}", "limits: {header_bytes_max: 2MiB}",
               "m.yaml:38:28: /limits/header_bytes_max: expected between 1KiB and 1MiB"},
        Change{"spiffe_id: spiffe://example.org/tool/files}",
               "spiffe_id: spiffe://example.org/tool/files, svid_ttl: 2d}",
               "m.yaml:4:109: /identity/embedded/svid_ttl: expected between 1s and 24h"}));

INSTANTIATE_TEST_SUITE_P(
    CrossChecks, Wrong,
    testing::Values(
        Change{"- name: local", "- name: agents",
               "m.yaml:9:11: /listeners/1/name: \"agents\" is already the name of item 0\n"
               "m.yaml:21:15: /routes/1/listener: no listener has this name"},
        Change{"- name: remote\n    url", "- name: files\n    url",
               "m.yaml:23:15: /routes/1/upstream: no upstream has this name\n"
               "m.yaml:29:11: /upstreams/1/name: \"files\" is already the name of item 0"},
        Change{"listener: local", "listener: locl",
               "m.yaml:21:15: /routes/1/listener: no listener has this name"},
        Change{"upstream: remote", "upstream: remot",
               "m.yaml:23:15: /routes/1/upstream: no upstream has this name"},
        Change{"address: 0.0.0.0:9443", "address: 0.0.0.0:9443\n    tls: none",
               "m.yaml:9:10: /listeners/0/tls: expected mtls: plaintext is allowed on loopback and "
               "Unix sockets only"},
        Change{"    tls: none\n", "    tls: none\n    allow_tls12: true\n",
               "m.yaml:12:18: /listeners/1/allow_tls12: goes with tls: mtls only"},
        Change{"    address: 0.0.0.0:9443\n",
               "    address: 0.0.0.0:9443\n    allowed_callers: [{uid: 1}]\n",
               "m.yaml:9:22: /listeners/0/allowed_callers: goes with a Unix socket and tls: none "
               "only"},
        Change{"    tls: none\n", "    tls: none\n    allowed_callers: [{}]\n",
               "m.yaml:12:23: /listeners/1/allowed_callers/0: expected at least one member"},
        Change{"    tls: none\n", "    tls: none\n    allowed_callers: [{path: bin/a}]\n",
               "m.yaml:12:30: /listeners/1/allowed_callers/0/path: expected an absolute path"},
        Change{
            "    tls: none\n", "    tls: none\n    allowed_callers: [{sha256: ABCD}]\n",
            "m.yaml:12:32: /listeners/1/allowed_callers/0/sha256: expected 64 hexadecimal digits "
            "in lower case"},
        Change{"proof: required,", "proof: required, instance_vouchers: [spiffe://a.org/x],",
               "m.yaml:24:66: /routes/1/mandate/instance_vouchers: needs an mtls listener: "
               "elsewhere the peer is not known"},
        Change{"address: unix:run/local.sock", "address: 0.0.0.0:9443\n    tls: mtls",
               "m.yaml:12:5: /listeners/1/tls: stands here for the second time; first in line 11"},
        Change{"    address: unix:run/local.sock\n    tls: none", "    address: 0.0.0.0:9443",
               "m.yaml:10:14: /listeners/1/address: is already the address of agents\n"
               "m.yaml:19:5: /routes/1/allowed_peers: missing; an mtls or wimse listener needs the "
               "SPIFFE IDs "
               "that may call"},
        Change{"    allowed_peers: [spiffe://example.org/agent/*]\n", "",
               "m.yaml:13:5: /routes/0/allowed_peers: missing; an mtls or wimse listener needs the "
               "SPIFFE IDs "
               "that may call"},
        Change{"trust_domain: example.org,", "trust_domain: other.example,",
               "m.yaml:4:68: /identity/embedded/spiffe_id: expected an ID of the trust domain "
               "other.example"},
        Change{"trust_domain: other.org", "trust_domain: example.org",
               "m.yaml:5:34: /identity/trust_bundles/0/trust_domain: example.org has its bundle "
               "already"},
        Change{
            "url: https://tools.example.org/base", "url: http://tools.example.org/base",
            "m.yaml:30:10: /upstreams/1/url: expected https: plaintext goes to loopback or a Unix "
            "socket only"},
        Change{"url: https://tools.example.org/base", "url: http://127.0.0.1:3001",
               "m.yaml:31:17: /upstreams/1/spiffe_ids: goes with https only: plaintext proves "
               "nobody's "
               "identity"},
        Change{"    spiffe_ids: [spiffe://example.org/tool/other]\n", "",
               "m.yaml:29:5: /upstreams/1/spiffe_ids: missing; expected who must be there"},
        Change{"    command: [serve, /data]\n", "",
               "m.yaml:26:5: /upstreams/0: expected either url or command"},
        Change{"    command: [serve, /data]\n", "    command: [x]\n    url: http://127.0.0.1:1\n",
               "m.yaml:26:5: /upstreams/0: expected either url or command"},
        Change{"    env: {A: \"1\"}", "    receipts: pass",
               "m.yaml:28:15: /upstreams/0/receipts: goes with url only"},
        Change{"    http_version: 2", "    cwd: /tmp",
               "m.yaml:32:10: /upstreams/1/cwd: goes with command only"},
        Change{"    env: {A: \"1\"}", "    restart: {backoff_min: 1m, backoff_max: 1s}",
               "m.yaml:28:28: /upstreams/0/restart/backoff_min: expected no more than backoff_max"},
        Change{"{file: alice.jwk, user", "{user",
               "m.yaml:35:13: /receipts/anchors/0: expected either file, jwk or webauthn"},
        Change{
            "mandate: {mode: enforce,", "mandate: {mode: attach,",
            "m.yaml:24:21: /routes/1/mandate/mode: expected enforce: an inbound proxy lends nobody "
            "its receipts"},
        Change{"proof: required", "proof: mtls",
               "m.yaml:24:37: /routes/1/mandate/proof: mtls needs an mtls listener: elsewhere the "
               "peer "
               "is not known"},
        Change{"    path: /remote\n", "    path: /remote\n    protocol: http\n",
               "m.yaml:25:14: /routes/1/mandate: expected off: http is passed through unread"},
        Change{"    path: /mcp\n", "    path: /mcp\n    protocol: http\n    mandate: off\n",
               "m.yaml:16:15: /routes/0/protocol: expected mcp: the upstream is a command"},
        Change{"audit: {file", "filters: []\naudit: {file",
               "m.yaml:37:10: /filters: expected mandate, once: a route asks for receipts"},
        Change{"audit: {file", "filters: [{name: mandate}, {name: mandate}]\naudit: {file",
               "m.yaml:37:10: /filters: expected mandate, once: a route asks for receipts"},
        Change{
            "delegation_depth_max: 3", "chain_bytes_max: 1KiB",
            "m.yaml:36:29: /receipts/limits/chain_bytes_max: expected at least token_bytes_max"}));

/// Outbound, with members to fill in.
std::string outbound(const std::string& mandate, const std::string& upstream,
                     const std::string& rest) {
  return "version: 1\nrole: outbound\n"
         "identity: {embedded: {state: s, trust_domain: a.org, spiffe_id: spiffe://a.org/x}}\n"
         "listeners: [{name: l, address: 'localhost:1', tls: none}]\n"
         "routes: [{name: r, upstream: u, mandate: " +
         mandate + "}]\nupstreams: [{name: u, " + upstream + "}]\naudit: {file: a}\n" + rest;
}
constexpr const char* kPasskey = R"(version: 1
role: outbound
listeners: [{name: l, address: "127.0.0.1:1", tls: none}]
routes: [{name: r, upstream: u, mandate: off}]
upstreams: [{name: u, url: "http://127.0.0.1:2"}]
audit: {file: a}
receipts:
  anchors:
    - webauthn:
        credential_id: _KRMfp2mHg
        public_key: {kty: OKP, crv: Ed25519, x: abc}
        rp_id: example.org
        origins: [https://receipts.example.org]
        user: mailto:alice@example.org
      ceiling:
        tools: {read: {path: {constraint_type: wildcard}}, list: {}}
        holders: [spiffe://example.org/agent/*]
        lifetime: 1500ms
        depth: 2
    - {jwk: {kty: OKP, crv: Ed25519, x: abc}, ceiling: {}}
)";

TEST(LoadPasskey, FillsTheStructs) {
  const Loaded loaded = load_text("/etc/m.yaml", kPasskey);
  ASSERT_TRUE(loaded) << to_string(loaded.error());
  const Anchor& passkey = loaded->receipts.anchors.at(0);
  EXPECT_EQ(passkey.file + passkey.jwk + passkey.user, "");
  EXPECT_EQ(passkey.credential_id, "_KRMfp2mHg");
  EXPECT_EQ(passkey.webauthn,
            R"({"credential_id":"_KRMfp2mHg","origins":["https://receipts.example.org"],)"
            R"("public_key":{"crv":"Ed25519","kty":"OKP","x":"abc"},"rp_id":"example.org",)"
            R"("user":"mailto:alice@example.org"})");
  EXPECT_EQ(passkey.ceiling,
            R"({"depth":2,"holders":["spiffe://example.org/agent/*"],"lifetime":1.5,)"
            R"("tools":{"list":{},"read":{"path":{"constraint_type":"wildcard"}}}})");
  EXPECT_EQ(loaded->receipts.anchors.at(1).ceiling, "{}");
  EXPECT_EQ(loaded->receipts.anchors.at(1).line, 20);
  EXPECT_EQ(loaded->receipts.anchors.at(1).column, 7);
}

class WrongPasskey : public testing::TestWithParam<Change> {};

TEST_P(WrongPasskey, NamesThePlace) {
  std::string text = kPasskey;
  const std::size_t at = text.find(GetParam().from);
  ASSERT_NE(at, std::string::npos);
  text.replace(at, GetParam().from.size(), GetParam().to);
  const Loaded loaded = load_text("m.yaml", text);
  ASSERT_FALSE(loaded);
  EXPECT_EQ(to_string(loaded.error()), GetParam().problem + "\n");
}

INSTANTIATE_TEST_SUITE_P(
    Members, WrongPasskey,
    testing::Values(
        Change{"    - {jwk:", "    - {file: k, jwk:",
               "m.yaml:20:7: /receipts/anchors/1: expected either file, jwk or webauthn"},
        Change{"      ceiling:\n", "      user: mailto:a@b\n      ceiling:\n",
               "m.yaml:15:13: /receipts/anchors/0/user: goes with file and jwk only"},
        Change{"_KRMfp2mHg", "_KRMfp2mHg==",
               "m.yaml:10:24: /receipts/anchors/0/webauthn/credential_id: expected a credential "
               "id: 1 to 1023 bytes in base64url, without padding"},
        Change{"_KRMfp2mHg", "_KRMfp2mHh",
               "m.yaml:10:24: /receipts/anchors/0/webauthn/credential_id: expected a credential "
               "id: 1 to 1023 bytes in base64url, without padding"},
        Change{"x: abc}", "x: abc, d: secret}",
               "m.yaml:11:57: /receipts/anchors/0/webauthn/public_key/d: a private key; expected "
               "the public one"},
        Change{"rp_id: example.org", "rp_id: Example.org",
               "m.yaml:12:16: /receipts/anchors/0/webauthn/rp_id: expected a lower-case host name "
               "such as example.org\n"
               "m.yaml:13:19: /receipts/anchors/0/webauthn/origins/0: expected an origin of rp_id "
               "or of a host below it"},
        Change{"rp_id: example.org", "rp_id: ample.org",
               "m.yaml:13:19: /receipts/anchors/0/webauthn/origins/0: expected an origin of rp_id "
               "or of a host below it"},
        Change{"[https://receipts.example.org]", "[http://receipts.example.org]",
               "m.yaml:13:19: /receipts/anchors/0/webauthn/origins/0: expected an origin such as "
               "https://receipts.example.org"},
        Change{"[https://receipts.example.org]", "[https://receipts.example.org/]",
               "m.yaml:13:19: /receipts/anchors/0/webauthn/origins/0: expected an origin such as "
               "https://receipts.example.org"},
        Change{"[https://receipts.example.org]", "[]",
               "m.yaml:13:18: /receipts/anchors/0/webauthn/origins: expected at least one item"},
        Change{"        user: mailto:alice@example.org\n", "",
               "m.yaml:10:9: /receipts/anchors/0/webauthn/user: missing; expected text such as "
               "mailto:alice@example.org"},
        Change{"user: mailto:alice@example.org", "user: alice",
               "m.yaml:14:15: /receipts/anchors/0/webauthn/user: expected a URI such as "
               "mailto:alice@example.org"},
        Change{"lifetime: 1500ms", "livetime: 2h",
               "m.yaml:18:9: /receipts/anchors/0/ceiling/livetime: unknown member; did you mean "
               "\"lifetime\"?"},
        Change{"lifetime: 1500ms", "lifetime: 2 hours",
               "m.yaml:18:19: /receipts/anchors/0/ceiling/lifetime: expected a duration: a whole "
               "number and ms, s, m, h or d, such as 10s"},
        Change{"depth: 2", "depth: 17",
               "m.yaml:19:16: /receipts/anchors/0/ceiling/depth: expected at most 16"},
        Change{"[spiffe://example.org/agent/*]", "[spiffe://example.org/agent*]",
               "m.yaml:17:19: /receipts/anchors/0/ceiling/holders/0: expected a SPIFFE ID or "
               "pattern such as spiffe://example.org/agent/*"},
        Change{"list: {}", "list: all",
               "m.yaml:16:66: /receipts/anchors/0/ceiling/tools/list: expected members, found "
               "text"},
        Change{"{constraint_type: wildcard}", "wildcard",
               "m.yaml:16:30: /receipts/anchors/0/ceiling/tools/read/path: expected a constraint "
               "such as {constraint_type: wildcard}"},
        Change{"{constraint_type: wildcard}", "{type: wildcard}",
               "m.yaml:16:30: /receipts/anchors/0/ceiling/tools/read/path: expected a constraint "
               "such as {constraint_type: wildcard}"},
        Change{"    - {jwk: {kty: OKP, crv: Ed25519, x: abc}, ceiling: {}}\n",
               "    - webauthn: {credential_id: _KRMfp2mHg, public_key: {}, rp_id: a.example,\n"
               "        origins: [https://a.example], user: mailto:a@b}\n",
               "m.yaml:20:33: /receipts/anchors/1/webauthn/credential_id: is already the passkey "
               "of item 0"}));

const std::string kAnchors = "receipts: {anchors: [{file: k}]}\n";
const std::string kWallet =
    "receipts: {anchors: [{file: k}], wallet: {folder: w, holder_key: h}}\n";
const std::string kHttps = "url: 'https://t.org', spiffe_ids: [spiffe://a.org/t], receipts: pass";

/// The good file, whose receipts also have this member.
Loaded load_with_status(const std::string& status) {
  return load_text("/etc/mandated/m.yaml",
                   changed("  limits: {delegation_depth_max: 3, token_lifetime_max: 1d}",
                           "  limits: {delegation_depth_max: 3, token_lifetime_max: 1d}\n"
                           "  status: " +
                               status));
}

TEST(LoadStatus, FillsTheStructs) {
  EXPECT_FALSE(load_text("/etc/mandated/m.yaml", kGood)->receipts.status);
  const Loaded least = load_with_status("{lists: [https://lists.example.org]}");
  ASSERT_TRUE(least) << to_string(least.error());
  EXPECT_EQ(least->receipts.status->ttl_max, minutes(15));
  EXPECT_EQ(least->receipts.status->timeout, seconds(5));
  const Loaded loaded = load_with_status(
      "{lists: [https://lists.example.org/a/, https://b.example], issuers: [lists.jwk], grace: 1h, "
      "ttl_min: 1s, ttl_max: 1m, age_max: 7d, timeout: 2s, lists_max: 7, bytes_max: 1MiB}");
  ASSERT_TRUE(loaded) << to_string(loaded.error());
  const Status& status = *loaded->receipts.status;
  EXPECT_THAT(status.lists,
              testing::ElementsAre("https://lists.example.org/a/", "https://b.example"));
  EXPECT_THAT(status.issuers, testing::ElementsAre("/etc/mandated/lists.jwk"));
  EXPECT_EQ(status.grace, hours(1));
  EXPECT_EQ(status.ttl_min, seconds(1));
  EXPECT_EQ(status.ttl_max, minutes(1));
  EXPECT_EQ(status.age_max, hours(24 * 7));
  EXPECT_EQ(status.timeout, seconds(2));
  EXPECT_EQ(status.lists_max, 7U);
  EXPECT_EQ(status.bytes_max, std::size_t{1} << 20U);
}

TEST(LoadStatus, Refused) {
  const std::pair<const char*, const char*> wrong[] = {
      {"{}", "/receipts/status/lists: missing"},
      {"{lists: []}", "/receipts/status/lists: expected at least one item"},
      {"{lists: [lists.example.org]}", "expected an https URL such as"},
      {"{lists: ['http://lists.example.org/']}", "expected an https URL such as"},
      {"{lists: ['https://l.example'], ttl_min: 999ms}",
       "/receipts/status/ttl_min: expected at least 1s"},
      {"{lists: ['https://l.example'], ttl_min: 2m, ttl_max: 1m}",
       "/receipts/status/ttl_min: expected no more than ttl_max"},
      {"{lists: ['https://l.example'], lists_max: 0}", "/receipts/status/lists_max: expected at"},
  };
  for (const auto& [status, problem] : wrong) {
    const Loaded loaded = load_with_status(status);
    ASSERT_FALSE(loaded) << status;
    EXPECT_THAT(to_string(loaded.error()), testing::HasSubstr(problem));
  }
}

TEST(Outbound, AudienceIsTheUpstreamsOnlyName) {
  const Loaded loaded = load_text("m.yaml", outbound("{mode: attach}", kHttps, kWallet));
  ASSERT_TRUE(loaded) << to_string(loaded.error());
  EXPECT_THAT(loaded->routes[0].mandate.audiences, testing::ElementsAre("spiffe://a.org/t"));
}

TEST(Outbound, ProofByMtlsIsAboutTheFarSide) {
  const Loaded loaded =
      load_text("m.yaml", outbound("{mode: attach, proof: mtls}", kHttps, kWallet));
  ASSERT_TRUE(loaded) << to_string(loaded.error());
  EXPECT_EQ(loaded->routes[0].mandate.proof, ProofMode::kMtls);
}

TEST(Outbound, KnowsWhomToAsk) {
  const auto asks = [](const std::string& url) {
    return load_text("m.yaml",
                     outbound("{}", kHttps,
                              "receipts: {anchors: [{file: k}], consent: {url: '" + url + "'}}\n"));
  };
  const Loaded loaded = asks("https://consent.example.org");
  ASSERT_TRUE(loaded) << to_string(loaded.error());
  EXPECT_EQ(loaded->receipts.consent_url, "https://consent.example.org");
  EXPECT_FALSE(asks("http://consent.example.org"));
}

TEST(Outbound, Refused) {
  struct Case {
    std::string text;
    const char* problem;
  };
  for (const Case& c :
       {Case{outbound("{mode: attach}", kHttps, kAnchors),
             "m.yaml:5:49: /routes/0/mandate/mode: attach needs /receipts/wallet\n"},
        {outbound("{}", kHttps, "receipts: {anchors: [{file: k, use: approvals}]}\n"),
         "m.yaml:5:42: /routes/0/mandate: needs /receipts/anchors: without a trusted key every "
         "call is "
         "refused\n"},
        {outbound("{}", kHttps, ""),
         "m.yaml:5:42: /routes/0/mandate: needs /receipts/anchors: without a trusted key every "
         "call is "
         "refused\n"},
        {outbound("{mode: attach}",
                  "url: 'https://t.org', spiffe_ids: [spiffe://a.org/*], receipts: pass", kWallet),
         "m.yaml:5:42: /routes/0/mandate/audiences: missing; expected the name of the far "
         "side\n"}}) {
    const Loaded loaded = load_text("m.yaml", c.text);
    ASSERT_FALSE(loaded) << c.text;
    EXPECT_EQ(to_string(loaded.error()), c.problem);
  }
}

// A whole file with these members of receipts.
std::string with_receipts(const std::string& members, const std::string& more = {}) {
  return R"(version: 1
role: inbound
listeners: [{name: a, address: "127.0.0.1:1", tls: none}]
routes: [{name: r, path: /mcp, upstream: u, mandate: {audiences: ["https://a.example"]}}]
upstreams: [{name: u, url: "http://127.0.0.1:2"}]
audit: {file: audit.jsonl}
receipts: {anchors: [{file: a.jwk}], )" +
         members + "}\n" + more;
}

constexpr const char* kOwnIdentity =
    "identity: {embedded: {state: s, trust_domain: a.org, spiffe_id: \"spiffe://a.org/t\"}}\n";

TEST(Valkey, TakesTheLedgersPlace) {
  const Loaded loaded = load_text(
      "/etc/m.yaml", with_receipts("valkey: {address: valkey.a.org:6379, spiffe_ids: "
                                   "[\"spiffe://a.org/valkey\"], user: m, password_file: secret, "
                                   "prefix: p, timeout: 500ms}",
                                   kOwnIdentity));
  ASSERT_TRUE(loaded) << to_string(loaded.error());
  ASSERT_TRUE(loaded->receipts.valkey);
  const Valkey& valkey = *loaded->receipts.valkey;
  EXPECT_EQ(valkey.address, "valkey.a.org:6379");
  EXPECT_THAT(valkey.spiffe_ids, testing::ElementsAre("spiffe://a.org/valkey"));
  EXPECT_EQ(valkey.user, "m");
  EXPECT_EQ(valkey.password_file, "/etc/secret");
  EXPECT_EQ(valkey.prefix, "p");
  EXPECT_EQ(valkey.timeout, milliseconds(500));
  EXPECT_EQ(loaded->receipts.ledger, "");
  const Loaded local =
      load_text("/etc/m.yaml", with_receipts("valkey: {address: \"unix:v.sock\"}"));
  ASSERT_TRUE(local) << to_string(local.error());
  EXPECT_EQ(local->receipts.valkey->address, "unix:/etc/v.sock");
}

TEST(Valkey, Refused) {
  struct Case {
    std::string members;
    std::string problem;
  };
  for (const Case& c :
       {Case{"valkey: {address: \"10.0.0.1:6379\"}",
             "/receipts/valkey: expected spiffe_ids or ca_file: plaintext goes to loopback or a "
             "Unix socket only"},
        Case{"valkey: {address: \"a.org:1\", ca_file: c, spiffe_ids: [\"spiffe://a.org/v\"]}",
             "/receipts/valkey/ca_file: expected either spiffe_ids or ca_file"},
        Case{"valkey: {address: \"unix:v.sock\", ca_file: c}",
             "/receipts/valkey/ca_file: goes with host:port only"},
        Case{"valkey: {address: valkey.a.org}",
             "/receipts/valkey/address: expected a host and a port such as "
             "valkey.example.org:6379 or [::1]:6379, or unix: and a path"},
        Case{"valkey: {address: \"localhost:0\"}",
             "/receipts/valkey/address: expected a host and a port such as "
             "valkey.example.org:6379 or [::1]:6379, or unix: and a path"},
        Case{"valkey: {address: \"a.org:1\", spiffe_ids: [\"spiffe://a.org/v\"]}",
             "/receipts/valkey/spiffe_ids: needs /identity"},
        Case{"valkey: {address: \"localhost:1\", user: m}",
             "/receipts/valkey/password_file: missing; user needs it"},
        Case{"valkey: {address: \"localhost:1\", prefix: \"a}b\"}",
             "/receipts/valkey/prefix: expected a name: 1 to 64 letters, digits, '-', '_' and '.', "
             "a letter or digit first"},
        Case{"valkey: {address: \"localhost:1\", timeout: 11s}",
             "/receipts/valkey/timeout: expected at most 10s"},
        Case{"valkey: {address: \"localhost:1\"}, ledger: file",
             "/receipts/ledger: expected either ledger or valkey"}}) {
    const Loaded loaded = load_text("m.yaml", with_receipts(c.members));
    ASSERT_FALSE(loaded) << c.members;
    EXPECT_THAT(to_string(loaded.error()), testing::EndsWith(": " + c.problem + "\n"));
  }
}

// A whole file whose listener and upstream have these members, too.
std::string with_wimse(const std::string& listener, const std::string& upstream,
                       const std::string& route, const std::string& more = kOwnIdentity) {
  return R"(version: 1
role: inbound
listeners: [{name: a, address: "127.0.0.1:1", )" +
         listener + R"(}]
routes: [{name: r, path: /mcp, upstream: u, mandate: "off", )" +
         route + R"(}]
upstreams: [{name: u, url: "http://127.0.0.1:2", )" +
         upstream + R"(}]
audit: {file: audit.jsonl}
)" + more;
}

TEST(Wimse, FillsTheStructs) {
  const Loaded loaded = load_text(
      "m.yaml", with_wimse("wimse: {mode: accept, method: token, audiences: "
                           "[\"https://t.example.org\", \"spiffe://a.org/t\"], carriers: "
                           "[\"spiffe://a.org/gateway\"]}",
                           "wimse: {method: signature, audience: \"https://far.example\"}",
                           "allowed_peers: [\"spiffe://a.org/**\", \"wimse://b.org/*\"]"));
  ASSERT_TRUE(loaded) << to_string(loaded.error());
  const ListenerWimse& inbound = *loaded->listeners.front().wimse;
  EXPECT_FALSE(inbound.required);
  EXPECT_EQ(inbound.method, WimseMethod::kToken);
  EXPECT_THAT(inbound.audiences, testing::ElementsAre("https://t.example.org", "spiffe://a.org/t"));
  EXPECT_THAT(inbound.carriers, testing::ElementsAre("spiffe://a.org/gateway"));
  const UpstreamWimse& out = *loaded->upstreams.front().wimse;
  EXPECT_EQ(out.method, WimseMethod::kSignature);
  EXPECT_EQ(out.audience, "https://far.example");
  const Loaded plain = load_text(
      "m.yaml", with_wimse("tls: none, wimse: {audiences: [\"https://t.example.org\"]}",
                           "wimse: {method: token}", "allowed_peers: [spiffe://a.org/x]"));
  ASSERT_TRUE(plain) << to_string(plain.error());
  EXPECT_TRUE(plain->listeners.front().wimse->required);
  EXPECT_EQ(plain->listeners.front().wimse->method, WimseMethod::kAny);
  EXPECT_EQ(plain->upstreams.front().wimse->audience, "");
}

TEST(Wimse, ASignedRequestNeedsNoProofOfItsReceipt) {
  for (const auto& [method, problems] : {std::pair("signature", 0), {"any", 0}, {"token", 1}}) {
    std::string text = with_receipts("cache_entries_max: 1", kOwnIdentity);
    const auto change = [&text](std::string_view from, const std::string& to) {
      text.replace(text.find(from), from.size(), to);
    };
    change("tls: none", std::string("tls: none, wimse: {method: ") + method +
                            ", audiences: [\"https://t.example\"]}");
    change("mandate: {", "allowed_peers: [spiffe://a.org/x], mandate: {proof: mtls, ");
    const Loaded loaded = load_text("m.yaml", text);
    EXPECT_EQ(loaded.has_value(), problems == 0) << text;
    if (!loaded) {
      EXPECT_THAT(to_string(loaded.error()), testing::HasSubstr("mandate/proof: mtls needs"));
    }
  }
}

TEST(Wimse, Refused) {
  const std::string peers = "allowed_peers: [spiffe://a.org/x]";
  const std::string http = peers + ", protocol: http";
  const std::string plain = "tls: none, ";
  const std::string taken = "wimse: {audiences: [\"https://t.example.org\"]}";
  struct Case {
    std::string text;
    std::string problem;
  };
  for (const Case& c :
       {Case{with_wimse("wimse: {}", "", peers),
             "/listeners/0/wimse/audiences: missing; expected a list such as "
             "[\"https://tools.example.org\"]"},
        Case{with_wimse("wimse: {audiences: [a/b]}", "", peers),
             "/listeners/0/wimse/audiences/0: expected a SPIFFE ID, or an origin such as "
             "https://tools.example.org"},
        Case{with_wimse(plain + "wimse: {mode: accept, audiences: [\"https://t.example.org\"]}", "",
                        peers),
             "/listeners/0/wimse/mode: expected require: without mtls nothing else says who calls"},
        Case{with_wimse(plain + "wimse: {audiences: [\"https://t.example.org\"], carriers: "
                                "[spiffe://a.org/g]}",
                        "", peers),
             "/listeners/0/wimse/carriers: goes with tls: mtls only"},
        Case{
            with_wimse(plain + taken, "", ""),
            "/routes/0/allowed_peers: missing; an mtls or wimse listener needs the SPIFFE IDs that "
            "may call"},
        Case{with_wimse(plain + taken, "", "allowed_peers: [https://a.org/x]"),
             "/routes/0/allowed_peers/0: expected a SPIFFE ID or pattern such as "
             "spiffe://example.org/agent/*"},
        Case{with_wimse(plain + taken, "", http),
             "/routes/0/protocol: expected mcp: a body that is passed through cannot be signed or "
             "checked; wimse with method: token can"},
        Case{with_wimse("tls: mtls", "wimse: {method: signature}", http),
             "/routes/0/protocol: expected mcp: a body that is passed through cannot be signed or "
             "checked; wimse with method: token can"},
        Case{with_wimse(plain + taken, "", peers, ""),
             "/listeners/0/wimse: needs /identity: its bundles hold the keys"},
        Case{with_wimse("tls: none", "wimse: {method: token}", "", ""),
             "/upstreams/0/wimse: needs /identity/embedded: agents give no Workload Identity "
             "Tokens yet"},
        Case{with_wimse("tls: mtls", "wimse: {method: any}", peers),
             "/upstreams/0/wimse/method: expected token or signature"}}) {
    const Loaded loaded = load_text("m.yaml", c.text);
    ASSERT_FALSE(loaded) << c.text;
    EXPECT_THAT(to_string(loaded.error()), testing::EndsWith(": " + c.problem + "\n"));
  }
}

TEST(LocalApi, IsRead) {
  const Loaded loaded =
      load_text("/etc/m.yaml", outbound("{mode: attach}", kHttps, kWallet) +
                                   "local_api: {socket: run/l.sock, allowed_uids: [0, 65534]}\n");
  ASSERT_TRUE(loaded) << to_string(loaded.error());
  EXPECT_EQ(loaded->local_api->socket, "/etc/run/l.sock");
  EXPECT_THAT(loaded->local_api->allowed_uids, testing::ElementsAre(0, 65534));
  const Loaded bare = load_text("m.yaml", outbound("{mode: attach}", kHttps, kWallet));
  ASSERT_TRUE(bare);
  EXPECT_FALSE(bare->local_api);
}

TEST(LocalApi, Refused) {
  const auto local = [](const std::string& members) {
    return outbound("{mode: attach}", kHttps, kWallet) + "local_api: " + members + "\n";
  };
  struct Case {
    std::string text;
    const char* problem;
  };
  for (const Case& c :
       {Case{local("{}"), "/local_api/socket: missing"},
        {local("{socket: /" + std::string(120, 'a') + "}"),
         "/local_api/socket: expected a shorter socket path"},
        {local("{socket: s, allowed_uids: []}"), "/local_api/allowed_uids: expected at least one"},
        {local("{socket: s, allowed_uids: [-1]}"), "/local_api/allowed_uids/0: expected"},
        {local("{socket: s, allowed_uids: [4294967295]}"), "/local_api/allowed_uids/0: expected"},
        {local("{socket: s, allowed_uids: [root]}"), "/local_api/allowed_uids/0: expected"},
        {local("{socket: s, uid: 5}"), "/local_api/uid: unknown member"},
        {outbound("{mode: enforce, audiences: [spiffe://a.org/t]}", kHttps, kAnchors) +
             "local_api: {socket: s}\n",
         "/local_api: needs /receipts/wallet"}}) {
    const Loaded loaded = load_text("m.yaml", c.text);
    ASSERT_FALSE(loaded) << c.text;
    EXPECT_THAT(to_string(loaded.error()), testing::HasSubstr(c.problem));
  }
  const Loaded inbound = load_text("m.yaml", kGood + "local_api: {socket: s}\n");
  ASSERT_FALSE(inbound);
  EXPECT_THAT(to_string(inbound.error()),
              testing::HasSubstr("/local_api: goes with role: outbound"));
}

TEST(AllowedCallers, AreSelectors) {
  const std::string sha256(64, 'a');
  const std::string callers =
      "allowed_callers: [{uid: 1000, gid: 4294967294, path: /usr/bin/a, sha256: " + sha256 +
      "}, {cgroup: /a.slice, container_id: " + sha256 + ", pod_uid: p}]";
  const config::AllowedCaller first = {{"unix:uid", "1000"},
                                       {"unix:gid", "4294967294"},
                                       {"unix:path", "/usr/bin/a"},
                                       {"unix:sha256", sha256}};
  const config::AllowedCaller second = {
      {"unix:cgroup", "/a.slice"}, {"container:id", sha256}, {"k8s:pod-uid", "p"}};
  std::string text = kGood;
  text.replace(text.find("    tls: none\n"), 14, "    tls: none\n    " + callers + "\n");
  const Loaded loaded = load_text("m.yaml", text);
  ASSERT_TRUE(loaded) << to_string(loaded.error());
  EXPECT_THAT(loaded->listeners[1].allowed_callers, testing::ElementsAre(first, second));
  EXPECT_TRUE(loaded->listeners[0].allowed_callers.empty());
  const Loaded local = load_text("m.yaml", outbound("{mode: attach}", kHttps, kWallet) +
                                               "local_api: {socket: s, " + callers + "}\n");
  ASSERT_TRUE(local) << to_string(local.error());
  EXPECT_THAT(local->local_api->allowed_callers, testing::ElementsAre(first, second));
}

TEST(Evidence, NamesItsRoots) {
  const Loaded loaded = load_text(
      "/etc/m.yaml", with_receipts("evidence: {nitro_roots: aws.pem, dcap_roots: /i.pem}"));
  ASSERT_TRUE(loaded) << to_string(loaded.error());
  EXPECT_EQ(loaded->receipts.evidence->nitro_roots, "/etc/aws.pem");
  EXPECT_EQ(loaded->receipts.evidence->dcap_roots, "/i.pem");
  const Loaded none = load_text("m.yaml", with_receipts("evidence: {}"));
  ASSERT_FALSE(none);
  EXPECT_THAT(to_string(none.error()),
              testing::HasSubstr("/receipts/evidence: expected nitro_roots or dcap_roots"));
}

TEST(Identity, IsNeededByMtlsAndHttps) {
  const Loaded loaded = load_text("m.yaml", R"(version: 1
role: inbound
listeners: [{name: l, address: '127.0.0.1:1'}]
routes: [{name: r, upstream: u, allowed_peers: [spiffe://a.org/x]}]
upstreams: [{name: u, url: 'https://t.org', spiffe_ids: [spiffe://a.org/t]}]
receipts: {anchors: [{file: k}]}
audit: {file: a}
)");
  ASSERT_FALSE(loaded);
  EXPECT_EQ(to_string(loaded.error()),
            "m.yaml:3:13: /listeners/0/tls: mtls needs /identity\n"
            "m.yaml:4:10: /routes/0/mandate: audiences is missing; expected the names that proofs "
            "are made "
            "out to\n"
            "m.yaml:5:28: /upstreams/0/url: https needs /identity\n");
}

TEST(Problems, AreTheFirstTenInTheFilesOrder) {
  std::string text = "version: 1\n";
  for (char c = 'a'; c < 'p'; ++c) text += std::string(3, c) + ": 1\n";
  const Loaded loaded = load_text("m.yaml", text);
  ASSERT_FALSE(loaded);
  ASSERT_EQ(loaded.error().size(), 10U);
  for (std::size_t i = 1; i < 10; ++i)
    EXPECT_LE(loaded.error()[i - 1].line, loaded.error()[i].line) << i;
  EXPECT_EQ(loaded.error()[0].path, "/audit");
  EXPECT_EQ(loaded.error()[9].path, "/eee");
}

TEST(Problems, NamesFromTheFileCannotWriteToTheTerminal) {
  const Loaded loaded = load_text("m.yaml", "\"a\\e[2Jb\": 1\n");
  ASSERT_FALSE(loaded);
  const std::string text = to_string(loaded.error());
  EXPECT_NE(text.find("/a?[2Jb: unknown member"), std::string::npos) << text;
}

// What `mandated wrap` reads, as a file.
class Wrap : public testing::Test {
 protected:
  Loaded load(const std::string& text) {
    std::ofstream(path_) << text;
    return load_wrap(path_, wrapped_);
  }
  ~Wrap() override { std::filesystem::remove(path_); }

  std::string path_ = std::filesystem::temp_directory_path() / "mandated-wrap-test.yaml";
  Wrapped wrapped_{"files", {"server", "--", "-x"}, "/work", {{"BASH_FUNC_a%%", "() { }"}}};
};

constexpr std::string_view kWrap = R"(
version: 1
receipts: {anchors: [{file: me.jwk}], wallet: {folder: w, holder_key: k.jwk}}
audit: {file: a.jsonl}
)";

TEST_F(Wrap, MakesTheWayOfACall) {
  const Loaded loaded = load(std::string(kWrap));
  ASSERT_TRUE(loaded) << to_string(loaded.error());
  EXPECT_EQ(loaded->role, Role::kOutbound);
  ASSERT_EQ(loaded->listeners.size(), 1U);
  EXPECT_TRUE(loaded->listeners[0].is_stdio());
  ASSERT_EQ(loaded->routes.size(), 1U);
  EXPECT_EQ(loaded->routes[0].mandate.mode, MandateMode::kAttach);
  EXPECT_EQ(loaded->routes[0].mandate.tool_names, ToolNames::kUri);
  ASSERT_EQ(loaded->upstreams.size(), 1U);
  EXPECT_EQ(loaded->upstreams[0].name, "files");
  EXPECT_EQ(loaded->upstreams[0].command, wrapped_.command);
  EXPECT_EQ(loaded->upstreams[0].cwd, "/work");
  EXPECT_EQ(loaded->upstreams[0].env, wrapped_.env);
}

TEST_F(Wrap, WhatIsMadeDoesNotBelongInTheFile) {
  for (const std::string member :
       {"role: inbound", "listeners: []", "routes: []", "upstreams: []"}) {
    const Loaded loaded = load(std::string(kWrap) + member + "\n");
    ASSERT_FALSE(loaded) << member;
    EXPECT_EQ(to_string(loaded.error()),
              path_ + ":5:1: /" + member.substr(0, member.find(':')) +
                  ": does not belong here: it is made for the command that is wrapped\n");
  }
  EXPECT_FALSE(load("version: 1\naudit: {file: a.jsonl}\n"));  // nothing to hold calls to
  EXPECT_FALSE(load("[]"));
  EXPECT_FALSE(load_wrap("/no/such/file.yaml", wrapped_));
}

TEST(Stdio, IsForOneClientWithoutTls) {
  const auto problem = [](const std::string& listener) {
    const Loaded loaded = load_text("m.yaml", R"(
version: 1
role: outbound
listeners: [)" + listener + R"(]
routes: [{name: r, upstream: u, mandate: "off"}]
upstreams: [{name: u, url: "http://127.0.0.1:1"}]
audit: {file: a.jsonl}
)");
    return loaded ? std::string() : to_string(loaded.error());
  };
  EXPECT_EQ(problem(R"({name: a, address: "stdio:", tls: none})"), "");
  EXPECT_NE(problem(R"({name: a, address: "stdio:"})").find("expected none"), std::string::npos);
  EXPECT_NE(
      problem(R"({name: a, address: "stdio:", tls: none}, {name: b, address: "stdio:", tls: none})")
          .find("is already the address of a"),
      std::string::npos);
}

TEST(LoadFile, MissingAndFolder) {
  const Loaded missing = load("/nonexistent/m.yaml");
  ASSERT_FALSE(missing);
  EXPECT_EQ(to_string(missing.error()),
            "/nonexistent/m.yaml:1:1: cannot be read: No such file or directory\n");
  const Loaded folder = load("/");
  ASSERT_FALSE(folder);
  EXPECT_THAT(to_string(folder.error()), testing::HasSubstr("/:1:1: cannot be read: "));
}

// ---- the Workload API

Loaded with_identity(const std::string& identity, const std::string& mandate = "off") {
  return load_text("/etc/m.yaml",
                   "version: 1\nrole: inbound\nidentity: " + identity +
                       "\nlisteners: [{name: a, address: \"127.0.0.1:0\"}]\n"
                       "routes: [{name: r, upstream: u, mandate: " +
                       mandate +
                       ", allowed_peers: [spiffe://a.org/x]}]\n"
                       "upstreams: [{name: u, command: [x]}]\n"
                       "receipts: {anchors: [{file: k.jwk}]}\naudit: {file: a.jsonl}\n");
}

TEST(WorkloadApi, FillsItsStruct) {
  const Loaded loaded = with_identity(
      "{workload_api: {endpoint: \"unix:///run/agent.sock\", spiffe_id: spiffe://a.org/t, "
      "hint: internal, startup_timeout: 5s}}",
      "{}");
  ASSERT_TRUE(loaded) << to_string(loaded.error());
  ASSERT_TRUE(loaded->identity->workload_api);
  EXPECT_FALSE(loaded->identity->embedded);
  const WorkloadApi& api = *loaded->identity->workload_api;
  EXPECT_EQ(api.endpoint, "unix:///run/agent.sock");
  EXPECT_EQ(api.hint, "internal");
  EXPECT_EQ(api.startup_timeout, seconds(5));
  EXPECT_EQ(loaded->identity->spiffe_id(), "spiffe://a.org/t");
  EXPECT_EQ(loaded->routes[0].mandate.audiences, std::vector<std::string>{"spiffe://a.org/t"});
}

TEST(WorkloadApi, EverythingIsOptional) {
  const Loaded loaded = with_identity("{workload_api: {}}");
  ASSERT_TRUE(loaded) << to_string(loaded.error());
  EXPECT_EQ(loaded->identity->workload_api->startup_timeout, seconds(30));
  EXPECT_EQ(loaded->identity->spiffe_id(), "");
}

TEST(WorkloadApi, Refused) {
  const auto problem = [](const std::string& identity, const std::string& mandate = "off") {
    const Loaded loaded = with_identity(identity, mandate);
    return loaded ? std::string()
                  : loaded.error().front().path + ": " + loaded.error().front().text;
  };
  const std::string embedded =
      "embedded: {state: s, trust_domain: a.org, spiffe_id: spiffe://a.org/t}";
  EXPECT_EQ(problem("{}"), "/identity: expected embedded or workload_api, one of them");
  EXPECT_EQ(problem("{workload_api: {}, " + embedded + "}"),
            "/identity: expected embedded or workload_api, one of them");
  EXPECT_EQ(problem("{workload_api: {}, trust_bundles: [{trust_domain: b.org, file: b}]}"),
            "/identity/trust_bundles: goes with embedded: the agent gives the bundles");
  EXPECT_EQ(problem("{workload_api: {spiffe_id: x}}").substr(0, 34),
            "/identity/workload_api/spiffe_id: ");
  EXPECT_EQ(problem("{workload_api: {startup_timeout: 2h}}"),
            "/identity/workload_api/startup_timeout: expected between 1s and 1h");
  // Who we are is known only later: then proofs' audience must be said.
  EXPECT_EQ(problem("{workload_api: {}}", "{}"),
            "/routes/0/mandate/audiences: missing; expected the names that proofs are made out to");
}

}  // namespace
}  // namespace mandated::config
