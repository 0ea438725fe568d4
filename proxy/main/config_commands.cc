#include "proxy/main/config_commands.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "config/config.h"
#include "proxy/server/anchors.h"

namespace mandated {

namespace {

int check(const std::string& file) {
  const config::Loaded loaded = config::load(file);
  if (!loaded) {
    std::fputs(config::to_string(loaded.error()).c_str(), stderr);
    return 1;
  }
  std::vector<config::Problem> problems = server::check_anchors(loaded->receipts);
  for (config::Problem& problem : problems) problem.file = file;
  if (!problems.empty()) {
    std::fputs(config::to_string(problems).c_str(), stderr);
    return 1;
  }
  std::printf("%s: ok\n", file.c_str());
  return 0;
}

}  // namespace

void add_config_commands(CLI::App& app, int& exit_code) {
  CLI::App* config = app.add_subcommand("config", "The configuration: its schema, and checking it");
  config->require_subcommand(1);
  config->add_subcommand("schema", "Print the JSON Schema of the configuration, for editors")
      ->callback([] {
        const std::string_view text = config::schema_text();
        std::fwrite(text.data(), 1, text.size(), stdout);
      });
  auto file = std::make_shared<std::string>();
  CLI::App* checking =
      config->add_subcommand("check", "Check a file; says what is wrong, and where");
  checking->add_option("file", *file, "The configuration file")->required();
  checking->callback([file, &exit_code] { exit_code = check(*file); });
}

}  // namespace mandated
