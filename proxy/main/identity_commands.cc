#include "proxy/main/identity_commands.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "config/config.h"
#include "filters/receipt/digest.h"
#include "proxy/base/clock.h"
#include "proxy/base/file.h"
#include "proxy/base/gate.h"
#include "proxy/identity/embedded.h"
#include "proxy/identity/jwt_keys.h"
#include "proxy/workload_api/advice.h"
#include "proxy/workload_api/endpoint.h"
#include "proxy/workload_api/source.h"

namespace mandated {

namespace {

using workload_api::Agent;

constexpr Clock::Duration kAnswerMax = std::chrono::seconds(10);
constexpr std::size_t kExecutableMax = 1U << 30U;

struct IdentityOptions {
  std::string config;
  std::string endpoint;
  std::string spiffe_id;
  std::string hint;
  std::string audience;
};

int failed(std::string_view why) {
  std::fprintf(stderr, "mandated: %.*s\n", static_cast<int>(why.size()), why.data());
  return 1;
}

void print(const char* name, const std::string& text) {
  std::printf("%-13s %s\n", name, text.c_str());
  std::fflush(stdout);
}

std::string utc(Clock::WallTime time) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char text[sizeof("2026-07-28T12:00:00Z")];
  std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

std::string count_of(std::size_t count, const char* what) {
  return std::to_string(count) + ' ' + what + (count == 1 ? "" : "s");
}

std::string named(const workload_api::HintedSvid& one) {
  return one.svid.id.text() + (one.hint.empty() ? "" : " (hint '" + one.hint + "')");
}

std::string validity(const identity::Svid& svid, Clock::WallTime now) {
  const auto left = std::chrono::duration_cast<std::chrono::seconds>(svid.expires - now).count();
  return utc(svid.not_before) + " to " + utc(svid.expires) + ", " +
         count_of(static_cast<std::size_t>(std::max<std::int64_t>(left, 0)), "second") + " left";
}

void print_bundles(const identity::Bundles& bundles) {
  for (const auto& [trust_domain, certificates] : bundles) {
    print("believes", trust_domain + ", by " + count_of(certificates.size(), "certificate"));
  }
}

/// A Workload API on an event loop of this command's own.
class Loop {
 public:
  explicit Loop(net::Address address)
      : clock_(context_),
        dialer_(net::make_socket_dialer(clock_)),
        gate_(context_.get_executor()),
        agent_{*dialer_, clock_, gate_, std::move(address)} {}

  const Agent& agent() const { return agent_; }
  Clock::WallTime now() const { return clock_.wall(); }

  /// The answer to one question; of a stream, its first message.
  Result<Secret> ask(std::string_view method, const std::string& request) {
    std::optional<Result<Secret>> answer;
    gate_.spawn(first_message(agent_, method, request, answer));
    context_.restart();
    context_.run();
    MANDATED_ASSERT(answer.has_value());
    if (!*answer) {
      Error error = std::move(*answer).error();
      error.text += ". " + workload_api::advice_for(error, agent_.address);
      return Failure(std::move(error));
    }
    return std::move(*answer);
  }

 private:
  static Task<void> first_message(const Agent& agent, std::string_view method, std::string request,
                                  std::optional<Result<Secret>>& answer) {
    answer.emplace(co_await ask_first(agent, method, request));
  }
  static Task<Result<Secret>> ask_first(const Agent& agent, std::string_view method,
                                        const std::string& request) {
    const Clock::Time deadline = agent.clock.now() + kAnswerMax;
    CO_TRY(const std::unique_ptr<workload_api::GrpcCall> call,
           co_await workload_api::GrpcCall::start(agent, method, request, deadline));
    CO_TRY(std::optional<Secret> message, co_await call->next());
    if (!message) co_return fail(Code::kMalformed, "the agent gave no answer");
    co_return std::move(*message);
  }

