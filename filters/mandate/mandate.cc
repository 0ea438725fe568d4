#include "filters/mandate/mandate.h"

#include <algorithm>
#include <optional>
#include <tuple>
#include <utility>

#include "filters/receipt/approval.h"
#include "filters/receipt/issue.h"
#include "proxy/json/json.h"

namespace mandated {

namespace {

using receipt::ChainPtr;
using receipt::Checked;
using receipt::Refusal;

tl::unexpected<Refusal> refuse(receipt::Code code, std::string tool, std::string sentence) {
  Refusal refusal;
  refusal.code = code;
  refusal.tool = std::move(tool);
  refusal.sentence = std::move(sentence);
  return tl::unexpected(std::move(refusal));
}

std::vector<std::string_view> views(const std::vector<std::string>& tokens) {
  return {tokens.begin(), tokens.end()};
}

const json::Value& arguments_of(const protocol::Call& call) {
  static const json::Document kNone = *json::Document::parse("{}");
  return call.arguments != nullptr ? *call.arguments : kNone.root();
}

// What a client says to a question that the server asked in the middle of a call (2026-07-28): it
// may change what the tool does, and is none of the arguments.
bool carries_answers(const protocol::Call& call) {
  const json::Value* params = call.message ? call.message->params() : nullptr;
  return params != nullptr &&
         (params->find("inputResponses") != nullptr || params->find("requestState") != nullptr);
}

// How far a receipt came before it was refused: the refusal that tells the agent most is the one of
// the receipt that came nearest to permitting the call.
int progress(receipt::Code code) {
  switch (code) {
    case receipt::Code::kReasonRequired:
    case receipt::Code::kApprovalRequired:
    case receipt::Code::kUnclean:
    case receipt::Code::kStatusUnknown:
      return 5;
    case receipt::Code::kArgumentDenied:
      return 4;
    case receipt::Code::kArgumentMissing:
    case receipt::Code::kArgumentUnexpected:
      return 3;
    case receipt::Code::kToolNotGranted:
      return 2;
    case receipt::Code::kExpired:
    case receipt::Code::kNotYetValid:
      return 1;
    default:
      return 0;
  }
}

class MandateFilter final : public Filter {
 public:
  explicit MandateFilter(const FilterDeps& deps) : deps_(deps) {}

  std::string_view name() const override { return "mandate"; }

  Task<Verdict> on_call(Exchange& exchange) const override {
    Checked<std::vector<Choice>> choices = decide(exchange);
    if (!choices) co_return Deny{std::move(choices).error()};
    if (exchange.route->mandate.mode == config::MandateMode::kOff) co_return Pass{};
    want_lists(*choices);
    if (exchange.call.is_discovery) {
      Checked<void> shown = co_await discover(exchange, *choices);
      if (!shown) co_return Deny{std::move(shown).error()};
      co_return Pass{};
    }
    Checked<void> taken;
    for (const Choice& choice : *choices) {
      taken = co_await stands(*choice.chain, exchange.call.tool);
      if (taken && choice.proof) {
        Checked<void> fresh = co_await deps_.replays.remember(
            choice.chain->holder_key(), *choice.proof, exchange.now, deps_.limits.proof_window);
        if (!fresh) co_return Deny{with_tool(std::move(fresh).error(), exchange.call.tool)};
      }
      if (taken) taken = co_await take(exchange, *choice.chain);
      if (taken) {
        use(exchange, choice);
        co_return Pass{};
      }
      // People are being asked: those of the next receipt are only once these have said no.
      if (!taken.error().ticket.empty()) break;
    }
    co_return Deny{std::move(taken).error()};
  }

  Task<void> on_unsent(Exchange& exchange) const override {
    const std::vector<receipt::Charge> charges = std::exchange(exchange.charges, {});
    if (charges.empty()) co_return;
    // What cannot be given back stays spent.
    static_cast<void>(co_await deps_.ledger.give_back(charges, exchange.now));
  }

  bool shows(const Exchange& exchange, std::string_view tool) const override {
    if (exchange.route->mandate.mode == config::MandateMode::kOff) return true;
    return std::any_of(exchange.chains.begin(), exchange.chains.end(),
                       [&](const ChainPtr& chain) { return chain->grants_tool(tool); });
  }

