// Every attack of the table on random honest chains: the honest one is permitted, the attack is
// refused, and for the reason that it should be. ATTACK_RUNS and ATTACK_SEED say how many chains
// each attack gets, and which.
#include <gtest/gtest.h>

#include <cstdlib>
#include <set>

#include "tests/property/receipt/attempt.h"
#include "tests/unit/receipt/authenticator.h"

namespace mandated::receipt::attack {
namespace {

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::stoull(text);
}

std::uint64_t runs() { return from_environment("ATTACK_RUNS", 16); }
std::uint64_t first_seed() { return from_environment("ATTACK_SEED", 20260728); }

std::string words(const std::optional<Refusal>& refusal) {
  if (!refusal) return "permitted";
  return std::string(to_string(refusal->code)) + ": " + refusal->sentence;
}

bool is_among(Code code, const std::vector<Code>& codes) {
  return std::find(codes.begin(), codes.end(), code) != codes.end();
}

class Attacks : public testing::TestWithParam<Attack> {};

TEST_P(Attacks, AreRefused) {
  const Attack& attack = GetParam();
  for (std::uint64_t run = 0; run < runs(); ++run) {
    const std::uint64_t seed = first_seed() + run;
    Dice dice(seed);
    const Attempt honest(dice, attack.type);
    const auto fair = honest.run();
    ASSERT_FALSE(fair) << "seed " << seed << ": " << words(fair);
    Attempt bent = honest;
    attack.prepare(bent, dice);
    const auto refusal = bent.run();
    ASSERT_TRUE(refusal && is_among(refusal->code, attack.codes))
        << "seed " << seed << ": " << words(refusal);
  }
}

INSTANTIATE_TEST_SUITE_P(Named, Attacks, testing::ValuesIn(attacks()),
                         [](const auto& each) { return std::string(each.param.name); });

// What changes nothing that was granted is permitted: the table's refusals are the attacks', not
// the harness's.
std::vector<Attack> harmless() {
  const auto each_hop = [](const std::function<void(Draft&)>& change) {
    return [change](Attempt& attempt, Dice&) {
      attempt.bend_token = [change](std::size_t, Draft& draft) { change(draft); };
    };
  };
  return {
      {"nothing", {}, [](Attempt&, Dice&) {}},
      {"another_claim", {}, each_hop([](Draft& draft) { draft.payload["scope"] = "read"; })},
      {"another_entry", {}, each_hop([](Draft& draft) {
         draft.payload["authorization_details"].push_back({{"type", "other"}, {"tools", "all"}});
       })},
      {"white_space_in_the_payload", {}, each_hop([](Draft& draft) {
         draft.text = draft.payload.dump(2);
       })},
      {"members_in_another_order", {}, each_hop([](Draft& draft) {
         draft.text = nlohmann::json(draft.payload).dump();
       })},
      {"no_typ", {}, each_hop([](Draft& draft) {
         Json header = Json::parse(draft.header);
         header.erase("typ");
         draft.header = header.dump();
       })},
      {"typ_jwt", {}, each_hop([](Draft& draft) {
         Json header = Json::parse(draft.header);
         header["typ"] = "JWT";
         draft.header = header.dump();
       })},
      {"a_kid_that_names_nobody", {}, each_hop([](Draft& draft) {
         draft.header.insert(1, R"("kid":"nobody",)");
       })},
      {"a_task", {}, each_hop([](Draft& draft) {
         draft.payload["mandate"]["task"] = "Another part";
       })},
      {"a_proof_at_the_edge_of_its_window",
       {},
       [](Attempt& attempt, Dice& dice) {
         const double shift = dice.maybe() ? 30 : -30;
         attempt.bend_proof = [=](Json& payload) { payload["iat"] = forge::kNow + shift; };
       }},
  };
}

class Harmless : public testing::TestWithParam<Attack> {};

TEST_P(Harmless, IsPermitted) {
  for (std::uint64_t run = 0; run < runs(); ++run) {
    Dice dice(first_seed() + run);
    Attempt attempt(dice);
    GetParam().prepare(attempt, dice);
    const auto refusal = attempt.run();
    ASSERT_FALSE(refusal) << "seed " << first_seed() + run << ": " << words(refusal);
  }
}

INSTANTIATE_TEST_SUITE_P(Named, Harmless, testing::ValuesIn(harmless()),
                         [](const auto& each) { return std::string(each.param.name); });

struct PasskeyAttack {
  const char* name;
  std::vector<Code> codes;
  forge::RootBend bend;
};

forge::RootBend ceremony(const std::function<void(forge::Ceremony&)>& change) {
  return {.ceremony = change};
}

forge::RootBend client(const char* member, const Json& value) {
  return ceremony([=](forge::Ceremony& said) {
    Json data = Json::parse(said.client_data);
    data[member] = value;
    said.client_data = data.dump();
  });
}

forge::RootBend authenticated(const std::string& data) {
  return ceremony([=](forge::Ceremony& said) { said.authenticator_data = data; });
}

forge::RootBend envelope(const std::function<void(Json&)>& change) {
  return {.envelope = [=](std::string& text) {
    Json members = Json::parse(text);
    change(members);
    text = members.dump();
  }};
}

std::vector<PasskeyAttack> passkey_attacks() {
  using enum Code;
  return {
      {"user_not_verified",
       {kBadSignature},
       authenticated(forge::authenticator_data(forge::kRpId, 0x01))},
      {"user_not_present",
       {kBadSignature},
       authenticated(forge::authenticator_data(forge::kRpId, 0x04))},
      {"no_flags", {kBadSignature}, authenticated(forge::authenticator_data(forge::kRpId, 0x00))},
      {"data_of_a_registration",
       {kBadSignature, kMalformed},
       authenticated(forge::authenticator_data(forge::kRpId, 0x45))},
      {"extension_data",
       {kBadSignature, kMalformed},
       authenticated(forge::authenticator_data(forge::kRpId, 0x85))},
      {"data_longer",
       {kBadSignature, kMalformed},
       authenticated(forge::authenticator_data() + "x")},
      {"data_shorter",
       {kBadSignature, kMalformed},
       authenticated(forge::authenticator_data().substr(0, 36))},
      {"another_site", {kBadSignature}, authenticated(forge::authenticator_data("example.com"))},
      {"a_subdomain_as_site",
       {kBadSignature},
       authenticated(forge::authenticator_data("receipts.example.org"))},
      {"another_origin",
       {kBadSignature},
       client("origin", "https://receipts.example.org.evil.example")},
      {"origin_without_tls", {kBadSignature}, client("origin", "http://receipts.example.org")},
      {"origin_with_a_slash", {kBadSignature}, client("origin", "https://receipts.example.org/")},
      {"origin_in_other_case", {kBadSignature}, client("origin", "https://Receipts.example.org")},
      {"in_a_frame", {kBadSignature}, client("crossOrigin", true)},
      {"below_another_page", {kBadSignature}, client("topOrigin", "https://evil.example")},
      {"a_registration", {kBadSignature}, client("type", "webauthn.create")},
      {"a_payment", {kBadSignature}, client("type", "payment.get")},
      {"another_challenge", {kBadSignature}, client("challenge", sha256_text("another"))},
      {"challenge_padded", {kBadSignature, kMalformed}, ceremony([](forge::Ceremony& said) {
         Json data = Json::parse(said.client_data);
         data["challenge"] = data["challenge"].get<std::string>() + "=";
         said.client_data = data.dump();
       })},
      {"challenge_twice", {kBadSignature, kMalformed}, ceremony([](forge::Ceremony& said) {
         said.client_data.insert(1, R"("challenge":"AA",)");
       })},
      {"client_data_no_object", {kBadSignature, kMalformed}, ceremony([](forge::Ceremony& said) {
         said.client_data = "[]";
       })},
      {"by_another_key", {kBadSignature}, ceremony([](forge::Ceremony& said) {
         said.signer = forge::key(30);
       })},
      {"another_user",
       {kUntrustedRoot},
       {.token = [](Json&,
                    Json& payload) { payload["mandate"]["user"] = "mailto:june@example.org"; }}},
      {"no_user",
       {kUntrustedRoot},
       {.token = [](Json&, Json& payload) { payload.erase("mandate"); }}},
      {"another_credential",
       {kUntrustedRoot},
       {.token = [](Json& header, Json&) { header["kid"] = encode_base64url("another"); }}},
      {"no_credential", {kMalformed}, {.token = [](Json& header, Json&) { header.erase("kid"); }}},
      {"as_a_plain_signature",
       {kBadAlg},
       {.token = [](Json& header, Json&) { header["alg"] = "EdDSA"; }}},
      {"a_member_more", {kMalformed}, envelope([](Json& members) {
         members["userHandle"] = "AA";
       })},
      {"a_member_less", {kMalformed}, envelope([](Json& members) { members.erase("signature"); })},
      {"a_member_padded", {kMalformed}, envelope([](Json& members) {
         members["authenticatorData"] = members["authenticatorData"].get<std::string>() + "=";
       })},
      {"signature_empty", {kBadSignature, kMalformed}, envelope([](Json& members) {
         members["signature"] = "";
       })},
      {"data_changed_after_signing", {kBadSignature}, envelope([](Json& members) {
         members["authenticatorData"] =
             encode_base64url(forge::authenticator_data(forge::kRpId, 0x1D));
       })},
  };
}

void PrintTo(const PasskeyAttack& attack, std::ostream* out) { *out << attack.name; }

class PasskeyAttacks : public testing::TestWithParam<PasskeyAttack> {};

TEST_P(PasskeyAttacks, AreRefused) {
  for (const KeyType type : {KeyType::kP256, KeyType::kEd25519}) {
    const forge::Authenticator passkey(40, type);
    for (std::uint64_t run = 0; run < runs(); ++run) {
      Dice dice(first_seed() + run);
      const auto verify = [&](const std::string& root, std::size_t hops) {
        std::vector<std::string> tokens{root};
        for (std::size_t hop = 1; hop < hops; ++hop)
          tokens.push_back(forge::sign_child(tokens.back(), static_cast<int>(hop)));
        return verify_chain(std::vector<std::string_view>(tokens.begin(), tokens.end()),
                            passkey.anchors(), forge::kNow);
      };
      const std::size_t hops = 1 + dice.below(3);
      const auto fair = verify(forge::sign_root(passkey), hops);
      ASSERT_TRUE(fair) << fair.error().sentence;
      const auto verified = verify(forge::sign_root(passkey, GetParam().bend), hops);
      ASSERT_FALSE(verified);
      ASSERT_TRUE(is_among(verified.error().code, GetParam().codes)) << words(verified.error());
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Named, PasskeyAttacks, testing::ValuesIn(passkey_attacks()),
                         [](const auto& each) { return std::string(each.param.name); });

// Names are unique, and what section 7 lists and a library can answer is provoked by something.
TEST(AttackTable, IsWide) {
  std::set<std::string> names;
  std::set<Code> codes;
  for (const Attack& attack : attacks()) {
    EXPECT_TRUE(names.insert(attack.name).second) << attack.name;
    codes.insert(attack.codes.begin(), attack.codes.end());
  }
  EXPECT_GE(names.size(), 190U);
  const std::set<Code> elsewhere{Code::kAboveCeiling, Code::kRevoked, Code::kStatusUnknown,
                                 Code::kBudgetSpent, Code::kInternal};
  for (int code = 0; code <= static_cast<int>(Code::kInternal); ++code)
    EXPECT_NE(codes.contains(static_cast<Code>(code)), elsewhere.contains(static_cast<Code>(code)))
        << to_string(static_cast<Code>(code));
}

}  // namespace
}  // namespace mandated::receipt::attack
