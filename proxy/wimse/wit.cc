#include "proxy/wimse/wit.h"

#include <algorithm>
#include <optional>

#include "filters/receipt/jose.h"

namespace mandated::wimse {

namespace {

using receipt::shown;
using receipt::TokenKind;

constexpr std::string_view kSpiffeScheme = "spiffe://";
constexpr std::string_view kWimseScheme = "wimse://";
constexpr json::Limits kPayloadLimits{.bytes_max = kTokenBytesMax, .depth_max = 16};

bool is_spiffe(std::string_view subject) { return subject.starts_with(kSpiffeScheme); }

// The authority of a workload identifier.
std::string_view trust_domain_of(std::string_view subject) {
  subject.remove_prefix(is_spiffe(subject) ? kSpiffeScheme.size() : kWimseScheme.size());
  return subject.substr(0, subject.find('/'));
}

bool is_signed(const receipt::Segments& segments, const receipt::Header& header,
               std::string_view signature, const std::vector<WitKey>& keys) {
  // Without a kid there must be no choice (workload-creds, "Establishing Trust Anchors").
  if (!header.kid && keys.size() != 1) return false;
  return std::any_of(keys.begin(), keys.end(), [&](const WitKey& one) {
    return (!header.kid || one.kid == *header.kid) && one.key.type() == header.algorithm &&
           one.key.verify(segments.signing_input, signature);
  });
}

Result<double> number_of(const json::Value& payload, std::string_view name) {
  const json::Value* const claim = payload.find(name);
  if (claim != nullptr && claim->is_number()) return claim->number();
  return not_proven("the WIT has no " + std::string(name) + " that is a number");
}

Result<receipt::PublicKey> confirmed_key(const json::Value& payload) {
  const json::Value* const confirmation = payload.find("cnf");
  // One way to name the key, so that nobody can prefer another.
  if (confirmation == nullptr || !confirmation->is_object() || confirmation->object().size() != 1)
    return not_proven("the WIT's cnf does not hold one key as jwk and nothing else");
  const json::Value* const jwk = confirmation->find("jwk");
  if (jwk == nullptr) return not_proven("the WIT's cnf holds no jwk");
  const auto key = receipt::PublicKey::from_jwk(*jwk);
  if (!key) return not_proven("in the WIT's cnf", key.error());
  if (jwk->find_string("alg") != key->algorithm())
    return not_proven("the alg of the WIT's key is missing or does not fit it");
  return *key;
}

Result<void> check_lifetime(const json::Value& payload, Seconds now) {
  TRY(const double expires, number_of(payload, "exp"));
  if (expires <= now) return not_proven("the WIT has expired");
  if (payload.find("nbf") == nullptr) return {};
  TRY(const double not_before, number_of(payload, "nbf"));
  if (not_before > now) return not_proven("the WIT is not valid yet");
  return {};
}

// WIT-SVID sections 2.1, 2.3, 3.2 and 3.8.
Result<void> check_svid(const receipt::Header& header, const json::Value& payload,
                        const receipt::PublicKey& key) {
  if (!header.kid || header.kid->empty()) return not_proven("a WIT of a SPIFFE ID must have a kid");
  if (payload.find("aud") != nullptr) return not_proven("a WIT of a SPIFFE ID must have no aud");
  if (header.algorithm != receipt::KeyType::kP256 || key.type() != receipt::KeyType::kP256)
    return not_proven("a WIT of a SPIFFE ID, and its key, must be of ES256");
  return {};
}

}  // namespace

Failure not_proven(std::string text) {
  return fail(mandated::Code::kPeerIdentity, Side::kDownstream, std::move(text));
}

Failure not_proven(std::string_view what, const receipt::Refusal& refusal) {
  return not_proven(std::string(what) + ": " + refusal.sentence);
}

bool is_workload_identifier(std::string_view text) {
  std::string id(text);
  if (text.starts_with(kWimseScheme)) id.replace(0, kWimseScheme.size(), kSpiffeScheme);
  const Result<identity::SpiffeId> parsed = identity::SpiffeId::parse(id);
  return parsed && !parsed->path().empty();
}

WitKeys read_wit_keys(const identity::JwtBundles& bundles) {
  WitKeys keys;
  for (const auto& [trust_domain, authorities] : bundles) {
    std::vector<WitKey>& known = keys[trust_domain];
    for (const identity::JwtKey& authority : authorities) {
      if (authority.use != identity::JwtKey::Use::kWitSvid) continue;
      auto key = receipt::PublicKey::from_handle(authority.key.get());
      if (key) known.push_back({authority.kid, std::move(*key)});
    }
  }
  return keys;
}

Result<Wit> verify_wit(std::string_view token, const WitKeys& keys, Seconds now) {
  if (token.size() > kTokenBytesMax) return not_proven("the WIT is too long");
  const auto segments = receipt::split(token);
  if (!segments) return not_proven("in the WIT", segments.error());
  const auto header = receipt::read_header(segments->header, TokenKind::kWorkloadIdentity);
  if (!header) return not_proven("in the WIT", header.error());
  const auto text = receipt::decode_segment(segments->payload, "payload");
  if (!text) return not_proven("in the WIT", text.error());
  const auto signature = receipt::decode_segment(segments->signature, "signature");
  if (!signature) return not_proven("in the WIT", signature.error());
  const auto document = receipt::parse_object(*text, "payload", kPayloadLimits);
  if (!document) return not_proven("in the WIT", document.error());
  const json::Value& payload = document->root();

  // Only this is read before the signature is known to be good: it says whose keys to try.
  const auto subject = payload.find_string("sub");
  if (!subject || !is_workload_identifier(*subject))
    return not_proven("the WIT's sub is neither a SPIFFE ID nor a wimse: URI of a workload");
  const auto known = keys.find(trust_domain_of(*subject));
  if (known == keys.end() || known->second.empty())
    return not_proven("no keys are known that sign WITs of " + shown(trust_domain_of(*subject)));
  if (!is_signed(*segments, *header, *signature, known->second))
    return not_proven("the WIT is not signed by a key of " + shown(trust_domain_of(*subject)));

  Wit wit;
  wit.subject = *subject;
  CHECK(check_lifetime(payload, now));
  TRY(wit.expires, number_of(payload, "exp"));
  TRY(wit.key, confirmed_key(payload));
  if (is_spiffe(*subject)) {
    CHECK(check_svid(*header, payload, wit.key));
  }
  return wit;
}

}  // namespace mandated::wimse
