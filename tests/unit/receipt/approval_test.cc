// A person's yes to one call: for this call only, from whom the receipt names, for five minutes.
#include "filters/receipt/approval.h"

#include <gtest/gtest.h>

#include "tests/unit/receipt/authenticator.h"

namespace mandated::receipt {
namespace {

using forge::Authenticator;
using forge::Chain;
using forge::Draft;
using forge::Json;
using forge::kNow;

constexpr int kFirst = 30;  // numbers of the approvers' keys
constexpr int kSecond = 31;

Approvers approvers(std::initializer_list<PublicKey> keys, std::uint64_t min) {
  Approvers wanted;
  for (const PublicKey& key : keys) wanted.keys.insert(key.thumbprint());
  wanted.min = min;
  return wanted;
}

AnchorSet anchors_of(std::initializer_list<PublicKey> keys) {
  std::vector<Anchor> anchors;
  for (const PublicKey& key : keys) anchors.push_back({"", key, std::nullopt});
  return AnchorSet(std::move(anchors));
}

AskedCall asked() {
  return {.ticket = "ticket-1",
          .receipt = "digest",
          .tool = "pay",
          .arguments = R"({"amount":5,"to":"bob"})",
          .holder = "spiffe://td/agent",
          .user = "mailto:jane@example.org",
          .intent = "Pay the \"rent\"",
          .server = "bank"};
}

std::string why(const Checked<std::vector<std::string>>& checked) {
  return checked ? "" : checked.error().sentence;
}

class Approval : public ::testing::Test {
 protected:
  PrivateKey first_ = forge::key(kFirst);
  PrivateKey second_ = forge::key(kSecond, KeyType::kP256);
  AnchorSet anchors_ = anchors_of({first_.public_key(), second_.public_key()});
  Approvers one_ = approvers({first_.public_key()}, 1);
  Approvers both_ = approvers({first_.public_key(), second_.public_key()}, 2);

