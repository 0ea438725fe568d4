#include "proxy/local/answers.h"

#include <utility>

#include "proxy/json/json.h"

namespace mandated::local {

tl::unexpected<Answer> problem(int status, std::string_view code, std::string_view detail) {
  ObjectWriter document;
  document.number("status", status);
  document.text("code", code);
  document.text("detail", detail);
  return tl::unexpected(Answer{status, document.take()});
}

tl::unexpected<Answer> refused(const receipt::Refusal& refusal) {
  const int status = refusal.code == receipt::Code::kMalformed ? 400 : 403;
  ObjectWriter document;
  document.number("status", status);
  document.text("code", receipt::to_string(refusal.code));
  document.text("detail", refusal.sentence);
  if (refusal.hop >= 0) document.number("hop", refusal.hop);
  if (!refusal.tool.empty()) document.text("tool", refusal.tool);
  if (!refusal.argument.empty()) document.text("argument", refusal.argument);
  if (!refusal.constraint.empty()) document.json("constraint", refusal.constraint);
  return tl::unexpected(Answer{status, document.take()});
}

http::Response to_response(const Answer& answer) {
  http::Response response = http::make_response(
      answer.status, answer.status < 300 ? "application/json" : "application/problem+json",
      answer.json);
  response.head.fields.set("cache-control", "no-store");
  return response;
}

void ObjectWriter::text(std::string_view name, std::string_view value) {
  json(name, json::quoted(value));
}

void ObjectWriter::number(std::string_view name, double value) {
  json(name, json::number_text(value));
}

void ObjectWriter::json(std::string_view name, std::string_view value) {
  if (text_.size() > 1) text_ += ',';
  json::append_quoted(name, text_);
  text_.append(":").append(value);
}

std::string ObjectWriter::take() { return std::exchange(text_, "{") + "}"; }

}  // namespace mandated::local
