// string_prefix and length. A prefix is compared byte by byte, without Unicode normalisation; a
// length counts code points, so a combined character counts as many as it is made of.
#include <algorithm>

#include "filters/receipt/extension.h"

namespace mandated::receipt {
namespace {

std::size_t code_points(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char each) { return (each & 0xC0) != 0x80; }));
}

}  // namespace

std::optional<StringPrefix> StringPrefix::parse(const json::Value& source) {
  const auto prefix = source.find_string("prefix");
  if (!prefix) return std::nullopt;
  StringPrefix bound;
  bound.prefix_ = *prefix;
  return bound;
}

bool StringPrefix::accepts(const json::Value& argument, Effort& /*effort*/) const {
  return argument.is_string() && argument.string().starts_with(prefix_);
}

bool StringPrefix::within(const StringPrefix& parent) const {
  return prefix_.starts_with(parent.prefix_);
}

std::optional<LengthBound> LengthBound::parse(const json::Value& source) {
  const json::Value* max = source.find("max");
  const auto value = max == nullptr ? std::nullopt : max->integer();
  if (!value || *value < 0) return std::nullopt;
  LengthBound bound;
  bound.max_ = static_cast<std::size_t>(*value);
  return bound;
}

bool LengthBound::accepts(const json::Value& argument, Effort& /*effort*/) const {
  if (argument.is_array()) return argument.array().size() <= max_;
  return argument.is_string() && code_points(argument.string()) <= max_;
}

bool LengthBound::within(const LengthBound& parent) const { return max_ <= parent.max_; }

}  // namespace mandated::receipt
