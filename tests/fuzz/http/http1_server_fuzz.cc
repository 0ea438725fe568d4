// Property: however a client's bytes are cut, the server says the same and ends for the same
// reason.
#include "tests/fuzz/http/hostile_peer.h"

namespace {

/// Whether a body had to be asked for does depend on when it came.
std::string without_continue(std::string text) {
  constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
  for (std::size_t at = text.find(kContinue); at != std::string::npos; at = text.find(kContinue)) {
    text.erase(at, kContinue.size());
  }
  return text;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace mandated::fuzz;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  Outcome whole = run_server(Version::kHttp1, bytes, 0);
  Outcome cut = run_server(Version::kHttp1, bytes, 1 + size);
  whole.received = without_continue(std::move(whole.received));
  cut.received = without_continue(std::move(cut.received));
  if (whole != cut) report("split invariance", whole, cut);
  return 0;
}
