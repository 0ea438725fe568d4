#include "proxy/server/answers.h"

#include <string>

#include "filters/refusal_problem.h"
#include "proxy/http/problem.h"
#include "proxy/protocol/elicitation.h"
#include "proxy/protocol/mcp.h"
#include "proxy/protocol/sse.h"

namespace mandated::server {

namespace {

bool is_request(const protocol::Call* call) {
  return call != nullptr && call->kind == protocol::CallKind::kRequest;
}

std::string sentence(const Error& error) {
  const char* who = error.side == Side::kUpstream ? "The server behind the proxy failed: "
                                                  : "The proxy could not carry out the call: ";
  return who + error.text + ".";
}

}  // namespace

http::Response problem(int status, std::string_view code, std::string_view detail) {
  return http::make_problem(status, http::begin_problem(status, code, detail).take());
}

int status_of(const Error& error) {
  const bool upstream = error.side == Side::kUpstream;
  switch (error.code) {
    case Code::kTooLarge:
      return upstream ? 502 : 413;
    case Code::kTimeout:
      return upstream ? 504 : 408;
    case Code::kOverloaded:
      return 503;
    case Code::kUnavailable:
    case Code::kRefused:
      return upstream ? 502 : 503;
    case Code::kNotFound:
      return upstream ? 502 : 404;
    case Code::kDenied:
      return 403;
    case Code::kUnsupported:
      return 501;
    case Code::kStorage:
      return 503;
    case Code::kMalformed:
    case Code::kProtocol:
    case Code::kEnd:
    case Code::kReset:
      return upstream ? 502 : 400;
    case Code::kCancelled:
      return 503;
    case Code::kHandshake:
    case Code::kPeerIdentity:
      return upstream ? 502 : 403;
    case Code::kInvalidConfig:
    case Code::kInternal:
      return upstream ? 502 : 500;
  }
  return 500;
}

http::Response refused(const protocol::Call* call, const receipt::Refusal& refusal) {
  if (is_request(call)) {
    const protocol::RefusalFacts facts{receipt::to_string(refusal.code),
                                       refusal.hop,
                                       refusal.tool,
                                       refusal.argument,
                                       refusal.constraint,
                                       refusal.sentence,
                                       refusal.ticket,
                                       refusal.url};
    const bool page = call->opens_pages && !refusal.url.empty();
    return http::make_response(
        200, "application/json",
        page ? protocol::page_request(*call, facts) : protocol::refusal_response(call->id, facts));
  }
  return http::make_problem(403, to_problem(403, refusal));
}

http::Response failed(const protocol::Call* call, const Error& error) {
  const int status = status_of(error);
  if (!is_request(call)) return problem(status, to_string(error.code), sentence(error));
  const std::string data = json::ObjectWriter().text("code", to_string(error.code)).take();
  return http::make_response(
      status, "application/json",
      protocol::error_response(call->id, protocol::kServerGone, sentence(error), data));
}

std::string failed_event(const protocol::Call& call, const Error& error) {
  protocol::SseEvent event;
  event.data = protocol::error_response(call.id, protocol::kServerGone, sentence(error));
  // Whatever event was cut in the middle ends here, unread.
  return "\n\n" + protocol::write_sse(event);
}

}  // namespace mandated::server
