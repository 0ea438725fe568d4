// Chains that are signed rightly and say anything: crashes, and widening. The first byte chooses
// how deep the fuzzer's own bytes go: 'g' three lines (the root's tools, the child's, the arguments
// of a call), 'm' two lines (the root's mandate, the child's), 'c' a child's whole payload, 'r' a
// root's, 'h' a root's header, and anything else whole tokens, one per line.
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

// What a run fills into the honest texts below, and what no fuzzer can guess.
constexpr std::string_view kTools = "\"@tools\"";
constexpr std::string_view kMandate = "\"@mandate\"";
constexpr std::string_view kParent = "\"@parent\"";
constexpr std::string_view kIssuer = "\"@issuer\"";

std::string fill(std::string text, std::string_view place, std::string_view with) {
  if (const std::size_t at = text.find(place); at != std::string::npos)
    text.replace(at, place.size(), with);
  return text;
}

// The payload of an honest chain's token. Made once: a run costs its signatures, and little more.
const std::string& honest(std::size_t hop, bool with_mandate = false) {
  static const auto make = [](bool mandate) {
    const Chain chain(2, [&](std::size_t at, Draft& draft) {
      draft.payload["authorization_details"][0]["tools"] = "@tools";
      if (mandate) draft.payload["mandate"] = "@mandate";
      if (at > 0) draft.payload["par_hash"] = "@parent";
    });
    return std::array{chain.payload(0).dump(), chain.payload(1).dump()};
  };
  static const std::array texts{make(false), make(true)};
  return texts[with_mandate ? 1 : 0][hop];
}

std::string sign(std::size_t hop, std::string_view payload) {
  static const std::array signers{forge::key(0), forge::key(1)};
  static const std::array headers{forge::honest_header(signers[0]),
                                  forge::honest_header(signers[1])};
  return forge::sign_text(headers[hop], payload, signers[hop]);
}

std::string sign_child(std::string_view payload, std::string_view root) {
  const std::string parent = "\"" + sha256_text(forge::signing_input(root)) + "\"";
  return sign(1, fill(std::string(payload), kParent, parent));
}

Checked<ChainPtr> verify(std::span<const std::string_view> chain) {
  static const AnchorSet anchors = Chain(1).anchors();
  return verify_chain(chain, anchors, kNow);
}

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
  const std::string root = sign(0, fill(honest(0), kTools, take_line(rest)));
  const std::string child = sign_child(fill(honest(1), kTools, take_line(rest)), root);
  const auto arguments = json::Document::parse(take_line(rest));
  const auto narrower = verify(std::array<std::string_view, 2>{root, child});
  look_at(narrower);
  if (!narrower || !arguments || !arguments->root().is_object()) return;
  const auto wider = verify(std::array<std::string_view, 1>{root});
  require(wider.has_value(), "a chain's beginning is a chain");
  for (const std::string_view tool : (*narrower)->tools()) {
    if (!check_call(**narrower, tool, arguments->root())) continue;
    require(check_call(**wider, tool, arguments->root()).has_value(),
            "a child permits what its parent does not");
  }
}

// A child keeps each restriction of its parent's, and changes nothing that names the person.
void mandates(std::string_view rest) {
  const auto with = [](std::size_t hop, std::string_view mandate) {
    return fill(fill(honest(hop, true), kTools, R"({"t":{},"u":{}})"), kMandate, mandate);
  };
  const std::string root = sign(0, with(0, take_line(rest)));
  const std::string child = sign_child(with(1, take_line(rest)), root);
  const auto verified = verify(std::array<std::string_view, 2>{root, child});
  look_at(verified);
  if (!verified) return;
  const Mandate& outer = (*verified)->mandate(0);
  const Mandate& inner = (*verified)->mandate(1);
  require(!outer.user || inner.user == outer.user, "the person stays");
  require(!outer.intent || inner.intent == outer.intent, "and what they wanted");
  const bool kept =
      (!outer.holder || inner.holder) && (!outer.holders || inner.holders) &&
      (!outer.audience || inner.audience) && (!outer.not_before || inner.not_before) &&
      (!outer.instance || inner.instance) && (!outer.budget || inner.budget) &&
      (outer.require.empty() || !inner.require.empty()) && (!outer.approvers || inner.approvers);
  require(kept, "a restriction is kept");
  if (outer.approvers)
    require(inner.approvers->min >= outer.approvers->min, "no fewer people approve");
  if (outer.budget && outer.budget->calls)
    require(inner.budget->calls <= outer.budget->calls, "no more calls");
}

void child(std::string_view payload) {
  static const std::string root = sign(0, fill(honest(0), kTools, forge::default_tools().dump()));
  static const std::string issuer =
      "\"urn:ietf:params:oauth:jwk-thumbprint:sha-256:" + forge::key(1).public_key().thumbprint() +
      "\"";
  const std::string token = sign_child(fill(std::string(payload), kIssuer, issuer), root);
  look_at(verify(std::array<std::string_view, 2>{root, token}));
}

void root(std::string_view payload) {
  const std::string token = sign(0, payload);
  look_at(verify(std::array<std::string_view, 1>{token}));
}

void header(std::string_view text) {
  static const std::string payload = fill(honest(0), kTools, "{}");
  static const PrivateKey signer = forge::key(0);
  const std::string token = forge::sign_text(text, payload, signer);
  look_at(verify(std::array<std::string_view, 1>{token}));
}

void tokens(std::string_view rest) {
  std::vector<std::string_view> chain;
  while (!rest.empty()) chain.push_back(take_line(rest));
  look_at(verify(chain));
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
    case 'm':
      mandates(rest);
      break;
    case 'c':
      child(rest);
      break;
    case 'r':
      root(rest);
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
