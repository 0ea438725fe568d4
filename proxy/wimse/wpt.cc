#include "proxy/wimse/wpt.h"

#include <algorithm>
#include <map>
#include <optional>

#include "filters/receipt/digest.h"
#include "filters/receipt/jose.h"
#include "proxy/http/field_rules.h"
#include "proxy/json/writer.h"

namespace mandated::wimse {

namespace {

using receipt::shown;
using receipt::TokenKind;

constexpr json::Limits kPayloadLimits{.bytes_max = kTokenBytesMax, .depth_max = 16};

std::string_view trimmed(std::string_view text) {
  const std::size_t first = std::min(text.find_first_not_of(" \t"), text.size());
  text.remove_prefix(first);
  return text.substr(0, text.find_last_not_of(" \t") + 1);
}

std::string hash_of(std::string_view value) { return receipt::sha256_text(trimmed(value)); }

// What follows the scheme of an Authorization field that carries an access token (RFC 6750, RFC
// 9449); nullopt for other credentials.
std::optional<std::string_view> access_token(std::string_view value) {
  value = trimmed(value);
  const std::string_view scheme = value.substr(0, value.find(' '));
  if (!http::equal_ignoring_case(scheme, "bearer") && !http::equal_ignoring_case(scheme, "dpop")) {
    return std::nullopt;
  }
  return trimmed(value.substr(scheme.size()));
}

/// The hashes that a request's tokens call for.
struct Hashes {
  std::optional<std::string> access_token;
  std::optional<std::string> transaction_token;
  std::map<std::string, std::string, std::less<>> others;  // by field
};

Result<Hashes> hashes_of(const http::Fields& fields) {
  Hashes hashes;
  for (const std::string_view name :
       {"authorization", "txn-token", "delegation-receipt", "delegation-proof"}) {
    const std::size_t count = fields.count(name);
    if (count == 0) continue;
    if (count > 1) return not_proven("the field " + std::string(name) + " stands more than once");
    const std::string_view value = *fields.single(name);
    const auto token = name == "authorization" ? access_token(value) : std::nullopt;
    if (token) {
      hashes.access_token = hash_of(*token);
    } else if (name == "txn-token") {
      hashes.transaction_token = hash_of(value);
    } else {
      hashes.others[std::string(name)] = hash_of(value);
    }
  }
  return hashes;
}

// Both ways: what is there must be covered, and what is covered must be there.
Result<void> check_hash(const json::Value& payload, std::string_view name,
                        const std::optional<std::string>& wanted) {
  const json::Value* const claim = payload.find(name);
  if (claim == nullptr && !wanted) return {};
  if (claim != nullptr && wanted && payload.find_string(name) == *wanted) return {};
  if (claim == nullptr)
    return not_proven("the WPT has no " + std::string(name) +
                      ", which covers a token of the request");
  return not_proven("the WPT's " + std::string(name) +
                    " is not the hash of what the request carries");
}

Result<void> check_others(const json::Value& payload, const Hashes& wanted,
                          const http::Fields& fields) {
  const json::Value* const claim = payload.find("oth");
  if (claim != nullptr && !claim->is_object()) return not_proven("the WPT's oth is not an object");
  for (const auto& [name, hash] : wanted.others) {
    if (claim == nullptr || claim->find_string(name) != hash)
      return not_proven("the WPT's oth does not cover the field " + name + " of the request");
  }
  if (claim == nullptr) return {};
  for (const json::Member& member : claim->object()) {
    const auto value = fields.single(member.name);
    if (!value || !member.value.is_string() || member.value.string() != hash_of(*value))
      return not_proven("the WPT's oth covers " + shown(member.name) +
                        ", which the request does not carry, or not as it was");
  }
  return {};
}

// Gives the payload's bytes.
Result<std::string> open_signed(std::string_view token, const Wit& wit) {
  if (token.size() > kTokenBytesMax) return not_proven("the WPT is too long");
  const auto segments = receipt::split(token);
  if (!segments) return not_proven("in the WPT", segments.error());
  const auto header = receipt::read_header(segments->header, TokenKind::kWorkloadProof);
  if (!header) return not_proven("in the WPT", header.error());
  if (header->algorithm != wit.key.type())
    return not_proven("the WPT's algorithm is not that of the WIT's key");
  const auto signature = receipt::decode_segment(segments->signature, "signature");
  if (!signature) return not_proven("in the WPT", signature.error());
  if (!wit.key.verify(segments->signing_input, *signature))
    return not_proven("the WPT is not signed by the WIT's key");
  auto payload = receipt::decode_segment(segments->payload, "payload");
  if (!payload) return not_proven("in the WPT", payload.error());
  return std::move(*payload);
}

// One audience: a proof for several could be used up at another.
Result<std::string_view> audience_of(const json::Value& payload) {
  const json::Value* claim = payload.find("aud");
  if (claim != nullptr && claim->is_array() && claim->array().size() == 1)
    claim = claim->array().data();
  if (claim == nullptr || !claim->is_string())
    return not_proven("the WPT's aud does not name one audience");
  return claim->string();
}

Result<ProofOnce> check_once(const json::Value& payload, Seconds now) {
  const json::Value* const expires = payload.find("exp");
  if (expires == nullptr || !expires->is_number())
    return not_proven("the WPT has no exp that is a number");
  if (expires->number() <= now) return not_proven("the WPT has expired");
  if (expires->number() > now + kProofLifetimeMax) return not_proven("the WPT lives too long");
  const auto jti = payload.find_string("jti");
  if (!jti || jti->empty() || jti->size() > kProofNameBytesMax)
    return not_proven("the WPT has no jti that is a short string");
  return ProofOnce{"wpt " + std::string(*jti), expires->number()};
}

}  // namespace

bool is_origin(std::string_view uri) {
  const std::size_t authority = uri.find("://");
  return (uri.starts_with("https://") || uri.starts_with("http://")) &&
         uri.find('/', authority + 3) == std::string_view::npos;
}

bool is_for_us(std::string_view audience, std::span<const std::string> audiences,
               std::string_view target) {
  const std::string_view path = target.substr(0, target.find('?'));
  return std::any_of(audiences.begin(), audiences.end(), [&](const std::string& ours) {
    if (!is_origin(ours)) return audience == ours;
    return audience.starts_with(ours) && audience.substr(ours.size()) == path;
  });
}

Result<ProofOnce> verify_wpt(std::string_view token, std::string_view wit_token, const Wit& wit,
                             const http::RequestHead& head, std::span<const std::string> audiences,
                             Seconds now) {
  TRY(const std::string text, open_signed(token, wit));
  const auto document = receipt::parse_object(text, "payload", kPayloadLimits);
  if (!document) return not_proven("in the WPT", document.error());
  const json::Value& payload = document->root();
  TRY(const std::string_view audience, audience_of(payload));
  if (!is_for_us(audience, audiences, head.target))
    return not_proven("the WPT is meant for " + shown(audience));
  CHECK(check_hash(payload, "wth", hash_of(wit_token)));
  TRY(const Hashes wanted, hashes_of(head.fields));
  CHECK(check_hash(payload, "ath", wanted.access_token));
  CHECK(check_hash(payload, "tth", wanted.transaction_token));
  CHECK(check_others(payload, wanted, head.fields));
  return check_once(payload, now);
}

Result<std::string> issue_wpt(const receipt::PrivateKey& key, std::string_view wit_token,
                              const http::Fields& fields, const WptClaims& claims) {
  const Result<Hashes> hashes = hashes_of(fields);
  if (!hashes) return fail(mandated::Code::kInternal, hashes.error().text);
  json::ObjectWriter payload;
  payload.text("aud", claims.audience).number("exp", claims.expires).text("jti", claims.jti);
  payload.text("wth", hash_of(wit_token));
  if (hashes->access_token) payload.text("ath", *hashes->access_token);
  if (hashes->transaction_token) payload.text("tth", *hashes->transaction_token);
  if (!hashes->others.empty()) {
    json::ObjectWriter others;
    for (const auto& [name, hash] : hashes->others) others.text(name, hash);
    payload.json("oth", others.take());
  }
  return receipt::sign_compact(payload.take(), TokenKind::kWorkloadProof, {}, key);
}

}  // namespace mandated::wimse
