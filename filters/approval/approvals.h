// Calls that are held until people approve them (profile section 2, `require: approval`). Nothing
// waits: the caller is told at once where people can say yes, and calls again.
#pragma once

#include <cstddef>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "filters/approval/consent_client.h"
#include "filters/receipt/approval.h"
#include "proxy/base/clock.h"
#include "proxy/base/random.h"

namespace mandated {

/// A call that people approved. Good for one call: whoever lets it out remembers the ticket.
struct Approval {
  std::string ticket;
  std::vector<std::string> by;  ///< thumbprints of the keys that signed
};

/// The questions that this process put to people. Bounded: the oldest is forgotten, which costs its
/// caller another question; and under one root only so many wait at once, however it was delegated.
/// Safe from any thread.
class Approvals {
 public:
  /// `consent_url` empty: nobody can be asked. References outlive it.
  Approvals(std::string consent_url, const receipt::AnchorSet& approvers,
            const receipt::Limits& limits, std::size_t questions_max = 4096);

  /// What has become of the question about exactly this call under `chain`, at the upstream that
  /// is called `server`; puts it if nobody did.
  /// kApprovalRequired until people approved, with `ticket` while they are asked, and `url` where.
  Task<receipt::Checked<Approval>> find(const receipt::VerifiedChain& chain,
                                        std::string_view server, std::string_view tool,
                                        const json::Value& arguments,
                                        const receipt::Approvers& approvers, receipt::Seconds now,
                                        fetch::Fetcher& fetcher, Rng& rng, Clock& clock);

  /// The approval was used, or is no good any more: the next such call is a new question.
  void forget(std::string_view ticket);

 private:
  struct Question {
    std::string ticket;
    Asked asked;  ///< empty while it is being put
    receipt::Seconds put_at = 0;
    std::string root;  ///< VerifiedChain::account of hop 0
  };

  Task<receipt::Checked<Approval>> put(std::string key, std::string root, receipt::AskedCall call,
                                       const receipt::Approvers& approvers, receipt::Seconds now,
                                       fetch::Fetcher& fetcher, Clock& clock);
  receipt::Checked<Approval> check(const std::vector<std::string>& given,
                                   const receipt::AskedCall& call,
                                   const receipt::Approvers& approvers, receipt::Seconds now) const;
  std::optional<Question> known(const std::string& key, receipt::Seconds now);
  std::size_t waiting(std::string_view root, receipt::Seconds now);
  void keep(const std::string& key, Question question);

  std::string consent_url_;
  const receipt::AnchorSet& approvers_;
  receipt::Limits limits_;
  std::size_t questions_max_;
  std::mutex mutex_;
  std::map<std::string, Question, std::less<>> questions_;  // by what names the call
};

}  // namespace mandated
