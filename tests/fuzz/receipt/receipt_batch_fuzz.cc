// The batch contract: whatever the line, one line of JSON comes back, and a permit only for a
// question that a fresh verifier permits too.
#include "filters/receipt/batch.h"

#include <cstdint>

#include "tests/fuzz/receipt/property.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using mandated::fuzz::require;
  namespace json = mandated::json;
  const std::string_view line(reinterpret_cast<const char*>(data), size);
  static mandated::receipt::BatchVerifier lasting;
  mandated::receipt::BatchVerifier fresh;
  std::string answer;
  std::string fresh_answer;
  lasting.answer(line, 1'780'000'000, answer);
  fresh.answer(line, 1'780'000'000, fresh_answer);
  require(answer == fresh_answer, "earlier lines change nothing");
  require(answer.ends_with('\n') && answer.find('\n') == answer.size() - 1, "one line");
  const auto read = json::Document::parse(answer);
  require(read && read->root().find("permit") != nullptr && read->root().find("id") != nullptr,
          "of JSON");
  return 0;
}
