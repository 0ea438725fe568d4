// An upstream that speaks HTTP/1.1 or HTTP/2, with or without TLS.
#pragma once

#include <string>

#include "config/config.h"
#include "proxy/upstream/pool.h"
#include "proxy/upstream/session_seal.h"
#include "proxy/upstream/upstream.h"

namespace mandated::upstream {

/// What proves who speaks inside the messages, where something between the two ends TLS.
struct Credentials {
  /// Adds them to a request that is otherwise complete; null: none are wanted.
  std::function<Result<void>(http::RequestHead& head, std::string_view body)> attach;
  /// Whether the answer holds some, and so must be read whole and checked; null: never.
  std::function<bool(const http::ResponseHead& answer)> has_own;
  std::function<Result<void>(const http::RequestHead& sent, const http::ResponseHead& answer,
                             std::string_view body)>
      check;
};

/// One worker's side of an HTTP upstream. `context` gives the TLS context of the current identity.
std::unique_ptr<Upstream> make_http_upstream(
    const config::Upstream& config, const config::Timeouts& timeouts, const config::Limits& limits,
    const SessionSeal::Key& session_key, net::Dialer& dialer, Clock& clock, Gate& gate,
    std::function<tls::ContextPtr()> context, Credentials credentials = {});

}  // namespace mandated::upstream
