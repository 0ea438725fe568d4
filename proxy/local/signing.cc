#include "proxy/local/signing.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>
#include <utility>

#include "filters/receipt/issue.h"

namespace mandated::local {

namespace {

using receipt::Checked;

// Tries the receipts in turn. If none will do, the refusal of the one that came nearest tells the
// agent most: of the one that grants most of these tools.
Outcome<Signed> first_that(const std::vector<Held>& candidates,
                           const std::vector<std::string>& tools,
                           const std::function<Checked<Signed>(const Held&)>& attempt) {
  std::optional<receipt::Refusal> nearest;
  std::ptrdiff_t most = -1;
  for (const Held& held : candidates) {
    Checked<Signed> done = attempt(held);
    if (done) return std::move(*done);
    const std::ptrdiff_t granted =
        std::count_if(tools.begin(), tools.end(),
                      [&](const std::string& tool) { return (*held.chain)->grants_tool(tool); });
    if (granted <= most) continue;
    most = granted;
    nearest = std::move(done).error();
  }
  return refused(*nearest);
}

Checked<Signed> derive_from(const Held& held, const Wallet& wallet, Holdings& holdings, Rng& rng,
                            const DelegationRequest& request, receipt::Seconds now) {
  const receipt::VerifiedChain& parent = **held.chain;
  receipt::Grant grant;
  grant.tools_json = request.tools_json;
  grant.mandate_json = request.mandate_json;
  grant.holder = request.holder_key;
  // Clocks differ a little; a child must not be older than its parent (AAT section 6, step 2).
  const double parent_issued = parent.claims(parent.size() - 1).find("iat")->number();
  grant.issued_at = std::max(std::floor(now), parent_issued);
  grant.expires = request.lifetime ? grant.issued_at + *request.lifetime : parent.expires();
  grant.depth_max = static_cast<int>(parent.size()) + request.depth;
  grant.jti = rng.identifier();
  std::vector<std::string> tokens = held.entry->tokens;
  const std::vector<std::string_view> views(tokens.begin(), tokens.end());
  const Checked<std::string> child = receipt::derive(views, grant, wallet.key, holdings.limits());
  if (!child) return tl::unexpected(child.error());
  tokens.push_back(*child);
  Checked<receipt::ChainPtr> chain = holdings.verify_chain(tokens, grant.issued_at);
  if (!chain) return tl::unexpected(std::move(chain).error());
  return Signed{held.id, std::move(*chain), std::move(tokens), {}};
}

}  // namespace

Task<Outcome<Signed>> delegate(Holdings& holdings, Rng& rng, const DelegationRequest& request,
                               const receipt::Selectors* asker, receipt::Seconds now) {
  const std::shared_ptr<const Wallet> wallet = holdings.wallet();
  CO_TRY(const std::vector<Held> candidates,
         co_await holdings.candidates(*wallet, request.receipt, asker, now));
  co_return first_that(candidates, request.tools, [&](const Held& held) {
    return derive_from(held, *wallet, holdings, rng, request, now);
  });
}

Task<Outcome<Signed>> attach(Holdings& holdings, Rng& rng, const AttachmentRequest& request,
                             const receipt::Selectors* asker, receipt::Seconds now) {
  const std::shared_ptr<const Wallet> wallet = holdings.wallet();
  CO_TRY(const std::vector<Held> candidates,
         co_await holdings.candidates(*wallet, request.receipt, asker, now));
  static const json::Document kNone = *json::Document::parse("{}");
  const json::Value& arguments = request.arguments != nullptr ? *request.arguments : kNone.root();
  const std::vector<std::string> audiences = {request.audience};
  const std::vector<std::string> tools = {request.tool};
  co_return first_that(candidates, tools, [&](const Held& held) -> Checked<Signed> {
    const receipt::VerifiedChain& chain = **held.chain;
    Checked<void> granted = receipt::check_call(chain, request.tool, arguments);
    if (granted) granted = receipt::check_audience(chain, audiences);
    if (!granted) return tl::unexpected(std::move(granted).error());
    return Signed{held.id, *held.chain, held.entry->tokens,
                  receipt::prove(chain, wallet->key, request.tool, arguments, request.audience, now,
                                 rng.identifier())};
  });
}

}  // namespace mandated::local
