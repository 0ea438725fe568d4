// CBOR (RFC 8949) read item by item over libcbor's streaming decoder, which allocates nothing.
// Strict: every length and number in its shortest form; no negative numbers, floats, tags or
// booleans, no strings in chunks. Arrays and maps without a length are taken: enclaves write them.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace mandated::attest {

/// After anything was not as asked for, the rest is of no use.
class CborReader {
 public:
  explicit CborReader(std::string_view bytes) : rest_(bytes) {}

  // Each takes one item; nullopt when it is of another kind.
  std::optional<std::uint64_t> unsigned_integer();
  std::optional<std::string_view> bytes();
  std::optional<std::string_view> text();
  /// The optional inside is empty where `null` stands.
  std::optional<std::optional<std::string_view>> bytes_or_null();
  /// Calls back for each element, which each() takes. False: it is no array, has more than `most`
  /// elements, or each() was false.
  bool array(std::size_t most, const std::function<bool()>& each);
  /// The same of a map: each() takes key and value.
  bool map(std::size_t most, const std::function<bool()>& each);
  bool at_end() const { return rest_.empty(); }

 private:
  std::string_view rest_;
};

/// A byte string with its head.
std::string cbor_bytes(std::string_view content);

}  // namespace mandated::attest
