// HTTP structured fields (RFC 8941), as much of them as message signatures need: dictionaries of
// items and inner lists. Stricter than the RFC where it would choose for us: no key may stand
// twice, bytes have one spelling, and decimals are not read at all.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "proxy/base/result.h"

namespace mandated::wimse {

struct SfToken {
  std::string text;
  bool operator==(const SfToken&) const = default;
};
struct SfBytes {
  std::string bytes;
  bool operator==(const SfBytes&) const = default;
};
/// Section 3.3: a string is std::string.
using SfBare = std::variant<std::int64_t, std::string, SfToken, SfBytes, bool>;

struct SfParameter {
  std::string key;
  SfBare value;
  bool operator==(const SfParameter&) const = default;
};
using SfParameters = std::vector<SfParameter>;

struct SfItem {
  SfBare value;
  SfParameters parameters;
  bool operator==(const SfItem&) const = default;
};

struct SfMember {
  std::string key;
  bool is_list = false;  ///< an inner list, in `items`; else the one item of it
  std::vector<SfItem> items;
  SfParameters parameters;  ///< of an inner list
  bool operator==(const SfMember&) const = default;
};

/// Section 4.2.2. kMalformed; at most 64 members, of at most 64 items, with at most 32 parameters
/// each.
Result<std::vector<SfMember>> parse_dictionary(std::string_view text);

/// Section 4.1, of one item and of an inner list with its parameters. Precondition: strings and
/// tokens hold what they may.
std::string to_text(const SfItem& item);
std::string to_text(const std::vector<SfItem>& items, const SfParameters& parameters);
/// A byte sequence.
std::string to_text(const SfBytes& bytes);

/// Visible ASCII and blanks: what a string can hold (section 3.3.3).
bool fits_string(std::string_view text);

/// Null when there is none of that key.
const SfBare* find(const SfParameters& parameters, std::string_view key);
const SfMember* find(const std::vector<SfMember>& members, std::string_view key);

}  // namespace mandated::wimse
