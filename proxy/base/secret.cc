#include "proxy/base/secret.h"

#include <string.h>

namespace mandated {

void wipe(std::string& secret) {
  explicit_bzero(secret.data(), secret.size());
  secret.clear();
}

void append_secret(std::string& secret, std::string_view more) {
  const std::size_t size = secret.size() + more.size();
  if (size > secret.capacity()) {
    std::string larger;
    larger.reserve(2 * size);
    larger.append(secret);
    wipe(secret);
    secret = std::move(larger);
  }
  secret.append(more);
}

Secret::Secret(Secret&& other) noexcept : bytes_(std::move(other.bytes_)) { wipe(other.bytes_); }

Secret& Secret::operator=(Secret&& other) noexcept {
  if (this == &other) return *this;
  wipe(bytes_);
  bytes_ = std::move(other.bytes_);
  wipe(other.bytes_);
  return *this;
}

}  // namespace mandated
