// AAT section 7 step by step: every way in which a chain can be wrong, and the code it gets.
#include <gtest/gtest.h>

#include "filters/receipt/verify.h"
#include "tests/unit/receipt/forge.h"

namespace mandated::receipt {
namespace {

using forge::Bend;
using forge::Chain;
using forge::Draft;
using forge::Json;
using forge::kNow;

void expect_refused(const Checked<ChainPtr>& verified, Code code, int hop) {
  ASSERT_FALSE(verified);
  EXPECT_EQ(to_string(verified.error().code), to_string(code)) << verified.error().sentence;
  EXPECT_EQ(verified.error().hop, hop) << verified.error().sentence;
  EXPECT_FALSE(verified.error().sentence.empty());
  EXPECT_LT(verified.error().sentence.size(), 1200U);
}

TEST(Chain, HonestChainsVerify) {
  for (const KeyType type : {KeyType::kEd25519, KeyType::kP256}) {
    for (const std::size_t length : {1U, 2U, 3U, 5U}) {
      const Chain chain(length, {}, type);
      const auto verified = chain.verify();
      ASSERT_TRUE(verified) << verified.error().sentence;
      EXPECT_EQ((*verified)->size(), length);
      EXPECT_TRUE((*verified)->grants_tool("read_file"));
      EXPECT_FALSE((*verified)->grants_tool("write_file"));
      EXPECT_EQ((*verified)->tools(),
                (std::vector<std::string_view>{"list_directory", "read_file"}));
      EXPECT_EQ((*verified)->holder_key(), chain.holder().public_key());
      EXPECT_EQ((*verified)->digest(), chain_digest(chain.views()));
      EXPECT_EQ((*verified)->jti(length - 1), chain.payload(length - 1)["jti"].get<std::string>());
      EXPECT_EQ((*verified)->depth_left(),
                static_cast<int>(std::max<std::size_t>(length, 3) - length + 1));
      EXPECT_DOUBLE_EQ((*verified)->expires(), kNow + 3600 - static_cast<double>(length - 1));
      EXPECT_EQ(*(*verified)->signer(0), chain.anchors().anchors().front().key);
      for (std::size_t hop = 1; hop < length; ++hop) {
        EXPECT_TRUE(chain.payload(hop)["iss"].get<std::string>().ends_with(
            ":" + (*verified)->signer(hop)->thumbprint()));
      }
    }
  }
}

TEST(Chain, MixedKeyTypesVerify) {
  // The root's holder has a P-256 key and signs the child with ES256.
  const PrivateKey holder = forge::key(1, KeyType::kP256);
  const Chain root(1, [&](std::size_t, Draft& draft) {
    draft.payload["cnf"]["jwk"] = Json::parse(holder.public_key().jwk());
  });
  Json child = root.payload(0);
  child["jti"] = "child";
  child["iss"] = "urn:ietf:params:oauth:jwk-thumbprint:sha-256:" + holder.public_key().thumbprint();
  child["del_depth"] = 1;
  child["par_hash"] = sha256_text(forge::signing_input(root.views()[0]));
  const std::string token = forge::sign_text(forge::honest_header(holder), child.dump(), holder);
  const std::vector<std::string_view> tokens{root.views()[0], token};
  EXPECT_TRUE(verify_chain(tokens, root.anchors(), kNow));
}

// Whoever only holds a chain can look at it without trusting its root.
TEST(Chain, LinksAreCheckedWithoutAnchors) {
  const Chain chain(2);
  const auto linked = verify_links(chain.views(), kNow, {});
  ASSERT_TRUE(linked) << linked.error().sentence;
  EXPECT_EQ((*linked)->signer(0), nullptr);
  EXPECT_EQ((*linked)->signer(1)->thumbprint(), chain.signer(1).public_key().thumbprint());
  EXPECT_NE((*linked)->account(0), (*chain.verify())->account(0)) << "nobody's budget";
  EXPECT_EQ((*linked)->account(1), (*chain.verify())->account(1));
  const std::string broken = std::string(chain.views()[1]) + "=";
  expect_refused(verify_links(std::vector<std::string_view>{chain.views()[0], broken}, kNow, {}),
                 Code::kMalformed, 1);
}

TEST(Chain, EmptyIsNoReceipt) {
  expect_refused(verify_chain({}, Chain(1).anchors(), kNow), Code::kNoReceipt, -1);
}

struct BentCase {
  const char* name;
  std::size_t length;
  std::size_t hop;  // the one that is bent, and that must be named
  std::function<void(Draft&)> bend;
  Code code;
};

class Bent : public testing::TestWithParam<BentCase> {};

TEST_P(Bent, IsRefused) {
  const auto& each = GetParam();
  const Chain chain(each.length, [&](std::size_t hop, Draft& draft) {
    if (hop == each.hop) each.bend(draft);
  });
  expect_refused(chain.verify(), each.code, static_cast<int>(each.hop));
}

std::string named(const testing::TestParamInfo<BentCase>& info) { return info.param.name; }

std::function<void(Draft&)> set(const char* claim, Json value) {
  return [claim, value](Draft& draft) { draft.payload[claim] = value; };
}

std::function<void(Draft&)> drop(const char* claim) {
  return [claim](Draft& draft) { draft.payload.erase(claim); };
}

std::function<void(Draft&)> header(const char* text) {
  return [text](Draft& draft) { draft.header = text; };
}

std::function<void(Draft&)> tools(const char* text) {
  return [text](Draft& draft) {
    draft.payload["authorization_details"][0]["tools"] = Json::parse(text);
  };
}

// The payload as text, with one piece of it replaced.
std::function<void(Draft&)> replace(std::string what, std::string with) {
  return [what, with](Draft& draft) {
    draft.text = draft.payload.dump();
    const auto at = draft.text.find(what);
    if (at == std::string::npos) throw std::invalid_argument("nothing to replace");
    draft.text.replace(at, what.size(), with);
  };
}

INSTANTIATE_TEST_SUITE_P(
    Header, Bent,
    testing::Values(
        BentCase{"none", 1, 0, header(R"({"alg":"none"})"), Code::kBadAlg},
        BentCase{"missing", 1, 0, header(R"({"typ":"JWT"})"), Code::kBadAlg},
        BentCase{"not_a_string", 1, 0, header(R"({"alg":1})"), Code::kBadAlg},
        BentCase{"hmac", 1, 0, header(R"({"alg":"HS256"})"), Code::kBadAlg},
        BentCase{"rsa", 2, 1, header(R"({"alg":"RS256"})"), Code::kBadAlg},
        BentCase{"spelling", 1, 0, header(R"({"alg":"eddsa"})"), Code::kBadAlg},
        BentCase{"es256_for_ed25519_root", 1, 0, header(R"({"alg":"ES256"})"), Code::kBadAlg},
        BentCase{"es256_for_ed25519_child", 2, 1, header(R"({"alg":"ES256"})"), Code::kBadAlg},
        BentCase{"ed448_name", 2, 1, header(R"({"alg":"Ed25519"})"), Code::kBadAlg},
        BentCase{"typ_of_a_proof", 1, 0, header(R"({"alg":"EdDSA","typ":"delegation-proof+jwt"})"),
                 Code::kMalformed},
        BentCase{"typ_other", 2, 1, header(R"({"alg":"EdDSA","typ":"at+jwt"})"), Code::kMalformed},
        BentCase{"typ_case", 2, 1, header(R"({"alg":"EdDSA","typ":"jwt"})"), Code::kMalformed},
        BentCase{"typ_number", 2, 1, header(R"({"alg":"EdDSA","typ":7})"), Code::kMalformed},
        BentCase{"crit", 1, 0, header(R"({"alg":"EdDSA","crit":["b64"]})"), Code::kMalformed},
        BentCase{"b64", 1, 0, header(R"({"alg":"EdDSA","b64":false})"), Code::kMalformed},
        BentCase{"jwk", 1, 0, header(R"({"alg":"EdDSA","jwk":{}})"), Code::kMalformed},
        BentCase{"jku", 2, 1, header(R"({"alg":"EdDSA","jku":"https://x"})"), Code::kMalformed},
        BentCase{"x5u", 2, 1, header(R"({"alg":"EdDSA","x5u":"https://x"})"), Code::kMalformed},
        BentCase{"x5c", 2, 1, header(R"({"alg":"EdDSA","x5c":[]})"), Code::kMalformed},
        BentCase{"kid_number", 1, 0, header(R"({"alg":"EdDSA","kid":1})"), Code::kMalformed},
        BentCase{"not_an_object", 1, 0, header(R"(["EdDSA"])"), Code::kMalformed},
        BentCase{"not_json", 1, 0, header("EdDSA"), Code::kMalformed},
        BentCase{"duplicate_member", 1, 0, header(R"({"alg":"EdDSA","alg":"EdDSA"})"),
                 Code::kMalformed}),
    named);

INSTANTIATE_TEST_SUITE_P(
    Form, Bent,
    testing::Values(
        BentCase{"payload_no_json", 1, 0, [](Draft& d) { d.text = "not json"; }, Code::kMalformed},
        BentCase{"payload_array", 2, 1, [](Draft& d) { d.text = "[]"; }, Code::kMalformed},
        BentCase{"payload_bom", 2, 1, [](Draft& d) { d.text = "\xEF\xBB\xBF" + d.payload.dump(); },
                 Code::kMalformed},
        BentCase{"payload_bad_utf8", 1, 0, replace("issuer", "issu\xFFr"), Code::kMalformed},
        BentCase{"duplicate_claim", 1, 0, replace("{\"jti\"", "{\"exp\":9999999999,\"jti\""),
                 Code::kMalformed},
        BentCase{"duplicate_deep", 2, 1,
                 replace("\"constraint_type\"", "\"values\":[],\"constraint_type\""),
                 Code::kMalformed},
        BentCase{"duplicate_tool", 2, 1, replace("\"list_directory\":{}", "\"read_file\":{}"),
                 Code::kMalformed},
        BentCase{"number_not_a_double", 1, 0, replace("1780003600.0", "9007199254740993"),
                 Code::kMalformed},
        BentCase{"jti_missing", 2, 1, drop("jti"), Code::kMalformed},
        BentCase{"jti_number", 2, 1, set("jti", 7), Code::kMalformed},
        BentCase{"jti_empty", 1, 0, set("jti", ""), Code::kMalformed},
        BentCase{"json_too_deep", 1, 0,
                 replace("{\"jti\"",
                         "{\"x\":" + std::string(200, '[') + std::string(200, ']') + ",\"jti\""),
                 Code::kTooLarge}),
    named);

INSTANTIATE_TEST_SUITE_P(
    Root, Bent,
    testing::Values(
        BentCase{"depth_missing", 1, 0, drop("del_depth"), Code::kMalformed},
        BentCase{"depth_string", 1, 0, set("del_depth", "0"), Code::kMalformed},
        BentCase{"depth_fraction", 1, 0, set("del_depth", 0.5), Code::kMalformed},
        BentCase{"depth_negative", 1, 0, set("del_depth", -1), Code::kMalformed},
        BentCase{"depth_one", 1, 0, set("del_depth", 1), Code::kDepth},
        BentCase{"parent_named", 1, 0, set("par_hash", "x"), Code::kBrokenLink},
        BentCase{"parent_null", 1, 0, set("par_hash", nullptr), Code::kBrokenLink},
        BentCase{"expired", 1, 0, set("exp", kNow - 1), Code::kExpired},
        BentCase{"expires_now", 1, 0, set("exp", kNow), Code::kExpired},
        BentCase{"exp_missing", 1, 0, drop("exp"), Code::kMalformed},
        BentCase{"exp_string", 1, 0, set("exp", "2099"), Code::kMalformed},
        BentCase{"iat_missing", 1, 0, drop("iat"), Code::kMalformed},
        BentCase{"iat_null", 1, 0, set("iat", nullptr), Code::kMalformed},
        BentCase{"iat_future", 1, 0, set("iat", kNow + 31), Code::kNotYetValid},
        BentCase{"lives_too_long", 1, 0, set("exp", kNow + 90.0 * 86400 + 1), Code::kLifetime},
        BentCase{"max_depth_missing", 1, 0, drop("del_max_depth"), Code::kMalformed},
        BentCase{"max_depth_above_ours", 1, 0, set("del_max_depth", 17), Code::kDepth},
        BentCase{"iss_missing", 1, 0, drop("iss"), Code::kMalformed},
        BentCase{"iss_no_uri", 1, 0, set("iss", "issuer"), Code::kMalformed},
        BentCase{"iss_space", 1, 0, set("iss", "https://a b"), Code::kMalformed},
        BentCase{"iss_bad_escape", 1, 0, set("iss", "https://a/%zz"), Code::kMalformed},
        BentCase{"cnf_missing", 1, 0, drop("cnf"), Code::kMalformed},
        BentCase{"cnf_no_jwk", 1, 0, set("cnf", Json::object()), Code::kMalformed},
        BentCase{"cnf_private", 1, 0, [](Draft& d) { d.payload["cnf"]["jwk"]["d"] = "AAAA"; },
                 Code::kMalformed},
        BentCase{"cnf_rsa_private", 1, 0, [](Draft& d) { d.payload["cnf"]["jwk"]["p"] = "AAAA"; },
                 Code::kMalformed},
        BentCase{"cnf_symmetric", 1, 0,
                 set("cnf", Json::parse(R"({"jwk":{"kty":"oct","k":"AAAA"}})")), Code::kMalformed},
        BentCase{"cnf_short_key", 1, 0, [](Draft& d) { d.payload["cnf"]["jwk"]["x"] = "AAAA"; },
                 Code::kMalformed},
        BentCase{"cnf_padded_key", 1, 0,
                 [](Draft& d) {
                   d.payload["cnf"]["jwk"]["x"] =
                       d.payload["cnf"]["jwk"]["x"].get<std::string>() + "=";
                 },
                 Code::kMalformed},
        BentCase{"cnf_off_the_curve", 1, 0,
                 [](Draft& d) {
                   const std::string ones(43, 'A');
                   d.payload["cnf"]["jwk"] =
                       Json{{"kty", "EC"}, {"crv", "P-256"}, {"x", ones}, {"y", ones}};
                 },
                 Code::kMalformed},
        BentCase{"details_missing", 1, 0, drop("authorization_details"), Code::kMalformed},
        BentCase{"details_object", 1, 0, set("authorization_details", Json::object()),
                 Code::kMalformed},
        BentCase{"details_empty", 1, 0, set("authorization_details", Json::array()),
                 Code::kMalformed},
        BentCase{"details_other_type_only", 1, 0,
                 set("authorization_details", Json::parse(R"([{"type":"x"}])")), Code::kMalformed},
        BentCase{"details_twice", 1, 0,
                 [](Draft& d) {
                   d.payload["authorization_details"].push_back(
                       d.payload["authorization_details"][0]);
                 },
                 Code::kMalformed},
        BentCase{
            "details_unknown_member", 1, 0,
            [](Draft& d) { d.payload["authorization_details"][0]["locations"] = Json::array(); },
            Code::kMalformed},
        BentCase{"tools_missing", 1, 0,
                 [](Draft& d) { d.payload["authorization_details"][0].erase("tools"); },
                 Code::kMalformed},
        BentCase{"tools_array", 1, 0, tools("[]"), Code::kMalformed},
        BentCase{"tool_not_an_object", 1, 0, tools(R"({"t":true})"), Code::kMalformed},
        BentCase{"constraint_not_an_object", 1, 0, tools(R"({"t":{"a":"exact"}})"),
                 Code::kMalformed},
        BentCase{"constraint_without_type", 1, 0, tools(R"({"t":{"a":{"value":1}}})"),
                 Code::kMalformed},
        BentCase{"constraint_unknown", 1, 0,
                 tools(R"({"t":{"a":{"constraint_type":"regex","pattern":".*"}}})"),
                 Code::kUnknownConstraint},
        BentCase{
            "constraint_unknown_nested", 1, 0,
            tools(
                R"({"t":{"a":{"constraint_type":"any","constraints":[{"constraint_type":"Exact","value":1}]}}})"),
            Code::kUnknownConstraint}),
    named);

INSTANTIATE_TEST_SUITE_P(
    Child, Bent,
    testing::Values(
        BentCase{"cnf_missing", 2, 1, drop("cnf"), Code::kMalformed},
        BentCase{"details_missing", 2, 1, drop("authorization_details"), Code::kMalformed},
        BentCase{"leaf_without_grant", 2, 1, set("authorization_details", Json::array()),
                 Code::kMalformed},
        BentCase{"depth_missing", 3, 1, drop("del_depth"), Code::kMalformed},
        BentCase{"max_depth_missing", 2, 1, drop("del_max_depth"), Code::kMalformed},
        BentCase{"iss_missing", 2, 1, drop("iss"), Code::kMalformed},
        BentCase{"iat_missing", 2, 1, drop("iat"), Code::kMalformed},
        BentCase{"exp_missing", 2, 1, drop("exp"), Code::kMalformed},
        BentCase{"parent_hash_missing", 2, 1, drop("par_hash"), Code::kMalformed},
        BentCase{"parent_hash_wrong", 2, 1, set("par_hash", "AAAA"), Code::kBrokenLink},
        BentCase{"parent_hash_padded", 2, 1,
                 [](Draft& d) {
                   d.payload["par_hash"] = d.payload["par_hash"].get<std::string>() + "=";
                 },
                 Code::kBrokenLink},
        BentCase{"iss_other", 2, 1, set("iss", "https://issuer.example"), Code::kBrokenLink},
        BentCase{"depth_skipped", 2, 1, set("del_depth", 2), Code::kDepth},
        BentCase{"depth_repeated", 3, 2, set("del_depth", 1), Code::kDepth},
        BentCase{"max_depth_raised", 2, 1, set("del_max_depth", 4), Code::kDepth},
        BentCase{"max_depth_below_own", 3, 2, set("del_max_depth", 1), Code::kDepth},
        BentCase{"outlives_parent", 2, 1, set("exp", kNow + 3601), Code::kLifetime},
        BentCase{"expired", 2, 1, set("exp", kNow - 1), Code::kExpired},
        BentCase{"older_than_parent", 2, 1, set("iat", kNow - 101), Code::kLifetime},
        BentCase{"iat_future", 2, 1, set("iat", kNow + 31), Code::kNotYetValid},
        BentCase{"tool_added", 2, 1, tools(R"({"write_file":{}})"), Code::kEscalation},
        BentCase{"constraint_dropped", 2, 1, tools(R"({"read_file":{}})"), Code::kEscalation},
        BentCase{
            "value_added", 2, 1,
            tools(
                R"({"read_file":{"path":{"constraint_type":"one_of","values":["/data/a","/data/d"]}}})"),
            Code::kEscalation},
        BentCase{"to_wildcard", 2, 1,
                 tools(R"({"read_file":{"path":{"constraint_type":"wildcard"}}})"),
                 Code::kEscalation},
        BentCase{"argument_added", 2, 1,
                 tools(R"({"read_file":{"path":{"constraint_type":"exact","value":"/data/a"},
                           "head":{"constraint_type":"exact","value":1}}})"),
                 Code::kEscalation},
        BentCase{"argument_renamed", 2, 1,
                 tools(R"({"read_file":{"file":{"constraint_type":"exact","value":"/data/a"}}})"),
                 Code::kEscalation},
        BentCase{"constraint_unknown", 2, 1,
                 tools(R"({"list_directory":{"a":{"constraint_type":"regex","pattern":"*"}}})"),
                 Code::kUnknownConstraint}),
    named);

TEST(Chain, ExpiresBeforeIssued) {
  // iat within the skew, exp after now but before iat.
  const Chain chain(1, [](std::size_t, Draft& draft) {
    draft.payload["iat"] = kNow + 20;
    draft.payload["exp"] = kNow + 10;
  });
  expect_refused(chain.verify(), Code::kLifetime, 0);
}

TEST(Chain, TerminalRootAdmitsNoChild) {
  const Chain chain(2, [](std::size_t hop, Draft& draft) { draft.payload["del_max_depth"] = hop; });
  expect_refused(chain.verify(), Code::kDepth, 1);
}

TEST(Chain, GrantsMayNarrow) {
  const Chain chain(3, [](std::size_t hop, Draft& draft) {
    auto& granted = draft.payload["authorization_details"][0]["tools"];
    if (hop == 1)
      granted = Json::parse(
          R"({"read_file":{"path":{"constraint_type":"one_of","values":["/data/a","/data/b"]}},
                                            "list_directory":{"path":{"constraint_type":"exact","value":"/data"}}})");
    if (hop == 2)
      granted =
          Json::parse(R"({"read_file":{"path":{"constraint_type":"exact","value":"/data/a"}}})");
  });
  const auto verified = chain.verify();
  ASSERT_TRUE(verified) << verified.error().sentence;
  EXPECT_EQ((*verified)->tools(), (std::vector<std::string_view>{"read_file"}));
}

TEST(Chain, MiddleWithoutGrantEndsAllGrants) {
  const auto empty_middle = [](std::size_t hop, Draft& draft) {
    if (hop == 1) draft.payload["authorization_details"] = Json::parse(R"([{"type":"other"}])");
  };
  // An empty leaf below it is well formed and grants nothing.
  const auto verified = Chain(3, empty_middle).verify();
  ASSERT_TRUE(verified) << verified.error().sentence;
  EXPECT_TRUE((*verified)->tools().empty());
  expect_refused(Chain(3,
                       [&](std::size_t hop, Draft& draft) {
                         empty_middle(hop, draft);
                         if (hop == 2) tools(R"({"read_file":{}})")(draft);
                       })
                     .verify(),
                 Code::kEscalation, 2);
}

TEST(Chain, OtherClaimsAndEntriesAreIgnored) {
  const Chain chain(2, [](std::size_t, Draft& draft) {
    draft.payload["sub"] = "somebody";
    draft.payload["authorization_details"].push_back(Json{{"type", "payment"}, {"amount", 5}});
  });
  EXPECT_TRUE(chain.verify());
}

TEST(Chain, WholeNumbersMayBeSpeltWithFraction) {
  const Chain chain(
      1, [](std::size_t, Draft& draft) { replace("\"del_depth\":0", "\"del_depth\":0.0")(draft); });
  EXPECT_TRUE(chain.verify());
}

TEST(Chain, RepeatedTokenIsRefused) {
  Chain chain(2);
  const std::vector<std::string_view> twice{chain.views()[0], chain.views()[0]};
  expect_refused(verify_chain(twice, chain.anchors(), kNow), Code::kBrokenLink, 1);
  const Chain same_jti(2, [](std::size_t, Draft& draft) { draft.payload["jti"] = "same"; });
  expect_refused(same_jti.verify(), Code::kBrokenLink, 1);
}

TEST(Chain, DroppedAndReorderedTokensAreRefused) {
  const Chain chain(3);
  const auto views = chain.views();
  const std::vector<std::string_view> no_middle{views[0], views[2]};
  expect_refused(verify_chain(no_middle, chain.anchors(), kNow), Code::kBadSignature, 1);
  const std::vector<std::string_view> no_root{views[1], views[2]};
  expect_refused(verify_chain(no_root, chain.anchors(), kNow), Code::kUntrustedRoot, 0);
  const std::vector<std::string_view> swapped{views[0], views[2], views[1]};
  expect_refused(verify_chain(swapped, chain.anchors(), kNow), Code::kBadSignature, 1);
}

// I5: the same holder key, two parents; the child of one must not pass under the other.
TEST(Chain, ChildOfAnotherParentIsRefused) {
  const Chain one(2);
  const Chain other(2, [](std::size_t hop, Draft& draft) {
    if (hop == 0) draft.payload["jti"] = "another-task";
  });
  const std::vector<std::string_view> mixed{other.views()[0], one.views()[1]};
  expect_refused(verify_chain(mixed, one.anchors(), kNow), Code::kBrokenLink, 1);
}

TEST(Chain, ForgedSignaturesAreRefused) {
  Chain chain(2);
  const PrivateKey stranger = forge::key(99);
  const std::string forged_root =
      forge::sign_text(forge::honest_header(stranger), chain.payload(0).dump(), stranger);
  const std::vector<std::string_view> root_only{forged_root};
  expect_refused(verify_chain(root_only, chain.anchors(), kNow), Code::kUntrustedRoot, 0);
  const std::string forged_child =
      forge::sign_text(forge::honest_header(stranger), chain.payload(1).dump(), stranger);
  const std::vector<std::string_view> child{chain.views()[0], forged_child};
  expect_refused(verify_chain(child, chain.anchors(), kNow), Code::kBadSignature, 1);
  expect_refused(verify_chain(root_only, AnchorSet(), kNow), Code::kUntrustedRoot, 0);
}

struct RespeltCase {
  const char* name;
  std::function<std::string(std::string)> respell;
  Code code;
};

TEST(Chain, RespeltTokensAreRefused) {
  const std::string token = Chain(1).tokens()[0];
  const auto dot = token.rfind('.');
  const RespeltCase cases[] = {
      {"padding", [](std::string t) { return t + "="; }, Code::kMalformed},
      {"line_feed", [](std::string t) { return t + "\n"; }, Code::kMalformed},
      {"leading_space", [](std::string t) { return " " + t; }, Code::kMalformed},
      {"two_segments", [&](std::string t) { return t.substr(0, dot); }, Code::kMalformed},
      {"four_segments", [](std::string t) { return t + ".AAAA"; }, Code::kMalformed},
      {"empty", [](std::string) { return std::string(); }, Code::kMalformed},
      {"empty_payload", [](std::string) { return std::string("e30..e30"); }, Code::kMalformed},
      {"empty_signature", [&](std::string t) { return t.substr(0, dot + 1); },
       Code::kUntrustedRoot},
      {"short_signature", [](std::string t) { return t.substr(0, t.size() - 4); },
       Code::kMalformed},
      {"standard_alphabet",
       [&](std::string t) {
         t[dot + 1] = '+';
         return t;
       },
       Code::kMalformed},
  };
  for (const auto& each : cases) {
    SCOPED_TRACE(each.name);
    const std::string respelt = each.respell(token);
    const std::vector<std::string_view> views{respelt};
    expect_refused(verify_chain(views, Chain(1).anchors(), kNow), each.code, 0);
  }
}

// 64 bytes are 86 characters; the last carries four unused bits.
TEST(Chain, TrailingBitsMustBeZero) {
  std::string token = Chain(1).tokens()[0];
  const std::string_view alphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  token.back() = alphabet[alphabet.find(token.back()) + 1];
  const std::vector<std::string_view> views{token};
  expect_refused(verify_chain(views, Chain(1).anchors(), kNow), Code::kMalformed, 0);
}

TEST(Chain, AnchorsAreChosenByKidAndThenTried) {
  const auto with_kid = [](const char* kid) {
    return Chain(1, [kid](std::size_t, Draft& draft) {
      draft.header = Json{{"alg", "EdDSA"}, {"kid", kid}}.dump();
    });
  };
  const Anchor right{"right", forge::key(0).public_key(), std::nullopt};
  const Anchor wrong{"wrong", forge::key(50).public_key(), std::nullopt};
  const Anchor other{"other", forge::key(0, KeyType::kP256).public_key(), std::nullopt};
  const AnchorSet anchors({wrong, other, right});
  for (const char* kid : {"right", "wrong", "unheard-of"}) {
    EXPECT_TRUE(verify_chain(with_kid(kid).views(), anchors, kNow)) << kid;
  }
  // The algorithm fits one of the anchors, so the signature decides.
  expect_refused(verify_chain(Chain(1).views(), AnchorSet({wrong, other}), kNow),
                 Code::kUntrustedRoot, 0);
  expect_refused(verify_chain(Chain(1).views(), AnchorSet({other}), kNow), Code::kBadAlg, 0);
}

// A large set of keys cannot be made to cost a signature check each.
TEST(Chain, AnchorsAreTriedUpToABound) {
  const auto set_of = [](int others) {
    std::vector<Anchor> anchors;
    for (int at = 0; at < others; ++at) {
      const PublicKey other = forge::key(100 + at).public_key();
      anchors.push_back(Anchor{"other", other, std::nullopt});
    }
    anchors.push_back(Anchor{"right", forge::key(0).public_key(), std::nullopt});
    return AnchorSet(std::move(anchors));
  };
  const Chain named(
      1, [](std::size_t, Draft& draft) { draft.header = R"({"alg":"EdDSA","kid":"right"})"; });
  EXPECT_TRUE(verify_chain(Chain(1).views(), set_of(63), kNow));
  expect_refused(verify_chain(Chain(1).views(), set_of(64), kNow), Code::kUntrustedRoot, 0);
  EXPECT_TRUE(verify_chain(named.views(), set_of(64), kNow));
}

TEST(Chain, AnchorOfAPersonSpeaksForThatPersonOnly) {
  const auto with_user = [](const char* user) {
    return Chain(1, [user](std::size_t, Draft& draft) {
      if (user != nullptr) draft.payload["mandate"]["user"] = user;
    });
  };
  const AnchorSet anchors({Anchor{"", forge::key(0).public_key(), "mailto:jane@example.com"}});
  EXPECT_TRUE(verify_chain(with_user("mailto:jane@example.com").views(), anchors, kNow));
  expect_refused(verify_chain(with_user("mailto:joe@example.com").views(), anchors, kNow),
                 Code::kUntrustedRoot, 0);
  expect_refused(verify_chain(with_user(nullptr).views(), anchors, kNow), Code::kUntrustedRoot, 0);
}

TEST(Chain, LimitsAreEnforced) {
  const Chain chain(2);
  const std::size_t longest = std::max(chain.views()[0].size(), chain.views()[1].size());
  expect_refused(chain.verify(kNow, {.token_bytes_max = chain.views()[1].size() - 1}),
                 Code::kTooLarge, 1);
  EXPECT_TRUE(chain.verify(kNow, {.token_bytes_max = longest}));
  expect_refused(chain.verify(kNow, {.chain_bytes_max =
                                         chain.views()[0].size() + chain.views()[1].size() - 1}),
                 Code::kTooLarge, -1);
  expect_refused(chain.verify(kNow, {.tools_max = 1}), Code::kTooLarge, 0);
  expect_refused(chain.verify(kNow, {.constraints_per_tool_max = 0}), Code::kTooLarge, 0);
  expect_refused(chain.verify(kNow, {.tool_name_bytes_max = 9}), Code::kTooLarge, 0);
  expect_refused(chain.verify(kNow, {.constraint_value_bytes_max = 6}), Code::kTooLarge, 0);
  EXPECT_TRUE(chain.verify(kNow, {.constraint_value_bytes_max = 7}));
  expect_refused(chain.verify(kNow, {.delegation_depth_max = 2}), Code::kDepth, 0);
  expect_refused(chain.verify(kNow, {.token_lifetime_max = 3699}), Code::kLifetime, 0);
  const Chain deepest(17, [](std::size_t, Draft& draft) { draft.payload["del_max_depth"] = 16; });
  EXPECT_TRUE(deepest.verify());
  const Chain deeper(18, [](std::size_t, Draft& draft) { draft.payload["del_max_depth"] = 16; });
  expect_refused(deeper.verify(), Code::kDepth, -1);
}

Json nested_constraint(int depth) {
  Json constraint{{"constraint_type", "wildcard"}};
  for (int level = 0; level < depth; ++level) {
    constraint = Json{{"constraint_type", level % 2 == 0 ? "all" : "any"},
                      {"constraints", Json::array({constraint})}};
  }
  return Json{{"t", {{"a", constraint}}}};
}

TEST(Chain, ConstraintDepthIsBounded) {
  const auto with_depth = [](int depth) {
    return Chain(1, [depth](std::size_t, Draft& draft) {
      draft.payload["authorization_details"][0]["tools"] = nested_constraint(depth);
    });
  };
  EXPECT_TRUE(with_depth(32).verify());
  expect_refused(with_depth(33).verify(), Code::kTooLarge, 0);
}

// Clauses that all fit each other: every pair is an edge of the matching.
TEST(Chain, WorkIsBounded) {
  const auto with_clauses = [](std::size_t length, int count) {
    Json clauses = Json::array();
    for (int at = 0; at < count; ++at) clauses.push_back(Json{{"constraint_type", "wildcard"}});
    const Json all{{"constraint_type", "all"}, {"constraints", clauses}};
    return Chain(length, [&](std::size_t, Draft& draft) {
      draft.payload["authorization_details"][0]["tools"] = Json{{"t", {{"a", all}}}};
    });
  };
  EXPECT_TRUE(with_clauses(2, 1400).verify());
  expect_refused(with_clauses(4, 1400).verify(), Code::kTooLarge, 2);
}

TEST(Chain, TimeDependentClaimsAreCheckedAgainOnUse) {
  const Chain chain(3, [](std::size_t hop, Draft& draft) {
    if (hop >= 1) draft.payload["mandate"]["nbf"] = kNow - 10;
  });
  const auto verified = chain.verify();
  ASSERT_TRUE(verified) << verified.error().sentence;
  EXPECT_TRUE((*verified)->valid_at(kNow));
  EXPECT_DOUBLE_EQ((*verified)->not_before(), kNow - 10);
  const auto late = (*verified)->valid_at(kNow + 3599);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, Code::kExpired);
  EXPECT_EQ(late.error().hop, 1 + 0);
  const auto early = (*verified)->valid_at(kNow - 11);
  ASSERT_FALSE(early);
  EXPECT_EQ(early.error().code, Code::kNotYetValid);
  EXPECT_EQ(early.error().hop, 1);
  EXPECT_EQ((*verified)->valid_at(kNow - 1000).error().hop, 0);
}

// The algorithm is checked for each token by itself (AAT section 8.13), so a wrong one late in the
// chain is found.
TEST(Chain, PayloadOfALaterTokenIsParsedFirst) {
  // Step 2c comes before any signature: a broken payload at hop 1 is named although the root is
  // forged as well.
  const Chain chain(2, [](std::size_t hop, Draft& draft) {
    if (hop == 1) draft.text = "{}";
  });
  expect_refused(verify_chain(chain.views(), AnchorSet(), kNow), Code::kMalformed, 1);
}

}  // namespace
}  // namespace mandated::receipt
