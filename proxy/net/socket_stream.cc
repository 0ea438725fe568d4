#include "proxy/net/socket_stream.h"

#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <cerrno>
#include <cstring>
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

// Since Linux 6.5; C libraries are older.
constexpr int kPeerPidfd = 77;

bool names_writers(int descriptor) {
  int on = 0;
  socklen_t size = sizeof(on);
  return ::getsockopt(descriptor, SOL_SOCKET, SO_PASSCRED, &on, &size) == 0 && on != 0;
}

/// The process that wrote what was received; -1 where that is not said.
pid_t writer_of(msghdr& message) {
  for (cmsghdr* each = CMSG_FIRSTHDR(&message); each != nullptr;
       each = CMSG_NXTHDR(&message, each)) {
    if (each->cmsg_level != SOL_SOCKET || each->cmsg_type != SCM_CREDENTIALS) continue;
    ucred writer{};
    std::memcpy(&writer, CMSG_DATA(each), sizeof(writer));
    return writer.pid;
  }
  return -1;
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
    const std::optional<PeerCredentials> peer = credentials();
    if (peer && names_writers(socket_.native_handle())) writer_ = peer->process;
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

Task<Result<std::size_t>> SocketStream::read_with_writer(std::span<char> buffer) {
  boost::system::error_code error;
  while (!timed_out_ && !closed_ && !error) {
    iovec piece{buffer.data(), buffer.size()};
    // Room for the writer and nothing else: descriptors that came with the bytes are dropped.
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(ucred))> control;
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t size =
        ::recvmsg(socket_.native_handle(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (size >= 0) {
      if (size > 0 && writer_of(message) != *writer_) foreign_writer_ = true;
      // Through the event loop, as any read: a peer that never stops must not keep it.
      co_await boost::asio::post(socket_.get_executor(), use_task);
      if (timed_out_ || closed_) co_return failure(error);
      co_return static_cast<std::size_t>(size);
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) {
      error.assign(errno, boost::system::system_category());
      break;
    }
    co_await socket_.async_wait(boost::asio::socket_base::wait_read,
                                boost::asio::redirect_error(use_task, error));
  }
  co_return failure(error);
}

Task<Result<std::size_t>> SocketStream::read_some(std::span<char> buffer) {
  if (writer_) co_return co_await read_with_writer(buffer);
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
  return PeerCredentials{found.uid, found.pid, found.gid};
}

int SocketStream::open_peer_process() {
  const std::optional<PeerCredentials> peer = credentials();
  if (!peer) return -1;
  int process = -1;
  socklen_t size = sizeof(process);
  if (::getsockopt(socket_.native_handle(), SOL_SOCKET, kPeerPidfd, &process, &size) == 0) {
    return process;
  }
  if (errno != ENOPROTOOPT || peer->process <= 0) return -1;
  return static_cast<int>(::syscall(SYS_pidfd_open, peer->process, 0U));
}

StreamPtr make_socket_stream(Clock& clock, int descriptor) {
  return std::make_unique<SocketStream>(clock, Descriptor(descriptor));
}

}  // namespace mandated::net
