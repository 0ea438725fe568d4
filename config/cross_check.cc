#include "config/cross_check.h"

#include <algorithm>
#include <map>
#include <string>

namespace mandated::config {

namespace {

/// Reports each name that stands twice.
template <class Named>
void check_unique(const Cursor& root, const char* list, const std::vector<Named>& all) {
  std::size_t i = 0;
  root.each(list, [&](const Cursor& at) {
    const auto first = std::find_if(all.begin(), all.end(),
                                    [&](const Named& other) { return other.name == all[i].name; });
    if (static_cast<std::size_t>(first - all.begin()) != i)
      at.problem("name", "\"" + all[i].name + "\" is already the name of item " +
                             std::to_string(first - all.begin()));
    ++i;
  });
}

template <class Named>
const Named* find(const std::vector<Named>& all, const std::string& name) {
  const auto found =
      std::find_if(all.begin(), all.end(), [&name](const Named& one) { return one.name == name; });
  return found == all.end() ? nullptr : &*found;
}

class CrossCheck {
 public:
  CrossCheck(const Cursor& root, Config& config) : root_(root), config_(config) {}

  void run() {
    check_unique(root_, "listeners", config_.listeners);
    check_unique(root_, "routes", config_.routes);
    check_unique(root_, "upstreams", config_.upstreams);
    identity();
    std::size_t i = 0;
    root_.each("listeners", [&](const Cursor& at) { listener(at, i++); });
    i = 0;
    root_.each("upstreams", [&](const Cursor& at) { upstream(at, config_.upstreams[i++]); });
    i = 0;
    root_.each("routes", [&](const Cursor& at) { route(at, config_.routes[i++]); });
    filters();
    receipts();
    local_api();
  }

 private:
  void identity() {
    if (!config_.identity) return;
    if (config_.identity->embedded.has_value() == config_.identity->workload_api.has_value()) {
      root_.problem("identity", "expected embedded or workload_api, one of them");
      return;
    }
    root_.member("identity", [&](const Cursor& identity) {
      if (!config_.identity->embedded) {
        if (!config_.identity->trust_bundles.empty())
          identity.problem("trust_bundles", "goes with embedded: the agent gives the bundles");
        return;
      }
      const EmbeddedIdentity& own = *config_.identity->embedded;
      identity.member("embedded", [&](const Cursor& at) {
        if (trust_domain_of(own.spiffe_id) != own.trust_domain)
          at.problem("spiffe_id", "expected an ID of the trust domain " + own.trust_domain);
      });
      std::map<std::string, bool> seen = {{own.trust_domain, true}};
      std::size_t i = 0;
      identity.each("trust_bundles", [&](const Cursor& at) {
        const std::string& domain = config_.identity->trust_bundles[i++].trust_domain;
        if (!seen.emplace(domain, true).second)
          at.problem("trust_domain", domain + " has its bundle already");
      });
    });
  }

  void listener(const Cursor& at, std::size_t index) {
    const Listener& own = config_.listeners[index];
    const Parsed<ListenAddress> address = parse_listen_address(own.address);
    if (own.tls == ListenerTls::kNone && !address->local) {
      at.problem("tls", "expected mtls: plaintext is allowed on loopback and Unix sockets only");
    }
    if (own.tls == ListenerTls::kMtls && own.is_stdio())
      at.problem("tls", "expected none: whoever started us is at the other end of stdio:");
    if (own.tls == ListenerTls::kMtls && !config_.identity)
      at.problem("tls", "mtls needs /identity");
    if (own.tls == ListenerTls::kNone && own.allow_tls12)
      at.problem("allow_tls12", "goes with tls: mtls only");
    const bool tells_processes = !address->unix_path.empty() && own.tls == ListenerTls::kNone;
    if (!own.allowed_callers.empty() && !tells_processes)
      at.problem("allowed_callers", "goes with a Unix socket and tls: none only");
    if (own.wimse) at.member("wimse", [&](const Cursor& one) { listener_wimse(one, own); });
    for (std::size_t i = 0; i < index; ++i) {
      if (config_.listeners[i].address == own.address && !address->any_port)
        at.problem("address", "is already the address of " + config_.listeners[i].name);
    }
  }

