// Writes JSON objects and arrays piece by piece. Names are not compared: whoever writes knows them.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace mandated::json {

class ObjectWriter {
 public:
  ObjectWriter& text(std::string_view name, std::string_view value);
  ObjectWriter& number(std::string_view name, double value);  ///< finite
  ObjectWriter& texts(std::string_view name, std::span<const std::string> values);
  ObjectWriter& json(std::string_view name, std::string_view value);
  /// The object; then this is empty again.
  std::string take();

 private:
  std::string text_ = "{";
};

class ArrayWriter {
 public:
  ArrayWriter& text(std::string_view value);
  ArrayWriter& json(std::string_view value);
  /// The array; then this is empty again.
  std::string take();

 private:
  std::string text_ = "[";
};

}  // namespace mandated::json
