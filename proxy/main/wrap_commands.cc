#include "proxy/main/wrap_commands.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include "config/config.h"
#include "config/units.h"
#include "filters/receipt/key.h"
#include "proxy/base/file.h"
#include "proxy/main/mcp_clients.h"
#include "proxy/net/descriptor.h"
#include "proxy/server/process.h"
#include "proxy/stdio/posix_child.h"

extern char** environ;

namespace mandated {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kClientFileBytesMax = 16U << 20U;
constexpr int kTrailsMax = 64;

int fail_with(const std::string& words) {
  std::fprintf(stderr, "mandated: %s\n", words.c_str());
  return 1;
}

fs::path home() {
  const char* const found = std::getenv("HOME");
  return found != nullptr && *found != '\0' ? fs::path(found) : fs::path("/");
}

fs::path own_folder() {
  const char* const found = std::getenv("XDG_CONFIG_HOME");
  return (found != nullptr && *found == '/' ? fs::path(found) : home() / ".config") / "mandated";
}

std::string default_config() { return own_folder() / "wrap.yaml"; }

// A client means its server to see what it gives: the whole environment.
std::map<std::string, std::string> environment() {
  std::map<std::string, std::string> all;
  for (char** each = environ; *each != nullptr; ++each) {
    const std::string_view entry(*each);
    const std::size_t equals = entry.find('=', 1);
    if (equals != std::string_view::npos)
      all.emplace(entry.substr(0, equals), entry.substr(equals + 1));
  }
  return all;
}

// Each process has a trail of its own: `audit.jsonl` becomes `audit-NAME.jsonl`, or -NAME-2 while
// the first is another's.
std::string trail_of(const std::string& file, const std::string& name) {
  const fs::path whole(file);
  const std::string stem = whole.stem().string() + "-" + name;
  std::string path;
  for (int number = 1; number <= kTrailsMax; ++number) {
    const std::string suffix = number == 1 ? "" : "-" + std::to_string(number);
    path = whole.parent_path() / (stem + suffix + whole.extension().string());
    const net::Descriptor opened(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
    if (!opened || ::flock(opened.get(), LOCK_EX | LOCK_NB) == 0) return path;
  }
  return path;  // taken: opening it says so
}

struct WrapOptions {
  std::string config = default_config();
  std::string name;
  std::string tool_names = "uri";
  std::vector<std::string> command;
};

int wrap(const WrapOptions& options) {
  if (!config::check_name(options.name))
    return fail_with("--name: expected 1 to 64 letters, digits, '-', '_' and '.'");
  std::error_code error;
  if (!fs::exists(options.config, error)) {
    return fail_with(options.config +
                     " is not there: `mandated mcp setup` makes one, with a key that signs "
                     "receipts and a wallet for them");
  }
  stdio::Command command;
  command.argv = options.command;
  command.env = environment();
  // At once, so that it gets ready while we do.
  server::ProcessOptions process;
  Result<stdio::StartedProcessPtr> started = stdio::start_process(command);
  if (!started) return fail_with(started.error().text);
  process.started_command = std::move(*started);

  config::Wrapped wrapped;
  wrapped.name = options.name;
  wrapped.command = options.command;
  wrapped.cwd = fs::current_path(error);
  wrapped.env = std::move(command.env);
  wrapped.tool_names =
      options.tool_names == "uri" ? config::ToolNames::kUri : config::ToolNames::kPlain;
  config::Loaded config = config::load_wrap(options.config, wrapped);
  if (!config) {
    std::fputs(config::to_string(config.error()).c_str(), stderr);
    return 1;
  }
  config->audit.file = trail_of(config->audit.file, options.name);
  config->workers = 1;
  return server::run_process(*config, std::move(process));
}

// ---- mandated mcp ----

constexpr std::string_view kWrapYaml =
    "# What `mandated wrap` holds the tool calls of your MCP clients to.\n"
    "version: 1\n"
    "receipts:\n"
    "  anchors: [{file: me.pub.jwk}]   # whose receipts are believed: your own key's\n"
    "  wallet: {folder: wallet, holder_key: agent.jwk}\n"
    "  ledger: spent.ledger            # one for all, so that budgets are shared\n"
    "audit: {file: audit.jsonl}        # becomes audit-NAME.jsonl, by server\n"
    "log: {format: text, level: warn}\n";

bool write_key(const fs::path& folder, const std::string& name) {
  const receipt::PrivateKey key = receipt::PrivateKey::generate(receipt::KeyType::kEd25519);
  return replace_file(folder / (name + ".jwk"), key.jwk() + "\n", S_IRUSR | S_IWUSR) &&
         replace_file(folder / (name + ".pub.jwk"), key.public_key().jwk() + "\n",
                      S_IRUSR | S_IWUSR);
}

int set_up() {
  const fs::path folder = own_folder();
  const fs::path config = folder / "wrap.yaml";
  std::error_code error;
  if (fs::exists(config, error)) return fail_with(config.string() + " is there already");
  ::umask(S_IRWXG | S_IRWXO);
  fs::create_directories(folder / "wallet", error);
  if (error) return fail_with((folder / "wallet").string() + ": " + error.message());
  for (const char* const name : {"me", "agent"}) {
    if (fs::exists(folder / (std::string(name) + ".jwk"), error)) continue;
    if (!write_key(folder, name)) return fail_with(folder.string() + ": cannot write the keys");
  }
  if (!replace_file(config, kWrapYaml, S_IRUSR | S_IWUSR))
    return fail_with(config.string() + ": cannot be written");
  std::printf(
      "%s is set up. Until you sign a receipt, every tool call is refused:\n"
      "  mandated receipt issue --key %s/me.jwk --issuer urn:me --holder %s/agent.pub.jwk \\\n"
      "    --tools '{\"mcp://NAME/TOOL\": {\"ARGUMENT\": {\"constraint_type\": \"wildcard\"}}}' "
      "\\\n"
      "    --for 8h --out %s/wallet/today.json\n",
      folder.c_str(), folder.c_str(), folder.c_str(), folder.c_str());
  return 0;
}

struct EditOptions {
  std::string client;
  std::string file;
  std::string config;
  bool dry_run = false;
};

std::string names_of_clients() {
  std::string names;
  for (const McpClient& each : mcp_clients())
    names += (names.empty() ? "" : ", ") + std::string(each.name);
  return names;
}

// Empty when there is no such client.
std::string file_of(const EditOptions& options) {
  if (!options.file.empty()) return options.file;
  for (const McpClient& each : mcp_clients()) {
    if (each.name == options.client) return home() / each.file;
  }
  return {};
}

// Under the first name that is free, so that nothing of the client's is lost; gives the name, or
// nothing.
std::string write_new(const std::string& name, std::string_view text, mode_t mode) {
  constexpr int kNamesMax = 1000;
  std::string path = name;
  for (int number = 2; number < kNamesMax; ++number) {
    const net::Descriptor file(
        ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode));
    if (file) {
      const bool whole = ::fchmod(file.get(), mode) == 0 && write_all(file.get(), text) &&
                         ::fsync(file.get()) == 0;
      if (whole) return path;
      ::unlink(path.c_str());
      return {};
    }
    if (errno != EEXIST) return {};
    path = name + "-" + std::to_string(number);
  }
  return {};
}

int edit(const EditOptions& options,
         const std::function<tl::expected<McpEdit, std::string>(std::string_view)>& change) {
  const std::string file = file_of(options);
  if (file.empty()) {
    return fail_with("no client is called '" + options.client + "'; known are " +
                     names_of_clients() + ", and any other by --file");
  }
  // Behind a link stands the file that is meant; replacing the link would part the two.
  std::error_code error;
  const fs::path real = fs::canonical(file, error);
  if (error) return fail_with(file + ": " + error.message());
  struct stat status{};
  const auto text = read_file(real, kClientFileBytesMax);
  if (!text || ::stat(real.c_str(), &status) != 0)
    return fail_with(file + ": " + std::strerror(errno));
  const auto edited = change(*text);
  if (!edited) return fail_with(file + ": " + edited.error());
  for (const std::string& words : edited->words) std::printf("%s\n", words.c_str());
  if (!edited->changed || options.dry_run) {
    std::printf("%s: %s\n", file.c_str(), edited->changed ? "would be changed" : "nothing to do");
    return 0;
  }
  const mode_t mode = status.st_mode & 07777U;
  const std::string backup = write_new(file + ".before-mandated", *text, mode);
  if (backup.empty()) return fail_with(file + ": no backup can be written; nothing was changed");
  const std::string fresh = write_new(real.string() + ".mandated", edited->text, mode);
  // The client may have written it meanwhile.
  const bool same = read_file(real, kClientFileBytesMax) == text;
  if (fresh.empty() || !same || ::rename(fresh.c_str(), real.c_str()) != 0) {
    ::unlink(fresh.c_str());
    ::unlink(backup.c_str());
    return fail_with(file + (same ? ": cannot be written" : ": was changed meanwhile; try again"));
  }
  std::printf("%s: changed; as it was: %s\n", file.c_str(), backup.c_str());
  return 0;
}

int install(const EditOptions& options) {
  std::error_code error;
  WrapCommand command;
  command.program = fs::read_symlink("/proc/self/exe", error);
  if (error) return fail_with("/proc/self/exe: " + error.message());
  const std::string config = options.config.empty() ? default_config() : options.config;
  if (!fs::exists(config, error)) {
    return fail_with(config +
                     " is not there, so every server would fail to start: run `mandated "
                     "mcp setup` first");
  }
  if (!options.config.empty()) command.options = {"--config", fs::absolute(options.config, error)};
  return edit(options, [&](std::string_view text) { return wrap_servers(text, command); });
}

std::shared_ptr<EditOptions> add_edit(CLI::App* command) {
  auto options = std::make_shared<EditOptions>();
  command->add_option("client", options->client, "One of " + names_of_clients());
  command->add_option("--file", options->file, "Another client's file");
  command->add_flag("--dry-run", options->dry_run, "Say what would change, and change nothing");
  return options;
}

void add_mcp(CLI::App& app, int& exit_code) {
  CLI::App* mcp = app.add_subcommand("mcp", "The MCP servers of the clients on this machine");
  mcp->require_subcommand(1);
  mcp->add_subcommand("setup", "Make the keys, the wallet and the file that `wrap` reads")
      ->callback([&exit_code] { exit_code = set_up(); });
  CLI::App* adding = mcp->add_subcommand("install", "Wrap the servers that a client starts");
  const auto added = add_edit(adding);
  adding->add_option("--config,-c", added->config, "What `wrap` shall read (default: its own)");
  adding->callback([added, &exit_code] { exit_code = install(*added); });
  CLI::App* removing = mcp->add_subcommand("remove", "Start a client's servers as before");
  const auto removed = add_edit(removing);
  removing->callback([removed, &exit_code] { exit_code = edit(*removed, unwrap_servers); });
}

}  // namespace

void add_wrap_commands(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<WrapOptions>();
  CLI::App* command = app.add_subcommand(
      "wrap", "Start an MCP server for a client that speaks stdio, its calls held to receipts");
  command->add_option("--config,-c", options->config, "A file as `mandated mcp setup` makes it")
      ->capture_default_str();
  command->add_option("--name", options->name, "What receipts and audit records call the server")
      ->required();
  command
      ->add_option("--tool-names", options->tool_names,
                   "uri: receipts say mcp://NAME/TOOL. plain: they say TOOL")
      ->check(CLI::IsMember({"uri", "plain"}))
      ->capture_default_str();
  command->add_option("command", options->command, "After --: the server and its arguments")
      ->required();
  command->callback([options, &exit_code] { exit_code = wrap(*options); });
  add_mcp(app, exit_code);
}

}  // namespace mandated
