// Problem documents (RFC 9457): what an HTTP client of ours is told when it does not get what it
// asked for.
#pragma once

#include <string>
#include <string_view>

#include "proxy/http/message.h"
#include "proxy/json/writer.h"

namespace mandated::http {

/// `code` is the stable name of what is wrong, `detail` a sentence; more members may follow.
json::ObjectWriter begin_problem(int status, std::string_view code, std::string_view detail);

Response make_problem(int status, std::string document);

}  // namespace mandated::http
