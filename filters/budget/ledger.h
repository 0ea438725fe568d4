// What has been spent of budgets (profile section 2). One small interface, so that a call never
// knows who counts: a file here, for the workers of a machine, or a server that replicas share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "filters/receipt/chain.h"
#include "proxy/base/random.h"
#include "proxy/base/result.h"
#include "proxy/base/task.h"
#include "proxy/valkey/client.h"

namespace mandated {

class Ledger {
 public:
  virtual ~Ledger() = default;
  /// Makes all of these charges durable, or none. The position of the first that does not fit;
  /// nullopt: all were made. kStorage, kOverloaded: nothing was charged, as far as anybody knows.
  virtual Task<Result<std::optional<std::size_t>>> charge(std::span<const receipt::Charge> charges,
                                                          receipt::Seconds now) = 0;
  /// Undoes charges that were made, for a call that did not leave.
  virtual Task<Result<void>> give_back(std::span<const receipt::Charge> charges,
                                       receipt::Seconds now) = 0;
  /// What was charged so far to the account of each, in their order; of a charge only `account`
  /// matters. To show it: by the time of a call it may have changed. Errors as of charge().
  virtual Task<Result<std::vector<std::uint64_t>>> spent(
      std::span<const receipt::Charge> charges) = 0;
};

/// How long an account outlives its receipt: clocks may be set back, and replicas' differ.
constexpr receipt::Seconds kAccountKeptAfterExpiry = 86400;

/// A ledger in an SQLite file (mode 0600), written and synced by a thread of its own before
/// charge() returns, many calls at once. Processes that share the file share the budgets. kStorage
/// where the file cannot be opened or is another kind of file.
Result<std::unique_ptr<Ledger>> open_ledger(const std::string& path);

/// A ledger that all share who ask the same server under the same prefix. Of one worker; takes the
/// client's script.
std::unique_ptr<Ledger> make_valkey_ledger(valkey::Client& client, Rng& rng, std::string prefix);

/// A ledger that a restart forgets: for tests and the simulator. Safe from any thread.
std::unique_ptr<Ledger> make_memory_ledger();

}  // namespace mandated
