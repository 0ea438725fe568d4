// The Stream over a TCP or Unix socket.
#pragma once

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/system/error_code.hpp>

#include "proxy/base/watchdog.h"
#include "proxy/net/descriptor.h"
#include "proxy/net/stream.h"

namespace mandated::net {

class SocketStream final : public Stream {
 public:
  SocketStream(Clock& clock, Descriptor descriptor);

  /// For the dialer, once, before anything else.
  Task<Result<void>> connect(Endpoint endpoint);

  Task<Result<std::size_t>> read_some(std::span<char> buffer) override;
  Task<Result<void>> write(std::string_view bytes) override;
  Task<Result<void>> shutdown() override;
  void set_deadline(Clock::Time deadline) override;
  void close() override;
  std::optional<PeerCredentials> credentials() override;
  int open_peer_process() override;
  bool has_foreign_writer() const override { return foreign_writer_; }

 private:
  Failure failure(const boost::system::error_code& error) const;
  Result<void> connect_unix(const Endpoint& endpoint);
  /// read_some where the system names the writer of what is read (SO_PASSCRED).
  Task<Result<std::size_t>> read_with_writer(std::span<char> buffer);
  /// Sends what the socket takes now: 0 when it is full.
  Result<std::size_t> send_now(std::string_view bytes);

  boost::asio::basic_stream_socket<boost::asio::generic::stream_protocol, Executor> socket_;
  Watchdog watchdog_;
  bool timed_out_ = false;
  bool closed_ = false;
  std::optional<pid_t> writer_;  // who alone should write; nullopt: nobody says who does
  bool foreign_writer_ = false;
};

}  // namespace mandated::net