 private:
  // A chain under which the call may go out, if it still stands and its budgets have enough left.
  struct Choice {
    ChainPtr chain;
    std::shared_ptr<const Wallet> wallet;  // null: the call brought the chain
    const Wallet::Entry* entry = nullptr;
    std::optional<receipt::Proof> proof = std::nullopt;  // that must not have been used before
  };

  // For a call at least one, best first; for discovery what there is.
  Checked<std::vector<Choice>> decide(Exchange& exchange) const {
    if (exchange.route->mandate.mode == config::MandateMode::kOff) return std::vector<Choice>();
    const bool from_wallet = exchange.call.receipts.empty() && attaches(exchange);
    if (exchange.call.is_discovery) return from_wallet ? all_of_wallet(exchange) : given(exchange);
    return from_wallet ? call_with_wallet(exchange) : call(exchange);
  }

  // So that the lists of all choices are fetched at once, not one after the other.
  void want_lists(const std::vector<Choice>& choices) const {
    if (deps_.status == nullptr || choices.size() < 2) return;
    for (const Choice& choice : choices) deps_.status->want(*choice.chain);
  }

  // Whether no receipt of the chain was taken back: asked for every call, also where the chain is
  // known from the cache, or is passed on and asked about again.
  Task<Checked<void>> stands(const receipt::VerifiedChain& chain, const std::string& tool) const {
    Checked<void> outcome = co_await check_status(deps_.status, chain);
    if (!outcome) outcome.error().tool = tool;
    co_return outcome;
  }

  // What the call uses up: an approval, where one is asked for, and a share of the budgets. Where
  // the chain is passed on, the far side, which acts on it, sees to both.
  Task<Checked<void>> take(Exchange& exchange, const receipt::VerifiedChain& chain) const {
    Checked<void> taken;
    if (passes_on(exchange)) co_return taken;
    Checked<std::optional<Approval>> approval = co_await approved(exchange, chain);
    if (!approval) co_return tl::unexpected(std::move(approval).error());
    taken = co_await charge(exchange, chain);
    if (!taken || !*approval) co_return taken;
    taken = co_await use_up(exchange, chain, std::move(**approval));
    if (!taken) co_await on_unsent(exchange);
    co_return taken;
  }

  // nullopt where none is asked for.
  Task<Checked<std::optional<Approval>>> approved(const Exchange& exchange,
                                                  const receipt::VerifiedChain& chain) const {
    Checked<std::optional<Approval>> none;
    const auto approvers = receipt::approvers_of(chain, exchange.call.tool);
    if (!approvers) co_return tl::unexpected(approvers.error());
    if (*approvers == nullptr) co_return none;
    if (carries_answers(exchange.call)) {
      co_return refuse(
          receipt::Code::kApprovalRequired, exchange.call.tool,
          "A person must approve this very call first, and nobody can approve one that "
          "answers a question of the server: what it says is not shown.");
    }
    Checked<Approval> found = co_await deps_.approvals.find(
        chain, exchange.upstream->name, exchange.call.tool, arguments_of(exchange.call),
        **approvers, exchange.now, deps_.fetcher, deps_.rng, deps_.clock);
    if (!found) co_return tl::unexpected(std::move(found).error());
    co_return std::optional<Approval>(std::move(*found));
  }

  // Once: the ticket is remembered for longer than any approval of it can be good.
  Task<Checked<void>> use_up(Exchange& exchange, const receipt::VerifiedChain& chain,
                             Approval approval) const {
    deps_.approvals.forget(approval.ticket);
    const receipt::Proof used{"approval " + approval.ticket, exchange.now};
    Checked<void> first =
        co_await deps_.replays.remember(chain.holder_key(), used, exchange.now,
                                        receipt::kApprovalLifetimeMax + deps_.limits.iat_skew_max);
    if (first) exchange.approval = std::move(approval);
    if (!first) first.error().tool = exchange.call.tool;
    co_return first;
  }

