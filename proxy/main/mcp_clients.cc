// Order of members and unknown members stay as they are; the white space becomes that of a
// pretty-printer.
#include "proxy/main/mcp_clients.h"

#include <algorithm>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

namespace mandated {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kWrap = "wrap";
constexpr std::string_view kEnd = "--";

template <class T>
using Read = tl::expected<T, std::string>;

tl::unexpected<std::string> wrong(std::string why) { return tl::unexpected(std::move(why)); }

// A member that stands twice would be lost on the way.
class DuplicateFinder {
 public:
  bool operator()(int depth, Json::parse_event_t event, const Json& value) {
    const auto level = static_cast<std::size_t>(depth);
    if (event == Json::parse_event_t::object_start) {
      names_.resize(level + 1);
      names_[level].clear();
    } else if (event == Json::parse_event_t::key && found_.empty()) {
      const auto& name = value.get_ref<const std::string&>();
      if (!names_[level - 1].insert(name).second) found_ = name;
    }
    return true;
  }
  const std::string& found() const { return found_; }

 private:
  std::vector<std::set<std::string>> names_;
  std::string found_;
};

Read<Json> parse(std::string_view text) {
  DuplicateFinder duplicates;
  Json document = Json::parse(text, std::ref(duplicates), false);
  if (document.is_discarded() && !Json::parse(text, nullptr, false, true).is_discarded())
    return wrong("it has comments, which would be lost; wrap the commands by hand");
  if (document.is_discarded()) return wrong("it is not JSON");
  if (!duplicates.found().empty())
    return wrong("the member \"" + duplicates.found() + "\" stands twice");
  if (!document.is_object()) return wrong("it is not a JSON object");
  return document;
}

// VS Code says "servers", all others "mcpServers"; Claude Code has more of them, by project.
std::vector<std::pair<std::string, Json*>> find_servers(Json& document) {
  std::vector<std::pair<std::string, Json*>> found;
  const auto look = [&found](const std::string& place, Json& in) {
    for (const char* const name : {"mcpServers", "servers"}) {
      if (in.contains(name) && in[name].is_object()) found.emplace_back(place, &in[name]);
    }
  };
  look("", document);
  if (!document.contains("projects") || !document["projects"].is_object()) return found;
  for (auto& [path, project] : document["projects"].items()) {
    if (project.is_object()) look(path + ": ", project);
  }
  return found;
}

bool is_command(const Json& server) {
  if (!server.is_object() || !server.contains("command") || !server["command"].is_string())
    return false;
  if (!server.contains("args")) return true;
  const Json& args = server["args"];
  return args.is_array() &&
         std::all_of(args.begin(), args.end(), [](const Json& each) { return each.is_string(); });
}

std::vector<std::string> args_of(const Json& server) {
  return server.value("args", std::vector<std::string>());
}

bool is_wrapped(const Json& server) {
  const std::filesystem::path program(server["command"].get<std::string>());
  const std::vector<std::string> args = args_of(server);
  return program.filename() == "mandated" && !args.empty() && args.front() == kWrap;
}

// Names of upstreams are stricter than those of servers.
std::string upstream_name(const std::string& server) {
  constexpr std::size_t kNameMax = 64;
  std::string name = server.substr(0, kNameMax);
  std::replace_if(
      name.begin(), name.end(),
      [](char c) {
        return !((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                 c == '-' || c == '_' || c == '.');
      },
      '-');
  if (name.empty() || name.front() == '-' || name.front() == '_' || name.front() == '.')
    name.insert(0, "s");
  return name.substr(0, kNameMax);
}

using Change = std::function<std::string(const std::string& name, Json& server)>;

// `change` says in words what it did; empty: nothing.
Read<McpEdit> edit(std::string_view text, const Change& change) {
  auto document = parse(text);
  if (!document) return tl::unexpected(document.error());
  const auto places = find_servers(*document);
  if (places.empty()) return wrong("it has neither \"mcpServers\" nor \"servers\"");
  McpEdit done;
  for (const auto& [place, servers] : places) {
    for (auto& [name, server] : servers->items()) {
      if (!is_command(server)) {
        done.words.push_back(place + name + ": is no command; left as it is");
        continue;
      }
      const Json before = server;
      done.words.push_back(place + name + ": " + change(name, server));
      done.changed = done.changed || server != before;
    }
  }
  done.text = document->dump(2) + "\n";
  return done;
}

}  // namespace

const std::vector<McpClient>& mcp_clients() {
  static const std::vector<McpClient> clients = {
      {"claude-code", ".claude.json"},
      {"claude-desktop", ".config/Claude/claude_desktop_config.json"},
      {"cursor", ".cursor/mcp.json"},
      {"gemini-cli", ".gemini/settings.json"},
      {"vscode", ".config/Code/User/mcp.json"},
      {"windsurf", ".codeium/windsurf/mcp_config.json"},
  };
  return clients;
}

tl::expected<McpEdit, std::string> wrap_servers(std::string_view text, const WrapCommand& wrap) {
  std::set<std::string> names;
  return edit(text, [&](const std::string& name, Json& server) -> std::string {
    // What another program of this name does is not known here.
    if (is_wrapped(server) && server["command"] != wrap.program)
      return "LEFT AS IT IS: it is wrapped by " + server["command"].get<std::string>();
    if (is_wrapped(server)) return "is wrapped already";
    std::string own = upstream_name(name);
    // Two servers under one name would be one in receipts.
    for (int number = 2; !names.insert(own).second; ++number)
      own = upstream_name(name).substr(0, 60) + "-" + std::to_string(number);
    std::vector<std::string> args = {std::string(kWrap), "--name", own};
    args.insert(args.end(), wrap.options.begin(), wrap.options.end());
    args.emplace_back(kEnd);
    args.push_back(server["command"].get<std::string>());
    const std::vector<std::string> before = args_of(server);
    args.insert(args.end(), before.begin(), before.end());
    server["command"] = wrap.program;
    server["args"] = std::move(args);
    return "wrapped as " + own;
  });
}

tl::expected<McpEdit, std::string> unwrap_servers(std::string_view text) {
  return edit(text, [](const std::string&, Json& server) -> std::string {
    if (!is_wrapped(server)) return "is not wrapped";
    std::vector<std::string> args = args_of(server);
    const auto end = std::find(args.begin(), args.end(), kEnd);
    if (end == args.end() || end + 1 == args.end()) return "LEFT AS IT IS: it names no server";
    server["command"] = *(end + 1);
    args.erase(args.begin(), end + 2);
    server["args"] = std::move(args);
    return "no longer wrapped";
  });
}

}  // namespace mandated
