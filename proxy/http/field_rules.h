// What may stand in a field, a target or an authority, on either version of HTTP and in either
// direction. Both codecs ask here, so that nothing passes through one of them that the other would
// refuse.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "proxy/http/message.h"

namespace mandated::http {

/// A token without upper-case letters (RFC 9110 section 5.1; our names are lower case).
bool valid_field_name(std::string_view name);
/// No control character but HTAB: above all no CR, LF or NUL (RFC 9110 section 5.5).
bool valid_field_value(std::string_view value);
/// RFC 9110 section 9.1.
bool valid_method(std::string_view method);
/// Origin-form, or "*". Visible ASCII without what RFC 3986 forbids and servers disagree about:
/// `#`, `\`, quotes and angle brackets.
bool valid_target(std::string_view target);
/// host[:port] of letters, digits, `-._~`, or an IP literal in brackets. No user information, no
/// percent-encoding, no comma: whatever could be read as two hosts is refused.
bool valid_authority(std::string_view authority);

/// Fields that belong to one connection, or that the codec itself writes (RFC 9110 section 7.6.1):
/// never passed on, in either direction. `name` is lower case.
bool is_connection_specific(std::string_view name);
/// 1*DIGIT below 2^63 (RFC 9112 section 6.2); no sign, no list.
std::optional<std::uint64_t> parse_content_length(std::string_view value);

std::string to_lower(std::string_view text);
bool equal_ignoring_case(std::string_view a, std::string_view b);

/// Refuses (kInternal) what must never be written: a bug of ours, or a peer's field that slipped
/// through, does not become a second message on the wire.
Result<void> check_outgoing(const Fields& fields);
Result<void> check_outgoing(const RequestHead& head);
Result<void> check_outgoing(const ResponseHead& head);

}  // namespace mandated::http
