// Numbers of strict JSON: read without silent rounding, printed as ECMAScript (and so RFC 8785)
// prints them. Called by the parser and by canonical(); not for other folders.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace mandated::json {

enum class NumberReading : std::uint8_t {
  kExact,    ///< `value` holds it: printing it gives the same decimal value back
  kInexact,  ///< a number by the grammar, but its nearest double denotes another one
  kSyntax,   ///< no number by RFC 8259 section 6
};

/// Reads the whole token. -0 is read as 0, since RFC 8785 prints both as 0.
NumberReading read_number(std::string_view token, double& value);

void append_number(double value, std::string& out);

}  // namespace mandated::json
