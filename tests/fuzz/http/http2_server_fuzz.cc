// Property: whatever frames a client sends, everything ends: no crash, no handler left, no stream
// forgotten.
#include "tests/fuzz/http/hostile_peer.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace mandated::fuzz;
  // The fuzzer would take long to find the preface and a first SETTINGS.
  std::string bytes("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", 33);
  bytes.append(reinterpret_cast<const char*>(data), size);
  (void)run_server(Version::kHttp2, bytes, 0);
  (void)run_server(Version::kHttp2, bytes, 1 + size);
  return 0;
}
