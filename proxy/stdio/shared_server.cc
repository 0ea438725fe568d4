#include "proxy/stdio/shared_server.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "proxy/base/watchdog.h"
#include "proxy/protocol/mcp.h"
#include "proxy/protocol/rewrite.h"

namespace mandated::stdio {

using protocol::error_response;
using protocol::Kind;
using protocol::kMethodNotFound;
using protocol::kServerGone;
using protocol::kUnsupportedVersion;
using protocol::Message;
using protocol::replace_members;
using protocol::Replacement;

namespace {

constexpr std::string_view kSubscriptionKey = "io.modelcontextprotocol/subscriptionId";
constexpr std::string_view kServerInfoKey = "io.modelcontextprotocol/serverInfo";

struct Change {
  std::string_view filter;      ///< member of a subscription's filter
  std::string_view capability;  ///< whose listChanged says that the server tells
  std::string_view method;      ///< of the notification
};
constexpr auto kChanges = std::to_array<Change>({
    {"toolsListChanged", "tools", "notifications/tools/list_changed"},
    {"promptsListChanged", "prompts", "notifications/prompts/list_changed"},
    {"resourcesListChanged", "resources", "notifications/resources/list_changed"},
});

// Whose results say how long they may be kept (2026-07-28, CacheableResult).
constexpr auto kCacheable = std::to_array<std::string_view>(
    {"tools/list", "prompts/list", "resources/list", "resources/templates/list", "resources/read",
     "server/discover"});

const json::Value* member(const json::Value* object, std::string_view name) {
  return object == nullptr ? nullptr : object->find(name);
}

bool is_true(const json::Value* value) {
  return value != nullptr && value->is_bool() && value->boolean();
}

// Adds a member where it is absent, and leaves it as it is otherwise.
Replacement or_else(const json::Value& object, std::string_view name, std::string text) {
  const json::Value* present = object.find(name);
  return {name, present == nullptr ? std::move(text) : json::canonical(*present)};
}

bool is_cacheable(std::string_view method) {
  return std::find(kCacheable.begin(), kCacheable.end(), method) != kCacheable.end();
}

bool holds_string(const json::Value* array, std::string_view text) {
  if (array == nullptr || !array->is_array()) return false;
  return std::any_of(array->array().begin(), array->array().end(), [text](const json::Value& each) {
    return each.is_string() && each.string() == text;
  });
}

// The HTTP status that 2026-07-28 asks for beside an error (streamable HTTP, "Protocol Version
// Header"; basic, "_meta").
int status_of(const Message& answer) {
  const json::Value* code = member(answer.error(), "code");
  const auto number = code == nullptr ? std::nullopt : code->integer();
  if (number == kMethodNotFound) return 404;
  return number && *number <= protocol::kHeaderMismatch && *number >= kUnsupportedVersion ? 400
                                                                                          : 200;
}

std::string subscription_meta(const json::Value* meta, const std::string& client_id) {
  return replace_members(meta, {{kSubscriptionKey, client_id}});
}

}  // namespace

SharedServer::SharedServer(const Parts& parts, std::function<void()> on_end)
    : parts_(parts), on_end_(std::move(on_end)), supervisor_(parts) {}

void SharedServer::close_streams() {
  for (auto& [id, pending] : pending_) {
    if (pending.method != "subscriptions/listen") continue;
    // Graceful closure (2026-07-28, "Subscriptions").
    pending.outbox->finish(R"({"jsonrpc":"2.0","id":)" + pending.client_id +
                           R"(,"result":{"resultType":"complete","_meta":)" +
                           subscription_meta(nullptr, pending.client_id) + "}}");
  }
  std::erase_if(pending_,
                [](const auto& each) { return each.second.method == "subscriptions/listen"; });
}

Result<SharedServer::Asked> SharedServer::ask(Message message, Clock::Time deadline) {
  if (supervisor_.stopping()) {
    return fail(Code::kUnavailable, Side::kUpstream, "the server is not running");
  }
  if (pending_.size() >= parts_.options.in_flight_max) {
    return fail(Code::kOverloaded, Side::kUpstream, "too many requests are under way");
  }
  const std::uint64_t id = next_id_++;
  Pending pending;
  pending.outbox = std::make_shared<Outbox>(parts_.clock, parts_.options.outbox, deadline);
  pending.client_id = message.id();
  pending.method = message.method();
  if (const json::Value* token = member(message.meta(), "progressToken")) {
    pending.client_token = json::canonical(*token);
  }
  Asked asked{pending.outbox, id};
  Pending& placed = pending_.emplace(id, std::move(pending)).first->second;
  const bool era_matters =
      placed.method == "server/discover" || placed.method == "subscriptions/listen";
  if (era_matters && era_ == Era::kUnknown) {
    placed.message = std::move(message);
    return asked;
  }
  if (auto started = start(id, placed, message); !started) {
    pending_.erase(id);
    return tl::unexpected(std::move(started).error());
  }
  return asked;
}

Result<void> SharedServer::start(std::uint64_t id, Pending& pending, const Message& message) {
  if (era_ == Era::kLegacy && pending.method == "server/discover") {
    pending.outbox->finish(discovery(pending));
    pending_.erase(id);
    return {};
  }
  if (era_ == Era::kLegacy && pending.method == "subscriptions/listen") {
    subscribe(pending, message);
    return {};
  }
  const std::string own_id = std::to_string(id);
  std::string line;
  if (pending.client_token.empty()) {
    line = replace_members(&message.root(), {{"id", own_id}});
  } else {
    line = replace_members(
        &message.root(),
        {{"id", own_id},
         {"params", replace_members(message.params(),
                                    {{"_meta", replace_members(message.meta(),
                                                               {{"progressToken", own_id}})}})}});
  }
  TRY(pending.ticket, supervisor_.send(std::move(line)));
  return {};
}

void SharedServer::cancel(std::uint64_t id) {
  const auto found = pending_.find(id);
  if (found == pending_.end()) return;
  const std::uint64_t ticket = found->second.ticket;
  pending_.erase(found);
  if (ticket == 0 || supervisor_.take_back(ticket)) return;
  // Should even this find no room, the server works on in vain: nobody is hurt.
  (void)supervisor_.send(
      R"({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":)" +
      std::to_string(id) + R"(,"reason":"The caller does not wait any longer."}})");
}

