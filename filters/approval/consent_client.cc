#include "filters/approval/consent_client.h"

#include <algorithm>
#include <utility>

#include "filters/receipt/tokens.h"
#include "proxy/fetch/target.h"
#include "proxy/json/json.h"
#include "proxy/json/writer.h"

namespace mandated {

namespace {

constexpr std::size_t kAnswerBytesMax = 1U << 20U;
constexpr std::size_t kIdBytesMax = 128;

std::string question(const receipt::AskedCall& call, const receipt::Approvers& approvers) {
  json::ObjectWriter text;
  text.text("kind", "approval").json("args", call.arguments).text("ticket", call.ticket);
  text.text("receipt", call.receipt).text("tool", call.tool);
  if (call.server) text.text("server", *call.server);
  if (call.holder) text.text("holder", *call.holder);
  if (call.user) text.text("user", *call.user);
  if (call.intent) text.text("intent", *call.intent);
  json::ArrayWriter keys;
  for (const std::string& key : approvers.keys) keys.text(key);
  json::ObjectWriter who;
  who.json("keys", keys.take()).number("min", static_cast<double>(approvers.min));
  return text.json("approvers", who.take()).take();
}

Error strange(std::string_view what) {
  return {Code::kProtocol, Side::kLocal, "the consent service " + std::string(what)};
}

Result<json::Document> read_object(const std::string& body) {
  auto document = json::Document::parse(body, {.bytes_max = kAnswerBytesMax, .depth_max = 32});
  if (!document || !document->root().is_object())
    return tl::unexpected(strange("answered with what is no JSON object"));
  return std::move(*document);
}

Result<Answer> read_answer(const json::Value& root) {
  const auto status = root.find_string("status");
  if (status == "pending") return Answer{AnswerState::kPending, {}};
  if (status == "refused") return Answer{AnswerState::kRefused, {}};
  if (status == "expired") return Answer{};
  const json::Value* approvals = root.find("approvals");
  if (status != "signed" || approvals == nullptr || !approvals->is_array())
    return tl::unexpected(strange("answered neither yes nor no"));
  auto tokens = receipt::read_tokens(*approvals);
  if (!tokens) return tl::unexpected(strange("gave an approval that is no token"));
  return Answer{AnswerState::kSigned, std::move(*tokens)};
}

}  // namespace

bool is_request_id(std::string_view text) {
  return !text.empty() && text.size() <= kIdBytesMax &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '_';
         });
}

bool is_page(std::string_view url) { return fetch::parse_target(url).has_value(); }

Task<Result<Asked>> put_question(fetch::Fetcher& fetcher, std::string_view consent_url,
                                 const receipt::AskedCall& call,
                                 const receipt::Approvers& approvers, Clock::Time deadline) {
  fetch::Request request;
  request.method = "POST";
  request.url = std::string(consent_url) + "/requests";
  request.accept = "application/json";
  request.content_type = "application/json";
  request.body = question(call, approvers);
  request.answer_bytes_max = kAnswerBytesMax;
  CO_TRY(const fetch::Response response, co_await fetcher.fetch(request, deadline));
  if (response.status != 201)
    co_return tl::unexpected(strange("answered with status " + std::to_string(response.status)));
  CO_TRY(const json::Document document, read_object(response.body));
  const auto id = document.root().find_string("id");
  const auto url = document.root().find_string("url");
  if (!id || !url || !is_request_id(*id) || !is_page(*url))
    co_return tl::unexpected(strange("did not say where the question stands"));
  co_return Asked{std::string(*id), std::string(*url)};
}

Task<Result<Answer>> get_answer(fetch::Fetcher& fetcher, std::string_view consent_url,
                                std::string_view id, Clock::Time deadline) {
  fetch::Request request;
  request.url = std::string(consent_url) + "/requests/" + std::string(id);
  request.accept = "application/json";
  request.answer_bytes_max = kAnswerBytesMax;
  CO_TRY(const fetch::Response response, co_await fetcher.fetch(request, deadline));
  if (response.status == 404 || response.status == 410) co_return Answer{};
  if (response.status != 200)
    co_return tl::unexpected(strange("answered with status " + std::to_string(response.status)));
  CO_TRY(const json::Document document, read_object(response.body));
  co_return read_answer(document.root());
}

}  // namespace mandated
