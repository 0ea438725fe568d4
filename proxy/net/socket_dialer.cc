// Name look-up and connect.
#include <boost/asio/ip/basic_resolver.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <memory>

#include "proxy/base/event.h"
#include "proxy/net/descriptor.h"
#include "proxy/net/socket.h"
#include "proxy/net/socket_stream.h"

namespace mandated::net {

namespace {

using Resolver = boost::asio::ip::basic_resolver<boost::asio::ip::tcp, Executor>;

constexpr std::size_t kEndpointsMax = 8;

/// A look-up under way. getaddrinfo cannot be interrupted and may outlive the dial's deadline, so
/// the look-up owns itself until it is answered; the dial only watches.
struct Lookup {
  explicit Lookup(const Executor& executor) : resolver(executor), done(executor) {}
  Resolver resolver;
  Event done;
  bool answered = false;
  boost::system::error_code error;
  std::vector<Endpoint> endpoints;
};

void start(const std::shared_ptr<Lookup>& lookup, const Address& address) {
  lookup->resolver.async_resolve(
      address.host, std::to_string(address.port), Resolver::numeric_service,
      [lookup](const boost::system::error_code& error, const Resolver::results_type& results) {
        lookup->answered = true;
        lookup->error = error;
        for (const auto& entry : results) {
          if (lookup->endpoints.size() < kEndpointsMax) {
            lookup->endpoints.push_back(entry.endpoint());
          }
        }
        lookup->done.notify();
      });
}

class SocketDialer final : public Dialer {
 public:
  explicit SocketDialer(Clock& clock) : clock_(clock) {}

  Task<Result<StreamPtr>> dial(const Address& address, Clock::Time deadline) override {
    std::vector<Endpoint> endpoints = endpoints_of(address);
    if (endpoints.empty()) {
      CO_TRY(endpoints, co_await resolve(address, deadline));
    }
    Error last;
    for (std::size_t index = 0; index < endpoints.size(); ++index) {
      // A share of the time left for each, so that one that drops every packet does not cost all.
      const Clock::Time now = clock_.now();
      if (now >= deadline) co_return timed_out(address);
      const auto attempts_left = static_cast<Clock::Duration::rep>(endpoints.size() - index);
      const Clock::Time until =
          deadline == Clock::Time::max() ? deadline : now + (deadline - now) / attempts_left;
      auto connected = co_await connect(endpoints[index], until);
      if (connected) co_return std::move(*connected);
      last = std::move(connected).error();
    }
    if (last.code == Code::kTimeout) co_return timed_out(address);
    co_return fail(Code::kRefused, Side::kUpstream,
                   "cannot connect to " + address.to_string() + ": " + last.text);
  }

 private:
  static Failure timed_out(const Address& address) {
    return fail(Code::kTimeout, Side::kUpstream,
                "cannot connect to " + address.to_string() + " in time");
  }

  Task<Result<std::vector<Endpoint>>> resolve(const Address& address, Clock::Time deadline) {
    const auto lookup = std::make_shared<Lookup>(clock_.executor());
    start(lookup, address);
    std::unique_ptr<Clock::Timer> timer;
    if (deadline != Clock::Time::max()) {
      timer = clock_.call_at(deadline, [lookup] { lookup->done.notify(); });
    }
    co_await lookup->done.wait();
    if (!lookup->answered) {
      lookup->resolver.cancel();
      co_return timed_out(address);
    }
    if (lookup->endpoints.empty()) {
      const bool unknown = lookup->error == boost::asio::error::host_not_found ||
                           lookup->error == boost::asio::error::no_data;
      co_return fail(unknown ? Code::kNotFound : Code::kRefused, Side::kUpstream,
                     "cannot resolve " + address.host + ": " + lookup->error.message());
    }
    co_return std::move(lookup->endpoints);
  }

  Task<Result<StreamPtr>> connect(Endpoint endpoint, Clock::Time until) {
    Descriptor descriptor = open_socket(endpoint.protocol().family());
    if (!descriptor) co_return fail(Code::kRefused, Side::kUpstream, errno_text(errno));
    set_no_delay(descriptor.get());
    auto stream = std::make_unique<SocketStream>(clock_, std::move(descriptor));
    stream->set_deadline(until);
    CO_CHECK(co_await stream->connect(endpoint));
    stream->set_deadline(Clock::Time::max());
    co_return stream;
  }

  Clock& clock_;
};

}  // namespace

std::unique_ptr<Dialer> make_socket_dialer(Clock& clock) {
  return std::make_unique<SocketDialer>(clock);
}

}  // namespace mandated::net
