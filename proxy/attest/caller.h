// The process at the other end of one accepted Unix socket, for as long as the connection stands.
// Who connected is the kernel's word, and so is who wrote each byte that was read; what the process
// runs is looked up again for each call, since it can become another program at any time.
#pragma once

#include <string>
#include <vector>

#include "config/config.h"
#include "proxy/attest/attestor.h"

namespace mandated::attest {

class Caller {
 public:
  /// Null where `stream` has no local process at its other end that can be told. All outlive it.
  static Task<std::unique_ptr<Caller>> identify(net::Stream& stream, Attestor& attestor,
                                                Clock& clock);

  /// The instance, while it is certain that it is who speaks. kPeerIdentity says why it no longer
  /// is; nothing of this connection can be believed from then on.
  Task<Result<identity::InstancePtr>> now();

 private:
  Caller(net::Stream& stream, Attestor& attestor, Clock& clock, Process process)
      : stream_(stream), attestor_(attestor), clock_(clock), process_(std::move(process)) {}
  Task<Result<void>> check();

  net::Stream& stream_;
  Attestor& attestor_;
  Clock& clock_;
  Process process_;
  std::optional<Image> image_;  // as it was last seen
  identity::InstancePtr instance_;
};

/// Whether the instance is one of those; nobody is among none.
bool is_among(const std::vector<config::AllowedCaller>& allowed,
              const identity::Instance* instance);

}  // namespace mandated::attest
