// An authenticator and the browser before it, as far as W3C Web Authentication sections 5.8.1 and
// 6.3.3 go: they sign roots as a person with a passkey would, and whatever else a test wants them
// to have said.
#pragma once

#include <openssl/bn.h>
#include <openssl/ecdsa.h>
#include <openssl/mem.h>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "filters/receipt/anchor.h"
#include "filters/receipt/webauthn.h"
#include "tests/unit/receipt/forge.h"

namespace mandated::receipt::forge {

constexpr std::string_view kRpId = "example.org";
constexpr std::string_view kOrigin = "https://receipts.example.org";
constexpr std::string_view kUser = "mailto:jane@example.org";

/// r‖s as ASN.1 DER.
inline std::string to_der(std::string_view fixed) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(fixed.data());
  const bssl::UniquePtr<ECDSA_SIG> parts(ECDSA_SIG_new());
  BIGNUM* r = BN_bin2bn(bytes, 32, nullptr);
  BIGNUM* s = BN_bin2bn(bytes + 32, 32, nullptr);
  ECDSA_SIG_set0(parts.get(), r, s);
  std::uint8_t* der = nullptr;
  std::size_t size = 0;
  ECDSA_SIG_to_bytes(&der, &size, parts.get());
  const bssl::UniquePtr<std::uint8_t> owned(der);
  return {reinterpret_cast<const char*>(der), size};
}

/// What is signed, and with what.
struct Ceremony {
  std::string client_data;
  std::string authenticator_data;
  PrivateKey signer;
};

inline std::string client_data(std::string_view challenge, std::string_view origin = kOrigin) {
  return Json{{"type", "webauthn.get"},
              {"challenge", challenge},
              {"origin", origin},
              {"crossOrigin", false}}
      .dump();
}

inline std::string authenticator_data(std::string_view rp_id = kRpId, unsigned flags = 0x05,
                                      std::string_view rest = std::string_view("\0\0\0\x07", 4)) {
  const Sha256 hash = sha256(rp_id);
  std::string data(reinterpret_cast<const char*>(hash.data()), hash.size());
  return data.append(1, static_cast<char>(flags)).append(rest);
}

/// What navigator.credentials.get gives back, as the signature segment holds it.
inline Json respond(const Ceremony& ceremony) {
  const Sha256 hash = sha256(ceremony.client_data);
  std::string message = ceremony.authenticator_data;
  message.append(reinterpret_cast<const char*>(hash.data()), hash.size());
  std::string signature = ceremony.signer.sign(message);
  if (ceremony.signer.public_key().type() == KeyType::kP256) signature = to_der(signature);
  return {{"authenticatorData", encode_base64url(ceremony.authenticator_data)},
          {"clientDataJSON", encode_base64url(ceremony.client_data)},
          {"signature", encode_base64url(signature)}};
}

/// A registered passkey.
struct Authenticator {
  explicit Authenticator(int number = 40, KeyType type = KeyType::kP256)
      : key(forge::key(number, type)),
        credential_id(encode_base64url("credential " + std::to_string(number))) {}

  Json registration() const {
    return {{"credential_id", credential_id},
            {"public_key", Json::parse(key.public_key().jwk())},
            {"rp_id", kRpId},
            {"origins", {kOrigin, "https://localhost:8443"}},
            {"user", kUser}};
  }
  Anchor anchor(const Json& ceiling = nullptr) const {
    Json source{{"webauthn", registration()}};
    if (!ceiling.is_null()) source["ceiling"] = ceiling;
    return read_anchor(parse(source.dump()).root()).value();
  }
  AnchorSet anchors(const Json& ceiling = nullptr) const { return AnchorSet({anchor(ceiling)}); }

  PrivateKey key;
  std::string credential_id;
};

/// What a test may bend about a root: the token's own two parts, what is signed, and what is made
/// of the signature.
struct RootBend {
  std::function<void(Json& header, Json& payload)> token{};
  std::function<void(Ceremony& ceremony)> ceremony{};
  std::function<void(std::string& envelope)> envelope{};
};

/// A root for key(1), for the passkey's user.
inline std::string sign_root(const Authenticator& authenticator, const RootBend& bend = {}) {
  Json header{
      {"alg", "WebAuthn"}, {"kid", authenticator.credential_id}, {"typ", "delegation-receipt+jwt"}};
  Json payload = Chain(1).payload(0);
  payload["mandate"] = {{"user", kUser}};
  if (bend.token) bend.token(header, payload);
  const std::string input =
      encode_base64url(header.dump()) + "." + encode_base64url(payload.dump());
  Ceremony ceremony{client_data(sha256_text(input)), authenticator_data(), authenticator.key};
  if (bend.ceremony) bend.ceremony(ceremony);
  std::string envelope = respond(ceremony).dump();
  if (bend.envelope) bend.envelope(envelope);
  return input + "." + encode_base64url(envelope);
}

/// A child of `parent`, whose payload it narrows by nothing; key(hop) signs, key(hop + 1) holds.
inline std::string sign_child(std::string_view parent, int hop = 1) {
  const std::size_t dot = parent.find('.');
  const std::string text = *decode_base64url(parent.substr(dot + 1, parent.rfind('.') - dot - 1));
  Json payload = Json::parse(text);
  payload["jti"] = "child-" + std::to_string(hop);
  payload["iss"] =
      "urn:ietf:params:oauth:jwk-thumbprint:sha-256:" + key(hop).public_key().thumbprint();
  payload["del_depth"] = hop;
  payload["par_hash"] = sha256_text(signing_input(parent));
  payload["cnf"]["jwk"] = Json::parse(key(hop + 1).public_key().jwk());
  return sign_text(honest_header(key(hop)), payload.dump(), key(hop));
}

}  // namespace mandated::receipt::forge
