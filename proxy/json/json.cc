// Values, deep equality and the canonical form of RFC 8785 (JCS). Objects of many members are
// compared by sorting, so that no input of a caller makes these quadratic.
#include "proxy/json/json.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "proxy/json/number.h"

namespace mandated::json {
namespace {

// RFC 8785 section 3.2.3 sorts by UTF-16 code units. UTF-8 bytes sort by code points, which differs
// only where a surrogate pair (lead byte F0 and up) meets U+E000 to U+FFFF (lead bytes EE and EF).
bool utf16_less(std::string_view a, std::string_view b) {
  const auto [at_a, at_b] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  if (at_a == a.end() || at_b == b.end()) return at_b != b.end();
  const auto byte_a = static_cast<unsigned char>(*at_a);
  const auto byte_b = static_cast<unsigned char>(*at_b);
  constexpr unsigned char kPair = 0xF0;
  constexpr unsigned char kHigh = 0xEE;
  if (byte_a >= kPair && byte_b >= kHigh && byte_b < kPair) return true;
  if (byte_b >= kPair && byte_a >= kHigh && byte_a < kPair) return false;
  return byte_a < byte_b;
}

bool member_less(const Member& a, const Member& b) { return utf16_less(a.name, b.name); }

std::vector<const Member*> sorted(std::span<const Member> members) {
  std::vector<const Member*> order;
  order.reserve(members.size());
  for (const Member& member : members) order.push_back(&member);
  std::sort(order.begin(), order.end(),
            [](const Member* a, const Member* b) { return member_less(*a, *b); });
  return order;
}

bool equal_objects(const Value& a, const Value& b) {
  constexpr std::size_t kLinearMax = 16;
  if (a.object().size() != b.object().size()) return false;
  if (a.object().size() <= kLinearMax) {
    return std::all_of(a.object().begin(), a.object().end(), [&](const Member& member) {
      const Value* other = b.find(member.name);
      return other != nullptr && equal(member.value, *other);
    });
  }
  const auto order_a = sorted(a.object());
  const auto order_b = sorted(b.object());
  return std::equal(order_a.begin(), order_a.end(), order_b.begin(),
                    [](const Member* x, const Member* y) {
                      return x->name == y->name && equal(x->value, y->value);
                    });
}

void append_object(const Value& value, std::string& out) {
  const auto members = value.object();
  bool first = true;
  const auto append_member = [&](const Member& member) {
    if (!first) out.push_back(',');
    first = false;
    append_quoted(member.name, out);
    out.push_back(':');
    append_canonical(member.value, out);
  };
  out.push_back('{');
  if (std::is_sorted(members.begin(), members.end(), member_less)) {
    std::for_each(members.begin(), members.end(), append_member);
  } else {
    for (const Member* member : sorted(members)) append_member(*member);
  }
  out.push_back('}');
}

void append_array(const Value& value, std::string& out) {
  out.push_back('[');
  bool first = true;
  for (const Value& element : value.array()) {
    if (!first) out.push_back(',');
    first = false;
    append_canonical(element, out);
  }
  out.push_back(']');
}

void append_escape(char c, std::string& out) {
  constexpr std::string_view kHex = "0123456789abcdef";
  switch (c) {
    case '"':
      out.append("\\\"");
      return;
    case '\\':
      out.append("\\\\");
      return;
    case '\b':
      out.append("\\b");
      return;
    case '\f':
      out.append("\\f");
      return;
    case '\n':
      out.append("\\n");
      return;
    case '\r':
      out.append("\\r");
      return;
    case '\t':
      out.append("\\t");
      return;
    default:
      break;
  }
  const auto byte = static_cast<unsigned char>(c);
  out.append("\\u00").append(1, kHex[byte >> 4U]).append(1, kHex[byte & 0xFU]);
}

}  // namespace

std::span<const Value> Value::array() const {
  return kind_ == Kind::kArray ? std::span(elements_, size_) : std::span<const Value>();
}

std::span<const Member> Value::object() const {
  return kind_ == Kind::kObject ? std::span(members_, size_) : std::span<const Member>();
}

const Value* Value::find(std::string_view name) const {
  for (const Member& member : object()) {
    if (member.name == name) return &member.value;
  }
  return nullptr;
}

std::optional<std::string_view> Value::find_string(std::string_view name) const {
  const Value* value = find(name);
  if (value == nullptr || !value->is_string()) return std::nullopt;
  return value->string();
}

std::optional<std::int64_t> Value::integer() const {
  constexpr double kIntegerMax = 9007199254740992.0;  // 2^53
  if (!is_number() || std::fabs(number_) > kIntegerMax || number_ != std::trunc(number_))
    return std::nullopt;
  return static_cast<std::int64_t>(number_);
}

bool equal(const Value& a, const Value& b) {
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case Kind::kNull:
    case Kind::kFalse:
    case Kind::kTrue:
      return true;
    case Kind::kNumber:
      return a.number() == b.number();
    case Kind::kString:
      return a.string() == b.string();
    case Kind::kArray:
      return std::equal(a.array().begin(), a.array().end(), b.array().begin(), b.array().end(),
                        equal);
    case Kind::kObject:
      return equal_objects(a, b);
  }
  return false;
}

void append_canonical(const Value& value, std::string& out) {
  switch (value.kind()) {
    case Kind::kNull:
      out.append("null");
      return;
    case Kind::kFalse:
      out.append("false");
      return;
    case Kind::kTrue:
      out.append("true");
      return;
    case Kind::kNumber:
      append_number(value.number(), out);
      return;
    case Kind::kString:
      append_quoted(value.string(), out);
      return;
    case Kind::kArray:
      append_array(value, out);
      return;
    case Kind::kObject:
      append_object(value, out);
      return;
  }
}

std::string canonical(const Value& value) {
  std::string out;
  append_canonical(value, out);
  return out;
}

void append_quoted(std::string_view text, std::string& out) {
  constexpr unsigned char kFirstPrintable = 0x20;
  out.push_back('"');
  std::size_t plain = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (static_cast<unsigned char>(c) >= kFirstPrintable && c != '"' && c != '\\') continue;
    out.append(text.substr(plain, at - plain));
    append_escape(c, out);
    plain = at + 1;
  }
  out.append(text.substr(plain));
  out.push_back('"');
}

std::string quoted(std::string_view text) {
  std::string out;
  append_quoted(text, out);
  return out;
}

}  // namespace mandated::json
