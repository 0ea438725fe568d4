// Whether a request may be answered at all: whom it is addressed to, and which page sent it. Stands
// before everything else, so that no other site's page can reach the service through a browser, be
// it by a form, a script, a frame or a name that was made to point here.
#pragma once

#include <cstdint>

#include "proxy/base/result.h"
#include "proxy/consent/origin.h"
#include "proxy/http/message.h"

namespace mandated::consent {

/// Who sends such a request.
enum class Sender : std::uint8_t {
  kNavigation,  ///< a browser that opens a page, from wherever the link was; never a frame
  kOwnPage,     ///< a script of one of our pages: Origin is present and ours
  kAnybody,     ///< an agent, or our own pages: whatever a browser says of another site is refused
};

/// Host, Origin and the Sec-Fetch fields (W3C Fetch Metadata); for POST also the content type,
/// which no form of another site can send. kDenied, kUnsupported.
Result<void> check_sender(const http::RequestHead& head, const Origin& origin, Sender sender);

}  // namespace mandated::consent
