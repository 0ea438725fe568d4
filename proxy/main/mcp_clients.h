// The files in which MCP clients keep the servers that they start.
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

namespace mandated {

struct McpClient {
  std::string_view name;
  std::string_view file;  ///< relative to the home folder
};

/// Those that are known by name.
const std::vector<McpClient>& mcp_clients();

/// What is put before the command of each server.
struct WrapCommand {
  std::string program;               ///< the path of mandated
  std::vector<std::string> options;  ///< of wrap, beside --name
};

struct McpEdit {
  std::string text;                ///< of the file as it shall be
  std::vector<std::string> words;  ///< what happens to each server, for people
  bool changed = false;
};

/// `text` with every server that is a command wrapped. A server that is an address, or is wrapped
/// already, stays as it is. The error says what is wrong with the file; nothing is half done.
tl::expected<McpEdit, std::string> wrap_servers(std::string_view text, const WrapCommand& wrap);
/// The reverse: every server that is wrapped is as it was.
tl::expected<McpEdit, std::string> unwrap_servers(std::string_view text);

}  // namespace mandated
