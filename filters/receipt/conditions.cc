// What is asked of a call beside the grant (profile section 2): what must come first, whether the
// receipts still stand, what is left of budgets.
#include <array>

#include "filters/receipt/base64url.h"
#include "filters/receipt/chain.h"
#include "filters/receipt/digest.h"
#include "filters/receipt/mandate.h"

namespace mandated::receipt {
namespace {

Refusal refusal_of(Code code, std::size_t hop, std::string_view tool, std::string sentence) {
  Refusal refusal = refuse(code, std::move(sentence)).value();
  refusal.hop = static_cast<int>(hop);
  refusal.tool = tool;
  return refusal;
}

Refusal required(Requirement requirement, std::size_t hop, std::string_view tool) {
  switch (requirement) {
    case Requirement::kReason:
      return refusal_of(Code::kReasonRequired, hop, tool,
                        "The tool " + shown(tool) + " wants an accepted reason first.");
    case Requirement::kApproval:
      return refusal_of(Code::kApprovalRequired, hop, tool,
                        "A person must approve this very call to " + shown(tool) + " first.");
    case Requirement::kClean:
      break;
  }
  return refusal_of(Code::kUnclean, hop, tool,
                    "The tool " + shown(tool) + " wants a session that is known to be clean.");
}

// `account` is the hop's.
Charge charge_of(const VerifiedChain& chain, std::size_t hop, std::string_view account,
                 std::string figure, std::uint64_t cost, std::uint64_t limit) {
  const std::array<std::string_view, 2> parts{account, figure};
  return {encode_base64url(sha256_framed(parts)),
          cost,
          limit,
          chain.expires(hop),
          static_cast<int>(hop),
          std::move(figure)};
}

class Charging {
 public:
  Charging(const VerifiedChain& chain, std::string_view tool, const json::Value& arguments)
      : chain_(chain), tool_(tool), arguments_(arguments) {}

  Checked<std::vector<Charge>> run() {
    for (hop_ = 0; hop_ < chain_.size(); ++hop_) {
      const std::optional<Budget>& budget = chain_.mandate(hop_).budget;
      if (!budget) continue;
      account_ = chain_.account(hop_);
      if (budget->calls) add("calls", 1, *budget->calls);
      if (const auto limit = budget->tools.find(tool_); limit != budget->tools.end())
        add("tools." + limit->first, 1, limit->second);
      for (const auto& [name, limit] : budget->sums) {
        if (auto added = add_sum(name, limit); !added) return tl::unexpected(added.error());
      }
    }
    return std::move(charges_);
  }

 private:
  // A name stands for every way to split it into a tool and an argument: being counted twice only
  // spends more.
  Checked<void> add_sum(const std::string& name, std::uint64_t limit) {
    const std::string_view text = name;
    if (!text.starts_with(tool_) || text.size() <= tool_.size() || text[tool_.size()] != '.')
      return {};
    const std::string_view argument = text.substr(tool_.size() + 1);
    const json::Value* value = arguments_.find(argument);
    if (value == nullptr) {
      return denied(Code::kArgumentMissing, argument,
                    " is counted by the receipt's budget, and the call does not give it.");
    }
    const std::optional<std::uint64_t> cost = millionths_spent(*value);
    if (!cost) {
      return denied(Code::kArgumentDenied, argument,
                    " is counted by the receipt's budget: it must be a number from 0 to 9e9.");
    }
    add("sum." + name, *cost, limit);
    return {};
  }

  tl::unexpected<Refusal> denied(Code code, std::string_view argument, std::string_view why) const {
    Refusal refusal =
        refusal_of(code, hop_, tool_, "The argument " + shown(argument) + std::string(why));
    refusal.argument = argument;
    return tl::unexpected(std::move(refusal));
  }

  void add(std::string figure, std::uint64_t cost, std::uint64_t limit) {
    charges_.push_back(charge_of(chain_, hop_, account_, std::move(figure), cost, limit));
  }

  const VerifiedChain& chain_;
  std::string_view tool_;
  const json::Value& arguments_;
  std::size_t hop_ = 0;
  std::string account_;  // of that hop
  std::vector<Charge> charges_;
};

}  // namespace

Checked<void> check_conditions(const VerifiedChain& chain, std::string_view tool, const Met& met) {
  for (std::size_t hop = 0; hop < chain.size(); ++hop) {
    const Mandate& mandate = chain.mandate(hop);
    if (mandate.status && !met.status) {
      return tl::unexpected(refusal_of(Code::kStatusUnknown, hop, tool,
                                       "Whether the receipt was revoked cannot be found out."));
    }
    const auto wanted = mandate.require.find(tool);
    if (wanted == mandate.require.end()) continue;
    for (const Requirement requirement : wanted->second) {
      if (requirement == Requirement::kApproval && met.approval) continue;
      return tl::unexpected(required(requirement, hop, tool));
    }
  }
  return {};
}

Checked<std::vector<Charge>> charges_of(const VerifiedChain& chain, std::string_view tool,
                                        const json::Value& arguments) {
  return Charging(chain, tool, arguments).run();
}

std::vector<Charge> figures_of(const VerifiedChain& chain) {
  std::vector<Charge> figures;
  for (std::size_t hop = 0; hop < chain.size(); ++hop) {
    const std::optional<Budget>& budget = chain.mandate(hop).budget;
    if (!budget) continue;
    const std::string account = chain.account(hop);
    const auto add = [&](std::string figure, std::uint64_t limit) {
      figures.push_back(charge_of(chain, hop, account, std::move(figure), 0, limit));
    };
    if (budget->calls) add("calls", *budget->calls);
    for (const auto& [tool, limit] : budget->tools) add("tools." + tool, limit);
    for (const auto& [name, limit] : budget->sums) add("sum." + name, limit);
  }
  return figures;
}

Refusal budget_spent(const Charge& charge, std::string_view tool) {
  const std::string whose =
      charge.hop == 0 ? "the root receipt" : "the receipt at hop " + std::to_string(charge.hop);
  return refusal_of(Code::kBudgetSpent, static_cast<std::size_t>(charge.hop), tool,
                    "The budget " + shown(charge.figure) + " of " + whose +
                        " has not enough left for this call.");
}

}  // namespace mandated::receipt