  std::string check(const std::vector<std::string>& approvals, const Approvers& wanted,
                    const AskedCall& call = asked(), Seconds now = kNow) const {
    const std::vector<std::string_view> views(approvals.begin(), approvals.end());
    const auto checked = check_approvals(views, call, wanted, anchors_, now);
    if (!checked) {
      EXPECT_EQ(checked.error().code, Code::kApprovalRequired);
    }
    return why(checked);
  }
  /// An honest payload, bent and signed by the first.
  std::string bent(const std::function<void(Json& payload)>& bend) const {
    Json payload = Json::parse(approval_payload(asked(), kNow));
    bend(payload);
    return forge::sign_text(forge::honest_header(first_, "delegation-approval+jwt"), payload.dump(),
                            first_);
  }
};

TEST_F(Approval, SaysTheCallInCanonicalForm) {
  const std::string payload = approval_payload(asked(), kNow);
  EXPECT_EQ(payload,
            R"({"args":{"amount":5,"to":"bob"},"exp":1780000300,"holder":"spiffe://td/agent",)"
            R"("iat":1780000000,"intent":"Pay the \"rent\"","jti":"ticket-1","receipt":"digest",)"
            R"("server":"bank","tool":"pay","user":"mailto:jane@example.org"})");
  EXPECT_EQ(json::canonical(forge::parse(payload).root()), payload);
}

TEST_F(Approval, OfAsManyAsAreAskedFor) {
  const std::string first = sign_approval(asked(), first_, kNow);
  const std::string second = sign_approval(asked(), second_, kNow - 60);
  EXPECT_EQ(check({first}, one_), "");
  EXPECT_EQ(check({first, second}, both_), "");
  EXPECT_EQ(check({second, first}, both_), "");
  EXPECT_EQ(check({first}, both_), "The call has 1 of 2 approvals.");
  EXPECT_EQ(check({first, first}, both_), "The call has 1 of 2 approvals.");
  EXPECT_EQ(check({first, sign_approval(asked(), first_, kNow - 1)}, both_),
            "The call has 1 of 2 approvals.");
  EXPECT_EQ(check({}, one_), "The call has 0 of 1 approvals.");
  EXPECT_EQ(check({}, approvers({first_.public_key()}, 0)), "The call has 0 of 0 approvals.");
  EXPECT_EQ(check({second}, one_), "The approval is signed by a key that may not approve this.");
  EXPECT_EQ(check({first, second}, one_), "There are more approvals than approvers.");
  EXPECT_EQ(check({sign_approval(asked(), forge::key(50), kNow)}, one_),
            "An approval of the call is not signed by a key known here.");
}

TEST_F(Approval, OfExactlyThisCall) {
  const std::string other = "The approval is for another call.";
  const auto no_longer = [](const char* name) {
    return [name](Json& payload) { payload.erase(name); };
  };
  const auto says = [](const char* name, const Json& value) {
    return [name, value](Json& payload) { payload[name] = value; };
  };
  EXPECT_EQ(check({bent([](Json&) {})}, one_), "");
  for (const char* name : {"args", "holder", "intent", "jti", "receipt", "tool", "user"}) {
    SCOPED_TRACE(name);
    EXPECT_EQ(check({bent(no_longer(name))}, one_), other);
    EXPECT_EQ(check({bent(says(name, "x"))}, one_), other);
  }
  EXPECT_EQ(check({bent(says("args", Json{{"amount", 6}, {"to", "bob"}}))}, one_), other);
  EXPECT_EQ(check({bent(says("zz", 1))}, one_), other);
  EXPECT_EQ(check({bent([](Json& payload) {
                    const Json jti = payload["jti"];
                    payload.erase("jti");
                    payload["jti"] = jti;  // the same, in another order
                  })},
                  one_),
            other);
  AskedCall without = asked();
  without.holder.reset();
  EXPECT_EQ(check({sign_approval(asked(), first_, kNow)}, one_, without), other);
  EXPECT_EQ(check({sign_approval(without, first_, kNow)}, one_, without), "");
}

TEST_F(Approval, ForFiveMinutes) {
  const std::string approval = sign_approval(asked(), first_, kNow);
  EXPECT_EQ(check({approval}, one_, asked(), kNow + 299), "");
  EXPECT_EQ(check({approval}, one_, asked(), kNow - 30), "");
  EXPECT_EQ(check({approval}, one_, asked(), kNow + 300),
            "The approval expired at 2026-05-28T20:31:40Z.");
  EXPECT_EQ(check({approval}, one_, asked(), kNow - 31), "The approval was signed in the future.");
  EXPECT_EQ(
      check({bent([](Json& payload) { payload["exp"] = static_cast<std::int64_t>(kNow) + 301; })},
            one_),
      "The approval lives longer than 300 s.");
  for (const char* name : {"iat", "exp"}) {
    EXPECT_EQ(check({bent([&](Json& payload) { payload.erase(name); })}, one_),
              "An approval of the call does not say from when and until when it is good.");
    EXPECT_EQ(check({bent([&](Json& payload) { payload[name] = "1"; })}, one_),
              "An approval of the call does not say from when and until when it is good.");
  }
}

TEST_F(Approval, IsNoOtherKindOfToken) {
  const std::string payload = approval_payload(asked(), kNow);
  const auto with_header = [&](const std::string& header) {
    return check({forge::sign_text(header, payload, first_)}, one_);
  };
  for (const char* type : {"delegation-receipt+jwt", "delegation-proof+jwt", "JWT", ""}) {
    EXPECT_NE(with_header(Json{{"alg", "EdDSA"}, {"typ", type}}.dump()), "");
  }
  EXPECT_NE(with_header(R"({"alg":"EdDSA"})"), "");
  EXPECT_NE(with_header(R"({"alg":"none","typ":"delegation-approval+jwt"})"), "");
  EXPECT_NE(with_header(R"({"alg":"ES256","typ":"delegation-approval+jwt"})"), "");
  EXPECT_NE(with_header(R"({"alg":"WebAuthn","typ":"delegation-approval+jwt"})"), "");
  const std::string header = forge::honest_header(first_, "delegation-approval+jwt");
  EXPECT_NE(check({forge::sign_text(header, "[]", first_)}, one_), "");
  EXPECT_NE(check({forge::sign_text(header, payload + " ", first_)}, one_), "");
  EXPECT_NE(check({sign_approval(asked(), first_, kNow) + "="}, one_), "");
  const std::string input = encode_base64url(header) + ".e30=";
  EXPECT_NE(check({input + "." + encode_base64url(first_.sign(input))}, one_), "");
  EXPECT_NE(check({"a.b"}, one_), "");
  EXPECT_NE(check({""}, one_), "");
  EXPECT_NE(check({std::string(70000, 'a')}, one_), "");
}

TEST_F(Approval, ByAPasskey) {
  const Authenticator authenticator;
  const AnchorSet anchors = authenticator.anchors();
  const Approvers wanted = approvers({authenticator.key.public_key()}, 1);
  const auto sign = [&](const AskedCall& call, std::string_view type) {
    const Json header{{"alg", "WebAuthn"}, {"kid", authenticator.credential_id}, {"typ", type}};
    const std::string input =
        encode_base64url(header.dump()) + "." + encode_base64url(approval_payload(call, kNow));
    const forge::Ceremony ceremony{forge::client_data(sha256_text(input)),
                                   forge::authenticator_data(), authenticator.key};
    return input + "." + encode_base64url(forge::respond(ceremony).dump());
  };
  const auto check_one = [&](const std::string& approval) {
    const std::string_view view = approval;
    return why(check_approvals({&view, 1}, asked(), wanted, anchors, kNow));
  };
  EXPECT_EQ(check_one(sign(asked(), "delegation-approval+jwt")), "");
  EXPECT_NE(check_one(sign(asked(), "delegation-receipt+jwt")), "");
  AskedCall other = asked();
  other.arguments = "{}";
  EXPECT_EQ(check_one(sign(other, "delegation-approval+jwt")), "The approval is for another call.");
}

/// A chain whose root and leaf say this.
ChainPtr chain_of(const Json& root, const Json& leaf) {
  const Chain chain(
      2, [&](std::size_t hop, Draft& draft) { draft.payload["mandate"] = hop == 0 ? root : leaf; });
  auto verified = chain.verify();
  if (!verified) throw std::invalid_argument(verified.error().sentence);
  return *verified;
}

TEST(Approvers, AreSaidByWhoeverAsksForTheApproval) {
  const std::string a = forge::key(kFirst).public_key().thumbprint();
  const std::string b = forge::key(kSecond).public_key().thumbprint();
  const Json asks{{"require", {{"read_file", "approval"}}}};
  const Json whose{{"approvers", {{"keys", Json::array({a, b})}, {"min", 1}}}};
  const auto with = [](Json left, const Json& right) {
    left.update(right);
    return left;
  };
  const Json fewer{{"approvers", {{"keys", Json::array({a})}, {"min", 1}}}};
  const ChainPtr narrowed = chain_of(with(asks, whose), with(asks, fewer));
  const auto found = approvers_of(*narrowed, "read_file");
  ASSERT_TRUE(found && *found != nullptr);
  EXPECT_EQ((*found)->keys.size(), 1U);
  EXPECT_TRUE((*found)->keys.contains(a));

  // Asked for further down, of those named further up.
  const ChainPtr asked_below = chain_of(whose, with(asks, whose));
  const auto below = approvers_of(*asked_below, "read_file");
  ASSERT_TRUE(below && *below != nullptr);

  const auto none = approvers_of(*narrowed, "list_directory");
  ASSERT_TRUE(none);
  EXPECT_EQ(*none, nullptr);

  const Json reason{{"require", {{"read_file", "reason"}}}};
  const auto other = approvers_of(*chain_of(reason, reason), "read_file");
  ASSERT_TRUE(other);
  EXPECT_EQ(*other, nullptr) << "another requirement asks nobody";

  // A holder must not become its own approver because the root forgot to name one.
  const auto own = approvers_of(*chain_of(asks, with(asks, fewer)), "read_file");
  ASSERT_FALSE(own);
  EXPECT_EQ(own.error().code, Code::kApprovalRequired);
  EXPECT_EQ(own.error().hop, 0);
  EXPECT_EQ(own.error().tool, "read_file");
}

TEST(AskedCall, SaysWhatTheChainSays) {
  const Json root{{"user", "mailto:jane@example.org"}, {"intent", "Read"}};
  Json leaf = root;
  leaf["holder"] = "spiffe://td/agent";
  const ChainPtr chain = chain_of(root, leaf);
  const json::Document arguments = forge::parse(R"({"b":1.0,"a":"x"})");
  const AskedCall call = ask_about(*chain, "t", "files", "read_file", arguments.root());
  EXPECT_EQ(call.receipt, chain->digest());
  EXPECT_EQ(call.arguments, R"({"a":"x","b":1})");
  EXPECT_EQ(call.holder, "spiffe://td/agent");
  EXPECT_EQ(call.user, "mailto:jane@example.org");
  EXPECT_EQ(call.intent, "Read");
  EXPECT_EQ(call.server, "files");
  const ChainPtr bare = chain_of(Json::object(), Json::object());
  EXPECT_EQ(ask_about(*bare, "t", "files", "read_file", json::Value()).arguments, "{}");
}

}  // namespace
}  // namespace mandated::receipt