Task<Result<void>> SharedServer::shake_hands() {
  if (era_ == Era::kUnknown) {
    CO_CHECK(co_await probe());
  }
  if (era_ == Era::kLegacy) {
    CO_CHECK(co_await set_up());
  }
  start_waiting();
  co_return Result<void>();
}

// 2026-07-28, stdio, "Backward Compatibility": whoever does not answer server/discover in its way
// is a legacy server.
Task<Result<void>> SharedServer::probe() {
  std::string line =
      R"({"jsonrpc":"2.0","id":"mandated-probe","method":"server/discover","params":{"_meta":)"
      R"({"io.modelcontextprotocol/protocolVersion":"2026-07-28",)"
      R"("io.modelcontextprotocol/clientInfo":{"name":"mandated","version":)" +
      json::quoted(parts_.options.client_version) +
      R"(},"io.modelcontextprotocol/clientCapabilities":{}}}})";
  auto answer =
      co_await supervisor_.ask("\"mandated-probe\"", std::move(line), parts_.options.probe_timeout);
  if (!answer) {
    // It may have died of the question. The next process is not asked.
    era_ = Era::kLegacy;
    co_return tl::unexpected(std::move(answer).error());
  }
  const json::Value* versions = member(answer->result(), "supportedVersions");
  const json::Value* code = member(answer->error(), "code");
  if (holds_string(versions, protocol::kStateless)) {
    era_ = Era::kModern;
  } else if (versions != nullptr || (code != nullptr && code->integer() == kUnsupportedVersion)) {
    co_return fail(Code::kUnsupported, Side::kUpstream,
                   "the server speaks no revision of MCP that is known here");
  } else {
    era_ = Era::kLegacy;
  }
  co_return Result<void>();
}

Task<Result<void>> SharedServer::set_up() {
  std::string line =
      R"({"jsonrpc":"2.0","id":"mandated-initialize","method":"initialize","params":)"
      R"({"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"mandated",)"
      R"("version":)" +
      json::quoted(parts_.options.client_version) + "}}}";
  auto answer = co_await supervisor_.ask("\"mandated-initialize\"", std::move(line),
                                         parts_.options.handshake_timeout);
  if (!answer) co_return tl::unexpected(std::move(answer).error());
  if (answer->result() == nullptr) {
    co_return fail(Code::kProtocol, Side::kUpstream, "the server refused to be set up");
  }
  set_up_answer_ = std::move(*answer);
  co_return co_await supervisor_.say(R"({"jsonrpc":"2.0","method":"notifications/initialized"})");
}

