// Texts of /proc: what a process can have a hand in (its name, where it is in a cgroup hierarchy)
// must not make it look like another. The first byte chooses.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "proxy/attest/cgroup.h"
#include "proxy/attest/process.h"

namespace mandated::attest {
namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

void read_cgroup(std::string_view text) {
  const std::optional<Cgroup> read = parse_cgroup(text);
  if (!read) return;
  require(read->container.empty() || read->container.size() == 64);
  require(text.find(read->container) != std::string_view::npos);
  require(read->pod.empty() || !read->container.empty());
  require(!read->docker || !read->container.empty());
  require(text.find(read->path) != std::string_view::npos);
  // What is below a user's own slice never names a container.
  std::string below;
  std::string_view rest = text.substr(0, text.find('\n'));
  const std::size_t path = rest.find(":/", rest.find(':') + 1);
  below.append(rest.substr(0, path)).append(":/user.slice/user-1000.slice");
  below.append(rest.substr(path + 1));
  const std::optional<Cgroup> delegated = parse_cgroup(below);
  require(delegated && delegated->container.empty() && delegated->pod.empty());
}

// The name is the process's own choice and changes nothing.
void read_stat(std::string_view name) {
  const std::string line =
      "12 (" + std::string(name) + ") S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 0 0\n";
  require(parse_start_time(line) == 4711);
  (void)parse_start_time(name);
}

}  // namespace
}  // namespace mandated::attest

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data + 1), size - 1);
  if ((data[0] & 1U) == 0) {
    mandated::attest::read_cgroup(rest);
  } else {
    mandated::attest::read_stat(rest);
  }
  return 0;
}
