// A trust domain that signs WITs, workloads that have them, and what tests may bend about both.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "filters/receipt/digest.h"
#include "proxy/wimse/wit.h"
#include "tests/unit/receipt/forge.h"

namespace mandated::wimse::test {

using Json = nlohmann::ordered_json;
using receipt::PrivateKey;

inline constexpr Seconds kNow = 1'780'000'000;
inline constexpr std::string_view kSubject = "spiffe://td.example/agent/x";
inline constexpr std::string_view kOrigin = "https://tools.example.org";

inline PrivateKey p256(int number) { return receipt::forge::key(number, receipt::KeyType::kP256); }
inline const PrivateKey& issuer() {
  static const PrivateKey key = p256(0);
  return key;
}
inline const PrivateKey& workload() {
  static const PrivateKey key = p256(1);
  return key;
}

inline WitKeys keys() {
  WitKeys keys;
  keys["td.example"].push_back({"k1", issuer().public_key()});
  return keys;
}

/// A WIT before it is signed.
struct WitDraft {
  Json header{{"alg", "ES256"}, {"kid", "k1"}, {"typ", "wit+jwt"}};
  Json payload;
  const PrivateKey* signer = &issuer();

  explicit WitDraft(const PrivateKey& holder = workload(), std::string_view subject = kSubject) {
    Json jwk = Json::parse(holder.public_key().jwk());
    jwk["alg"] = holder.public_key().algorithm();
    payload = {{"sub", subject}, {"exp", kNow + 300}, {"cnf", {{"jwk", std::move(jwk)}}}};
  }
  std::string sign() const {
    return receipt::forge::sign_text(header.dump(), payload.dump(), *signer);
  }
};

inline std::string wit(const PrivateKey& holder = workload(), std::string_view subject = kSubject) {
  return WitDraft(holder, subject).sign();
}

/// A WPT before it is signed, for the token and `https://tools.example.org/mcp`.
struct WptDraft {
  Json header{{"alg", "ES256"}, {"typ", "wpt+jwt"}};
  Json payload;
  const PrivateKey* signer = &workload();

  explicit WptDraft(std::string_view wit_token) {
    payload = {{"aud", std::string(kOrigin) + "/mcp"},
               {"exp", kNow + 60},
               {"jti", "once"},
               {"wth", receipt::sha256_text(wit_token)}};
  }
  std::string sign() const {
    return receipt::forge::sign_text(header.dump(), payload.dump(), *signer);
  }
};

}  // namespace mandated::wimse::test
