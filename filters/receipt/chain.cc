// AAT section 7, steps 1 to 6a, in the draft's order; the profile's checks follow each token's own.
// A token's payload is parsed once, at step 2c, where only `jti` is read from it; all other claims
// are read after its signature verified.
#include "filters/receipt/chain.h"

#include <algorithm>
#include <array>
#include <optional>

#include "filters/receipt/anchor.h"
#include "filters/receipt/base64url.h"
#include "filters/receipt/ceiling.h"
#include "filters/receipt/claims.h"
#include "filters/receipt/digest.h"
#include "filters/receipt/jose.h"
#include "filters/receipt/mandate.h"
#include "filters/receipt/verify.h"
#include "filters/receipt/webauthn.h"

namespace mandated::receipt {
namespace {

struct Hop {
  Segments segments;  // views into the caller's tokens: not to be used after verification
  json::Document payload;
  Claims claims;
};

std::string name_of(std::size_t hop) {
  return hop == 0 ? "The root receipt" : "The receipt at hop " + std::to_string(hop);
}

Refusal at_hop(Refusal refusal, std::size_t hop) {
  refusal.hop = static_cast<int>(hop);
  return refusal;
}

tl::unexpected<Refusal> refuse_at(Code code, std::size_t hop, std::string sentence) {
  return tl::unexpected(at_hop(refuse(code, std::move(sentence)).value(), hop));
}

// What depends on the time of asking: kExpired, kNotYetValid.
Checked<void> check_now(const Claims& claims, std::size_t hop, Seconds now, Seconds skew) {
  if (!(claims.expires > now)) {
    return refuse(Code::kExpired, name_of(hop) + " expired at " + time_text(claims.expires) + ".");
  }
  if (claims.issued_at > now + skew) {
    return refuse(Code::kNotYetValid, name_of(hop) + " was issued in the future, at " +
                                          time_text(claims.issued_at) + ".");
  }
  if (claims.mandate.not_before.value_or(now) > now) {
    return refuse(Code::kNotYetValid, name_of(hop) + " is not valid before " +
                                          time_text(*claims.mandate.not_before) + ".");
  }
  return {};
}

class Verified final : public VerifiedChain {
 public:
  Verified(std::vector<Hop> hops, std::optional<PublicKey> root_signer, Seconds skew)
      : hops_(std::move(hops)),
        root_signer_(std::move(root_signer)),
        skew_(skew),
        digest_(sha256_text(hops_.back().segments.signing_input)) {
    expires_ = leaf().expires;
    not_before_ = leaf().issued_at - skew_;
    for (Hop& hop : hops_) {
      hop.segments = {};
      expires_ = std::min(expires_, hop.claims.expires);
      not_before_ = std::max(not_before_, hop.claims.mandate.not_before.value_or(not_before_));
    }
  }

  std::size_t size() const override { return hops_.size(); }
  const std::string& jti(std::size_t hop) const override { return hops_.at(hop).claims.jti; }
  const Mandate& mandate(std::size_t hop) const override { return hops_.at(hop).claims.mandate; }
  std::string account(std::size_t hop) const override {
    const PublicKey* key = signer(hop);
    const std::array<std::string_view, 2> parts{
        key == nullptr ? std::string_view() : std::string_view(key->thumbprint()), jti(hop)};
    return encode_base64url(sha256_framed(parts));
  }
  const PublicKey* signer(std::size_t hop) const override {
    if (hop > 0) return &hops_.at(hop - 1).claims.holder;
    return root_signer_ ? &*root_signer_ : nullptr;
  }
  Seconds expires(std::size_t hop) const override { return hops_.at(hop).claims.expires; }
  const PublicKey& holder_key() const override { return leaf().holder; }
  Seconds expires() const override { return expires_; }
  Seconds not_before() const override { return not_before_; }
  int depth_left() const override { return static_cast<int>(leaf().depth_max - leaf().depth); }
  std::vector<std::string_view> tools() const override {
    std::vector<std::string_view> names;
    for (const auto& tool : leaf().capability.tools()) names.push_back(tool.name);
    return names;
  }
  bool grants_tool(std::string_view tool) const override {
    return leaf().capability.find(tool) != nullptr;
  }
  const std::string& digest() const override { return digest_; }
  const Capability& capability() const override { return leaf().capability; }
  const json::Value& claims(std::size_t hop) const override { return hops_.at(hop).payload.root(); }

