#include "proxy/local/answers.h"

#include "filters/refusal_problem.h"
#include "proxy/http/problem.h"

namespace mandated::local {

tl::unexpected<Answer> problem(int status, std::string_view code, std::string_view detail) {
  return tl::unexpected(Answer{status, http::begin_problem(status, code, detail).take()});
}

tl::unexpected<Answer> refused(const receipt::Refusal& refusal) {
  const int status = refusal.code == receipt::Code::kMalformed ? 400 : 403;
  return tl::unexpected(Answer{status, to_problem(status, refusal)});
}

http::Response to_response(const Answer& answer) {
  http::Response response =
      answer.status < 300 ? http::make_response(answer.status, "application/json", answer.json)
                          : http::make_problem(answer.status, answer.json);
  response.head.fields.set("cache-control", "no-store");
  return response;
}

}  // namespace mandated::local
