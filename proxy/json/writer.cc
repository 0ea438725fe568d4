#include "proxy/json/writer.h"

#include <utility>

#include "proxy/json/json.h"

namespace mandated::json {

ObjectWriter& ObjectWriter::text(std::string_view name, std::string_view value) {
  return json(name, quoted(value));
}

ObjectWriter& ObjectWriter::number(std::string_view name, double value) {
  return json(name, number_text(value));
}

ObjectWriter& ObjectWriter::texts(std::string_view name, std::span<const std::string> values) {
  ArrayWriter list;
  for (const std::string& value : values) list.text(value);
  return json(name, list.take());
}

ObjectWriter& ObjectWriter::json(std::string_view name, std::string_view value) {
  if (text_.size() > 1) text_ += ',';
  append_quoted(name, text_);
  text_.append(":").append(value);
  return *this;
}

std::string ObjectWriter::take() { return std::exchange(text_, "{") + "}"; }

ArrayWriter& ArrayWriter::text(std::string_view value) { return json(quoted(value)); }

ArrayWriter& ArrayWriter::json(std::string_view value) {
  if (text_.size() > 1) text_ += ',';
  text_ += value;
  return *this;
}

std::string ArrayWriter::take() { return std::exchange(text_, "[") + "]"; }

}  // namespace mandated::json
