#include "proxy/tls/resumption.h"

#include <openssl/bytestring.h>
#include <openssl/digest.h>
#include <openssl/hkdf.h>
#include <openssl/mem.h>
#include <openssl/rand.h>

#include <algorithm>
#include <utility>

namespace mandated::tls {

namespace {

constexpr std::size_t kNonce = EVP_AEAD_MAX_NONCE_LENGTH;
constexpr std::size_t kTag = 16;
constexpr std::size_t kHead = 8 + 4;  // our SVID's expiry, the session's size
constexpr std::size_t kPadding = 256;
constexpr std::size_t kSessionsMax = 8;
constexpr std::string_view kPurpose = "mandated session tickets of ";

static_assert(kNonce == 24);

std::size_t padded(std::size_t size) { return (size + kPadding - 1) / kPadding * kPadding; }

}  // namespace

TicketSecret::TicketSecret() { RAND_bytes(bytes_.data(), bytes_.size()); }
TicketSecret::~TicketSecret() { OPENSSL_cleanse(bytes_.data(), bytes_.size()); }

TicketSealer::TicketSealer(const TicketSecret& secret, std::string_view spiffe_id) {
  std::string purpose(kPurpose);
  purpose += spiffe_id;
  std::array<std::uint8_t, 32> key{};
  const bool made =
      HKDF(key.data(), key.size(), EVP_sha256(), secret.bytes_.data(), secret.bytes_.size(),
           nullptr, 0, reinterpret_cast<const std::uint8_t*>(purpose.data()),
           purpose.size()) == 1 &&
      EVP_AEAD_CTX_init(key_.get(), EVP_aead_xchacha20_poly1305(), key.data(), key.size(), kTag,
                        nullptr) == 1;
  OPENSSL_cleanse(key.data(), key.size());
  MANDATED_ASSERT(made);
}

std::size_t TicketSealer::overhead_max() { return kNonce + kTag + kHead + kPadding; }

std::size_t TicketSealer::seal(std::span<std::uint8_t> out, std::span<const std::uint8_t> session,
                               Clock::WallTime own_expires) const {
  std::string plain(padded(kHead + session.size()), '\0');
  CBB writer;
  const auto since = std::chrono::floor<std::chrono::seconds>(own_expires.time_since_epoch());
  CBB_init_fixed(&writer, reinterpret_cast<std::uint8_t*>(plain.data()), plain.size());
  const bool written = CBB_add_u64(&writer, static_cast<std::uint64_t>(since.count())) == 1 &&
                       CBB_add_u32(&writer, static_cast<std::uint32_t>(session.size())) == 1 &&
                       CBB_add_bytes(&writer, session.data(), session.size()) == 1;
  std::size_t size = 0;
  const bool sealed =
      written && out.size() >= kNonce && RAND_bytes(out.data(), kNonce) == 1 &&
      EVP_AEAD_CTX_seal(key_.get(), out.data() + kNonce, &size, out.size() - kNonce, out.data(),
                        kNonce, reinterpret_cast<const std::uint8_t*>(plain.data()), plain.size(),
                        nullptr, 0) == 1;
  OPENSSL_cleanse(plain.data(), plain.size());
  return sealed ? kNonce + size : 0;
}

std::optional<TicketSealer::Opened> TicketSealer::open(std::span<const std::uint8_t> ticket) const {
  if (ticket.size() < kNonce) return std::nullopt;
  const std::span<const std::uint8_t> sealed = ticket.subspan(kNonce);
  std::string plain(sealed.size(), '\0');
  std::size_t size = 0;
  if (EVP_AEAD_CTX_open(key_.get(), reinterpret_cast<std::uint8_t*>(plain.data()), &size,
                        plain.size(), ticket.data(), kNonce, sealed.data(), sealed.size(), nullptr,
                        0) != 1) {
    return std::nullopt;
  }
  CBS reader;
  CBS_init(&reader, reinterpret_cast<const std::uint8_t*>(plain.data()), size);
  std::uint64_t expires = 0;
  std::uint32_t session_size = 0;
  CBS session;
  std::optional<Opened> opened;
  if (CBS_get_u64(&reader, &expires) == 1 && CBS_get_u32(&reader, &session_size) == 1 &&
      CBS_get_bytes(&reader, &session, session_size) == 1) {
    opened.emplace();
    opened->session.assign(reinterpret_cast<const char*>(CBS_data(&session)), CBS_len(&session));
    opened->own_expires = Clock::WallTime(std::chrono::seconds(expires));
  }
  OPENSSL_cleanse(plain.data(), plain.size());
  return opened;
}

void SessionCache::put(Entry entry) {
  entries_.push_front(std::move(entry));
  if (entries_.size() > kSessionsMax) entries_.pop_back();
}

std::optional<SessionCache::Entry> SessionCache::take(std::string_view own_id) {
  std::erase_if(entries_, [&](const Entry& entry) { return entry.own_id != own_id; });
  if (entries_.empty()) return std::nullopt;
  Entry newest = std::move(entries_.front());
  entries_.pop_front();
  return newest;
}

TicketSecretPtr make_ticket_secret() { return std::make_shared<const TicketSecret>(); }

SessionCachePtr make_session_cache() { return std::make_shared<SessionCache>(); }

}  // namespace mandated::tls
