// `mandated wrap`: an MCP server's command with the proxy around it, for clients that speak stdio;
// `mandated mcp`: puts it into the clients' own files.
#pragma once

namespace CLI {
class App;
}

namespace mandated {

void add_wrap_commands(CLI::App& app, int& exit_code);

}  // namespace mandated