  Checked<void> valid_at(Seconds now) const override {
    if (now < expires_ && now >= not_before_) return {};
    for (std::size_t hop = 0; hop < hops_.size(); ++hop) {
      if (auto checked = check_now(hops_[hop].claims, hop, now, skew_); !checked) {
        return tl::unexpected(at_hop(std::move(checked.error()), hop));
      }
    }
    return {};
  }

 private:
  const Claims& leaf() const { return hops_.back().claims; }

  std::vector<Hop> hops_;
  std::optional<PublicKey> root_signer_;
  Seconds skew_;
  Seconds expires_ = 0;
  Seconds not_before_ = 0;
  std::string digest_;
};

class Verification {
 public:
  Verification(std::span<const std::string_view> chain, const AnchorSet* anchors, Seconds now,
               const Limits& limits)
      : chain_(chain), anchors_(anchors), now_(now), limits_(limits) {}

  Checked<void> run() {
    auto done = check_sizes().and_then([&] { return open_payloads(); });
    for (std::size_t hop = 0; done && hop < hops_.size(); ++hop) {
      done = hop == 0 ? verify_root() : verify_child(hop);
      if (!done) done = tl::unexpected(at_hop(std::move(done.error()), hop));
    }
    return done.and_then([&] { return check_leaf(); });
  }

  std::vector<Hop> take_hops() { return std::move(hops_); }
  /// The anchor's key; nullopt where no anchor was asked for.
  std::optional<PublicKey> root_signer() const {
    return root_anchor_ == nullptr ? std::nullopt : std::optional(root_anchor_->key);
  }

 private:
  // Steps 1, 2a and 2b. A chain longer than any depth allows is refused before its payloads are
  // parsed.
  Checked<void> check_sizes() const {
    if (chain_.empty()) return refuse(Code::kNoReceipt, "The call carries no delegation receipt.");
    std::size_t total = 0;
    for (std::size_t hop = 0; hop < chain_.size(); ++hop) {
      total += chain_[hop].size();
      if (chain_[hop].size() > limits_.token_bytes_max) {
        return refuse_at(Code::kTooLarge, hop,
                         name_of(hop) + " is longer than " +
                             std::to_string(limits_.token_bytes_max) + " bytes.");
      }
    }
    if (total > limits_.chain_bytes_max) {
      return refuse(Code::kTooLarge, "The chain of receipts is longer than " +
                                         std::to_string(limits_.chain_bytes_max) + " bytes.");
    }
    if (chain_.size() > static_cast<std::size_t>(limits_.delegation_depth_max) + 1) {
      return refuse(Code::kDepth, "The chain has more than " +
                                      std::to_string(limits_.delegation_depth_max) +
                                      " delegations, the most allowed here.");
    }
    return {};
  }

  // Step 2c: of the claims, only jti, and that untrusted.
  Checked<void> open_payloads() {
    // Constraint trees of the greatest depth, in arrays in objects, stay below this.
    const json::Limits json_limits{.bytes_max = limits_.token_bytes_max, .depth_max = 128};
    hops_.reserve(chain_.size());
    for (std::size_t hop = 0; hop < chain_.size(); ++hop) {
      auto opened = split(chain_[hop]).and_then([&](const Segments& segments) {
        return decode_segment(segments.payload, "payload")
            .and_then(
                [&](const std::string& text) { return parse_object(text, "payload", json_limits); })
            .map([&](json::Document document) {
              hops_.push_back({segments, std::move(document), {}});
            })
            .and_then([&] { return read_jti(hops_.back().payload.root(), hops_.back().claims); });
      });
      if (!opened) return tl::unexpected(at_hop(std::move(opened.error()), hop));
    }
    // A chain is short: see check_sizes.
    for (std::size_t hop = 1; hop < hops_.size(); ++hop) {
      const auto same = [&](const Hop& other) { return other.claims.jti == hops_[hop].claims.jti; };
      if (std::none_of(hops_.begin(), hops_.begin() + static_cast<std::ptrdiff_t>(hop), same))
        continue;
      return refuse_at(Code::kBrokenLink, hop, "The chain holds the same receipt twice.");
    }
    return {};
  }

