// Bytes of a stranger as a certificate chain, as a SPIFFE ID and as a PEM file.
//
// The first byte chooses. Chains are [size (2 bytes), DER]…, verified against a bundle that signed
// none of them, so that nothing may ever be taken; SPIFFE IDs that parse must say the same again.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/identity/identity.h"
#include "proxy/identity/pem.h"
#include "proxy/identity/x509_svid.h"
#include "tests/support_ca/test_ca.h"

namespace mandated::identity {
namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

/// The seeds are certificates of the default TestCa; this is another.
const TrustStore& strangers() {
  static const std::shared_ptr<const TrustStore> store = [] {
    const test::TestCa ca("test.example", test::TestCa::sim_start(), test::TestKey::kEd25519, 99);
    return *TrustStore::make(ca.bundles());
  }();
  return *store;
}

void verify_chain(std::string_view bytes) {
  std::vector<std::string_view> chain;
  while (bytes.size() >= 2) {
    const auto size = static_cast<std::size_t>(static_cast<std::uint8_t>(bytes[0])) << 8U |
                      static_cast<std::uint8_t>(bytes[1]);
    bytes.remove_prefix(2);
    chain.push_back(bytes.substr(0, size));
    bytes.remove_prefix(chain.back().size());
  }
  for (const Purpose purpose : {Purpose::kClient, Purpose::kServer}) {
    const auto peer = strangers().verify(chain, purpose, test::TestCa::sim_start());
    require(!peer && !peer.error().text.empty());
  }
  Bundles bundles;
  for (const std::string_view der : chain) bundles["test.example"].emplace_back(der);
  if (const auto store = TrustStore::make(bundles)) {
    // Trusting the chain's own certificates must not crash either.
    (void)(*store)->verify(chain, Purpose::kClient, test::TestCa::sim_start());
  }
}

void parse_id(std::string_view text) {
  const Result<SpiffeId> id = SpiffeId::parse(text);
  if (!id) return;
  require(id->text() == text);
  require("spiffe://" + std::string(id->trust_domain()) + std::string(id->path()) == text);
  require(spiffe_id_matches(text, text));
  require(!spiffe_id_matches(std::string(text) + "/*", text));
  require(spiffe_id_matches("spiffe://" + std::string(id->trust_domain()) + "/**", text) ==
          !id->path().empty());
}

void parse_file(std::string_view text) {
  const auto blocks = parse_pem(text);
  if (!blocks) return;
  std::string again;
  for (const PemBlock& block : *blocks) again += to_pem(block.label, block.der);
  const auto reparsed = parse_pem(again);
  require(reparsed && reparsed->size() == blocks->size());
  for (std::size_t i = 0; i < blocks->size(); ++i) {
    require((*reparsed)[i].der == (*blocks)[i].der);
  }
}

}  // namespace
}  // namespace mandated::identity

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 3) {
    case 0:
      mandated::identity::verify_chain(rest);
      break;
    case 1:
      mandated::identity::parse_id(rest);
      break;
    default:
      mandated::identity::parse_file(rest);
      break;
  }
  return 0;
}
