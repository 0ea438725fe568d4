#include "config/config.h"

#include <algorithm>

namespace mandated::config {

namespace {

/// Names come from the file: a control character must not reach a terminal.
std::string printable(std::string_view text) {
  constexpr std::size_t kBytesMax = 200;
  std::string result(text.substr(0, kBytesMax));
  if (text.size() > kBytesMax) {
    // Not in the middle of a UTF-8 sequence.
    while (!result.empty() && (static_cast<unsigned char>(result.back()) & 0xC0U) == 0x80U)
      result.pop_back();
    if (!result.empty() && static_cast<unsigned char>(result.back()) >= 0xC0U) result.pop_back();
    result += "...";
  }
  for (char& c : result)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  return result;
}

}  // namespace

std::string Upstream::authority() const {
  const bool v6 = host.find(':') != std::string::npos;
  const std::uint16_t usual = tls ? 443 : 80;
  return (v6 ? "[" + host + "]" : host) + (port == usual ? "" : ":" + std::to_string(port));
}

const Upstream* Config::find_upstream(std::string_view name) const {
  const auto found = std::find_if(upstreams.begin(), upstreams.end(),
                                  [name](const Upstream& one) { return one.name == name; });
  return found == upstreams.end() ? nullptr : &*found;
}

std::string to_string(const Problem& problem) {
  std::string text = problem.file + ":" + std::to_string(problem.line) + ":" +
                     std::to_string(problem.column) + ": ";
  if (!problem.path.empty()) text += printable(problem.path) + ": ";
  return text + printable(problem.text);
}

std::string to_string(const std::vector<Problem>& problems) {
  std::string text;
  for (const Problem& problem : problems) text += to_string(problem) + "\n";
  return text;
}

}  // namespace mandated::config
