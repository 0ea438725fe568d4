// What the local API answers: JSON documents, and problem documents (RFC 9457) where it does not do
// what it was asked for, with the receipt engine's code where that is what refused.
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "filters/receipt/refusal.h"
#include "proxy/http/message.h"

namespace mandated::local {

struct Answer {
  int status = 200;
  std::string json;
};

/// A value, or the problem to answer with.
template <class T>
using Outcome = tl::expected<T, Answer>;

[[nodiscard]] tl::unexpected<Answer> problem(int status, std::string_view code,
                                             std::string_view detail);
/// 403; 400 where what was asked for is malformed.
[[nodiscard]] tl::unexpected<Answer> refused(const receipt::Refusal& refusal);

http::Response to_response(const Answer& answer);

}  // namespace mandated::local
