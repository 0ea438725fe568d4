// Property: however a server's bytes are cut, the client takes them for the same answer.
#include "tests/fuzz/http/hostile_peer.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace mandated::fuzz;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const Outcome whole = run_client(Version::kHttp1, bytes, 0);
  const Outcome cut = run_client(Version::kHttp1, bytes, 1 + size);
  if (whole != cut) report("split invariance", whole, cut);
  return 0;
}
