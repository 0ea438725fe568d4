// The consent service as the local API asks it (config `receipts.consent`): a person signs there
// what the agent asks for.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proxy/base/gate.h"
#include "proxy/fetch/fetch.h"
#include "proxy/json/json.h"
#include "proxy/local/answers.h"

namespace mandated::local {

class Consent {
 public:
  static constexpr int kWaitMax = 30;  ///< seconds

  /// What became of a request.
  struct State {
    std::string status;              ///< "pending", "signed", "refused" or "expired"
    std::vector<std::string> chain;  ///< where a receipt was signed
  };

  /// All outlive this. `origin` is empty where there is no such service. Waiting ends soon after
  /// `gate` drains.
  Consent(std::string origin, fetch::Fetcher& fetcher, Clock& clock, const Gate& gate)
      : origin_(std::move(origin)), fetcher_(fetcher), clock_(clock), gate_(gate) {}

  /// Asks: the answer to hand to the agent, `{"id","url","expires"}`.
  Task<Outcome<Answer>> ask(std::string request);
  /// Waits up to so many seconds for a request to be decided. `id` is of the agent's choosing.
  Task<Outcome<State>> look(std::string id, int wait);

 private:
  Task<Outcome<json::Document>> fetch(fetch::Request request, int patience);

  std::string origin_;
  fetch::Fetcher& fetcher_;
  Clock& clock_;
  const Gate& gate_;
};

}  // namespace mandated::local
