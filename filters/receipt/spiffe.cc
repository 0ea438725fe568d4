// SPIFFE IDs and the patterns of `holders`. A `*` never crosses a slash and never stands in the
// trust domain.
#include <algorithm>

#include "filters/receipt/mandate.h"

namespace mandated::receipt {
namespace {

constexpr std::string_view kScheme = "spiffe://";
constexpr std::size_t kLengthMax = 2048;  // SPIFFE-ID section 2.3

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_dash_or_dot(char c) { return c == '-' || c == '.' || c == '_'; }

bool is_trust_domain(std::string_view text) {
  return !text.empty() && text.size() <= 255 && std::all_of(text.begin(), text.end(), [](char c) {
    return is_lower(c) || is_digit(c) || is_dash_or_dot(c);
  });
}

bool is_segment(std::string_view text) {
  return !text.empty() && text != "." && text != ".." &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return is_lower(c) || is_upper(c) || is_digit(c) || is_dash_or_dot(c);
         });
}

// Takes the text up to the next slash, and that slash.
std::string_view take_segment(std::string_view& rest) {
  const std::size_t end = std::min(rest.find('/'), rest.size());
  const std::string_view segment = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return segment;
}

bool is_well_formed(std::string_view text, bool pattern) {
  if (!text.starts_with(kScheme) || text.size() > kLengthMax || text.ends_with('/')) return false;
  text.remove_prefix(kScheme.size());
  if (!is_trust_domain(take_segment(text)) || text.empty()) return false;
  while (!text.empty()) {
    const std::string_view segment = take_segment(text);
    const bool wild = pattern && (segment == "*" || (segment == "**" && text.empty()));
    if (!wild && !is_segment(segment)) return false;
  }
  return true;
}

}  // namespace

bool is_spiffe_id(std::string_view text) { return is_well_formed(text, false); }

bool is_spiffe_pattern(std::string_view text) { return is_well_formed(text, true); }

bool spiffe_matches(std::string_view pattern, std::string_view id) {
  while (!pattern.empty() && !id.empty()) {
    const std::string_view wanted = take_segment(pattern);
    const std::string_view given = take_segment(id);
    if (wanted == "**" && pattern.empty()) return !given.empty();
    if (wanted == "*" ? given.empty() : wanted != given) return false;
  }
  return pattern.empty() && id.empty();
}

// Segments can be any of infinitely many words, so no list of plain ones makes up for a `*`.
bool spiffe_covers(std::string_view outer, std::string_view inner) {
  while (!outer.empty() && !inner.empty()) {
    const std::string_view ours = take_segment(outer);
    const std::string_view theirs = take_segment(inner);
    if (ours == "**" && outer.empty()) return !theirs.empty();
    if (ours != theirs && (ours != "*" || theirs == "**")) return false;
  }
  return outer.empty() && inner.empty();
}

bool spiffe_matches_any(const std::vector<std::string>& patterns, std::string_view id) {
  return std::any_of(patterns.begin(), patterns.end(),
                     [&](const std::string& pattern) { return spiffe_matches(pattern, id); });
}

bool is_uri(std::string_view text) {
  constexpr std::string_view kMarks = "-._~:/?#[]@!$&'()*+,;=";
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos || colon == 0) return false;
  const auto is_letter = [](char c) { return is_lower(c) || is_upper(c); };
  const std::string_view scheme = text.substr(0, colon);
  const bool good_scheme =
      is_letter(scheme.front()) && std::all_of(scheme.begin(), scheme.end(), [&](char c) {
        return is_letter(c) || is_digit(c) || c == '+' || c == '-' || c == '.';
      });
  const auto is_hex = [](char c) {
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
  };
  for (std::size_t at = colon + 1; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '%') {
      if (at + 2 >= text.size() || !is_hex(text[at + 1]) || !is_hex(text[at + 2])) return false;
    } else if (!is_letter(c) && !is_digit(c) && kMarks.find(c) == std::string_view::npos) {
      return false;
    }
  }
  return good_scheme;
}

}  // namespace mandated::receipt
