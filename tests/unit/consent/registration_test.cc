// A passkey is kept only once it has signed our own challenge, here, with its user verified.
#include "proxy/consent/registration.h"

#include "tests/unit/consent/fixture.h"

namespace mandated::consent {
namespace {

using test::Json;
using test::kAlice;
using test::Person;

constexpr Seconds kNow = 1780000000;

class RegistrationTest : public testing::Test {
 protected:
  Registrations::Begun begin() {
    code_ = registry_.invite(std::string(kAlice), "", rng_, kNow).value();
    return registrations_.begin(code_, kNow).value();
  }
  static Json body(const Person& person, std::string_view challenge,
                   const std::function<void(test::forge::Ceremony&)>& bend = {}) {
    Json made = person.answer(challenge, bend);
    made["public_key"] =
        receipt::encode_base64url(test::spki(person.authenticator.key.public_key()));
    return made;
  }
  std::size_t kept() const { return registry_.passkeys()->size(); }

  test::Folder folder_;
  test::SimRng rng_{5};
  Origin origin_ = *Origin::parse(test::kOrigin);
  Registry registry_ = *Registry::open(folder_.path(), identity::StateFolder::Missing::kCreate);
  Registrations registrations_{registry_, origin_, rng_};
  Person alice_{40};
  std::string code_;
};

TEST_F(RegistrationTest, BothKindsOfKeyAreKept) {
  for (const auto type : {receipt::KeyType::kP256, receipt::KeyType::kEd25519}) {
    const Person person(type == receipt::KeyType::kP256 ? 40 : 41, type);
    const auto begun = begin();
    const auto name =
        registrations_.finish(begun.id, body(person, begun.challenge).dump(), kNow + 1);
    ASSERT_TRUE(name) << name.error().text;
    EXPECT_EQ(*name, begun.invitation.name);
    EXPECT_FALSE(registry_.invitation(code_, kNow)) << "used up";
    EXPECT_FALSE(registrations_.finish(begun.id, body(person, begun.challenge).dump(), kNow + 1));
  }
  EXPECT_EQ(kept(), 2U);
}

TEST_F(RegistrationTest, WhatIsNoGoodLeavesTheInvitationGood) {
  const auto begun = begin();
  const Person other(42);
  const Json good = body(alice_, begun.challenge);
  struct Case {
    const char* what;
    Json body;
    Code code;
  };
  const auto bent = [&](const std::function<void(test::forge::Ceremony&)>& bend) {
    return body(alice_, begun.challenge, bend);
  };
  const auto with = [&](const char* member, const Json& value) {
    Json made = good;
    made[member] = value;
    return made;
  };
  const auto without = [&](const char* member) {
    Json made = good;
    made.erase(member);
    return made;
  };
  const std::string origin(test::kOrigin);
  const Case cases[] = {
      {"another challenge", body(alice_, receipt::sha256_text("x")), Code::kDenied},
      {"another key signs", bent([&](auto& c) { c.signer = other.authenticator.key; }),
       Code::kDenied},
      {"no user verification", bent([](auto& c) {
         c.authenticator_data = test::forge::authenticator_data("receipts.example.org", 0x01);
       }),
       Code::kDenied},
      {"nobody present", bent([](auto& c) {
         c.authenticator_data = test::forge::authenticator_data("receipts.example.org", 0x04);
       }),
       Code::kDenied},
      {"another site's",
       bent([](auto& c) { c.authenticator_data = test::forge::authenticator_data("example.org"); }),
       Code::kDenied},
      {"on another page", bent([&](auto& c) {
         c.client_data = test::forge::client_data(begun.challenge, "https://evil.example");
       }),
       Code::kDenied},
      {"on another port", bent([&](auto& c) {
         c.client_data = test::forge::client_data(begun.challenge, origin + ":8443");
       }),
       Code::kDenied},
      {"a ceremony of creation", bent([&](auto& c) {
         Json data = Json::parse(c.client_data);
         data["type"] = "webauthn.create";
         c.client_data = data.dump();
       }),
       Code::kDenied},
      {"in a frame", bent([&](auto& c) {
         Json data = Json::parse(c.client_data);
         data["crossOrigin"] = true;
         c.client_data = data.dump();
       }),
       Code::kDenied},
      {"no key", without("public_key"), Code::kMalformed},
      {"a key that is none", with("public_key", "AAAA"), Code::kMalformed},
      {"a padded key", with("public_key", good["public_key"].get<std::string>() + "="),
       Code::kMalformed},
      {"another's key",
       with("public_key",
            receipt::encode_base64url(test::spki(other.authenticator.key.public_key()))),
       Code::kDenied},
      {"no credential id", without("credential_id"), Code::kMalformed},
      {"an empty credential id", with("credential_id", ""), Code::kMalformed},
      {"a credential id too long", with("credential_id", std::string(1368, 'A')), Code::kMalformed},
      {"no signature", without("signature"), Code::kDenied},
      {"a signature that is a number", with("signature", 7), Code::kDenied},
      {"no authenticator data", without("authenticatorData"), Code::kDenied},
      {"no client data", without("clientDataJSON"), Code::kDenied},
      {"a list", Json::array(), Code::kMalformed},
  };
  for (const Case& c : cases) {
    const auto done = registrations_.finish(begun.id, c.body.dump(), kNow);
    ASSERT_FALSE(done) << c.what;
    EXPECT_EQ(done.error().code, c.code) << c.what << ": " << done.error().text;
  }
  for (const char* text : {"", "{", "{}{}", R"({"credential_id":"AAAA","credential_id":"AAAA"})"})
    EXPECT_FALSE(registrations_.finish(begun.id, text, kNow)) << text;
  EXPECT_EQ(kept(), 0U);
  EXPECT_TRUE(registry_.invitation(code_, kNow));
  EXPECT_TRUE(registrations_.finish(begun.id, good.dump(), kNow)) << "and then it is done";
}

TEST_F(RegistrationTest, TakesNoLongerThanItMay) {
  const auto begun = begin();
  const std::string text = body(alice_, begun.challenge).dump();
  const auto late = registrations_.finish(begun.id, text, kNow + Registrations::kLifetime);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, Code::kNotFound);
  EXPECT_FALSE(registrations_.finish("unknown", text, kNow));
  EXPECT_EQ(kept(), 0U);
}

TEST_F(RegistrationTest, ChallengesAreFreshAndBounded) {
  const auto first = begin();
  EXPECT_EQ(receipt::decode_base64url(first.challenge)->size(), 32U);
  std::size_t begun = 1;
  Result<Registrations::Begun> next = registrations_.begin(code_, kNow);
  for (; next; next = registrations_.begin(code_, kNow)) {
    EXPECT_NE(next->challenge, first.challenge);
    ++begun;
  }
  EXPECT_EQ(begun, Registrations::kPendingMax);
  EXPECT_EQ(next.error().code, Code::kOverloaded);
  EXPECT_TRUE(registrations_.begin(code_, kNow + Registrations::kLifetime));
  EXPECT_FALSE(registrations_.begin("", kNow + Registrations::kLifetime));
}

}  // namespace
}  // namespace mandated::consent
