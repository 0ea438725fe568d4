// Content-Digest (RFC 9530), by SHA-256.
#pragma once

#include <string>
#include <string_view>

#include "proxy/http/message.h"
#include "proxy/wimse/wit.h"

namespace mandated::wimse {

inline constexpr std::string_view kContentDigestField = "content-digest";

/// The field's value for this body.
std::string content_digest(std::string_view body);

/// A body must have its digest; one that is empty may. Other algorithms beside sha-256 are not
/// looked at. kPeerIdentity.
Result<void> check_content_digest(const http::Fields& fields, std::string_view body);

}  // namespace mandated::wimse
