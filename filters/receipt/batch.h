// Profile section 8: one question per line of JSON, one answer per line. Pure, so that the command
// line, the tests and the fuzzers ask the same code. Holder and peer do not occur, since no
// connection does; no replay state is kept.
#pragma once

#include <string>
#include <string_view>

#include "filters/receipt/chain.h"

namespace mandated::receipt {

class BatchVerifier {
 public:
  explicit BatchVerifier(Limits limits = {}) : limits_(limits) {}

  /// Appends one line. `now` is used where the question has none.
  void answer(std::string_view line, Seconds now, std::string& out);

  /// The answer to a line that was too long to be read.
  static void refuse_long_line(std::string& out);

 private:
  Checked<void> decide(const json::Value& question, Seconds now);
  Checked<void> take_anchors(const json::Value* anchors);

  Limits limits_;
  // Consecutive questions mostly share their anchors and often their chain.
  std::string anchors_text_;
  AnchorSet anchors_;
  ChainCache cache_{256};
};

}  // namespace mandated::receipt
