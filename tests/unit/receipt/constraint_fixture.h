// One constraint and one argument as JSON text, for the tests of the single types.
#pragma once

#include <string_view>

#include "filters/receipt/constraint.h"
#include "tests/unit/receipt/forge.h"

namespace mandated::receipt {

// Keeps the text that a Constraint views.
struct Parsed {
  json::Document document;
  Constraint constraint;
};

inline Parsed parse_constraint(std::string_view text) {
  auto document = forge::parse(text);
  auto constraint = Constraint::parse(document.root(), {});
  if (!constraint) throw std::invalid_argument(constraint.error().sentence);
  return {std::move(document), std::move(*constraint)};
}

inline bool accepts(std::string_view constraint, std::string_view argument) {
  Effort effort;
  return parse_constraint(constraint).constraint.check(forge::parse(argument).root(), effort);
}

inline bool narrower(std::string_view child, std::string_view parent) {
  Effort effort;
  return parse_constraint(child).constraint.within(parse_constraint(parent).constraint, effort);
}

}  // namespace mandated::receipt
