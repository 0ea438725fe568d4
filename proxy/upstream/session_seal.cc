#include "proxy/upstream/session_seal.h"

#include <openssl/hmac.h>
#include <openssl/mem.h>

namespace mandated::upstream {

namespace {

constexpr std::size_t kMacDigits = 32;  // 128 bits

void append_framed(std::string& message, std::string_view part) {
  message += std::to_string(part.size());
  message += ':';
  message += part;
}

}  // namespace

std::string SessionSeal::mac(std::string_view session_id, std::string_view peer) const {
  std::string message;
  append_framed(message, upstream_);
  append_framed(message, peer);
  append_framed(message, session_id);
  std::array<std::uint8_t, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  HMAC(EVP_sha256(), key_.data(), key_.size(),
       reinterpret_cast<const std::uint8_t*>(message.data()), message.size(), digest.data(), &size);
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (std::size_t at = 0; at < kMacDigits / 2; ++at) {
    text += kDigits[digest[at] >> 4U];
    text += kDigits[digest[at] & 15U];
  }
  return text;
}

std::string SessionSeal::seal(std::string_view session_id, std::string_view peer) const {
  return std::string(session_id) + "." + mac(session_id, peer);
}

std::optional<std::string> SessionSeal::open(std::string_view sealed, std::string_view peer) const {
  if (sealed.size() <= kMacDigits + 1) return std::nullopt;
  const std::string_view session_id = sealed.substr(0, sealed.size() - kMacDigits - 1);
  const std::string_view given = sealed.substr(session_id.size());
  const std::string wanted = "." + mac(session_id, peer);
  if (CRYPTO_memcmp(given.data(), wanted.data(), wanted.size()) != 0) return std::nullopt;
  return std::string(session_id);
}

}  // namespace mandated::upstream
