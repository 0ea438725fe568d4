#include "proxy/audit/chain.h"

#include <openssl/base64.h>
#include <openssl/sha.h>

#include <array>
#include <cstdio>
#include <ctime>

#include "proxy/json/json.h"

namespace mandated::audit {

std::string hash(std::string_view bytes) {
  std::array<std::uint8_t, SHA256_DIGEST_LENGTH> digest{};
  SHA256(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size(), digest.data());
  std::array<std::uint8_t, 45> encoded{};  // 44 and EVP_EncodeBlock's NUL
  EVP_EncodeBlock(encoded.data(), digest.data(), digest.size());
  std::string text(reinterpret_cast<const char*>(encoded.data()), 43);  // without the padding
  for (char& c : text) {
    if (c == '+') c = '-';
    if (c == '/') c = '_';
  }
  return text;
}

std::string time_text(Clock::WallTime time) {
  using std::chrono::microseconds;
  const std::int64_t since =
      std::chrono::duration_cast<microseconds>(time.time_since_epoch()).count();
  const std::int64_t fraction = ((since % 1000000) + 1000000) % 1000000;
  const std::time_t whole = (since - fraction) / 1000000;
  std::tm parts{};
  ::gmtime_r(&whole, &parts);
  std::array<char, 64> text{};
  const std::size_t size = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &parts);
  std::snprintf(text.data() + size, text.size() - size, ".%06dZ", static_cast<int>(fraction));
  return text.data();
}

std::string Chain::next(std::string_view members) {
  std::string line = "{\"seq\":" + std::to_string(next_seq_) + ",\"prev\":";
  line.reserve(line.size() + last_hash_.size() + members.size() + 8);
  json::append_quoted(last_hash_, line);
  line.append(",").append(members).append("}");
  last_hash_ = hash(line);
  ++next_seq_;
  return line += '\n';
}

}  // namespace mandated::audit
