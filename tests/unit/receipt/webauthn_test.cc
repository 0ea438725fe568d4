// Roots signed by passkeys: what an honest authenticator signs is accepted, and whatever a thief, a
// phishing page or a forger can make of one is refused, each for its own reason.
#include "filters/receipt/webauthn.h"

#include <gtest/gtest.h>

#include <set>

#include "filters/receipt/issue.h"

#include "tests/unit/receipt/authenticator.h"
#include "tests/unit/receipt/webauthn_vectors.h"

namespace mandated::receipt {
namespace {

using forge::Authenticator;
using forge::Ceremony;
using forge::Json;
using forge::kNow;
using forge::RootBend;
using forge::sign_root;

Checked<ChainPtr> verify(const std::vector<std::string>& tokens, const AnchorSet& anchors) {
  return verify_chain(std::vector<std::string_view>(tokens.begin(), tokens.end()), anchors, kNow);
}

void expect_refused(const Checked<ChainPtr>& verified, Code code, const std::string& words,
                    int hop = 0) {
  ASSERT_FALSE(verified);
  EXPECT_EQ(to_string(verified.error().code), to_string(code)) << verified.error().sentence;
  EXPECT_NE(verified.error().sentence.find(words), std::string::npos) << verified.error().sentence;
  EXPECT_EQ(verified.error().hop, hop);
  EXPECT_LT(verified.error().sentence.size(), 400U);
}

TEST(Webauthn, HonestRootsVerify) {
  for (const KeyType type : {KeyType::kP256, KeyType::kEd25519}) {
    const Authenticator passkey(40, type);
    const std::string root = sign_root(passkey);
    const std::string child = forge::sign_child(root);
    for (const auto& tokens : {std::vector{root}, {root, child}}) {
      const auto verified = verify(tokens, passkey.anchors());
      ASSERT_TRUE(verified) << verified.error().sentence;
      EXPECT_EQ((*verified)->mandate(0).user, forge::kUser);
    }
  }
}

TEST(Webauthn, TheCacheAnswersAsTheVerifierDoes) {
  const Authenticator passkey;
  const std::string root = sign_root(passkey);
  const std::string child = forge::sign_child(root);
  const std::vector<std::string_view> chain{root, child};
  ChainCache cache;
  const auto first = cache.verify(chain, passkey.anchors(), kNow);
  const auto second = cache.verify(chain, passkey.anchors(), kNow + 1);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->get(), second->get());
  EXPECT_EQ(cache.hits(), 1U);
  // Nothing is remembered past a change of the anchor.
  const std::vector<std::function<void(Json&)>> changes = {
      [](Json& each) { each["origins"] = {"https://other.example.org"}; },
      [](Json& each) { each["rp_id"] = "receipts.example.org"; },
      [](Json& each) { each["user"] = "mailto:mallory@example.org"; },
      [](Json& each) { each["credential_id"] = encode_base64url("another"); },
      [](Json& each) {
        each["public_key"] = Json::parse(forge::key(41, KeyType::kP256).public_key().jwk());
      }};
  for (const auto& change : changes) {
    Json registration = passkey.registration();
    change(registration);
    const auto anchor = read_anchor(forge::parse(Json{{"webauthn", registration}}.dump()).root());
    ASSERT_TRUE(anchor) << anchor.error().sentence;
    EXPECT_FALSE(cache.verify(chain, AnchorSet({*anchor}), kNow)) << registration.dump();
  }
  EXPECT_FALSE(cache.verify(chain, passkey.anchors({{"lifetime", 60}}), kNow));
}

TEST(Webauthn, FingerprintsTellAnchorsApart) {
  const Authenticator passkey;
  const Anchor one = passkey.anchor();
  std::vector<Anchor> all(7, one);
  all[1].passkey->origins = {all[0].passkey->origins[0]};
  all[2].passkey->rp_id += "x";
  all[3].passkey.reset();
  all[4].user = "mailto:other@example.org";
  all[5].ceiling = passkey.anchor({{"depth", 1}}).ceiling;
  all[6].ceiling = passkey.anchor({{"depth", 2}}).ceiling;
  std::set<std::string> seen;
  for (const Anchor& anchor : all) seen.insert(AnchorSet({anchor}).fingerprint());
  EXPECT_EQ(seen.size(), all.size());
  // An origin that moves from one anchor's list to the next one's is a change.
  Anchor left = one;
  Anchor right = one;
  left.passkey->origins = {"https://a", "https://b"};
  right.passkey->origins = {"https://c"};
  const AnchorSet before({left, right});
  left.passkey->origins.pop_back();
  right.passkey->origins.insert(right.passkey->origins.begin(), "https://b");
  EXPECT_NE(before.fingerprint(), AnchorSet({left, right}).fingerprint());
}

// Chooses members of clientDataJSON by name, and leaves out those that are null.
std::function<void(Ceremony&)> client(std::initializer_list<std::pair<const char*, Json>> members) {
  const std::vector<std::pair<const char*, Json>> all(members);
  return [all](Ceremony& ceremony) {
    Json data = Json::parse(ceremony.client_data);
    for (const auto& [name, value] : all) {
      data.erase(name);
      if (!value.is_null()) data[name] = value;
    }
    ceremony.client_data = data.dump();
  };
}

std::function<void(Ceremony&)> client_text(std::string what, std::string with) {
  return [what, with](Ceremony& ceremony) {
    const auto at = ceremony.client_data.find(what);
    if (at == std::string::npos) throw std::invalid_argument("nothing to replace");
    ceremony.client_data.replace(at, what.size(), with);
  };
}

std::function<void(Ceremony&)> data(std::string value) {
  return [value](Ceremony& ceremony) { ceremony.authenticator_data = value; };
}

std::function<void(Ceremony&)> flags(unsigned value) {
  return data(forge::authenticator_data(forge::kRpId, value));
}

struct CeremonyCase {
  const char* name;
  std::function<void(Ceremony&)> bend;
  Code code;
  const char* words;
};

class BentCeremony : public testing::TestWithParam<CeremonyCase> {};

// Everything here carries a good signature by the registered key.
TEST_P(BentCeremony, IsRefused) {
  for (const KeyType type : {KeyType::kP256, KeyType::kEd25519}) {
    const Authenticator passkey(40, type);
    const RootBend bend{.ceremony = GetParam().bend};
    expect_refused(verify({sign_root(passkey, bend)}, passkey.anchors()), GetParam().code,
                   GetParam().words);
  }
}

template <class Case>
std::string named(const testing::TestParamInfo<Case>& info) {
  return info.param.name;
}

constexpr const char* kElsewhere = "where this passkey may not sign receipts";
constexpr const char* kFramed = "inside another site's page";
constexpr const char* kNotStrict = "clientDataJSON is not strict JSON";

INSTANTIATE_TEST_SUITE_P(
    ClientData, BentCeremony,
    testing::Values(
        CeremonyCase{"registration", client({{"type", "webauthn.create"}}), Code::kBadSignature,
                     "webauthn.get"},
        CeremonyCase{"payment", client({{"type", "payment.get"}}), Code::kBadSignature,
                     "webauthn.get"},
        CeremonyCase{"no_type", client({{"type", nullptr}}), Code::kBadSignature, "webauthn.get"},
        CeremonyCase{"type_case", client({{"type", "WebAuthn.get"}}), Code::kBadSignature,
                     "webauthn.get"},
        CeremonyCase{"type_a_list", client({{"type", Json::array({"webauthn.get"})}}),
                     Code::kBadSignature, "webauthn.get"},
        CeremonyCase{"no_challenge", client({{"challenge", nullptr}}), Code::kBadSignature,
                     "other content"},
        CeremonyCase{"empty_challenge", client({{"challenge", ""}}), Code::kBadSignature,
                     "other content"},
        CeremonyCase{"other_challenge", client({{"challenge", sha256_text("another receipt")}}),
                     Code::kBadSignature, "other content"},
        CeremonyCase{"padded_challenge",
                     [](Ceremony& ceremony) {
                       Json data = Json::parse(ceremony.client_data);
                       data["challenge"] = data["challenge"].get<std::string>() + "=";
                       ceremony.client_data = data.dump();
                     },
                     Code::kBadSignature, "other content"},
        CeremonyCase{"challenge_in_hex",
                     [](Ceremony& ceremony) {
                       Json data = Json::parse(ceremony.client_data);
                       data["challenge"] = std::string(64, 'a');
                       ceremony.client_data = data.dump();
                     },
                     Code::kBadSignature, "other content"},
        CeremonyCase{"no_origin", client({{"origin", nullptr}}), Code::kBadSignature,
                     "on which page"},
        CeremonyCase{"origin_a_list", client({{"origin", Json::array({forge::kOrigin})}}),
                     Code::kBadSignature, "on which page"},
        CeremonyCase{"phishing_origin", client({{"origin", "https://receipts.example.0rg"}}),
                     Code::kBadSignature, kElsewhere},
        CeremonyCase{"origin_of_the_rp_id", client({{"origin", "https://example.org"}}),
                     Code::kBadSignature, kElsewhere},
        CeremonyCase{"sibling_origin", client({{"origin", "https://blog.example.org"}}),
                     Code::kBadSignature, kElsewhere},
        CeremonyCase{"origin_case", client({{"origin", "https://Receipts.example.org"}}),
                     Code::kBadSignature, kElsewhere},
        CeremonyCase{"origin_default_port",
                     client({{"origin", "https://receipts.example.org:443"}}), Code::kBadSignature,
                     kElsewhere},
        CeremonyCase{"origin_other_port", client({{"origin", "https://localhost:8444"}}),
                     Code::kBadSignature, kElsewhere},
        CeremonyCase{"origin_without_port", client({{"origin", "https://localhost"}}),
                     Code::kBadSignature, kElsewhere},
        CeremonyCase{"origin_slash", client({{"origin", "https://receipts.example.org/"}}),
                     Code::kBadSignature, kElsewhere},
        CeremonyCase{"origin_path", client({{"origin", "https://receipts.example.org/sign"}}),
                     Code::kBadSignature, kElsewhere},
        CeremonyCase{"origin_plain_http", client({{"origin", "http://receipts.example.org"}}),
                     Code::kBadSignature, kElsewhere},
        CeremonyCase{"origin_longer", client({{"origin", "https://receipts.example.org.evil.org"}}),
                     Code::kBadSignature, kElsewhere},
        CeremonyCase{"origin_dot", client({{"origin", "https://receipts.example.org."}}),
                     Code::kBadSignature, kElsewhere},
        CeremonyCase{"origin_null_word", client({{"origin", "null"}}), Code::kBadSignature,
                     kElsewhere},
        CeremonyCase{"origin_of_an_app", client({{"origin", "android:apk-key-hash:abc"}}),
                     Code::kBadSignature, kElsewhere},
        CeremonyCase{"cross_origin", client({{"crossOrigin", true}}), Code::kBadSignature, kFramed},
        CeremonyCase{"cross_origin_a_word", client({{"crossOrigin", "false"}}), Code::kBadSignature,
                     kFramed},
        CeremonyCase{"cross_origin_null",
                     client_text(R"("crossOrigin":false)", R"("crossOrigin":null)"),
                     Code::kBadSignature, kFramed},
        CeremonyCase{"top_origin", client({{"topOrigin", "https://evil.org"}}), Code::kBadSignature,
                     kFramed},
        CeremonyCase{"top_origin_its_own", client({{"topOrigin", forge::kOrigin}}),
                     Code::kBadSignature, kFramed},
        CeremonyCase{"top_origin_null",
                     client_text(R"("crossOrigin":false)", R"("topOrigin":null)"),
                     Code::kBadSignature, kFramed},
        CeremonyCase{"duplicate_type",
                     client_text(R"({"type")", R"({"type":"webauthn.create","type")"),
                     Code::kMalformed, kNotStrict},
        CeremonyCase{
            "duplicate_origin",
            client_text(R"(,"crossOrigin")", R"(,"origin":"https://evil.org","crossOrigin")"),
            Code::kMalformed, kNotStrict},
        CeremonyCase{"duplicate_challenge_escaped",
                     client_text(R"("challenge")", R"("ch\u0061llenge":"x","challenge")"),
                     Code::kMalformed, kNotStrict},
        CeremonyCase{"duplicate_unknown", client_text(R"("crossOrigin":false)", R"("x":1,"x":2)"),
                     Code::kMalformed, kNotStrict},
        CeremonyCase{"second_value", client_text("false}", "false}{}"), Code::kMalformed,
                     kNotStrict},
        CeremonyCase{"bom", client_text(R"({"type")", "\xEF\xBB\xBF{\"type\""), Code::kMalformed,
                     kNotStrict},
        CeremonyCase{"bad_utf8", client_text(R"("crossOrigin":false)", "\"x\":\"\xFF\""),
                     Code::kMalformed, kNotStrict},
        CeremonyCase{"truncated", client_text("false}", "false"), Code::kMalformed, kNotStrict},
        CeremonyCase{"empty", [](Ceremony& ceremony) { ceremony.client_data.clear(); },
                     Code::kMalformed, kNotStrict},
        CeremonyCase{"an_array", [](Ceremony& ceremony) { ceremony.client_data = "[]"; },
                     Code::kMalformed, "not a JSON object"},
        CeremonyCase{
            "too_deep",
            client_text("false}", "false,\"x\":" + std::string(9, '[') + std::string(9, ']') + "}"),
            Code::kTooLarge, kNotStrict},
        CeremonyCase{"too_long",
                     client_text("false}", "false,\"x\":\"" + std::string(4096, 'x') + "\"}"),
                     Code::kTooLarge, kNotStrict}),
    named<CeremonyCase>);

const std::string kCounter("\0\0\0\x07", 4);

INSTANTIATE_TEST_SUITE_P(
    AuthenticatorData, BentCeremony,
    testing::Values(
        CeremonyCase{"no_flags", flags(0x00), Code::kBadSignature, "nobody touched"},
        CeremonyCase{"verified_only", flags(0x04), Code::kBadSignature, "nobody touched"},
        CeremonyCase{"present_only", flags(0x01), Code::kBadSignature, "did not verify who"},
        CeremonyCase{"reserved_for_verified", flags(0x23), Code::kBadSignature,
                     "did not verify who"},
        CeremonyCase{"backed_up_but_not_eligible", flags(0x15), Code::kBadSignature, "backed up"},
        CeremonyCase{"attested_flag_without_data", flags(0x45), Code::kBadSignature,
                     "nobody asked for"},
        CeremonyCase{"extension_flag_without_data", flags(0x85), Code::kBadSignature,
                     "nobody asked for"},
        CeremonyCase{"attested_data",
                     data(forge::authenticator_data(forge::kRpId, 0x45,
                                                    kCounter + std::string(18 + 77, 'k'))),
                     Code::kBadSignature, "nobody asked for"},
        CeremonyCase{"extension_data",
                     data(forge::authenticator_data(forge::kRpId, 0x85, kCounter + "\xA0")),
                     Code::kBadSignature, "nobody asked for"},
        CeremonyCase{"data_without_a_flag",
                     data(forge::authenticator_data(forge::kRpId, 0x05, kCounter + "\xA0")),
                     Code::kMalformed, "left over"},
        CeremonyCase{"a_long_tail",
                     data(forge::authenticator_data(forge::kRpId, 0x05,
                                                    kCounter + std::string(4000, 'x'))),
                     Code::kMalformed, "left over"},
        CeremonyCase{"counter_cut", data(forge::authenticator_data(forge::kRpId, 0x05, "\x01\x02\x03")),
                     Code::kMalformed, "cut off"},
        CeremonyCase{"no_counter", data(forge::authenticator_data(forge::kRpId, 0x05, "")),
                     Code::kMalformed, "cut off"},
        CeremonyCase{"hash_only", data(forge::authenticator_data().substr(0, 32)),
                     Code::kMalformed, "cut off"},
        CeremonyCase{"nothing", data(""), Code::kMalformed, "cut off"},
        CeremonyCase{"other_site", data(forge::authenticator_data("evil.org")),
                     Code::kBadSignature, "another site than \"example.org\""},
        CeremonyCase{"site_below", data(forge::authenticator_data("receipts.example.org")),
                     Code::kBadSignature, "another site"},
        CeremonyCase{"site_case", data(forge::authenticator_data("Example.org")),
                     Code::kBadSignature, "another site"},
        CeremonyCase{"origin_for_a_site", data(forge::authenticator_data(forge::kOrigin)),
                     Code::kBadSignature, "another site"},
        CeremonyCase{"other_key",
                     [](Ceremony& ceremony) {
                       const KeyType type = ceremony.signer.public_key().type();
                       ceremony.signer = forge::key(42, type);
                     },
                     Code::kBadSignature, "another key made it"}),
    named<CeremonyCase>);

TEST(Webauthn, WhatTheStandardLeavesOpenIsAccepted) {
  const std::vector<std::function<void(Ceremony&)>> bends = {
      client({{"crossOrigin", nullptr}}),
      client({{"origin", "https://localhost:8443"}}),
      client({{"extraData", "may be extended"}, {"tokenBinding", {{"status", "supported"}}}}),
      client_text(R"({"type":)", "{\n \"type\" : "),
      client_text("false}", "false} "),
      flags(0x0D),
      flags(0x1D),
      flags(0x27),  // synced passkeys; reserved flags
      data(forge::authenticator_data(forge::kRpId, 0x05, std::string(4, '\0'))),
      data(forge::authenticator_data(forge::kRpId, 0x05, std::string(4, '\xFF')))};
  const Authenticator passkey;
  for (std::size_t at = 0; at < bends.size(); ++at) {
    const auto verified = verify({sign_root(passkey, {.ceremony = bends[at]})}, passkey.anchors());
    EXPECT_TRUE(verified) << at << ": " << verified.error().sentence;
  }
}

struct EnvelopeCase {
  const char* name;
  std::function<void(std::string&)> bend;
  Code code;
  const char* words;
};

// One member of the JSON object.
std::function<void(std::string&)> member(const char* name,
                                         const std::function<void(std::string&)>& bend) {
  return [name, bend](std::string& envelope) {
    Json json = Json::parse(envelope);
    std::string text = json.at(name).get<std::string>();
    bend(text);
    json[name] = text;
    envelope = json.dump();
  };
}

// The decoded bytes of one.
std::function<void(std::string&)> bytes(const char* name,
                                        const std::function<void(std::string&)>& bend) {
  return member(name, [bend](std::string& text) {
    std::string decoded = *decode_base64url(text);
    bend(decoded);
    text = encode_base64url(decoded);
  });
}

std::function<void(std::string&)> object(const std::function<void(Json&)>& bend) {
  return [bend](std::string& envelope) {
    Json json = Json::parse(envelope);
    bend(json);
    envelope = json.dump();
  };
}

std::string fixed_of(std::string_view der);

class BentEnvelope : public testing::TestWithParam<EnvelopeCase> {};

TEST_P(BentEnvelope, IsRefused) {
  const Authenticator passkey;
  const RootBend bend{.envelope = GetParam().bend};
  expect_refused(verify({sign_root(passkey, bend)}, passkey.anchors()), GetParam().code,
                 GetParam().words);
}

constexpr const char* kWrongKey = "another key made it, or it was changed";
constexpr const char* kNotBase64 = "is missing, or not strict base64url";

INSTANTIATE_TEST_SUITE_P(
    Form, BentEnvelope,
    testing::Values(
        EnvelopeCase{"not_json", [](std::string& envelope) { envelope = "signature"; },
                     Code::kMalformed, "not strict JSON"},
        EnvelopeCase{"empty", [](std::string& envelope) { envelope.clear(); }, Code::kMalformed,
                     "not strict JSON"},
        EnvelopeCase{"an_array", [](std::string& envelope) { envelope = "[]"; }, Code::kMalformed,
                     "not a JSON object"},
        EnvelopeCase{"fourth_member", object([](Json& json) { json["userHandle"] = "amFuZQ"; }),
                     Code::kMalformed, "does not belong"},
        EnvelopeCase{"no_signature", object([](Json& json) { json.erase("signature"); }),
                     Code::kMalformed, kNotBase64},
        EnvelopeCase{"no_client_data", object([](Json& json) { json.erase("clientDataJSON"); }),
                     Code::kMalformed, kNotBase64},
        EnvelopeCase{"no_data", object([](Json& json) { json.erase("authenticatorData"); }),
                     Code::kMalformed, kNotBase64},
        EnvelopeCase{"signature_null", object([](Json& json) { json["signature"] = nullptr; }),
                     Code::kMalformed, kNotBase64},
        EnvelopeCase{"client_data_an_object",
                     object([](Json& json) { json["clientDataJSON"] = Json::object(); }),
                     Code::kTooLarge, "not strict JSON"},
        EnvelopeCase{"duplicate_member",
                     [](std::string& envelope) { envelope.insert(1, R"("signature":"AA",)"); },
                     Code::kMalformed, "not strict JSON"},
        EnvelopeCase{"padding", member("signature", [](std::string& text) { text += "="; }),
                     Code::kMalformed, kNotBase64},
        EnvelopeCase{"padding_of_client_data",
                     member("clientDataJSON", [](std::string& text) { text += "=="; }),
                     Code::kMalformed, kNotBase64},
        EnvelopeCase{"white_space",
                     member("authenticatorData", [](std::string& text) { text.insert(4, "\n"); }),
                     Code::kMalformed, kNotBase64},
        EnvelopeCase{"plain_base64",
                     member("authenticatorData", [](std::string& text) { text[0] = '+'; }),
                     Code::kMalformed, kNotBase64},
        EnvelopeCase{"trailing_bits",  // 37 bytes: the last character holds two bits, now four
                     member("authenticatorData", [](std::string& text) { text.back() = 'x'; }),
                     Code::kMalformed, kNotBase64},
        EnvelopeCase{"too_long",
                     object([](Json& json) { json["signature"] = std::string(9000, 'A'); }),
                     Code::kTooLarge, "not strict JSON"}),
    named<EnvelopeCase>);

INSTANTIATE_TEST_SUITE_P(
    Signature, BentEnvelope,
    testing::Values(
        EnvelopeCase{"one_bit", bytes("signature", [](std::string& der) { der.back() ^= 1; }),
                     Code::kBadSignature, kWrongKey},
        EnvelopeCase{"empty", bytes("signature", [](std::string& der) { der.clear(); }),
                     Code::kBadSignature, kWrongKey},
        EnvelopeCase{"trailing_byte", bytes("signature", [](std::string& der) { der += '\0'; }),
                     Code::kBadSignature, kWrongKey},
        EnvelopeCase{"cut", bytes("signature", [](std::string& der) { der.pop_back(); }),
                     Code::kBadSignature, kWrongKey},
        EnvelopeCase{"garbage_inside",
                     bytes("signature",
                           [](std::string& der) {
                             der += std::string("\x05\x00", 2);
                             der[1] = static_cast<char>(der[1] + 2);
                           }),
                     Code::kBadSignature, kWrongKey},
        EnvelopeCase{"long_form_length",
                     bytes("signature", [](std::string& der) { der.insert(1, "\x81"); }),
                     Code::kBadSignature, kWrongKey},
        EnvelopeCase{"indefinite_length",
                     bytes("signature",
                           [](std::string& der) {
                             der[1] = static_cast<char>(0x80);
                             der += std::string(2, '\0');
                           }),
                     Code::kBadSignature, kWrongKey},
        EnvelopeCase{"padded_integer",  // a zero before r that its value does not need
                     bytes("signature",
                           [](std::string& der) {
                             der.insert(4, 1, '\0');
                             der[3] = static_cast<char>(der[3] + 1);
                             der[1] = static_cast<char>(der[1] + 1);
                           }),
                     Code::kBadSignature, kWrongKey},
        EnvelopeCase{"fixed_length",  // r‖s, as ES256 has it elsewhere
                     bytes("signature", [](std::string& der) { der = fixed_of(der); }),
                     Code::kBadSignature, kWrongKey},
        EnvelopeCase{"zeros",
                     bytes("signature",
                           [](std::string& der) {
                             der = std::string("\x30\x06\x02\x01\x00\x02\x01\x00", 8);
                           }),
                     Code::kBadSignature, kWrongKey},
        EnvelopeCase{"client_data_changed",
                     bytes("clientDataJSON", [](std::string& text) { text.insert(1, " "); }),
                     Code::kBadSignature, kWrongKey},
        EnvelopeCase{"counter_changed",
                     bytes("authenticatorData", [](std::string& data) { data.back() ^= 1; }),
                     Code::kBadSignature, kWrongKey},
        EnvelopeCase{"verified_flag_added",
                     bytes("authenticatorData", [](std::string& data) { data[32] |= 0x08; }),
                     Code::kBadSignature, kWrongKey}),
    named<EnvelopeCase>);

std::string fixed_of(std::string_view der) {
  const bssl::UniquePtr<ECDSA_SIG> parts(
      ECDSA_SIG_from_bytes(reinterpret_cast<const std::uint8_t*>(der.data()), der.size()));
  std::string fixed(64, '\0');
  auto* out = reinterpret_cast<std::uint8_t*>(fixed.data());
  BN_bn2bin_padded(out, 32, ECDSA_SIG_get0_r(parts.get()));
  BN_bn2bin_padded(out + 32, 32, ECDSA_SIG_get0_s(parts.get()));
  return fixed;
}

TEST(Webauthn, AnEd25519PasskeySignsSixtyFourBytes) {
  const Authenticator passkey(40, KeyType::kEd25519);
  for (const char* tail : {"x", ""}) {
    const RootBend bend{.envelope = bytes("signature", [&](std::string& signature) {
                          signature.resize(63 + 2 * std::string_view(tail).size());
                        })};
    expect_refused(verify({sign_root(passkey, bend)}, passkey.anchors()), Code::kBadSignature,
                   kWrongKey);
  }
}

TEST(Webauthn, OnlyTheNamedPasskeyIsAsked) {
  const Authenticator passkey;
  const Authenticator other(43);
  const AnchorSet both({other.anchor(), passkey.anchor()});
  EXPECT_TRUE(verify({sign_root(passkey)}, both));
  const auto with_kid = [&](const Json& kid) {
    return sign_root(passkey, {.token = [&](Json& header, Json&) {
                       header.erase("kid");
                       if (!kid.is_null()) header["kid"] = kid;
                     }});
  };
  expect_refused(verify({with_kid(other.credential_id)}, both), Code::kBadSignature, kWrongKey);
  expect_refused(verify({with_kid(nullptr)}, both), Code::kMalformed, "does not name its passkey");
  expect_refused(verify({with_kid(7)}, both), Code::kMalformed, "kid is not a string");
  for (const std::string& kid : {std::string(), passkey.credential_id + "=",
                                 encode_base64url("unknown"), std::string("Credential 40")}) {
    expect_refused(verify({with_kid(kid)}, both), Code::kUntrustedRoot, "not registered here");
  }
  expect_refused(verify({sign_root(passkey)}, AnchorSet({passkey.anchor(), passkey.anchor()})),
                 Code::kUntrustedRoot, "registered here twice");
  expect_refused(verify({sign_root(passkey)}, AnchorSet()), Code::kUntrustedRoot,
                 "not registered here");
}

TEST(Webauthn, APasskeySpeaksForItsUserOnly) {
  const Authenticator passkey;
  for (const Json& mandate :
       {Json{{"user", "mailto:mallory@example.org"}}, Json{{"user", "mailto:Jane@example.org"}},
        Json{{"intent", "no user"}}, Json::object()}) {
    const std::string root =
        sign_root(passkey, {.token = [&](Json&, Json& payload) { payload["mandate"] = mandate; }});
    expect_refused(verify({root}, passkey.anchors()), Code::kUntrustedRoot,
                   "may not speak for its user");
  }
  const std::string none =
      sign_root(passkey, {.token = [](Json&, Json& payload) { payload.erase("mandate"); }});
  expect_refused(verify({none}, passkey.anchors()), Code::kUntrustedRoot, "may not speak");
  // Another anchor that holds the same key, or one made by hand without a user, lends nothing.
  Anchor anybody = passkey.anchor();
  anybody.user.reset();
  expect_refused(verify({none}, AnchorSet({anybody})), Code::kUntrustedRoot, "may not speak");
  const Anchor plain{"", passkey.key.public_key(), std::nullopt};
  expect_refused(verify({none}, AnchorSet({passkey.anchor(), plain})), Code::kUntrustedRoot,
                 "may not speak");
}

TEST(Webauthn, KindsOfAnchorsDoNotMix) {
  const Authenticator passkey;
  const PublicKey key = passkey.key.public_key();
  // The passkey's own key under a plain algorithm, and a plain anchor under WebAuthn.
  const std::string plain =
      forge::sign_text(Json{{"alg", "ES256"}, {"kid", passkey.credential_id}}.dump(),
                       forge::Chain(1).payload(0).dump(), passkey.key);
  const AnchorSet as_key({Anchor{passkey.credential_id, key, std::nullopt}});
  EXPECT_TRUE(verify({plain}, as_key));
  expect_refused(verify({plain}, passkey.anchors()), Code::kBadAlg, "fits no trusted key");
  expect_refused(verify({sign_root(passkey)}, as_key), Code::kBadAlg, "fits no trusted key");
  const AnchorSet mixed(
      {Anchor{"", forge::key(1, KeyType::kP256).public_key(), std::nullopt}, passkey.anchor()});
  expect_refused(verify({plain}, mixed), Code::kUntrustedRoot, "trusted here");
  // One key as both: what it signs plainly is judged as a plain key's, wherever the passkey stands.
  const AnchorSet twice({passkey.anchor(), Anchor{"", key, std::nullopt}});
  EXPECT_TRUE(verify({plain}, twice));
  const AnchorSet for_joe({passkey.anchor(), Anchor{"", key, "mailto:joe@example.org"}});
  expect_refused(verify({plain}, for_joe), Code::kUntrustedRoot, "may not speak for its user");
  // A plain key that calls itself by the credential id is no passkey.
  const AnchorSet impostor(
      {Anchor{passkey.credential_id, key, std::nullopt}, Authenticator(43).anchor()});
  expect_refused(verify({sign_root(passkey)}, impostor), Code::kUntrustedRoot,
                 "not registered here");
  // A plain signature in the place of the passkey's.
  const std::string input = forge::signing_input(sign_root(passkey));
  expect_refused(
      verify({input + "." + encode_base64url(passkey.key.sign(input))}, passkey.anchors()),
      Code::kMalformed, "not strict JSON");
  for (const char* alg : {"webauthn", "WEBAUTHN", "WebAuthn "}) {
    const std::string root =
        sign_root(passkey, {.token = [&](Json& header, Json&) { header["alg"] = alg; }});
    expect_refused(verify({root}, passkey.anchors()), Code::kBadAlg, "not allowed");
  }
  for (const char* name : {"crit", "jwk", "x5c", "b64"}) {
    const std::string root =
        sign_root(passkey, {.token = [&](Json& header, Json&) { header[name] = "x"; }});
    expect_refused(verify({root}, passkey.anchors()), Code::kMalformed, "not allowed");
  }
}

TEST(Webauthn, SignsNoChildAndNoProof) {
  // The holder of the root is the passkey's own key, so that only the rule stands in the way.
  const Authenticator passkey;
  const Json key = Json::parse(passkey.key.public_key().jwk());
  const std::string root =
      sign_root(passkey, {.token = [&](Json&, Json& payload) { payload["cnf"]["jwk"] = key; }});
  const auto verified = verify({root}, passkey.anchors());
  ASSERT_TRUE(verified) << verified.error().sentence;
  const std::string child =
      sign_root(passkey, {.token = [&](Json&, Json& payload) {
                  payload["jti"] = "child";
                  payload["iss"] = "urn:ietf:params:oauth:jwk-thumbprint:sha-256:" +
                                   passkey.key.public_key().thumbprint();
                  payload["del_depth"] = 1;
                  payload["par_hash"] = sha256_text(forge::signing_input(root));
                }});
  expect_refused(verify({root, child}, passkey.anchors()), Code::kBadAlg,
                 "signs root receipts and approvals only", 1);
  const std::string proof = sign_root(passkey, {.token = [&](Json& header, Json& payload) {
                                        header["typ"] = "delegation-proof+jwt";
                                        payload = {{"aat_id", (*verified)->jti(0)},
                                                   {"aat_tool", "list_directory"},
                                                   {"hta", Json::object()},
                                                   {"iat", kNow},
                                                   {"jti", "proof"}};
                                      }});
  const auto proven = verify_proof(**verified, proof, "list_directory", json::Value{}, {}, kNow);
  ASSERT_FALSE(proven);
  EXPECT_EQ(to_string(proven.error().code), to_string(Code::kBadProof));
  EXPECT_NE(proven.error().sentence.find("root receipts and approvals only"), std::string::npos);
}

// The holder narrows it and hands it on as any other, without an anchor at hand.
TEST(Webauthn, ItsHolderDelegatesIt) {
  const Authenticator passkey;
  const std::string root = sign_root(passkey);
  Grant grant;
  grant.tools_json = R"({"list_directory":{}})";
  grant.mandate_json = Json{{"user", forge::kUser}}.dump();
  grant.holder = forge::key(2).public_key();
  grant.issued_at = kNow;
  grant.expires = kNow + 60;
  grant.depth_max = 1;
  const auto child = derive(std::vector<std::string_view>{root}, grant, forge::key(1));
  ASSERT_TRUE(child) << child.error().sentence;
  const auto verified = verify({root, *child}, passkey.anchors());
  ASSERT_TRUE(verified) << verified.error().sentence;
  EXPECT_FALSE((*verified)->grants_tool("read_file"));
}

TEST(Webauthn, AnyChangeOfTheReceiptIsSeen) {
  const Authenticator passkey;
  const std::string root = sign_root(passkey);
  const std::string widened = sign_root(
      passkey, {.token = [](Json&, Json& payload) {
        payload["authorization_details"][0]["tools"]["delete_everything"] = Json::object();
      }});
  const std::string moved = forge::signing_input(widened) + root.substr(root.rfind('.'));
  expect_refused(verify({moved}, passkey.anchors()), Code::kBadSignature, "other content");
}

std::string from_hex(std::string_view hex) {
  std::string out;
  for (std::size_t at = 0; at + 1 < hex.size(); at += 2)
    out += static_cast<char>(std::stoi(std::string(hex.substr(at, 2)), nullptr, 16));
  return out;
}

PublicKey key_of(const vectors::Vector& vector) {
  Json jwk{{"kty", "OKP"}, {"crv", "Ed25519"}, {"x", encode_base64url(from_hex(vector.x))}};
  if (!vector.y.empty()) {
    jwk["kty"] = "EC";
    jwk["crv"] = "P-256";
    jwk["y"] = encode_base64url(from_hex(vector.y));
  }
  return PublicKey::from_jwk(forge::parse(jwk.dump()).root()).value();
}

// The W3C's own assertions: every signature is good, and of the rest each is accepted or refused as
// its section's title and flags demand.
TEST(Webauthn, TheStandardsTestVectors) {
  const Passkey site{.rp_id = "example.org", .origins = {"https://example.org"}};
  std::size_t accepted = 0;
  for (const vectors::Vector& vector : vectors::kAssertions) {
    const Assertion assertion{from_hex(vector.authenticator_data), std::string(vector.client_data),
                              from_hex(vector.signature)};
    const PublicKey key = key_of(vector);
    const Sha256 hash = sha256(assertion.client_data);
    const std::string message =
        assertion.authenticator_data +
        std::string(reinterpret_cast<const char*>(hash.data()), hash.size());
    EXPECT_TRUE(key.verify_as_passkey(message, assertion.signature)) << vector.name;
    EXPECT_FALSE(key.verify_as_passkey(message + "x", assertion.signature)) << vector.name;

    const auto checked =
        check_assertion(assertion, key, site, encode_base64url(from_hex(vector.challenge)));
    const unsigned flags = static_cast<unsigned char>(assertion.authenticator_data[32]);
    const bool framed = vector.name.ends_with("Origin");
    EXPECT_EQ(checked.has_value(), !framed && (flags & 0x04U) != 0) << vector.name;
    if (checked) {
      ++accepted;
    } else {
      const std::string words = framed ? kFramed : "did not verify who";
      EXPECT_NE(checked.error().sentence.find(words), std::string::npos)
          << vector.name << ": " << checked.error().sentence;
    }
  }
  EXPECT_EQ(accepted, 3U);
}

}  // namespace
}  // namespace mandated::receipt
