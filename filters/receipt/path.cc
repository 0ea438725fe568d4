// Paths as path_containment compares them (AAT section 3.5.3): by segments, after lexical
// resolution. Symbolic links are the tool's business; a root that others can place links in is no
// boundary.
#include <algorithm>

#include "filters/receipt/extension.h"

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

std::optional<PathContainment> PathContainment::parse(const json::Value& source) {
  const auto root = source.find_string("root");
  auto normal = root ? normal_path(*root) : std::nullopt;
  if (!normal) return std::nullopt;
  PathContainment containment;
  containment.root_ = std::move(*normal);
  return containment;
}

bool PathContainment::accepts(const json::Value& argument, Effort& /*effort*/) const {
  if (!argument.is_string()) return false;
  const auto path = normal_path(argument.string());
  return path && path_within(*path, root_);
}

bool PathContainment::within(const PathContainment& parent) const {
  return path_within(root_, parent.root_);
}

}  // namespace mandated::receipt
