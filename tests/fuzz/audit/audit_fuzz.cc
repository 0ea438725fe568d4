// Any bytes as an audit file: no crash, a verdict that fits, and what verifies does not verify with
// a byte changed.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <sstream>
#include <string>

#include "proxy/audit/verify.h"

namespace {

mandated::audit::Verification verified(const std::string& text,
                                       const mandated::audit::VerifyOptions& options) {
  std::istringstream in(text);
  return mandated::audit::verify(in, options);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string text(reinterpret_cast<const char*>(data), size);
  mandated::audit::VerifyOptions options;
  const mandated::audit::Verification result = verified(text, options);
  if (!result.ok) {
    if (result.line < 1 || result.problem.empty()) std::abort();
    return 0;
  }
  if (result.line != 0 || result.last_hash.size() != 43) std::abort();
  options.expect_last = result.last_hash;
  if (!verified(text, options).ok) std::abort();
  text[size / 2] = static_cast<char>(text[size / 2] ^ 1);
  if (verified(text, options).ok) std::abort();
  return 0;
}
