#include "filters/registry.h"

#include <algorithm>
#include <array>

#include "filters/mandate/mandate.h"

namespace mandated {

// An explicit table: the linker drops objects that register themselves from a static library.
std::span<const RegisteredFilter> registered_filters() {
  static constexpr std::array kFilters = {
      RegisteredFilter{"mandate", make_mandate_filter},
  };
  return kFilters;
}

Result<std::unique_ptr<const FilterChain>> make_filter_chain(const FilterDeps& deps) {
  std::vector<std::unique_ptr<const Filter>> filters;
  for (const config::Filter& wanted : deps.config.filters) {
    const auto known = registered_filters();
    const auto found = std::find_if(known.begin(), known.end(),
                                    [&](const auto& entry) { return entry.name == wanted.name; });
    if (found == known.end()) {
      return fail(Code::kInvalidConfig, "there is no filter named \"" + wanted.name + "\"");
    }
    TRY(std::unique_ptr<const Filter> filter, found->make(deps));
    filters.push_back(std::move(filter));
  }
  return std::make_unique<const FilterChain>(std::move(filters));
}

}  // namespace mandated
