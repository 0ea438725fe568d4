// What the holder key signs for the agent beside the proxy: narrower receipts for others, and
// proofs for calls that the agent makes itself. What the verifier would refuse is never signed.
#pragma once

#include <string>
#include <vector>

#include "proxy/base/random.h"
#include "proxy/local/holdings.h"
#include "proxy/local/requests.h"

namespace mandated::local {

struct Signed {
  std::string from;         ///< id of the receipt that was used
  receipt::ChainPtr chain;  ///< that receipt's, or the new one's
  std::vector<std::string> tokens;
  std::string proof;  ///< of an attachment
};

/// A child of the receipt that was named, or of the narrowest one that admits it. Otherwise the
/// refusal of the receipt that grants most of what was asked for. `asker` as in
/// Holdings::candidates.
Task<Outcome<Signed>> delegate(Holdings& holdings, Rng& rng, const DelegationRequest& request,
                               const receipt::Selectors* asker, receipt::Seconds now);

/// The same for one call. Whether budgets suffice and conditions are met is for the place that it
/// goes to, which counts.
Task<Outcome<Signed>> attach(Holdings& holdings, Rng& rng, const AttachmentRequest& request,
                             const receipt::Selectors* asker, receipt::Seconds now);

}  // namespace mandated::local
