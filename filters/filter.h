// A filter is one decision. It is immutable and shared by all exchanges of a worker; what it learns
// goes into the Exchange. Filters run in the configured order; the first that does not pass decides
// (filters/chain.h).
//
// To add one: header, source, test, and a line in registry.cc.
#pragma once

#include <memory>
#include <string_view>
#include <variant>

#include "filters/approval/approvals.h"
#include "filters/budget/ledger.h"
#include "filters/exchange.h"
#include "filters/mandate/wallet.h"
#include "filters/receipt/chain.h"
#include "filters/replay/replays.h"
#include "filters/revocation/status_lists.h"
#include "proxy/attest/evidence_desk.h"
#include "proxy/base/clock.h"
#include "proxy/base/random.h"
#include "proxy/base/result.h"
#include "proxy/base/task.h"
#include "proxy/fetch/fetch.h"

namespace mandated {

struct Pass {};
/// Refused: the code and words that the caller gets and the audit trail keeps.
struct Deny {
  receipt::Refusal refusal;
};
using Verdict = std::variant<Pass, Deny>;

class Filter {
 public:
  virtual ~Filter() = default;
  virtual std::string_view name() const = 0;
  /// Decides about the call. Must give the same verdict for the same exchange, time and state.
  virtual Task<Verdict> on_call(Exchange& exchange) const = 0;
  /// The call did not leave the proxy after all. Called once, whether or not this filter passed it.
  virtual Task<void> on_unsent(Exchange&) const { co_return; }
  /// Whether an answer that lists tools may show this one (an identifier as receipts name it) to
  /// the caller.
  virtual bool shows(const Exchange& exchange, std::string_view tool) const = 0;
};

/// What a filter may use of its worker. All outlive the filters.
struct FilterDeps {
  const config::Config& config;
  Clock& clock;
  Rng& rng;
  std::string own_spiffe_id;  ///< empty where the proxy has no identity
  const receipt::AnchorSet& anchors;
  receipt::Limits limits;
  receipt::ChainCache& chains;  ///< this worker's
  Replays& replays;
  Ledger& ledger;
  Approvals& approvals;                      ///< the process's
  fetch::Fetcher& fetcher;                   ///< this worker's
  WalletSource* wallet = nullptr;            ///< null: none is configured
  StatusLists* status = nullptr;             ///< the process's; null: none are configured
  attest::EvidenceDesk* evidence = nullptr;  ///< this worker's; null: none is believed
};

using MakeFilter = Result<std::unique_ptr<const Filter>> (*)(const FilterDeps& deps);

}  // namespace mandated
