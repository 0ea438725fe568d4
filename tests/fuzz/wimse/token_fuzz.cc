// Workload Identity Tokens and their proofs. The first byte: 'i' a WIT's payload that the issuer
// signs, 'p' a WPT's payload that the workload signs, 'h' a WIT's header that the issuer signs,
// anything else two whole tokens, apart by a comma. What is accepted says what was signed, and a
// proof that is accepted covers what the request carries.
#include <algorithm>
#include <cstdint>

#include "proxy/wimse/peer.h"
#include "tests/fuzz/receipt/property.h"
#include "tests/unit/wimse/fixture.h"

namespace mandated::wimse {
namespace {

using fuzz::require;
using test::kNow;

const WitKeys& keys() {
  static const WitKeys known = test::keys();
  return known;
}

config::ListenerWimse rule() {
  config::ListenerWimse rule;
  rule.audiences = {std::string(test::kOrigin)};
  return rule;
}

http::RequestHead request(std::string wit, std::string proof) {
  http::RequestHead head{"POST", "http", "127.0.0.1:1", "/mcp", {}};
  head.fields.add("authorization", "Bearer tok");
  head.fields.add("delegation-receipt", "a.b.c");
  head.fields.add(std::string(kWitField), std::move(wit));
  head.fields.add(std::string(kWptField), std::move(proof));
  return head;
}

void check_wit(const std::string& header, std::string_view payload) {
  const std::string token = receipt::forge::sign_text(header, payload, test::issuer());
  const auto wit = verify_wit(token, keys(), kNow);
  if (!wit) {
    require(wit.error().code == mandated::Code::kPeerIdentity, "the peer is to blame");
    return;
  }
  const auto document = json::Document::parse(payload);
  require(document && document->root().find_string("sub") == wit->subject, "it says who it is of");
  require(is_workload_identifier(wit->subject), "that is a workload");
  require(wit->expires > kNow, "it has not expired");
  const json::Value* const jwk = document->root().find("cnf")->find("jwk");
  require(*receipt::PublicKey::from_jwk(*jwk) == wit->key, "its key is the one that it names");
  require(!prove_peer(request(token, token), rule(), keys(), kNow), "it proves nothing itself");
}

// The token is another in each process: `$WTH` stands for its hash.
void check_wpt(std::string payload) {
  static const std::string token = test::wit();
  constexpr std::string_view kPlace = "$WTH";
  if (const std::size_t place = payload.find(kPlace); place != std::string::npos) {
    payload.replace(place, kPlace.size(), receipt::sha256_text(token));
  }
  const std::string proof =
      receipt::forge::sign_text(test::WptDraft(token).header.dump(), payload, test::workload());
  const auto proven = prove_peer(request(token, proof), rule(), keys(), kNow);
  if (!proven) return;
  require(proven->has_value() && (*proven)->peer.spiffe_id == test::kSubject,
          "it is the workload's");
  require((*proven)->once.expires > kNow && (*proven)->once.expires <= kNow + kProofLifetimeMax,
          "it lives for a while");
  const auto document = json::Document::parse(payload);
  const json::Value& root = document->root();
  require(root.find_string("wth") == receipt::sha256_text(token), "it is of this token");
  require(root.find_string("ath") == receipt::sha256_text("tok"), "it covers the access token");
  require(root.find("oth")->find_string("delegation-receipt") == receipt::sha256_text("a.b.c"),
          "it covers the receipt");
  http::RequestHead other = request(token, proof);
  other.target = "/other";
  require(!prove_peer(other, rule(), keys(), kNow), "it is for this path");
}

void check_whole(std::string_view text) {
  const std::size_t comma = std::min(text.find(','), text.size());
  const std::string wit(text.substr(0, comma));
  const std::string proof(text.substr(std::min(comma + 1, text.size())));
  require(!prove_peer(request(wit, proof), rule(), keys(), kNow), "nobody signed for this request");
}

}  // namespace
}  // namespace mandated::wimse

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace mandated::wimse;
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] == 'i') {
    check_wit(test::WitDraft().header.dump(), rest);
  } else if (data[0] == 'h') {
    check_wit(std::string(rest), test::WitDraft().payload.dump());
  } else if (data[0] == 'p') {
    check_wpt(std::string(rest));
  } else {
    check_whole(rest);
  }
  return 0;
}
