// Config and files are the operator's, but the batch verifier's anchors are whoever asks: all of it
// is bounded.
#include "filters/receipt/anchor.h"

#include <algorithm>
#include <initializer_list>

#include "filters/receipt/base64url.h"
#include "filters/receipt/ceiling.h"
#include "filters/receipt/digest.h"
#include "filters/receipt/mandate.h"

namespace mandated::receipt {
namespace {

constexpr std::size_t kCredentialIdMax = 1023;  // W3C Web Authentication Level 3, section 4
constexpr std::size_t kOriginsMax = 32;

// An anchor's members may restrict it, so one that is not known must not be dropped.
Checked<void> check_members(const json::Value& object,
                            std::initializer_list<std::string_view> known) {
  for (const json::Member& member : object.object()) {
    if (std::find(known.begin(), known.end(), member.name) == known.end()) {
      return refuse(Code::kMalformed,
                    "The anchor has the unknown member " + shown(member.name) + ".");
    }
  }
  return {};
}

Checked<std::string> read_user(const json::Value& object) {
  const auto user = object.find_string("user");
  if (user && is_uri(*user)) return std::string(*user);
  return refuse(Code::kMalformed, "The anchor's user is not a URI.");
}

bool is_rp_id(std::string_view text) {
  return !text.empty() && text.size() <= 253 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
  });
}

// Browsers let passkeys be used on these only. What never stands in client data never matches.
bool is_origin(std::string_view text) {
  return text.size() <= 512 &&
         (text.starts_with("https://") || text.starts_with("http://localhost")) &&
         !text.ends_with('/');
}

Checked<Passkey> read_pages(const json::Value& source) {
  Passkey passkey;
  const auto rp_id = source.find_string("rp_id");
  if (!rp_id || !is_rp_id(*rp_id)) {
    return refuse(Code::kMalformed, "The passkey's rp_id is not a lower-case host name.");
  }
  passkey.rp_id = *rp_id;
  const json::Value* origins = source.find("origins");
  const bool some = origins != nullptr && origins->is_array() && !origins->array().empty() &&
                    origins->array().size() <= kOriginsMax;
  if (!some) return refuse(Code::kMalformed, "The passkey's origins are not a list of 1 to 32.");
  for (const json::Value& each : origins->array()) {
    if (!each.is_string() || !is_origin(each.string())) {
      return refuse(Code::kMalformed,
                    "One of the passkey's origins is not such as https://receipts.example.org.");
    }
    passkey.origins.emplace_back(each.string());
  }
  return passkey;
}

Checked<Anchor> read_passkey(const json::Value& source) {
  if (!source.is_object()) return refuse(Code::kMalformed, "The passkey is not a JSON object.");
  auto known = check_members(source, {"credential_id", "public_key", "rp_id", "origins", "user"});
  if (!known) return tl::unexpected(std::move(known.error()));
  const auto id = source.find_string("credential_id");
  const auto bytes = id ? decode_base64url(*id) : std::nullopt;
  if (!bytes || bytes->empty() || bytes->size() > kCredentialIdMax) {
    return refuse(Code::kMalformed,
                  "The passkey's credential_id is not 1 to 1023 bytes in strict base64url.");
  }
  const json::Value* jwk = source.find("public_key");
  if (jwk == nullptr) return refuse(Code::kMalformed, "The passkey has no public_key.");
  auto key = PublicKey::from_jwk(*jwk);
  if (!key) return tl::unexpected(std::move(key.error()));
  auto user = read_user(source);
  if (!user) return tl::unexpected(std::move(user.error()));
  auto pages = read_pages(source);
  if (!pages) return tl::unexpected(std::move(pages.error()));
  return Anchor{std::string(*id), std::move(*key), std::move(*user), std::move(*pages), nullptr};
}

// A JWK's other members mean nothing (RFC 7517 section 4), but these would be taken to restrict it.
Checked<Anchor> read_jwk(const json::Value& jwk) {
  for (const std::string_view member : {"user", "ceiling"}) {
    if (jwk.find(member) == nullptr) continue;
    return refuse(Code::kMalformed, "The key carries " + shown(member) +
                                        ", which belongs beside a member \"jwk\" that holds it.");
  }
  return PublicKey::from_jwk(jwk).map([&](PublicKey key) {
    return Anchor{std::string(jwk.find_string("kid").value_or("")), std::move(key), std::nullopt};
  });
}

