// Property: whatever frames a server sends, every call of the client ends, by its deadline at the
// latest.
#include "tests/fuzz/http/hostile_peer.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace mandated::fuzz;
  std::string bytes("\0\0\0\4\0\0\0\0\0", 9);
  bytes.append(reinterpret_cast<const char*>(data), size);
  (void)run_client(Version::kHttp2, bytes, 0);
  (void)run_client(Version::kHttp2, bytes, 1 + size);
  return 0;
}