  boost::asio::io_context context_{1};
  RealClock clock_;
  std::unique_ptr<net::Dialer> dialer_;
  Gate gate_;
  Agent agent_;
};

/// What the configuration's `identity` says, or these options.
Result<config::Identity> find_identity(const IdentityOptions& options) {
  config::Identity identity;
  if (options.config.empty()) {
    identity.workload_api.emplace();
  } else {
    const config::Loaded loaded = config::load(options.config);
    if (!loaded) return fail(Code::kInvalidConfig, config::to_string(loaded.error()));
    if (!loaded->identity) {
      return fail(Code::kInvalidConfig, options.config + " says nothing of an identity");
    }
    identity = *loaded->identity;
  }
  if (!identity.workload_api) return identity;
  config::WorkloadApi& api = *identity.workload_api;
  if (!options.endpoint.empty()) api.endpoint = options.endpoint;
  if (!options.spiffe_id.empty()) api.spiffe_id = options.spiffe_id;
  if (!options.hint.empty()) api.hint = options.hint;
  return identity;
}

Result<std::unique_ptr<identity::SvidSource>> make_source(const config::Identity& config) {
  if (config.workload_api) {
    workload_api::WorkloadApiOptions options;
    TRY(options.endpoint, workload_api::find_endpoint(config.workload_api->endpoint));
    options.spiffe_id = config.workload_api->spiffe_id;
    options.hint = config.workload_api->hint;
    options.startup_timeout = config.workload_api->startup_timeout;
    options.log = [](std::string_view words) { print("trouble", std::string(words)); };
    return std::make_unique<workload_api::WorkloadApiSvidSource>(std::move(options));
  }
  identity::EmbeddedOptions options;
  options.state_folder = config.embedded->state;
  options.trust_domain = config.embedded->trust_domain;
  TRY(options.id, identity::SpiffeId::parse(config.embedded->spiffe_id));
  options.ttl = config.embedded->svid_ttl;
  for (const config::TrustBundle& bundle : config.trust_bundles) {
    options.bundle_files[bundle.trust_domain] = bundle.file;
  }
  options.log = [](std::string_view words) { print("trouble", std::string(words)); };
  return std::make_unique<identity::EmbeddedSvidSource>(std::move(options));
}

// ---- show

int show_agent(const config::WorkloadApi& config) {
  const auto endpoint = workload_api::find_endpoint(config.endpoint);
  if (!endpoint) return failed(endpoint.error().text);
  Loop loop(*endpoint);
  const auto message = loop.ask("FetchX509SVID", {});
  if (!message) return failed(message.error().text);
  const auto update = workload_api::read_x509_svids(message->bytes(), loop.now());
  if (!update) {
    return failed(update.error().text + ". " + workload_api::advice_for(update.error(), *endpoint));
  }
  const auto chosen = workload_api::choose_svid(update->svids, config.spiffe_id, config.hint);
  if (!chosen) {
    return failed(chosen.error().text + ". " + workload_api::advice_for(chosen.error(), *endpoint));
  }
  print("identity", named(**chosen));
  print("vouched by", std::string((*chosen)->svid.id.trust_domain()) + ", through the agent at " +
                          endpoint->to_string());
  print("valid", validity((*chosen)->svid, loop.now()));
  for (const workload_api::HintedSvid& one : update->svids) {
    if (&one != *chosen) print("not used", named(one));
  }
  print_bundles(update->bundles);
  for (const std::string& what : update->ignored) print("ignored", what);
  return 0;
}

int show(const IdentityOptions& options) {
  const auto config = find_identity(options);
  if (!config) return failed(config.error().text);
  if (config->workload_api) return show_agent(*config->workload_api);
  boost::asio::io_context context;
  const Clock::WallTime now = RealClock(context).wall();
  const auto source = make_source(*config);
  if (!source) return failed(source.error().text);
  const auto snapshot = (*source)->first(now);
  if (!snapshot) return failed(snapshot.error().text);
  print("identity", (*snapshot)->svid->id.text());
  print("vouched by",
        config->embedded->trust_domain + ", with the authority in " + config->embedded->state);
  print("valid", validity(*(*snapshot)->svid, now));
  print_bundles((*snapshot)->bundles);
  return 0;
}

// ---- check

/// Lines of what was tried; the first failure decides the exit code.
class Report {
 public:
  void passed(const char* what, const std::string& words) { print(what, "ok: " + words); }
  void failed(const char* what, const std::string& words) {
    print(what, "FAILED: " + words);
    exit_code_ = 1;
  }
  int exit_code() const { return exit_code_; }

