// Signing: what comes out verifies, and what would not is never signed.
#include "filters/receipt/issue.h"

#include <gtest/gtest.h>

#include "filters/receipt/base64url.h"
#include "filters/receipt/claims.h"
#include "tests/unit/receipt/forge.h"

namespace mandated::receipt {
namespace {

using forge::Json;
using forge::kNow;

class IssueTest : public testing::Test {
 protected:
  PrivateKey issuer_ = forge::key(0);
  PrivateKey agent_ = forge::key(1);
  PrivateKey helper_ = forge::key(2);
  AnchorSet anchors_{{Anchor{"", forge::key(0).public_key(), std::nullopt}}};

  Grant grant(const PrivateKey& holder) const {
    return {
        R"({"read_file":{"path":{"constraint_type":"path_containment","root":"/data"}},"list":{}})",
        R"({"user":"mailto:jane@example.com","intent":"read","task":"all of it"})",
        holder.public_key(),
        kNow,
        kNow + 600,
        2};
  }

  std::string root() const {
    return *issue_root(grant(agent_), "https://issuer.example", issuer_, "jane");
  }

  void expect_refused(const Checked<std::string>& signed_token, const char* code) const {
    ASSERT_FALSE(signed_token);
    EXPECT_EQ(to_string(signed_token.error().code), code) << signed_token.error().sentence;
  }
};

TEST_F(IssueTest, RootAndChildVerify) {
  const std::string parent = root();
  std::vector<std::string_view> chain{parent};
  Grant narrower = grant(helper_);
  narrower.tools_json = R"({"read_file":{"path":{"constraint_type":"exact","value":"/data/a"}}})";
  narrower.mandate_json = R"({"task":"one file"})";
  narrower.expires = kNow + 60;
  const auto child = derive(chain, narrower, agent_);
  ASSERT_TRUE(child) << child.error().sentence;
  chain.push_back(*child);
  const auto verified = verify_chain(chain, anchors_, kNow);
  ASSERT_TRUE(verified) << verified.error().sentence;
  EXPECT_EQ((*verified)->mandate(1).user, "mailto:jane@example.com");
  EXPECT_EQ((*verified)->mandate(1).intent, "read");
  EXPECT_EQ((*verified)->mandate(1).task, "one file");
  EXPECT_EQ((*verified)->mandate(0).task, "all of it");
  EXPECT_EQ((*verified)->tools(), (std::vector<std::string_view>{"read_file"}));
}

TEST_F(IssueTest, ARootMayBeginLater) {
  Grant later = grant(agent_);
  later.mandate_json = R"({"nbf":)" + json::number_text(kNow + 300) + "}";
  const auto token = issue_root(later, "https://issuer.example", issuer_);
  ASSERT_TRUE(token) << token.error().sentence;
  const std::vector<std::string_view> chain{*token};
  EXPECT_FALSE(verify_chain(chain, anchors_, kNow));
  EXPECT_TRUE(verify_chain(chain, anchors_, kNow + 300));
  later.mandate_json = R"({"nbf":)" + json::number_text(kNow + 600) + "}";
  expect_refused(issue_root(later, "https://issuer.example", issuer_), "expired");
}

TEST_F(IssueTest, WhatAPasskeyIsToSign) {
  Grant asked = grant(agent_);
  asked.jti = "jti-1";
  const auto input = root_for_passkey(asked, "mailto:jane@example.com", "AAAA");
  ASSERT_TRUE(input) << input.error().sentence;
  const auto part = [&](std::size_t begin, std::size_t end) {
    return Json::parse(*decode_base64url(input->substr(begin, end - begin)));
  };
  const std::size_t dot = input->find('.');
  EXPECT_EQ(part(0, dot),
            (Json{{"alg", "WebAuthn"}, {"kid", "AAAA"}, {"typ", "delegation-receipt+jwt"}}));
  const Json payload = part(dot + 1, input->size());
  EXPECT_EQ(payload["jti"], "jti-1");
  EXPECT_EQ(payload["iss"], "mailto:jane@example.com");
  EXPECT_EQ(payload["mandate"]["intent"], "read");
  EXPECT_EQ(*input, *root_for_passkey(asked, "mailto:jane@example.com", "AAAA"));
  expect_refused(root_for_passkey(asked, "jane", "AAAA"), "malformed");
  asked.expires = asked.issued_at;
  expect_refused(root_for_passkey(asked, "mailto:jane@example.com", "AAAA"), "expired");
}

TEST_F(IssueTest, TaskIsNotCopiedDown) {
  const std::string parent = root();
  Grant same = grant(helper_);
  same.mandate_json.clear();
  const auto child = derive(std::vector<std::string_view>{parent}, same, agent_);
  ASSERT_TRUE(child) << child.error().sentence;
  const auto verified = verify_chain(std::vector<std::string_view>{parent, *child}, anchors_, kNow);
  ASSERT_TRUE(verified);
  EXPECT_EQ((*verified)->mandate(1).intent, "read");
  EXPECT_EQ((*verified)->mandate(1).task, std::nullopt);
}

// The parent's status counts by itself, so a child has an entry of its own or none.
TEST_F(IssueTest, StatusIsNotCopiedDown) {
  Grant listed = grant(agent_);
  listed.mandate_json = R"({"status":{"uri":"https://example.com/list","idx":7}})";
  const auto parent = issue_root(listed, "https://issuer.example", issuer_);
  ASSERT_TRUE(parent) << parent.error().sentence;
  Grant same = grant(helper_);
  same.mandate_json.clear();
  const auto child = derive(std::vector<std::string_view>{*parent}, same, agent_);
  ASSERT_TRUE(child) << child.error().sentence;
  const auto verified =
      verify_chain(std::vector<std::string_view>{*parent, *child}, anchors_, kNow);
  ASSERT_TRUE(verified);
  EXPECT_TRUE((*verified)->mandate(0).status);
  EXPECT_FALSE((*verified)->mandate(1).status);
  EXPECT_EQ((*verified)->claims(1).find("mandate"), nullptr) << "none is written where none is";
}

TEST_F(IssueTest, IdentifiersMayBeChosen) {
  Grant named = grant(agent_);
  named.jti = "receipt-7";
  const auto token = issue_root(named, "https://issuer.example", issuer_);
  ASSERT_TRUE(token) << token.error().sentence;
  const auto chain = *verify_chain(std::vector<std::string_view>{*token}, anchors_, kNow);
  EXPECT_EQ(chain->jti(0), "receipt-7");
  const std::string proof = prove(*chain, agent_, "list", json::Value(), "", kNow, "proof-7");
  const auto verified = verify_proof(*chain, proof, "list", json::Value(), {}, kNow);
  ASSERT_TRUE(verified) << verified.error().sentence;
  EXPECT_EQ(verified->jti, "proof-7");
}

TEST_F(IssueTest, IdentifiersAreFreshUuids) {
  const auto identifier = [&] {
    const std::string token = root();
    return (*verify_chain(std::vector<std::string_view>{token}, anchors_, kNow))->jti(0);
  };
  const std::string one = identifier();
  EXPECT_NE(one, identifier());
  ASSERT_EQ(one.size(), 36U);
  EXPECT_EQ(one.find_first_not_of("0123456789abcdef-"), std::string::npos);
  EXPECT_EQ(one[14], '7');
}

TEST_F(IssueTest, BadRootsAreNotSigned) {
  const auto with = [&](auto bend) {
    Grant bent = grant(agent_);
    bend(bent);
    return issue_root(bent, "https://issuer.example", issuer_);
  };
  expect_refused(issue_root(grant(agent_), "issuer", issuer_), "malformed");
  expect_refused(with([](Grant& g) { g.tools_json = "[]"; }), "malformed");
  expect_refused(with([](Grant& g) { g.tools_json = "{"; }), "malformed");
  expect_refused(
      with([](Grant& g) { g.tools_json = R"({"t":{"a":{"constraint_type":"regex"}}})"; }),
      "unknown_constraint");
  expect_refused(with([](Grant& g) { g.mandate_json = R"({"colour":"red"})"; }), "malformed");
  expect_refused(with([](Grant& g) { g.mandate_json = "null"; }), "malformed");
  expect_refused(with([](Grant& g) { g.expires = kNow; }), "expired");
  expect_refused(with([](Grant& g) { g.expires = kNow + 91.0 * 86400; }), "lifetime");
  expect_refused(with([](Grant& g) { g.expires = std::numeric_limits<double>::infinity(); }),
                 "malformed");
  expect_refused(with([](Grant& g) { g.issued_at = std::numeric_limits<double>::quiet_NaN(); }),
                 "malformed");
  expect_refused(with([](Grant& g) { g.depth_max = 17; }), "depth");
  expect_refused(with([](Grant& g) { g.depth_max = -1; }), "malformed");
}

TEST_F(IssueTest, BadChildrenAreNotSigned) {
  const std::string parent = root();
  const std::vector<std::string_view> chain{parent};
  const auto with = [&](auto bend) {
    Grant bent = grant(helper_);
    bent.mandate_json.clear();
    bend(bent);
    return derive(chain, bent, agent_);
  };
  EXPECT_TRUE(with([](Grant&) {}));
  expect_refused(derive(chain, grant(helper_), helper_), "wrong_holder");
  expect_refused(derive({}, grant(helper_), agent_), "no_receipt");
  expect_refused(with([](Grant& g) { g.tools_json = "{"; }), "malformed");
  expect_refused(with([](Grant& g) { g.tools_json = R"({"write_file":{}})"; }), "escalation");
  expect_refused(with([](Grant& g) { g.tools_json = R"({"read_file":{}})"; }), "escalation");
  expect_refused(with([](Grant& g) { g.mandate_json = R"({"user":"mailto:eve@example.com"})"; }),
                 "escalation");
  expect_refused(with([](Grant& g) { g.expires = kNow + 601; }), "lifetime");
  expect_refused(with([](Grant& g) { g.issued_at = kNow - 1; }), "lifetime");
  expect_refused(with([](Grant& g) { g.issued_at = kNow + 600; }), "expired");
  expect_refused(with([](Grant& g) { g.depth_max = 3; }), "depth");
  expect_refused(with([](Grant& g) { g.depth_max = 0; }), "depth");
  const std::string changed = parent + "=";
  expect_refused(derive(std::vector<std::string_view>{changed}, grant(helper_), agent_),
                 "malformed");
}

TEST_F(IssueTest, ProofsVerify) {
  const std::string token = root();
  const auto chain = *verify_chain(std::vector<std::string_view>{token}, anchors_, kNow);
  const auto arguments = forge::parse(R"({"path":"/data/€","b":[1.50,{"z":0,"a":1}]})");
  const std::vector<std::string> here{"https://here"};
  const std::string proof =
      prove(*chain, agent_, "read_file", arguments.root(), "https://here", kNow + 0.75);
  const auto verified = verify_proof(*chain, proof, "read_file", arguments.root(), here, kNow + 1);
  ASSERT_TRUE(verified) << verified.error().sentence;
  EXPECT_DOUBLE_EQ(verified->issued_at, kNow);
  const std::string none = prove(*chain, agent_, "list", json::Value(), "", kNow);
  EXPECT_TRUE(verify_proof(*chain, none, "list", json::Value(), {}, kNow));
  EXPECT_FALSE(verify_proof(*chain, none, "list", json::Value(), here, kNow));
  EXPECT_NE(proof,
            prove(*chain, agent_, "read_file", arguments.root(), "https://here", kNow + 0.75));
}

TEST(TimeText, IsIso8601) {
  EXPECT_EQ(time_text(0), "1970-01-01T00:00:00Z");
  EXPECT_EQ(time_text(1780000000.9), "2026-05-28T20:26:40Z");
  EXPECT_EQ(time_text(-1), "-1");
  EXPECT_EQ(time_text(1e18), "1000000000000000000");
}

}  // namespace
}  // namespace mandated::receipt
