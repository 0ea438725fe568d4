// Which proofs were used (profile section 5). One small interface, so that a call never knows who
// remembers: this process and its journal, or what replicas share.
#pragma once

#include <memory>
#include <string>

#include "filters/receipt/chain.h"
#include "proxy/base/random.h"
#include "proxy/base/result.h"
#include "proxy/base/task.h"
#include "proxy/valkey/client.h"

namespace mandated {

class Replays {
 public:
  virtual ~Replays() = default;
  /// Remembers (holder key, jti) until issued_at + window; kReplayed if it was there. kInternal:
  /// whether it was cannot be found out.
  virtual Task<receipt::Checked<void>> remember(const receipt::PublicKey& holder,
                                                const receipt::Proof& proof, receipt::Seconds now,
                                                receipt::Seconds window) = 0;
};

/// The process's memory, and beside it a journal (proof_journal.h) that a restart reads. Safe from
/// any thread. kStorage.
Result<std::unique_ptr<Replays>> open_replays(const std::string& journal_path,
                                              receipt::Seconds now);

/// One that a restart forgets: for tests and the simulator.
std::unique_ptr<Replays> make_memory_replays(std::size_t entries_max = 1U << 20U);

/// Shared by all that ask the same server under the same prefix. Of one worker.
std::unique_ptr<Replays> make_valkey_replays(valkey::Client& client, Rng& rng, std::string prefix);

}  // namespace mandated
