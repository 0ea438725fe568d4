// What the consent service answers, always under the same strict header fields: no page of another
// site can frame it, read it or lend it a script.
#pragma once

#include <string>
#include <string_view>

#include "filters/receipt/refusal.h"
#include "proxy/base/result.h"
#include "proxy/http/message.h"

namespace mandated::consent {

/// One of the files that are compiled in, with the policy of pages.
http::Response file_answer(std::string_view content_type, std::string_view bytes);

http::Response json_answer(int status, std::string text);

/// An RFC 9457 problem document. `code` is the stable name of what is wrong, `detail` a sentence.
http::Response problem(int status, std::string_view code, std::string_view detail);

/// The same for an error: 4xx where it is the caller's, 503 where it may pass.
http::Response problem(const Error& error);

/// 400, or 413 for what is too large: what the verifier would refuse, or a person could not read.
http::Response problem(const receipt::Refusal& refusal);

/// 405, with what is allowed.
http::Response wrong_method(std::string_view allowed);

}  // namespace mandated::consent
