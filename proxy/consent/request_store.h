// What waits for a person, and what came of it. In memory only: a restart forgets, and agents ask
// again. Bounded and expiring, so that whoever asks too much gets no more than a refusal. Pure: the
// time comes with each call. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/base/result.h"
#include "proxy/consent/ask.h"

namespace mandated::consent {

enum class Status : std::uint8_t { kPending, kSigned, kRefused, kExpired };

/// As it stands in answers.
std::string_view to_string(Status status);

class RequestStore {
 public:
  struct Limits {
    std::size_t requests_max = 512;
    std::size_t bytes_max = 8U << 20U;  ///< of all requests together, as they came
    std::size_t watchers_max = 128;
    Seconds keep = 600;  ///< how long an outcome can be asked for
  };

  struct Request {
    Ask ask;
    Status status = Status::kPending;
    std::vector<std::string> tokens;             ///< what was signed
    std::set<std::string, std::less<>> signers;  ///< thumbprints of their keys
  };

  explicit RequestStore(Limits limits) : limits_(limits) {}

  /// kOverloaded when there are too many; `id` is fresh and unguessable.
  Result<void> add(std::string id, Ask ask, std::size_t bytes, Seconds now);

  /// Null when there is none, or none any more. Valid until the next call with a time.
  const Request* find(std::string_view id, Seconds now);

  /// Adds what `signer` signed. With the last signature that is asked for the request is signed,
  /// and its watchers are told. kNotFound; kProtocol when it is not pending or this key has signed.
  Result<void> sign(std::string_view id, std::string token, std::string signer, Seconds now);

  /// Ends it with a no, and tells its watchers. kNotFound; kProtocol when it is not pending.
  Result<void> refuse(std::string_view id, Seconds now);

  /// Calls back when its request is no longer pending. The callback wakes somebody and does no
  /// more.
  class Watch {
   public:
    Watch(RequestStore& store, std::string_view id, std::function<void()> callback);
    ~Watch();
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;

   private:
    RequestStore& store_;
    std::string id_;
    std::list<std::function<void()>>::iterator position_;
  };
  /// False when as many watch as may.
  bool may_watch() const { return watchers_ < limits_.watchers_max; }
  std::size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    Request request;
    std::size_t bytes = 0;
    Seconds forget_at = 0;
  };
  void expire(Seconds now);
  Result<Entry*> pending(std::string_view id, Seconds now);
  void end(std::string_view id, Entry& entry, Status status, Seconds now);
  void notify(std::string_view id);

  const Limits limits_;
  std::map<std::string, Entry, std::less<>> entries_;
  std::map<std::string, std::list<std::function<void()>>, std::less<>> watched_;
  std::size_t watchers_ = 0;
  std::size_t bytes_ = 0;
};

}  // namespace mandated::consent
