// The status lists of a process, on a thread of their own: a long list takes a while to check, and
// no call shall wait for that which does not ask for it.
#pragma once

#include <chrono>
#include <memory>

#include "config/config.h"
#include "filters/revocation/status_lists.h"
#include "proxy/admin/metrics.h"
#include "proxy/tls/tls.h"

namespace mandated::server {

class StatusWatch {
 public:
  /// kInvalidConfig: an issuer's key.
  static Result<std::unique_ptr<StatusWatch>> make(const config::Status& config,
                                                   const receipt::AnchorSet& anchors,
                                                   tls::WebRootsPtr roots,
                                                   std::chrono::seconds wall_offset);
  ~StatusWatch();
  StatusWatch(const StatusWatch&) = delete;
  StatusWatch& operator=(const StatusWatch&) = delete;

  StatusLists& lists();
  void start();
  /// Ends the thread, once; the workers' contexts are still there. A fetch under way is waited for.
  void stop();
  /// Carries over what was counted since the last call.
  void count(admin::Metrics& metrics);

 private:
  struct Thread;
  explicit StatusWatch(std::unique_ptr<Thread> thread);

  std::unique_ptr<Thread> thread_;
  std::uint64_t counted_failures_ = 0;
};

}  // namespace mandated::server
