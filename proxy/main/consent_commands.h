// `mandated consent serve|invite|list|remove`: the service that asks people, and whose passkeys it
// knows.
#pragma once

namespace CLI {
class App;
}

namespace mandated {

void add_consent_commands(CLI::App& app, int& exit_code);

}  // namespace mandated
