#include "proxy/identity/jwt_keys.h"

#include <algorithm>
#include <utility>

#include "proxy/identity/jwk.h"
#include "proxy/json/json.h"

namespace mandated::identity {

namespace {

constexpr std::size_t kKeysMax = 256;
constexpr std::size_t kKidMax = 1024;

Failure malformed(std::string text) { return fail(Code::kMalformed, std::move(text)); }

/// Without a key: none of ours.
Result<JwtKey> read_key(const json::Value& jwk) {
  if (!jwk.is_object()) return malformed("a key that is no object");
  JwtKey key;
  const json::Value* const use = jwk.find("use");
  if (use != nullptr && !use->is_string()) return malformed("a key whose use is no text");
  if (use != nullptr && use->string() != "jwt-svid" && use->string() != "wit-svid") return key;
  if (use != nullptr && use->string() == "wit-svid") key.use = JwtKey::Use::kWitSvid;
  auto parsed = parse_public_jwk(jwk);
  if (!parsed && parsed.error().code == Code::kUnsupported) return key;
  if (!parsed) return malformed(std::move(parsed.error().text));
  const std::string_view kid = jwk.find_string("kid").value_or("");
  if (kid.empty() || kid.size() > kKidMax) return malformed("a key without its kid");
  key.kid = kid;
  key.key = std::move(*parsed);
  return key;
}

}  // namespace

Result<std::vector<JwtKey>> read_jwt_keys(std::string_view jwk_set) {
  const auto document = json::Document::parse(jwk_set);
  if (!document) return malformed("no JSON: " + document.error().text);
  const json::Value* const all = document->root().find("keys");
  if (all == nullptr || !all->is_array()) return malformed("no JWK Set");
  if (all->array().size() > kKeysMax) return malformed("more than 256 keys");
  std::vector<JwtKey> keys;
  for (const json::Value& jwk : all->array()) {
    TRY(JwtKey key, read_key(jwk));
    if (!key.key) continue;
    const auto same = [&](const JwtKey& one) { return one.kid == key.kid; };
    if (std::any_of(keys.begin(), keys.end(), same)) {
      return malformed("two keys with the kid '" + key.kid + "'");
    }
    keys.push_back(std::move(key));
  }
  return keys;
}

}  // namespace mandated::identity
