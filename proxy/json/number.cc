// Reading refuses what it cannot hold: two parsers that round differently must never see different
// values in one signed text. Shortest printing comes from std::to_chars, which the standard
// requires to be the closest shortest.
#include "proxy/json/number.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <system_error>

#include "proxy/json/json.h"

namespace mandated::json {
namespace {

// No double needs more than 17 significant digits.
constexpr std::size_t kDigitsMax = 17;
// Up to 15 significant digits, far from overflow and underflow, distinct decimals have distinct
// doubles (DBL_DIG), so the shortest print of the nearest double must denote the decimal that was
// read.
constexpr std::size_t kSafeDigits = 15;
constexpr std::int64_t kSafeExponent = 290;
constexpr std::int64_t kExponentMax = 1'000'000'000;

// 0.d1d2d3… × 10^exponent, without leading or trailing zeros; zero has no digits.
struct Decimal {
  std::array<char, kDigitsMax> digits{};
  std::size_t count = 0;
  std::int64_t exponent = 0;
  bool overlong = false;

  bool operator==(const Decimal& other) const {
    if (overlong || other.overlong || count != other.count) return false;
    if (count == 0) return true;
    return exponent == other.exponent && std::string_view(digits.data(), count) ==
                                             std::string_view(other.digits.data(), other.count);
  }
};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// The parts of a number token by the grammar of RFC 8259 section 6.
struct Parts {
  std::string_view integer;
  std::string_view fraction;
  std::int64_t exponent = 0;
  bool negative = false;
  bool plain = true;  // neither fraction nor exponent
};

std::string_view take_digits(std::string_view& rest) {
  std::size_t count = 0;
  while (count < rest.size() && is_digit(rest[count])) ++count;
  const std::string_view digits = rest.substr(0, count);
  rest.remove_prefix(count);
  return digits;
}

bool split_exponent(std::string_view& rest, Parts& parts) {
  parts.plain = false;
  rest.remove_prefix(1);
  bool negative = false;
  if (!rest.empty() && (rest.front() == '+' || rest.front() == '-')) {
    negative = rest.front() == '-';
    rest.remove_prefix(1);
  }
  const std::string_view digits = take_digits(rest);
  if (digits.empty()) return false;
  for (const char c : digits) {
    if (parts.exponent < kExponentMax) parts.exponent = parts.exponent * 10 + (c - '0');
  }
  if (negative) parts.exponent = -parts.exponent;
  return true;
}

bool split(std::string_view token, Parts& parts) {
  std::string_view rest = token;
  if (!rest.empty() && rest.front() == '-') {
    parts.negative = true;
    rest.remove_prefix(1);
  }
  parts.integer = take_digits(rest);
  if (parts.integer.empty() || (parts.integer.size() > 1 && parts.integer.front() == '0'))
    return false;
  if (!rest.empty() && rest.front() == '.') {
    parts.plain = false;
    rest.remove_prefix(1);
    parts.fraction = take_digits(rest);
    if (parts.fraction.empty()) return false;
  }
  if (!rest.empty() && (rest.front() == 'e' || rest.front() == 'E') &&
      !split_exponent(rest, parts)) {
    return false;
  }
  return rest.empty();
}

Decimal decimal_of(const Parts& parts) {
  Decimal result;
  std::size_t zeros_pending = 0;
  std::int64_t point = static_cast<std::int64_t>(parts.integer.size());
  const auto add = [&](char c) {
    if (c == '0') {
      if (result.count == 0)
        --point;
      else
        ++zeros_pending;
      return;
    }
    if (result.count + zeros_pending + 1 > kDigitsMax) {
      result.overlong = true;
      return;
    }
    for (; zeros_pending > 0; --zeros_pending) result.digits[result.count++] = '0';
    result.digits[result.count++] = c;
  };
  for (const char c : parts.integer) add(c);
  for (const char c : parts.fraction) add(c);
  result.exponent = point + parts.exponent;
  return result;
}

// Precondition: finite, not zero.
Decimal shortest(double magnitude) {
  std::array<char, 32> text;
  const auto end = std::to_chars(text.data(), text.data() + text.size(), magnitude,
                                 std::chars_format::scientific)
                       .ptr;
  Decimal result;
  const char* at = text.data();
  for (; at != end && *at != 'e'; ++at) {
    if (*at != '.') result.digits[result.count++] = *at;
  }
  ++at;
  if (*at == '+') ++at;
  int exponent = 0;
  std::from_chars(at, end, exponent);
  result.exponent = exponent + 1;
  return result;
}

NumberReading read_by_comparison(std::string_view token, const Parts& parts, double& value) {
  const Decimal decimal = decimal_of(parts);
  if (decimal.overlong) return NumberReading::kInexact;
  if (decimal.count == 0) {
    value = 0;
    return NumberReading::kExact;
  }
  const auto [end, error] = std::from_chars(token.data(), token.data() + token.size(), value);
  if (error != std::errc{} || end != token.data() + token.size() || !std::isfinite(value)) {
    return NumberReading::kInexact;
  }
  if (decimal.count <= kSafeDigits && std::abs(decimal.exponent) <= kSafeExponent) {
    return NumberReading::kExact;
  }
  if (value == 0) return NumberReading::kInexact;
  return shortest(std::fabs(value)) == decimal ? NumberReading::kExact : NumberReading::kInexact;
}

void append_decimal(const Decimal& decimal, std::string& out) {
  const std::string_view digits(decimal.digits.data(), decimal.count);
  const auto count = static_cast<std::int64_t>(decimal.count);
  const std::int64_t point = decimal.exponent;
  // ECMA-262 section 6.1.6.1.20, steps 6 to 10, with n = point and k = count.
  if (point >= count && point <= 21) {
    out.append(digits).append(static_cast<std::size_t>(point - count), '0');
  } else if (point > 0 && point <= 21) {
    out.append(digits.substr(0, static_cast<std::size_t>(point)))
        .append(1, '.')
        .append(digits.substr(static_cast<std::size_t>(point)));
  } else if (point > -6 && point <= 0) {
    out.append("0.").append(static_cast<std::size_t>(-point), '0').append(digits);
  } else {
    out.append(1, digits.front());
    if (count > 1) out.append(1, '.').append(digits.substr(1));
    out.append(point > 0 ? "e+" : "e-").append(std::to_string(std::abs(point - 1)));
  }
}

}  // namespace

NumberReading read_number(std::string_view token, double& value) {
  Parts parts;
  if (!split(token, parts)) return NumberReading::kSyntax;
  if (!parts.plain || parts.integer.size() > kSafeDigits)
    return read_by_comparison(token, parts, value);
  std::int64_t whole = 0;
  for (const char c : parts.integer) whole = whole * 10 + (c - '0');
  value = static_cast<double>(parts.negative ? -whole : whole);
  return NumberReading::kExact;
}

void append_number(double value, std::string& out) {
  constexpr double kWholeMax = 1e15;
  if (std::fabs(value) < kWholeMax && value == std::trunc(value)) {
    std::array<char, 24> text;
    const auto end =
        std::to_chars(text.data(), text.data() + text.size(), static_cast<std::int64_t>(value)).ptr;
    out.append(text.data(), end);
    return;
  }
  if (value < 0) out.push_back('-');
  append_decimal(shortest(std::fabs(value)), out);
}

std::string number_text(double value) {
  std::string out;
  append_number(value, out);
  return out;
}

}  // namespace mandated::json
