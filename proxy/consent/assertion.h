// A passkey's assertion as the page sends it, and what becomes of it.
#pragma once

#include <string>
#include <string_view>

#include "proxy/consent/ask.h"
#include "proxy/json/json.h"

namespace mandated::consent {

/// The members that make a signature, as the engine reads them (receipts: profile section 4); what
/// is missing stays missing.
std::string assertion_of(const json::Value& body);

/// The compact form of what was asked, with the signature that `body` holds. Verified as a proxy
/// with this one anchor would do it, so what it would refuse is never given out.
Checked<std::string> sign(const Ask& ask, const receipt::Anchor& passkey, const json::Value& body,
                          Seconds now);

}  // namespace mandated::consent
