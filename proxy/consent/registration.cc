#include "proxy/consent/registration.h"

#include <array>

#include "filters/receipt/base64url.h"
#include "filters/receipt/webauthn.h"
#include "proxy/consent/assertion.h"

namespace mandated::consent {

namespace {

constexpr std::size_t kBodyBytesMax = 16384;
constexpr std::size_t kCredentialIdMax = 1023;  // W3C Web Authentication Level 3, section 4

Result<receipt::PublicKey> read_key(const json::Value& body) {
  const auto text = body.find_string("public_key");
  const auto der = text ? receipt::decode_base64url(*text) : std::nullopt;
  if (!der) return fail(Code::kMalformed, "The member public_key is not strict base64url.");
  auto key = receipt::PublicKey::from_spki(*der);
  if (!key) return fail(Code::kMalformed, key.error().sentence);
  return std::move(*key);
}

Result<std::string> read_credential_id(const json::Value& body) {
  const auto text = body.find_string("credential_id");
  const auto id = text ? receipt::decode_base64url(*text) : std::nullopt;
  if (id && !id->empty() && id->size() <= kCredentialIdMax) return std::string(*text);
  return fail(Code::kMalformed,
              "The member credential_id is not 1 to 1023 bytes in strict base64url.");
}

}  // namespace

Result<Registrations::Begun> Registrations::begin(std::string_view code, Seconds now) {
  expire(now);
  if (pending_.size() >= kPendingMax)
    return fail(Code::kOverloaded, "Too many registrations are under way. Try again later.");
  TRY(Registry::Invitation invitation, registry_.invitation(code, now));
  std::array<std::uint8_t, 32> challenge;
  rng_.fill(challenge);
  Begun begun{rng_.identifier(), receipt::encode_base64url(challenge), std::move(invitation)};
  pending_.emplace(begun.id, Pending{std::string(code), begun, now + kLifetime});
  return begun;
}

Result<std::string> Registrations::finish(std::string_view id, std::string_view body, Seconds now) {
  expire(now);
  const auto found = pending_.find(id);
  if (found == pending_.end())
    return fail(Code::kNotFound, "This registration took too long. Open the invitation again.");
  const Pending& pending = found->second;
  const auto document = json::Document::parse(body, {.bytes_max = kBodyBytesMax, .depth_max = 2});
  if (!document)
    return fail(Code::kMalformed, "The body is not strict JSON: " + document.error().text + ".");
  TRY(receipt::PublicKey key, read_key(document->root()));
  TRY(std::string credential_id, read_credential_id(document->root()));
  receipt::Anchor anchor{std::move(credential_id), std::move(key), pending.begun.invitation.user,
                         receipt::Passkey{origin_.rp_id, {origin_.text}}, nullptr};
  const auto signed_by_it =
      receipt::read_assertion(assertion_of(document->root()))
          .and_then([&](const receipt::Assertion& assertion) {
            return receipt::check_assertion(assertion, anchor.key, *anchor.passkey,
                                            pending.begun.challenge);
          });
  if (!signed_by_it) return fail(Code::kDenied, signed_by_it.error().sentence);
  CHECK(registry_.admit(pending.code, anchor, now));
  std::string name = pending.begun.invitation.name;
  pending_.erase(found);
  return name;
}

void Registrations::expire(Seconds now) {
  std::erase_if(pending_, [now](const auto& entry) { return now >= entry.second.until; });
}

}  // namespace mandated::consent
