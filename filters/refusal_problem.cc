#include "filters/refusal_problem.h"

#include "proxy/http/problem.h"

namespace mandated {

std::string to_problem(int status, const receipt::Refusal& refusal) {
  json::ObjectWriter document =
      http::begin_problem(status, receipt::to_string(refusal.code), refusal.sentence);
  if (refusal.hop >= 0) document.number("hop", refusal.hop);
  if (!refusal.tool.empty()) document.text("tool", refusal.tool);
  if (!refusal.argument.empty()) document.text("argument", refusal.argument);
  if (!refusal.constraint.empty()) document.json("constraint", refusal.constraint);
  if (!refusal.ticket.empty()) document.text("ticket", refusal.ticket);
  if (!refusal.url.empty()) document.text("url", refusal.url);
  return document.take();
}

}  // namespace mandated
