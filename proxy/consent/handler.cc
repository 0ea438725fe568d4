#include "proxy/consent/handler.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "proxy/base/event.h"
#include "proxy/base/log.h"
#include "proxy/consent/answers.h"
#include "proxy/consent/assertion.h"
#include "proxy/consent/guard.h"
#include "proxy/consent/page.h"
#include "proxy/json/writer.h"

namespace mandated::consent {

namespace {

constexpr std::size_t kAnswerBytesMax = 16384;  // of a person's browser
constexpr std::chrono::seconds kWaitMax{30};

std::string_view content_type_of(std::string_view name) {
  if (name.ends_with(".css")) return "text/css; charset=utf-8";
  if (name.ends_with(".js")) return "text/javascript; charset=utf-8";
  if (name.ends_with(".svg")) return "image/svg+xml";
  return "text/html; charset=utf-8";
}

Result<http::Response> page_file(std::string_view name) {
  for (const PageFile& file : page_files()) {
    if (file.name == name) return file_answer(content_type_of(name), file.bytes);
  }
  return fail(Code::kNotFound, "There is nothing here.");
}

bool is_get(const http::RequestHead& head) { return head.method == "GET" || head.method == "HEAD"; }

// Ids are hexadecimal (Rng::identifier).
bool is_id(std::string_view text) {
  return text.size() == 32 && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

// "", or "wait=SECONDS".
Result<std::chrono::seconds> read_wait(std::string_view query) {
  constexpr std::string_view kName = "wait=";
  if (query.empty()) return std::chrono::seconds(0);
  int seconds = -1;
  if (query.starts_with(kName)) {
    const std::string_view number = query.substr(kName.size());
    const auto [end, error] =
        std::from_chars(number.data(), number.data() + number.size(), seconds);
    if (error != std::errc{} || end != number.data() + number.size()) seconds = -1;
  }
  if (seconds >= 0 && seconds <= kWaitMax.count()) return std::chrono::seconds(seconds);
  return fail(Code::kMalformed, "The query may be wait=SECONDS, from 0 to 30, and nothing else.");
}

Result<json::Document> parse_answer(std::string_view body) {
  auto document = json::Document::parse(body, {.bytes_max = kAnswerBytesMax, .depth_max = 2});
  if (document && document->root().is_object()) return std::move(*document);
  return fail(Code::kMalformed, "The body is not a strict JSON object.");
}

std::string outcome_json(const RequestStore::Request& request) {
  json::ObjectWriter outcome;
  outcome.text("status", to_string(request.status));
  const bool receipt = std::holds_alternative<ReceiptAsk>(request.ask.what);
  if (request.status == Status::kSigned)
    outcome.texts(receipt ? "chain" : "approvals", request.tokens);
  return outcome.take();
}

// One way to sign: the passkey, what it signs, and what that says.
Result<std::string> choice_json(const Ask& ask, const Registry::Passkey& passkey) {
  const auto input = signing_input(ask, passkey.anchor.kid);
  const auto telling =
      input.and_then([&](const std::string& text) { return consent::tell(ask, text); });
  if (!telling) return fail(Code::kInternal, telling.error().sentence);
  json::ObjectWriter choice;
  choice.text("name", passkey.name).text("credential_id", passkey.anchor.kid);
  return choice.text("input", *input).json("telling", to_json(*telling)).take();
}

Task<Result<std::string>> read_body(http::ServerStream& stream, std::size_t bytes_max) {
  Result<std::string> body = co_await http::read_all(stream.body(), bytes_max);
  if (!body && body.error().code == Code::kTooLarge) {
    co_return fail(Code::kTooLarge,
                   "The body is longer than " + std::to_string(bytes_max) + " bytes.");
  }
  co_return body;
}

}  // namespace

Task<void> Handler::handle(http::ServerStream& stream) {
  http::Response response = co_await answer(stream);
  const bool head_only = stream.head().method == "HEAD";
  const Result<void> responded = co_await stream.respond(response.head, head_only);
  if (!responded || head_only) co_return;
  const Result<std::string> body = co_await http::read_all(*response.body, SIZE_MAX);
  if (!body) co_return;
  // The peer being gone is its own affair.
  static_cast<void>(co_await stream.send(*body, true));
}

Task<http::Response> Handler::answer(http::ServerStream& stream) {
  constexpr std::string_view kAssets = "/assets/";
  constexpr std::string_view kRequests = "/requests";
  constexpr std::string_view kRegistrations = "/registrations";
  const http::RequestHead& head = stream.head();
  const std::string_view target = head.target;
  const std::size_t mark = std::min(target.find('?'), target.size());
  const std::string_view path = target.substr(0, mark);
  const std::string_view query = target.substr(std::min(mark + 1, target.size()));
  Result<http::Response> response = fail(Code::kNotFound, "There is nothing here.");
  if (path == "/register" || path.starts_with(kAssets)) {
    const bool page = path == "/register";
    const Result<void> checked =
        check_sender(head, origin_, page ? Sender::kNavigation : Sender::kAnybody);
    if (!checked) co_return problem(checked.error());
    if (!is_get(head)) co_return wrong_method("GET, HEAD");
    const std::string_view name = page ? "register.html" : path.substr(kAssets.size());
    response = page_file(name);
  } else if (path == kRegistrations || path.starts_with("/registrations/")) {
    response = co_await answer_registration(stream, path.substr(kRegistrations.size()));
  } else if (path == kRequests || path.starts_with("/requests/")) {
    response = co_await answer_request(stream, path.substr(kRequests.size()), query);
  } else {
    const Result<void> checked = check_sender(head, origin_, Sender::kAnybody);
    if (!checked) co_return problem(checked.error());
  }
  if (!response) co_return problem(response.error());
  co_return std::move(*response);
}

Task<Result<http::Response>> Handler::answer_request(http::ServerStream& stream,
                                                     std::string_view rest,
                                                     std::string_view query) {
  const http::RequestHead& head = stream.head();
  if (rest.empty()) {
    CO_CHECK(check_sender(head, origin_, Sender::kAnybody));
    if (head.method != "POST") co_return wrong_method("POST");
    co_return co_await ask(stream);
  }
  rest.remove_prefix(1);
  const std::size_t slash = std::min(rest.find('/'), rest.size());
  const std::string_view id = rest.substr(0, slash);
  const std::string_view part = rest.substr(slash);
  const bool answers = part == "/signature" || part == "/refusal";
  const Sender sender = part == "/page" ? Sender::kNavigation
                        : answers       ? Sender::kOwnPage
                                        : Sender::kAnybody;
  CO_CHECK(check_sender(head, origin_, sender));
  const bool known = part.empty() || part == "/page" || part == "/content" || answers;
  if (!known || !is_id(id)) co_return fail(Code::kNotFound, "There is nothing here.");
  if (answers ? head.method != "POST" : !is_get(head))
    co_return wrong_method(answers ? "POST" : "GET, HEAD");
  if (part == "/page") co_return page_file("sign.html");
  if (part == "/content") co_return tell_content(id);
  if (part == "/refusal") co_return take_refusal(id);
  if (part == "/signature") co_return co_await take_signature(stream, id);
  co_return co_await tell_outcome(stream, id, query);
}

Task<Result<http::Response>> Handler::answer_registration(http::ServerStream& stream,
                                                          std::string_view rest) {
  CO_CHECK(check_sender(stream.head(), origin_, Sender::kOwnPage));
  if (stream.head().method != "POST") co_return wrong_method("POST");
  if (rest.empty()) co_return co_await begin_registration(stream);
  co_return co_await finish_registration(stream, rest.substr(1));
}

Task<Result<http::Response>> Handler::ask(http::ServerStream& stream) {
  CO_TRY(const std::string body, co_await read_body(stream, kAskBytesMax));
  const Seconds now = clock_.wall_seconds();
  std::string id = rng_.identifier();
  auto wanted = read_ask(body, now, rng_.identifier());
  if (!wanted) co_return problem(wanted.error());
  CO_CHECK(check_somebody_can_sign(*wanted));
  const Seconds until = wanted->decide_until;
  CO_CHECK(store_.add(id, std::move(*wanted), body.size(), now));
  log::info("consent.asked", {{"id", id}});
  json::ObjectWriter where;
  where.text("id", id).text("url", origin_.text + "/requests/" + id + "/page");
  http::Response response = json_answer(201, where.number("expires", until).take());
  response.head.fields.set("location", "/requests/" + id);
  co_return response;
}

Result<std::vector<Registry::Passkey>> Handler::signers(const Ask& ask) const {
  TRY(std::vector<Registry::Passkey> passkeys, registry_.passkeys_on(origin_));
  std::erase_if(passkeys,
                [&](const Registry::Passkey& each) { return !ask.may_sign(each.anchor); });
  return passkeys;
}

Result<void> Handler::check_somebody_can_sign(const Ask& ask) const {
  TRY(const std::vector<Registry::Passkey> passkeys, signers(ask));
  if (passkeys.size() >= ask.signatures()) return {};
  return fail(Code::kProtocol,
              std::to_string(passkeys.size()) +
                  " of those who would have to sign this have a "
                  "passkey here, and " +
                  std::to_string(ask.signatures()) +
                  " must. The operator invites them with `mandated consent invite`.");
}

Task<Result<http::Response>> Handler::tell_outcome(http::ServerStream& stream, std::string_view id,
                                                   std::string_view query) {
  CO_TRY(const std::chrono::seconds wait, read_wait(query));
  const RequestStore::Request* request = store_.find(id, clock_.wall_seconds());
  if (request != nullptr && request->status == Status::kPending && wait.count() > 0) {
    if (!store_.may_watch()) co_return fail(Code::kOverloaded, "Too many wait. Ask without.");
    const std::chrono::duration<double> left(request->ask.decide_until - clock_.wall_seconds());
    const auto until_expired = std::chrono::ceil<std::chrono::seconds>(left);
    co_await wait_for_end(stream, id, std::min(wait, until_expired));
    request = store_.find(id, clock_.wall_seconds());
  }
  if (request == nullptr) co_return fail(Code::kNotFound, "There is no such request.");
  co_return json_answer(200, outcome_json(*request));
}

// The request's end, the time, the agent's going or the service's: whichever comes first.
Task<void> Handler::wait_for_end(http::ServerStream& stream, std::string_view id,
                                 Clock::Duration longest) {
  Event woken(clock_.executor());
  const auto wake = [&woken] { woken.notify(); };
  const RequestStore::Watch watch(store_, id, wake);
  const std::unique_ptr<Clock::Timer> timer = clock_.call_at(clock_.now() + longest, wake);
  const Gate::Registration on_drain(drain_, wake);
  stream.on_gone(wake);
  co_await woken.wait();
  stream.on_gone(nullptr);
}

Result<http::Response> Handler::tell_content(std::string_view id) {
  const RequestStore::Request* request = store_.find(id, clock_.wall_seconds());
  if (request == nullptr) return fail(Code::kNotFound, "There is no such request.");
  json::ObjectWriter content;
  content.text("status", to_string(request->status));
  if (request->status != Status::kPending) return json_answer(200, content.take());
  const Ask& ask = request->ask;
  content.text("kind", std::holds_alternative<ReceiptAsk>(ask.what) ? "receipt" : "approval");
  content.text("rp_id", origin_.rp_id).number("decide_until", ask.decide_until);
  content.number("signed", static_cast<double>(request->signers.size()));
  content.number("needed", static_cast<double>(ask.signatures()));
  json::ArrayWriter choices;
  TRY(const std::vector<Registry::Passkey> passkeys, signers(ask));
  for (const Registry::Passkey& passkey : passkeys) {
    if (request->signers.contains(passkey.anchor.key.thumbprint())) continue;
    TRY(const std::string choice, choice_json(ask, passkey));
    choices.json(choice);
  }
  return json_answer(200, content.json("passkeys", choices.take()).take());
}

Task<Result<http::Response>> Handler::take_signature(http::ServerStream& stream,
                                                     std::string_view id) {
  CO_TRY(const std::string body, co_await read_body(stream, kAnswerBytesMax));
  CO_TRY(const json::Document document, parse_answer(body));
  const Seconds now = clock_.wall_seconds();
  const RequestStore::Request* request = store_.find(id, now);
  if (request == nullptr) co_return fail(Code::kNotFound, "There is no such request.");
  if (request->status != Status::kPending) co_return json_answer(409, outcome_json(*request));
  CO_TRY(const std::vector<Registry::Passkey> passkeys, signers(request->ask));
  const auto kid = document.root().find_string("credential_id");
  const auto signer = std::find_if(passkeys.begin(), passkeys.end(),
                                   [&](const auto& passkey) { return kid == passkey.anchor.kid; });
  if (signer == passkeys.end()) co_return fail(Code::kDenied, "This passkey may not sign this.");
  auto token = sign(request->ask, signer->anchor, document.root(), now);
  if (!token) co_return fail(Code::kDenied, token.error().sentence);
  CO_CHECK(store_.sign(id, std::move(*token), signer->anchor.key.thumbprint(), now));
  log::info("consent.signed", {{"id", id}, {"passkey", signer->name}});
  co_return json_answer(200, "{}");
}

Result<http::Response> Handler::take_refusal(std::string_view id) {
  CHECK(store_.refuse(id, clock_.wall_seconds()));
  log::info("consent.refused", {{"id", id}});
  return json_answer(200, "{}");
}

Task<Result<http::Response>> Handler::begin_registration(http::ServerStream& stream) {
  CO_TRY(const std::string body, co_await read_body(stream, kAnswerBytesMax));
  CO_TRY(const json::Document document, parse_answer(body));
  const std::string_view code = document.root().find_string("code").value_or("");
  CO_TRY(const Registrations::Begun begun, registrations_.begin(code, clock_.wall_seconds()));
  CO_TRY(const std::vector<Registry::Passkey> passkeys, registry_.passkeys_on(origin_));
  json::ArrayWriter known;
  for (const Registry::Passkey& passkey : passkeys) {
    if (passkey.anchor.user == begun.invitation.user) known.text(passkey.anchor.kid);
  }
  json::ObjectWriter answer;
  answer.text("id", begun.id).text("user", begun.invitation.user);
  answer.text("name", begun.invitation.name).text("rp_id", origin_.rp_id);
  answer.text("challenge", begun.challenge).json("exclude", known.take());
  co_return json_answer(201, answer.take());
}

Task<Result<http::Response>> Handler::finish_registration(http::ServerStream& stream,
                                                          std::string_view id) {
  CO_TRY(const std::string body, co_await read_body(stream, kAnswerBytesMax));
  CO_TRY(const std::string name, registrations_.finish(id, body, clock_.wall_seconds()));
  log::info("consent.registered", {{"passkey", name}});
  co_return json_answer(201, json::ObjectWriter().text("name", name).take());
}

}  // namespace mandated::consent
