// One constraint and one argument as JSON text, and tables of them, for the tests of the single
// types.
#pragma once

#include <gtest/gtest.h>

#include <span>
#include <string>
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

// A row gives the argument as a C++ string, so that it is seen as the tool would see it.
struct TextCase {
  std::string_view text;
  bool accepted;
};

inline void expect_checks(const char* constraint, std::span<const TextCase> cases) {
  for (const auto& [text, accepted] : cases) {
    EXPECT_EQ(accepts(constraint, forge::Json(text).dump()), accepted)
        << constraint << " and " << forge::Json(text).dump();
  }
}

inline void expect_malformed(std::span<const char* const> texts) {
  for (const char* text : texts) {
    const auto document = forge::parse(text);
    const auto constraint = Constraint::parse(document.root(), {});
    ASSERT_FALSE(constraint) << text;
    EXPECT_EQ(to_string(constraint.error().code), "malformed") << text;
  }
}

struct PairCase {
  const char* child;
  const char* parent;
  bool narrower;
};

inline void expect_pairs(std::string_view type, std::span<const PairCase> cases) {
  const auto whole = [&](std::string_view members) {
    return R"({"constraint_type":")" + std::string(type) + "\"," + std::string(members) + "}";
  };
  for (const auto& [child, parent, expected] : cases)
    EXPECT_EQ(narrower(whole(child), whole(parent)), expected) << child << "\n  under " << parent;
}

inline void expect_no_other_kinds(const char* constraint) {
  for (const char* argument : {"null", "true", "7", "{}", R"({"a":"b"})", R"([["a"]])"})
    EXPECT_FALSE(accepts(constraint, argument)) << constraint << " and " << argument;
}

}  // namespace mandated::receipt
