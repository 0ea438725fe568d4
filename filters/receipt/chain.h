// Verification of delegation chains: draft-niyikiza-oauth-attenuating-agent-tokens-01 (AAT) section
// 7, with the `mandate` profile. Pure: bytes, anchors and a time in; a verified chain or one
// refusal out. No I/O, no clock, no global state, so the filter, the CLI, the batch verifier and
// the fuzzers all call these same functions.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "filters/receipt/key.h"
#include "filters/receipt/refusal.h"
#include "proxy/json/json.h"

namespace mandated::receipt {

/// Seconds since the epoch (NumericDate). Fractions in tokens are allowed and compared exactly.
using Seconds = double;

/// Bounds of AAT Appendix B.5 and of the profile; configurable downwards only.
struct Limits {
  std::size_t token_bytes_max = 65536;
  std::size_t chain_bytes_max = 262144;
  std::size_t tools_max = 256;
  std::size_t constraints_per_tool_max = 64;
  std::size_t constraint_depth_max = 32;
  std::size_t tool_name_bytes_max = 256;
  std::size_t constraint_value_bytes_max = 4096;
  int delegation_depth_max = 16;
  Seconds iat_skew_max = 30;
  Seconds proof_window = 30;
  Seconds token_lifetime_max = 90.0 * 86400;
  /// A proof repeats the call's arguments, so it may be as long as a body in base64url.
  std::size_t proof_bytes_max = 8U << 20U;

  bool operator==(const Limits&) const = default;
};

/// Where a registered passkey signs (profile section 4): for which site, on which pages.
struct Passkey {
  std::string rp_id;
  std::vector<std::string> origins;  ///< exactly as browsers write them
};

class Ceiling;

/// Keys that may sign roots. Configured, never taken from a token (anchor.h reads them). A root is
/// tried with the keys that its kid names, then with the others of its algorithm, 64 in all: larger
/// sets need kids. A key that stands in several anchors may do what any of them allows. A passkey
/// signs as WebAuthn does and only so; it is asked only if kid names it, and must stand once.
struct Anchor {
  std::string kid;  ///< hint for look-up; may be empty. Of a passkey: credential id, base64url
  PublicKey key;
  std::optional<std::string>
      user;  ///< if set, roots of this key must carry exactly this mandate.user
  std::optional<Passkey> passkey{};  ///< needs `user`
  /// What its roots may grant at most; null: anything.
  std::shared_ptr<const Ceiling> ceiling{};
};
class AnchorSet {
 public:
  AnchorSet() = default;
  explicit AnchorSet(std::vector<Anchor> anchors);
  const std::vector<Anchor>& anchors() const { return anchors_; }
  /// Changes when any anchor does; part of the cache key, so that a removed anchor ends its cached
  /// chains.
  const std::string& fingerprint() const { return fingerprint_; }

