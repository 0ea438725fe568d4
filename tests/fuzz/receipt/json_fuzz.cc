// Strict JSON against a slow reference parser: whatever is accepted here is accepted there, what is
// accepted only there was refused for one of our own rules, and the canonical form is a fixed point
// that keeps the value.
#include <cstdint>
#include <nlohmann/json.hpp>

#include "proxy/json/json.h"
#include "tests/fuzz/receipt/property.h"

using mandated::fuzz::require;
namespace json = mandated::json;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto document = json::Document::parse(text);
  if (text.find('\0') != std::string_view::npos) {
    // The reference takes it for the end.
    require(!document, "a NUL stands nowhere in JSON");
    return 0;
  }
  const auto reference = nlohmann::json::parse(text, nullptr, false);
  if (!document) {
    using Reason = json::ParseError::Reason;
    const auto reason = document.error().reason;
    const bool ours = reason == Reason::kDuplicate || reason == Reason::kDepth ||
                      reason == Reason::kNumber || reason == Reason::kTooLarge ||
                      text.starts_with("\xEF\xBB\xBF");
    require(reference.is_discarded() || ours, "refused, but the reference accepts it");
    return 0;
  }
  require(!reference.is_discarded(), "accepted, but the reference refuses it");
  const std::string once = json::canonical(document->root());
  const auto again = json::Document::parse(once);
  require(again.has_value(), "the canonical form is readable");
  require(json::equal(document->root(), again->root()), "the canonical form keeps the value");
  require(json::canonical(again->root()) == once, "canonicalising twice is canonicalising once");
  require(nlohmann::json::parse(once) == reference,
          "the reference reads the same value from the canonical form");
  require(text.find(document->root().raw()) != std::string_view::npos, "raw is the text itself");
  return 0;
}
