// A proof is a key that expires. Its value names who wrote it, so that a question that is asked
// again, since its answer was lost, does not take its own trace for a replay.
#include <algorithm>
#include <cmath>
#include <utility>

#include "filters/receipt/base64url.h"
#include "filters/replay/replays.h"

namespace mandated {

namespace {

using receipt::Checked;
using receipt::Seconds;

// Beyond the proof's own end: replicas whose clocks differ by less accept none twice.
constexpr Seconds kKeptAfterEnd = 300;

class ValkeyReplays final : public Replays {
 public:
  ValkeyReplays(valkey::Client& client, Rng& rng, std::string prefix)
      : client_(client), rng_(rng), prefix_(std::move(prefix)) {}

  Task<Checked<void>> remember(const receipt::PublicKey& holder, const receipt::Proof& proof,
                               Seconds now, Seconds window) override {
    const Seconds left = proof.issued_at + window - now;
    if (left < 0) co_return receipt::refuse(receipt::Code::kBadProof, "The proof is too old.");
    const std::string writer = rng_.identifier();
    valkey::Words words = {
        "SET",
        prefix_ + "p:" + receipt::encode_base64url(receipt::ReplayMemory::key_of(holder, proof)),
        writer,
        "NX",
        "GET",
        "EX",
        std::to_string(std::llround(left + kKeptAfterEnd))};
    const Result<valkey::Reply> before =
        co_await client_.ask(std::move(words), valkey::Repeat::kYes);
    if (!before || before->kind == valkey::Reply::Kind::kError) {
      co_return receipt::refuse(
          receipt::Code::kInternal,
          "Whether the proof was used before cannot be found out; try later.");
    }
    const bool fresh = before->kind == valkey::Reply::Kind::kNil || before->text == writer;
    Checked<void> outcome;
    if (!fresh) outcome = receipt::refuse(receipt::Code::kReplayed, "The proof was used before.");
    co_return outcome;
  }

 private:
  valkey::Client& client_;
  Rng& rng_;
  std::string prefix_;
};

}  // namespace

std::unique_ptr<Replays> make_valkey_replays(valkey::Client& client, Rng& rng, std::string prefix) {
  return std::make_unique<ValkeyReplays>(client, rng, std::move(prefix));
}

}  // namespace mandated
