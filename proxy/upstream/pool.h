// An upstream that speaks HTTP: a pool of connections for one worker. HTTP/2 connections are
// shared, HTTP/1.1 ones are lent to one request at a time and come back only after a clean,
// complete exchange.
#pragma once

#include <cstddef>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "proxy/base/clock.h"
#include "proxy/base/gate.h"
#include "proxy/http/client.h"
#include "proxy/net/address.h"
#include "proxy/net/socket.h"
#include "proxy/tls/tls.h"
#include "proxy/upstream/upstream.h"

namespace mandated::upstream {

enum class HttpVersion { kAuto, kHttp1, kHttp2 };

struct PoolOptions {
  net::Address address;
  std::string scheme = "https";
  std::string authority;                     ///< for requests that carry none of their own
  HttpVersion version = HttpVersion::kAuto;  ///< kAuto: by ALPN; HTTP/1.1 over plaintext
  std::size_t connections_max = 64;
  Clock::Duration connect_timeout = std::chrono::seconds(5);
  Clock::Duration handshake_timeout = std::chrono::seconds(5);
  Clock::Duration idle_timeout = std::chrono::seconds(30);
  http::ClientLimits limits;
};

/// One worker's connections to one upstream.
class Pool {
 public:
  /// `context` gives the TLS context of the current identity; null for plaintext.
  Pool(PoolOptions options, net::Dialer& dialer, Clock& clock, Gate& gate,
       std::function<tls::ContextPtr()> context);
  ~Pool();

  /// What to send after the head: `bytes`, or, if set, the pieces of `stream`.
  struct Payload {
    std::string_view bytes;
    http::Body* stream = nullptr;
  };
  /// Sends the request and returns the response, whose body keeps the connection until it is read
  /// or dropped. All of it runs under `deadline`; with `stream_idle` above zero the body instead
  /// under that, anew for each piece. A request that provably was not processed (REFUSED_STREAM,
  /// GOAWAY) is sent once more.
  Task<Result<http::Response>> send(const http::RequestHead& head, Payload payload,
                                    Clock::Time deadline, Clock::Duration stream_idle,
                                    Progress& progress);

  /// Closes idle connections; those in use close when their exchange ends.
  void drain();
  /// After an identity rotation: standing connections finish what they have and are not used again.
  void retire_connections();
  std::size_t connections() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace mandated::upstream
