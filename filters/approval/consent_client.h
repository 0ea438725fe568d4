// What the proxy says to the consent service (`mandated consent`) about a call that people must
// approve, and what it hears. Nothing that it hears is believed: approvals are checked by whoever
// uses them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "filters/receipt/approval.h"
#include "proxy/base/result.h"
#include "proxy/base/task.h"
#include "proxy/fetch/fetch.h"

namespace mandated {

/// Whether it can stand in the path of a request to the service as it is.
bool is_request_id(std::string_view text);

/// Whether it can be shown to people and agents: a page over https or on this machine, and nothing
/// that could run or that two readers take for two places (fetch::parse_target).
bool is_page(std::string_view url);

/// A question that was put to people.
struct Asked {
  std::string id;
  std::string url;  ///< of the page, to be shown to them
};

enum class AnswerState : std::uint8_t { kPending, kSigned, kRefused, kGone };

struct Answer {
  AnswerState state = AnswerState::kGone;
  std::vector<std::string> approvals;  ///< compact JWS; with kSigned only
};

/// Puts the question. kProtocol for an answer that is none; else as Fetcher::fetch.
Task<Result<Asked>> put_question(fetch::Fetcher& fetcher, std::string_view consent_url,
                                 const receipt::AskedCall& call,
                                 const receipt::Approvers& approvers, Clock::Time deadline);

/// Asks once, without waiting.
Task<Result<Answer>> get_answer(fetch::Fetcher& fetcher, std::string_view consent_url,
                                std::string_view id, Clock::Time deadline);

}  // namespace mandated
