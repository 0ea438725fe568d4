// Signing. Each new token is put through the verifier's own code before it is handed out, so that
// the two cannot differ on what is allowed.
#include "filters/receipt/issue.h"

#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "filters/receipt/claims.h"
#include "filters/receipt/jose.h"
#include "filters/receipt/verify.h"

namespace mandated::receipt {
namespace {

// UUIDv7 (RFC 9562 section 5.7): 48 bits of milliseconds, the rest random.
std::string new_identifier(Seconds now) {
  std::array<std::uint8_t, 16> bytes;
  RAND_bytes(bytes.data(), bytes.size());
  const auto milliseconds = static_cast<std::uint64_t>(std::max(0.0, now) * 1000);
  for (std::size_t at = 0; at < 6; ++at)
    bytes[at] = static_cast<std::uint8_t>(milliseconds >> (40 - 8 * at));
  bytes[6] = static_cast<std::uint8_t>((bytes[6] & 0x0FU) | 0x70U);
  bytes[8] = static_cast<std::uint8_t>((bytes[8] & 0x3FU) | 0x80U);
  std::string text;
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    constexpr std::string_view kHex = "0123456789abcdef";
    if (at == 4 || at == 6 || at == 8 || at == 10) text.push_back('-');
    text.push_back(kHex[bytes[at] >> 4U]);
    text.push_back(kHex[bytes[at] & 0xFU]);
  }
  return text;
}

Checked<json::Document> parse_part(std::string_view text, std::string_view what) {
  auto document = json::Document::parse(text);
  if (!document) {
    return refuse(Code::kMalformed, "The " + std::string(what) +
                                        " is not strict JSON: " + document.error().text + ".");
  }
  if (!document->root().is_object())
    return refuse(Code::kMalformed, "The " + std::string(what) + " is not a JSON object.");
  return std::move(*document);
}

// The mandate of a child: what it says itself, and what it must carry down.
std::string merged_mandate(const json::Value* own, const json::Value* parent) {
  std::string text;
  const auto add = [&](const json::Member& member) {
    text += (text.empty() ? "{" : ",") + json::quoted(member.name) + ":" +
            json::canonical(member.value);
  };
  if (parent != nullptr) {
    for (const json::Member& member : parent->object()) {
      const bool stays = member.name == "task" || member.name == "status";
      if (!stays && (own == nullptr || own->find(member.name) == nullptr)) add(member);
    }
  }
  if (own != nullptr) {
    for (const json::Member& member : own->object()) add(member);
  }
  return text.empty() ? text : text + "}";
}

struct Position {
  std::string issuer;
  std::int64_t depth = 0;
  std::string parent_hash;  // empty for a root
  const json::Value* parent_mandate = nullptr;
};

Checked<std::string> payload_text(const Grant& grant, const Position& position) {
  const auto tools = parse_part(grant.tools_json, "tools map");
  if (!tools) return tl::unexpected(tools.error());
  std::optional<json::Document> own;
  if (!grant.mandate_json.empty()) {
    auto parsed = parse_part(grant.mandate_json, "mandate");
    if (!parsed) return tl::unexpected(parsed.error());
    own = std::move(*parsed);
  }
  if (!std::isfinite(grant.issued_at) || !std::isfinite(grant.expires)) {
    return refuse(Code::kMalformed, "The receipt's times are not finite.");
  }
  std::string text =
      "{\"jti\":" + json::quoted(grant.jti.empty() ? new_identifier(grant.issued_at) : grant.jti) +
      ",\"iss\":" + json::quoted(position.issuer) +
      ",\"iat\":" + json::number_text(grant.issued_at) +
      ",\"exp\":" + json::number_text(grant.expires) +
      ",\"del_depth\":" + std::to_string(position.depth) +
      ",\"del_max_depth\":" + std::to_string(grant.depth_max);
  if (!position.parent_hash.empty()) text += ",\"par_hash\":" + json::quoted(position.parent_hash);
  text += ",\"cnf\":{\"jwk\":" + grant.holder.jwk() + "}";
  text += ",\"authorization_details\":[{\"type\":\"attenuating_agent_token\",\"tools\":" +
          json::canonical(tools->root()) + "}]";
  const std::string mandate = merged_mandate(own ? &own->root() : nullptr, position.parent_mandate);
  if (!mandate.empty()) text += ",\"mandate\":" + mandate;
  return text + "}";
}

}  // namespace

