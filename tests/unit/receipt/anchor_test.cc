// How anchors are read, and the ceilings that some of them carry.
#include "filters/receipt/anchor.h"

#include <gtest/gtest.h>

#include "filters/receipt/ceiling.h"
#include "filters/receipt/mandate.h"
#include "tests/unit/receipt/authenticator.h"

namespace mandated::receipt {
namespace {

using forge::Authenticator;
using forge::Chain;
using forge::Draft;
using forge::Json;
using forge::kNow;

Checked<Anchor> read(const Json& source) { return read_anchor(forge::parse(source.dump()).root()); }

Json jwk() { return Json::parse(forge::key(0).public_key().jwk()); }

Json passkey() { return {{"webauthn", Authenticator().registration()}}; }

TEST(ReadAnchor, TakesEachForm) {
  Json bare = jwk();
  bare["kid"] = "jane";
  bare["use"] = "sig";
  const auto from_bare = read(bare);
  ASSERT_TRUE(from_bare) << from_bare.error().sentence;
  EXPECT_EQ(from_bare->kid, "jane");
  EXPECT_EQ(from_bare->user, std::nullopt);
  const auto whole =
      read({{"jwk", bare}, {"user", "acct:jane@example.org"}, {"ceiling", {{"depth", 0}}}});
  ASSERT_TRUE(whole) << whole.error().sentence;
  EXPECT_EQ(whole->kid, "jane");
  EXPECT_EQ(whole->user, "acct:jane@example.org");
  EXPECT_NE(whole->ceiling, nullptr);
  EXPECT_FALSE(whole->passkey);
  const auto registered = read(passkey());
  ASSERT_TRUE(registered) << registered.error().sentence;
  EXPECT_EQ(registered->kid, Authenticator().credential_id);
  EXPECT_EQ(registered->user, forge::kUser);
  EXPECT_EQ(registered->passkey->rp_id, "example.org");
  EXPECT_EQ(registered->passkey->origins.size(), 2U);
  EXPECT_EQ(registered->ceiling, nullptr);
}

struct WrongAnchor {
  const char* name;
  std::function<Json()> source;
  const char* words;
};

class ReadWrong : public testing::TestWithParam<WrongAnchor> {};

TEST_P(ReadWrong, IsRefused) {
  const auto anchor = read(GetParam().source());
  ASSERT_FALSE(anchor);
  EXPECT_EQ(to_string(anchor.error().code), to_string(Code::kMalformed));
  EXPECT_NE(anchor.error().sentence.find(GetParam().words), std::string::npos)
      << anchor.error().sentence;
  // In a set it is left out, and trusts nobody.
  const Json set{{"keys", {GetParam().source(), jwk()}}};
  EXPECT_EQ(read_anchors(forge::parse(set.dump()).root()).size(), 1U);
}

std::function<Json()> beside(const char* member, Json value, const char* kind = "jwk") {
  return [=] {
    Json source = std::string_view(kind) == "jwk" ? Json{{"jwk", jwk()}} : passkey();
    source[member] = value;
    return source;
  };
}

std::function<Json()> inside(const char* member, Json value) {
  return [=] {
    Json source = passkey();
    source["webauthn"].erase(member);
    if (!value.is_null()) source["webauthn"][member] = value;
    return source;
  };
}

template <class Case>
std::string named(const testing::TestParamInfo<Case>& info) {
  return info.param.name;
}

Json private_jwk() { return Json::parse(forge::key(0).jwk()); }

INSTANTIATE_TEST_SUITE_P(
    Anchors, ReadWrong,
    testing::Values(
        WrongAnchor{"text", [] { return Json("key"); }, "not a JSON object"},
        WrongAnchor{"empty", [] { return Json::object(); }, "neither Ed25519"},
        WrongAnchor{"both", beside("webauthn", Authenticator().registration()), "exactly one"},
        WrongAnchor{"unknown", beside("ceilings", Json::object()), "unknown member \"ceilings\""},
        WrongAnchor{"unknown_passkey", beside("user", "mailto:a@b", "webauthn"),
                    "unknown member \"user\""},
        WrongAnchor{"private_key", beside("jwk", private_jwk()), "private member"},
        WrongAnchor{"user_number", beside("user", 7), "user is not a URI"},
        WrongAnchor{"user_word", beside("user", "jane"), "user is not a URI"},
        WrongAnchor{"user_in_a_bare_key",
                    [] {
                      Json bare = jwk();
                      bare["user"] = "mailto:jane@example.org";
                      return bare;
                    },
                    "belongs beside"},
        WrongAnchor{"ceiling_in_a_bare_key",
                    [] {
                      Json bare = jwk();
                      bare["ceiling"] = Json::object();
                      return bare;
                    },
                    "belongs beside"},
        WrongAnchor{"passkey_text", [] { return Json{{"webauthn", "x"}}; }, "not a JSON object"},
        WrongAnchor{"no_id", inside("credential_id", nullptr), "credential_id"},
        WrongAnchor{"empty_id", inside("credential_id", ""), "credential_id"},
        WrongAnchor{"padded_id", inside("credential_id", "YQ=="), "credential_id"},
        WrongAnchor{"loose_id", inside("credential_id", "YR"), "credential_id"},
        WrongAnchor{"long_id", inside("credential_id", std::string(1368, 'A')), "credential_id"},
        WrongAnchor{"no_key", inside("public_key", nullptr), "no public_key"},
        WrongAnchor{"other_key", inside("public_key", {{"kty", "RSA"}}), "neither Ed25519"},
        WrongAnchor{"its_private_key", inside("public_key", private_jwk()), "private member"},
        WrongAnchor{"no_site", inside("rp_id", nullptr), "rp_id"},
        WrongAnchor{"site_case", inside("rp_id", "Example.org"), "rp_id"},
        WrongAnchor{"site_url", inside("rp_id", "https://example.org"), "rp_id"},
        WrongAnchor{"site_empty", inside("rp_id", ""), "rp_id"},
        WrongAnchor{"site_long", inside("rp_id", std::string(254, 'a')), "rp_id"},
        WrongAnchor{"site_brace", inside("rp_id", "{"), "rp_id"},
        WrongAnchor{"no_origins", inside("origins", nullptr), "origins"},
        WrongAnchor{"empty_origins", inside("origins", Json::array()), "origins"},
        WrongAnchor{"origins_text", inside("origins", "https://example.org"), "origins"},
        WrongAnchor{"many_origins", inside("origins", std::vector<std::string>(33, "https://a")),
                    "origins"},
        WrongAnchor{"origin_number", inside("origins", {7}), "origins"},
        WrongAnchor{"origin_long", inside("origins", {"https://" + std::string(505, 'a')}),
                    "origins"},
        WrongAnchor{"origin_plain", inside("origins", {"http://example.org"}), "origins"},
        WrongAnchor{"origin_slash", inside("origins", {"https://example.org/"}), "origins"},
        WrongAnchor{"no_user", inside("user", nullptr), "user is not a URI"},
        WrongAnchor{"counter", inside("counter", 7), "unknown member \"counter\""}),
    named<WrongAnchor>);

INSTANTIATE_TEST_SUITE_P(
    Ceilings, ReadWrong,
    testing::Values(
        WrongAnchor{"text", beside("ceiling", "none"), "ceiling is not a JSON object"},
        WrongAnchor{"null", beside("ceiling", nullptr), "ceiling is not a JSON object"},
        WrongAnchor{"unknown", beside("ceiling", {{"budget", 1}}), "unknown member \"budget\""},
        WrongAnchor{"of_a_passkey", beside("ceiling", {{"x", 1}}, "webauthn"), "unknown member"},
        WrongAnchor{"tools_list", beside("ceiling", {{"tools", Json::array()}}), "\"tools\""},
        WrongAnchor{"tool_text", beside("ceiling", {{"tools", {{"t", "x"}}}}), "\"t\""},
        WrongAnchor{"constraint_text", beside("ceiling", {{"tools", {{"t", {{"a", "x"}}}}}}),
                    "constraint"},
        WrongAnchor{"holders_text", beside("ceiling", {{"holders", "spiffe://td/x"}}), "holders"},
        WrongAnchor{"holder_number", beside("ceiling", {{"holders", {7}}}), "holders"},
        WrongAnchor{"holder_url", beside("ceiling", {{"holders", {"https://td/x"}}}), "holders"},
        WrongAnchor{"lifetime_text", beside("ceiling", {{"lifetime", "2h"}}), "lifetime"},
        WrongAnchor{"lifetime_zero", beside("ceiling", {{"lifetime", 0}}), "lifetime"},
        WrongAnchor{"depth_fraction", beside("ceiling", {{"depth", 1.5}}), "depth"},
        WrongAnchor{"depth_below", beside("ceiling", {{"depth", -1}}), "depth"}),
    named<WrongAnchor>);

TEST(ReadAnchor, TakesEveryHostNameAndOrigin) {
  Json source = passkey();
  source["webauthn"]["rp_id"] = "a-9.example.org";
  source["webauthn"]["origins"] = {"http://localhost:8700", "https://a-9.example.org"};
  const auto anchor = read(source);
  ASSERT_TRUE(anchor) << anchor.error().sentence;
  EXPECT_EQ(anchor->passkey->rp_id, "a-9.example.org");
  EXPECT_EQ(anchor->passkey->origins.size(), 2U);
}

TEST(ReadAnchor, ACeilingIsSetOnce) {
  auto anchor = read(jwk());
  ASSERT_TRUE(anchor);
  const auto ceiling = forge::parse(R"({"depth":1})");
  EXPECT_TRUE(set_ceiling(*anchor, ceiling.root()));
  const auto wider = forge::parse("{}");
  const auto again = set_ceiling(*anchor, wider.root());
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, Code::kMalformed);
  EXPECT_EQ(anchor->ceiling->text(), R"({"depth":1})") << "the first one stays";
}

// A set may be one key by itself; `keys` that are no list are no keys.
TEST(ReadAnchors, TakesOneOrAList) {
  const auto count = [](const Json& source) {
    return read_anchors(forge::parse(source.dump()).root()).size();
  };
  EXPECT_EQ(count(jwk()), 1U);
  EXPECT_EQ(count({{"keys", {jwk(), passkey(), 7}}}), 2U);
  EXPECT_EQ(count({{"keys", "all"}}), 0U);
  EXPECT_EQ(count("all"), 0U);
}

TEST(ReadAnchor, AnUnknownConstraintInACeilingIsRefused) {
  const auto anchor = read(
      {{"jwk", jwk()}, {"ceiling", {{"tools", {{"t", {{"a", {{"constraint_type", "moon"}}}}}}}}}});
  ASSERT_FALSE(anchor);
  EXPECT_EQ(to_string(anchor.error().code), to_string(Code::kUnknownConstraint));
}

// An anchor of key(0) with this ceiling; null: none.
Anchor under(const Json& ceiling, const Json& user = nullptr) {
  Json source{{"jwk", jwk()}};
  if (!ceiling.is_null()) source["ceiling"] = ceiling;
  if (!user.is_null()) source["user"] = user;
  return read(source).value();
}

TEST(ReadAnchor, ACeilingThatIsTooLongIsRefused) {
  Json source{{"tools", {{"t", {{"a", {{"constraint_type", "exact"}, {"value", ""}}}}}}}};
  const std::size_t frame = source.dump().size();
  source["tools"]["t"]["a"]["value"] = std::string((4U << 20U) - frame, 'x');
  const auto ceiling = Ceiling::parse(forge::parse(source.dump()).root());
  ASSERT_FALSE(ceiling);
  EXPECT_EQ(to_string(ceiling.error().code), to_string(Code::kTooLarge));
}

// What takes too much work to compare is not said to be above the ceiling.
TEST(UnderACeiling, WorkIsBounded) {
  const Json wild{{"constraint_type", "wildcard"}};
  const Json all{{"constraint_type", "all"}, {"constraints", std::vector<Json>(3000, wild)}};
  const Json tools{{"t", {{"a", all}}}};
  const Chain chain(1, [&](std::size_t, Draft& draft) {
    draft.payload["authorization_details"][0]["tools"] = tools;
  });
  const Limits wide{.token_bytes_max = 200'000};
  ASSERT_TRUE(chain.verify(kNow, wide));
  const AnchorSet anchors({under({{"tools", tools}})});
  const auto refused = verify_chain(chain.views(), anchors, kNow, wide);
  ASSERT_FALSE(refused);
  EXPECT_EQ(to_string(refused.error().code), to_string(Code::kTooLarge));
  EXPECT_EQ(refused.error().hop, 0);
}

struct CeilingCase {
  const char* name;
  Json ceiling;
  std::function<void(Json& payload)> root;
  const char* words;  // of the refusal; null: at or below the ceiling
  const char* tool = "";
  const char* argument = "";
};

class UnderCeiling : public testing::TestWithParam<CeilingCase> {};

TEST_P(UnderCeiling, AsItSays) {
  const CeilingCase& each = GetParam();
  for (const std::size_t length : {1U, 2U}) {
    const Chain chain(length, [&](std::size_t hop, Draft& draft) {
      if (hop == 0 && each.root) each.root(draft.payload);
    });
    if (length == 2 && chain.payload(0)["del_max_depth"] == 0) continue;
    ASSERT_TRUE(chain.verify()) << chain.verify().error().sentence;
    const auto verified = verify_chain(chain.views(), AnchorSet({under(each.ceiling)}), kNow);
    EXPECT_EQ(verified.has_value(), each.words == nullptr);
    if (verified || each.words == nullptr) continue;
    EXPECT_EQ(to_string(verified.error().code), to_string(Code::kAboveCeiling));
    EXPECT_EQ(verified.error().hop, 0);
    EXPECT_EQ(verified.error().tool, each.tool);
    EXPECT_EQ(verified.error().argument, each.argument);
    EXPECT_NE(verified.error().sentence.find(each.words), std::string::npos)
        << verified.error().sentence;
  }
}

std::function<void(Json&)> set(const char* claim, Json value) {
  return [=](Json& payload) { payload[claim] = value; };
}

Json one_of(std::vector<std::string> values) {
  return {{"constraint_type", "one_of"}, {"values", values}};
}

std::function<void(Json&)> tools(Json value) {
  return [=](Json& payload) { payload["authorization_details"][0]["tools"] = value; };
}

const Json kReadAny = {{"read_file", {{"path", one_of({"/data/a", "/data/b", "/data/c"})}}},
                       {"list_directory", Json::object()}};

INSTANTIATE_TEST_SUITE_P(
    Tools, UnderCeiling,
    testing::Values(
        CeilingCase{"no_bound", Json::object(), {}, nullptr},
        CeilingCase{"the_same", {{"tools", kReadAny}}, {}, nullptr},
        CeilingCase{"more_than_asked",
                    {{"tools",
                      {{"read_file", Json::object()},
                       {"list_directory", Json::object()},
                       {"write_file", Json::object()}}}},
                    {},
                    nullptr},
        CeilingCase{
            "nothing", {{"tools", Json::object()}}, {}, "grants the tool", "list_directory"},
        CeilingCase{
            "nothing_of_nothing", {{"tools", Json::object()}}, tools(Json::object()), nullptr},
        CeilingCase{"one_tool_less",
                    {{"tools", {{"read_file", Json::object()}}}},
                    {},
                    "\"list_directory\", which its signer may not grant here",
                    "list_directory"},
        CeilingCase{"one_value_less",
                    {{"tools",
                      {{"read_file", {{"path", one_of({"/data/a", "/data/b"})}}},
                       {"list_directory", Json::object()}}}},
                    {},
                    "allows more for the argument \"path\"",
                    "read_file",
                    "path"},
        CeilingCase{"another_argument",
                    {{"tools",
                      {{"read_file", {{"name", one_of({"/data/a"})}}},
                       {"list_directory", Json::object()}}}},
                    {},
                    "constrains other arguments",
                    "read_file"},
        CeilingCase{"open_where_bounded",
                    {{"tools", {{"list_directory", {{"path", one_of({"/data"})}}}}}},
                    tools({{"list_directory", Json::object()}}),
                    "constrains other arguments",
                    "list_directory"}),
    named<CeilingCase>);

INSTANTIATE_TEST_SUITE_P(
    Times, UnderCeiling,
    testing::Values(
        CeilingCase{"lifetime", {{"lifetime", 3700}}, {}, nullptr},  // iat now-100, exp now+3600
        CeilingCase{"lifetime_less", {{"lifetime", 3699}}, {}, "lives longer than 3699 s"},
        CeilingCase{"lifetime_fraction",
                    {{"lifetime", 3700}},
                    set("exp", kNow + 3600.5),
                    "lives longer than 3700 s"},
        CeilingCase{
            "backdated", {{"lifetime", 3600}}, set("iat", kNow - 50000), "lives longer than"},
        CeilingCase{"depth", {{"depth", 3}}, {}, nullptr},
        CeilingCase{"depth_less", {{"depth", 2}}, {}, "more than 2 delegations"},
        CeilingCase{"depth_none", {{"depth", 0}}, {}, "more than 0 delegations"},
        CeilingCase{"depth_none_asked", {{"depth", 0}}, set("del_max_depth", 0), nullptr}),
    named<CeilingCase>);

std::function<void(Json&)> mandate(Json value, int depth = 3) {
  return [=](Json& payload) {
    payload["mandate"] = value;
    payload["del_max_depth"] = depth;
  };
}

const Json kAgents = {{"holders", {"spiffe://td.example/agent/*", "spiffe://td.example/ci/**"}}};

INSTANTIATE_TEST_SUITE_P(
    Holders, UnderCeiling,
    testing::Values(
        CeilingCase{"unnamed", kAgents, {}, "names no holder"},
        CeilingCase{"unnamed_undelegated", kAgents, mandate(Json::object(), 0), "names no holder"},
        CeilingCase{"named", kAgents, mandate({{"holder", "spiffe://td.example/agent/x"}}, 0),
                    nullptr},
        CeilingCase{"below", kAgents, mandate({{"holder", "spiffe://td.example/ci/a/b"}}, 0),
                    nullptr},
        CeilingCase{"stranger", kAgents, mandate({{"holder", "spiffe://td.example/tool/x"}}, 0),
                    "is not among those"},
        CeilingCase{"other_domain", kAgents, mandate({{"holder", "spiffe://other/agent/x"}}, 0),
                    "is not among those"},
        CeilingCase{"delegable_to_anybody", kAgents,
                    mandate({{"holder", "spiffe://td.example/agent/x"}}), "to any holder"},
        CeilingCase{
            "delegable_within", kAgents,
            mandate({{"holder", "spiffe://td.example/agent/x"},
                     {"holders", {"spiffe://td.example/agent/*", "spiffe://td.example/ci/*/b"}}}),
            nullptr},
        CeilingCase{
            "delegable_to_more", kAgents,
            mandate({{"holder", "spiffe://td.example/agent/x"},
                     {"holders", {"spiffe://td.example/agent/*", "spiffe://td.example/agent/**"}}}),
            "may be delegated to \"spiffe://td.example/agent/**\""},
        CeilingCase{"delegable_to_all", kAgents,
                    mandate({{"holder", "spiffe://td.example/agent/x"},
                             {"holders", {"spiffe://td.example/**"}}}),
                    "may be delegated to"},
        CeilingCase{"not_delegable_but_listing_more", kAgents,
                    mandate({{"holder", "spiffe://td.example/agent/x"},
                             {"holders", {"spiffe://td.example/**"}}},
                            0),
                    "may be delegated to"},
        CeilingCase{"nobody",
                    {{"holders", Json::array()}},
                    mandate({{"holder", "spiffe://td.example/agent/x"}}, 0),
                    "is not among those"}),
    named<CeilingCase>);

TEST(Ceiling, ConstrainsARootOfAPasskey) {
  const Authenticator passkey;
  const std::string root = forge::sign_root(passkey);
  const std::vector<std::string_view> chain{root};
  EXPECT_TRUE(verify_chain(chain, passkey.anchors({{"tools", kReadAny}, {"depth", 3}}), kNow));
  const auto above =
      verify_chain(chain, passkey.anchors({{"tools", kReadAny}, {"depth", 2}}), kNow);
  ASSERT_FALSE(above);
  EXPECT_EQ(to_string(above.error().code), to_string(Code::kAboveCeiling));
}

// A key that stands twice may do what either entry allows, and no mixture of both.
TEST(Ceiling, OfAKeyThatStandsTwice) {
  const auto verify = [](const Json& mandate, const AnchorSet& anchors) {
    const Chain chain(1, [&](std::size_t, Draft& draft) { draft.payload["mandate"] = mandate; });
    return verify_chain(chain.views(), anchors, kNow);
  };
  const Json jane{{"user", "mailto:jane@example.org"}};
  const Json joe{{"user", "mailto:joe@example.org"}};
  const AnchorSet anchors(
      {under({{"depth", 2}}, jane["user"]), under({{"depth", 3}}, joe["user"])});
  EXPECT_EQ(to_string(verify(jane, anchors).error().code), to_string(Code::kAboveCeiling));
  EXPECT_TRUE(verify(joe, anchors));
  EXPECT_EQ(to_string(verify({{"intent", "x"}}, anchors).error().code),
            to_string(Code::kUntrustedRoot));
  EXPECT_TRUE(verify(jane, AnchorSet({under({{"depth", 2}}), under({{"lifetime", 9000}})})));
  EXPECT_FALSE(verify(jane, AnchorSet({under({{"depth", 2}}), under({{"lifetime", 9}})})));
}

TEST(SpiffePattern, CoversItsOwn) {
  const std::vector<std::tuple<const char*, const char*, bool>> cases = {
      {"spiffe://td/a", "spiffe://td/a", true},
      {"spiffe://td/a", "spiffe://td/b", false},
      {"spiffe://td/a", "spiffe://other/a", false},
      {"spiffe://td/*", "spiffe://td/a", true},
      {"spiffe://td/*", "spiffe://td/*", true},
      {"spiffe://td/*", "spiffe://td/**", false},
      {"spiffe://td/*", "spiffe://td/a/b", false},
      {"spiffe://td/**", "spiffe://td/**", true},
      {"spiffe://td/**", "spiffe://td/a/*/**", true},
      {"spiffe://td/**", "spiffe://other/**", false},
      {"spiffe://td/*/**", "spiffe://td/**", false},
      {"spiffe://td/*/**", "spiffe://td/a/**", true},
      {"spiffe://td/a/**", "spiffe://td/*/b", false},
      {"spiffe://td/a/**", "spiffe://td/a", false},
      {"spiffe://td/a", "spiffe://td/*", false},
      {"spiffe://td/*/b", "spiffe://td/a/*", false},
  };
  for (const auto& [outer, inner, covers] : cases)
    EXPECT_EQ(spiffe_covers(outer, inner), covers) << outer << " over " << inner;
}

}  // namespace
}  // namespace mandated::receipt
