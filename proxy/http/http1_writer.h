// HTTP/1.1 messages out, for server and client. Whatever the caller's fields say, what is written
// here has one reading.
#pragma once

#include <string>
#include <string_view>

#include "proxy/http/body_writer.h"
#include "proxy/http/message.h"

namespace mandated::http {

/// Appends the head and returns the writer of its body. `end`: there is no body.
Result<BodyWriter> append_request_head(std::string& out, const RequestHead& head, bool end);

struct ResponseContext {
  bool to_head = false;  ///< answers a HEAD request
  bool http11 = true;    ///< the request's version
  bool close = false;    ///< say that the connection ends after this answer
};
Result<BodyWriter> append_response_head(std::string& out, const ResponseHead& head, bool end,
                                        const ResponseContext& context);

/// A whole answer of the codec's own, after which the connection ends.
std::string refusal(int status, std::string_view text);

}  // namespace mandated::http
