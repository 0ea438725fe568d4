// The pages' files, compiled in (proxy/consent/page, embedded by CMake).
#pragma once

#include <span>
#include <string_view>

namespace mandated::consent {

struct PageFile {
  std::string_view name;  ///< "sign.html"
  std::string_view bytes;
};

/// All of them, by name.
std::span<const PageFile> page_files();

}  // namespace mandated::consent