void SharedServer::start_waiting() {
  std::vector<std::uint64_t> ids;
  for (const auto& [id, pending] : pending_) {
    if (pending.message) ids.push_back(id);
  }
  for (const std::uint64_t id : ids) {
    const auto found = pending_.find(id);
    const Message message = std::move(*std::exchange(found->second.message, std::nullopt));
    if (auto started = start(id, found->second, message); !started) {
      finish_with_error(found, started.error().text);
    }
  }
}

// A legacy server tells everybody of list changes, and of resources only whoever subscribed in a
// session: so the first is all that a subscription is granted here.
void SharedServer::subscribe(Pending& pending, const Message& message) {
  const json::Value* filter = member(message.params(), "notifications");
  const json::Value* capabilities =
      set_up_answer_ ? member(set_up_answer_->result(), "capabilities") : nullptr;
  std::string granted = "{";
  for (const Change& change : kChanges) {
    if (!is_true(member(filter, change.filter)) ||
        !is_true(member(member(capabilities, change.capability), "listChanged"))) {
      continue;
    }
    if (granted.size() > 1) granted += ',';
    granted += json::quoted(change.filter) + ":true";
    pending.wanted_changes.push_back(change.method);
  }
  granted += '}';
  pending.outbox->offer(
      R"({"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"_meta":)" +
      subscription_meta(nullptr, pending.client_id) + R"(,"notifications":)" + granted + "}}");
}

std::string SharedServer::discovery(const Pending& pending) const {
  const json::Value* result = set_up_answer_->result();
  std::string capabilities = "{";
  if (const json::Value* offered = member(result, "capabilities")) {
    for (const json::Member& each : offered->object()) {
      // Log messages and tasks cannot be told apart by caller on a shared server.
      if (each.name == "logging" || each.name == "tasks" || !each.value.is_object()) continue;
      if (capabilities.size() > 1) capabilities += ',';
      capabilities += json::quoted(each.name) + ":" +
                      replace_members(&each.value, {{"subscribe", std::nullopt}});
    }
  }
  capabilities += '}';
  std::string versions = "[\"2026-07-28\"";
  if (const json::Value* spoken = member(result, "protocolVersion");
      spoken != nullptr && spoken->is_string() && protocol::known_version(spoken->string())) {
    versions += "," + json::quoted(spoken->string());
  }
  versions += "]";
  std::string found = "{";
  found += R"("resultType":"complete","supportedVersions":)" + versions + R"(,"capabilities":)" +
           capabilities + R"(,"ttlMs":0,"cacheScope":"private")";
  if (const json::Value* text = member(result, "instructions");
      text != nullptr && text->is_string()) {
    found += R"(,"instructions":)" + json::canonical(*text);
  }
  if (const json::Value* info = member(result, "serverInfo")) {
    found += R"(,"_meta":{"io.modelcontextprotocol/serverInfo":)" + json::canonical(*info) + "}";
  }
  found += "}";
  return R"({"jsonrpc":"2.0","id":)" + pending.client_id + R"(,"result":)" + found + "}";
}

void SharedServer::received(Message message) {
  switch (message.kind()) {
    case Kind::kResponse:
      return answered(message);
    case Kind::kRequest:
      return asked(message);
    case Kind::kNotification:
      return told(message);
  }
}

SharedServer::Pendings::iterator SharedServer::find(const json::Value* id) {
  const auto number = id == nullptr ? std::nullopt : id->integer();
  if (!number || *number < 0) return pending_.end();
  const auto found = pending_.find(static_cast<std::uint64_t>(*number));
  // What was not sent cannot be answered.
  if (found != pending_.end() && found->second.ticket == 0) return pending_.end();
  return found;
}

void SharedServer::answered(const Message& message) {
  const auto found = find(message.root().find("id"));
  if (found == pending_.end()) return;  // too late, or to nothing
  found->second.outbox->finish(translated(message, found->second), status_of(message));
  pending_.erase(found);
}