  // All budgets of the chain, or none.
  Task<Checked<void>> charge(Exchange& exchange, const receipt::VerifiedChain& chain) const {
    const std::string& tool = exchange.call.tool;
    Checked<void> outcome;
    Checked<std::vector<receipt::Charge>> charges =
        receipt::charges_of(chain, tool, arguments_of(exchange.call));
    if (!charges) {
      outcome = tl::unexpected(std::move(charges).error());
    } else if (!charges->empty()) {
      const Result<std::optional<std::size_t>> over =
          co_await deps_.ledger.charge(*charges, exchange.now);
      if (!over) {
        outcome = refuse(receipt::Code::kInternal, tool,
                         "What is left of the receipt's budget cannot be found out; try later.");
      } else if (*over) {
        outcome = tl::unexpected(receipt::budget_spent((*charges)[**over], tool));
      } else {
        exchange.charges = std::move(*charges);
      }
    }
    co_return outcome;
  }

  void use(Exchange& exchange, const Choice& choice) const {
    exchange.chains.push_back(choice.chain);
    if (!passes_on(exchange)) return;
    if (choice.entry == nullptr) {
      exchange.receipts = exchange.call.receipts;
      return;
    }
    exchange.receipts = choice.entry->tokens;
    if (exchange.route->mandate.proof == config::ProofMode::kRequired) {
      sign(exchange, *choice.chain, *choice.wallet, arguments_of(exchange.call));
    }
  }

  static Checked<void> check_call(const receipt::VerifiedChain& chain, const protocol::Call& call) {
    Checked<void> granted = receipt::check_call(chain, call.tool, arguments_of(call));
    if (granted)
      granted = receipt::check_conditions(chain, call.tool, {.approval = true, .status = true});
    return granted;
  }

  bool attaches(const Exchange& exchange) const {
    return exchange.route->mandate.mode == config::MandateMode::kAttach && deps_.wallet != nullptr;
  }
  static bool passes_on(const Exchange& exchange) {
    return exchange.upstream->receipts == config::ReceiptForwarding::kPass;
  }

  // Beside the agent the proxy itself is the workload that presents receipts further on, and the
  // instance of it that a receipt can name is the local process that calls.
  receipt::Presenter presenter(const Exchange& exchange,
                               const receipt::Selectors* selectors) const {
    const config::Mandate& rule = exchange.route->mandate;
    const bool own = rule.mode == config::MandateMode::kAttach;
    const identity::PeerIdentity& caller = exchange.caller;
    const bool vouched =
        std::any_of(rule.instance_vouchers.begin(), rule.instance_vouchers.end(),
                    [&](const std::string& pattern) {
                      return identity::spiffe_id_matches(pattern, caller.spiffe_id);
                    });
    return {own ? std::string_view(deps_.own_spiffe_id) : caller.spiffe_id, rule.audiences,
            selectors, vouched};
  }

  // What is attested of the instance that presents the chain: the local process by the kernel, and
  // by hardware the place where the key is that signs this call's proof.
  Checked<receipt::Selectors> attested(const Exchange& exchange,
                                       const receipt::VerifiedChain& chain) const {
    const protocol::Call& call = exchange.call;
    receipt::Selectors known;
    if (exchange.caller.instance) known = exchange.caller.instance->selectors;
    const bool proves = call.proof && !call.receipts.empty() && !call.is_discovery;
    if (!call.evidence || !proves || deps_.evidence == nullptr) return known;
    const Clock::WallTime now(std::chrono::duration_cast<Clock::WallTime::duration>(
        std::chrono::duration<double>(exchange.now)));
    Result<receipt::Selectors> shown =
        deps_.evidence->selectors(*call.evidence, chain.holder_key().thumbprint(), now);
    if (!shown) {
      return refuse(
          receipt::Code::kWrongInstance, call.tool,
          "The evidence that came with the call is not good: " + shown.error().text + ".");
    }
    known.merge(*shown);
    return known;
  }

