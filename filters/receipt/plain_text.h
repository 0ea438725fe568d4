// Which texts a screen shows as they are. Whoever signs must see what is there: characters that are
// invisible, that reorder or overprint their neighbours, or that pass for a space, are written as
// their numbers.
#pragma once

#include <string>
#include <string_view>

namespace mandated::receipt {

/// True if every character of `text` (UTF-8) shows as itself: no control character, nothing that
/// escaped() would replace.
bool is_plain(std::string_view text);

/// `text` (UTF-8), each character that does not show as itself as `\u{202e}`. Of combining marks
/// that follow each other the first two stay. C0 controls are left to the quoting.
std::string escaped(std::string_view text);

/// Every character beyond visible ASCII as `\u{430}`; empty if none of them is of a script whose
/// letters look like others (Greek, Cyrillic, full-width forms, …).
std::string spelt(std::string_view text);

}  // namespace mandated::receipt
