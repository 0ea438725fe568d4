// Which route of the configuration a request takes: the first whose listener, host and path prefix
// fit.
#pragma once

#include <string_view>

#include "config/config.h"

namespace mandated::route {

/// Null when none fits. `authority` is host[:port], `target` the origin-form. A prefix ends at a
/// segment: "/mcp" takes "/mcp" and "/mcp/x", not "/mcpx". A path with dot segments, empty
/// segments, backslashes or percent-encoded slashes or unreserved characters takes no route, since
/// servers disagree about what it names; nor does one that fits a prefix only when case is ignored.
const config::Route* find(const config::Config& config, std::string_view listener,
                          std::string_view authority, std::string_view target);

}  // namespace mandated::route
