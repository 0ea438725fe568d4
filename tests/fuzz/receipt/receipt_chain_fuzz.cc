// Chains that are signed rightly and say anything: crashes, and widening. The first byte chooses
// how deep the fuzzer's own bytes go: 'g' three lines (the root's tools, the child's, the arguments
// of a call), 'c' a child's whole payload, 'r' a root's, 'h' a root's header, and anything else
// whole tokens, one per line.
#include <cstdint>

#include "filters/receipt/capability.h"
#include "filters/receipt/words.h"
#include "tests/fuzz/receipt/property.h"
#include "tests/unit/receipt/forge.h"

namespace mandated::receipt {
namespace {

using forge::Chain;
using forge::Draft;
using forge::kNow;
using fuzz::require;
using fuzz::take_line;

void look_at(const Checked<ChainPtr>& verified) {
  if (!verified) {
    require(verified.error().sentence.size() < 2000, "sentences are bounded");
    return;
  }
  for (std::size_t hop = 0; hop < (*verified)->size(); ++hop) {
    require(!(*verified)->jti(hop).empty(), "every hop has an identifier");
    require(!receipt_in_words((*verified)->claims(hop)).empty(),
            "every receipt can be told in words");
  }
}

// The property that everything rests on: a child never permits what its parent does not.
void grants(std::string_view rest) {
  const std::string root_tools(take_line(rest));
  const std::string child_tools(take_line(rest));
  const auto arguments = json::Document::parse(take_line(rest));
  const auto with = [&](std::size_t length) {
    return Chain(length, [&](std::size_t hop, Draft& draft) {
      draft.payload["authorization_details"][0]["tools"] = "@";
      draft.text = draft.payload.dump();
      const std::size_t at = draft.text.find("\"@\"");
      draft.text.replace(at, 3, hop == 0 ? root_tools : child_tools);
    });
  };
  const auto child = with(2).verify();
  look_at(child);
  if (!child || !arguments || !arguments->root().is_object()) return;
  const auto parent = with(1).verify();
  require(parent.has_value(), "a chain's beginning is a chain");
  for (const std::string_view tool : (*child)->tools()) {
    if (!check_call(**child, tool, arguments->root())) continue;
    require(check_call(**parent, tool, arguments->root()).has_value(),
            "a child permits what its parent does not");
  }
}

void payload(std::string_view text, std::size_t bent) {
  const Chain chain(bent + 1, [&](std::size_t hop, Draft& draft) {
    if (hop == bent) draft.text = text.empty() ? "{}" : std::string(text);
  });
  look_at(chain.verify());
}

void header(std::string_view text) {
  look_at(Chain(1, [&](std::size_t, Draft& draft) { draft.header = text; }).verify());
}

void tokens(std::string_view rest) {
  static const AnchorSet anchors = Chain(1).anchors();
  std::vector<std::string_view> chain;
  while (!rest.empty()) chain.push_back(take_line(rest));
  look_at(verify_chain(chain, anchors, kNow));
}

}  // namespace
}  // namespace mandated::receipt

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace mandated::receipt;
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0]) {
    case 'g':
      grants(rest);
      break;
    case 'c':
      payload(rest, 1);
      break;
    case 'r':
      payload(rest, 0);
      break;
    case 'h':
      header(rest);
      break;
    default:
      tokens(rest);
      break;
  }
  return 0;
}