 private:
  int exit_code_ = 0;
};

void check_svids(Loop& loop, const config::WorkloadApi& config, Report& report) {
  const auto message = loop.ask("FetchX509SVID", {});
  if (!message) return report.failed("X.509-SVID", message.error().text);
  const auto update = workload_api::read_x509_svids(message->bytes(), loop.now());
  const net::Address& endpoint = loop.agent().address;
  if (!update) {
    return report.failed("X.509-SVID", update.error().text + ". " +
                                           workload_api::advice_for(update.error(), endpoint));
  }
  const auto chosen = workload_api::choose_svid(update->svids, config.spiffe_id, config.hint);
  if (!chosen) {
    return report.failed("X.509-SVID", chosen.error().text + ". " +
                                           workload_api::advice_for(chosen.error(), endpoint));
  }
  report.passed("X.509-SVID", named(**chosen) + ", " + validity((*chosen)->svid, loop.now()));
}

void check_bundles(Loop& loop, Report& report) {
  const auto message = loop.ask("FetchX509Bundles", {});
  if (!message) return report.failed("X.509 bundles", message.error().text);
  std::vector<std::string> ignored;
  const auto bundles = workload_api::read_x509_bundles(message->bytes(), ignored);
  if (!bundles) return report.failed("X.509 bundles", bundles.error().text);
  for (const std::string& what : ignored) report.failed("X.509 bundles", what);
  std::string names;
  for (const auto& [trust_domain, certificates] : *bundles) names += ' ' + trust_domain;
  report.passed("X.509 bundles", "of" + names);
}

void check_jwt_keys(Loop& loop, Report& report) {
  const auto message = loop.ask("FetchJWTBundles", {});
  if (!message && message.error().code == Code::kUnsupported) {
    return report.passed("JWT bundles", "the agent has none");
  }
  if (!message) return report.failed("JWT bundles", message.error().text);
  const auto bundles = workload_api::read_jwt_bundles(message->bytes());
  if (!bundles) return report.failed("JWT bundles", bundles.error().text);
  for (const auto& [trust_domain, text] : *bundles) {
    const auto keys = identity::read_jwt_keys(text);
    if (keys) {
      report.passed("JWT bundles", trust_domain + ", " + count_of(keys->size(), "key"));
    } else {
      report.failed("JWT bundles", trust_domain + ": " + keys.error().text);
    }
  }
}

void check_jwt_svid(Loop& loop, const config::WorkloadApi& config, const std::string& audience,
                    Report& report) {
  const auto message =
      loop.ask("FetchJWTSVID", workload_api::jwt_svid_request(audience, config.spiffe_id));
  if (!message) return report.failed("JWT-SVID", message.error().text);
  const auto tokens = workload_api::read_jwt_svids(message->bytes());
  if (!tokens) return report.failed("JWT-SVID", tokens.error().text);
  const auto answer = loop.ask("ValidateJWTSVID",
                               workload_api::validate_jwt_request(audience, tokens->front().token));
  if (!answer) return report.failed("JWT-SVID", answer.error().text);
  const auto validated = workload_api::read_validated_jwt(answer->bytes());
  if (!validated) return report.failed("JWT-SVID", validated.error().text);
  if (validated->id != tokens->front().id) {
    return report.failed("JWT-SVID", "made for " + tokens->front().id.text() + ", but it names " +
                                         validated->id.text());
  }
  report.passed("JWT-SVID", validated->id.text() + " for " + audience);
}

/// What a registration entry can say of this process, where it is run by this user and program.
void print_selectors() {
  print("selector", "unix:uid:" + std::to_string(::getuid()));
  print("selector", "unix:gid:" + std::to_string(::getgid()));
  std::string path(4096, '\0');
  const ssize_t size = ::readlink("/proc/self/exe", path.data(), path.size());
  if (size > 0) print("selector", "unix:path:" + path.substr(0, static_cast<std::size_t>(size)));
  const std::optional<std::string> bytes = read_file("/proc/self/exe", kExecutableMax);
  if (!bytes) return;
  std::string digits;
  for (const std::uint8_t byte : receipt::sha256(*bytes)) {
    constexpr char kDigits[] = "0123456789abcdef";
    digits += kDigits[byte >> 4U];
    digits += kDigits[byte & 15U];
  }
  print("selector", "unix:sha256:" + digits);
}

int check(const IdentityOptions& options) {
  const auto config = find_identity(options);
  if (!config) return failed(config.error().text);
  if (!config->workload_api) return show(options);  // making one is the check
  const auto endpoint = workload_api::find_endpoint(config->workload_api->endpoint);
  if (!endpoint) return failed(endpoint.error().text);
  Loop loop(*endpoint);
  Report report;
  print("endpoint", endpoint->to_string());
  check_svids(loop, *config->workload_api, report);
  check_bundles(loop, report);
  check_jwt_keys(loop, report);
  if (!options.audience.empty()) {
    check_jwt_svid(loop, *config->workload_api, options.audience, report);
  }
  print_selectors();
  return report.exit_code();
}

// ---- watch

int watch(const IdentityOptions& options) {
  const auto config = find_identity(options);
  if (!config) return failed(config.error().text);
  const auto source = make_source(*config);
  if (!source) return failed(source.error().text);
  boost::asio::io_context context{1};
  RealClock clock(context);
  const auto first = (*source)->first(clock.wall());
  if (!first) return failed(first.error().text);
  const auto tell = [&clock](const identity::SnapshotPtr& snapshot) {
    print("identity", utc(clock.wall()) + " " + snapshot->svid->id.text() + ", " +
                          validity(*snapshot->svid, clock.wall()) + ", believes " +
                          count_of(snapshot->bundles.size(), "trust domain"));
  };
  tell(*first);
  Gate gate(context.get_executor());
  gate.spawn((*source)->run(clock, tell));
  context.run();
  return failed("the agent is not asked any more");
}

CLI::App* add_command(CLI::App& parent, const char* name, const char* words,
                      IdentityOptions& options) {
  CLI::App* command = parent.add_subcommand(name, words);
  command->add_option("--config,-c", options.config,
                      "Take `identity` from this configuration (default: the Workload API)");
  command->add_option("--endpoint", options.endpoint,
                      "Where the Workload API is (default: SPIFFE_ENDPOINT_SOCKET)");
  command->add_option("--spiffe-id", options.spiffe_id, "The SVID to take, of several");
  command->add_option("--hint", options.hint, "The hint of the SVID to take");
  return command;
}

}  // namespace

void add_identity_commands(CLI::App& app, int& exit_code) {
  CLI::App* parent = app.add_subcommand("identity", "Who this proxy is, and who vouches for it");
  parent->require_subcommand(1);
  auto options = std::make_shared<IdentityOptions>();

  CLI::App* shown =
      add_command(*parent, "show", "The SVID, its validity, who is believed", *options);
  shown->callback([options, &exit_code] { exit_code = show(*options); });

  CLI::App* checked =
      add_command(*parent, "check",
                  "Try all of the Workload API, and say what to do about what fails", *options);
  checked->add_option("--audience", options->audience,
                      "Also have a JWT-SVID made for it, and validated");
  checked->callback([options, &exit_code] { exit_code = check(*options); });

  CLI::App* watched =
      add_command(*parent, "watch", "A line for each change, until stopped", *options);
  watched->callback([options, &exit_code] { exit_code = watch(*options); });
}

}  // namespace mandated
