// The trust anchors of a configuration, as the receipt engine takes them.
#pragma once

#include <vector>

#include "config/config.h"
#include "filters/receipt/chain.h"
#include "proxy/base/result.h"

namespace mandated::server {

/// What the receipt engine finds wrong with anchors that stand in the configuration itself, each at
/// its entry; `file` is left empty. Reads no files.
std::vector<config::Problem> check_anchors(const config::Receipts& config);

struct Anchors {
  receipt::AnchorSet roots;      ///< who may sign root receipts
  receipt::AnchorSet approvers;  ///< these and those who may only approve calls
};

/// Reads the files that are named. kInvalidConfig says which anchor is wrong, and why.
Result<Anchors> load_anchors(const config::Receipts& config);

/// The keys whose status lists speak for every receipt. kInvalidConfig, also for a passkey.
Result<receipt::AnchorSet> load_status_issuers(const config::Status& config);

}  // namespace mandated::server
