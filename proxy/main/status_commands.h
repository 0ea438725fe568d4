// `mandated status publish|revoke|show`: the list that takes receipts back, from its issuer's side.
#pragma once

namespace CLI {
class App;
}

namespace mandated {

void add_status_commands(CLI::App& app, int& exit_code);

}  // namespace mandated
