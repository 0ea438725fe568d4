// The profile's claim `mandate` (profile section 2): read strictly, and only ever tightened from
// parent to child. Internal to the engine.
#pragma once

#include <string_view>

#include "filters/receipt/capability.h"
#include "filters/receipt/chain.h"

namespace mandated::receipt {

/// An absent claim is an empty Mandate. An unknown member is kMalformed.
Checked<Mandate> parse_mandate(const json::Value* claim);

/// kEscalation if `child`, which grants `granted`, drops, changes or widens what `parent` says,
/// member by member.
Checked<void> mandate_within(const Mandate& child, const Capability& granted,
                             const Mandate& parent);

/// A number from 0 to 9e9 in millionths: what is spent rounds up, what may be spent down. nullopt
/// for any other value.
std::optional<std::uint64_t> millionths_spent(const json::Value& value);
std::optional<std::uint64_t> millionths_allowed(const json::Value& value);

/// RFC 3986 by its characters: a scheme, a colon, and nothing that a URI cannot hold.
bool is_uri(std::string_view text);

/// `spiffe://trust-domain/path`, as the SPIFFE-ID specification spells it.
bool is_spiffe_id(std::string_view text);

/// A SPIFFE ID in which a path segment may be `*`, and the last one `**`.
bool is_spiffe_pattern(std::string_view text);

/// `*` stands for one segment, a last `**` for one or more. Both arguments well formed.
bool spiffe_matches(std::string_view pattern, std::string_view id);

/// Whether `outer` matches whatever `inner` matches. Both well-formed patterns.
bool spiffe_covers(std::string_view outer, std::string_view inner);

/// Whether any pattern matches.
bool spiffe_matches_any(const std::vector<std::string>& patterns, std::string_view id);

}  // namespace mandated::receipt
