// Who we are, as a SPIFFE agent (SPIRE's, for one) says: two streams that stand as long as the
// process, for the X.509-SVID and for the keys of JWT authorities. While the agent is away, what it
// said last stands; whoever uses a snapshot looks at its SVID's expiry.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/base/clock.h"
#include "proxy/base/event.h"
#include "proxy/identity/identity.h"
#include "proxy/net/socket.h"
#include "proxy/workload_api/grpc_call.h"
#include "proxy/workload_api/messages.h"

namespace mandated::workload_api {

struct WorkloadApiOptions {
  net::Address endpoint;
  std::string spiffe_id;  ///< the SVID to take; empty: any
  std::string hint;       ///< of the SVID to take; both empty: the agent's first
  Clock::Duration startup_timeout = std::chrono::seconds(30);
  /// Told, in words, what failed or was left out while running.
  std::function<void(std::string_view)> log;
  /// Told whether the agent is there: after its first answer, and when its stream ends.
  std::function<void(bool)> on_connected;
  std::function<std::unique_ptr<net::Dialer>(Clock&)> make_dialer = net::make_socket_dialer;
};

/// The SVID with this ID and this hint, where they are not empty; the first of several. kNotFound
/// names those that are there.
Result<const HintedSvid*> choose_svid(const std::vector<HintedSvid>& svids,
                                      std::string_view spiffe_id, std::string_view hint);

/// Whether asking again is of no use: INVALID_ARGUMENT and UNIMPLEMENTED
/// (SPIFFE_Workload_Endpoint standard, section 6).
bool is_final(const Error& error);

/// Asks again with back-off whatever fails, but for what is_final(). An SVID that the agent takes
/// back (PERMISSION_DENIED) stands until it expires: an agent that has just started may not know us
/// yet. Once there is an SVID, its SPIFFE ID stays ours: one of another ID is not taken.
class WorkloadApiSvidSource final : public identity::SvidSource {
 public:
  explicit WorkloadApiSvidSource(WorkloadApiOptions options);
  ~WorkloadApiSvidSource() override;

  /// Waits for the agent, on an event loop of its own, at most startup_timeout long. The error says
  /// what to do about it.
  Result<identity::SnapshotPtr> first(Clock::WallTime now) override;
  /// The same on `clock`'s.
  Task<Result<identity::SnapshotPtr>> await_first(Clock& clock);
  Task<void> run(Clock& clock, std::function<void(identity::SnapshotPtr)> publish) override;
  void stop() override;

 private:
  struct Watch;
  using Take = Result<void> (WorkloadApiSvidSource::*)(std::string_view message,
                                                       Clock::WallTime now);

  Task<Result<void>> fetch_first(const Agent& agent, Clock::Time deadline);
  Task<void> watch(const Agent& agent, Watch& watch);
  Task<Result<void>> follow(const Agent& agent, Watch& watch);
  Task<void> pause(Clock& clock, Watch& watch, Clock::Duration duration);
  Clock::Time renewal_due(Clock& clock) const;
  Result<void> take_svids(std::string_view message, Clock::WallTime now);
  Result<void> take_jwt_keys(std::string_view message, Clock::WallTime now);
  void take(identity::Snapshot snapshot);
  void report(std::string_view words) const;

  const WorkloadApiOptions options_;
  identity::SnapshotPtr current_;
  std::function<void(identity::SnapshotPtr)> publish_;
  std::vector<Watch*> watches_;  // while run() runs
  bool stopping_ = false;
};

}  // namespace mandated::workload_api
