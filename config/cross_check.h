// The rules between members, which no schema can say: names resolve, plaintext stays local, mTLS
// has an identity and a list of peers, receipts have anchors. Fills the audiences in that follow
// from other members.
#pragma once

#include <cstddef>

#include "config/config.h"
#include "config/cursor.h"

namespace mandated::config {

/// sockaddr_un's path, with its NUL.
inline constexpr std::size_t kUnixPathBytesMax = 107;

/// Precondition: every member by itself is right. Problems go where the cursor's go.
void cross_check(const Cursor& root, Config& config);

}  // namespace mandated::config
