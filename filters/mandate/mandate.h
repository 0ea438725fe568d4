// status: alpha   untrusted: downstream
// The mandate filter: a tool call passes only under a delegation receipt that grants it to whoever
// presents it. On routes that attach, the wallet supplies the receipt and its holder key the proof;
// on routes that enforce, the call must bring both. What it does not grant does not leave the
// proxy.
#pragma once

#include "filters/filter.h"

namespace mandated {

Result<std::unique_ptr<const Filter>> make_mandate_filter(const FilterDeps& deps);

}  // namespace mandated
