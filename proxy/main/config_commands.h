// `mandated config schema|check`: what a configuration may say, and whether a file does.
#pragma once

namespace CLI {
class App;
}

namespace mandated {

void add_config_commands(CLI::App& app, int& exit_code);

}  // namespace mandated
