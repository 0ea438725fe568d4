#include "proxy/consent/assertion.h"

#include <algorithm>

#include "filters/receipt/base64url.h"
#include "proxy/json/writer.h"

namespace mandated::consent {

std::string assertion_of(const json::Value& body) {
  json::ObjectWriter assertion;
  for (const std::string_view member : {"authenticatorData", "clientDataJSON", "signature"}) {
    const json::Value* value = body.find(member);
    if (value != nullptr) assertion.json(member, json::canonical(*value));
  }
  return assertion.take();
}

Checked<std::string> sign(const Ask& ask, const receipt::Anchor& passkey, const json::Value& body,
                          Seconds now) {
  if (!ask.may_sign(passkey)) {
    return receipt::refuse(receipt::Code::kUntrustedRoot,
                           "This passkey is not among those that may sign here.");
  }
  TRY(const std::string input, signing_input(ask, passkey.kid));
  std::string token = input + "." + receipt::encode_base64url(assertion_of(body));
  const receipt::AnchorSet anchors({passkey});
  if (const auto* approval = std::get_if<ApprovalAsk>(&ask.what)) {
    CHECK(receipt::check_approval(token, approval->call, anchors, now));
  } else {
    const std::string_view chain[] = {token};
    const Seconds valid = receipt::valid_from(std::get<ReceiptAsk>(ask.what).grant);
    CHECK(receipt::verify_chain(chain, anchors, std::max(now, valid)));
  }
  return token;
}

}  // namespace mandated::consent
