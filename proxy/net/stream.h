// Bytes in, bytes out: the one thing that TCP, Unix sockets, TLS and the simulator's memory pipes
// have in common.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "proxy/base/clock.h"
#include "proxy/base/task.h"

namespace mandated::net {

/// The process at the other end of a Unix socket, as the system saw it when it connected.
struct PeerCredentials {
  uid_t user = 0;
  pid_t process = 0;  ///< 0: one of another PID namespace
  gid_t group = 0;
  bool operator==(const PeerCredentials&) const = default;
};

/// One read and one write may be pending at once (full duplex), not two of a kind. Owned by one
/// worker. After any error the stream is good for close() only.
class Stream {
 public:
  virtual ~Stream() = default;

  /// At least one byte, or 0 when the peer ended its side cleanly (FIN; close_notify under TLS).
  /// Errors: kReset, kTimeout, kCancelled (after close()).
  virtual Task<Result<std::size_t>> read_some(std::span<char> buffer) = 0;

  /// All of `bytes`, or an error.
  virtual Task<Result<void>> write(std::string_view bytes) = 0;

  /// Ends our side cleanly; reading goes on.
  virtual Task<Result<void>> shutdown() = 0;

  /// Once `deadline` passes, pending and later operations fail with kTimeout. Clock::Time::max() =
  /// none.
  virtual void set_deadline(Clock::Time deadline) = 0;

  /// Cuts the stream at once; pending operations fail with kCancelled. May be called twice.
  virtual void close() = 0;

  /// Of a Unix socket (SO_PEERCRED); nullopt where the system vouches for nobody.
  virtual std::optional<PeerCredentials> credentials() { return std::nullopt; }

  /// A pidfd (pidfd_open(2)) of the very process that connected, which the caller closes; -1 where
  /// there is none any more, or the system vouches for nobody.
  virtual int open_peer_process() { return -1; }

  /// Whether any of the bytes that were read came from another process than the one that connected:
  /// a socket can be inherited and passed on. Asked of accepted Unix sockets; false elsewhere.
  virtual bool has_foreign_writer() const { return false; }
};
using StreamPtr = std::unique_ptr<Stream>;

}  // namespace mandated::net
