#include "filters/replay/proof_journal.h"
#include "filters/replay/replays.h"

namespace mandated {

namespace {

constexpr std::size_t kEntriesMax = 1U << 20U;

class MemoryReplays final : public Replays {
 public:
  explicit MemoryReplays(std::size_t entries_max)
      : memory_(entries_max, [this](const auto& seen, receipt::Seconds now) {
          return journal_ == nullptr || journal_->append(seen, now);
        }) {}
  Result<void> open(const std::string& path, receipt::Seconds now) {
    TRY(journal_, ProofJournal::open(path, now, memory_));
    return {};
  }
  Task<receipt::Checked<void>> remember(const receipt::PublicKey& holder,
                                        const receipt::Proof& proof, receipt::Seconds now,
                                        receipt::Seconds window) override {
    co_return memory_.remember(holder, proof, now, window);
  }

 private:
  std::unique_ptr<ProofJournal> journal_;
  receipt::ReplayMemory memory_;
};

}  // namespace

std::unique_ptr<Replays> make_memory_replays(std::size_t entries_max) {
  return std::make_unique<MemoryReplays>(entries_max);
}

Result<std::unique_ptr<Replays>> open_replays(const std::string& journal_path,
                                              receipt::Seconds now) {
  auto made = std::make_unique<MemoryReplays>(kEntriesMax);
  CHECK(made->open(journal_path, now));
  return made;
}

}  // namespace mandated
