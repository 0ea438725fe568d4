// The command line of mandated.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>

#include "config/config.h"
#include "proxy/main/audit_commands.h"
#include "proxy/main/config_commands.h"
#include "proxy/main/consent_commands.h"
#include "proxy/main/identity_commands.h"
#include "proxy/main/receipt_commands.h"
#include "proxy/main/status_commands.h"
#include "proxy/main/trust_commands.h"
#include "proxy/main/wrap_commands.h"
#include "proxy/server/process.h"
#include "proxy/server/versions.h"

namespace mandated {

namespace {

void add_run_command(CLI::App& app, int& exit_code) {
  struct Options {
    std::string config;
    std::string clock_offset;
  };
  auto options = std::make_shared<Options>();
  CLI::App* run = app.add_subcommand("run", "Run the proxy until SIGTERM or SIGINT");
  run->add_option("--config,-c", options->config, "The configuration file")->required();
  run->add_option("--testing-clock-offset", options->clock_offset,
                  "Shift wall time, e.g. 7201s; to show and test expiry, never in production");
  run->callback([options, &exit_code] {
    server::ProcessOptions process;
    if (!options->clock_offset.empty()) {
      char unit = 0;
      long long seconds = 0;
      if (std::sscanf(options->clock_offset.c_str(), "%lld%c", &seconds, &unit) != 2 ||
          unit != 's') {
        std::fprintf(stderr, "mandated: --testing-clock-offset takes seconds, e.g. 7201s\n");
        exit_code = 2;
        return;
      }
      process.testing_clock_offset = std::chrono::seconds(seconds);
    }
    const config::Loaded config = config::load(options->config);
    if (!config) {
      std::fprintf(stderr, "%s", config::to_string(config.error()).c_str());
      exit_code = 1;
      return;
    }
    exit_code = server::run_process(*config, std::move(process));
  });
}

}  // namespace

}  // namespace mandated

int main(int argc, char** argv) {
  CLI::App app(
      "mandated: lets an AI agent's tool calls out only under a signed delegation receipt");
  app.set_version_flag("--version", mandated::server::version_text());
  app.require_subcommand(1);
  int exit_code = 0;
  mandated::add_run_command(app, exit_code);
  mandated::add_wrap_commands(app, exit_code);
  mandated::add_receipt_commands(app, exit_code);
  mandated::add_status_commands(app, exit_code);
  mandated::add_identity_commands(app, exit_code);
  mandated::add_trust_commands(app, exit_code);
  mandated::add_config_commands(app, exit_code);
  mandated::add_consent_commands(app, exit_code);
  mandated::add_audit_commands(app, exit_code);
  CLI11_PARSE(app, argc, argv);
  return exit_code;
}
