#include "filters/approval/approvals.h"

#include <algorithm>
#include <array>
#include <utility>

#include "filters/receipt/digest.h"
#include "proxy/base/log.h"

namespace mandated {

namespace {

constexpr Clock::Duration kTalkMax = std::chrono::seconds(3);
// A question that is still being put after this long never will be.
constexpr receipt::Seconds kPuttingMax = 30;
constexpr std::size_t kWaitingMax = 32;  // under one root

receipt::Refusal refusal_of(const receipt::AskedCall& call, std::string sentence) {
  receipt::Refusal refusal;
  refusal.code = receipt::Code::kApprovalRequired;
  refusal.tool = call.tool;
  refusal.sentence = std::move(sentence);
  return refusal;
}

tl::unexpected<receipt::Refusal> not_yet(const receipt::AskedCall& call, const Asked& asked,
                                         std::string_view why) {
  receipt::Refusal refusal =
      refusal_of(call, std::string(why) + " Open " + asked.url + " to decide, then call again.");
  refusal.ticket = call.ticket;
  refusal.url = asked.url;
  return tl::unexpected(std::move(refusal));
}

tl::unexpected<receipt::Refusal> nobody(const receipt::AskedCall& call, const Error& error) {
  log::warn("approval.not_asked", {{"code", to_string(error.code)}, {"why", error.text}});
  return tl::unexpected(refusal_of(
      call,
      "A person must approve this very call first, and the consent service cannot be reached "
      "to ask one; try later."));
}

std::string name_of(const receipt::AskedCall& call) {
  const std::array<std::string_view, 4> parts{call.receipt, *call.server, call.tool,
                                              call.arguments};
  const receipt::Sha256 digest = receipt::sha256_framed(parts);
  return {digest.begin(), digest.end()};
}

}  // namespace

Approvals::Approvals(std::string consent_url, const receipt::AnchorSet& approvers,
                     const receipt::Limits& limits, std::size_t questions_max)
    : consent_url_(std::move(consent_url)),
      approvers_(approvers),
      limits_(limits),
      questions_max_(questions_max) {}

Task<receipt::Checked<Approval>> Approvals::find(const receipt::VerifiedChain& chain,
                                                 std::string_view server, std::string_view tool,
                                                 const json::Value& arguments,
                                                 const receipt::Approvers& approvers,
                                                 receipt::Seconds now, fetch::Fetcher& fetcher,
                                                 Rng& rng, Clock& clock) {
  receipt::AskedCall call = receipt::ask_about(chain, rng.identifier(), server, tool, arguments);
  if (consent_url_.empty()) {
    co_return tl::unexpected(refusal_of(
        call, "A person must approve this very call first, and nobody can be asked here."));
  }
  const std::string key = name_of(call);
  const std::optional<Question> question = known(key, now);
  std::string root = chain.account(0);
  if (!question) {
    co_return co_await put(key, std::move(root), std::move(call), approvers, now, fetcher, clock);
  }
  call.ticket = question->ticket;
  if (question->asked.id.empty()) {
    receipt::Refusal refusal =
        refusal_of(call, "A person must approve this very call first, and is just being asked.");
    refusal.ticket = call.ticket;
    co_return tl::unexpected(std::move(refusal));
  }
  const Result<Answer> answer =
      co_await get_answer(fetcher, consent_url_, question->asked.id, clock.now() + kTalkMax);
  if (!answer) co_return nobody(call, answer.error());
  switch (answer->state) {
    case AnswerState::kPending:
      co_return not_yet(call, question->asked, "Nobody has approved this call yet.");
    case AnswerState::kRefused:
      co_return tl::unexpected(refusal_of(call, "A person was asked about this call and said no."));
    case AnswerState::kSigned: {
      receipt::Checked<Approval> approval = check(answer->approvals, call, approvers, now);
      if (!approval) forget(call.ticket);
      co_return approval;
    }
    case AnswerState::kGone:
      break;
  }
  forget(call.ticket);
  call.ticket = rng.identifier();
  co_return co_await put(key, std::move(root), std::move(call), approvers, now, fetcher, clock);
}

Task<receipt::Checked<Approval>> Approvals::put(std::string key, std::string root,
                                                receipt::AskedCall call,
                                                const receipt::Approvers& approvers,
                                                receipt::Seconds now, fetch::Fetcher& fetcher,
                                                Clock& clock) {
  if (waiting(root, now) >= kWaitingMax) {
    co_return tl::unexpected(
        refusal_of(call, "A person must approve this very call first, and is already asked about " +
                             std::to_string(kWaitingMax) + " other calls; try later."));
  }
  keep(key, {call.ticket, {}, now, root});
  Result<Asked> asked =
      co_await put_question(fetcher, consent_url_, call, approvers, clock.now() + kTalkMax);
  if (!asked) {
    forget(call.ticket);
    co_return nobody(call, asked.error());
  }
  keep(key, {call.ticket, *asked, now, std::move(root)});
  co_return not_yet(call, *asked, "A person must approve this very call first.");
}

receipt::Checked<Approval> Approvals::check(const std::vector<std::string>& given,
                                            const receipt::AskedCall& call,
                                            const receipt::Approvers& approvers,
                                            receipt::Seconds now) const {
  const std::vector<std::string_view> approvals(given.begin(), given.end());
  auto by = receipt::check_approvals(approvals, call, approvers, approvers_, now, limits_);
  if (by) return Approval{call.ticket, std::move(*by)};
  receipt::Refusal refusal = refusal_of(call, std::move(by.error().sentence));
  return tl::unexpected(std::move(refusal));
}

void Approvals::forget(std::string_view ticket) {
  const std::lock_guard lock(mutex_);
  std::erase_if(questions_, [&](const auto& entry) { return entry.second.ticket == ticket; });
}

std::optional<Approvals::Question> Approvals::known(const std::string& key, receipt::Seconds now) {
  const std::lock_guard lock(mutex_);
  const auto found = questions_.find(key);
  if (found == questions_.end()) return std::nullopt;
  const Question& question = found->second;
  if (question.asked.id.empty() && now > question.put_at + kPuttingMax) return std::nullopt;
  return question;
}

// Those that people can still answer.
std::size_t Approvals::waiting(std::string_view root, receipt::Seconds now) {
  const std::lock_guard lock(mutex_);
  return static_cast<std::size_t>(
      std::count_if(questions_.begin(), questions_.end(), [&](const auto& entry) {
        return entry.second.root == root &&
               now < entry.second.put_at + receipt::kApprovalLifetimeMax;
      }));
}

void Approvals::keep(const std::string& key, Question question) {
  const std::lock_guard lock(mutex_);
  if (questions_.size() >= questions_max_ && !questions_.contains(key)) {
    questions_.erase(std::min_element(
        questions_.begin(), questions_.end(),
        [](const auto& a, const auto& b) { return a.second.put_at < b.second.put_at; }));
  }
  questions_.insert_or_assign(key, std::move(question));
}

}  // namespace mandated
