// The schema itself: complete, in step with the code's defaults and parsers, and in step with the
// table in config/README.md.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <functional>
#include <iterator>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "config/config.h"
#include "config/units.h"

namespace mandated::config {
namespace {

using nlohmann::ordered_json;

ordered_json schema() { return ordered_json::parse(schema_text()); }

struct Rule {
  std::string path;  ///< listeners[].address
  ordered_json rule;
  bool required;
};

void walk(const ordered_json& rule, const std::string& path, std::vector<Rule>& out) {
  if (rule.contains("items") && rule["items"].contains("properties"))
    walk(rule["items"], path + "[]", out);
  if (!rule.contains("properties")) return;
  std::set<std::string> required;
  if (rule.contains("required"))
    for (const ordered_json& name : rule["required"]) required.insert(name.get<std::string>());
  for (const auto& [name, member] : rule["properties"].items()) {
    std::string child = path;
    child += (path.empty() ? "" : ".") + name;
    out.push_back({child, member, required.contains(name)});
    walk(member, child, out);
  }
}

std::vector<Rule> rules() {
  std::vector<Rule> all;
  walk(schema(), "", all);
  return all;
}

TEST(Schema, EveryMemberIsDescribedAndUsesOnlyKeywordsThatTheLoaderExplains) {
  const std::set<std::string> known = {
      "$schema",  "title",         "description", "type",       "enum",     "default",
      "examples", "pattern",       "minLength",   "minimum",    "maximum",  "minItems",
      "maxItems", "maxProperties", "items",       "properties", "required", "additionalProperties"};
  std::vector<Rule> all = rules();
  all.push_back({"", schema(), true});
  EXPECT_GT(all.size(), 80U);
  for (const Rule& one : all) {
    EXPECT_TRUE(one.rule.contains("description")) << one.path;
    EXPECT_TRUE(one.rule.contains("type") || one.rule.contains("enum")) << one.path;
    for (const auto& [keyword, ignored] : one.rule.items())
      EXPECT_TRUE(known.contains(keyword)) << one.path << ": " << keyword;
    if (one.rule.contains("properties")) {
      EXPECT_EQ(one.rule["additionalProperties"], false) << one.path;
    }
  }
}

// The patterns are for editors; the loader uses its own parsers. They must not drift apart.
TEST(Schema, PatternsAgreeWithTheParsers) {
  const std::vector<std::string> samples = {
      "10s",   "250ms", "5m",      "2h",    "90d",  "0s",    "01s",  "10",  "s",
      "1.5s",  "1S",    " 1s",     "64KiB", "4MiB", "1GiB",  "0KiB", "1kB", "1MB",
      "-1KiB", "a",     "files-2", "-a",    "a b",  "A.b_c", "",     "off", "offx"};
  const std::map<std::string, std::function<bool(const std::string&)>> parsers = {
      {"^[1-9][0-9]{0,8}(ms|s|m|h|d)$",
       [](const std::string& text) { return parse_duration(text).has_value(); }},
      {"^[1-9][0-9]{0,8}(KiB|MiB|GiB)$",
       [](const std::string& text) { return parse_size(text).has_value(); }},
      {"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
       [](const std::string& text) { return check_name(text).has_value(); }},
      {"^off$", [](const std::string& text) { return text == "off"; }}};
  for (const Rule& one : rules()) {
    if (!one.rule.contains("pattern")) continue;
    const std::string pattern = one.rule["pattern"];
    ASSERT_TRUE(parsers.contains(pattern)) << one.path << ": " << pattern;
    for (const std::string& sample : samples)
      EXPECT_EQ(std::regex_search(sample, std::regex(pattern)), parsers.at(pattern)(sample))
          << one.path << ": " << sample;
  }
}

/// A configuration with nothing but what must be there.
constexpr const char* kMinimal = R"(
version: 1
role: outbound
listeners: [{name: l, address: "127.0.0.1:1", tls: none}]
routes: [{name: r, upstream: u, mandate: off}]
upstreams: [{name: u, url: "http://127.0.0.1:2"}, {name: c, command: [x]}]
audit: {file: a}
)";

TEST(Schema, DefaultsAreThoseOfTheStructs) {
  const Loaded loaded = load_text("/etc/m.yaml", kMinimal);
  ASSERT_TRUE(loaded) << to_string(loaded.error());
  const Upstream& u = loaded->upstreams[0];
  const Upstream& c = loaded->upstreams[1];
  const ReceiptLimits& r = loaded->receipts.limits;
  const Limits& l = loaded->limits;
  const Timeouts& t = loaded->timeouts;
  const std::map<std::string, Duration> durations = {
      {"identity.embedded.svid_ttl", EmbeddedIdentity().svid_ttl},
      {"upstreams[].pool.idle_timeout", u.pool.idle_timeout},
      {"upstreams[].restart.backoff_min", c.restart.backoff_min},
      {"upstreams[].restart.backoff_max", c.restart.backoff_max},
      {"receipts.limits.iat_skew_max", r.iat_skew_max},
      {"receipts.limits.proof_window", r.proof_window},
      {"receipts.limits.token_lifetime_max", r.token_lifetime_max},
      {"timeouts.connect", t.connect},
      {"timeouts.handshake", t.handshake},
      {"timeouts.header", t.header},
      {"timeouts.idle", t.idle},
      {"timeouts.body", t.body},
      {"timeouts.call", t.call},
      {"timeouts.drain", t.drain},
      {"timeouts.stream_idle", t.stream_idle}};
  const std::map<std::string, std::size_t> numbers = {
      {"upstreams[].pool.connections_max", u.pool.connections_max},
      {"upstreams[].sessions_max", c.sessions_max},
      {"receipts.cache_entries_max", loaded->receipts.cache_entries_max},
      {"receipts.limits.token_bytes_max", r.token_bytes_max},
      {"receipts.limits.chain_bytes_max", r.chain_bytes_max},
      {"receipts.limits.tools_max", r.tools_max},
      {"receipts.limits.constraints_per_tool_max", r.constraints_per_tool_max},
      {"receipts.limits.constraint_depth_max", r.constraint_depth_max},
      {"receipts.limits.tool_name_bytes_max", r.tool_name_bytes_max},
      {"receipts.limits.constraint_value_bytes_max", r.constraint_value_bytes_max},
      {"receipts.limits.delegation_depth_max", static_cast<std::size_t>(r.delegation_depth_max)},
      {"limits.body_bytes_max", l.body_bytes_max},
      {"limits.header_bytes_max", l.header_bytes_max},
      {"limits.json_depth_max", l.json_depth_max},
      {"limits.streams_max", l.streams_max},
      {"limits.connections_max", l.connections_max},
      {"limits.sessions_max", l.sessions_max},
      {"limits.buffered_bytes_max", l.buffered_bytes_max}};
  std::size_t seen = 0;
  for (const Rule& one : rules()) {
    if (const auto found = durations.find(one.path); found != durations.end()) {
      EXPECT_EQ(parse_duration(one.rule.at("default").get<std::string>()), found->second)
          << one.path;
      ++seen;
    }
    if (const auto found = numbers.find(one.path); found != numbers.end()) {
      const ordered_json& given = one.rule.at("default");
      const std::size_t value =
          given.is_string() ? *parse_size(given.get<std::string>()) : given.get<std::size_t>();
      EXPECT_EQ(value, found->second) << one.path;
      ++seen;
    }
  }
  EXPECT_EQ(seen, durations.size() + numbers.size());
}

// Giving every default in words must load the same as leaving it out: the words of enums agree too.
TEST(Schema, WritingDefaultsOutChangesNothing) {
  const Loaded loaded = load_text("/etc/m.yaml", R"(
version: 1
role: outbound
listeners: [{name: l, address: "127.0.0.1:1", tls: none, allow_tls12: false}]
routes: [{name: r, path: /, protocol: mcp, upstream: c, allowed_peers: [], allowed_origins: [],
          mandate: {mode: enforce, discovery: open, audiences: [], proof: required, tool_names: plain}}]
upstreams: [{name: u, url: "http://127.0.0.1:2", spiffe_ids: [], http_version: auto, receipts: strip},
            {name: c, command: [x], env: {}}]
receipts: {anchors: [{file: k}]}
filters: [{name: mandate}]
audit: {file: a, mode: before, arguments: hash}
log: {level: info, format: json}
)");
  ASSERT_TRUE(loaded) << to_string(loaded.error());
  const Mandate mandate;
  EXPECT_EQ(loaded->routes[0].mandate.mode, mandate.mode);
  EXPECT_EQ(loaded->routes[0].mandate.discovery, mandate.discovery);
  EXPECT_EQ(loaded->routes[0].mandate.proof, mandate.proof);
  EXPECT_EQ(loaded->routes[0].mandate.tool_names, mandate.tool_names);
  EXPECT_EQ(loaded->routes[0].protocol, Route().protocol);
  EXPECT_EQ(loaded->routes[0].path, Route().path);
  EXPECT_EQ(loaded->upstreams[0].http_version, Upstream().http_version);
  EXPECT_EQ(loaded->upstreams[0].receipts, Upstream().receipts);
  EXPECT_EQ(loaded->audit.mode, Audit().mode);
  EXPECT_EQ(loaded->audit.arguments, Audit().arguments);
  EXPECT_EQ(loaded->log.level, Log().level);
  EXPECT_EQ(loaded->log.format, Log().format);
  const std::map<std::string, std::string> words = {{"listeners[].tls", "mtls"},
                                                    {"routes[].protocol", "mcp"},
                                                    {"routes[].path", "/"},
                                                    {"routes[].mandate.mode", "enforce"},
                                                    {"routes[].mandate.discovery", "open"},
                                                    {"routes[].mandate.proof", "required"},
                                                    {"routes[].mandate.tool_names", "plain"},
                                                    {"upstreams[].http_version", "auto"},
                                                    {"upstreams[].receipts", "strip"},
                                                    {"audit.mode", "before"},
                                                    {"audit.arguments", "hash"},
                                                    {"log.level", "info"},
                                                    {"log.format", "json"}};
  for (const Rule& one : rules()) {
    if (const auto found = words.find(one.path); found != words.end()) {
      EXPECT_EQ(one.rule.at("default"), found->second) << one.path;
    }
  }
  EXPECT_EQ(Listener().tls, ListenerTls::kMtls);
}

std::string type_text(const ordered_json& rule) {
  if (rule.contains("enum")) {
    std::string text;
    std::set<std::string> seen;
    for (const ordered_json& value : rule["enum"]) {
      const std::string word = value.is_string() ? value.get<std::string>() : value.dump();
      if (!seen.insert(word).second) continue;
      text += text.empty() ? "" : ", ";
      text += "`" + word + "`";
    }
    return text;
  }
  const std::string pattern = rule.value("pattern", "");
  if (pattern.find("ms|s") != std::string::npos) return "duration";
  if (pattern.find("KiB") != std::string::npos) return "size";
  if (pattern == "^off$") return "members or `off`";
  const std::string type = rule["type"];
  if (type == "array") {
    if (rule["items"].contains("properties")) return "list";
    return rule["items"]["type"] == "integer" ? "list of numbers" : "list of text";
  }
  if (type == "object") return "members";
  if (type == "string") return "text";
  return type == "boolean" ? "`true`, `false`" : "number";
}

std::string default_text(const Rule& one) {
  if (one.required) return "";
  if (!one.rule.contains("default")) return "optional";
  const ordered_json& value = one.rule["default"];
  if (value.is_structured() && value.empty()) return "none";
  return "`" + (value.is_string() ? value.get<std::string>() : value.dump()) + "`";
}

std::string escaped(std::string text) { return std::regex_replace(text, std::regex("\\|"), "\\|"); }

TEST(Readme, TableIsMadeFromTheSchema) {
  std::string table = "\n| member | what it takes | default | meaning |\n|---|---|---|---|\n";
  for (const Rule& one : rules()) {
    table += "| `" + one.path + "` | " + type_text(one.rule) + " | " + default_text(one) + " | " +
             escaped(one.rule["description"]) + " |\n";
  }
  const std::string path = CONFIG_FOLDER "/README.md";
  std::ifstream in(path);
  const std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  const std::string marker = "UPDATE_GOLDEN=1 rewrites it. -->\n";
  const std::size_t at = text.find(marker);
  ASSERT_NE(at, std::string::npos);
  const std::string wanted = text.substr(0, at + marker.size()) + table;
  if (std::getenv("UPDATE_GOLDEN") != nullptr) std::ofstream(path) << wanted;
  EXPECT_EQ(text, wanted) << "run config_test with UPDATE_GOLDEN=1 and read the difference";
}

}  // namespace
}  // namespace mandated::config
