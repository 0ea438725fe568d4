// The few things that the proxy must ask somebody: a status list, a set of keys, the consent
// service. One document per request, whole; no redirects, no content codings, no state. Whoever
// needs one takes the interface, so that a test hands in a fake.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "proxy/base/clock.h"
#include "proxy/base/gate.h"
#include "proxy/http/message.h"
#include "proxy/net/socket.h"
#include "proxy/tls/tls.h"

namespace mandated::fetch {

struct Request {
  std::string method = "GET";  ///< or POST
  std::string url;             ///< https; http to loopback only (see target.h)
  std::string accept = "*/*";
  std::string content_type;  ///< of `body`; POST only
  std::string body;
  std::size_t answer_bytes_max = 1U << 20U;
};

struct Response {
  int status = 0;  ///< any final one but 3xx
  http::Fields fields;
  std::string body;
};

class Fetcher {
 public:
  virtual ~Fetcher() = default;
  /// All of it under `deadline`; `request` must live until then. Any status but a redirect is an
  /// answer. kMalformed: the URL, or an answer that is not HTTP. kUnavailable: no authorities to
  /// check the server by. kProtocol: a redirect. kUnsupported: a content coding. kTooLarge,
  /// kTimeout, kNotFound (no such name), kRefused, kPeerIdentity (not the server that the URL
  /// names), kHandshake, kReset and kEnd (cut off): as everywhere.
  virtual Task<Result<Response>> fetch(const Request& request, Clock::Time deadline) = 0;
};

/// For one worker; what is given must outlive it. A connection of its own for each request, not
/// kept: what is fetched is cached by whoever asked. `roots` null: https is kUnavailable. The
/// readers of connections run in `gate`.
std::unique_ptr<Fetcher> make_fetcher(net::Dialer& dialer, Clock& clock, Gate& gate,
                                      tls::WebRootsPtr roots);

}  // namespace mandated::fetch
