// Every filter there is, by the name the configuration uses.
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "filters/chain.h"

namespace mandated {

struct RegisteredFilter {
  std::string_view name;
  MakeFilter make;
};
std::span<const RegisteredFilter> registered_filters();

/// The chain that the configuration asks for. kInvalidConfig names a filter that does not exist.
Result<std::unique_ptr<const FilterChain>> make_filter_chain(const FilterDeps& deps);

}  // namespace mandated
