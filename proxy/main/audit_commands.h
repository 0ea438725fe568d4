// `mandated audit verify`: whether an audit file is as it was written.
#pragma once

namespace CLI {
class App;
}

namespace mandated {

void add_audit_commands(CLI::App& app, int& exit_code);

}  // namespace mandated
