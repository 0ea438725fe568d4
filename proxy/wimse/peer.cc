#include "proxy/wimse/peer.h"

#include <utility>

#include "filters/receipt/digest.h"
#include "proxy/wimse/content_digest.h"
#include "proxy/wimse/http_signature.h"

namespace mandated::wimse {

namespace {

using Proof = identity::PeerIdentity::Proof;

// Which kind of proof came. One at a time: two could say different things.
Result<Proof> kind_of_proof(const http::Fields& fields, config::WimseMethod method) {
  const bool has_token = fields.count(kWptField) > 0;
  const bool has_signature = wimse::has_signature(fields);
  if (has_token && has_signature) return not_proven("the WIT came with two kinds of proof");
  if (!has_token && !has_signature) return not_proven("the WIT came without a proof of its key");
  if (has_token && method == config::WimseMethod::kSignature)
    return not_proven("a WPT is not taken here: sign the request");
  if (has_signature && method == config::WimseMethod::kToken)
    return not_proven("a signed request is not taken here: send a WPT");
  return has_token ? Proof::kWorkloadToken : Proof::kHttpSignature;
}

}  // namespace

Result<std::optional<Proven>> prove_peer(const http::RequestHead& head,
                                         const config::ListenerWimse& rule, const WitKeys& keys,
                                         Seconds now) {
  const http::Fields& fields = head.fields;
  if (fields.count(kWitField) == 0) {
    if (fields.count(kWptField) == 0 && !has_signature(fields)) return std::nullopt;
    return not_proven("a proof came without the WIT that it is of");
  }
  for (const std::string_view name : {kWitField, kWptField}) {
    if (fields.count(name) > 1)
      return not_proven("the field " + std::string(name) + " stands more than once");
  }
  Proven proven;
  TRY(proven.peer.proof, kind_of_proof(fields, rule.method));
  const std::string_view token = *fields.single(kWitField);
  TRY(const Wit wit, verify_wit(token, keys, now));
  if (proven.peer.proof == Proof::kWorkloadToken) {
    TRY(proven.once, verify_wpt(*fields.single(kWptField), token, wit, head, rule.audiences, now));
  } else {
    TRY(proven.once, verify_request(head, wit, rule.audiences, now));
  }
  proven.peer.spiffe_id = wit.subject;
  proven.peer.key = receipt::sha256_text(wit.key.spki());
  proven.key = wit.key;
  proven.wit_expires = wit.expires;
  return std::optional<Proven>(std::move(proven));
}

Result<void> check_body(const Proven& proven, const http::RequestHead& head,
                        std::string_view body) {
  if (proven.peer.proof != Proof::kHttpSignature) return {};
  return check_content_digest(head.fields, body);
}

Result<void> check_receipts(const Proven& proven, const http::RequestHead& head, bool has_receipts,
                            bool has_proof) {
  if (proven.peer.proof != Proof::kWorkloadToken) return {};
  const bool uncovered = (has_receipts && head.fields.count("delegation-receipt") == 0) ||
                         (has_proof && head.fields.count("delegation-proof") == 0);
  if (!uncovered) return {};
  return not_proven(
      "the receipt or its proof stands only in the body, which the WPT does not cover");
}

}  // namespace mandated::wimse
