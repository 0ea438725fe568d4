// Servers as real processes: each leads a process group of its own, dies with us, inherits no
// descriptor and only the environment it is given.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/base/clock.h"
#include "proxy/base/gate.h"
#include "proxy/stdio/child.h"

namespace mandated::stdio {

struct Command {
  std::vector<std::string> argv;           ///< argv[0] is looked up in PATH unless it has a slash
  std::map<std::string, std::string> env;  ///< added to PATH, HOME and LANG of our own environment
  std::string directory;                   ///< working directory; empty: ours

  std::size_t line_bytes_max = 8U << 20U;
  Clock::Duration leave_grace = std::chrono::seconds(2);  ///< from closed stdin to SIGTERM
  Clock::Duration kill_grace = std::chrono::seconds(3);   ///< from SIGTERM to SIGKILL
};

/// Called with each line of standard error, cut, cleaned of control characters and limited in rate.
using LogLine = std::function<void(std::string_view line)>;

/// A process that runs while nobody speaks to it yet. Destroyed, it is killed with its group.
class StartedProcess {
 public:
  virtual ~StartedProcess() = default;
};
using StartedProcessPtr = std::unique_ptr<StartedProcess>;

/// Needs no event loop: a server can begin while the proxy does. The thread that calls this must
/// live as long as the process. kUnavailable.
Result<StartedProcessPtr> start_process(Command command);

/// `first`, if there is one, is what the first start() gives. `clock` and `gate` outlive the
/// children. SIGPIPE is ignored from here on. The thread that calls
/// start() must live as long as the children: they are killed when it ends (PR_SET_PDEATHSIG).
std::unique_ptr<ChildFactory> make_posix_children(Command command, Clock& clock, Gate& gate,
                                                  LogLine log, StartedProcessPtr first = nullptr);

}  // namespace mandated::stdio
