// Runs simulated worlds. `sim --seeds 300`: the seeds 1 to 300, every fifth one twice to compare
// the traces. `sim --seed N --trace`: one of them, with all its events. `--expect-violation`:
// passes only if a law is broken, which is how the planted bugs show that the laws can be.
#include <CLI/CLI.hpp>
#include <cstdint>
#include <cstdio>

#include "proxy/base/log.h"
#include "tests/sim/world.h"

int main(int argc, char** argv) {
  using mandated::sim::Report;
  std::uint64_t seeds = 300;
  std::uint64_t first = 1;
  std::uint64_t seed = 0;
  bool trace = false;
  bool expect_violation = false;
  CLI::App app("Simulated worlds of mandated");
  app.add_option("--seeds", seeds, "how many");
  app.add_option("--first", first, "the first seed");
  app.add_option("--seed", seed, "only this one");
  app.add_flag("--trace", trace, "print every event");
  app.add_flag("--expect-violation", expect_violation, "succeed only if a law is broken");
  CLI11_PARSE(app, argc, argv);
  if (seed != 0) {
    first = seed;
    seeds = 1;
  }
  mandated::log::init(mandated::log::Level::kError, mandated::log::Format::kText);

  std::size_t passed = 0;
  std::size_t failed = 0;
  Report total;
  for (std::uint64_t now = first; now < first + seeds; ++now) {
    Report report = mandated::sim::run_world(now, trace);
    if (now % 5 == 0 && mandated::sim::run_world(now, false).trace != report.trace) {
      report.violations.emplace_back("two runs of one seed differ");
    }
    for (const std::string& violation : report.violations) {
      std::printf("SIM seed=%llu %s\n", static_cast<unsigned long long>(now), violation.c_str());
    }
    ++(report.violations.empty() ? passed : failed);
    total.asked += report.asked;
    total.answered += report.answered;
    total.refused += report.refused;
    total.failed += report.failed;
    total.timed_out += report.timed_out;
    total.virtual_seconds += report.virtual_seconds;
    if (expect_violation && failed > 0) {
      std::printf("found after %llu seeds\n", static_cast<unsigned long long>(now - first + 1));
      return 0;
    }
  }
  std::printf(
      "%zu calls: %zu answered, %zu refused, %zu failed by a fault (%zu by a time-out), "
      "%.0f virtual seconds\n",
      total.asked, total.answered, total.refused, total.failed, total.timed_out,
      total.virtual_seconds);
  std::printf("%zu passed, %zu failed\n", passed, failed);
  if (expect_violation) return 1;
  // A world in which nothing happens proves nothing.
  return failed == 0 &&
                 (seeds < 100 || (total.answered > 0 && total.refused > 0 && total.timed_out > 0))
             ? 0
             : 1;
}
