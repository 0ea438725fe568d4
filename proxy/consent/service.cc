#include "proxy/consent/service.h"

#include <algorithm>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <list>
#include <memory>
#include <utility>

#include "proxy/base/log.h"
#include "proxy/consent/handler.h"
#include "proxy/net/socket.h"

namespace mandated::consent {

namespace {

constexpr std::size_t kConnectionsMax = 256;
constexpr Clock::Duration kDrainMax = std::chrono::seconds(10);
constexpr std::string_view kDefaultAddress = "127.0.0.1:8700";
constexpr std::string_view kDefaultAddress6 = "[::1]:8700";

http::ServerLimits server_limits() {
  http::ServerLimits limits;
  limits.header_bytes_max = 16384;
  limits.header_count_max = 64;
  return limits;
}

bool has_ipv6() {
  return net::BoundAddress::bind({.host = "::1", .port = 0, .unix_path = {}}).has_value();
}

class Service {
 public:
  Service(const ServiceOptions& options, Registry registry)
      : options_(options),
        registry_(std::move(registry)),
        clock_(context_),
        gate_(context_.get_executor()),
        store_(RequestStore::Limits()),
        handler_(options.origin, registry_, store_, rng_, clock_, gate_) {}

  Result<void> bind();
  void run();

 private:
  Result<void> bind_one(const std::string& text);
  Task<void> accept(net::Listener* listener);
  void make_room();
  Task<void> serve(net::StreamPtr stream);

  const ServiceOptions& options_;
  Registry registry_;
  boost::asio::io_context context_{1};
  RealClock clock_;
  SystemRng rng_;
  Gate gate_;
  RequestStore store_;
  Handler handler_;
  std::vector<std::unique_ptr<net::BoundAddress>> bound_;
  std::vector<std::unique_ptr<net::Listener>> listeners_;
  std::list<net::Stream*> streams_;  // of all connections, the oldest first
};

Result<void> Service::bind_one(const std::string& text) {
  TRY(const net::Address address, net::Address::parse(text));
  if (!address.is_local()) {
    return fail(Code::kInvalidConfig,
                text + " is reached from other machines; take a loopback address or a Unix socket");
  }
  TRY(std::unique_ptr<net::BoundAddress> bound, net::BoundAddress::bind(address));
  TRY(std::unique_ptr<net::Listener> listener, bound->listen(clock_));
  log::info("consent.up", {{"address", bound->address().to_string()},
                           {"origin", options_.origin.text},
                           {"folder", options_.folder}});
  bound_.push_back(std::move(bound));
  listeners_.push_back(std::move(listener));
  return {};
}

Result<void> Service::bind() {
  std::vector<std::string> addresses = options_.addresses;
  if (addresses.empty()) {
    addresses.emplace_back(kDefaultAddress);
    if (has_ipv6()) addresses.emplace_back(kDefaultAddress6);
  }
  for (const std::string& address : addresses) {
    CHECK(bind_one(address));
  }
  for (const auto& listener : listeners_) gate_.spawn(accept(listener.get()));
  return {};
}

Task<void> Service::accept(net::Listener* listener) {
  const Gate::Registration on_drain(gate_, [listener] { listener->close(); });
  while (true) {
    Result<net::StreamPtr> stream = co_await listener->accept();
    if (!stream) co_return;
    if (streams_.size() >= kConnectionsMax) make_room();
    if (streams_.size() < 2 * kConnectionsMax) gate_.spawn(serve(std::move(*stream)));
  }
}

// Whoever holds connections open must not shut a person out: the oldest is ended. It goes once its
// exchange has heard of that; until then it is not chosen again.
void Service::make_room() {
  net::Stream* const oldest = streams_.front();
  streams_.splice(streams_.end(), streams_, streams_.begin());
  oldest->close();
}

// HTTP/1.1 alone: so 256 connections hold 256 bodies, not thousands.
Task<void> Service::serve(net::StreamPtr stream) {
  const auto place = streams_.insert(streams_.end(), stream.get());
  static_cast<void>(
      co_await http::serve_http1(*stream, server_limits(), clock_, gate_, handler_, "http"));
  streams_.erase(place);
}

void Service::run() {
  boost::asio::signal_set signals(context_, SIGTERM, SIGINT);
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);  // a file that may not grow is an error of the write
  std::unique_ptr<Clock::Timer> late;
  signals.async_wait([&](const boost::system::error_code&, int signal) {
    log::info("consent.draining", {{"signal", signal}});
    gate_.drain();
    late = clock_.call_at(clock_.now() + kDrainMax, [this] {
      for (net::Stream* const stream : streams_) stream->close();
    });
  });
  while (gate_.active() > 0) context_.run_one();
  log::info("consent.stopped");
}

}  // namespace

Result<void> run_service(const ServiceOptions& options) {
  TRY(Registry registry, Registry::open(options.folder, identity::StateFolder::Missing::kCreate));
  CHECK(registry.passkeys());  // what cannot be read shows now, not when somebody wants to sign
  Service service(options, std::move(registry));
  CHECK(service.bind());
  service.run();
  return {};
}

}  // namespace mandated::consent
