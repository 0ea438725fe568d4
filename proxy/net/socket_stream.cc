#include "proxy/net/socket_stream.h"

#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/redirect_error.hpp>
#include <cerrno>
#include <utility>

#include "proxy/net/socket.h"

namespace mandated::net {

namespace {

using boost::asio::generic::stream_protocol;

stream_protocol protocol_of(int descriptor) {
  int family = AF_UNSPEC;
  socklen_t size = sizeof(family);
  ::getsockopt(descriptor, SOL_SOCKET, SO_DOMAIN, &family, &size);
  return {family, 0};
}

}  // namespace

SocketStream::SocketStream(Clock& clock, Descriptor descriptor)
    : socket_(clock.executor()), watchdog_(clock, [this] {
        timed_out_ = true;
        boost::system::error_code ignored;
        socket_.close(ignored);
      }) {
  boost::system::error_code error;
  socket_.assign(protocol_of(descriptor.get()), descriptor.get(), error);
  if (!error) {
    descriptor.release();
    socket_.native_non_blocking(true, error);
  } else {
    closed_ = true;  // out of memory for epoll's entry: the stream is dead from the start
  }
}

Failure SocketStream::failure(const boost::system::error_code& error) const {
  if (timed_out_) return fail(Code::kTimeout, "the connection's deadline passed");
  if (closed_) return fail(Code::kCancelled, "the connection was closed");
  return fail(Code::kReset, error.message());
}

Task<Result<void>> SocketStream::connect(Endpoint endpoint) {
  if (endpoint.protocol().family() == AF_UNIX) co_return connect_unix(endpoint);
  boost::system::error_code error;
  co_await socket_.async_connect(endpoint, boost::asio::redirect_error(use_task, error));
  if (!error) co_return Result<void>();
  if (timed_out_ || closed_) co_return failure(error);
  co_return fail(Code::kRefused, Side::kUpstream, error.message());
}

Result<void> SocketStream::connect_unix(const Endpoint& endpoint) {
  // Answered at once (unix(7)). EAGAIN says that the queue is full; asio would take it for a
  // connect under way, and then for a connection.
  const auto size = static_cast<socklen_t>(endpoint.size());
  if (::connect(socket_.native_handle(), endpoint.data(), size) == 0) return {};
  const int error = errno;
  return fail(Code::kRefused, Side::kUpstream,
              error == EAGAIN ? "its queue is full" : errno_text(error));
}

Task<Result<std::size_t>> SocketStream::read_some(std::span<char> buffer) {
  boost::system::error_code error;
  const std::size_t size =
      co_await socket_.async_read_some(boost::asio::buffer(buffer.data(), buffer.size()),
                                       boost::asio::redirect_error(use_task, error));
  // A deadline that passes while the read's completion is already queued still wins: the
  // connection is closed, and a caller that went on would only meet that one step later.
  if (timed_out_ || closed_) co_return failure(error);
  if (error == boost::asio::error::eof) co_return std::size_t{0};
  if (error) co_return failure(error);
  co_return size;
}

Result<std::size_t> SocketStream::send_now(std::string_view bytes) {
  for (;;) {
    const ssize_t sent =
        ::send(socket_.native_handle(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) return static_cast<std::size_t>(sent);
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return std::size_t{0};
    return failure(boost::system::error_code(errno, boost::system::system_category()));
  }
}

Task<Result<void>> SocketStream::write(std::string_view bytes) {
  while (!bytes.empty()) {
    if (timed_out_ || closed_) co_return failure({});
    // Nearly always there is room, and a plain send spares the trip through the event loop.
    CO_TRY(const std::size_t sent, send_now(bytes));
    bytes.remove_prefix(sent);
    if (sent > 0) continue;
    boost::system::error_code error;
    const std::size_t size =
        co_await socket_.async_write_some(boost::asio::buffer(bytes.data(), bytes.size()),
                                          boost::asio::redirect_error(use_task, error));
    if (error) co_return failure(error);
    bytes.remove_prefix(size);
  }
  co_return Result<void>();
}

Task<Result<void>> SocketStream::shutdown() {
  if (timed_out_ || closed_) co_return failure({});
  boost::system::error_code error;
  socket_.shutdown(boost::asio::socket_base::shutdown_send, error);
  if (error) co_return failure(error);
  co_return Result<void>();
}

void SocketStream::set_deadline(Clock::Time deadline) { watchdog_.set_deadline(deadline); }

void SocketStream::close() {
  if (!timed_out_) closed_ = true;
  watchdog_.set_deadline(Watchdog::kNever);
  boost::system::error_code ignored;
  socket_.close(ignored);
}

std::optional<PeerCredentials> SocketStream::credentials() {
  ucred found{};
  socklen_t size = sizeof(found);
  constexpr auto kNobody = static_cast<uid_t>(-1);  // what sockets of other families say
  if (::getsockopt(socket_.native_handle(), SOL_SOCKET, SO_PEERCRED, &found, &size) != 0 ||
      size != sizeof(found) || found.uid == kNobody) {
    return std::nullopt;
  }
  return PeerCredentials{found.uid, found.pid};
}

StreamPtr make_socket_stream(Clock& clock, int descriptor) {
  return std::make_unique<SocketStream>(clock, Descriptor(descriptor));
}

}  // namespace mandated::net
