// Entries stand in bytes from the least significant bit up (section 4.1).
#include "filters/status/list.h"

#include <zlib.h>

#include <array>
#include <limits>
#include <new>

namespace mandated::status {
namespace {

using receipt::Checked;
using receipt::Code;
using receipt::refuse;

Checked<void> check_bits(std::int64_t bits) {
  if (bits == 1 || bits == 2 || bits == 4 || bits == 8) return {};
  return refuse(Code::kMalformed, "The status list has entries of " + std::to_string(bits) +
                                      " bits; 1, 2, 4 and 8 are allowed.");
}

tl::unexpected<receipt::Refusal> too_large(std::size_t bytes_max) {
  return refuse(Code::kTooLarge,
                "The status list is longer than " + std::to_string(bytes_max) + " bytes.");
}

tl::unexpected<receipt::Refusal> outside(std::uint64_t index, std::uint64_t size) {
  return refuse(Code::kStatusUnknown, "The status list has " + std::to_string(size) +
                                          " entries; there is no entry " + std::to_string(index) +
                                          ".");
}

// zlib's own header and checksum; neither gzip nor bare deflate.
class Inflater {
 public:
  Inflater() {
    if (inflateInit(&stream_) != Z_OK) throw std::bad_alloc();
  }
  ~Inflater() { inflateEnd(&stream_); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  Checked<std::string> inflate_all(std::string_view packed, std::size_t bytes_max) {
    if (packed.size() > std::numeric_limits<uInt>::max()) return too_large(bytes_max);
    // zlib's interface is not const; it writes nothing there.
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
    stream_.avail_in = static_cast<uInt>(packed.size());
    std::string bytes;
    while (true) {
      stream_.next_out = block_.data();
      stream_.avail_out = static_cast<uInt>(block_.size());
      const int state = inflate(&stream_, Z_NO_FLUSH);
      const std::size_t size = block_.size() - stream_.avail_out;
      if (size > bytes_max - bytes.size()) return too_large(bytes_max);
      bytes.append(reinterpret_cast<const char*>(block_.data()), size);
      if (state == Z_STREAM_END) break;
      if (state != Z_OK) {
        return refuse(Code::kMalformed, "The status list is not one whole zlib stream.");
      }
    }
    if (stream_.avail_in != 0) {
      return refuse(Code::kMalformed, "The status list goes on behind its zlib stream.");
    }
    return bytes;
  }

 private:
  z_stream stream_{};
  std::array<Bytef, 65536> block_;
};

}  // namespace

Checked<StatusList> StatusList::make(std::int64_t bits, std::uint64_t entries,
                                     std::size_t bytes_max) {
  if (auto checked = check_bits(bits); !checked) return tl::unexpected(checked.error());
  StatusList list(bits);
  if (auto grown = list.grow(entries, bytes_max); !grown) return tl::unexpected(grown.error());
  return list;
}

Checked<StatusList> StatusList::unpack(std::int64_t bits, std::string_view packed,
                                       std::size_t bytes_max) {
  if (auto checked = check_bits(bits); !checked) return tl::unexpected(checked.error());
  auto bytes = Inflater().inflate_all(packed, bytes_max);
  if (!bytes) return tl::unexpected(bytes.error());
  StatusList list(bits);
  list.bytes_ = std::move(*bytes);
  return list;
}

std::string StatusList::pack() const {
  uLongf size = compressBound(bytes_.size());
  std::string packed(size, '\0');
  const int state =
      compress2(reinterpret_cast<Bytef*>(packed.data()), &size,
                reinterpret_cast<const Bytef*>(bytes_.data()), bytes_.size(), Z_BEST_COMPRESSION);
  // With that much room, only memory can be wanting.
  if (state != Z_OK) throw std::bad_alloc();
  packed.resize(size);
  return packed;
}

std::uint8_t StatusList::value(std::uint64_t index) const {
  const std::uint64_t bit = index * bits_;
  const auto byte = static_cast<unsigned char>(bytes_[bit / 8]);
  return static_cast<std::uint8_t>((byte >> (bit % 8)) & ((1U << bits_) - 1));
}

Checked<std::uint8_t> StatusList::get(std::uint64_t index) const {
  if (index >= size()) return outside(index, size());
  return value(index);
}

Checked<void> StatusList::set(std::uint64_t index, std::uint8_t value) {
  if (index >= size()) return outside(index, size());
  const unsigned mask = (1U << bits_) - 1;
  if (value > mask) {
    return refuse(Code::kMalformed, "Status " + std::to_string(value) +
                                        " does not fit into an entry of " + std::to_string(bits_) +
                                        " bits.");
  }
  const std::uint64_t bit = index * bits_;
  const unsigned shift = bit % 8;
  char& byte = bytes_[bit / 8];
  byte = static_cast<char>((static_cast<unsigned char>(byte) & ~(mask << shift)) |
                           (unsigned{value} << shift));
  return {};
}

Checked<void> StatusList::grow(std::uint64_t entries, std::size_t bytes_max) {
  const std::uint64_t entries_per_byte = 8U / bits_;
  const std::uint64_t bytes = entries / entries_per_byte + (entries % entries_per_byte != 0);
  if (bytes > bytes_max) return too_large(bytes_max);
  if (bytes > bytes_.size()) bytes_.resize(bytes, '\0');
  return {};
}

std::uint64_t StatusList::count_revoked() const {
  const std::uint64_t entries_per_byte = 8U / bits_;
  std::uint64_t count = 0;
  for (std::size_t at = 0; at < bytes_.size(); ++at) {
    if (bytes_[at] == '\0') continue;
    for (std::uint64_t entry = 0; entry < entries_per_byte; ++entry) {
      if (value(at * entries_per_byte + entry) != kValid) ++count;
    }
  }
  return count;
}

Checked<void> check_entry(const StatusList& list, std::uint64_t index) {
  const auto status = list.get(index);
  if (!status) return tl::unexpected(status.error());
  if (*status == kValid) return {};
  return refuse(Code::kRevoked,
                "Its issuer's status list calls the receipt " + status_text(*status) + ".");
}

std::string status_text(std::uint8_t status) {
  switch (status) {
    case kValid:
      return "valid";
    case kInvalid:
      return "invalid";
    case kSuspended:
      return "suspended";
    default:
      return "status " + std::to_string(status);
  }
}

}  // namespace mandated::status
