// glob: `*` any run without `/`, `**` any run, `?` one code point (`/` too, as the profile says),
// `\` makes the next code point a literal, and nothing else is special. The whole string must
// match. It is a rule about text: /a/** matches /a/../b; for files there is path_containment.
//
// Matched by following all positions of the pattern at once, so that no pattern takes more than its
// length times the argument's.
#include <algorithm>

#include "filters/receipt/extension.h"

namespace mandated::receipt {
namespace {

constexpr std::size_t kTokensPerStep = 4;

// Takes the first code point off `text`, which is valid UTF-8 and not empty.
std::string_view take_code_point(std::string_view& text) {
  std::size_t size = 1;
  while (size < text.size() && (text[size] & 0xC0) == 0x80) ++size;
  const std::string_view taken = text.substr(0, size);
  text.remove_prefix(size);
  return taken;
}

}  // namespace

std::optional<Glob> Glob::parse(const json::Value& source) {
  const auto pattern = source.find_string("pattern");
  if (!pattern) return std::nullopt;
  Glob glob;
  glob.pattern_ = *pattern;
  for (std::string_view rest = *pattern; !rest.empty();) {
    const std::string_view first = take_code_point(rest);
    if (first == "\\") {
      if (rest.empty()) return std::nullopt;
      glob.tokens_.push_back({Kind::kLiteral, take_code_point(rest)});
    } else if (first == "*" && rest.starts_with('*')) {
      rest.remove_prefix(1);
      // Three could be read as `**` and `*`, or as a slip.
      if (rest.starts_with('*')) return std::nullopt;
      glob.tokens_.push_back({Kind::kRun, {}});
    } else if (first == "*") {
      glob.tokens_.push_back({Kind::kRunInSegment, {}});
    } else if (first == "?") {
      glob.tokens_.push_back({Kind::kOne, {}});
    } else {
      glob.tokens_.push_back({Kind::kLiteral, first});
    }
  }
  return glob;
}

bool Glob::is_run(const Token& token) {
  return token.kind == Kind::kRunInSegment || token.kind == Kind::kRun;
}

bool Glob::takes(const Token& token, std::string_view code_point) {
  switch (token.kind) {
    case Kind::kLiteral:
      return token.literal == code_point;
    case Kind::kOne:
    case Kind::kRun:
      return true;
    case Kind::kRunInSegment:
      break;
  }
  return code_point != "/";
}

bool Glob::accepts(const json::Value& argument, Effort& effort) const {
  if (!argument.is_string()) return false;
  // reached[n]: the first n tokens match what has been read.
  std::vector<std::uint8_t> reached(tokens_.size() + 1, 0);
  reached[0] = 1;
  skip_runs(reached);
  for (std::string_view rest = argument.string(); !rest.empty();) {
    if (!effort.spend(1 + tokens_.size() / kTokensPerStep)) return false;
    const std::string_view code_point = take_code_point(rest);
    for (std::size_t at = tokens_.size() + 1; at-- > 0;) {
      const bool stays = at < tokens_.size() && reached[at] != 0 && is_run(tokens_[at]) &&
                         takes(tokens_[at], code_point);
      const bool moves = at > 0 && reached[at - 1] != 0 && !is_run(tokens_[at - 1]) &&
                         takes(tokens_[at - 1], code_point);
      reached[at] = stays || moves ? 1 : 0;
    }
    if (!skip_runs(reached)) return false;
  }
  return reached.back() != 0;
}

// A run may be empty. False if nothing is reached at all.
bool Glob::skip_runs(std::vector<std::uint8_t>& reached) const {
  bool any = reached.back() != 0;
  for (std::size_t at = 0; at < tokens_.size(); ++at) {
    any = any || reached[at] != 0;
    if (reached[at] != 0 && is_run(tokens_[at])) reached[at + 1] = 1;
  }
  return any;
}

bool Glob::within(const Glob& parent) const { return pattern_ == parent.pattern_; }

}  // namespace mandated::receipt
