// The order of W3C section 7.2: client data, authenticator data, signature. All of it is bytes that
// a stranger may have written until the signature verified; each part is bounded before it is read.
#include "filters/receipt/webauthn.h"

#include <algorithm>

#include "filters/receipt/base64url.h"
#include "filters/receipt/digest.h"
#include "filters/receipt/jose.h"

namespace mandated::receipt {
namespace {

// Browsers write some 150 bytes; a long origin and an added member stay far below.
constexpr json::Limits kClientDataLimits{.bytes_max = 4096, .depth_max = 8};
constexpr json::Limits kEnvelopeLimits{.bytes_max = 8192, .depth_max = 1};

// W3C section 6.1: RP ID hash, flags, signature counter.
constexpr std::size_t kHashSize = 32;
constexpr std::size_t kAuthenticatorDataSize = kHashSize + 1 + 4;
constexpr unsigned kUserPresent = 1U << 0U;
constexpr unsigned kUserVerified = 1U << 2U;
constexpr unsigned kBackupEligible = 1U << 3U;
constexpr unsigned kBackedUp = 1U << 4U;
constexpr unsigned kAttestedData = 1U << 6U;
constexpr unsigned kExtensionData = 1U << 7U;

tl::unexpected<Refusal> bad(std::string_view what) {
  return refuse(Code::kBadSignature,
                "The passkey's signature does not count: " + std::string(what) + ".");
}

Checked<std::string> read_part(const json::Value& envelope, std::string_view member) {
  const auto text = envelope.find_string(member);
  auto bytes = text ? decode_base64url(*text) : std::nullopt;
  if (bytes) return std::move(*bytes);
  return refuse(Code::kMalformed, "The passkey signature's member " + shown(member) +
                                      " is missing, or not strict base64url.");
}

// Step by step as W3C section 7.2 compares client data.
Checked<void> check_client_data(std::string_view text, const Passkey& passkey,
                                std::string_view challenge) {
  const auto document = parse_object(text, "clientDataJSON", kClientDataLimits);
  if (!document) return tl::unexpected(document.error());
  const json::Value& data = document->root();
  if (data.find_string("type") != "webauthn.get")
    return bad("it was not made by asking for a signature (webauthn.get)");
  if (data.find_string("challenge") != challenge)
    return bad("it was made for other content than this receipt");
  const auto origin = data.find_string("origin");
  if (!origin) return bad("it does not say on which page it was made");
  if (std::find(passkey.origins.begin(), passkey.origins.end(), *origin) == passkey.origins.end()) {
    return bad("it was made on " + shown(*origin) + ", where this passkey may not sign receipts");
  }
  const json::Value* cross = data.find("crossOrigin");
  const bool own_page = cross == nullptr || (cross->is_bool() && !cross->boolean());
  if (!own_page || data.find("topOrigin") != nullptr)
    return bad("it was made on a page inside another site's page");
  return {};
}

Checked<void> check_authenticator_data(std::string_view data, const Passkey& passkey) {
  if (data.size() < kAuthenticatorDataSize) {
    return refuse(Code::kMalformed, "The passkey's authenticator data is cut off.");
  }
  const Sha256 hash = sha256(passkey.rp_id);
  if (!std::equal(hash.begin(), hash.end(), data.begin(),
                  [](std::uint8_t a, char b) { return a == static_cast<std::uint8_t>(b); })) {
    return bad("it was made for another site than " + shown(passkey.rp_id));
  }
  const unsigned flags = static_cast<unsigned char>(data[kHashSize]);
  if ((flags & kUserPresent) == 0) return bad("nobody touched the authenticator");
  if ((flags & kUserVerified) == 0)
    return bad("the authenticator did not verify who touched it (by PIN, finger or face)");
  if ((flags & kBackupEligible) == 0 && (flags & kBackedUp) != 0)
    return bad("the authenticator says that a key is backed up which cannot be");
  if ((flags & (kAttestedData | kExtensionData)) != 0)
    return bad("the authenticator added data that nobody asked for");
  if (data.size() != kAuthenticatorDataSize) {
    return refuse(Code::kMalformed, "The passkey's authenticator data has bytes left over.");
  }
  return {};
}

}  // namespace

Checked<Assertion> read_assertion(std::string_view text) {
  const auto document = parse_object(text, "passkey signature", kEnvelopeLimits);
  if (!document) return tl::unexpected(document.error());
  const json::Value& envelope = document->root();
  auto data = read_part(envelope, "authenticatorData");
  if (!data) return tl::unexpected(std::move(data.error()));
  auto client = read_part(envelope, "clientDataJSON");
  if (!client) return tl::unexpected(std::move(client.error()));
  auto signature = read_part(envelope, "signature");
  if (!signature) return tl::unexpected(std::move(signature.error()));
  if (envelope.object().size() != 3) {
    return refuse(Code::kMalformed, "The passkey's signature has a member that does not belong.");
  }
  return Assertion{std::move(*data), std::move(*client), std::move(*signature)};
}

Checked<void> check_assertion(const Assertion& assertion, const PublicKey& key,
                              const Passkey& passkey, std::string_view challenge) {
  auto checked = check_client_data(assertion.client_data, passkey, challenge).and_then([&] {
    return check_authenticator_data(assertion.authenticator_data, passkey);
  });
  if (!checked) return checked;
  const Sha256 hash = sha256(assertion.client_data);
  std::string message = assertion.authenticator_data;
  message.append(reinterpret_cast<const char*>(hash.data()), hash.size());
  if (!key.verify_as_passkey(message, assertion.signature))
    return bad("another key made it, or it was changed");
  return {};
}

Checked<const Anchor*> verify_with_passkey(const AnchorSet& anchors,
                                           const std::optional<std::string>& kid,
                                           std::string_view signing_input,
                                           std::string_view signature) {
  if (!kid) return refuse(Code::kMalformed, "The root receipt does not name its passkey (kid).");
  const Anchor* named = nullptr;
  for (const Anchor& anchor : anchors.anchors()) {
    if (!anchor.passkey || anchor.kid != *kid) continue;
    if (named != nullptr) {
      return refuse(Code::kUntrustedRoot,
                    "The root receipt is signed by a passkey that is registered here twice.");
    }
    named = &anchor;
  }
  if (named == nullptr) {
    return refuse(Code::kUntrustedRoot,
                  "The root receipt is signed by a passkey that is not registered here.");
  }
  return read_assertion(signature)
      .and_then([&](const Assertion& assertion) {
        return check_assertion(assertion, named->key, *named->passkey, sha256_text(signing_input));
      })
      .map([&] { return named; });
}

}  // namespace mandated::receipt
