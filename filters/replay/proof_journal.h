// Proofs that were used, on the disk, so that a restart does not let one in twice. Written before
// the call goes out but not synced: it outlives the process, and a machine takes longer to start
// than a proof is good for.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <string>

#include "filters/receipt/chain.h"
#include "proxy/base/result.h"

namespace mandated {

class ProofJournal {
 public:
  /// Gives `memory` what is not forgotten yet. The files are `path` with .0 and .1, mode 0600, used
  /// in turn; they belong to one process at a time, which the caller sees to. kStorage.
  static Result<std::unique_ptr<ProofJournal>> open(const std::string& path, receipt::Seconds now,
                                                    receipt::ReplayMemory& memory);
  ~ProofJournal();
  ProofJournal(const ProofJournal&) = delete;
  ProofJournal& operator=(const ProofJournal&) = delete;

  /// False when it cannot be written. One caller at a time.
  bool append(const receipt::ReplayMemory::Seen& seen, receipt::Seconds now);

 private:
  struct Part {
    int descriptor = -1;
    std::size_t records = 0;
    receipt::Seconds until = 0;  // nothing in it must be kept longer
  };
  ProofJournal() = default;

  std::array<Part, 2> parts_;
  std::size_t current_ = 0;
};

}  // namespace mandated
