// YAML text into a JSON value, with the place of every member. Strict, so that a file means the
// same to everybody: scalars by the YAML 1.2 core schema, no duplicate members, no tags, anchors or
// aliases, one document; bounded in size, depth and count.
#pragma once

#include <cstddef>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "config/config.h"

namespace mandated::config {

inline constexpr std::size_t kFileBytesMax = 1U << 20U;
inline constexpr std::size_t kDepthMax = 32;
inline constexpr std::size_t kNodesMax = 20000;

/// From 1.
struct Position {
  int line = 1;
  int column = 1;
};

/// Where things stand, by JSON pointer.
struct Positions {
  std::map<std::string, Position> members;  ///< the member's name, or the item's beginning
  std::map<std::string, Position> values;

  Position of_member(const std::string& pointer) const;
  Position of_value(const std::string& pointer) const;
};

struct Document {
  nlohmann::json value;
  Positions positions;
};

/// The first thing that is wrong ends it. `file` of the problem is left empty.
tl::expected<Document, Problem> parse_yaml(std::string_view text);

/// `pointer` with one reference token more, escaped by RFC 6901.
std::string child_pointer(const std::string& pointer, std::string_view token);

}  // namespace mandated::config