  // Step 3, and the profile.
  Checked<void> verify_root() {
    Hop& root = hops_.front();
    const json::Value& payload = root.payload.root();
    return verify_root_signature()
        .and_then([&] { return read_depths(payload, root.claims); })
        .and_then([&] { return check_root_depth(root); })
        .and_then([&] { return read_times(payload, root.claims); })
        .and_then([&] { return check_now(root.claims, 0, now_, limits_.iat_skew_max); })
        .and_then([&] { return check_lifetime(root.claims); })
        .and_then([&] { return check_depth_max(root.claims); })
        .and_then([&] { return read_issuer(payload, root.claims); })
        .and_then([&] { return check_root_issuer(root.claims); })
        .and_then([&] { return read_holder(payload, root.claims); })
        .and_then([&] { return read_capability(payload, limits_, root.claims); })
        .and_then([&] { return check_one_grant(root.claims); })
        .and_then([&] { return read_mandate(payload, root.claims); })
        .and_then([&] { return check_now(root.claims, 0, now_, limits_.iat_skew_max); })
        .and_then([&] { return check_anchor(root.claims); });
  }

  // Step 4, and the profile.
  Checked<void> verify_child(std::size_t hop) {
    const Hop& parent = hops_[hop - 1];
    Hop& child = hops_[hop];
    const json::Value& payload = child.payload.root();
    return verify_signature(child.segments, parent.claims.holder)
        .and_then([&] { return read_holder(payload, child.claims); })
        .and_then([&] { return find_details(payload).map([](const json::Value*) {}); })
        .and_then([&] { return read_depths(payload, child.claims); })
        .and_then([&] { return read_issuer(payload, child.claims); })
        .and_then([&] { return read_times(payload, child.claims); })
        .and_then([&] { return read_parent_hash(payload, child.claims); })
        .and_then([&] { return check_child_issuer(child.claims, parent.claims); })
        .and_then([&] { return check_child_depth(child.claims, parent.claims); })
        .and_then([&] { return check_child_times(child.claims, parent.claims, hop); })
        .and_then([&] { return read_capability(payload, limits_, child.claims); })
        .and_then([&] { return child.claims.capability.within(parent.claims.capability, effort_); })
        .and_then([&] { return check_link(child, parent); })
        .and_then([&] { return read_mandate(payload, child.claims); })
        .and_then([&] { return check_now(child.claims, hop, now_, limits_.iat_skew_max); })
        .and_then([&] {
          return mandate_within(child.claims.mandate, child.claims.capability,
                                parent.claims.mandate);
        });
  }

  // Step 6a. Step 5, that the leaf's depth fits the chain's length, follows from 3c and 4d.
  Checked<void> check_leaf() const {
    auto checked = check_one_grant(hops_.back().claims);
    if (!checked) return tl::unexpected(at_hop(std::move(checked.error()), hops_.size() - 1));
    return {};
  }

  // Steps 3a and 3b: the anchors that `kid` names first, then the others that fit the algorithm, up
  // to a bound.
  Checked<void> verify_root_signature() {
    const Segments& segments = hops_.front().segments;
    const auto header = read_header(segments.header, TokenKind::kRoot);
    if (!header) return tl::unexpected(header.error());
    const auto signature = decode_segment(segments.signature, "signature");
    if (!signature) return tl::unexpected(signature.error());
    if (anchors_ == nullptr) return {};
    const bool by_passkey = !header->algorithm;
    const auto fits = [&](const Anchor& anchor) {
      return anchor.passkey ? by_passkey : anchor.key.type() == header->algorithm;
    };
    const auto& anchors = anchors_->anchors();
    if (!anchors.empty() && std::none_of(anchors.begin(), anchors.end(), fits)) {
      return refuse(Code::kBadAlg, "The root receipt's algorithm fits no trusted key.");
    }
    if (by_passkey) {
      return verify_with_passkey(*anchors_, header->kid, segments.signing_input, *signature)
          .map([&](const Anchor* anchor) { root_anchor_ = anchor; });
    }
    root_anchor_ = find_signer(*anchors_, *header, segments.signing_input, *signature);
    if (root_anchor_ != nullptr) return {};
    return refuse(Code::kUntrustedRoot,
                  "The root receipt is not signed by a key that is trusted here.");
  }

  // Steps 4a and 4b.
  static Checked<void> verify_signature(const Segments& segments, const PublicKey& key) {
    const auto header = read_header(segments.header, TokenKind::kReceipt);
    if (!header) return tl::unexpected(header.error());
    if (header->algorithm != key.type()) {
      return refuse(Code::kBadAlg,
                    "The receipt's algorithm does not fit the key of its parent's holder.");
    }
    const auto signature = decode_segment(segments.signature, "signature");
    if (!signature) return tl::unexpected(signature.error());
    if (!key.verify(segments.signing_input, *signature)) {
      return refuse(Code::kBadSignature, "The receipt is not signed by the holder of its parent.");
    }
    return {};
  }

