// What verify_chain and the signing functions share. Internal to the engine.
#pragma once

#include "filters/receipt/chain.h"

namespace mandated::receipt {

/// verify_chain, but the root's signature is not verified: for holders, who extend a chain and do
/// not decide by it.
Checked<ChainPtr> verify_links(std::span<const std::string_view> chain, Seconds now,
                               const Limits& limits);

}  // namespace mandated::receipt
