// Changing a member of a message without touching the rest: the object is written again from the
// tree that was checked, so that what leaves is what was read.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "proxy/json/json.h"

namespace mandated::protocol {

struct Replacement {
  std::string_view name;
  std::optional<std::string> text;  ///< JSON; nullopt takes the member out
};

/// The object with the named members replaced, added at the end, or taken out. Members keep their
/// order; values are written canonically, on one line. A null `object` counts as an empty one.
std::string replace_members(const json::Value* object, std::initializer_list<Replacement> changes);

}  // namespace mandated::protocol