  Checked<ChainPtr> verify(const Exchange& exchange, const std::vector<std::string>& tokens) const {
    const std::vector<std::string_view> chain = views(tokens);
    Checked<ChainPtr> verified =
        deps_.chains.verify(chain, deps_.anchors, exchange.now, deps_.limits);
    if (!verified) return verified;
    Checked<receipt::Selectors> selectors;
    const bool asked = (*verified)->mandate((*verified)->size() - 1).instance.has_value();
    if (asked) selectors = attested(exchange, **verified);
    if (!selectors) return tl::unexpected(std::move(selectors).error());
    const Checked<void> presented =
        receipt::check_presenter(**verified, presenter(exchange, &*selectors));
    if (!presented) return tl::unexpected(presented.error());
    return verified;
  }

  // A tool call that brought its receipt.
  Checked<std::vector<Choice>> call(Exchange& exchange) const {
    const protocol::Call& call = exchange.call;
    if (call.receipts.empty()) {
      return refuse(receipt::Code::kNoReceipt, call.tool,
                    "The call carries no delegation receipt; \"" + call.tool + "\" needs one.");
    }
    const Checked<ChainPtr> chain = verify(exchange, call.receipts);
    if (!chain) return tl::unexpected(with_tool(chain.error(), call.tool));
    const Checked<void> granted = check_call(**chain, call);
    if (!granted) return tl::unexpected(granted.error());
    const Checked<std::optional<receipt::Proof>> proven =
        check_proof(exchange, **chain, arguments_of(call));
    if (!proven) return tl::unexpected(with_tool(proven.error(), call.tool));
    return std::vector<Choice>{{*chain, nullptr, nullptr, *proven}};
  }

  // The proof that must not have been used before, if there is one and we are who remembers.
  Checked<std::optional<receipt::Proof>> check_proof(Exchange& exchange,
                                                     const receipt::VerifiedChain& chain,
                                                     const json::Value& arguments) const {
    const config::Mandate& rule = exchange.route->mandate;
    const protocol::Call& call = exchange.call;
    if (rule.proof == config::ProofMode::kMtls && !call.proof) {
      if (exchange.caller.proof == identity::PeerIdentity::Proof::kWorkloadToken) {
        return refuse(receipt::Code::kNoProof, call.tool,
                      "A Workload Proof Token does not cover the call: without mTLS or a signed "
                      "request the receipt needs a proof of its own.");
      }
      // check_presenter compared the leaf's holder with the peer; here it must name one at all.
      if (!chain.mandate(chain.size() - 1).holder) {
        return refuse(receipt::Code::kWrongHolder, call.tool,
                      "Without a proof per call the receipt must name its holder.");
      }
      return std::nullopt;
    }
    if (!call.proof) {
      if (attaches(exchange) && chain.holder_key() == deps_.wallet->current()->key.public_key()) {
        if (passes_on(exchange)) sign(exchange, chain, *deps_.wallet->current(), arguments);
        return std::nullopt;
      }
      return refuse(receipt::Code::kNoProof, call.tool,
                    "The receipt came without a proof of possession for this call.");
    }
    const Checked<receipt::Proof> proof = receipt::verify_proof(
        chain, *call.proof, call.tool, arguments, rule.audiences, exchange.now, deps_.limits);
    if (!proof) return tl::unexpected(proof.error());
    if (passes_on(exchange)) {
      exchange.proof = *call.proof;  // the far side, which acts on it, remembers it
      return std::nullopt;
    }
    return *proof;
  }

  // A tool call for which the wallet must have something.
  Checked<std::vector<Choice>> call_with_wallet(Exchange& exchange) const {
    const protocol::Call& call = exchange.call;
    const std::shared_ptr<const Wallet> wallet = deps_.wallet->current();
    std::vector<Choice> choices;
    std::optional<Refusal> nearest;
    for (const Wallet::Entry& entry : wallet->entries) {
      const Checked<ChainPtr> chain = verify_own(exchange, *wallet, entry);
      Checked<void> granted;
      if (!chain) {
        granted = tl::unexpected(with_tool(chain.error(), call.tool));
      } else {
        granted = check_call(**chain, call);
      }
      if (granted) {
        choices.push_back({*chain, wallet, &entry});
      } else if (!nearest || progress(granted.error().code) > progress(nearest->code)) {
        nearest = granted.error();
      }
    }
    if (choices.empty()) {
      if (nearest) return tl::unexpected(std::move(*nearest));
      return refuse(receipt::Code::kNoReceipt, call.tool,
                    "The wallet holds no delegation receipt; \"" + call.tool + "\" needs one.");
    }
    // People are asked only where nothing else permits the call.
    const auto rank = [&](const Choice& choice) {
      const auto approvers = receipt::approvers_of(*choice.chain, call.tool);
      return std::tuple(!approvers || *approvers != nullptr, breadth(*choice.chain), choice.entry);
    };
    std::sort(choices.begin(), choices.end(),
              [&](const Choice& a, const Choice& b) { return rank(a) < rank(b); });
    return choices;
  }

