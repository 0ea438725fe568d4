#include "proxy/attest/cbor.h"

#include <cbor/callbacks.h>
#include <cbor/streaming.h>

namespace mandated::attest {

namespace {

enum class Kind : std::uint8_t { kUnsigned, kBytes, kText, kArray, kMap, kNull, kBreak, kOther };

struct Item {
  Kind kind = Kind::kOther;
  std::uint64_t value = 0;  // the number; of strings, arrays and maps the length
  bool endless = false;     // an array or a map up to a break
  std::string_view content{};
};

template <class Number>
void take_number(void* to, Number value) {
  *static_cast<Item*>(to) = {Kind::kUnsigned, value};
}

template <Kind kKind>
void take_string(void* to, cbor_data bytes, std::size_t size) {
  *static_cast<Item*>(to) = {kKind, size, false,
                             std::string_view(reinterpret_cast<const char*>(bytes), size)};
}

template <Kind kKind>
void take_collection(void* to, std::size_t size) {
  *static_cast<Item*>(to) = {kKind, size};
}

template <Kind kKind>
void take_endless(void* to) {
  *static_cast<Item*>(to) = {kKind, 0, true};
}

template <Kind kKind>
void take_simple(void* to) {
  *static_cast<Item*>(to) = {kKind};
}

// Whatever is not named here leaves the item as kOther: negative numbers, floats, tags, booleans,
// strings in chunks.
cbor_callbacks make_callbacks() {
  cbor_callbacks callbacks = cbor_empty_callbacks;
  callbacks.uint8 = take_number<std::uint8_t>;
  callbacks.uint16 = take_number<std::uint16_t>;
  callbacks.uint32 = take_number<std::uint32_t>;
  callbacks.uint64 = take_number<std::uint64_t>;
  callbacks.byte_string = take_string<Kind::kBytes>;
  callbacks.string = take_string<Kind::kText>;
  callbacks.array_start = take_collection<Kind::kArray>;
  callbacks.indef_array_start = take_endless<Kind::kArray>;
  callbacks.map_start = take_collection<Kind::kMap>;
  callbacks.indef_map_start = take_endless<Kind::kMap>;
  callbacks.null = take_simple<Kind::kNull>;
  callbacks.indef_break = take_simple<Kind::kBreak>;
  return callbacks;
}

/// Bytes that the head of an item takes in its shortest form (RFC 8949 section 3).
std::size_t shortest_head(std::uint64_t value) {
  if (value < 24) return 1;
  if (value <= 0xFF) return 2;
  if (value <= 0xFFFF) return 3;
  return value <= 0xFFFFFFFF ? 5 : 9;
}

/// The item that `rest` begins with, which is cut off; nullopt: there is none that is whole.
std::optional<Item> next(std::string_view& rest) {
  static const cbor_callbacks kCallbacks = make_callbacks();
  Item item;
  const cbor_decoder_result result =
      cbor_stream_decode(reinterpret_cast<cbor_data>(rest.data()), rest.size(), &kCallbacks, &item);
  if (result.status != CBOR_DECODER_FINISHED || item.kind == Kind::kOther) return std::nullopt;
  const bool simple = item.kind == Kind::kNull || item.kind == Kind::kBreak || item.endless;
  const std::size_t head = simple ? 1 : shortest_head(item.value);
  if (result.read != head + item.content.size()) return std::nullopt;
  rest.remove_prefix(result.read);
  return item;
}

std::optional<Item> next_of(std::string_view& rest, Kind kind) {
  const std::optional<Item> item = next(rest);
  return item && item->kind == kind ? item : std::nullopt;
}

}  // namespace

std::optional<std::uint64_t> CborReader::unsigned_integer() {
  const auto item = next_of(rest_, Kind::kUnsigned);
  return item ? std::optional(item->value) : std::nullopt;
}

std::optional<std::string_view> CborReader::bytes() {
  const auto item = next_of(rest_, Kind::kBytes);
  return item ? std::optional(item->content) : std::nullopt;
}

std::optional<std::string_view> CborReader::text() {
  const auto item = next_of(rest_, Kind::kText);
  return item ? std::optional(item->content) : std::nullopt;
}

std::optional<std::optional<std::string_view>> CborReader::bytes_or_null() {
  using Inner = std::optional<std::string_view>;
  const std::optional<Item> item = next(rest_);
  if (item && item->kind == Kind::kNull) return Inner();
  if (item && item->kind == Kind::kBytes) return Inner(item->content);
  return std::nullopt;
}

namespace {

bool each_of(std::string_view& rest, Kind kind, std::size_t most,
             const std::function<bool()>& each) {
  const std::optional<Item> start = next_of(rest, kind);
  if (!start || start->value > most) return false;
  for (std::size_t count = 0; start->endless || count < start->value; ++count) {
    if (start->endless) {
      std::string_view ahead = rest;
      if (next_of(ahead, Kind::kBreak)) {
        rest = ahead;
        return true;
      }
    }
    if (count >= most || !each()) return false;
  }
  return true;
}

}  // namespace

bool CborReader::array(std::size_t most, const std::function<bool()>& each) {
  return each_of(rest_, Kind::kArray, most, each);
}

bool CborReader::map(std::size_t most, const std::function<bool()>& each) {
  return each_of(rest_, Kind::kMap, most, each);
}

std::string cbor_bytes(std::string_view content) {
  constexpr unsigned char kByteString = 0x40;
  const std::size_t head = shortest_head(content.size());
  std::string out;
  if (head == 1) {
    out += static_cast<char>(kByteString | content.size());
  } else {
    const std::size_t size_bytes = head - 1;
    const unsigned char code = size_bytes == 1   ? 24
                               : size_bytes == 2 ? 25
                               : size_bytes == 4 ? 26
                                                 : 27;
    out += static_cast<char>(kByteString | code);
    for (std::size_t i = size_bytes; i-- > 0;) out += static_cast<char>(content.size() >> (8 * i));
  }
  return out.append(content);
}

}  // namespace mandated::attest