  // Steps 3c and 3d.
  static Checked<void> check_root_depth(const Hop& root) {
    if (root.claims.depth != 0)
      return refuse(Code::kDepth, "The root receipt's del_depth is not 0.");
    if (root.payload.root().find("par_hash") != nullptr) {
      return refuse(Code::kBrokenLink, "The root receipt names a parent.");
    }
    return {};
  }

  // Steps 3g and 3h; for children the second is implied, and checked all the same.
  Checked<void> check_lifetime(const Claims& claims) const {
    if (!(claims.expires > claims.issued_at)) {
      return refuse(Code::kLifetime, "The receipt expires before it is issued.");
    }
    if (claims.expires > claims.issued_at + limits_.token_lifetime_max) {
      return refuse(Code::kLifetime, "The receipt lives longer than " +
                                         json::number_text(limits_.token_lifetime_max) +
                                         " s, the most allowed here.");
    }
    return {};
  }

  // Step 3i.
  Checked<void> check_depth_max(const Claims& claims) const {
    if (claims.depth_max <= limits_.delegation_depth_max) return {};
    return refuse(Code::kDepth, "The receipt admits more than " +
                                    std::to_string(limits_.delegation_depth_max) +
                                    " delegations, the most allowed here.");
  }

  // Step 3k.
  static Checked<void> check_root_issuer(const Claims& claims) {
    if (is_uri(claims.issuer)) return {};
    return refuse(Code::kMalformed, "The root receipt's issuer is not a URI.");
  }

  // Steps 3m and 6a.
  static Checked<void> check_one_grant(const Claims& claims) {
    if (claims.capability.present()) return {};
    return refuse(Code::kMalformed,
                  "The receipt has no grant of type \"attenuating_agent_token\".");
  }

  // Profile section 4: a person's key speaks for that person only, and grants no more than its
  // ceiling. Of several anchors with the key that signed, any may allow it.
  Checked<void> check_anchor(const Claims& root) {
    if (root_anchor_ == nullptr) return {};
    Checked<void> answer =
        refuse(Code::kUntrustedRoot,
               "The root receipt is signed by a key that may not speak for its user.");
    for (const Anchor& anchor : anchors_->anchors()) {
      if (!is_signer(anchor) || !speaks_for(anchor, root.mandate.user)) continue;
      answer = anchor.ceiling == nullptr ? Checked<void>() : anchor.ceiling->check(root, effort_);
      if (answer) break;
    }
    return answer;
  }

  bool is_signer(const Anchor& anchor) const {
    if (root_anchor_->passkey || anchor.passkey) return &anchor == root_anchor_;
    return anchor.key == root_anchor_->key;
  }

  static bool speaks_for(const Anchor& anchor, const std::optional<std::string>& user) {
    return anchor.user ? anchor.user == user : !anchor.passkey;
  }

  // Step 4c.
  static Checked<void> check_child_issuer(const Claims& child, const Claims& parent) {
    if (is_thumbprint_uri(child.issuer, parent.holder)) return {};
    return refuse(Code::kBrokenLink, "The receipt's issuer is not the holder of its parent.");
  }

  // Steps 4d to 4g, and 4m. That a child is no deeper than is allowed here follows from its root's
  // del_max_depth (step 3i), which every del_max_depth below is held to.
  static Checked<void> check_child_depth(const Claims& child, const Claims& parent) {
    if (child.depth != parent.depth + 1) {
      return refuse(Code::kDepth, "The receipt's del_depth is not one more than its parent's.");
    }
    if (child.depth > parent.depth_max) {
      return refuse(Code::kDepth, "The receipt's parent admits no further delegation.");
    }
    if (child.depth_max > parent.depth_max) {
      return refuse(Code::kDepth, "The receipt admits more delegations than its parent.");
    }
    if (child.depth > child.depth_max)
      return refuse(Code::kDepth, "The receipt is deeper than it itself admits.");
    return {};
  }

  // Steps 4h to 4l.
  Checked<void> check_child_times(const Claims& child, const Claims& parent,
                                  std::size_t hop) const {
    if (child.expires > parent.expires)
      return refuse(Code::kLifetime, "The receipt outlives its parent.");
    if (child.issued_at < parent.issued_at)
      return refuse(Code::kLifetime, "The receipt is older than its parent.");
    return check_now(child, hop, now_, limits_.iat_skew_max).and_then([&] {
      return check_lifetime(child);
    });
  }

