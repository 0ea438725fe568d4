// cidr: IP addresses in the one spelling that every reader takes alike. inet_pton refuses short
// forms, leading zeros and zones; what else has a second reading is refused here.
#include <arpa/inet.h>

#include <algorithm>

#include "filters/receipt/extension.h"

namespace mandated::receipt {
namespace {

constexpr std::size_t kAddressTextMax = INET6_ADDRSTRLEN - 1;

// ::ffff:0:0/96: a socket takes such an address for the IPv4 address at its end, so it would pass a
// net of the one family while it reaches a host of the other. Refused in every spelling.
bool is_mapped(const Address& address) {
  constexpr std::array<std::uint8_t, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  return address.bits == 128 && std::equal(kMapped.begin(), kMapped.end(), address.bytes.begin());
}

std::optional<Address> read_address(std::string_view text) {
  // inet_pton would stop at a NUL.
  if (text.size() > kAddressTextMax || text.find('\0') != std::string_view::npos)
    return std::nullopt;
  const std::string terminated(text);
  const bool six = text.find(':') != std::string_view::npos;
  // A dotted tail (::10.0.0.1) is a second spelling of the same address.
  if (six && text.find('.') != std::string_view::npos) return std::nullopt;
  Address address;
  address.bits = six ? 128 : 32;
  if (inet_pton(six ? AF_INET6 : AF_INET, terminated.c_str(), address.bytes.data()) != 1)
    return std::nullopt;
  if (is_mapped(address)) return std::nullopt;
  return address;
}

// A decimal number of bits as people write it: no sign, no leading zero.
std::optional<std::size_t> read_prefix_bits(std::string_view text) {
  if (text.empty() || text.size() > 3 || (text.size() > 1 && text.front() == '0'))
    return std::nullopt;
  std::size_t bits = 0;
  for (const char each : text) {
    if (each < '0' || each > '9') return std::nullopt;
    bits = bits * 10 + static_cast<std::size_t>(each - '0');
  }
  return bits;
}

bool bit(const Address& address, std::size_t at) {
  return ((address.bytes[at / 8] >> (7 - at % 8)) & 1) != 0;
}

}  // namespace

std::optional<AddressBlock> AddressBlock::parse(const json::Value& source) {
  const auto net = source.find_string("net");
  const std::size_t slash = net ? net->find('/') : std::string_view::npos;
  if (slash == std::string_view::npos) return std::nullopt;
  const auto address = read_address(net->substr(0, slash));
  const auto bits = read_prefix_bits(net->substr(slash + 1));
  if (!address || !bits || *bits > address->bits) return std::nullopt;
  // Host bits are a slip of whoever wrote the net: 10.0.0.1/8 may have meant one host.
  for (std::size_t at = *bits; at < address->bits; ++at) {
    if (bit(*address, at)) return std::nullopt;
  }
  AddressBlock block;
  block.address_ = *address;
  block.prefix_bits_ = *bits;
  return block;
}

bool AddressBlock::accepts(const json::Value& argument, Effort& /*effort*/) const {
  if (!argument.is_string()) return false;
  const auto address = read_address(argument.string());
  return address && holds(*address);
}

bool AddressBlock::within(const AddressBlock& parent) const {
  return prefix_bits_ >= parent.prefix_bits_ && parent.holds(address_);
}

bool AddressBlock::holds(const Address& address) const {
  if (address.bits != address_.bits) return false;
  for (std::size_t at = 0; at < prefix_bits_; ++at) {
    if (bit(address, at) != bit(address_, at)) return false;
  }
  return true;
}

}  // namespace mandated::receipt
