// One end of our codec, the other end fed from the fuzzer's bytes, over a memory pipe under a
// simulated clock. Shared by the four HTTP targets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "proxy/base/result.h"
#include "tests/support/memory_stream.h"

namespace mandated::fuzz {

/// What came of a run, in a form that two runs can be compared by.
struct Outcome {
  std::string code;      // of serve_*, or of the client's call: "ok", or Code's name
  std::string received;  // by the hostile peer (server runs), or the answer (client runs)
  bool reusable = false;
  bool operator==(const Outcome&) const = default;
};

enum class Version { kHttp1, kHttp2 };

/// `split`: 0 writes all at once, else pieces of changing sizes drawn from it.
Outcome run_server(Version version, std::string_view bytes, std::uint64_t split);
Outcome run_client(Version version, std::string_view bytes, std::uint64_t split);

/// Prints and aborts: how a broken property reaches the fuzzer.
[[noreturn]] void report(const char* property, const Outcome& one, const Outcome& other);

}  // namespace mandated::fuzz
