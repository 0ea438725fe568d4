#include "proxy/route/route.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <string>

namespace mandated::route {

namespace {

char lower(char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); }

bool host_matches(std::string_view wanted, std::string_view authority) {
  if (wanted.empty()) return true;
  const std::size_t colon = authority.rfind(':');
  const std::size_t bracket = authority.rfind(']');
  if (colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket)) {
    authority = authority.substr(0, colon);
  }
  return std::equal(wanted.begin(), wanted.end(), authority.begin(), authority.end(),
                    [](char a, char b) { return a == lower(b); });
}

std::string folded(std::string_view text) {
  std::string lowered(text);
  std::transform(lowered.begin(), lowered.end(), lowered.begin(), lower);
  return lowered;
}

bool path_matches(std::string_view prefix, std::string_view path) {
  if (!path.starts_with(prefix)) return false;
  return path.size() == prefix.size() || prefix.ends_with('/') || path[prefix.size()] == '/';
}

// A percent-encoded unreserved character is that character (RFC 3986 section 6.2.2.2) to whoever
// normalises, and a different path to whoever does not.
bool encodes_unreserved(std::string_view path) {
  for (std::size_t at = path.find('%'); at != std::string_view::npos; at = path.find('%', at + 1)) {
    unsigned char decoded = 0;
    const std::string_view digits = path.substr(at + 1, 2);
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), decoded, 16);
    if (error != std::errc() || end != digits.data() + 2) return true;  // no octet at all
    if (std::isalnum(decoded) != 0 ||
        std::string_view("-._~").find(static_cast<char>(decoded)) != std::string_view::npos) {
      return true;
    }
  }
  return false;
}

bool is_ambiguous(std::string_view path) {
  if (encodes_unreserved(path)) return true;
  const std::string lowered = folded(path);
  static constexpr std::array kDoubtful = {std::string_view("//"),  std::string_view("\\"),
                                           std::string_view("%2e"), std::string_view("%2f"),
                                           std::string_view("%5c"), std::string_view("%25"),
                                           std::string_view("/./"), std::string_view("/../"),
                                           std::string_view("%00"), std::string_view(";")};
  if (lowered.ends_with("/.") || lowered.ends_with("/..")) return true;
  return std::any_of(kDoubtful.begin(), kDoubtful.end(), [&](std::string_view doubtful) {
    return lowered.find(doubtful) != std::string::npos;
  });
}

}  // namespace

const config::Route* find(const config::Config& config, std::string_view listener,
                          std::string_view authority, std::string_view target) {
  const std::string_view path = target.substr(0, target.find('?'));
  if (!path.starts_with('/') || is_ambiguous(path)) return nullptr;
  for (const config::Route& route : config.routes) {
    const bool here = route.listener.empty() || route.listener == listener;
    if (!here || !host_matches(route.host, authority)) continue;
    if (path_matches(route.path, path)) return &route;
    // Many servers ignore case: what differs from a rule only in that must not slip past it.
    if (path_matches(folded(route.path), folded(path))) return nullptr;
  }
  return nullptr;
}

}  // namespace mandated::route
