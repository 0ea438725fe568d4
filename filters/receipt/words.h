// Receipts told in words, for whoever must decide whether to sign or accept one. Reads claims as
// they stand, so that a broken receipt can be looked at too; says nothing about whether a receipt
// is valid.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "proxy/json/json.h"

namespace mandated::receipt {

/// Cut to what fits a terminal, or whole, as it must be shown to whoever signs.
enum class Detail : std::uint8_t { kCut, kWhole };

/// One constraint as the end of a sentence: `one of "a" and "b"`, `a path in or below "/data"`.
std::string constraint_in_words(const json::Value& constraint, Detail detail = Detail::kCut);

/// A text in quotes, nothing left out: `"/data"`. What does not show as itself stands as its
/// number, and letters that look like others are spelt out: `"dаta" (spelt "d\u{430}ta")`.
std::string whole_in_words(std::string_view text);
/// The same for any value, as JSON.
std::string whole_in_words(const json::Value& value);

/// The claims of one token, several lines, each ended.
std::string receipt_in_words(const json::Value& claims);

}  // namespace mandated::receipt
