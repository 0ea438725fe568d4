// The whole program `mandated run`: builds everything the configuration asks for, runs one worker
// per core, drains on SIGTERM or SIGINT.
#pragma once

#include <chrono>

#include "config/config.h"
#include "proxy/stdio/posix_child.h"

namespace mandated::server {

struct ProcessOptions {
  /// Shifts wall time; for demonstrations and tests of expiry only, and said loudly in the log.
  std::chrono::seconds testing_clock_offset{0};
  /// The configuration's only command, where it runs already (`mandated wrap`).
  stdio::StartedProcessPtr started_command;
};

/// Runs until told to stop. 0 after a clean drain; 1 when it could not start, with the reason in
/// the log.
int run_process(const config::Config& config, ProcessOptions options);

}  // namespace mandated::server
