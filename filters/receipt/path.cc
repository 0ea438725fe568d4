// Paths as path_containment compares them (AAT section 3.5.3): by segments, after lexical
// resolution. Symbolic links are the tool's business; a root that others can place links in is no
// boundary.
#include <vector>

#include "filters/receipt/constraint.h"

namespace mandated::receipt {

std::optional<std::string> normal_path(std::string_view path) {
  if (!path.starts_with('/') || path.find('\0') != std::string_view::npos) return std::nullopt;
  std::vector<std::string_view> kept;
  while (!path.empty()) {
    path.remove_prefix(1);
    const std::size_t end = std::min(path.find('/'), path.size());
    const std::string_view segment = path.substr(0, end);
    path.remove_prefix(end);
    if (segment.empty() || segment == ".") continue;
    if (segment != "..") {
      kept.push_back(segment);
    } else if (!kept.empty()) {
      kept.pop_back();  // POSIX: the parent of the root is the root
    }
  }
  std::string normal;
  for (const std::string_view segment : kept) normal.append(1, '/').append(segment);
  return normal.empty() ? "/" : normal;
}

bool path_within(std::string_view path, std::string_view root) {
  if (root == "/") return path.starts_with('/');
  return path.starts_with(root) && (path.size() == root.size() || path[root.size()] == '/');
}

}  // namespace mandated::receipt
