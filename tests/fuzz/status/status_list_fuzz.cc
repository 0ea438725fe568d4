// Status lists. The first byte: 'p' a payload that the issuer signs, '1', '2', '4' or '8' packed
// entries of so many bits, anything else a whole token. An accepted list is bounded, says what was
// signed, and comes back the same when it is issued again.
#include <cstdint>

#include "filters/status/token.h"
#include "tests/fuzz/receipt/property.h"
#include "tests/unit/receipt/forge.h"

namespace mandated::status {
namespace {

using fuzz::require;
using receipt::forge::kNow;

constexpr const char* kUri = "https://issuer.example/lists/1";
constexpr TokenLimits kLimits{.list_bytes_max = 1U << 20U};

const receipt::PrivateKey& signer() {
  static const receipt::PrivateKey key = receipt::forge::key(0);
  return key;
}

const receipt::AnchorSet& anchors() {
  static const receipt::AnchorSet set({receipt::Anchor{{}, signer().public_key(), std::nullopt}});
  return set;
}

void check_list(const StatusList& list) {
  const std::uint64_t bits = list.size() * static_cast<std::uint64_t>(list.bits());
  require(bits % 8 == 0 && bits / 8 <= kLimits.list_bytes_max, "a list is bounded");
  require(!list.get(list.size()), "nothing stands behind its end");
  std::uint64_t revoked = 0;
  for (std::uint64_t index = 0; index < list.size(); ++index) {
    const auto entry = list.get(index);
    require(entry && *entry < (1U << list.bits()), "an entry fits its bits");
    require(check_entry(list, index).has_value() == (*entry == kValid), "only valid entries stand");
    if (*entry != kValid) ++revoked;
  }
  require(revoked == list.count_revoked(), "the count is that of the entries");
  const auto again = StatusList::unpack(list.bits(), list.pack(), kLimits.list_bytes_max);
  require(again && *again == list, "what is packed is unpacked");
}

void check_packed(int bits, std::string_view packed) {
  const auto list = StatusList::unpack(bits, packed, kLimits.list_bytes_max);
  if (list) check_list(*list);
}

void check_payload(std::string_view payload) {
  const std::string token = receipt::forge::sign_text(
      receipt::forge::honest_header(signer(), "statuslist+jwt"), payload, signer());
  const auto published = verify_status_list(token, kUri, anchors(), kNow, kLimits);
  if (!published) return;
  require(published->uri == kUri, "it is the list that was asked for");
  require(published->issued_at >= 0 && published->issued_at <= kNow + kLimits.iat_skew_max,
          "it was issued by now");
  require(!published->expires || *published->expires > kNow, "it has not expired");
  require(!published->ttl || *published->ttl > 0, "its ttl is positive");
  const auto document = json::Document::parse(payload);
  require(document && document->root().find_string("sub") == kUri, "it is strict JSON");
  check_list(published->list);

  auto renewed = *published;
  renewed.issued_at = kNow;
  const auto issued = issue_status_list(renewed, signer(), kLimits);
  require(issued.has_value(), "it can be issued again");
  const auto again = verify_status_list(*issued, kUri, anchors(), kNow, kLimits);
  require(again && again->list == published->list && again->expires == published->expires &&
              again->ttl == published->ttl,
          "it comes back the same");
}

}  // namespace
}  // namespace mandated::status

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace mandated::status;
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0]) {
    case 'p':
      check_payload(rest);
      break;
    case '1':
    case '2':
    case '4':
    case '8':
      check_packed(data[0] - '0', rest);
      break;
    default:
      require(!verify_status_list(rest, kUri, anchors(), kNow, kLimits), "an unsigned token");
      if (const auto list = inspect_status_list(rest, kLimits); list) check_list(list->list);
  }
  return 0;
}
