// A Status List (draft-ietf-oauth-status-list-21 section 4): one small number for each receipt that
// its issuer may take back. Pure; refusals are the engine's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "filters/receipt/refusal.h"

namespace mandated::status {

/// Status types (section 7.1). Others are the application's; for a receipt they are as kInvalid.
inline constexpr std::uint8_t kValid = 0;
inline constexpr std::uint8_t kInvalid = 1;
inline constexpr std::uint8_t kSuspended = 2;

/// Of a list that is not packed; what would be longer is refused before it is in memory.
inline constexpr std::size_t kListBytesMax = 64U << 20U;

class StatusList {
 public:
  /// Every entry kValid. `bits` of each: 1, 2, 4 or 8 (kMalformed). The list ends with a whole
  /// byte, so it may have up to seven entries more.
  static receipt::Checked<StatusList> make(std::int64_t bits, std::uint64_t entries,
                                           std::size_t bytes_max = kListBytesMax);

  /// From exactly one zlib stream (section 4.1). kTooLarge beyond `bytes_max`; kMalformed when the
  /// stream is damaged, cut off or followed by anything.
  static receipt::Checked<StatusList> unpack(std::int64_t bits, std::string_view packed,
                                             std::size_t bytes_max = kListBytesMax);
  /// At zlib's highest level, as section 4.1 recommends.
  std::string pack() const;

  int bits() const { return bits_; }
  std::uint64_t size() const { return std::uint64_t{bytes_.size()} * 8 / bits_; }
  /// kStatusUnknown outside the list.
  receipt::Checked<std::uint8_t> get(std::uint64_t index) const;
  /// kStatusUnknown outside the list, kMalformed for a value that needs more bits.
  receipt::Checked<void> set(std::uint64_t index, std::uint8_t value);
  /// To at least `entries`; the new ones are kValid. Never shorter.
  receipt::Checked<void> grow(std::uint64_t entries, std::size_t bytes_max = kListBytesMax);
  /// How many entries are anything but kValid.
  std::uint64_t count_revoked() const;

  bool operator==(const StatusList&) const = default;

 private:
  explicit StatusList(std::int64_t bits) : bits_(static_cast<std::uint8_t>(bits)) {}
  std::uint8_t value(std::uint64_t index) const;

  std::uint8_t bits_;
  std::string bytes_;
};

/// A receipt stands while its entry is kValid: kRevoked for any other, kStatusUnknown outside.
receipt::Checked<void> check_entry(const StatusList& list, std::uint64_t index);

/// "valid", "invalid", "suspended" or "status 7".
std::string status_text(std::uint8_t status);

}  // namespace mandated::status
