#include "proxy/local/handler.h"

#include <charconv>
#include <optional>
#include <utility>

#include "proxy/json/json.h"

namespace mandated::local {

namespace {

constexpr std::string_view kRequests = "/requests/";
// A receipt's constraints nest more deeply than other documents (the engine bounds them).
constexpr json::Limits kJson{.bytes_max = Handler::kBodyBytesMax, .depth_max = 128};

bool is_json(const http::Fields& fields) {
  const std::string_view type = fields.single("content-type").value_or("");
  return type == "application/json" || type.starts_with("application/json;");
}

// "/requests/<id>?wait=SECONDS", the query left out or not; nullopt for anything else.
struct Look {
  std::string id;
  int wait = 0;
};
std::optional<Look> read_look(std::string_view target) {
  constexpr std::string_view kWait = "?wait=";
  Look look;
  const std::size_t query = target.find('?');
  look.id = target.substr(kRequests.size(),
                          query == std::string_view::npos ? query : query - kRequests.size());
  if (query == std::string_view::npos) return look;
  std::string_view number = target.substr(query);
  if (!number.starts_with(kWait)) return std::nullopt;
  number.remove_prefix(kWait.size());
  const auto [end, error] =
      std::from_chars(number.data(), number.data() + number.size(), look.wait);
  const bool whole = error == std::errc() && end == number.data() + number.size();
  if (!whole || look.wait < 0 || look.wait > Consent::kWaitMax) return std::nullopt;
  return look;
}

tl::unexpected<Answer> not_found() {
  return problem(
      404, "not_found",
      "There are /identity, /instance, /receipts, /delegations, /attachments and /requests.");
}

// What a path takes; empty where there is none.
std::string_view methods_of(std::string_view path) {
  if (path == "/receipts") return "GET, POST";
  if (path == "/identity" || path == "/instance" || path.starts_with(kRequests)) {
    return "GET";
  }
  if (path == "/delegations" || path == "/attachments" || path == "/requests") return "POST";
  return {};
}

// From the answer that it became: what was refused is told in the same words in both places.
audit::Refusal refusal_of(const Answer& answer) {
  audit::Refusal refusal;
  const auto document = json::Document::parse(answer.json);
  if (!document) return refusal;
  const json::Value& root = document->root();
  refusal.code = root.find_string("code").value_or("");
  refusal.argument = root.find_string("argument").value_or("");
  refusal.sentence = root.find_string("detail").value_or("");
  if (const json::Value* hop = root.find("hop"))
    refusal.hop = static_cast<int>(hop->integer().value_or(-1));
  if (const json::Value* constraint = root.find("constraint"))
    refusal.constraint = constraint->raw();
  return refusal;
}

}  // namespace

Task<void> Handler::handle(http::ServerStream& stream) {
  Outcome<Answer> outcome = co_await admit();
  if (outcome) {
    outcome = co_await answer(stream);
  } else {
    stream.close_connection_after();
  }
  http::Response response = to_response(outcome ? *outcome : outcome.error());
  if (response.head.status == 405) {
    const std::string_view target = stream.head().target;
    response.head.fields.set("allow", std::string(methods_of(target.substr(0, target.find('?')))));
  }
  const Result<void> responded = co_await stream.respond(response.head, false);
  if (!responded) co_return;
  const Result<std::string> body = co_await response.body->read();
  // The peer being gone is its own affair.
  if (body) static_cast<void>(co_await stream.send(*body, true));
}

// Whether the process at the other end may use the API at all, asked anew for each request.
Task<Outcome<Answer>> Handler::admit() {
  if (!allowed_) {
    co_return problem(403, "peer_not_allowed",
                      "This socket serves other users than the one who connected.");
  }
  instance_ = nullptr;
  if (caller_ != nullptr) {
    Result<identity::InstancePtr> now = co_await caller_->now();
    if (!now) {
      co_return problem(403, "wrong_instance",
                        "Not the process that opened this connection: " + now.error().text + ".");
    }
    instance_ = std::move(*now);
  }
  if (!api_.allowed_callers.empty() && !attest::is_among(api_.allowed_callers, instance_.get())) {
    co_return problem(403, "wrong_instance",
                      "The process that asks is not one of those that may use this socket.");
  }
  co_return Answer();
}

Task<Outcome<Answer>> Handler::answer(http::ServerStream& stream) {
  const http::RequestHead& head = stream.head();
  const std::string_view target = head.target;
  const std::string_view path = target.substr(0, target.find('?'));
  const std::string_view methods = methods_of(path);
  if (methods.empty() || (path != target && !path.starts_with(kRequests))) co_return not_found();
  const bool takes = (head.method == "GET" && methods.starts_with("GET")) ||
                     (head.method == "POST" && methods.ends_with("POST"));
  if (!takes) {
    co_return problem(405, "method_not_allowed",
                      "This path takes " + std::string(methods) + " only.");
  }
  if (head.method == "POST") co_return co_await post(stream, path);
  if (path == "/identity") co_return identity();
  if (path == "/instance") co_return instance();
  if (path == "/receipts")
    co_return co_await api_.holdings.list(asker(), api_.clock.wall_seconds());
  co_return co_await request_state(target);
}

Task<Outcome<Answer>> Handler::post(http::ServerStream& stream, std::string_view path) {
  if (!is_json(stream.head().fields))
    co_return problem(415, "unsupported_media_type", "The content type is not application/json.");
  const Result<std::string> body = co_await http::read_all(stream.body(), kBodyBytesMax);
  if (!body) {
    const bool large = body.error().code == Code::kTooLarge;
    co_return problem(large ? 413 : 400, to_string(body.error().code),
                      "The request cannot be read: " + body.error().text + ".");
  }
  const auto document = json::Document::parse(*body, kJson);
  if (!document) {
    co_return problem(400, "malformed",
                      "The request is not strict JSON: " + document.error().text + ".");
  }
  const json::Value& asked = document->root();
  if (path == "/delegations") co_return co_await delegations(asked);
  if (path == "/attachments") co_return co_await attachments(asked);
  if (path == "/requests") co_return co_await requests(asked);
  CO_TRY(const std::vector<std::string> tokens, read_chain(asked));
  co_return api_.holdings.take(tokens, api_.clock.wall_seconds());
}

Outcome<Answer> Handler::identity() {
  json::ObjectWriter who;
  if (!api_.holdings.own_spiffe_id().empty()) who.text("holder", api_.holdings.own_spiffe_id());
  who.json("holder_key", api_.holdings.wallet()->key.public_key().jwk());
  return Answer{200, who.take()};
}

Answer Handler::instance() const {
  json::ObjectWriter selectors;
  if (instance_) {
    for (const auto& [type, value] : instance_->selectors) selectors.text(type, value);
  }
  return {200, json::ObjectWriter().json("instance", selectors.take()).take()};
}

Task<Outcome<Answer>> Handler::delegations(const json::Value& asked) {
  CO_TRY(const DelegationRequest request, read_delegation(asked));
  const receipt::Seconds now = api_.clock.wall_seconds();
  const Outcome<Signed> made = co_await delegate(api_.holdings, api_.rng, request, asker(), now);
  CO_CHECK(co_await record("POST /delegations", made, nullptr));
  if (!made) co_return tl::unexpected(made.error());
  json::ObjectWriter answer;
  answer.text("id", made->chain->digest()).text("receipt", made->from);
  answer.texts("chain", made->tokens);
  Holdings::describe(*made->chain, now, answer);
  co_return Answer{201, answer.take()};
}

Task<Outcome<Answer>> Handler::attachments(const json::Value& asked) {
  CO_TRY(const AttachmentRequest request, read_attachment(asked));
  const Outcome<Signed> made =
      co_await attach(api_.holdings, api_.rng, request, asker(), api_.clock.wall_seconds());
  CO_CHECK(co_await record("POST /attachments", made, &request));
  if (!made) co_return tl::unexpected(made.error());
  json::ObjectWriter answer;
  answer.text("receipt", made->from).texts("chain", made->tokens).text("proof", made->proof);
  co_return Answer{201, answer.take()};
}

Task<Outcome<Answer>> Handler::requests(const json::Value& asked) {
  const receipt::PublicKey& key = api_.holdings.wallet()->key.public_key();
  CO_TRY(std::string request, consent_request(asked, api_.holdings.own_spiffe_id(), key));
  co_return co_await api_.consent.ask(std::move(request));
}

Task<Outcome<Answer>> Handler::request_state(std::string_view target) {
  const std::optional<Look> look = read_look(target);
  if (!look)
    co_return problem(400, "malformed", "The only query is wait, a number of seconds up to 30.");
  CO_TRY(const Consent::State state, co_await api_.consent.look(look->id, look->wait));
  json::ObjectWriter answer;
  answer.text("status", state.status);
  if (!state.chain.empty()) {
    CO_TRY(const Answer taken, api_.holdings.take(state.chain, api_.clock.wall_seconds()));
    answer.json("receipt", taken.json);
  }
  co_return Answer{200, answer.take()};
}

Task<Outcome<void>> Handler::record(std::string method, const Outcome<Signed>& outcome,
                                    const AttachmentRequest* call) {
  audit::Record record;
  record.time = api_.clock.wall();
  record.role = "outbound";
  record.exchange = api_.rng.identifier();
  record.caller_proof = "local_socket";
  if (instance_) {
    record.caller_executable = instance_->executable;
    record.caller_sha256 = instance_->executable_sha256;
    record.caller_pid = instance_->process;
  }
  record.protocol = "local";
  record.method = std::move(method);
  record.permit = outcome.has_value();
  if (call != nullptr) {
    record.tool = call->tool;
    if (call->arguments != nullptr) record.arguments_hash = audit::arguments_hash(*call->arguments);
  }
  if (outcome) {
    const receipt::VerifiedChain& chain = *outcome->chain;
    record.receipt = chain.digest();
    for (std::size_t hop = 0; hop < chain.size(); ++hop) record.chain.push_back(chain.jti(hop));
    record.user = chain.mandate(0).user.value_or("");
    record.intent = chain.mandate(0).intent.value_or("");
  } else {
    record.refusal = refusal_of(outcome.error());
  }
  const Result<void> recorded = co_await api_.audit.append(std::move(record));
  if (recorded || !outcome) co_return Outcome<void>();
  co_return problem(503, to_string(recorded.error().code),
                    "What was signed cannot be recorded: " + recorded.error().text + ".");
}

}  // namespace mandated::local
