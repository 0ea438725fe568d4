#include <map>
#include <mutex>

#include "filters/budget/ledger.h"

namespace mandated {

namespace {

class MemoryLedger final : public Ledger {
 public:
  Task<Result<std::optional<std::size_t>>> charge(std::span<const receipt::Charge> charges,
                                                  receipt::Seconds) override {
    const std::lock_guard lock(mutex_);
    for (std::size_t at = 0; at < charges.size(); ++at) {
      if (spent_[charges[at].account] + charges[at].cost > charges[at].limit) {
        co_return std::optional<std::size_t>(at);
      }
    }
    for (const receipt::Charge& each : charges) spent_[each.account] += each.cost;
    co_return std::optional<std::size_t>();
  }
  Task<Result<void>> give_back(std::span<const receipt::Charge> charges,
                               receipt::Seconds) override {
    const std::lock_guard lock(mutex_);
    for (const receipt::Charge& each : charges) spent_[each.account] -= each.cost;
    co_return Result<void>();
  }
  Task<Result<std::vector<std::uint64_t>>> spent(
      std::span<const receipt::Charge> charges) override {
    const std::lock_guard lock(mutex_);
    std::vector<std::uint64_t> amounts;
    for (const receipt::Charge& each : charges) {
      const auto found = spent_.find(each.account);
      amounts.push_back(found == spent_.end() ? 0 : found->second);
    }
    co_return amounts;
  }

 private:
  std::mutex mutex_;
  std::map<std::string, std::uint64_t> spent_;
};

}  // namespace

std::unique_ptr<Ledger> make_memory_ledger() { return std::make_unique<MemoryLedger>(); }

}  // namespace mandated
