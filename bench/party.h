// What both ends of the benchmark need: an SVID of the run's trust domain, from its state folder.
#pragma once

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/base/result.h"
#include "proxy/identity/embedded.h"

namespace mandated::bench {

/// Ends the process with the error's words: a benchmark that cannot start has no result.
[[noreturn]] inline void give_up(std::string_view what, std::string_view why) {
  std::fprintf(stderr, "bench: %.*s: %.*s\n", static_cast<int>(what.size()), what.data(),
               static_cast<int>(why.size()), why.data());
  std::exit(1);
}
inline void give_up_on(std::string_view what, const Error& error) { give_up(what, error.text); }

/// An identity of one hour, so that no rotation falls into a measurement.
inline identity::SnapshotPtr identity_of(const std::string& state_folder,
                                         const std::string& spiffe_id, Clock::WallTime now) {
  auto id = identity::SpiffeId::parse(spiffe_id);
  if (!id) give_up_on(spiffe_id, id.error());
  identity::EmbeddedOptions options;
  options.state_folder = state_folder;
  options.trust_domain = std::string(id->trust_domain());
  options.id = *id;
  options.ttl = std::chrono::hours(1);
  identity::EmbeddedSvidSource source(std::move(options));
  auto snapshot = source.first(now);
  if (!snapshot) give_up_on(state_folder, snapshot.error());
  return *snapshot;
}

}  // namespace mandated::bench
