// Where to listen and whom to dial: "127.0.0.1:8080", "[::1]:0", "host.example:443",
// "unix:/run/mandated/agent.sock".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "proxy/base/result.h"

namespace mandated::net {

struct Address {
  std::string host;        ///< name or literal without brackets; empty for a Unix socket
  std::uint16_t port = 0;  ///< 0 = any free one, when listening
  std::string unix_path;   ///< absolute path; empty for TCP

  static Result<Address> parse(std::string_view text);
  std::string to_string() const;
  bool is_unix() const { return !unix_path.empty(); }
  /// True for a Unix socket or a loopback literal ("localhost" included): where plaintext is
  /// allowed.
  bool is_local() const;
  bool operator==(const Address&) const = default;
};

}  // namespace mandated::net
