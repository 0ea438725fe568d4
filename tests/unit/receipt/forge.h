// Makes chains of receipts without the product's issuer, so that tests can sign whatever the
// verifier must refuse: each token starts as an honest one, is bent by the test, and is then signed
// with the right key.
#pragma once

#include <openssl/curve25519.h>

#include <array>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "filters/receipt/base64url.h"
#include "filters/receipt/chain.h"
#include "filters/receipt/digest.h"
#include "filters/receipt/key.h"

namespace mandated::receipt::forge {

using Json = nlohmann::ordered_json;

constexpr Seconds kNow = 1'780'000'000;
constexpr std::string_view kAudience = "spiffe://td.example/ns/tools/sa/files";

/// The same Ed25519 key for the same number, so that failures reproduce. P-256 keys are fresh in
/// each process.
inline PrivateKey key(int number, KeyType type = KeyType::kEd25519) {
  if (type == KeyType::kP256) {
    static std::vector<PrivateKey> made;
    while (made.size() <= static_cast<std::size_t>(number))
      made.push_back(PrivateKey::generate(type));
    return made[static_cast<std::size_t>(number)];
  }
  std::array<std::uint8_t, 32> seed{};
  seed.fill(static_cast<std::uint8_t>(number + 1));
  std::array<std::uint8_t, 32> public_bytes{};
  std::array<std::uint8_t, 64> expanded{};
  ED25519_keypair_from_seed(public_bytes.data(), expanded.data(), seed.data());
  const std::string text = R"({"kty":"OKP","crv":"Ed25519","x":")" +
                           encode_base64url(public_bytes) + R"(","d":")" + encode_base64url(seed) +
                           "\"}";
  return *PrivateKey::from_jwk(json::Document::parse(text)->root());
}

inline json::Document parse(std::string_view text) {
  auto document = json::Document::parse(text);
  if (!document) throw std::invalid_argument("test JSON: " + document.error().text);
  return std::move(*document);
}

inline std::string sign_text(std::string_view header, std::string_view payload,
                             const PrivateKey& signer) {
  const std::string input = encode_base64url(header) + "." + encode_base64url(payload);
  return input + "." + encode_base64url(signer.sign(input));
}

inline std::string honest_header(const PrivateKey& signer,
                                 std::string_view type = "delegation-receipt+jwt") {
  return Json{{"alg", signer.public_key().algorithm()}, {"typ", type}}.dump();
}

inline std::string signing_input(std::string_view token) {
  return std::string(token.substr(0, token.rfind('.')));
}

inline Json default_tools() {
  return Json::parse(R"({
    "read_file": {"path": {"constraint_type": "one_of", "values": ["/data/a", "/data/b", "/data/c"]}},
    "list_directory": {}
  })");
}

/// What a test may bend about one token before it is signed.
struct Draft {
  Json payload;
  std::string header;
  std::string text;  ///< if set, signed instead of the payload
};

using Bend = std::function<void(std::size_t hop, Draft& draft)>;

/// A chain of `length` tokens: key(0) is the anchor's, key(hop + 1) the holder's of that hop.
class Chain {
 public:
  explicit Chain(std::size_t length, const Bend& bend = {}, KeyType type = KeyType::kEd25519)
      : type_(type) {
    for (std::size_t hop = 0; hop < length; ++hop) {
      Draft draft{honest_payload(hop, length), honest_header(signer(hop)), {}};
      if (bend) bend(hop, draft);
      payloads_.push_back(draft.payload);
      tokens_.push_back(sign_text(
          draft.header, draft.text.empty() ? draft.payload.dump() : draft.text, signer(hop)));
    }
  }

  PrivateKey signer(std::size_t hop) const { return key(static_cast<int>(hop), type_); }
  PrivateKey holder() const { return signer(tokens_.size()); }
  AnchorSet anchors() const {
    return AnchorSet({Anchor{"anchor", signer(0).public_key(), std::nullopt}});
  }

  std::vector<std::string>& tokens() { return tokens_; }
  std::vector<std::string_view> views() const { return {tokens_.begin(), tokens_.end()}; }
  const Json& payload(std::size_t hop) const { return payloads_[hop]; }

  Checked<ChainPtr> verify(Seconds now = kNow, const Limits& limits = {}) const {
    return verify_chain(views(), anchors(), now, limits);
  }

  Json honest_proof(std::string_view tool, const Json& arguments) const {
    return Json{{"aat_id", payloads_.back().at("jti")},
                {"aat_tool", tool},
                {"hta", arguments},
                {"iat", kNow},
                {"jti", "proof-1"}};
  }

 private:
  Json honest_payload(std::size_t hop, std::size_t length) const {
    Json payload;
    payload["jti"] = "01957a3f-4e23-7b01-a9d1-00000000000" + std::to_string(hop % 10) + "-" +
                     std::to_string(hop);
    payload["iss"] = hop == 0 ? "https://issuer.example"
                              : "urn:ietf:params:oauth:jwk-thumbprint:sha-256:" +
                                    signer(hop).public_key().thumbprint();
    payload["iat"] = kNow - 100 + static_cast<double>(hop);
    payload["exp"] = kNow + 3600 - static_cast<double>(hop);
    payload["del_depth"] = hop;
    payload["del_max_depth"] = std::max<std::size_t>(length, 3);
    if (hop > 0) payload["par_hash"] = sha256_text(signing_input(tokens_.back()));
    payload["cnf"]["jwk"] = Json::parse(signer(hop + 1).public_key().jwk());
    Json entry;
    entry["type"] = "attenuating_agent_token";
    entry["tools"] = hop == 0 ? default_tools() : grant_of(payloads_.back());
    payload["authorization_details"] = Json::array({entry});
    if (hop > 0 && payloads_.back().contains("mandate"))
      payload["mandate"] = payloads_.back()["mandate"];
    return payload;
  }

  static Json grant_of(const Json& payload) {
    const Json& details = payload.value("authorization_details", Json::array());
    for (const Json& entry : details) {
      if (entry.is_object() && entry.value("type", "") == "attenuating_agent_token")
        return entry.value("tools", Json());
    }
    return Json::object();
  }

  KeyType type_;
  std::vector<std::string> tokens_;
  std::vector<Json> payloads_;
};

/// The canonical payload of a proof, signed.
inline std::string sign_proof(const Json& payload, const PrivateKey& signer) {
  return sign_text(honest_header(signer, "delegation-proof+jwt"),
                   json::canonical(parse(payload.dump()).root()), signer);
}

}  // namespace mandated::receipt::forge