 private:
  std::vector<Anchor> anchors_;
  std::string fingerprint_;
};

/// How often and how much; every figure that a budget names must hold.
struct Budget {
  using Figures = std::map<std::string, std::uint64_t, std::less<>>;
  std::optional<std::uint64_t> calls;
  Figures tools;  ///< calls, by tool
  Figures sums;   ///< in millionths, by "tool.argument"
};

/// What must come first, before a call to a tool.
enum class Requirement : std::uint8_t { kReason, kApproval, kClean };

struct Approvers {
  std::set<std::string, std::less<>> keys;  ///< JWK thumbprints (RFC 7638)
  std::uint64_t min = 1;
};

/// An entry of a Token Status List (draft-ietf-oauth-status-list section 6.2).
struct StatusReference {
  std::string uri;
  std::uint64_t index = 0;
};

/// Attested properties of a workload's instance, by selector type.
using Selectors = std::map<std::string, std::string, std::less<>>;

/// What this hop's `mandate` claim says (profile section 2). Absent members are empty.
struct Mandate {
  std::optional<std::string> user;
  std::optional<std::string> intent;
  std::optional<std::string> task;
  std::optional<std::string> holder;
  std::optional<std::vector<std::string>> holders;
  std::optional<std::vector<std::string>> audience;
  std::optional<Seconds> not_before;
  std::optional<Selectors> instance;
  std::optional<Budget> budget;
  std::map<std::string, std::set<Requirement>, std::less<>> require;  ///< by tool
  std::optional<Approvers> approvers;
  std::optional<StatusReference> status;
};

class Capability;

/// A chain whose every signature and invariant (I1 to I5) was checked. Immutable and shared;
/// time-dependent claims are checked again on each use by valid_at.
class VerifiedChain {
 public:
  virtual ~VerifiedChain() = default;
  virtual std::size_t size() const = 0;
  virtual const std::string& jti(std::size_t hop) const = 0;
  virtual const Mandate& mandate(std::size_t hop) const = 0;
  /// Names the receipt of this hop wherever something is counted against it: SHA-256 over its
  /// signer's key and its jti, base64url. Nobody but that signer can make another of this name.
  virtual std::string account(std::size_t hop) const = 0;
  /// Who signed the receipt of this hop: the anchor's key, or its parent's holder. Null for a root
  /// that was not held to anchors.
  virtual const PublicKey* signer(std::size_t hop) const = 0;
  virtual Seconds expires(std::size_t hop) const = 0;
  virtual const PublicKey& holder_key() const = 0;  ///< leaf cnf.jwk
  virtual Seconds expires() const = 0;              ///< the leaf's exp: the earliest of the chain
  virtual Seconds not_before() const = 0;  ///< the latest nbf, and iat less the skew, of the chain
  virtual int depth_left() const = 0;      ///< how many more hops the leaf may add
  virtual std::vector<std::string_view> tools() const = 0;  ///< what the leaf grants
  virtual bool grants_tool(std::string_view tool) const = 0;
  /// The par_hash (AAT section 3.2) that a child of the leaf would carry: it stands for all claims
  /// of the chain, and names it in audit records and approvals.
  virtual const std::string& digest() const = 0;
  /// What the leaf grants, for check_call.
  virtual const Capability& capability() const = 0;
  /// The claims of a hop as they were signed, for people to look at.
  virtual const json::Value& claims(std::size_t hop) const = 0;
  /// kExpired or kNotYetValid with the hop.
  virtual Checked<void> valid_at(Seconds now) const = 0;
};
using ChainPtr = std::shared_ptr<const VerifiedChain>;

/// The digest of a chain that was not verified.
std::string chain_digest(std::span<const std::string_view> chain);

/// AAT section 7 steps 1 to 5 and 6a, in the draft's order, and the profile. `chain` is root first.
Checked<ChainPtr> verify_chain(std::span<const std::string_view> chain, const AnchorSet& anchors,
                               Seconds now, const Limits& limits = {});

/// Who asks, where: compared with `holder`, `holders` and `aud` of every hop. Empty = not known,
/// which fails any hop that names one.
struct Presenter {
  std::string_view spiffe_id;              ///< the authenticated peer
  std::span<const std::string> audiences;  ///< names of this enforcement point
  const Selectors* selectors = nullptr;    ///< attested of the peer's instance; null: none
  bool instance_elsewhere = false;         ///< the instance is somebody else's to check
};
Checked<void> check_presenter(const VerifiedChain& chain, const Presenter& presenter);
/// The part of check_presenter that asks which instance of the workload: kWrongInstance.
Checked<void> check_instance(const VerifiedChain& chain, const Selectors* selectors);
/// The part of check_presenter that asks where: kWrongAudience.
Checked<void> check_audience(const VerifiedChain& chain, std::span<const std::string> audiences);

/// Step 6b: tool and arguments against the leaf. `arguments` is an object; null or absent arguments
/// are `{}`.
Checked<void> check_call(const VerifiedChain& chain, std::string_view tool,
                         const json::Value& arguments);

/// Which requirements the caller sees to itself.
struct Met {
  bool approval = false;  ///< check_approvals
  bool status = false;    ///< StatusLists
};
/// What must come before the call, and whether the chain's receipts still stand (profile
/// section 2): kReasonRequired, kApprovalRequired, kUnclean, kStatusUnknown.
Checked<void> check_conditions(const VerifiedChain& chain, std::string_view tool,
                               const Met& met = {});

/// What a call takes from one figure of one hop's budget (profile section 2).
struct Charge {
  std::string account;      ///< of the receipt and the figure; base64url
  std::uint64_t cost = 0;   ///< calls, or millionths of a summed argument
  std::uint64_t limit = 0;  ///< what the figure allows in all
  Seconds expires = 0;      ///< the account can be forgotten from then on
  int hop = 0;
  std::string figure;  ///< "calls", "tools.<tool>" or "sum.<tool>.<argument>"
};
/// All that the call takes, from the root's figures to the leaf's; empty without budgets. A summed
/// argument that is absent is kArgumentMissing; one that is no number from 0 to 9e9 is
/// kArgumentDenied.
Checked<std::vector<Charge>> charges_of(const VerifiedChain& chain, std::string_view tool,
                                        const json::Value& arguments);
/// Every figure of every hop's budget, at no cost: to ask what was spent of it.
std::vector<Charge> figures_of(const VerifiedChain& chain);
/// kBudgetSpent, for the charge that does not fit.
Refusal budget_spent(const Charge& charge, std::string_view tool);

/// Step 7, without replay memory. `audience`: if set, aat_aud must equal one of these.
struct Proof {
  std::string jti;
  Seconds issued_at = 0;
};
Checked<Proof> verify_proof(const VerifiedChain& chain, std::string_view proof,
                            std::string_view tool, const json::Value& arguments,
                            std::span<const std::string> audiences, Seconds now,
                            const Limits& limits = {});

/// Verified chains, found by their exact bytes: bounded, expiring with the chain. Not thread-safe:
/// one per worker.
class ChainCache {
 public:
  explicit ChainCache(std::size_t entries_max = 4096);
  ~ChainCache();
  /// As verify_chain, but a chain seen before costs a look-up, a comparison and valid_at. Refusals
  /// are not cached.
  Checked<ChainPtr> verify(std::span<const std::string_view> chain, const AnchorSet& anchors,
                           Seconds now, const Limits& limits = {});
  std::size_t size() const;
  std::uint64_t hits() const;
  std::uint64_t misses() const;

 private:
  struct Entries;
  std::unique_ptr<Entries> entries_;
};

/// Proof identifiers seen inside their window (profile section 5). Bounded; when full of live
/// entries, refuses (fail closed). Thread-safe: one per process, shared by workers.
class ReplayMemory {
 public:
  struct Seen {
    std::string key;    ///< 32 bytes that stand for holder and jti
    Seconds until = 0;  ///< when it can be forgotten
  };
  /// Called for each proof before it counts as remembered, one at a time; false refuses the proof.
  using Keep = std::function<bool(const Seen& seen, Seconds now)>;

  explicit ReplayMemory(std::size_t entries_max = 1U << 20U, Keep keep = nullptr);
  ~ReplayMemory();
  /// The key of what remember() would remember.
  static std::string key_of(const PublicKey& holder, const Proof& proof);
  /// What an earlier process had seen.
  void restore(const Seen& seen);
  /// Remembers (holder key, jti) until issued_at + window; kReplayed if it was there.
  Checked<void> remember(const PublicKey& holder, const Proof& proof, Seconds now, Seconds window);

 private:
  struct Entries;
  std::unique_ptr<Entries> entries_;
};

}  // namespace mandated::receipt
