// Thin over BoringSSL; the framing is ours.
#include "filters/receipt/digest.h"

#include <openssl/sha.h>

#include <cstring>

#include "filters/receipt/base64url.h"

namespace mandated::receipt {

Sha256 sha256(std::string_view bytes) {
  Sha256 digest;
  SHA256(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size(), digest.data());
  return digest;
}

std::string sha256_text(std::string_view bytes) { return encode_base64url(sha256(bytes)); }

Sha256 sha256_framed(std::span<const std::string_view> parts) {
  SHA256_CTX context;
  SHA256_Init(&context);
  for (const std::string_view part : parts) {
    const std::uint64_t size = part.size();
    std::array<std::uint8_t, sizeof size> frame;
    std::memcpy(frame.data(), &size, sizeof size);
    SHA256_Update(&context, frame.data(), frame.size());
    SHA256_Update(&context, part.data(), part.size());
  }
  Sha256 digest;
  SHA256_Final(digest.data(), &context);
  return digest;
}

}  // namespace mandated::receipt
