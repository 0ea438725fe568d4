// Tokens as JSON carries them: an array of compact JWS. Of a chain: root first.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "proxy/json/json.h"

namespace mandated::receipt {

/// nullopt for anything but an array of strings. What the strings are is not looked at.
std::optional<std::vector<std::string>> read_tokens(const json::Value& source);

/// What stands in a chain file: a token a line.
std::string tokens_text(std::span<const std::string> tokens);

}  // namespace mandated::receipt