  // Step 4q.
  static Checked<void> check_link(const Hop& child, const Hop& parent) {
    if (child.claims.parent_hash == sha256_text(parent.segments.signing_input)) return {};
    return refuse(Code::kBrokenLink, "The receipt was made for another parent.");
  }

  std::span<const std::string_view> chain_;
  const AnchorSet* anchors_;
  Seconds now_;
  const Limits& limits_;
  std::vector<Hop> hops_;
  const Anchor* root_anchor_ = nullptr;
  Effort effort_;
};

Checked<void> check_selectors(const Selectors& wanted, const Selectors* attested) {
  for (const auto& [type, value] : wanted) {
    const bool known = attested != nullptr && attested->contains(type);
    if (known && attested->find(type)->second == value) continue;
    return refuse(Code::kWrongInstance,
                  "This receipt is for one instance, whose " + shown(type) +
                      (known ? " differs from the presenter's." : " is not attested here."));
  }
  return {};
}

Checked<ChainPtr> verify(std::span<const std::string_view> chain, const AnchorSet* anchors,
                         Seconds now, const Limits& limits) {
  Verification verification(chain, anchors, now, limits);
  if (auto done = verification.run(); !done) return tl::unexpected(std::move(done.error()));
  return std::make_shared<const Verified>(verification.take_hops(), verification.root_signer(),
                                          limits.iat_skew_max);
}

}  // namespace

std::string chain_digest(std::span<const std::string_view> chain) {
  const std::string_view leaf = chain.empty() ? std::string_view() : chain.back();
  return sha256_text(leaf.substr(0, leaf.rfind('.')));
}

Checked<ChainPtr> verify_links(std::span<const std::string_view> chain, Seconds now,
                               const Limits& limits) {
  return verify(chain, nullptr, now, limits);
}

Checked<ChainPtr> verify_chain(std::span<const std::string_view> chain, const AnchorSet& anchors,
                               Seconds now, const Limits& limits) {
  return verify(chain, &anchors, now, limits);
}

Checked<void> check_presenter(const VerifiedChain& chain, const Presenter& presenter) {
  const std::size_t leaf = chain.size() - 1;
  const auto& holder = chain.mandate(leaf).holder;
  if (holder && *holder != presenter.spiffe_id) {
    return refuse_at(Code::kWrongHolder, leaf,
                     "This receipt may be presented by " + shown(*holder) + " only.");
  }
  for (std::size_t hop = 0; hop < leaf; ++hop) {
    const auto& holders = chain.mandate(hop).holders;
    if (holders && !spiffe_matches_any(*holders, presenter.spiffe_id)) {
      return refuse_at(Code::kWrongHolder, hop,
                       name_of(hop) + " may not be delegated to the workload that presents it.");
    }
  }
  if (!presenter.instance_elsewhere) {
    if (auto checked = check_instance(chain, presenter.selectors); !checked) return checked;
  }
  return check_audience(chain, presenter.audiences);
}

Checked<void> check_instance(const VerifiedChain& chain, const Selectors* selectors) {
  const std::size_t leaf = chain.size() - 1;
  const auto& instance = chain.mandate(leaf).instance;
  if (!instance) return {};
  auto checked = check_selectors(*instance, selectors);
  if (!checked) return tl::unexpected(at_hop(std::move(checked.error()), leaf));
  return {};
}

Checked<void> check_audience(const VerifiedChain& chain, std::span<const std::string> audiences) {
  for (std::size_t hop = 0; hop < chain.size(); ++hop) {
    const auto& admitted = chain.mandate(hop).audience;
    if (!admitted) continue;
    const bool here = std::any_of(admitted->begin(), admitted->end(), [&](const std::string& each) {
      return std::find(audiences.begin(), audiences.end(), each) != audiences.end();
    });
    if (!here)
      return refuse_at(Code::kWrongAudience, hop, name_of(hop) + " is not meant for use here.");
  }
  return {};
}

Checked<void> check_call(const VerifiedChain& chain, std::string_view tool,
                         const json::Value& arguments) {
  auto checked = chain.capability().check_call(tool, arguments);
  if (!checked) return tl::unexpected(at_hop(std::move(checked.error()), chain.size() - 1));
  return {};
}

}  // namespace mandated::receipt
