#include "proxy/local/consent.h"

#include <algorithm>

#include "filters/approval/consent_client.h"
#include "proxy/json/writer.h"
#include "proxy/local/requests.h"

namespace mandated::local {

namespace {

constexpr int kPatience = 10;  // seconds beyond those that the service was asked to wait
// A wait is asked for in pieces, so that a drain need not wait for all of it.
constexpr int kPiece = 2;
constexpr std::size_t kDetailBytesMax = 1024;

tl::unexpected<Answer> unusable(std::string_view why) {
  return problem(502, "consent_unavailable",
                 "The consent service cannot be asked: " + std::string(why) + ".");
}

// What the service refused is the agent's affair: its own words are passed on.
tl::unexpected<Answer> declined(const fetch::Response& response) {
  if (response.status < 400 || response.status > 499)
    return unusable("it answered with status " + std::to_string(response.status));
  const auto document = json::Document::parse(response.body);
  const std::string_view detail =
      document ? document->root().find_string("detail").value_or("") : "";
  return problem(response.status, "consent_declined",
                 detail.empty() || detail.size() > kDetailBytesMax
                     ? "The consent service does not take this."
                     : detail);
}

}  // namespace

Task<Outcome<json::Document>> Consent::fetch(fetch::Request request, int patience) {
  if (origin_.empty()) {
    co_return problem(501, "no_consent_service",
                      "This proxy knows no consent service (receipts.consent).");
  }
  request.url = origin_ + request.url;
  request.accept = "application/json";
  const Clock::Time deadline = clock_.now() + std::chrono::seconds(patience);
  const Result<fetch::Response> response = co_await fetcher_.fetch(request, deadline);
  if (!response) co_return unusable(response.error().text);
  if (response->status != 200 && response->status != 201) co_return declined(*response);
  auto document = json::Document::parse(response->body);
  if (!document || !document->root().is_object())
    co_return unusable("its answer is no JSON object");
  co_return std::move(*document);
}

Task<Outcome<Answer>> Consent::ask(std::string body) {
  fetch::Request request;
  request.method = "POST";
  request.url = "/requests";
  request.content_type = "application/json";
  request.body = std::move(body);
  CO_TRY(const json::Document document, co_await fetch(std::move(request), kPatience));
  const auto id = document.root().find_string("id");
  const auto url = document.root().find_string("url");
  const json::Value* expires = document.root().find("expires");
  if (!id || !is_request_id(*id) || !url || !is_page(*url) || expires == nullptr ||
      !expires->is_number())
    co_return unusable("its answer names no request");
  json::ObjectWriter answer;
  answer.text("id", *id).text("url", *url).number("expires", expires->number());
  co_return Answer{201, answer.take()};
}

Task<Outcome<Consent::State>> Consent::look(std::string id, int wait) {
  if (!is_request_id(id)) co_return problem(404, "not_found", "No request has this id.");
  State state;
  while (true) {
    const int piece = std::min(wait, kPiece);
    fetch::Request request;
    request.url = "/requests/" + id + "?wait=" + std::to_string(piece);
    CO_TRY(const json::Document document, co_await fetch(std::move(request), piece + kPatience));
    state.status = document.root().find_string("status").value_or("");
    const json::Value* chain = document.root().find("chain");
    if (chain != nullptr && chain->is_array()) {
      CO_TRY(state.chain, read_tokens(*chain));
    }
    wait -= piece;
    if (state.status != "pending" || wait <= 0 || gate_.draining()) break;
  }
  for (const std::string_view known : {"pending", "signed", "refused", "expired"}) {
    if (state.status == known) co_return state;
  }
  co_return unusable("it says nothing of the request's state");
}

}  // namespace mandated::local
