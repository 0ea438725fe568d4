// Proofs under a good chain. The first byte: 'p' a payload that the holder signs, anything else a
// whole proof. An accepted one is canonical and says exactly this call.
#include <cstdint>

#include "tests/fuzz/receipt/property.h"
#include "tests/unit/receipt/forge.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace mandated::receipt;
  using mandated::fuzz::require;
  namespace json = mandated::json;
  if (size == 0) return 0;
  static const forge::Chain chain(2);
  static const ChainPtr verified = *chain.verify();
  static const auto arguments = forge::parse(R"({"path":"/data/a","n":[1,2.5,null]})");
  static const std::vector<std::string> audiences{"https://here"};
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] != 'p') {
    require(!verify_proof(*verified, rest, "read_file", arguments.root(), audiences, forge::kNow),
            "an unsigned proof");
    return 0;
  }
  const std::string proof = forge::sign_text(
      forge::honest_header(chain.holder(), "delegation-proof+jwt"), rest, chain.holder());
  const auto accepted =
      verify_proof(*verified, proof, "read_file", arguments.root(), audiences, forge::kNow);
  if (!accepted) return 0;
  const auto payload = json::Document::parse(rest);
  require(payload && json::canonical(payload->root()) == rest, "an accepted payload is canonical");
  require(json::equal(*payload->root().find("hta"), arguments.root()),
          "it holds the call's arguments");
  require(payload->root().find_string("aat_tool") == "read_file", "it names the tool");
  require(payload->root().find_string("aat_aud") == "https://here", "it is meant for here");
  require(payload->root().find_string("jti") == accepted->jti && !accepted->jti.empty(),
          "it has an identifier");
  return 0;
}
