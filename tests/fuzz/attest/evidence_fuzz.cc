// Evidence of hardware, from published documents on: whatever is done to them, nothing is stated
// that the hardware did not sign. The first byte chooses COSE or quotes.
#include <array>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

#include "proxy/attest/evidence.h"

namespace mandated::attest {
namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

std::string data(const char* name) {
  std::ifstream file(std::string(TEST_DATA) + "/" + name, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

constexpr Clock::WallTime kNitroTime{std::chrono::seconds(1767472868)};
constexpr Clock::WallTime kQuoteTime{std::chrono::seconds(1750000000)};

struct Published {
  std::unique_ptr<const EvidenceVerifier> nitro =
      *make_nitro_verifier({data("aws_nitro_root.der")});
  std::unique_ptr<const EvidenceVerifier> dcap = *make_dcap_verifier({data("intel_root.der")});
  Statement enclave = *nitro->verify(data("nitro_document.bin"), kNitroTime);
  Statement sgx = *dcap->verify(data("sgx_quote_v3.bin"), kQuoteTime);
  Statement tdx = *dcap->verify(data("tdx_quote_v4.bin"), kQuoteTime);
};

bool same(const Statement& a, const Statement& b) {
  return a.selectors == b.selectors && a.bound == b.bound && a.nonce == b.nonce && a.made == b.made;
}

void check(bool cose, std::string_view bytes) {
  static const Published published;
  const EvidenceVerifier& verifier = cose ? *published.nitro : *published.dcap;
  const Result<Statement> found = verifier.verify(bytes, cose ? kNitroTime : kQuoteTime);
  if (!found) {
    require(found.error().code == Code::kPeerIdentity && !found.error().text.empty());
    return;
  }
  require(cose ? same(*found, published.enclave)
               : same(*found, published.sgx) || same(*found, published.tdx));
}

}  // namespace
}  // namespace mandated::attest

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data + 1), size - 1);
  mandated::attest::check((data[0] & 1U) == 0, rest);
  return 0;
}
