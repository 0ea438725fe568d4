// The trust anchors of a configuration, as the receipt engine takes them.
#pragma once

#include "config/config.h"
#include "filters/receipt/chain.h"
#include "proxy/base/result.h"

namespace mandated::server {

/// Reads the files that are named. kInvalidConfig says which anchor is wrong, and why.
Result<receipt::AnchorSet> load_anchors(const config::Receipts& config);

}  // namespace mandated::server
