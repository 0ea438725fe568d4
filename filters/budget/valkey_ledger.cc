// An account is a key that holds the amount. All that a charge reads and writes happens in one
// script, which the server runs as one step.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

#include "filters/budget/ledger.h"
#include "proxy/valkey/client.h"

namespace mandated {

namespace {

constexpr receipt::Seconds kLongest = 366.0 * 86400;

// KEYS: the charge's own key, then the accounts. ARGV: "charge" or "return", then the cost, the
// limit and the seconds to keep of each account. The answer is 0, or the number of the account that
// has not enough left. A charge that was made leaves its key for two minutes, longer than anybody
// asks again; asked again, it is not made twice. Amounts are at most 9e15, exact as Lua's doubles.
// What cannot be given back in full (an account that was lost) never makes an amount negative.
constexpr std::string_view kScript = R"(
local charges = ARGV[1] == 'charge'
if charges and redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
if charges then
  for i = 2, #KEYS do
    local spent = tonumber(redis.call('GET', KEYS[i]) or '0')
    if not spent or spent < 0 then return redis.error_reply('an amount is no number') end
    if tonumber(ARGV[3 * i - 3]) - spent < tonumber(ARGV[3 * i - 4]) then return i - 1 end
  end
end
for i = 2, #KEYS do
  if charges then
    redis.call('INCRBY', KEYS[i], ARGV[3 * i - 4])
    redis.call('EXPIRE', KEYS[i], ARGV[3 * i - 2])
  elseif redis.call('EXISTS', KEYS[i]) == 1 then
    local left = redis.call('DECRBY', KEYS[i], ARGV[3 * i - 4])
    if left < 0 then redis.call('SET', KEYS[i], '0', 'KEEPTTL') end
  end
end
if charges then redis.call('SET', KEYS[1], '1', 'EX', '120') end
return 0
)";

class ValkeyLedger final : public Ledger {
 public:
  ValkeyLedger(valkey::Client& client, Rng& rng, std::string prefix)
      : client_(client), rng_(rng), prefix_(std::move(prefix)) {
    client_.use_script(kScript);
  }

  Task<Result<std::optional<std::size_t>>> charge(std::span<const receipt::Charge> charges,
                                                  receipt::Seconds now) override {
    CO_TRY(const std::size_t refused, co_await run("charge", charges, now, valkey::Repeat::kYes));
    if (refused > charges.size()) co_return fail(Code::kStorage, "Valkey answered out of range");
    std::optional<std::size_t> outcome;
    if (refused != 0) outcome.emplace(refused - 1);
    co_return outcome;
  }

  // Asked once: what was given back twice would be a budget refilled.
  Task<Result<void>> give_back(std::span<const receipt::Charge> charges,
                               receipt::Seconds now) override {
    CO_CHECK(co_await run("return", charges, now, valkey::Repeat::kNo));
    co_return Result<void>();
  }

  Task<Result<std::vector<std::uint64_t>>> spent(
      std::span<const receipt::Charge> charges) override {
    std::vector<std::uint64_t> amounts;
    if (charges.empty()) co_return amounts;
    valkey::Words words = {"MGET"};
    for (const receipt::Charge& charge : charges) words.push_back(key_of(charge));
    CO_TRY(const valkey::Reply reply, co_await client_.ask(std::move(words), valkey::Repeat::kYes));
    if (reply.items.size() != charges.size())
      co_return fail(Code::kStorage, "Valkey: " + reply.text);
    for (const valkey::Reply& item : reply.items) {
      std::uint64_t amount = 0;
      const char* const end = item.text.data() + item.text.size();
      const auto read = std::from_chars(item.text.data(), end, amount);
      if (item.kind != valkey::Reply::Kind::kNil && (read.ec != std::errc() || read.ptr != end)) {
        co_return fail(Code::kStorage, "an amount is no number");
      }
      amounts.push_back(amount);
    }
    co_return amounts;
  }

 private:
  Task<Result<std::size_t>> run(std::string_view what, std::span<const receipt::Charge> charges,
                                receipt::Seconds now, valkey::Repeat repeat) {
    valkey::Words words = {std::to_string(charges.size() + 1), prefix_ + "c:" + rng_.identifier()};
    for (const receipt::Charge& charge : charges) words.push_back(key_of(charge));
    words.emplace_back(what);
    for (const receipt::Charge& charge : charges) {
      const receipt::Seconds left = std::clamp(charge.expires - now, 0.0, kLongest);
      words.push_back(std::to_string(charge.cost));
      words.push_back(std::to_string(charge.limit));
      words.push_back(std::to_string(std::llround(left + kAccountKeptAfterExpiry)));
    }
    CO_TRY(const valkey::Reply reply, co_await client_.run(std::move(words), repeat));
    if (reply.kind != valkey::Reply::Kind::kInteger || reply.integer < 0) {
      co_return fail(Code::kStorage, "Valkey: " + reply.text);
    }
    co_return static_cast<std::size_t>(reply.integer);
  }

  std::string key_of(const receipt::Charge& charge) const {
    return prefix_ + "b:" + charge.account;
  }

  valkey::Client& client_;
  Rng& rng_;
  std::string prefix_;
};

}  // namespace

std::unique_ptr<Ledger> make_valkey_ledger(valkey::Client& client, Rng& rng, std::string prefix) {
  return std::make_unique<ValkeyLedger>(client, rng, std::move(prefix));
}

}  // namespace mandated
