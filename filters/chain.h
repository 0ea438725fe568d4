// The filter chain: order, deny-once and the right to forward, in one audited place. Only
// FilterChain can make a Permit, and upstreams take it by value: a call that was not permitted does
// not compile.
#pragma once

#include <memory>
#include <string_view>
#include <variant>
#include <vector>

#include "filters/filter.h"
#include "proxy/upstream/upstream.h"

namespace mandated {

class FilterChain {
 public:
  explicit FilterChain(std::vector<std::unique_ptr<const Filter>> filters);

  /// Asks each filter in order; the first Deny ends it. A filter that throws denies (`internal`).
  Task<std::variant<Permit, Deny>> decide(Exchange& exchange) const;

  /// The call did not leave, whoever refused it: filters take back what it was to cost.
  Task<void> unsent(Exchange& exchange) const;

  /// True if every filter shows the tool.
  bool shows(const Exchange& exchange, std::string_view tool) const;

 private:
  std::vector<std::unique_ptr<const Filter>> filters_;
};

}  // namespace mandated
