// Binding and accepting.
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <cerrno>

#include "proxy/base/event.h"
#include "proxy/net/descriptor.h"
#include "proxy/net/socket.h"
#include "proxy/net/socket_stream.h"

namespace mandated::net {

namespace asio = boost::asio;

namespace {

constexpr int kBacklog = 4096;  // capped by net.core.somaxconn
constexpr std::chrono::milliseconds kPauseWithoutDescriptors{100};

Failure bind_failure(const Address& address, std::string_view why) {
  return fail(Code::kUnavailable,
              "cannot listen on " + address.to_string() + ": " + std::string(why));
}

bool set_option(int descriptor, int level, int option, int value) {
  return ::setsockopt(descriptor, level, option, &value, sizeof(value)) == 0;
}

Result<Descriptor> bind_tcp(const Address& address, const Endpoint& endpoint, bool share_port) {
  Descriptor socket = open_socket(endpoint.protocol().family());
  if (!socket) return bind_failure(address, errno_text(errno));
  bool set = set_option(socket.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  // "[::]" means IPv6 and nothing else, whatever the machine's default is.
  if (endpoint.protocol().family() == AF_INET6) {
    set = set && set_option(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, 1);
  }
  if (share_port) set = set && set_option(socket.get(), SOL_SOCKET, SO_REUSEPORT, 1);
  if (!set || ::bind(socket.get(), endpoint.data(), static_cast<socklen_t>(endpoint.size())) != 0) {
    return bind_failure(address, errno_text(errno));
  }
  return socket;
}

Result<std::uint16_t> bound_port(const Address& address, int descriptor) {
  sockaddr_storage name{};
  socklen_t size = sizeof(name);
  if (::getsockname(descriptor, reinterpret_cast<sockaddr*>(&name), &size) != 0) {
    return bind_failure(address, errno_text(errno));
  }
  // sin_port and sin6_port stand at the same place.
  return ntohs(reinterpret_cast<const sockaddr_in*>(&name)->sin_port);
}

/// True when nobody serves the socket file any more. Anything that is no socket is left alone.
Result<bool> is_stale(const Address& address, const Endpoint& endpoint) {
  struct stat status{};
  if (::lstat(address.unix_path.c_str(), &status) != 0) {
    if (errno == ENOENT) return false;
    return bind_failure(address, errno_text(errno));
  }
  if (!S_ISSOCK(status.st_mode)) {
    return bind_failure(address, "a file that is no socket is in the way");
  }
  const Descriptor probe = open_socket(AF_UNIX);
  if (!probe) return bind_failure(address, errno_text(errno));
  if (::connect(probe.get(), endpoint.data(), static_cast<socklen_t>(endpoint.size())) == 0 ||
      errno != ECONNREFUSED) {
    return bind_failure(address, "another process serves it");
  }
  return true;
}

/// Gives a socket's file exactly this mode: by its descriptor, so that it is this file and no link.
bool set_file_mode(const std::string& path, mode_t mode) {
  const Descriptor file(::open(path.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  struct stat status{};
  if (!file || ::fstat(file.get(), &status) != 0 || !S_ISSOCK(status.st_mode)) return false;
  if ((status.st_mode & ALLPERMS) == mode) return true;
  // fchmod(2) takes no descriptor of this kind.
  return ::chmod(("/proc/self/fd/" + std::to_string(file.get())).c_str(), mode) == 0;
}

Result<Descriptor> bind_unix(const Address& address, const Endpoint& endpoint, mode_t mode) {
  TRY(const bool stale, is_stale(address, endpoint));
  if (stale) ::unlink(address.unix_path.c_str());
  Descriptor socket = open_socket(AF_UNIX);
  // The file takes its mode from the socket's (unix(7)), so it never exists with a wider one; but
  // the umask may have taken away what others were to have.
  // Accepted sockets inherit it, so that each read can name who wrote (unix(7)).
  if (!socket || !set_option(socket.get(), SOL_SOCKET, SO_PASSCRED, 1) ||
      ::fchmod(socket.get(), mode) != 0 ||
      ::bind(socket.get(), endpoint.data(), static_cast<socklen_t>(endpoint.size())) != 0 ||
      !set_file_mode(address.unix_path, mode) || ::listen(socket.get(), kBacklog) != 0) {
    return bind_failure(address, errno_text(errno));
  }
  return socket;
}

class SocketListener final : public Listener {
 public:
  SocketListener(Clock& clock, Address address, Descriptor descriptor)
      : clock_(clock),
        address_(std::move(address)),
        listening_(clock.executor(), descriptor.release()),
        pause_(clock.executor()) {}

  Task<Result<StreamPtr>> accept() override {
    // Waiting first, even when a connection is already there, lets the others of this worker run
    // between two of a burst.
    while (!closed_) {
      boost::system::error_code error;
      co_await listening_.async_wait(asio::posix::descriptor_base::wait_read,
                                     asio::redirect_error(use_task, error));
      if (closed_) break;
      if (error) co_return fail(Code::kInternal, "accept: " + error.message());
      Descriptor accepted(
          ::accept4(listening_.native_handle(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
      if (accepted) {
        if (!address_.is_unix()) set_no_delay(accepted.get());
        co_return std::make_unique<SocketStream>(clock_, std::move(accepted));
      }
      if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        co_await pause();
      } else if (errno == EBADF || errno == EINVAL || errno == ENOTSOCK) {
        co_return fail(Code::kInternal, "accept: " + errno_text(errno));
      }
      // All else is about one connection that is gone already (accept(2)), or another worker took
      // it.
    }
    co_return fail(Code::kCancelled, "the listener was closed");
  }

  void close() override {
    closed_ = true;
    boost::system::error_code ignored;
    listening_.close(ignored);
    pause_.notify();
  }

  const Address& address() const override { return address_; }

 private:
  Task<void> pause() {
    const std::unique_ptr<Clock::Timer> timer =
        clock_.call_at(clock_.now() + kPauseWithoutDescriptors, [this] { pause_.notify(); });
    co_await pause_.wait();
  }

  Clock& clock_;
  Address address_;
  asio::posix::basic_stream_descriptor<Executor> listening_;
  Event pause_;
  bool closed_ = false;
};

}  // namespace

Result<std::unique_ptr<BoundAddress>> BoundAddress::bind(const Address& address, mode_t mode) {
  const std::vector<Endpoint> endpoints = endpoints_of(address);
  if (endpoints.empty()) return bind_failure(address, "a name; give an IP address or localhost");
  const Endpoint& endpoint = endpoints.front();

  Address chosen = address;
  if (address.is_unix()) {
    TRY(Descriptor socket, bind_unix(address, endpoint, mode));
    struct stat status{};
    if (::lstat(address.unix_path.c_str(), &status) != 0) {
      return bind_failure(address, errno_text(errno));
    }
    auto bound = std::unique_ptr<BoundAddress>(new BoundAddress(chosen, socket.release()));
    bound->file_device_ = status.st_dev;
    bound->file_inode_ = status.st_ino;
    return bound;
  }
  // Bound without SO_REUSEPORT, so that a second process on the same port is noticed here; shared
  // from then on, so that this process's workers can join. It never listens: the kernel would hand
  // it connections that nobody accepts.
  TRY(Descriptor socket, bind_tcp(address, endpoint, false));
  if (!set_option(socket.get(), SOL_SOCKET, SO_REUSEPORT, 1)) {
    return bind_failure(address, errno_text(errno));
  }
  TRY(chosen.port, bound_port(address, socket.get()));
  return std::unique_ptr<BoundAddress>(new BoundAddress(chosen, socket.release()));
}

BoundAddress::~BoundAddress() {
  ::close(descriptor_);
  if (!address_.is_unix()) return;
  // Whoever replaced the file keeps his.
  struct stat status{};
  if (::lstat(address_.unix_path.c_str(), &status) == 0 && status.st_dev == file_device_ &&
      status.st_ino == file_inode_) {
    ::unlink(address_.unix_path.c_str());
  }
}

Result<std::unique_ptr<Listener>> BoundAddress::listen(Clock& clock) const {
  Descriptor socket;
  if (address_.is_unix()) {
    socket = Descriptor(::fcntl(descriptor_, F_DUPFD_CLOEXEC, 0));
    if (!socket) return bind_failure(address_, errno_text(errno));
  } else {
    const std::vector<Endpoint> endpoints = endpoints_of(address_);
    TRY(socket, bind_tcp(address_, endpoints.front(), true));
    if (::listen(socket.get(), kBacklog) != 0) return bind_failure(address_, errno_text(errno));
  }
  return std::make_unique<SocketListener>(clock, address_, std::move(socket));
}

}  // namespace mandated::net
