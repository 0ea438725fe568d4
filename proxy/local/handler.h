// The sidecar-local API, for the agent beside the proxy: JSON over HTTP/1.1 on a Unix socket
// (config `local_api`). Whoever may use it acts with the wallet and its key, inside what people
// signed.
//
//   GET  /identity        who we are: what another agent needs to delegate to us
//   GET  /instance        what is attested of the process that asks
//   GET  /receipts        the wallet, with what is left of each receipt
//   POST /receipts        takes a chain that was made for us
//   POST /delegations     signs a narrower receipt for another holder
//   POST /attachments     gives the receipt and signs the proof for one call
//   POST /requests        asks a person for a receipt
//   GET  /requests/<id>   what became of that, after at most `wait` seconds
#pragma once

#include <string>
#include <vector>

#include "proxy/attest/caller.h"
#include "proxy/audit/record.h"
#include "proxy/base/clock.h"
#include "proxy/base/random.h"
#include "proxy/http/server.h"
#include "proxy/local/consent.h"
#include "proxy/local/holdings.h"
#include "proxy/local/signing.h"

namespace mandated::local {

/// One for all connections. All of it outlives the handlers.
struct Api {
  Holdings& holdings;
  Consent& consent;
  audit::Sink& audit;  ///< what is signed is recorded before it is handed out
  Clock& clock;
  Rng& rng;
  std::vector<config::AllowedCaller> allowed_callers{};  ///< empty: any
};

/// Of one connection.
class Handler final : public http::Handler {
 public:
  static constexpr std::size_t kBodyBytesMax = 1U << 20U;

  /// `allowed`: whether the user at the other end may use the API; others are told so. `caller`
  /// outlives this; null: the process cannot be told.
  Handler(Api& api, bool allowed, attest::Caller* caller)
      : api_(api), allowed_(allowed), caller_(caller) {}
  Task<void> handle(http::ServerStream& stream) override;

 private:
  Task<Outcome<Answer>> admit();
  const receipt::Selectors* asker() const { return instance_ ? &instance_->selectors : nullptr; }
  Task<Outcome<Answer>> answer(http::ServerStream& stream);
  Task<Outcome<Answer>> post(http::ServerStream& stream, std::string_view path);
  Outcome<Answer> identity();
  Answer instance() const;
  Task<Outcome<Answer>> delegations(const json::Value& asked);
  Task<Outcome<Answer>> attachments(const json::Value& asked);
  Task<Outcome<Answer>> requests(const json::Value& asked);
  Task<Outcome<Answer>> request_state(std::string_view target);
  Task<Outcome<void>> record(std::string method, const Outcome<Signed>& outcome,
                             const AttachmentRequest* call);

  Api& api_;
  bool allowed_;
  attest::Caller* caller_;
  identity::InstancePtr instance_;  // who asks this
};

}  // namespace mandated::local
