// A whole world in one thread: agents, an outbound proxy, an inbound proxy, a tool, an attacker;
// real codecs, real TLS, real receipts, a virtual clock, and faults drawn from a seed. After it has
// run, the laws are checked.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace mandated::sim {

/// What a run came to. A law that was broken is one line in `violations`.
struct Report {
  std::vector<std::string> violations;
  std::uint64_t trace = 0;    ///< digest of everything that happened, in order, with its time
  std::size_t asked = 0;      ///< calls that agents and the attacker made
  std::size_t answered = 0;   ///< …that the tool carried out and the agent got the answer of
  std::size_t refused = 0;    ///< …that were refused by a receipt
  std::size_t failed = 0;     ///< …that the faults got
  std::size_t timed_out = 0;  ///< …of these, by a time-out
  double virtual_seconds = 0;
};

/// Runs the world of `seed` to its end. `print_trace`: every event on standard output.
Report run_world(std::uint64_t seed, bool print_trace);

}  // namespace mandated::sim