  void listener_wimse(const Cursor& at, const Listener& own) {
    if (!config_.identity) at.problem("needs /identity: its bundles hold the keys");
    if (own.tls == ListenerTls::kMtls) return;
    if (!own.wimse->required)
      at.problem("mode", "expected require: without mtls nothing else says who calls");
    if (!own.wimse->carriers.empty()) at.problem("carriers", "goes with tls: mtls only");
  }

  void upstream(const Cursor& at, const Upstream& own) {
    if (own.is_command()) return;
    if (own.wimse && !(config_.identity && config_.identity->embedded))
      at.problem("wimse", "needs /identity/embedded: agents give no Workload Identity Tokens yet");
    if (own.tls && !config_.identity) at.problem("url", "https needs /identity");
    if (own.tls && own.spiffe_ids.empty())
      at.problem("spiffe_ids", "missing; expected who must be there");
    if (!own.tls && !own.spiffe_ids.empty())
      at.problem("spiffe_ids", "goes with https only: plaintext proves nobody's identity");
  }

  bool serves(const Route& route, const Listener& listener) const {
    return route.listener.empty() || route.listener == listener.name;
  }
  bool serves_any(const Route& route, ListenerTls tls) const {
    return std::any_of(config_.listeners.begin(), config_.listeners.end(),
                       [&](const Listener& one) { return one.tls == tls && serves(route, one); });
  }

  /// Where neither mTLS nor a signed request proves what the peer sent.
  bool serves_unknown(const Route& route) const {
    return std::any_of(
        config_.listeners.begin(), config_.listeners.end(), [&](const Listener& one) {
          const bool is_signed = one.wimse && one.wimse->method != WimseMethod::kToken;
          return one.tls == ListenerTls::kNone && !is_signed && serves(route, one);
        });
  }
  bool serves_wimse(const Route& route) const {
    return std::any_of(
        config_.listeners.begin(), config_.listeners.end(),
        [&](const Listener& one) { return one.wimse.has_value() && serves(route, one); });
  }
  bool serves_wimse_signatures(const Route& route) const {
    return std::any_of(
        config_.listeners.begin(), config_.listeners.end(), [&](const Listener& one) {
          return one.wimse && one.wimse->method != WimseMethod::kToken && serves(route, one);
        });
  }

  void route(const Cursor& at, Route& own) {
    const Upstream* const target = find(config_.upstreams, own.upstream);
    if (target == nullptr) at.problem("upstream", "no upstream has this name");
    if (!own.listener.empty() && find(config_.listeners, own.listener) == nullptr)
      at.problem("listener", "no listener has this name");
    if (own.allowed_peers.empty() && (serves_any(own, ListenerTls::kMtls) || serves_wimse(own)))
      at.problem("allowed_peers",
                 "missing; an mtls or wimse listener needs the SPIFFE IDs that may call");
    if (own.protocol == Protocol::kHttp) {
      if (own.mandate.mode != MandateMode::kOff)
        at.problem("mandate", "expected off: http is passed through unread");
      if (target != nullptr && target->is_command())
        at.problem("protocol", "expected mcp: the upstream is a command");
      const bool signs =
          target != nullptr && target->wimse && target->wimse->method == WimseMethod::kSignature;
      if (signs || serves_wimse_signatures(own))
        at.problem("protocol",
                   "expected mcp: a body that is passed through cannot be signed or "
                   "checked; wimse with method: token can");
    }
    if (target != nullptr && own.mandate.mode != MandateMode::kOff) mandate(at, own, *target);
  }

