#include "proxy/identity/certificate.h"

#include <openssl/mem.h>
#include <openssl/x509.h>

#include <algorithm>
#include <chrono>

namespace mandated::identity {

namespace {

Clock::WallTime time_of(const ASN1_TIME* time, Clock::WallTime when_unreadable) {
  std::int64_t seconds = 0;
  return ASN1_TIME_to_posix(time, &seconds) == 1 ? from_posix(seconds) : when_unreadable;
}

}  // namespace

bssl::UniquePtr<X509> parse_certificate(std::string_view der) {
  const auto* next = reinterpret_cast<const std::uint8_t*>(der.data());
  const auto* end = next + der.size();
  bssl::UniquePtr<X509> certificate(d2i_X509(nullptr, &next, static_cast<long>(der.size())));
  if (next != end) certificate.reset();
  return certificate;
}

std::string to_der(const X509* certificate) {
  std::uint8_t* bytes = nullptr;
  const int size = i2d_X509(certificate, &bytes);
  if (size <= 0) return {};
  const bssl::UniquePtr<std::uint8_t> owner(bytes);
  return {reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size)};
}

Clock::WallTime not_before(const X509* certificate) {
  return time_of(X509_get0_notBefore(certificate), Clock::WallTime::max());
}

Clock::WallTime not_after(const X509* certificate) {
  return time_of(X509_get0_notAfter(certificate), Clock::WallTime::min());
}

std::int64_t to_posix(Clock::WallTime time) {
  return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
}

Clock::WallTime from_posix(std::int64_t seconds) {
  const std::int64_t lowest = to_posix(Clock::WallTime::min()) + 1;
  const std::int64_t highest = to_posix(Clock::WallTime::max());
  return Clock::WallTime(std::chrono::seconds(std::clamp(seconds, lowest, highest)));
}

}  // namespace mandated::identity
