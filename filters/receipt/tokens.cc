#include "filters/receipt/tokens.h"

namespace mandated::receipt {

std::optional<std::vector<std::string>> read_tokens(const json::Value& source) {
  if (!source.is_array()) return std::nullopt;
  std::vector<std::string> tokens;
  for (const json::Value& token : source.array()) {
    if (!token.is_string()) return std::nullopt;
    tokens.emplace_back(token.string());
  }
  return tokens;
}

std::string tokens_text(std::span<const std::string> tokens) {
  std::string text = "[";
  for (const std::string& token : tokens) {
    if (text.size() > 1) text += ",\n ";
    json::append_quoted(token, text);
  }
  return text + "]\n";
}

}  // namespace mandated::receipt
