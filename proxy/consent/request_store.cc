#include "proxy/consent/request_store.h"

#include <utility>

namespace mandated::consent {

std::string_view to_string(Status status) {
  switch (status) {
    case Status::kPending:
      return "pending";
    case Status::kSigned:
      return "signed";
    case Status::kRefused:
      return "refused";
    case Status::kExpired:
      return "expired";
  }
  return {};
}

Result<void> RequestStore::add(std::string id, Ask ask, std::size_t bytes, Seconds now) {
  expire(now);
  if (entries_.size() >= limits_.requests_max || bytes > limits_.bytes_max - bytes_)
    return fail(Code::kOverloaded, "Too many requests wait for people. Ask again later.");
  bytes_ += bytes;
  const Seconds forget_at = ask.decide_until + limits_.keep;
  entries_.emplace(std::move(id),
                   Entry{{std::move(ask), Status::kPending, {}, {}}, bytes, forget_at});
  return {};
}

const RequestStore::Request* RequestStore::find(std::string_view id, Seconds now) {
  expire(now);
  const auto found = entries_.find(id);
  return found == entries_.end() ? nullptr : &found->second.request;
}

Result<RequestStore::Entry*> RequestStore::pending(std::string_view id, Seconds now) {
  expire(now);
  const auto found = entries_.find(id);
  if (found == entries_.end()) return fail(Code::kNotFound, "There is no such request.");
  const Status status = found->second.request.status;
  if (status == Status::kPending) return &found->second;
  return fail(Code::kProtocol, "The request is " + std::string(to_string(status)) + " already.");
}

Result<void> RequestStore::sign(std::string_view id, std::string token, std::string signer,
                                Seconds now) {
  TRY(Entry* const entry, pending(id, now));
  Request& request = entry->request;
  if (!request.signers.insert(std::move(signer)).second)
    return fail(Code::kProtocol, "This passkey has signed already.");
  request.tokens.push_back(std::move(token));
  if (request.tokens.size() >= request.ask.signatures()) end(id, *entry, Status::kSigned, now);
  return {};
}

Result<void> RequestStore::refuse(std::string_view id, Seconds now) {
  TRY(Entry* const entry, pending(id, now));
  end(id, *entry, Status::kRefused, now);
  return {};
}

void RequestStore::end(std::string_view id, Entry& entry, Status status, Seconds now) {
  entry.request.status = status;
  entry.forget_at = now + limits_.keep;
  notify(id);
}

void RequestStore::expire(Seconds now) {
  for (auto next = entries_.begin(); next != entries_.end();) {
    const auto entry = next++;
    Request& request = entry->second.request;
    if (request.status == Status::kPending && now >= request.ask.decide_until) {
      request.status = Status::kExpired;
      notify(entry->first);
    }
    if (now < entry->second.forget_at) continue;
    bytes_ -= entry->second.bytes;
    entries_.erase(entry);
  }
}

void RequestStore::notify(std::string_view id) {
  const auto found = watched_.find(id);
  if (found == watched_.end()) return;
  for (const std::function<void()>& callback : found->second) callback();
}

RequestStore::Watch::Watch(RequestStore& store, std::string_view id, std::function<void()> callback)
    : store_(store), id_(id) {
  std::list<std::function<void()>>& watchers = store_.watched_[id_];
  position_ = watchers.insert(watchers.end(), std::move(callback));
  ++store_.watchers_;
}

RequestStore::Watch::~Watch() {
  const auto found = store_.watched_.find(id_);
  found->second.erase(position_);
  if (found->second.empty()) store_.watched_.erase(found);
  --store_.watchers_;
}

}  // namespace mandated::consent
