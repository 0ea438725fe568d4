// Ranges of Unicode 16: Default_Ignorable_Code_Point, the general categories Cc, Zs, Zl, Zp and Co,
// and blank symbols; then the blocks of combining marks; then the blocks whose letters are listed
// as confusable with ASCII (UTS 39). Whole blocks where that is shorter.
#include "filters/receipt/plain_text.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <span>

namespace mandated::receipt {
namespace {

struct Range {
  char32_t first;
  char32_t last;
};

constexpr Range kUnseen[] = {
    {0x7F, 0xA0},       {0xAD, 0xAD},       {0x34F, 0x34F},     {0x61C, 0x61C},
    {0x115F, 0x1160},   {0x1680, 0x1680},   {0x17B4, 0x17B5},   {0x180B, 0x180F},
    {0x2000, 0x200F},   {0x2028, 0x202F},   {0x205F, 0x206F},   {0x2800, 0x2800},
    {0x3000, 0x3000},   {0x3164, 0x3164},   {0xE000, 0xF8FF},   {0xFE00, 0xFE0F},
    {0xFEFF, 0xFEFF},   {0xFFA0, 0xFFA0},   {0xFFF0, 0xFFFC},   {0x13430, 0x1343F},
    {0x1BCA0, 0x1BCA3}, {0x1D159, 0x1D159}, {0x1D173, 0x1D17A}, {0xE0000, 0x10FFFF}};

constexpr Range kCombining[] = {
    {0x300, 0x36F},   {0x483, 0x489},   {0x591, 0x5BD},   {0x610, 0x61A},    {0x64B, 0x65F},
    {0x6D6, 0x6DC},   {0x6DF, 0x6E4},   {0x730, 0x74A},   {0x7EB, 0x7F3},    {0x816, 0x82D},
    {0x8CA, 0x903},   {0x93A, 0x94F},   {0xE31, 0xE31},   {0xE34, 0xE3A},    {0xE47, 0xE4E},
    {0xEB1, 0xEB1},   {0xEB4, 0xEBC},   {0xEC8, 0xECE},   {0xF18, 0xF19},    {0xF71, 0xF87},
    {0x135D, 0x135F}, {0x1AB0, 0x1AFF}, {0x1CD0, 0x1CFA}, {0x1DC0, 0x1DFF},  {0x20D0, 0x20FF},
    {0x2CEF, 0x2CF1}, {0x2DE0, 0x2DFF}, {0x302A, 0x302F}, {0x3099, 0x309A},  {0xA66F, 0xA67D},
    {0xA6F0, 0xA6F1}, {0xA8E0, 0xA8F1}, {0xFE20, 0xFE2F}, {0x1D165, 0x1D1AD}};

constexpr Range kLookAlike[] = {
    {0x131, 0x131},     {0x1C0, 0x1C3},     {0x237, 0x2BF},     {0x370, 0x58F},
    {0x5D8, 0x5F4},     {0x660, 0x669},     {0x6F0, 0x6F9},     {0x7C0, 0x7FF},
    {0x966, 0x966},     {0x10A0, 0x10FF},   {0x13A0, 0x13FF},   {0x1680, 0x169F},
    {0x1D00, 0x1DBF},   {0x1F00, 0x1FFF},   {0x2010, 0x2015},   {0x2024, 0x2024},
    {0x2039, 0x203A},   {0x2044, 0x2044},   {0x2100, 0x218F},   {0x2212, 0x2223},
    {0x2236, 0x2236},   {0x2500, 0x2573},   {0x2C60, 0x2D2F},   {0x2D30, 0x2D7F},
    {0xA4D0, 0xA4FF},   {0xA640, 0xA69F},   {0xA720, 0xA7FF},   {0xAB30, 0xABBF},
    {0xFE10, 0xFE6F},   {0xFF01, 0xFFEF},   {0x10280, 0x1039F}, {0x10400, 0x104FF},
    {0x118A0, 0x118FF}, {0x16F00, 0x16F9F}, {0x1D400, 0x1D7FF}, {0x1F100, 0x1F1FF}};

constexpr bool ordered(std::span<const Range> ranges) {
  for (std::size_t at = 1; at < ranges.size(); ++at) {
    if (ranges[at].first <= ranges[at - 1].last) return false;
  }
  return true;
}
static_assert(ordered(kUnseen) && ordered(kCombining) && ordered(kLookAlike));

bool in(std::span<const Range> ranges, char32_t point) {
  const auto found = std::partition_point(ranges.begin(), ranges.end(),
                                          [&](const Range& range) { return range.last < point; });
  return found != ranges.end() && found->first <= point;
}

// The bytes of one character, from the front of valid UTF-8.
std::string_view take_character(std::string_view& text) {
  const auto first = static_cast<unsigned char>(text.front());
  const std::size_t size = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  const std::string_view character = text.substr(0, size);
  text.remove_prefix(character.size());
  return character;
}

char32_t code_point(std::string_view character) {
  const auto first = static_cast<unsigned char>(character.front());
  if (character.size() == 1) return first;
  char32_t point = first & (0xFFU >> (character.size() + 1));
  for (const char each : character.substr(1))
    point = point << 6U | (static_cast<unsigned char>(each) & 0x3FU);
  return point;
}

void append_number(char32_t point, std::string& out) {
  std::array<char, 16> number;
  const int size =
      std::snprintf(number.data(), number.size(), "\\u{%x}", static_cast<unsigned>(point));
  out.append(number.data(), static_cast<std::size_t>(size));
}

// Tells, one character after the other, which ones show as themselves.
class Looker {
 public:
  bool shows(char32_t point) {
    constexpr int kMarksMax = 2;
    marks_ = in(kCombining, point) ? marks_ + 1 : 0;
    return marks_ <= kMarksMax && !in(kUnseen, point);
  }

 private:
  int marks_ = 0;
};

}  // namespace

bool is_plain(std::string_view text) {
  Looker looker;
  while (!text.empty()) {
    const char32_t point = code_point(take_character(text));
    if (point < 0x20 || !looker.shows(point)) return false;
  }
  return true;
}

std::string escaped(std::string_view text) {
  std::string out;
  Looker looker;
  while (!text.empty()) {
    const std::string_view character = take_character(text);
    const char32_t point = code_point(character);
    if (looker.shows(point)) {
      out += character;
    } else {
      append_number(point, out);
    }
  }
  return out;
}

std::string spelt(std::string_view text) {
  std::string out;
  bool alike = false;
  while (!text.empty()) {
    const std::string_view character = take_character(text);
    const char32_t point = code_point(character);
    alike = alike || in(kLookAlike, point);
    if (point < 0x7F) {
      out += character;
    } else {
      append_number(point, out);
    }
  }
  return alike ? out : std::string();
}

}  // namespace mandated::receipt
