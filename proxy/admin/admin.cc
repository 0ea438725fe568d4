#include "proxy/admin/admin.h"

#include <utility>

namespace mandated::admin {

namespace {

constexpr std::string_view kText = "text/plain; charset=utf-8";

http::Response answer_method_not_allowed() {
  http::Response response = http::make_response(405, kText, "GET and HEAD only\n");
  response.head.fields.set("allow", "GET, HEAD");
  return response;
}

}  // namespace

std::string Health::not_ready() const {
  std::string reasons;
  if (!identity_present) reasons += "no identity yet\n";
  if (identity_expired) reasons += "our SVID has expired and was not renewed\n";
  if (!listeners_up) reasons += "listeners are not up\n";
  if (draining) reasons += "draining\n";
  if (!audit_healthy) reasons += "the audit file cannot be written\n";
  return reasons;
}

http::Response AdminHandler::answer(const http::RequestHead& head) const {
  const std::string_view path = std::string_view(head.target).substr(0, head.target.find('?'));
  if (path != "/ready" && path != "/live" && path != "/metrics")
    return http::make_response(404, kText, "/ready, /live or /metrics\n");
  if (head.method != "GET" && head.method != "HEAD") return answer_method_not_allowed();
  if (path == "/live") return http::make_response(200, kText, "alive\n");
  if (path == "/metrics")
    return http::make_response(200, "text/plain; version=0.0.4; charset=utf-8", metrics_.text());
  std::string reasons = health_.not_ready();
  return reasons.empty() ? http::make_response(200, kText, "ready\n")
                         : http::make_response(503, kText, std::move(reasons));
}

Task<void> AdminHandler::handle(http::ServerStream& stream) {
  http::Response response = answer(stream.head());
  response.head.fields.set("cache-control", "no-store");
  const bool head_only = stream.head().method == "HEAD";
  const Result<void> responded = co_await stream.respond(response.head, head_only);
  if (!responded || head_only) co_return;
  const Result<std::string> body = co_await response.body->read();
  if (!body) co_return;
  // The peer being gone is its own affair.
  static_cast<void>(co_await stream.send(*body, true));
}

}  // namespace mandated::admin
