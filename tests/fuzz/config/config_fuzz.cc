// Any bytes as a configuration: no crash, and each problem has a place and words, one line each.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "config/config.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace mandated::config;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const Loaded loaded = load_text("/etc/fuzz.yaml", text);
  if (loaded) {
    // What was accepted keeps its promises.
    for (const Route& route : loaded->routes)
      if (loaded->find_upstream(route.upstream) == nullptr) std::abort();
    return 0;
  }
  if (loaded.error().empty() || loaded.error().size() > 10) std::abort();
  for (const Problem& problem : loaded.error()) {
    if (problem.line < 1 || problem.column < 1 || problem.text.empty()) std::abort();
    if (to_string(problem).find('\n') != std::string::npos) std::abort();
  }
  return 0;
}
