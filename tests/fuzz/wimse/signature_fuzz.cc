// Signature-Input, and the structured fields below it. The first byte: 'd' a dictionary, anything
// else a Signature-Input, after which, on a line of its own, stands the rest of what its signer
// signed. What is read is written the same and read again; a request that is accepted is not
// accepted with another method, target, body or receipt.
#include <cstdint>

#include "proxy/wimse/content_digest.h"
#include "proxy/wimse/http_signature.h"
#include "proxy/wimse/structured_field.h"
#include "tests/fuzz/receipt/property.h"
#include "tests/unit/wimse/fixture.h"

namespace mandated::wimse {
namespace {

using fuzz::require;
using test::kNow;

std::string to_text(const std::vector<SfMember>& members) {
  std::string text;
  for (const SfMember& member : members) {
    if (!text.empty()) text += ", ";
    text += member.key + "=";
    text += member.is_list ? wimse::to_text(member.items, member.parameters)
                           : wimse::to_text(member.items.front());
  }
  return text;
}

void check_dictionary(std::string_view text) {
  const auto members = parse_dictionary(text);
  if (!members) return;
  const auto again = parse_dictionary(to_text(*members));
  require(again && *again == *members, "what is written is read the same");
  http::Fields fields;
  fields.add("content-digest", std::string(text));
  if (check_content_digest(fields, "{}")) {
    require(!check_content_digest(fields, "{ }"), "a digest is of one body");
  }
}

// A list over these fields, signed as it stands: what a peer with a token of its own can send.
void check_signed(std::string_view text) {
  static const Wit wit = *verify_wit(test::wit(), test::keys(), kNow);
  const std::vector<std::string> audiences = {std::string(test::kOrigin)};
  http::RequestHead head{"POST", "http", "127.0.0.1:1", "/mcp", {}};
  head.fields.add("delegation-receipt", "a.b.c");
  head.fields.add("content-digest", content_digest("{}"));
  const std::size_t line = std::min(text.find('\n'), text.size());
  const std::string input(text.substr(0, line));
  const std::string base =
      std::string(text.substr(std::min(line + 1, text.size()))) + "\"@signature-params\": " + input;
  head.fields.add("signature-input", "wimse=" + input);
  head.fields.add("signature", "wimse=" + wimse::to_text(SfBytes{test::workload().sign(base)}));
  const auto once = verify_request(head, wit, audiences, kNow);
  if (!once) return;
  require(once->expires > kNow && once->expires <= kNow + kProofLifetimeMax,
          "it lives for a while");
  std::vector<http::RequestHead> others(4, head);
  others[0].method = "GET";
  others[1].target = "/mcp?x";
  others[2].fields.set("delegation-receipt", "d.e.f");
  others[3].fields.set("content-digest", content_digest("{ }"));
  for (const http::RequestHead& other : others) {
    require(!verify_request(other, wit, audiences, kNow), "it is for this request alone");
  }
}

}  // namespace
}  // namespace mandated::wimse

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace mandated::wimse;
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] == 'd') {
    check_dictionary(rest);
  } else {
    check_signed(rest);
  }
  return 0;
}
