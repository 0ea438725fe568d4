// The web as a table: what each URL answers, and what was asked of it.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "proxy/fetch/fetch.h"

namespace mandated::test {

class FakeFetcher final : public fetch::Fetcher {
 public:
  Task<Result<fetch::Response>> fetch(const fetch::Request& request, Clock::Time) override {
    asked.push_back(request);
    const auto found = answers.find(request.url);
    if (found == answers.end()) co_return fail(Code::kRefused, Side::kUpstream, "nobody is there");
    co_return found->second;
  }
  void answer(const std::string& url, std::string body, int status = 200) {
    answers.insert_or_assign(url, fetch::Response{status, {}, std::move(body)});
  }

  std::map<std::string, Result<fetch::Response>> answers;
  std::vector<fetch::Request> asked;
};

}  // namespace mandated::test
