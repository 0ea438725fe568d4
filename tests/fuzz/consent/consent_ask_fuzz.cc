// The body of POST /requests, from a stranger to the words that a person reads. What is taken can
// be signed and then verifies; its words are bounded, and each of them shows as it is.
#include <cstdint>

#include "filters/receipt/plain_text.h"
#include "proxy/consent/assertion.h"
#include "tests/fuzz/receipt/property.h"
#include "tests/unit/receipt/authenticator.h"

namespace mandated::consent {
namespace {

using fuzz::require;
using receipt::forge::Json;

constexpr Seconds kNow = receipt::forge::kNow;

const receipt::forge::Authenticator& authenticator() {
  static const receipt::forge::Authenticator made(40, receipt::KeyType::kEd25519);
  return made;
}

void check_text(const std::string& text, std::size_t& bytes) {
  require(receipt::is_plain(text), "all that is shown shows as it is");
  bytes += text.size();
}

void check_words(const Telling& telling) {
  std::size_t bytes = 0;
  std::size_t lines = 0;
  check_text(telling.intent, bytes);
  for (const Section& section : telling.sections) {
    require(!section.lines.empty() || section.time.has_value(), "no section is empty");
    for (const Line& line : section.lines) {
      lines += 1 + line.details.size();
      check_text(line.text, bytes);
      for (const std::string& detail : line.details) check_text(detail, bytes);
    }
  }
  require(bytes <= kTextBytesMax && lines <= kLinesMax, "the words are bounded");
  require(json::Document::parse(to_json(telling)).has_value(), "the page can read them");
}

// By the person who was asked, or by an approver.
void check_signing(const Ask& ask, const std::string& input) {
  receipt::Anchor passkey = authenticator().anchor();
  if (const auto* wanted = std::get_if<ReceiptAsk>(&ask.what)) {
    passkey.user = wanted->user;
  } else if (!ask.may_sign(passkey)) {
    return;
  }
  const receipt::forge::Ceremony ceremony{receipt::forge::client_data(receipt::sha256_text(input)),
                                          receipt::forge::authenticator_data(),
                                          authenticator().key};
  const auto body = json::Document::parse(receipt::forge::respond(ceremony).dump());
  const auto token = sign(ask, passkey, body->root(), kNow);
  require(token.has_value(), "what was taken can be signed");
  require(token->starts_with(input + "."), "what was shown is what was signed");
}

}  // namespace
}  // namespace mandated::consent

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace mandated;
  using namespace mandated::consent;
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  const auto ask = read_ask(body, kNow, "jti-1");
  if (!ask) {
    require(!ask.error().sentence.empty(), "a refusal says why");
    return 0;
  }
  require(ask->decide_until > kNow, "there is time to decide");
  require(ask->signatures() > 0, "somebody has to sign");
  const auto input = signing_input(*ask, authenticator().credential_id);
  require(input.has_value(), "what was taken can be put before a person");
  const auto telling = tell(*ask, *input);
  require(telling.has_value(), "and told in words");
  check_words(*telling);
  check_signing(*ask, *input);
  return 0;
}
