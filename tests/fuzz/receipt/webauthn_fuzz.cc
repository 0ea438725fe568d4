// Passkeys. The first byte: 'c' client data and 'a' authenticator data that the registered key
// signs, 'p' two SPIFFE ID patterns and an ID, 'n' an anchor as it is written down, and anything
// else the JSON object of a signature segment. What is accepted says, to a slower reader, all that
// it must.
#include <cstdint>

#include "filters/receipt/ceiling.h"
#include "filters/receipt/mandate.h"
#include "tests/fuzz/receipt/property.h"
#include "tests/unit/receipt/authenticator.h"

namespace mandated::receipt {
namespace {

using forge::Authenticator;
using forge::Ceremony;
using forge::Json;
using fuzz::require;
using fuzz::take_line;

// Ed25519: the same key in each run, and one signature only for each message.
const Authenticator& passkey() {
  static const Authenticator passkey(40, KeyType::kEd25519);
  return passkey;
}

const std::string& challenge() {
  static const std::string challenge = sha256_text("fuzz");
  return challenge;
}

Ceremony honest() {
  return {forge::client_data(challenge()), forge::authenticator_data(), passkey().key};
}

bool accepts(std::string_view envelope) {
  static const Anchor anchor = passkey().anchor();
  const auto checked = read_assertion(envelope).and_then([](const Assertion& assertion) {
    return check_assertion(assertion, anchor.key, *anchor.passkey, challenge());
  });
  require(checked || checked.error().sentence.size() < 2000, "sentences are bounded");
  return checked.has_value();
}

void client_data(std::string_view text) {
  Ceremony ceremony = honest();
  ceremony.client_data = text;
  if (!accepts(forge::respond(ceremony).dump())) return;
  const auto data = nlohmann::json::parse(text);
  require(data.at("type") == "webauthn.get", "a signature was asked for");
  require(data.at("challenge") == challenge(), "over this receipt");
  const bool known =
      data.at("origin") == forge::kOrigin || data.at("origin") == "https://localhost:8443";
  require(known, "on a page where it may be");
  require(!data.contains("crossOrigin") || data["crossOrigin"] == false, "which stands alone");
  require(!data.contains("topOrigin"), "and says so");
}

void authenticator_data(std::string_view bytes) {
  Ceremony ceremony = honest();
  ceremony.authenticator_data = bytes;
  if (!accepts(forge::respond(ceremony).dump())) return;
  const std::string least = forge::authenticator_data();
  require(bytes.size() == least.size(), "nothing is left over");
  require(bytes.substr(0, 32) == least.substr(0, 32), "it is for this site");
  const unsigned flags = static_cast<unsigned char>(bytes[32]);
  require((flags & 0xC5U) == 0x05U, "somebody was there, was verified, and nothing was added");
}

void patterns(std::string_view rest) {
  const std::string_view outer = take_line(rest);
  const std::string_view inner = take_line(rest);
  const std::string_view id = take_line(rest);
  if (!is_spiffe_pattern(outer) || !is_spiffe_pattern(inner) || !is_spiffe_id(id)) return;
  require(spiffe_covers(outer, outer), "each covers itself");
  if (spiffe_covers(outer, inner) && spiffe_matches(inner, id))
    require(spiffe_matches(outer, id), "what covers a pattern matches whatever that does");
}

void anchor(std::string_view text) {
  const auto document = json::Document::parse(text);
  if (!document) return;
  const auto read = read_anchor(document->root());
  if (!read) return;
  require(!read->passkey || (read->user && !read->kid.empty() && !read->passkey->origins.empty()),
          "a passkey is somebody's, and is used somewhere");
  if (read->ceiling == nullptr) return;
  const auto again = Ceiling::parse(json::Document::parse(read->ceiling->text()).value().root());
  require(again && (*again)->text() == read->ceiling->text(), "a ceiling's text is that ceiling");
}

void envelope(std::string_view text) {
  if (!accepts(text)) return;
  require(nlohmann::json::parse(text) == nlohmann::json::parse(forge::respond(honest()).dump()),
          "nobody else can sign, and nothing can be added");
}

}  // namespace
}  // namespace mandated::receipt

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace mandated::receipt;
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0]) {
    case 'c':
      client_data(rest);
      break;
    case 'a':
      authenticator_data(rest);
      break;
    case 'p':
      patterns(rest);
      break;
    case 'n':
      anchor(rest);
      break;
    default:
      envelope(rest);
      break;
  }
  return 0;
}
