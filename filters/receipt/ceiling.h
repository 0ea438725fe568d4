// What an anchor may grant at most (profile section 4): a root above its anchor's ceiling is
// refused as kAboveCeiling. Internal to the engine.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "filters/receipt/capability.h"
#include "filters/receipt/claims.h"

namespace mandated::receipt {

class Ceiling {
 public:
  /// From `{"tools": {…}, "holders": […], "lifetime": seconds, "depth": n}`, each member optional;
  /// an unknown one is kMalformed. `tools` has the form of a grant's.
  static Checked<std::shared_ptr<const Ceiling>> parse(const json::Value& source);

  /// Whether a root, its claims all read, stays at or below.
  ///
  /// `holders` bounds who can ever present the chain: the root must name its `holder`, and the list
  /// must match it; and as long as the root can be delegated it must carry `holders` of its own,
  /// each covered by a pattern of the list.
  Checked<void> check(const Claims& root, Effort& effort) const;

  /// Canonical JSON, for fingerprints.
  const std::string& text() const { return text_; }

 private:
  Checked<void> read_member(const json::Member& member);
  Checked<void> read_tools(const json::Value& tools);
  Checked<void> check_tools(const Claims& root, Effort& effort) const;
  Checked<void> check_holders(const Claims& root) const;

  std::string text_;
  std::optional<json::Document> grant_;  // what tools_ views into
  std::optional<Capability> tools_;
  std::optional<std::vector<std::string>> holders_;
  std::optional<Seconds> lifetime_max_;
  std::optional<std::int64_t> depth_max_;
};

}  // namespace mandated::receipt
