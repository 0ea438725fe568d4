// An event stream from a server: no crash, bounded, and any split of the same bytes gives the same
// events or the same error; what is written is read back the same.
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string_view>
#include <vector>

#include "proxy/protocol/sse.h"

namespace {

using namespace mandated;            // NOLINT
using namespace mandated::protocol;  // NOLINT

constexpr std::size_t kMax = 512;

struct Outcome {
  std::vector<SseEvent> events;
  std::optional<Code> error;
  bool inside = false;
  bool operator==(const Outcome&) const = default;
};

// The size of each piece comes from `sizes`, over and over.
Outcome parse(std::string_view text, std::string_view sizes) {
  SseParser parser(kMax);
  Outcome outcome;
  std::size_t i = 0;
  while (!text.empty()) {
    const std::size_t size =
        sizes.empty() ? text.size() : 1 + static_cast<unsigned char>(sizes[i++ % sizes.size()]) % 9;
    const auto fed = parser.feed(text.substr(0, size), outcome.events);
    if (!fed) {
      outcome.error = fed.error().code;
      return outcome;
    }
    text.remove_prefix(std::min(size, text.size()));
  }
  outcome.inside = parser.inside_event();
  return outcome;
}

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view all(reinterpret_cast<const char*>(data), size);
  const std::size_t sizes = std::min<std::size_t>(all[0] & 7, size - 1);
  const std::string_view text = all.substr(1 + sizes);
  const Outcome whole = parse(text, {});
  require(whole == parse(text, all.substr(1, sizes)));
  require(whole == parse(text, std::string_view("\0", 1)));

  for (const SseEvent& event : whole.events) {
    require(event.data.size() <= kMax);
    SseParser parser(4 * kMax);
    std::vector<SseEvent> again;
    require(parser.feed(write_sse(event), again).has_value());
    require(again.size() == 1 && again[0] == event && !parser.inside_event());
  }
  return 0;
}
