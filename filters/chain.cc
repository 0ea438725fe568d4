#include "filters/chain.h"

#include <algorithm>
#include <utility>

namespace mandated {

FilterChain::FilterChain(std::vector<std::unique_ptr<const Filter>> filters)
    : filters_(std::move(filters)) {}

Task<std::variant<Permit, Deny>> FilterChain::decide(Exchange& exchange) const {
  for (const std::unique_ptr<const Filter>& filter : filters_) {
    Verdict verdict;
    try {
      verdict = co_await filter->on_call(exchange);
    } catch (const std::exception&) {
      receipt::Refusal refusal;
      refusal.sentence = "The filter \"" + std::string(filter->name()) +
                         "\" failed; a call that cannot be checked is refused.";
      verdict = Deny{std::move(refusal)};
    }
    if (Deny* deny = std::get_if<Deny>(&verdict)) co_return std::move(*deny);
  }
  co_return Permit();
}

Task<void> FilterChain::unsent(Exchange& exchange) const {
  for (auto filter = filters_.rbegin(); filter != filters_.rend(); ++filter) {
    co_await (*filter)->on_unsent(exchange);
  }
}

bool FilterChain::shows(const Exchange& exchange, std::string_view tool) const {
  return std::all_of(filters_.begin(), filters_.end(),
                     [&](const auto& filter) { return filter->shows(exchange, tool); });
}

}  // namespace mandated
