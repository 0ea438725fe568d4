// File descriptors of sockets, opened close-on-exec and non-blocking in one step: a child that
// stdio/ starts must not inherit them.
#pragma once

#include <boost/asio/generic/stream_protocol.hpp>
#include <string>
#include <utility>
#include <vector>

#include "proxy/net/address.h"

namespace mandated::net {

/// Owns one descriptor.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int value) : value_(value) {}
  Descriptor(Descriptor&& other) noexcept : value_(other.release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(value_, other.value_);
    return *this;
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor();

  int get() const { return value_; }
  int release() { return std::exchange(value_, -1); }
  explicit operator bool() const { return value_ >= 0; }

 private:
  int value_ = -1;
};

using Endpoint = boost::asio::generic::stream_protocol::endpoint;

/// A stream socket of that family; not open (false) when the system has none left.
Descriptor open_socket(int family);

/// The endpoints an address names without asking a resolver: a Unix path, a literal, or localhost
/// (RFC 6761 section 6.3: always loopback). Empty for any other name.
std::vector<Endpoint> endpoints_of(const Address& address);

/// Small messages leave at once. Failure is harmless, and certain on a Unix socket.
void set_no_delay(int descriptor);

/// The words for an errno value.
std::string errno_text(int error);

}  // namespace mandated::net
