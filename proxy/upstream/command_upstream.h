// An upstream that is a command: one worker's door to the process-wide stdio bridge.
#pragma once

#include "proxy/stdio/stdio_upstream.h"
#include "proxy/upstream/upstream.h"

namespace mandated::upstream {

/// `bridge` outlives it.
std::unique_ptr<Upstream> make_command_upstream(stdio::StdioUpstream& bridge);

}  // namespace mandated::upstream
