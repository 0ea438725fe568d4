#include "proxy/http/problem.h"

#include <utility>

namespace mandated::http {

json::ObjectWriter begin_problem(int status, std::string_view code, std::string_view detail) {
  json::ObjectWriter document;
  document.number("status", status).text("code", code).text("detail", detail);
  return document;
}

Response make_problem(int status, std::string document) {
  return make_response(status, "application/problem+json", std::move(document));
}

}  // namespace mandated::http
