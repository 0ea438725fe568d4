// Receipts told in words, for whoever must decide whether to sign or accept one. Reads claims as
// they stand, so that a broken receipt can be looked at too; says nothing about whether a receipt
// is valid.
#pragma once

#include <string>

#include "proxy/json/json.h"

namespace mandated::receipt {

/// One constraint as the end of a sentence: `one of "a" and "b"`, `a path in or below "/data"`.
std::string constraint_in_words(const json::Value& constraint);

/// The claims of one token, several lines, each ended.
std::string receipt_in_words(const json::Value& claims);

}  // namespace mandated::receipt
