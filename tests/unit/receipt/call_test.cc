// One call under a verified chain: tool and arguments (step 6b), its proof (step 7), replays, and
// the cache of chains.
#include <gtest/gtest.h>

#include <thread>

#include "tests/unit/receipt/forge.h"

namespace mandated::receipt {
namespace {

using forge::Chain;
using forge::Draft;
using forge::Json;
using forge::kNow;

struct CallCase {
  const char* name;
  const char* tool;
  const char* arguments;
  const char* code;  // "" for permit
  const char* argument;
};

TEST(Call, IsCheckedInAClosedWorld) {
  const CallCase cases[] = {
      {"granted", "read_file", R"({"path":"/data/a"})", "", ""},
      {"denied value", "read_file", R"({"path":"/data/d"})", "argument_denied", "path"},
      {"denied kind", "read_file", R"({"path":["/data/a"]})", "argument_denied", "path"},
      {"missing", "read_file", R"({})", "argument_missing", "path"},
      {"null is not absent", "read_file", R"({"path":null})", "argument_denied", "path"},
      {"unexpected", "read_file", R"({"path":"/data/a","head":5})", "argument_unexpected", "head"},
      {"unexpected, last by name", "read_file", R"({"path":"/data/a","zone":5})",
       "argument_unexpected", "zone"},
      {"empty name", "read_file", R"({"path":"/data/a","":5})", "argument_unexpected", ""},
      {"other tool", "write_file", R"({"path":"/data/a"})", "tool_not_granted", ""},
      {"tool in another case", "Read_File", R"({"path":"/data/a"})", "tool_not_granted", ""},
      {"tool with a space", "read_file ", R"({"path":"/data/a"})", "tool_not_granted", ""},
      {"empty tool", "", R"({})", "tool_not_granted", ""},
      {"open world", "list_directory", R"({"path":"/anything","x":[1]})", "", ""},
      {"open world, none", "list_directory", "{}", "", ""},
      {"null stands for none", "list_directory", "null", "", ""},
      {"null, and one demanded", "read_file", "null", "argument_missing", "path"},
      {"array", "list_directory", "[]", "malformed", ""},
      {"string", "list_directory", "\"x\"", "malformed", ""},
  };
  const Chain chain(2);
  const auto verified = chain.verify();
  ASSERT_TRUE(verified);
  for (const auto& each : cases) {
    SCOPED_TRACE(each.name);
    const auto arguments = forge::parse(each.arguments);
    const auto checked = check_call(**verified, each.tool, arguments.root());
    EXPECT_EQ(checked ? "" : to_string(checked.error().code), each.code);
    if (checked) continue;
    EXPECT_EQ(checked.error().hop, 1);
    EXPECT_EQ(checked.error().tool, each.tool);
    EXPECT_EQ(checked.error().argument, each.argument);
  }
}

TEST(Call, RefusalsAreForPeople) {
  const Chain chain(1);
  const auto verified = chain.verify();
  const auto no_tool = check_call(**verified, "write_file", forge::parse("{}").root());
  EXPECT_EQ(
      no_tool.error().sentence,
      R"(The receipt does not grant the tool "write_file"; it grants "list_directory" and "read_file".)");
  const auto denied =
      check_call(**verified, "read_file", forge::parse(R"({"path":"/etc/passwd"})").root());
  EXPECT_EQ(Json::parse(denied.error().constraint),
            chain.payload(0)["authorization_details"][0]["tools"]["read_file"]["path"]);
  const auto granting = [](int count) {
    Json tools = Json::object();
    for (int at = 0; at < count; ++at) tools["t" + std::to_string(at)] = Json::object();
    return *Chain(1, [&](std::size_t, Draft& draft) {
              draft.payload["authorization_details"][0]["tools"] = tools;
            }).verify();
  };
  const auto names = [&](int count) {
    const auto refused = check_call(*granting(count), "x", forge::parse("{}").root());
    return refused.error().sentence.substr(refused.error().sentence.find(';'));
  };
  EXPECT_EQ(names(0), "; it grants no tool.");
  EXPECT_EQ(names(1), R"(; it grants "t0".)");
  EXPECT_EQ(names(3), R"(; it grants "t0", "t1" and "t2".)");
  EXPECT_EQ(names(10), R"(; it grants "t0", "t1", "t2", "t3", "t4", "t5", "t6", "t7" and 2 more.)");
  const std::string long_name(100'000, '\n');
  const auto long_tool = check_call(**verified, long_name, forge::parse("{}").root());
  EXPECT_LT(long_tool.error().sentence.size(), 600U);
  EXPECT_EQ(long_tool.error().sentence.find('\n'), std::string::npos);
}

TEST(Call, LongConstraintsAreAbridged) {
  const Chain chain(1, [](std::size_t, Draft& draft) {
    Json values = Json::array();
    for (int at = 0; at < 500; ++at) values.push_back("value " + std::to_string(at));
    draft.payload["authorization_details"][0]["tools"] =
        Json{{"t", {{"a", {{"constraint_type", "one_of"}, {"values", values}}}}}};
  });
  const auto verified = chain.verify();
  const auto denied = check_call(**verified, "t", forge::parse(R"({"a":1})").root());
  EXPECT_EQ(denied.error().constraint, R"({"constraint_type":"one_of"})");
}

TEST(Call, WideArgumentsAreRefusedQuickly) {
  std::string arguments = "{";
  for (int at = 0; at < 100'000; ++at)
    arguments += (at == 0 ? "\"a" : ",\"a") + std::to_string(at) + "\":1";
  const auto verified = Chain(1).verify();
  const auto checked = check_call(**verified, "read_file", forge::parse(arguments + "}").root());
  EXPECT_EQ(checked.error().code, Code::kArgumentUnexpected);
}

// The effort ends inside the last clause, which then cannot tell that the value is not excluded:
// that must not be taken for a yes.
TEST(Call, ValuesThatCannotBeComparedAreRefused) {
  const auto permits = [](std::size_t clauses, std::size_t bytes) {
    const Json clause{{"constraint_type", "not_one_of"}, {"excluded", {"x"}}};
    const Json all{{"constraint_type", "all"}, {"constraints", std::vector<Json>(clauses, clause)}};
    const Chain chain(1, [&](std::size_t, Draft& draft) {
      draft.payload["authorization_details"][0]["tools"] = {{"t", {{"a", all}}}};
    });
    const auto verified = chain.verify(kNow, {.token_bytes_max = 1U << 20U});
    const Json arguments{{"a", std::string(bytes, 'y')}};
    return check_call(**verified, "t", forge::parse(arguments.dump()).root()).has_value();
  };
  EXPECT_TRUE(permits(1023, 262'030));
  EXPECT_FALSE(permits(1024, 262'030));
}

struct ProofCase {
  const char* name;
  std::function<void(Json&)> bend;
  const char* code;
};

class ProofTest : public testing::Test {
 protected:
  Chain chain_{2};
  ChainPtr verified_ = *chain_.verify();
  json::Document arguments_ = forge::parse(R"({"path":"/data/a"})");
  std::vector<std::string> audiences_;

  Json honest() const { return chain_.honest_proof("read_file", Json{{"path", "/data/a"}}); }

  Checked<Proof> verify(std::string_view proof, Seconds now = kNow) const {
    return verify_proof(*verified_, proof, "read_file", arguments_.root(), audiences_, now);
  }

  void expect(const Checked<Proof>& verified, const char* code) const {
    EXPECT_EQ(verified ? "" : to_string(verified.error().code), code)
        << (verified ? "" : verified.error().sentence);
    if (verified) return;
    EXPECT_EQ(verified.error().hop, 1);
    EXPECT_EQ(verified.error().tool, "read_file");
  }
};

TEST_F(ProofTest, HonestOneIsAccepted) {
  const auto verified = verify(forge::sign_proof(honest(), chain_.holder()));
  ASSERT_TRUE(verified) << verified.error().sentence;
  EXPECT_EQ(verified->jti, "proof-1");
  EXPECT_DOUBLE_EQ(verified->issued_at, kNow);
}

TEST_F(ProofTest, ClaimsMustFitTheCall) {
  const ProofCase cases[] = {
      {"other receipt", [](Json& p) { p["aat_id"] = "other"; }, "bad_proof"},
      {"no receipt", [](Json& p) { p.erase("aat_id"); }, "bad_proof"},
      {"parent's receipt", [this](Json& p) { p["aat_id"] = chain_.payload(0)["jti"]; },
       "bad_proof"},
      {"other tool", [](Json& p) { p["aat_tool"] = "list_directory"; }, "bad_proof"},
      {"no tool", [](Json& p) { p.erase("aat_tool"); }, "bad_proof"},
      {"tool no string", [](Json& p) { p["aat_tool"] = Json::array({"read_file"}); }, "bad_proof"},
      {"other arguments", [](Json& p) { p["hta"]["path"] = "/data/b"; }, "bad_proof"},
      {"more arguments", [](Json& p) { p["hta"]["x"] = 1; }, "bad_proof"},
      {"no arguments", [](Json& p) { p.erase("hta"); }, "bad_proof"},
      {"arguments no object", [](Json& p) { p["hta"] = Json::array(); }, "bad_proof"},
      {"no jti", [](Json& p) { p.erase("jti"); }, "bad_proof"},
      {"empty jti", [](Json& p) { p["jti"] = ""; }, "bad_proof"},
      {"jti no string", [](Json& p) { p["jti"] = 5; }, "bad_proof"},
      {"no iat", [](Json& p) { p.erase("iat"); }, "bad_proof"},
      {"iat no number", [](Json& p) { p["iat"] = "now"; }, "bad_proof"},
      {"too old", [](Json& p) { p["iat"] = kNow - 31; }, "bad_proof"},
      {"too new", [](Json& p) { p["iat"] = kNow + 31; }, "bad_proof"},
      {"just old enough", [](Json& p) { p["iat"] = kNow - 30; }, ""},
      {"just new enough", [](Json& p) { p["iat"] = kNow + 30; }, ""},
      {"audience no string", [](Json& p) { p["aat_aud"] = Json::array({"x"}); }, "bad_proof"},
      {"audience not asked for", [](Json& p) { p["aat_aud"] = "anybody"; }, ""},
      {"more claims", [](Json& p) { p["nonce"] = "x"; }, ""},
  };
  for (const auto& each : cases) {
    SCOPED_TRACE(each.name);
    Json payload = honest();
    each.bend(payload);
    expect(verify(forge::sign_proof(payload, chain_.holder())), each.code);
  }
}

TEST_F(ProofTest, FormMustBeRight) {
  const PrivateKey holder = chain_.holder();
  const std::string canonical = json::canonical(forge::parse(honest().dump()).root());
  const std::string header = forge::honest_header(holder, "delegation-proof+jwt");
  expect(verify(""), "no_proof");
  expect(verify("x"), "bad_proof");
  expect(verify("a.b.c"), "bad_proof");
  expect(verify(forge::sign_text(header, canonical, holder)), "");
  expect(verify(forge::sign_text(header, " " + canonical, holder)), "bad_proof");
  expect(verify(forge::sign_text(header, "{" + canonical.substr(1, canonical.size() - 2) + " }",
                                 holder)),
         "bad_proof");
  // The same claims, out of order or spelt otherwise: not canonical.
  expect(verify(forge::sign_text(header, Json(honest()).dump(1), holder)), "bad_proof");
  std::string escaped = canonical;
  escaped.replace(escaped.find("/data/a"), 7, "\\/data\\/a");
  expect(verify(forge::sign_text(header, escaped, holder)), "bad_proof");
  expect(verify(forge::sign_text(header, "[]", holder)), "bad_proof");
  expect(verify(forge::sign_text(forge::honest_header(holder), canonical, holder)), "bad_proof");
  expect(verify(forge::sign_text(forge::honest_header(holder, "JWT"), canonical, holder)), "");
  expect(verify(forge::sign_text(R"({"alg":"none"})", canonical, holder)), "bad_proof");
  expect(verify(forge::sign_text(R"({"alg":"ES256"})", canonical, holder)), "bad_proof");
  expect(verify(forge::sign_text(header, canonical, forge::key(77))), "bad_proof");
  expect(verify(forge::sign_text(header, canonical, chain_.signer(0))), "bad_proof");
  const std::string good = forge::sign_text(header, canonical, holder);
  expect(verify(good + "="), "bad_proof");
  const std::string input = good.substr(0, good.find('.')) + ".e30=";
  expect(verify(input + "." + encode_base64url(holder.sign(input))), "bad_proof");
  const std::string long_header = R"({"alg":"EdDSA","x":")" + std::string(5000, 'x') + "\"}";
  expect(verify(forge::sign_text(long_header, canonical, holder)), "too_large");
  expect(verify_proof(*verified_, forge::sign_text(header, canonical, holder), "read_file",
                      arguments_.root(), {}, kNow, {.proof_bytes_max = 100}),
         "too_large");
}

TEST_F(ProofTest, AudienceIsRequiredWhereItIsAsked) {
  audiences_ = {"https://here", "spiffe://td/here"};
  Json payload = honest();
  expect(verify(forge::sign_proof(payload, chain_.holder())), "wrong_audience");
  payload["aat_aud"] = "https://there";
  expect(verify(forge::sign_proof(payload, chain_.holder())), "wrong_audience");
  payload["aat_aud"] = "spiffe://td/here";
  expect(verify(forge::sign_proof(payload, chain_.holder())), "");
}

TEST_F(ProofTest, ArgumentsAreEqualByValue) {
  const auto spelt_otherwise = forge::parse(R"({ "path" : "\u002fdata/a" })");
  const std::string proof = forge::sign_proof(honest(), chain_.holder());
  EXPECT_TRUE(verify_proof(*verified_, proof, "read_file", spelt_otherwise.root(), {}, kNow));
}

TEST_F(ProofTest, NoArgumentsAreAnEmptyObject) {
  const std::string proof =
      forge::sign_proof(chain_.honest_proof("list_directory", Json::object()), chain_.holder());
  EXPECT_TRUE(verify_proof(*verified_, proof, "list_directory", json::Value(), {}, kNow));
  EXPECT_TRUE(
      verify_proof(*verified_, proof, "list_directory", forge::parse("{}").root(), {}, kNow));
}

TEST(ProofWithP256, IsAccepted) {
  const Chain chain(2, {}, KeyType::kP256);
  const auto verified = chain.verify();
  ASSERT_TRUE(verified);
  const auto arguments = forge::parse(R"({"path":"/data/a"})");
  const std::string proof =
      forge::sign_proof(chain.honest_proof("read_file", Json{{"path", "/data/a"}}), chain.holder());
  EXPECT_TRUE(verify_proof(**verified, proof, "read_file", arguments.root(), {}, kNow));
}

TEST(ReplayMemoryTest, AcceptsEachProofOnce) {
  ReplayMemory memory;
  const PublicKey holder = forge::key(1).public_key();
  EXPECT_TRUE(memory.remember(holder, {"a", kNow}, kNow, 30));
  const auto again = memory.remember(holder, {"a", kNow}, kNow + 5, 30);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, Code::kReplayed);
  EXPECT_TRUE(memory.remember(holder, {"b", kNow}, kNow + 5, 30));
  EXPECT_TRUE(memory.remember(forge::key(2).public_key(), {"a", kNow}, kNow + 5, 30))
      << "another holder's identifier";
}

TEST(ReplayMemoryTest, RemembersToTheEndOfTheWindow) {
  ReplayMemory memory;
  const PublicKey holder = forge::key(1).public_key();
  EXPECT_TRUE(memory.remember(holder, {"a", kNow + 30}, kNow, 30));
  EXPECT_FALSE(memory.remember(holder, {"a", kNow + 30}, kNow + 60, 30));
  const auto late = memory.remember(holder, {"a", kNow + 30}, kNow + 61, 30);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, Code::kBadProof);
}

TEST(ReplayMemoryTest, AClockSetBackRevivesNothing) {
  ReplayMemory memory;
  const PublicKey holder = forge::key(1).public_key();
  EXPECT_TRUE(memory.remember(holder, {"a", kNow}, kNow, 30));
  EXPECT_TRUE(memory.remember(holder, {"b", kNow + 100}, kNow + 100, 30));
  EXPECT_FALSE(memory.remember(holder, {"a", kNow}, kNow, 30));
}

TEST(ReplayMemoryTest, RefusesWhenFull) {
  ReplayMemory memory(2);
  const PublicKey holder = forge::key(1).public_key();
  EXPECT_TRUE(memory.remember(holder, {"a", kNow}, kNow, 30));
  EXPECT_TRUE(memory.remember(holder, {"b", kNow}, kNow, 30));
  const auto full = memory.remember(holder, {"c", kNow}, kNow, 30);
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().code, Code::kInternal);
  EXPECT_TRUE(memory.remember(holder, {"c", kNow + 31}, kNow + 31, 30))
      << "the old ones are forgotten";
}

TEST(ReplayMemoryTest, ProofsThatCannotBeWrittenDownAreRefused) {
  std::vector<ReplayMemory::Seen> kept;
  bool works = false;
  ReplayMemory memory(8, [&](const ReplayMemory::Seen& seen, Seconds now) {
    EXPECT_DOUBLE_EQ(now, kNow);
    if (works) kept.push_back(seen);
    return works;
  });
  const PublicKey holder = forge::key(1).public_key();
  const auto lost = memory.remember(holder, {"a", kNow}, kNow, 30);
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().code, Code::kInternal);
  works = true;
  EXPECT_TRUE(memory.remember(holder, {"a", kNow}, kNow, 30)) << "it was not used after all";
  ASSERT_EQ(kept.size(), 1U);
  EXPECT_EQ(kept[0].key, ReplayMemory::key_of(holder, {"a", kNow}));
  EXPECT_DOUBLE_EQ(kept[0].until, kNow + 30);
}

TEST(ReplayMemoryTest, WhatAnEarlierProcessSawIsRestored) {
  ReplayMemory memory;
  const PublicKey holder = forge::key(1).public_key();
  const ReplayMemory::Seen seen{ReplayMemory::key_of(holder, {"a", kNow}), kNow + 30};
  memory.restore(seen);
  memory.restore(seen);
  EXPECT_EQ(memory.remember(holder, {"a", kNow}, kNow + 1, 30).error().code, Code::kReplayed);
  EXPECT_TRUE(memory.remember(holder, {"b", kNow + 31}, kNow + 31, 30));
  EXPECT_TRUE(memory.remember(holder, {"a", kNow + 31}, kNow + 31, 30)) << "forgotten in time";
}

TEST(ReplayMemoryTest, IsSharedByThreads) {
  ReplayMemory memory;
  const PublicKey holder = forge::key(1).public_key();
  std::atomic<int> accepted = 0;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&] {
      for (int at = 0; at < 1000; ++at) {
        if (memory.remember(holder, {"jti " + std::to_string(at), kNow}, kNow, 30)) ++accepted;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(accepted, 1000);
}

TEST(Cache, RepeatedChainIsAHit) {
  const Chain chain(3);
  ChainCache cache;
  const auto first = cache.verify(chain.views(), chain.anchors(), kNow);
  const auto second = cache.verify(chain.views(), chain.anchors(), kNow + 1);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->get(), second->get());
  EXPECT_EQ(cache.hits(), 1U);
  EXPECT_EQ(cache.misses(), 1U);
  EXPECT_EQ(cache.size(), 1U);
}

TEST(Cache, EntryEndsWithItsChain) {
  const Chain chain(2);
  ChainCache cache;
  ASSERT_TRUE(cache.verify(chain.views(), chain.anchors(), kNow));
  const auto late = cache.verify(chain.views(), chain.anchors(), kNow + 7200);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, Code::kExpired);
  EXPECT_EQ(cache.size(), 0U);
}

TEST(Cache, EarlyUseOfACachedChainIsRefused) {
  const Chain chain(2);
  ChainCache cache;
  ASSERT_TRUE(cache.verify(chain.views(), chain.anchors(), kNow));
  EXPECT_EQ(cache.verify(chain.views(), chain.anchors(), kNow - 7200).error().code,
            Code::kNotYetValid);
}

TEST(Cache, RefusalsAreNotKept) {
  const Chain chain(2, [](std::size_t hop, Draft& draft) {
    if (hop == 1) draft.payload["iat"] = kNow + 60;
  });
  ChainCache cache;
  EXPECT_FALSE(cache.verify(chain.views(), chain.anchors(), kNow));
  EXPECT_EQ(cache.size(), 0U);
  EXPECT_TRUE(cache.verify(chain.views(), chain.anchors(), kNow + 60));
}

TEST(Cache, RemovedAnchorOrLoweredLimitEndsAnEntry) {
  const Chain chain(2);
  ChainCache cache;
  ASSERT_TRUE(cache.verify(chain.views(), chain.anchors(), kNow));
  const AnchorSet others({Anchor{"", forge::key(60).public_key(), std::nullopt}});
  EXPECT_EQ(cache.verify(chain.views(), others, kNow).error().code, Code::kUntrustedRoot);
  EXPECT_EQ(cache.verify(chain.views(), chain.anchors(), kNow, {.tools_max = 1}).error().code,
            Code::kTooLarge);
  const AnchorSet for_a_person(
      {Anchor{"anchor", forge::key(0).public_key(), "mailto:jane@example.com"}});
  EXPECT_FALSE(cache.verify(chain.views(), for_a_person, kNow));
}

// The leaf decides where an entry is looked for, and every byte whether it is the one.
TEST(Cache, ChangedAncestorIsNotTakenForTheCachedChain) {
  const Chain chain(3);
  ChainCache cache;
  ASSERT_TRUE(cache.verify(chain.views(), chain.anchors(), kNow));
  for (std::size_t hop = 0; hop < 3; ++hop) {
    std::string changed(chain.views()[hop]);
    changed[changed.size() / 2] = changed[changed.size() / 2] == 'A' ? 'B' : 'A';
    auto views = chain.views();
    views[hop] = changed;
    EXPECT_FALSE(cache.verify(views, chain.anchors(), kNow)) << hop;
  }
  auto shorter = chain.views();
  shorter.erase(shorter.begin() + 1);
  EXPECT_FALSE(cache.verify(shorter, chain.anchors(), kNow));
  EXPECT_FALSE(cache.verify({}, chain.anchors(), kNow));
  EXPECT_EQ(cache.hits(), 0U);
}

TEST(Cache, IsBoundedAndForgetsTheLeastRecentlyUsed) {
  ChainCache cache(2);
  const auto numbered = [](int number) {
    return Chain(1, [number](std::size_t, Draft& draft) {
      draft.payload["jti"] = "chain " + std::to_string(number);
    });
  };
  const Chain chains[] = {numbered(0), numbered(1), numbered(2)};
  const AnchorSet anchors = chains[0].anchors();
  for (const int at : {0, 1, 0, 2, 0}) ASSERT_TRUE(cache.verify(chains[at].views(), anchors, kNow));
  EXPECT_EQ(cache.size(), 2U);
  EXPECT_EQ(cache.hits(), 2U);
  ASSERT_TRUE(cache.verify(chains[1].views(), anchors, kNow));
  EXPECT_EQ(cache.misses(), 4U);
}

TEST(Cache, OfNoEntriesKeepsNone) {
  const Chain chain(2);
  ChainCache cache(0);
  EXPECT_TRUE(cache.verify(chain.views(), chain.anchors(), kNow));
  EXPECT_TRUE(cache.verify(chain.views(), chain.anchors(), kNow));
  EXPECT_EQ(cache.size(), 0U);
  EXPECT_EQ(cache.hits(), 0U);
}

// The same chain under other limits or anchors takes the place it had.
TEST(Cache, KeepsOneEntryForALeaf) {
  const Chain chain(2);
  const AnchorSet more({Anchor{"", forge::key(60).public_key(), std::nullopt},
                        Anchor{"anchor", forge::key(0).public_key(), std::nullopt}});
  ChainCache cache;
  EXPECT_TRUE(cache.verify(chain.views(), chain.anchors(), kNow));
  EXPECT_TRUE(cache.verify(chain.views(), more, kNow));
  EXPECT_EQ(cache.size(), 1U);
  EXPECT_TRUE(cache.verify(chain.views(), more, kNow));
  EXPECT_EQ(cache.hits(), 1U);
}

// However many entries it may have, 64 MiB of tokens are enough.
TEST(Cache, IsBoundedInBytes) {
  ChainCache cache;
  const AnchorSet anchors = Chain(1).anchors();
  const Limits wide{.token_bytes_max = 32U << 20U, .chain_bytes_max = 32U << 20U};
  for (int number = 0; number < 4; ++number) {
    const Chain chain(1, [&](std::size_t, Draft& draft) {
      draft.payload["jti"] = "chain " + std::to_string(number);
      draft.payload["pad"] = std::string(18U << 20U, 'x');
    });
    ASSERT_TRUE(cache.verify(chain.views(), anchors, kNow, wide));
  }
  EXPECT_EQ(cache.size(), 2U);
}

TEST(Cache, TheDigestIsWhatAChildWouldCallItsParent) {
  const Chain chain(2);
  EXPECT_EQ((*chain.verify())->digest(), Chain(3).payload(2).at("par_hash").get<std::string>());
  EXPECT_EQ((*chain.verify())->digest(), (*Chain(2).verify())->digest());
  EXPECT_NE((*chain.verify())->digest(), (*Chain(3).verify())->digest());
  EXPECT_EQ((*chain.verify())->digest().size(), 43U);
}

}  // namespace
}  // namespace mandated::receipt
