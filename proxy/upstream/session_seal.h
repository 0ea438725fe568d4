// Binds the session ids of HTTP upstreams to the peer that was given them (MCP 2025-11-25, "Session
// Hijacking"): outside, an id carries a MAC over itself and the peer. Nothing is stored, so that
// every worker can check every session; a restart ends them, and clients begin anew.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace mandated::upstream {

class SessionSeal {
 public:
  /// The key lives as long as the process.
  using Key = std::array<std::uint8_t, 32>;

  /// `upstream` is the upstream's name: an id of one is no id of another.
  SessionSeal(const Key& key, std::string upstream) : key_(key), upstream_(std::move(upstream)) {}

  /// What the peer sees of the upstream's id.
  std::string seal(std::string_view session_id, std::string_view peer) const;
  /// The upstream's id; nullopt when this peer was not given it.
  std::optional<std::string> open(std::string_view sealed, std::string_view peer) const;

 private:
  std::string mac(std::string_view session_id, std::string_view peer) const;

  Key key_;
  std::string upstream_;
};

}  // namespace mandated::upstream