Seconds valid_from(const Grant& grant) {
  const auto mandate = json::Document::parse(grant.mandate_json);
  const json::Value* begin = mandate ? mandate->root().find("nbf") : nullptr;
  return begin != nullptr && begin->is_number() ? std::max(grant.issued_at, begin->number())
                                                : grant.issued_at;
}

Checked<std::string> issue_root(const Grant& grant, std::string_view issuer, const PrivateKey& key,
                                std::string_view kid, const Limits& limits) {
  const auto payload = payload_text(grant, {std::string(issuer), 0, {}, nullptr});
  if (!payload) return tl::unexpected(payload.error());
  std::string token = sign_compact(*payload, TokenKind::kReceipt, kid, key);
  const std::string_view chain[] = {token};
  const AnchorSet self({Anchor{std::string(kid), key.public_key(), std::nullopt}});
  const auto verified = verify_chain(chain, self, valid_from(grant), limits);
  if (!verified) return tl::unexpected(verified.error());
  return token;
}

Checked<std::string> root_for_passkey(const Grant& grant, std::string_view issuer,
                                      std::string_view kid, const Limits& limits) {
  const auto payload = payload_text(grant, {std::string(issuer), 0, {}, nullptr});
  if (!payload) return tl::unexpected(payload.error());
  std::string input = passkey_signing_input(*payload, TokenKind::kRoot, kid);
  const std::string unsigned_token = input + ".";
  const std::string_view chain[] = {unsigned_token};
  const auto verified = verify_links(chain, valid_from(grant), limits);
  if (!verified) return tl::unexpected(verified.error());
  return input;
}

Checked<std::string> derive(std::span<const std::string_view> chain, const Grant& grant,
                            const PrivateKey& holder_key, const Limits& limits) {
  const auto parent = verify_links(chain, grant.issued_at, limits);
  if (!parent) return tl::unexpected(parent.error());
  if (!(holder_key.public_key() == (*parent)->holder_key())) {
    return refuse(Code::kWrongHolder,
                  "The key is not that of the receipt's holder, who alone may delegate it.");
  }
  const Position position{thumbprint_uri(holder_key.public_key()),
                          static_cast<std::int64_t>(chain.size()), (*parent)->digest(),
                          (*parent)->claims(chain.size() - 1).find("mandate")};
  const auto payload = payload_text(grant, position);
  if (!payload) return tl::unexpected(payload.error());
  std::string token = sign_compact(*payload, TokenKind::kReceipt, {}, holder_key);
  std::vector<std::string_view> longer(chain.begin(), chain.end());
  longer.push_back(token);
  const auto verified = verify_links(longer, grant.issued_at, limits);
  if (!verified) return tl::unexpected(verified.error());
  return token;
}

std::string prove(const VerifiedChain& chain, const PrivateKey& holder_key, std::string_view tool,
                  const json::Value& arguments, std::string_view audience, Seconds now,
                  std::string_view jti) {
  // Members in the order of RFC 8785.
  std::string payload = "{";
  if (!audience.empty()) payload += "\"aat_aud\":" + json::quoted(audience) + ",";
  payload += "\"aat_id\":" + json::quoted(chain.jti(chain.size() - 1)) +
             ",\"aat_tool\":" + json::quoted(tool) +
             ",\"hta\":" + (arguments.is_null() ? "{}" : json::canonical(arguments)) +
             ",\"iat\":" + json::number_text(std::floor(now)) +
             ",\"jti\":" + (jti.empty() ? json::quoted(new_identifier(now)) : json::quoted(jti)) +
             "}";
  return sign_compact(payload, TokenKind::kProof, {}, holder_key);
}

}  // namespace mandated::receipt
