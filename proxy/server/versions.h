// The versions of what is inside.
#pragma once

#include <string>

#include "proxy/admin/metrics.h"

namespace mandated::server {

admin::BuildInfo build_info();

/// Several lines: the program, then one per library.
std::string version_text();

}  // namespace mandated::server
