#include "proxy/net/descriptor.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>

namespace mandated::net {

namespace asio = boost::asio;

Descriptor::~Descriptor() {
  if (value_ >= 0) ::close(value_);
}

Descriptor open_socket(int family) {
  return Descriptor(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

std::vector<Endpoint> endpoints_of(const Address& address) {
  if (address.is_unix()) return {asio::local::stream_protocol::endpoint(address.unix_path)};
  if (address.host == "localhost") {
    return {asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), address.port),
            asio::ip::tcp::endpoint(asio::ip::address_v6::loopback(), address.port)};
  }
  boost::system::error_code error;
  const asio::ip::address literal = asio::ip::make_address(address.host, error);
  if (error) return {};
  return {asio::ip::tcp::endpoint(literal, address.port)};
}

void set_no_delay(int descriptor) {
  const int on = 1;
  ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

std::string errno_text(int error) {
  return boost::system::error_code(error, boost::system::system_category()).message();
}

}  // namespace mandated::net
