// Laws of whole chains. The important ones hold for chains that were forged past the issuer, and
// that verify all the same.
#include "filters/receipt/anchor.h"
#include "filters/receipt/issue.h"
#include "filters/receipt/mandate.h"
#include "tests/property/receipt/generators.h"

namespace mandated::receipt {
namespace {

using forge::Chain;
using forge::Draft;
using forge::kNow;
using generate::Json;

bool permits(const VerifiedChain& chain, const std::string& tool, const Json& arguments) {
  return check_call(chain, tool, forge::parse(arguments.dump()).root()).has_value();
}

Chain with_tools(const std::vector<Json>& tools) {
  return Chain(tools.size(), [&](std::size_t hop, Draft& draft) {
    draft.payload["authorization_details"][0]["tools"] = tools[hop];
  });
}

// Whatever any hop signed: if the chain is accepted, its leaf permits nothing that an ancestor
// would not.
RC_GTEST_PROP(ChainLaws, AForgedChainThatVerifiesNeverWidens, ()) {
  std::vector<Json> tools{*generate::tools()};
  const int hops = *rc::gen::inRange(1, 4);
  for (int hop = 0; hop < hops; ++hop) tools.push_back(*generate::child_tools_of(tools.back()));
  const auto verified = with_tools(tools).verify();
  RC_CLASSIFY(verified.has_value(), "accepted");
  if (!verified) {
    RC_ASSERT(verified.error().code == Code::kEscalation);
    RC_ASSERT(verified.error().hop >= 1);
    return;
  }
  std::vector<ChainPtr> ancestors;
  for (auto end = tools.begin() + 1; end != tools.end(); ++end) {
    const auto shorter = with_tools({tools.begin(), end}).verify();
    RC_ASSERT(shorter.has_value());
    ancestors.push_back(*shorter);
  }
  bool permitted_any = false;
  for (const auto& [tool, constraints] : tools.back().items()) {
    for (int attempt = 0; attempt < 8; ++attempt) {
      const Json arguments = *generate::arguments_for(constraints);
      if (!permits(**verified, tool, arguments)) continue;
      permitted_any = true;
      for (const ChainPtr& ancestor : ancestors) RC_ASSERT(permits(*ancestor, tool, arguments));
    }
  }
  RC_CLASSIFY(permitted_any, "permitted a call");
}

// What derive signs verifies, and what it does not sign would not have verified.
RC_GTEST_PROP(ChainLaws, DeriveAndVerifyAgree, ()) {
  const Json root_tools = *generate::tools();
  const Json child_tools = *generate::child_tools_of(root_tools);
  const PrivateKey issuer = forge::key(0);
  const PrivateKey agent = forge::key(1);
  const AnchorSet anchors({Anchor{"", issuer.public_key(), std::nullopt}});
  const Grant grant{root_tools.dump(), "", agent.public_key(), kNow, kNow + 60, 3};
  const auto root = issue_root(grant, "https://issuer.example", issuer);
  RC_ASSERT(root.has_value());
  Grant narrower = grant;
  narrower.tools_json = child_tools.dump();
  narrower.holder = forge::key(2).public_key();
  narrower.expires = kNow + *rc::gen::inRange(1, 90);
  narrower.depth_max = *rc::gen::inRange(0, 5);
  const auto child = derive(std::vector<std::string_view>{*root}, narrower, agent);
  const bool forged = with_tools({root_tools, child_tools}).verify().has_value();
  const bool expected =
      forged && narrower.expires <= kNow + 60 && narrower.depth_max >= 1 && narrower.depth_max <= 3;
  RC_CLASSIFY(expected, "signed");
  RC_ASSERT(child.has_value() == expected);
  if (child)
    RC_ASSERT(
        verify_chain(std::vector<std::string_view>{*root, *child}, anchors, kNow).has_value());
}

RC_GTEST_PROP(ChainLaws, AnyChangedByteIsRefused, ()) {
  static const Chain chains[] = {Chain(3), Chain(2, {}, KeyType::kP256)};
  const Chain& chain = chains[*rc::gen::inRange(0, 2)];
  const auto views = chain.views();
  std::vector<std::string> tokens(views.begin(), views.end());
  std::string& token = tokens[*rc::gen::inRange<std::size_t>(0, tokens.size())];
  char& byte = token[*rc::gen::inRange<std::size_t>(0, token.size())];
  const char changed = *rc::gen::oneOf(rc::gen::arbitrary<char>(),
                                       rc::gen::element('A', 'B', '-', '_', '=', '.', ' '));
  RC_PRE(changed != byte);
  byte = changed;
  RC_ASSERT(!verify_chain(std::vector<std::string_view>(tokens.begin(), tokens.end()),
                          chain.anchors(), kNow));
}

RC_GTEST_PROP(ChainLaws, AnyChangedByteOfAProofIsRefused, ()) {
  static const Chain chain(2);
  static const auto verified = *chain.verify();
  static const auto arguments = forge::parse(R"({"path":"/data/a"})");
  static const std::string honest =
      forge::sign_proof(chain.honest_proof("read_file", Json{{"path", "/data/a"}}), chain.holder());
  std::string proof = honest;
  char& byte = proof[*rc::gen::inRange<std::size_t>(0, proof.size())];
  const char changed = *rc::gen::arbitrary<char>();
  RC_PRE(changed != byte);
  byte = changed;
  RC_ASSERT(!verify_proof(*verified, proof, "read_file", arguments.root(), {}, kNow));
}

// Any sub-sequence or reordering of an honest chain's tokens, but for its beginnings, is refused.
RC_GTEST_PROP(ChainLaws, OnlyBeginningsOfAChainAreChains, ()) {
  static const Chain chain(4);
  const auto order =
      *rc::gen::container<std::vector<std::size_t>>(rc::gen::inRange<std::size_t>(0, 4));
  std::vector<std::string_view> views;
  bool beginning = !order.empty();
  for (std::size_t at = 0; at < order.size(); ++at) {
    views.push_back(chain.views()[order[at]]);
    beginning = beginning && order[at] == at;
  }
  RC_ASSERT(verify_chain(views, chain.anchors(), kNow).has_value() == beginning);
}

// A decision depends on its inputs alone, and the cache changes none.
RC_GTEST_PROP(ChainLaws, DecisionsArePure, ()) {
  static ChainCache cache(8);
  const Json root_tools = *generate::tools();
  const Chain chain = with_tools({root_tools, *generate::child_tools_of(root_tools)});
  const Seconds now = kNow + *rc::gen::inRange(-200, 4000);
  const auto once = chain.verify(now);
  const auto again = chain.verify(now);
  const auto cached = cache.verify(chain.views(), chain.anchors(), now);
  const auto cached_again = cache.verify(chain.views(), chain.anchors(), now);
  for (const auto* other : {&again, &cached, &cached_again}) {
    RC_ASSERT(once.has_value() == other->has_value());
    if (!once) RC_ASSERT(once.error().sentence == other->error().sentence);
  }
  if (once) RC_ASSERT(static_cast<bool>((*once)->valid_at(now)));
}

// Time: valid within the tightest of all windows, and nowhere else.
RC_GTEST_PROP(ChainLaws, ValidityIsTheIntersectionOfAllHops, ()) {
  const auto late = [](int longest) { return *rc::gen::inRange(0, longest); };
  double until = kNow + 1000;
  double from = kNow - 1000;
  std::vector<double> expiries;
  std::vector<double> beginnings;
  for (int hop = 0; hop < 3; ++hop) {
    expiries.push_back(until -= late(200));
    beginnings.push_back(from += late(200));
  }
  const Chain chain(3, [&](std::size_t hop, Draft& draft) {
    draft.payload["iat"] = kNow - 2000;
    draft.payload["exp"] = expiries[hop];
    draft.payload["mandate"]["nbf"] = beginnings[hop];
  });
  const Seconds now = kNow + *rc::gen::inRange(-1500, 1500);
  RC_ASSERT(chain.verify(now).has_value() == (now < until && now >= from));
}

rc::Gen<std::string> pattern() {
  return rc::gen::exec([] {
    std::string text = "spiffe://td";
    const int segments = *rc::gen::inRange(1, 4);
    for (int at = 0; at < segments; ++at)
      text += "/" + *rc::gen::element<std::string>("a", "b", "*", "*");
    return text + *rc::gen::element<std::string>("", "", "/**");
  });
}

// An ID that the pattern matches; a word that no pattern spells stands for each wildcard, and `**`
// spans that many.
std::string instance_of(std::string_view pattern, std::size_t span) {
  std::string id;
  for (std::size_t at = 0; at < pattern.size(); ++at) {
    if (pattern[at] != '*') {
      id += pattern[at];
    } else if (!pattern.substr(at).starts_with("**")) {
      id += "fresh";
    } else {
      for (std::size_t word = 0; word < span; ++word) id += word == 0 ? "fresh" : "/fresh";
      ++at;
    }
  }
  return id;
}

// A pattern covers another if and only if it matches whatever the other does. Fresh words and the
// two spans below are the hardest cases, so that the law holds both ways.
RC_GTEST_PROP(PatternLaws, CoveringIsMatchingWhateverTheOtherMatches, ()) {
  const std::string outer = *pattern();
  const std::string inner = *rc::gen::oneOf(pattern(), rc::gen::just(outer));
  bool all = true;
  for (const std::size_t span : {1U, 2U, 5U}) {
    const std::string id = instance_of(inner, span);
    RC_ASSERT(is_spiffe_id(id) && spiffe_matches(inner, id));
    all = all && spiffe_matches(outer, id);
  }
  RC_CLASSIFY(all, "covered");
  RC_ASSERT(spiffe_covers(outer, inner) == all);
}

// What passes under a ceiling permits no call that a grant of the ceiling's tools would not.
RC_GTEST_PROP(CeilingLaws, ARootUnderACeilingPermitsNoMore, ()) {
  const Json ceiling = *generate::tools();
  const Json granted = *generate::child_tools_of(ceiling);
  const Json anchor{{"jwk", Json::parse(forge::key(0).public_key().jwk())},
                    {"ceiling", {{"tools", ceiling}}}};
  const auto read = read_anchor(forge::parse(anchor.dump()).root());
  RC_ASSERT(read.has_value());
  const Chain root = with_tools({granted});
  const auto verified = verify_chain(root.views(), AnchorSet({*read}), kNow);
  RC_CLASSIFY(verified.has_value(), "accepted");
  if (!verified) {
    RC_ASSERT(verified.error().code == Code::kAboveCeiling);
    return;
  }
  const auto most = with_tools({ceiling}).verify();
  RC_ASSERT(most.has_value());
  for (const auto& [tool, constraints] : granted.items()) {
    for (int attempt = 0; attempt < 8; ++attempt) {
      const Json arguments = *generate::arguments_for(constraints);
      if (permits(**verified, tool, arguments)) RC_ASSERT(permits(**most, tool, arguments));
    }
  }
}

}  // namespace
}  // namespace mandated::receipt
