// Checks a parsed file against schema.json and says in words what was expected.
#pragma once

#include <string_view>
#include <vector>

#include "config/config.h"
#include "config/yaml.h"

namespace mandated::config {

/// Everything that the schema refuses, in no particular order. `file` is left empty.
std::vector<Problem> check_schema(const Document& document);

}  // namespace mandated::config
