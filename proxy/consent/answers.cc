#include "proxy/consent/answers.h"

#include <utility>

#include "proxy/http/problem.h"

namespace mandated::consent {

namespace {

// Trusted Types without a policy: nothing in the page can turn text into markup or script.
constexpr std::string_view kPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "frame-ancestors 'none'; form-action 'none'; base-uri 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'";

constexpr std::pair<std::string_view, std::string_view> kFields[] = {
    {"content-security-policy", kPolicy},
    {"x-frame-options", "DENY"},
    {"x-content-type-options", "nosniff"},
    {"referrer-policy", "no-referrer"},
    {"cache-control", "no-store"},
    {"cross-origin-opener-policy", "same-origin"},
    {"cross-origin-resource-policy", "same-origin"},
    {"permissions-policy",
     "publickey-credentials-get=(self), publickey-credentials-create=(self), camera=(), "
     "microphone=(), geolocation=(), clipboard-read=(), display-capture=()"},
};

http::Response guarded(http::Response response) {
  for (const auto& [name, value] : kFields)
    response.head.fields.set(std::string(name), std::string(value));
  return response;
}

int status_of(const Error& error) {
  switch (error.code) {
    case Code::kTooLarge:
      return 413;
    case Code::kTimeout:
      return 408;
    case Code::kUnsupported:
      return 415;
    case Code::kNotFound:
      return 404;
    case Code::kDenied:
      return 403;
    case Code::kProtocol:
      return 409;
    case Code::kOverloaded:
    case Code::kUnavailable:
    case Code::kStorage:
      return 503;
    case Code::kInternal:
      return 500;
    default:
      return 400;
  }
}

}  // namespace

http::Response file_answer(std::string_view content_type, std::string_view bytes) {
  return guarded(http::make_response(200, content_type, std::string(bytes)));
}

http::Response json_answer(int status, std::string text) {
  return guarded(http::make_response(status, "application/json", std::move(text)));
}

http::Response problem(int status, std::string_view code, std::string_view detail) {
  return guarded(http::make_problem(status, http::begin_problem(status, code, detail).take()));
}

http::Response problem(const Error& error) {
  const int status = status_of(error);
  http::Response response = problem(status, to_string(error.code), error.text);
  if (status == 503) response.head.fields.set("retry-after", "2");
  return response;
}

http::Response problem(const receipt::Refusal& refusal) {
  return problem(refusal.code == receipt::Code::kTooLarge ? 413 : 400,
                 receipt::to_string(refusal.code), refusal.sentence);
}

http::Response wrong_method(std::string_view allowed) {
  http::Response response = problem(405, "method", "Allowed here: " + std::string(allowed) + ".");
  response.head.fields.set("allow", std::string(allowed));
  return response;
}

}  // namespace mandated::consent
