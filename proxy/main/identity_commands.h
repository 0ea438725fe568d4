// `mandated identity show|check|watch`: who am I, who vouches for it, until when, and, where that
// fails, what to do about it.
#pragma once

namespace CLI {
class App;
}

namespace mandated {

void add_identity_commands(CLI::App& app, int& exit_code);

}  // namespace mandated