Checked<Anchor> read_key(const json::Value& source) {
  const json::Value* jwk = source.find("jwk");
  const json::Value* passkey = source.find("webauthn");
  if ((jwk == nullptr) == (passkey == nullptr)) {
    return refuse(Code::kMalformed, "The anchor holds not exactly one of jwk and webauthn.");
  }
  if (passkey != nullptr) {
    return check_members(source, {"webauthn", "ceiling"}).and_then([&] {
      return read_passkey(*passkey);
    });
  }
  auto anchor =
      check_members(source, {"jwk", "user", "ceiling"}).and_then([&] { return read_jwk(*jwk); });
  if (!anchor || source.find("user") == nullptr) return anchor;
  auto user = read_user(source);
  if (!user) return tl::unexpected(std::move(user.error()));
  anchor->user = std::move(*user);
  return anchor;
}

}  // namespace

Checked<Anchor> read_anchor(const json::Value& source) {
  if (source.find("jwk") == nullptr && source.find("webauthn") == nullptr) return read_jwk(source);
  auto anchor = read_key(source);
  const json::Value* ceiling = source.find("ceiling");
  if (!anchor || ceiling == nullptr) return anchor;
  if (auto set = set_ceiling(*anchor, *ceiling); !set)
    return tl::unexpected(std::move(set.error()));
  return anchor;
}

Checked<void> set_ceiling(Anchor& anchor, const json::Value& source) {
  if (anchor.ceiling != nullptr)
    return refuse(Code::kMalformed, "The anchor carries a ceiling already.");
  return Ceiling::parse(source).map(
      [&](std::shared_ptr<const Ceiling> ceiling) { anchor.ceiling = std::move(ceiling); });
}

std::vector<Anchor> read_anchors(const json::Value& source) {
  std::vector<Anchor> anchors;
  const auto add = [&](const json::Value& each) {
    if (auto anchor = read_anchor(each)) anchors.push_back(std::move(*anchor));
  };
  const json::Value* keys = source.find("keys");
  if (keys == nullptr || !keys->is_array()) {
    add(source);
  } else {
    for (const json::Value& each : keys->array()) add(each);
  }
  return anchors;
}

const Anchor* find_signer(const AnchorSet& anchors, const Header& header,
                          std::string_view signing_input, std::string_view signature) {
  constexpr int kTriesMax = 64;
  int tries = 0;
  for (const bool want_named : {true, false}) {
    for (const Anchor& anchor : anchors.anchors()) {
      const bool named = header.kid && anchor.kid == *header.kid;
      const bool fits = !anchor.passkey && anchor.key.type() == header.algorithm;
      if (named != want_named || !fits || tries == kTriesMax) continue;
      ++tries;
      if (anchor.key.verify(signing_input, signature)) return &anchor;
    }
  }
  return nullptr;
}

AnchorSet::AnchorSet(std::vector<Anchor> anchors) : anchors_(std::move(anchors)) {
  std::vector<std::string> parts;
  for (const Anchor& anchor : anchors_) {
    parts.push_back(anchor.kid);
    parts.push_back(anchor.key.thumbprint());
    parts.push_back(anchor.user ? "user " + *anchor.user : "any user");
    parts.push_back(anchor.ceiling ? "ceiling " + anchor.ceiling->text() : "no ceiling");
    parts.push_back(anchor.passkey ? "passkey of " + anchor.passkey->rp_id : "plain key");
    if (!anchor.passkey) continue;
    parts.push_back(std::to_string(anchor.passkey->origins.size()));
    parts.insert(parts.end(), anchor.passkey->origins.begin(), anchor.passkey->origins.end());
  }
  fingerprint_ =
      encode_base64url(sha256_framed(std::vector<std::string_view>(parts.begin(), parts.end())));
}

}  // namespace mandated::receipt
