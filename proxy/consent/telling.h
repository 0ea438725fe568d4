// What is to be signed, in plain words for the person who decides: read from the very bytes that
// are signed, nothing left out, and bounded to what a person can take in. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "filters/receipt/chain.h"

namespace mandated::consent {

using receipt::Checked;
using receipt::Seconds;

struct Line {
  std::string text;
  std::vector<std::string> details{};
  bool wide = false;  ///< grants more than most people mean to: pointed out
};

struct Section {
  std::string title;
  std::vector<Line> lines{};
  std::optional<Seconds> time{};  ///< shown first, in the reader's own time zone
};

struct Telling {
  std::string intent;  ///< the asker's own words, and marked as such
  std::vector<Section> sections;
};

/// So much and no more is put before a person, who is to read all of it.
constexpr std::size_t kToolsMax = 12;
constexpr std::size_t kLinesMax = 40;
constexpr std::size_t kTextBytesMax = 6144;

/// From a JWS signing input that a passkey is to sign. kTooLarge above the bounds; kMalformed for
/// what the verifier would not have taken.
Checked<Telling> tell_receipt(std::string_view signing_input);
Checked<Telling> tell_approval(std::string_view signing_input);

/// As the page's script takes it.
std::string to_json(const Telling& telling);

/// "2 hours", "1 day 30 minutes".
std::string duration_in_words(Seconds seconds);

}  // namespace mandated::consent
