// `mandated trust show|export|issue`: the embedded trust domain, from outside.
#pragma once

namespace CLI {
class App;
}

namespace mandated {

void add_trust_commands(CLI::App& app, int& exit_code);

}  // namespace mandated
