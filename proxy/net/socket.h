// TCP and Unix sockets, and our own standard streams: the real Stream, Listener and Dialer.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <memory>

#include "proxy/base/clock.h"
#include "proxy/net/address.h"
#include "proxy/net/stream.h"

namespace mandated::net {

/// Accepts connections on one address for one worker. TCP sockets are opened with SO_REUSEPORT, so
/// each worker has its own; a Unix socket cannot be shared that way, so its file descriptor is
/// duplicated among workers.
class Listener {
 public:
  virtual ~Listener() = default;
  /// kCancelled after close(). Out of file descriptors is not an error of accept: it waits and goes
  /// on.
  virtual Task<Result<StreamPtr>> accept() = 0;
  virtual void close() = 0;
  /// With the port that was chosen when the address said 0.
  virtual const Address& address() const = 0;
};

/// Opens a connection; the simulator has its own.
class Dialer {
 public:
  virtual ~Dialer() = default;
  /// Name look-up and connect, both under `deadline`. kRefused, kTimeout, kNotFound (no such name).
  virtual Task<Result<StreamPtr>> dial(const Address& address, Clock::Time deadline) = 0;
};

/// A bound address from which each worker makes its Listener; it outlives them. TCP wants a literal
/// or localhost, and "[::]" is IPv6 only. Unix: an old socket file that nobody serves is replaced,
/// the mode is 0600 unless asked otherwise, and the file is removed when this goes.
class BoundAddress {
 public:
  /// kUnavailable says why it cannot be had: taken, not allowed, no address of this machine. `mode`
  /// is of a Unix socket's file, whatever the umask.
  static Result<std::unique_ptr<BoundAddress>> bind(const Address& address,
                                                    mode_t mode = S_IRUSR | S_IWUSR);
  ~BoundAddress();
  BoundAddress(const BoundAddress&) = delete;
  BoundAddress& operator=(const BoundAddress&) = delete;
  /// With the port that was chosen.
  const Address& address() const { return address_; }
  /// May be called from the worker's thread.
  Result<std::unique_ptr<Listener>> listen(Clock& clock) const;

 private:
  explicit BoundAddress(Address address, int descriptor)
      : address_(std::move(address)), descriptor_(descriptor) {}
  Address address_;
  int descriptor_ = -1;
  dev_t file_device_ = 0;  // of the Unix socket's file, so that only our own is removed
  ino_t file_inode_ = 0;
};

/// Accepts one connection: our standard input and output, which are taken away from the rest of the
/// process. Once only; kUnavailable when one of them is closed.
Result<std::unique_ptr<Listener>> listen_on_standard_streams(Clock& clock);

std::unique_ptr<Dialer> make_socket_dialer(Clock& clock);

/// Wraps a connected, non-blocking descriptor (a child's pipe end is not one; see stdio/). Takes
/// ownership.
StreamPtr make_socket_stream(Clock& clock, int descriptor);

}  // namespace mandated::net