  Checked<ChainPtr> verify_own(const Exchange& exchange, const Wallet& wallet,
                               const Wallet::Entry& entry) const {
    Checked<ChainPtr> chain = verify(exchange, entry.tokens);
    if (chain && !((*chain)->holder_key() == wallet.key.public_key())) {
      return refuse(receipt::Code::kWrongHolder, {},
                    "The receipt in the wallet is bound to another holder's key.");
    }
    return chain;
  }

  void sign(Exchange& exchange, const receipt::VerifiedChain& chain, const Wallet& wallet,
            const json::Value& arguments) const {
    const std::vector<std::string>& audiences = exchange.route->mandate.audiences;
    exchange.proof = receipt::prove(chain, wallet.key, exchange.call.tool, arguments,
                                    audiences.empty() ? std::string_view() : audiences.front(),
                                    exchange.now, deps_.rng.identifier());
  }

  // What names no tool: a receipt that is there must be good, and is needed only where the route
  // says so. No proof is asked for, since no tool is invoked.
  Task<Checked<void>> discover(Exchange& exchange, const std::vector<Choice>& choices) const {
    const Choice* widest = nullptr;  // shown to the far side
    for (const Choice& choice : choices) {
      Checked<void> standing = co_await stands(*choice.chain, exchange.call.tool);
      if (!standing && choice.entry == nullptr) co_return standing;
      if (!standing) continue;
      exchange.chains.push_back(choice.chain);
      if (widest == nullptr || breadth(*widest->chain) < breadth(*choice.chain)) widest = &choice;
    }
    if (widest != nullptr && passes_on(exchange)) {
      exchange.receipts = widest->entry == nullptr ? exchange.call.receipts : widest->entry->tokens;
    }
    co_return allow_discovery(exchange);
  }

  // The receipt that came with it, if any.
  Checked<std::vector<Choice>> given(const Exchange& exchange) const {
    std::vector<Choice> choices;
    if (exchange.call.receipts.empty()) return choices;
    const Checked<ChainPtr> chain = verify(exchange, exchange.call.receipts);
    if (!chain) return tl::unexpected(chain.error());
    choices.push_back({*chain, nullptr, nullptr});
    return choices;
  }

  Checked<std::vector<Choice>> all_of_wallet(const Exchange& exchange) const {
    const std::shared_ptr<const Wallet> wallet = deps_.wallet->current();
    std::vector<Choice> choices;
    for (const Wallet::Entry& entry : wallet->entries) {
      const Checked<ChainPtr> chain = verify_own(exchange, *wallet, entry);
      if (chain) choices.push_back({*chain, wallet, &entry});
    }
    return choices;
  }

  static Checked<void> allow_discovery(const Exchange& exchange) {
    if (exchange.route->mandate.discovery == config::Discovery::kReceipt &&
        exchange.chains.empty()) {
      return refuse(receipt::Code::kNoReceipt, {},
                    "This server shows itself only to holders of a delegation receipt.");
    }
    return {};
  }

  static Refusal with_tool(Refusal refusal, const std::string& tool) {
    if (refusal.tool.empty()) refusal.tool = tool;
    return refusal;
  }

  FilterDeps deps_;
};

}  // namespace

Result<std::unique_ptr<const Filter>> make_mandate_filter(const FilterDeps& deps) {
  return std::make_unique<MandateFilter>(deps);
}

}  // namespace mandated
