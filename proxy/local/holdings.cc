#include "proxy/local/holdings.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "proxy/base/log.h"
#include "proxy/json/json.h"

namespace mandated::local {

namespace {

// Files that the API wrote itself begin with this: only they are tidied away.
constexpr std::string_view kOwnFiles = "receipt-";
// A clock that was set forward for a while loses nothing.
constexpr receipt::Seconds kKeptAfterExpiry = 86400;

std::vector<std::string_view> views(const std::vector<std::string>& tokens) {
  return {tokens.begin(), tokens.end()};
}

// The tools map of a verified leaf, which has exactly one.
const json::Value& tools_of(const json::Value& claims) {
  const auto details = claims.find("authorization_details")->array();
  return *std::find_if(details.begin(), details.end(), [](const json::Value& entry) {
            return entry.find_string("type") == "attenuating_agent_token";
          })->find("tools");
}

// Sums are counted in millionths.
double amount_of(const receipt::Charge& charge, std::uint64_t counted) {
  const auto amount = static_cast<double>(counted);
  return charge.figure.starts_with("sum.") ? amount / 1e6 : amount;
}

std::uint64_t left_of(const receipt::Charge& charge, std::uint64_t spent) {
  return spent < charge.limit ? charge.limit - spent : 0;
}

// Of one figure, on every hop that has it; the smallest counts.
std::string figure_in_json(
    const std::vector<std::pair<const receipt::Charge*, std::uint64_t>>& hops) {
  const auto least = std::min_element(hops.begin(), hops.end(), [](const auto& a, const auto& b) {
    return left_of(*a.first, a.second) < left_of(*b.first, b.second);
  });
  json::ArrayWriter list;
  for (const auto& [charge, spent] : hops) {
    json::ObjectWriter hop;
    hop.number("hop", charge->hop);
    hop.number("limit", amount_of(*charge, charge->limit));
    hop.number("spent", amount_of(*charge, spent));
    hop.number("left", amount_of(*charge, left_of(*charge, spent)));
    list.json(hop.take());
  }
  json::ObjectWriter figure;
  figure.number("left", amount_of(*least->first, left_of(*least->first, least->second)));
  figure.json("hops", list.take());
  return figure.take();
}

std::string refusal_in_json(const receipt::Refusal& refusal) {
  json::ObjectWriter document;
  document.text("code", receipt::to_string(refusal.code));
  if (refusal.hop >= 0) document.number("hop", refusal.hop);
  document.text("detail", refusal.sentence);
  return document.take();
}

}  // namespace

void Holdings::describe(const receipt::VerifiedChain& chain, receipt::Seconds now,
                        json::ObjectWriter& out) {
  const std::size_t leaf = chain.size() - 1;
  const json::Value& claims = chain.claims(leaf);
  if (chain.mandate(leaf).holder) out.text("holder", *chain.mandate(leaf).holder);
  out.json("tools", json::canonical(tools_of(claims)));
  if (const json::Value* mandate = claims.find("mandate"))
    out.json("mandate", json::canonical(*mandate));
  out.number("expires", chain.expires());
  out.number("seconds_left", std::max(0.0, std::floor(chain.expires() - now)));
  out.number("depth_left", chain.depth_left());
}

Holdings::Holdings(WalletFolder& folder, Ledger& ledger, StatusLists* status,
                   const receipt::AnchorSet& anchors, const receipt::Limits& limits,
                   std::string own_spiffe_id)
    : folder_(folder),
      ledger_(ledger),
      status_(status),
      anchors_(anchors),
      limits_(limits),
      own_spiffe_id_(std::move(own_spiffe_id)) {}

receipt::Checked<receipt::ChainPtr> Holdings::verify_chain(const std::vector<std::string>& tokens,
                                                           receipt::Seconds now) {
  return chains_.verify(views(tokens), anchors_, now, limits_);
}

receipt::Checked<receipt::ChainPtr> Holdings::verify(const Wallet& wallet,
                                                     const std::vector<std::string>& tokens,
                                                     receipt::Seconds now) {
  receipt::Checked<receipt::ChainPtr> chain = verify_chain(tokens, now);
  if (!chain) return chain;
  if (!((*chain)->holder_key() == wallet.key.public_key())) {
    return receipt::refuse(receipt::Code::kWrongHolder,
                           "The receipt is bound to another holder's key.");
  }
  // Where it may be used is asked when it is used: what its leaf admits, its ancestors do.
  const auto& audience = (*chain)->mandate((*chain)->size() - 1).audience;
  // … and so is which process may use it.
  receipt::Presenter presenter{own_spiffe_id_, {}, nullptr, true};
  if (audience) presenter.audiences = *audience;
  const receipt::Checked<void> ours = receipt::check_presenter(**chain, presenter);
  if (!ours) return tl::unexpected(ours.error());
  return chain;
}

Task<std::vector<Held>> Holdings::all(const Wallet& wallet, const receipt::Selectors* asker,
                                      receipt::Seconds now) {
  std::vector<Held> held;
  for (const Wallet::Entry& entry : wallet.entries) {
    held.push_back(
        {&entry, receipt::chain_digest(views(entry.tokens)), verify(wallet, entry.tokens, now)});
    Held& last = held.back();
    receipt::Checked<void> fits;
    if (last.chain) fits = receipt::check_instance(**last.chain, asker);
    if (!fits) last.chain = tl::unexpected(std::move(fits).error());
    // So that lists are fetched at once, not one after the other.
    if (held.back().chain && status_ != nullptr) status_->want(**held.back().chain);
  }
  for (Held& each : held) {
    if (!each.chain) continue;
    receipt::Checked<void> stands = co_await check_status(status_, **each.chain);
    if (!stands) each.chain = tl::unexpected(std::move(stands).error());
  }
  co_return held;
}

Task<Outcome<std::vector<Held>>> Holdings::candidates(const Wallet& wallet,
                                                      const std::optional<std::string>& id,
                                                      const receipt::Selectors* asker,
                                                      receipt::Seconds now) {
  std::vector<Held> held = co_await all(wallet, asker, now);
  if (id) {
    std::erase_if(held, [&](const Held& each) { return each.id != *id; });
    if (held.empty())
      co_return problem(404, "no_receipt", "The wallet holds no receipt of this id.");
    // The name says nothing of signatures: a copy that was tampered with hides no honest one.
    const auto stands = [](const Held& each) { return each.chain.has_value(); };
    if (std::none_of(held.begin(), held.end(), stands)) co_return refused(held[0].chain.error());
  }
  std::erase_if(held, [](const Held& each) { return !each.chain; });
  if (held.empty())
    co_return problem(403, "no_receipt", "The wallet holds no receipt that stands now.");
  std::sort(held.begin(), held.end(), [](const Held& a, const Held& b) {
    return std::pair(breadth(**a.chain), a.entry) < std::pair(breadth(**b.chain), b.entry);
  });
  co_return held;
}

Task<Outcome<Answer>> Holdings::list(const receipt::Selectors* asker, receipt::Seconds now) {
  const std::shared_ptr<const Wallet> wallet = folder_.current();
  const std::vector<Held> held = co_await all(*wallet, asker, now);
  json::ArrayWriter receipts;
  for (const Held& each : held) {
    json::ObjectWriter one;
    one.text("id", each.id).text("file", each.entry->name);
    if (each.chain) {
      describe(**each.chain, now, one);
      CO_TRY(const std::string budget, co_await budget_of(**each.chain));
      one.json("budget", budget);
    } else {
      one.json("refusal", refusal_in_json(each.chain.error()));
    }
    receipts.json(one.take());
  }
  co_return Answer{200, json::ObjectWriter().json("receipts", receipts.take()).take()};
}

Task<Outcome<std::string>> Holdings::budget_of(const receipt::VerifiedChain& chain) {
  const std::vector<receipt::Charge> figures = receipt::figures_of(chain);
  std::map<std::string, std::vector<std::pair<const receipt::Charge*, std::uint64_t>>> by_name;
  if (!figures.empty()) {
    const Result<std::vector<std::uint64_t>> spent = co_await ledger_.spent(figures);
    if (!spent) {
      co_return problem(503, to_string(spent.error().code),
                        "What was spent of the receipts' budgets cannot be found out; try later.");
    }
    for (std::size_t at = 0; at < figures.size(); ++at)
      by_name[figures[at].figure].emplace_back(&figures[at], (*spent)[at]);
  }
  json::ObjectWriter budget;
  for (const auto& [name, hops] : by_name) budget.json(name, figure_in_json(hops));
  co_return budget.take();
}

Outcome<Answer> Holdings::take(const std::vector<std::string>& tokens, receipt::Seconds now) {
  const std::shared_ptr<const Wallet> wallet = folder_.current();
  const receipt::Checked<receipt::ChainPtr> chain = verify(*wallet, tokens, now);
  if (!chain) return refused(chain.error());
  const std::string& id = (*chain)->digest();
  Answer answer;
  const bool held = std::any_of(wallet->entries.begin(), wallet->entries.end(),
                                [&](const Wallet::Entry& entry) { return entry.tokens == tokens; });
  if (!held) {
    forget_expired(*wallet, now);
    const Result<void> put = folder_.put(std::string(kOwnFiles) + id + ".json", tokens);
    if (!put) {
      const bool full = put.error().code == Code::kOverloaded;
      return problem(full ? 507 : 503, full ? "wallet_full" : to_string(put.error().code),
                     "The receipt cannot be kept: " + put.error().text + ".");
    }
    log::info("local.receipt_taken", {{"receipt", id}});
    answer.status = 201;
  }
  json::ObjectWriter taken;
  taken.text("id", id);
  describe(**chain, now, taken);
  answer.json = taken.take();
  return answer;
}

void Holdings::forget_expired(const Wallet& wallet, receipt::Seconds now) {
  for (const Wallet::Entry& entry : wallet.entries) {
    if (!entry.name.starts_with(kOwnFiles)) continue;
    const auto chain = verify_chain(entry.tokens, now - kKeptAfterExpiry);
    if (chain || chain.error().code != receipt::Code::kExpired) continue;
    const Result<void> removed = folder_.remove(entry.name);
    if (!removed) log::warn("local.receipt_not_removed", {{"why", removed.error().text}});
  }
}

}  // namespace mandated::local