// The answer under the client's id, in the form of 2026-07-28.
std::string SharedServer::translated(const Message& message, const Pending& pending) const {
  const json::Value* result = message.result();
  if (result == nullptr || !result->is_object()) {
    const json::Value* code = member(message.error(), "code");
    // "Resource not found" got another code (changelog of 2026-07-28, minor change 6).
    if (era_ == Era::kLegacy && code != nullptr && code->integer() == -32002) {
      return replace_members(&message.root(),
                             {{"id", pending.client_id},
                              {"error", replace_members(message.error(), {{"code", "-32602"}})}});
    }
    return replace_members(&message.root(), {{"id", pending.client_id}});
  }
  const json::Value* meta = result->find("_meta");
  if (meta != nullptr && !meta->is_object()) meta = nullptr;
  if (era_ == Era::kModern) {
    if (member(meta, kSubscriptionKey) == nullptr) {
      return replace_members(&message.root(), {{"id", pending.client_id}});
    }
    return replace_members(
        &message.root(),
        {{"id", pending.client_id},
         {"result",
          replace_members(result, {{"_meta", subscription_meta(meta, pending.client_id)}})}});
  }
  const json::Value* info =
      set_up_answer_ ? member(set_up_answer_->result(), "serverInfo") : nullptr;
  std::optional<std::string> new_meta;
  if (meta != nullptr) new_meta = json::canonical(*meta);
  if (info != nullptr && member(meta, kServerInfoKey) == nullptr) {
    new_meta = replace_members(meta, {{kServerInfoKey, json::canonical(*info)}});
  }
  const Replacement type = or_else(*result, "resultType", "\"complete\"");
  const std::string text =
      is_cacheable(pending.method)
          ? replace_members(result, {type, or_else(*result, "ttlMs", "0"),
                                     or_else(*result, "cacheScope", "\"private\""),
                                     Replacement{"_meta", new_meta}})
          : replace_members(result, {type, Replacement{"_meta", new_meta}});
  return replace_members(&message.root(), {{"id", pending.client_id}, {"result", text}});
}

// 2026-07-28 has no requests from the server, and as a client of a legacy one we offered nothing.
void SharedServer::asked(const Message& message) {
  const std::string answer =
      message.method() == "ping"
          ? R"({"jsonrpc":"2.0","id":)" + message.id() + R"(,"result":{}})"
          : error_response(message.id(), kMethodNotFound, "The client cannot be asked.");
  (void)supervisor_.send(answer);
}

void SharedServer::told(const Message& message) {
  if (message.method() == "notifications/progress") return progress(message);
  if (era_ == Era::kLegacy) {
    for (auto& [id, pending] : pending_) {
      const auto& wanted = pending.wanted_changes;
      if (std::find(wanted.begin(), wanted.end(), message.method()) == wanted.end()) continue;
      pending.outbox->offer(replace_members(
          &message.root(),
          {{"params",
            replace_members(message.params(),
                            {{"_meta", subscription_meta(message.meta(), pending.client_id)}})}}));
    }
    return;
  }
  if (message.method() == "notifications/cancelled") {
    const auto found = find(member(message.params(), "requestId"));
    if (found == pending_.end()) return;
    found->second.outbox->offer(replace_members(
        &message.root(),
        {{"params", replace_members(message.params(), {{"requestId", found->second.client_id}})}}));
    found->second.outbox->close();
    pending_.erase(found);
    return;
  }
  // Whatever names no request or subscription may be about another caller: it goes to nobody.
  const auto found = find(member(message.meta(), kSubscriptionKey));
  if (found == pending_.end()) return;
  found->second.outbox->offer(replace_members(
      &message.root(),
      {{"params", replace_members(
                      message.params(),
                      {{"_meta", subscription_meta(message.meta(), found->second.client_id)}})}}));
}

void SharedServer::progress(const Message& message) {
  const auto found = find(member(message.params(), "progressToken"));
  if (found == pending_.end() || found->second.client_token.empty()) return;
  found->second.outbox->offer(replace_members(
      &message.root(),
      {{"params",
        replace_members(message.params(), {{"progressToken", found->second.client_token}})}}));
}

void SharedServer::finish_with_error(Pendings::iterator pending, std::string_view why) {
  pending->second.outbox->finish(error_response(pending->second.client_id, kServerGone, why));
  pending_.erase(pending);
}

void SharedServer::unreadable(std::string_view why) {
  fail_sent("The server's answer cannot be read: " + std::string(why));
}

void SharedServer::lost(std::string_view why) {
  fail_sent(std::string(why) + " Whether it carried out the call is not known.");
}

void SharedServer::fail_sent(std::string_view why) {
  for (auto each = pending_.begin(); each != pending_.end();) {
    const auto pending = each++;
    const std::uint64_t ticket = pending->second.ticket;
    if (ticket != 0 && !supervisor_.still_waits(ticket)) finish_with_error(pending, why);
  }
}

void SharedServer::ended() {
  while (!pending_.empty()) finish_with_error(pending_.begin(), "The server is not running.");
  if (const auto callback = std::exchange(on_end_, nullptr)) callback();
}

}  // namespace mandated::stdio
