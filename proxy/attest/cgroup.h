// Which container and which pod a process is in, by the lines of its /proc/PID/cgroup (cgroups(7)).
// A user can be given a part of the hierarchy and name what is below it as he likes; so only names
// that stand where a container runtime or the kubelet puts them count, and the outermost ones.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace mandated::attest {

struct Cgroup {
  std::string path;       ///< in the unified hierarchy (version 2); empty without
  std::string container;  ///< 64 hexadecimal digits; empty: in none that is recognised
  bool docker = false;    ///< the container is Docker's
  std::string pod;        ///< uid of the Kubernetes pod; empty: none, or it cannot be seen
};

/// nullopt: the text is no such file, or its hierarchies contradict each other.
std::optional<Cgroup> parse_cgroup(std::string_view text);

}  // namespace mandated::attest
