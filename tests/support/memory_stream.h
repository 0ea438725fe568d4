// Two ends of a connection in memory, with the faults of a real one: latency, short reads and
// writes, a cut in the middle. Everything is drawn from the seed, so that a run can be replayed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "proxy/net/stream.h"
#include "tests/support/sim_clock.h"

namespace mandated::test {

struct PipeOptions {
  std::size_t capacity = 65536;  ///< bytes under way in one direction before a writer waits
  Clock::Duration latency_min{0};
  Clock::Duration latency_max{0};    ///< each write takes a time between the two; order is kept
  std::size_t read_max = SIZE_MAX;   ///< a read gives no more than this
  std::size_t write_max = SIZE_MAX;  ///< a write arrives in pieces of no more than this
  unsigned short_permille = 0;  ///< so often a read or a piece is cut shorter, at a random place
  std::uint64_t reset_after_bytes = UINT64_MAX;  ///< both ends are cut once so many bytes passed
  std::uint64_t seed = 1;
};

/// The two ends. Either may be destroyed first: the other then reads kReset, or the end if
/// shutdown() came before.
std::pair<net::StreamPtr, net::StreamPtr> make_memory_pipe(SimClock& clock,
                                                           const PipeOptions& options = {});

}  // namespace mandated::test