  void mandate(const Cursor& at, Route& route, const Upstream& target) {
    Mandate& own = route.mandate;
    const auto& anchors = config_.receipts.anchors;
    if (std::none_of(anchors.begin(), anchors.end(),
                     [](const Anchor& one) { return one.use == AnchorUse::kRoots; })) {
      at.problem("mandate", "needs /receipts/anchors: without a trusted key every call is refused");
    }
    // Problems of members that may be absent are shown at the mandate, or at the route without one.
    const auto wrong = [&at](const char* name, const char* text) {
      if (!at.has("mandate")) return at.problem("mandate", std::string(name) + " is " + text);
      at.member("mandate", [&](const Cursor& member) { member.problem(name, text); });
    };
    if (own.mode == MandateMode::kAttach && config_.role == Role::kInbound)
      wrong("mode", "expected enforce: an inbound proxy lends nobody its receipts");
    if (own.mode == MandateMode::kAttach && !config_.receipts.wallet)
      wrong("mode", "attach needs /receipts/wallet");
    // Where the proxy attaches, `proof: mtls` is about the far side: no proof is signed for it.
    if (own.mode == MandateMode::kEnforce && own.proof == ProofMode::kMtls && serves_unknown(route))
      wrong("proof", "mtls needs an mtls listener: elsewhere the peer is not known");
    if (!own.instance_vouchers.empty() && !serves_any(route, ListenerTls::kMtls))
      wrong("instance_vouchers", "needs an mtls listener: elsewhere the peer is not known");
    if (!own.audiences.empty()) return;
    if (config_.role == Role::kInbound && config_.identity &&
        !config_.identity->spiffe_id().empty())
      own.audiences = {config_.identity->spiffe_id()};
    if (config_.role == Role::kOutbound && target.spiffe_ids.size() == 1 &&
        is_exact(target.spiffe_ids.front()))
      own.audiences = target.spiffe_ids;
    const bool signs =
        own.mode == MandateMode::kAttach && target.receipts == ReceiptForwarding::kPass;
    if (own.audiences.empty() && (config_.role == Role::kInbound || signs)) {
      wrong("audiences", config_.role == Role::kInbound
                             ? "missing; expected the names that proofs are made out to"
                             : "missing; expected the name of the far side");
    }
  }

  void filters() {
    const auto count = std::count_if(config_.filters.begin(), config_.filters.end(),
                                     [](const Filter& one) { return one.name == "mandate"; });
    const bool needed =
        std::any_of(config_.routes.begin(), config_.routes.end(),
                    [](const Route& one) { return one.mandate.mode != MandateMode::kOff; });
    if (needed && count != 1)
      root_.problem("filters", "expected mandate, once: a route asks for receipts");
  }

  void receipts() {
    root_.member("receipts", [&](const Cursor& one) {
      std::map<std::string, std::size_t> seen;
      std::size_t i = 0;
      one.each("anchors", [&](const Cursor& at) {
        const std::string& id = config_.receipts.anchors[i].credential_id;
        const auto [first, fresh] = seen.emplace(id, i++);
        if (id.empty() || fresh) return;
        at.member("webauthn", [&](const Cursor& passkey) {
          passkey.problem("credential_id",
                          "is already the passkey of item " + std::to_string(first->second));
        });
      });
    });
    if (config_.receipts.valkey && !config_.receipts.valkey->spiffe_ids.empty() &&
        !config_.identity) {
      root_.member("receipts", [&](const Cursor& one) {
        one.member("valkey",
                   [&](const Cursor& at) { at.problem("spiffe_ids", "needs /identity"); });
      });
    }
    const ReceiptLimits& limits = config_.receipts.limits;
    if (limits.chain_bytes_max >= limits.token_bytes_max) return;
    root_.member("receipts", [&](const Cursor& one) {
      one.member("limits", [&](const Cursor& at) {
        at.problem("chain_bytes_max", "expected at least token_bytes_max");
      });
    });
  }

  void local_api() {
    if (!config_.local_api) return;
    if (config_.role == Role::kInbound)
      root_.problem("local_api", "goes with role: outbound only: it serves the agent beside it");
    if (!config_.receipts.wallet)
      root_.problem("local_api", "needs /receipts/wallet: receipts are bound to its key");
  }

  const Cursor& root_;
  Config& config_;
};

}  // namespace

void cross_check(const Cursor& root, Config& config) { CrossCheck(root, config).run(); }

}  // namespace mandated::config
