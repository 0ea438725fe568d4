// The receipts that this proxy holds: which of them stand, what each still allows, and taking in
// new ones. A receipt is named by the digest of its chain, as in audit records.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "filters/budget/ledger.h"
#include "filters/mandate/wallet.h"
#include "filters/receipt/chain.h"
#include "filters/revocation/status_lists.h"
#include "proxy/base/clock.h"
#include "proxy/base/task.h"
#include "proxy/json/writer.h"
#include "proxy/local/answers.h"

namespace mandated::local {

struct Held {
  const Wallet::Entry* entry;  ///< of the wallet that was asked
  std::string id;
  receipt::Checked<receipt::ChainPtr> chain;  ///< or why it does not stand
};

/// Of one worker.
class Holdings {
 public:
  /// What a chain grants, as the API tells it.
  static void describe(const receipt::VerifiedChain& chain, receipt::Seconds now,
                       json::ObjectWriter& out);

  /// All outlive this. `own_spiffe_id` is empty where the proxy has no identity.
  /// `status` is null where no status lists are fetched.
  Holdings(WalletFolder& folder, Ledger& ledger, StatusLists* status,
           const receipt::AnchorSet& anchors, const receipt::Limits& limits,
           std::string own_spiffe_id);

  std::shared_ptr<const Wallet> wallet() { return folder_.current(); }
  const std::string& own_spiffe_id() const { return own_spiffe_id_; }
  const receipt::Limits& limits() const { return limits_; }

  /// The chain, if it stands, whoever holds it.
  receipt::Checked<receipt::ChainPtr> verify_chain(const std::vector<std::string>& tokens,
                                                   receipt::Seconds now);
  /// The chain, if it stands, is bound to our key, and may be presented by us somewhere.
  receipt::Checked<receipt::ChainPtr> verify(const Wallet& wallet,
                                             const std::vector<std::string>& tokens,
                                             receipt::Seconds now);
  /// Every entry, in the wallet's order; what was revoked does not stand, nor does what is for
  /// another instance than the process that asks. `asker`: what is attested of it; null: nothing.
  Task<std::vector<Held>> all(const Wallet& wallet, const receipt::Selectors* asker,
                              receipt::Seconds now);
  /// The receipts to try for something: the one that was named, or all that stand, narrowest first;
  /// never none.
  Task<Outcome<std::vector<Held>>> candidates(const Wallet& wallet,
                                              const std::optional<std::string>& id,
                                              const receipt::Selectors* asker,
                                              receipt::Seconds now);

  /// The document of `GET /receipts`.
  Task<Outcome<Answer>> list(const receipt::Selectors* asker, receipt::Seconds now);
  /// Takes a chain into the wallet: 201, or 200 if it was there already.
  Outcome<Answer> take(const std::vector<std::string>& tokens, receipt::Seconds now);

 private:
  Task<Outcome<std::string>> budget_of(const receipt::VerifiedChain& chain);
  void forget_expired(const Wallet& wallet, receipt::Seconds now);

  WalletFolder& folder_;
  Ledger& ledger_;
  StatusLists* status_;
  const receipt::AnchorSet& anchors_;
  receipt::Limits limits_;
  std::string own_spiffe_id_;
  receipt::ChainCache chains_;
};

}  // namespace mandated::local
