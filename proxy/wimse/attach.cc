#include "proxy/wimse/attach.h"

#include <chrono>
#include <cmath>

#include "proxy/wimse/content_digest.h"
#include "proxy/wimse/http_signature.h"
#include "proxy/wimse/wpt.h"

namespace mandated::wimse {

namespace {

// The target URI without query (RFC 9110 section 7.1), or what stands for its origin or for all of
// it.
std::string audience_of(const http::RequestHead& head, const std::string& configured) {
  const std::string path = head.target.substr(0, head.target.find('?'));
  if (configured.empty()) return head.scheme + "://" + head.authority + path;
  return is_origin(configured) ? configured + path : configured;
}

}  // namespace

Result<void> attach(http::RequestHead& head, std::string_view body,
                    const config::UpstreamWimse& rule, const identity::WorkloadToken* token,
                    Rng& rng, Seconds now) {
  for (const std::string_view name :
       {kWitField, kWptField, kSignatureField, kSignatureInputField}) {
    head.fields.remove(name);
  }
  if (token == nullptr) return fail(Code::kUnavailable, "there is no Workload Identity Token yet");
  if (std::chrono::duration<Seconds>(token->expires.time_since_epoch()).count() <= now)
    return fail(Code::kUnavailable, "our Workload Identity Token has expired");
  const auto key = receipt::PrivateKey::from_handle(token->private_key.get());
  if (!key) return fail(Code::kInternal, key.error().sentence);
  head.fields.add(std::string(kWitField), token->token);
  const std::string audience = audience_of(head, rule.audience);
  const std::string once = rng.identifier();
  if (rule.method == config::WimseMethod::kSignature) {
    head.fields.remove(kContentDigestField);
    if (!body.empty()) head.fields.add(std::string(kContentDigestField), content_digest(body));
    const auto created = static_cast<std::int64_t>(std::floor(now));
    return sign_request(
        head, *key, {audience, once, created, created + static_cast<std::int64_t>(kProofLifetime)});
  }
  TRY(std::string proof, issue_wpt(*key, token->token, head.fields,
                                   {audience, once, std::floor(now) + kProofLifetime}));
  head.fields.add(std::string(kWptField), std::move(proof));
  return {};
}

Result<void> check_answer(const http::RequestHead& sent, const http::ResponseHead& answer,
                          std::string_view body, const WitKeys& keys, Seconds now) {
  const auto token = answer.fields.single(kWitField);
  if (!token) return not_proven("the signed answer came without its one WIT");
  TRY(const Wit wit, verify_wit(*token, keys, now));
  TRY(const std::string nonce, nonce_of(sent));
  CHECK(verify_response(sent, answer, wit, nonce, now));
  return check_content_digest(answer.fields, body);
}

}  // namespace mandated::wimse
