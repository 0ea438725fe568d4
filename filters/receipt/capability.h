// What one token grants: the tools map of its authorization_details (AAT section 3.3). Views into
// the token's payload. Internal to the engine.
#pragma once

#include <string_view>
#include <vector>

#include "filters/receipt/chain.h"
#include "filters/receipt/constraint.h"

namespace mandated::receipt {

class Capability {
 public:
  struct Argument {
    std::string_view name;
    Constraint constraint;
  };
  struct Tool {
    std::string_view name;
    std::vector<Argument> arguments;  ///< sorted by name; empty: any arguments (open world)
  };

  /// From the array at `authorization_details`. No entry of our type is the empty capability set.
  static Checked<Capability> parse(const json::Value& details, const Limits& limits);

  /// Whether the token had an entry of type attenuating_agent_token at all.
  bool present() const { return present_; }
  const std::vector<Tool>& tools() const { return tools_; }  ///< sorted by name
  const Tool* find(std::string_view tool) const;

  /// I4 (step 4p): tools, argument names and constraints of this under those of `parent`.
  Checked<void> within(const Capability& parent, Effort& effort) const;

  /// Step 6b. `arguments` is an object or null.
  Checked<void> check_call(std::string_view tool, const json::Value& arguments) const;

 private:
  std::string tool_names() const;

  bool present_ = false;
  std::vector<Tool> tools_;
};

}  // namespace mandated::receipt
