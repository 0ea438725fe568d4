// Writes the vectors that README.md beside this file describes: `make_vectors ed25519` and
// `make_vectors p256` to standard output. What is honest is made by the engine's own issuing
// functions, what is not by the tests' forger; what must be answered is written down here by hand.
// The Ed25519 file comes out the same each time; ES256 signatures are random, so that the other
// file is made anew only when it has to change.
#include <cstring>
#include <fstream>
#include <iostream>
#include <optional>

#include "filters/receipt/issue.h"
#include "tests/unit/receipt/authenticator.h"
#include "tests/vectors/constraint_samples.h"

namespace mandated::receipt {
namespace {

using forge::Chain;
using forge::Draft;
using forge::Json;
using forge::kNow;

constexpr std::string_view kIssuer = "https://issuer.example";

/// One line of a file: a question of the batch verifier, and the answer that it must get.
struct Vector {
  std::string id;
  std::vector<std::string> chain;
  Json anchors;
  std::string tool = "act";
  Json arguments = Json::object();
  std::optional<std::string> proof{};
  std::optional<std::string> audience{};
  Seconds now = kNow;
  bool require_proof = true;
};

Json permit() { return {{"permit", true}}; }

Json refusal(std::string_view code, int hop = -1, std::string_view tool = {},
             std::string_view argument = {}) {
  Json answer{{"permit", false}, {"code", code}};
  if (hop >= 0) answer["hop"] = hop;
  if (!tool.empty()) answer["tool"] = tool;
  if (!argument.empty()) answer["argument"] = argument;
  return answer;
}

void write(const Vector& vector, const Json& answer) {
  Json line{{"id", vector.id},     {"anchors", vector.anchors}, {"chain", vector.chain},
            {"tool", vector.tool}, {"args", vector.arguments},  {"now", vector.now}};
  if (vector.proof) line["pop"] = *vector.proof;
  if (vector.audience) line["aud"] = *vector.audience;
  if (!vector.require_proof) line["require_pop"] = false;
  line["expect"] = answer;
  std::cout << line.dump() << "\n";
}

template <class T>
T must(Checked<T> made) {
  if (!made) throw std::logic_error(made.error().sentence);
  return std::move(*made);
}

Json keys_of(const PrivateKey& key) { return {{"keys", {Json::parse(key.public_key().jwk())}}}; }

Json act_on(const char* constraint) { return {{"act", {{"x", Json::parse(constraint)}}}}; }

// The keys of one file: number 0 is the issuer's, number n + 1 the holder's of hop n.
using Keys = std::function<PrivateKey(int)>;

PrivateKey ed25519(int number) { return forge::key(number); }

/// What each hop of an honest chain says.
struct HopSays {
  Json tools;
  Json mandate = nullptr;
};

std::vector<std::string> issue(const std::string& id, const std::vector<HopSays>& hops,
                               const Keys& keys) {
  std::vector<std::string> chain;
  for (std::size_t hop = 0; hop < hops.size(); ++hop) {
    const int number = static_cast<int>(hop);
    const Grant grant{
        hops[hop].tools.dump(),        hops[hop].mandate.is_null() ? "" : hops[hop].mandate.dump(),
        keys(number + 1).public_key(), kNow - 100 + number,
        kNow + 3600 - number,          std::max(3, static_cast<int>(hops.size()) - 1),
        id + "#" + std::to_string(hop)};
    const std::vector<std::string_view> parents(chain.begin(), chain.end());
    chain.push_back(must(hop == 0 ? issue_root(grant, kIssuer, keys(0))
                                  : derive(parents, grant, keys(number))));
  }
  return chain;
}

std::string proof_of(const Vector& vector, const PrivateKey& holder) {
  const std::vector<std::string_view> chain(vector.chain.begin(), vector.chain.end());
  const auto verified = must(verify_chain(
      chain, AnchorSet(read_anchors(forge::parse(vector.anchors.dump()).root())), vector.now));
  const auto arguments = forge::parse(vector.arguments.dump());
  return prove(*verified, holder, vector.tool, arguments.root(), vector.audience.value_or(""),
               vector.now, vector.id + "#proof");
}

Vector honest(const std::string& id, const std::vector<HopSays>& hops, const Json& arguments,
              const Keys& keys) {
  Vector vector{id, issue(id, hops, keys), keys_of(keys(0))};
  vector.arguments = arguments;
  vector.proof = proof_of(vector, keys(static_cast<int>(hops.size())));
  return vector;
}

// A chain of the forger's, with a proof by its last holder.
Vector forged(const std::string& id, const Chain& chain, const Json& arguments,
              const std::string& tool = "act") {
  Vector vector{id, {}, keys_of(chain.signer(0))};
  for (const std::string_view token : chain.views()) vector.chain.emplace_back(token);
  vector.tool = tool;
  vector.arguments = arguments;
  vector.proof = forge::sign_proof(chain.honest_proof(tool, arguments), chain.holder());
  return vector;
}

void write_depths(const Keys& keys) {
  const Json tools = act_on(R"({"constraint_type":"wildcard"})");
  for (std::size_t depth = 0; depth <= 16; ++depth) {
    const std::string id = "honest/depth-" + std::to_string(depth);
    write(honest(id, std::vector<HopSays>(depth + 1, HopSays{tools}), {{"x", depth}}, keys),
          permit());
  }
}

void write_constraints(const Keys& keys) {
  for (const ConstraintSample& sample : constraint_samples()) {
    const std::string id = "constraint/" + std::string(sample.type) + "/";
    const std::vector<HopSays> hops{{act_on(sample.parent)}, {act_on(sample.narrower)}};
    int number = 0;
    for (const char* value : sample.accepted) {
      write(honest(id + "accepted-" + std::to_string(number++), hops, {{"x", Json::parse(value)}},
                   keys),
            permit());
    }
    number = 0;
    for (const char* value : sample.refused) {
      write(honest(id + "refused-" + std::to_string(number++), hops, {{"x", Json::parse(value)}},
                   keys),
            refusal("argument_denied", 1, "act", "x"));
    }
    number = 0;
    for (const char* wider : sample.wider) {
      const Chain chain(2, [&](std::size_t hop, Draft& draft) {
        draft.payload["authorization_details"][0]["tools"] =
            act_on(hop == 0 ? sample.parent : wider);
      });
      const Json value = Json::parse(sample.accepted.front());
      write(forged(id + "wider-" + std::to_string(number++), chain, {{"x", value}}),
            refusal("escalation", 1, "act", "x"));
    }
  }
}

struct MandateSample {
  const char* member;
  const char* parent;
  const char* tighter;
  std::vector<const char*> looser;  ///< null drops the member
};

std::string thumbprint(int number) { return forge::key(number).public_key().thumbprint(); }

void write_mandates(const Keys& keys) {
  const std::string approvers =
      R"({"keys":[")" + thumbprint(20) + R"(",")" + thumbprint(21) + R"("],"min":1})";
  const std::string both =
      R"({"keys":[")" + thumbprint(20) + R"(",")" + thumbprint(21) + R"("],"min":2})";
  const std::string other = R"({"keys":[")" + thumbprint(22) + R"("],"min":1})";
  const std::vector<MandateSample> samples{
      {"user",
       R"("mailto:jane@example.org")",
       R"("mailto:jane@example.org")",
       {"null", R"("mailto:june@example.org")", R"("MAILTO:jane@example.org")"}},
      {"intent",
       R"("Sum up the reports")",
       R"("Sum up the reports")",
       {"null", R"("Delete the reports")"}},
      {"task", R"("Read one")", R"("Read another")", {}},
      {"holder", R"("spiffe://td/ns/a/sa/x")", R"("spiffe://td/ns/a/sa/y")", {"null"}},
      {"holders",
       R"(["spiffe://td/ns/*/sa/x","spiffe://td/a/**"])",
       R"(["spiffe://td/a/**"])",
       {"null", R"(["spiffe://td/**"])", R"(["spiffe://td/ns/b/sa/x"])"}},
      {"instance",
       R"({"unix:sha256":"aa"})",
       R"({"unix:sha256":"bb","k8s:pod-uid":"1"})",
       {"null"}},
      {"aud",
       R"(["https://a.example","https://b.example"])",
       R"(["https://a.example"])",
       {"null", R"(["https://a.example","https://c.example"])"}},
      {"nbf", "1779999800", "1779999850", {"null", "1779999799"}},
      {"budget",
       R"({"calls":5,"tools":{"act":3},"sum":{"act.x":10}})",
       R"({"calls":5,"tools":{"act":2,"list":1},"sum":{"act.x":9.5}})",
       {"null", R"({"calls":6,"tools":{"act":3},"sum":{"act.x":10}})",
        R"({"tools":{"act":3},"sum":{"act.x":10}})",
        R"({"calls":5,"tools":{"act":4},"sum":{"act.x":10}})",
        R"({"calls":5,"tools":{"act":3},"sum":{"act.x":10.000001}})",
        R"({"calls":5,"tools":{"act":3}})"}},
      {"require",
       R"({"list":["reason","approval"]})",
       R"({"list":["reason","approval","clean"]})",
       {"null", R"({"list":"reason"})", R"({"List":["reason","approval"]})"}},
      {"approvers", approvers.c_str(), both.c_str(), {"null", other.c_str()}},
  };
  const Json tools{{"act", {{"x", {{"constraint_type", "wildcard"}}}}}, {"list", Json::object()}};
  for (const MandateSample& sample : samples) {
    const std::string id = "mandate/" + std::string(sample.member) + "/";
    const auto claim = [&](const char* value) { return Json{{sample.member, Json::parse(value)}}; };
    Vector tighter =
        honest(id + "tighter", {{tools, claim(sample.parent)}, {tools, claim(sample.tighter)}},
               {{"x", 1}}, keys);
    if (std::string_view(sample.member) == "aud") {
      tighter.audience = "https://a.example";
      tighter.proof = proof_of(tighter, keys(2));
    }
    write(tighter, permit());
    int number = 0;
    for (const char* looser : sample.looser) {
      const Chain chain(2, [&](std::size_t hop, Draft& draft) {
        draft.payload["authorization_details"][0]["tools"] = tools;
        draft.payload.erase("mandate");
        const Json value = Json::parse(hop == 0 ? sample.parent : looser);
        if (!value.is_null()) draft.payload["mandate"] = {{sample.member, value}};
      });
      write(forged(id + "looser-" + std::to_string(number++), chain, {{"x", 1}}),
            refusal("escalation", 1));
    }
  }
  // What a call must meet beside its grant.
  const auto conditional = [&](const char* name, const Json& mandate, const Json& answer) {
    write(honest("condition/" + std::string(name), {{tools}, {tools, mandate}}, {{"x", 1}}, keys),
          answer);
  };
  conditional("reason", {{"require", {{"act", "reason"}}}}, refusal("reason_required", 1, "act"));
  conditional("approval", {{"require", {{"act", "approval"}}}},
              refusal("approval_required", 1, "act"));
  conditional("clean", {{"require", {{"act", "clean"}}}}, refusal("unclean", 1, "act"));
  conditional("status", {{"status", {{"uri", "https://status.example/1"}, {"idx", 7}}}},
              refusal("status_unknown", 1, "act"));
  conditional("other-tool", {{"require", {{"list", "approval"}}}}, permit());
}

void write_calls(const Keys& keys) {
  const Json tools{{"act",
                    {{"x", {{"constraint_type", "range"}, {"max", 5}}},
                     {"y", {{"constraint_type", "wildcard"}}}}},
                   {"list", Json::object()}};
  const auto call = [&](const char* name, const std::string& tool, const Json& arguments,
                        const Json& answer) {
    Vector vector{"call/" + std::string(name), {}, keys_of(keys(0)), tool, arguments};
    vector.chain = issue(vector.id, {{tools}, {tools}}, keys);
    vector.proof = proof_of(vector, keys(2));
    write(vector, answer);
  };
  call("granted", "act", {{"x", 5}, {"y", nullptr}}, permit());
  call("open-world", "list", {{"anything", {1, 2}}}, permit());
  call("no-arguments", "list", Json::object(), permit());
  call("tool-not-granted", "delete", {{"x", 5}}, refusal("tool_not_granted", 1, "delete"));
  call("tool-in-other-case", "Act", {{"x", 5}, {"y", 1}}, refusal("tool_not_granted", 1, "Act"));
  call("tool-look-alike",
       "\xD0\xB0"
       "ct",
       {{"x", 5}, {"y", 1}},
       refusal("tool_not_granted", 1,
               "\xD0\xB0"
               "ct"));
  call("argument-missing", "act", {{"x", 5}}, refusal("argument_missing", 1, "act", "y"));
  call("argument-unexpected", "act", {{"x", 5}, {"y", 1}, {"z", 1}},
       refusal("argument_unexpected", 1, "act", "z"));
  call("argument-denied", "act", {{"x", 6}, {"y", 1}}, refusal("argument_denied", 1, "act", "x"));
  call("argument-of-another-kind", "act", {{"x", "5"}, {"y", 1}},
       refusal("argument_denied", 1, "act", "x"));
}

// Every way in which one token of a chain of three can be wrong.
void write_tokens() {
  using BendOne = std::function<void(Draft&)>;
  const auto bent = [](const char* name, std::size_t at, const BendOne& bend, const char* code) {
    const Chain chain(3, [&](std::size_t hop, Draft& draft) {
      if (hop == at) bend(draft);
    });
    write(forged("token/" + std::string(name), chain, {{"path", "/data/a"}}, "read_file"),
          refusal(code, static_cast<int>(at)));
  };
  const auto set = [](const char* claim, Json value) -> BendOne {
    return [claim, value](Draft& draft) { draft.payload[claim] = value; };
  };
  const auto drop = [](const char* claim) -> BendOne {
    return [claim](Draft& draft) { draft.payload.erase(claim); };
  };
  const auto header = [](const char* text) -> BendOne {
    return [text](Draft& draft) { draft.header = text; };
  };
  bent("alg-none", 0, header(R"({"alg":"none"})"), "bad_alg");
  bent("alg-hmac", 1, header(R"({"alg":"HS256"})"), "bad_alg");
  bent("alg-of-another-key-type", 1, header(R"({"alg":"ES256"})"), "bad_alg");
  bent("alg-webauthn-in-a-child", 1, header(R"({"alg":"WebAuthn"})"), "bad_alg");
  bent("alg-missing", 2, header(R"({"typ":"JWT"})"), "bad_alg");
  bent("typ-of-a-proof", 1, header(R"({"alg":"EdDSA","typ":"delegation-proof+jwt"})"), "malformed");
  bent("typ-unknown", 0, header(R"({"alg":"EdDSA","typ":"at+jwt"})"), "malformed");
  bent("header-crit", 1, header(R"({"alg":"EdDSA","crit":["exp"],"exp":1})"), "malformed");
  bent("header-b64", 1, header(R"({"alg":"EdDSA","b64":false})"), "malformed");
  bent("header-jwk", 0, header(R"({"alg":"EdDSA","jwk":{}})"), "malformed");
  bent("header-jku", 0, header(R"({"alg":"EdDSA","jku":"https://keys.example"})"), "malformed");
  bent("header-x5u", 0, header(R"({"alg":"EdDSA","x5u":"https://keys.example"})"), "malformed");
  bent("header-x5c", 0, header(R"({"alg":"EdDSA","x5c":[]})"), "malformed");
  bent("header-twice-alg", 1, header(R"({"alg":"EdDSA","alg":"EdDSA"})"), "malformed");
  for (const char* claim : {"jti", "iss", "iat", "exp", "del_depth", "del_max_depth", "par_hash",
                            "cnf", "authorization_details"}) {
    bent(("no-" + std::string(claim)).c_str(), 1, drop(claim), "malformed");
  }
  bent("jti-empty", 1, set("jti", ""), "malformed");
  bent("iss-no-uri", 0, set("iss", "issuer"), "malformed");
  bent("iss-another-key", 1,
       set("iss", "urn:ietf:params:oauth:jwk-thumbprint:sha-256:" + thumbprint(9)), "broken_link");
  bent("exp-passed", 2, set("exp", kNow), "expired");
  bent("exp-after-parents", 1, set("exp", kNow + 7200), "lifetime");
  bent("exp-too-far", 0, set("exp", kNow + 91.0 * 86400), "lifetime");
  bent("exp-text", 1, set("exp", "1780003600"), "malformed");
  bent("iat-in-the-future", 2, set("iat", kNow + 31), "not_yet_valid");
  bent("iat-before-parents", 1, set("iat", kNow - 200), "lifetime");
  bent("nbf-later", 1, set("mandate", {{"nbf", kNow + 1}}), "not_yet_valid");
  bent("depth-of-a-root", 0, set("del_depth", 1), "depth");
  bent("depth-skips", 1, set("del_depth", 2), "depth");
  bent("depth-negative", 1, set("del_depth", -1), "malformed");
  bent("depth-fraction", 1, set("del_depth", 1.5), "malformed");
  bent("max-depth-raised", 1, set("del_max_depth", 4), "depth");
  bent("max-depth-below-depth", 2, set("del_max_depth", 1), "depth");
  bent("max-depth-too-large", 0, set("del_max_depth", 17), "depth");
  bent("par-hash-of-nothing", 1, set("par_hash", sha256_text("")), "broken_link");
  bent("par-hash-in-a-root", 0, set("par_hash", sha256_text("")), "broken_link");
  bent(
      "cnf-private", 1, [](Draft& draft) { draft.payload["cnf"]["jwk"]["d"] = "AA"; }, "malformed");
  bent("cnf-by-thumbprint", 1, set("cnf", {{"jkt", thumbprint(2)}}), "malformed");
  bent(
      "cnf-other-curve", 1, [](Draft& draft) { draft.payload["cnf"]["jwk"]["crv"] = "X25519"; },
      "malformed");
  bent(
      "two-grants", 1,
      [](Draft& draft) {
        Json& details = draft.payload["authorization_details"];
        details.push_back(details[0]);
      },
      "malformed");
  bent("root-without-grant", 0, set("authorization_details", Json::array()), "malformed");
  bent("leaf-without-grant", 2, set("authorization_details", Json::array()), "malformed");
  bent("mandate-member-unknown", 1, set("mandate", {{"budgets", {{"calls", 1}}}}), "malformed");
  bent(
      "payload-twice-exp", 1,
      [](Draft& draft) {
        draft.text = draft.payload.dump();
        draft.text.insert(1, R"("exp":4102444800,)");
      },
      "malformed");
  bent(
      "payload-number-not-a-double", 1,
      [](Draft& draft) {
        draft.text = draft.payload.dump();
        draft.text.insert(1, R"("extra":9007199254740993,)");
      },
      "malformed");
  bent(
      "payload-with-bom", 1,
      [](Draft& draft) { draft.text = "\xEF\xBB\xBF" + draft.payload.dump(); }, "malformed");
  bent(
      "payload-not-utf8", 1,
      [](Draft& draft) {
        draft.text = draft.payload.dump();
        draft.text.insert(1, "\"extra\":\"\xC0\xAF\",");
      },
      "malformed");

  // What names the tool or the argument as well.
  const auto granting = [&](const char* name, std::size_t at, const char* tools,
                            const Json& answer) {
    const Chain chain(2, [&](std::size_t hop, Draft& draft) {
      if (hop == at) draft.payload["authorization_details"][0]["tools"] = Json::parse(tools);
    });
    write(forged("token/" + std::string(name), chain, {{"path", "/data/a"}}, "read_file"), answer);
  };
  granting("constraint-unknown", 0,
           R"({"read_file":{"path":{"constraint_type":"regex","pattern":".*"}}})",
           refusal("unknown_constraint", 0, "read_file", "path"));
  granting("constraint-member-unknown", 0,
           R"({"read_file":{"path":{"constraint_type":"range","max":1,"step":1}}})",
           refusal("malformed", 0, "read_file", "path"));
  granting("tool-added", 1, R"({"write_file":{}})", refusal("escalation", 1, "write_file"));
  granting("tool-in-other-case", 1,
           R"({"Read_file":{"path":{"constraint_type":"exact","value":"/data/a"}}})",
           refusal("escalation", 1, "Read_file"));
  granting("arguments-dropped", 1, R"({"read_file":{}})", refusal("escalation", 1, "read_file"));
  granting(
      "argument-added", 1,
      R"({"read_file":{"path":{"constraint_type":"exact","value":"/data/a"},"mode":{"constraint_type":"wildcard"}}})",
      refusal("escalation", 1, "read_file"));
}

// What is wrong with a chain whose tokens are each honest.
void write_chains() {
  const Chain chain(4);
  const Chain other(4, [](std::size_t, Draft& draft) {
    draft.payload["jti"] = "other " + draft.payload["jti"].get<std::string>();
  });
  const Json arguments{{"path", "/data/a"}};
  const auto spliced = [&](const char* name, const std::vector<std::string_view>& tokens,
                           const Json& answer) {
    Vector vector = forged("chain/" + std::string(name), chain, arguments, "read_file");
    vector.chain.assign(tokens.begin(), tokens.end());
    write(vector, answer);
  };
  const auto mine = chain.views();
  const auto theirs = other.views();
  spliced("whole", mine, permit());
  spliced("empty", {}, refusal("no_receipt"));
  spliced("without-root", {mine[1], mine[2], mine[3]}, refusal("untrusted_root", 0));
  spliced("without-middle", {mine[0], mine[2], mine[3]}, refusal("bad_signature", 1));
  spliced("reordered", {mine[0], mine[2], mine[1], mine[3]}, refusal("bad_signature", 1));
  spliced("reversed", {mine[3], mine[2], mine[1], mine[0]}, refusal("untrusted_root", 0));
  spliced("root-twice", {mine[0], mine[0], mine[1]}, refusal("broken_link", 1));
  spliced("leaf-twice", {mine[0], mine[1], mine[1]}, refusal("broken_link", 2));
  spliced("leaf-of-another-chain", {mine[0], mine[1], mine[2], theirs[3]},
          refusal("broken_link", 3));
  spliced("root-of-another-chain", {theirs[0], mine[1], mine[2], mine[3]},
          refusal("broken_link", 1));
  const auto respelt = [&](const char* name, std::size_t hop,
                           const std::function<void(std::string&)>& bend, const Json& answer) {
    std::string token(mine[hop]);
    bend(token);
    std::vector<std::string_view> tokens = mine;
    tokens[hop] = token;
    spliced(name, tokens, answer);
  };
  respelt("token-padded", 1, [](std::string& token) { token += "="; }, refusal("malformed", 1));
  respelt(
      "token-two-segments", 1, [](std::string& token) { token.erase(token.rfind('.')); },
      refusal("malformed", 1));
  respelt(
      "token-four-segments", 1, [](std::string& token) { token += ".AA"; },
      refusal("malformed", 1));
  respelt("token-with-blank", 1, [](std::string& token) { token += " "; }, refusal("malformed", 1));
  respelt("token-empty", 1, [](std::string& token) { token.clear(); }, refusal("malformed", 1));
  respelt(
      "signature-missing", 1, [](std::string& token) { token.erase(token.rfind('.') + 1); },
      refusal("bad_signature", 1));
  respelt(
      "signature-of-zeros", 1,
      [](std::string& token) { token.replace(token.rfind('.') + 1, 86, std::string(86, 'A')); },
      refusal("bad_signature", 1));
  respelt(
      "signature-by-another-key", 0,
      [&](std::string& token) {
        token = forge::sign_text(forge::honest_header(forge::key(30)), chain.payload(0).dump(),
                                 forge::key(30));
      },
      refusal("untrusted_root", 0));
  respelt(
      "signature-by-the-child", 1,
      [&](std::string& token) {
        token = forge::sign_text(forge::honest_header(forge::key(2)), chain.payload(1).dump(),
                                 forge::key(2));
      },
      refusal("bad_signature", 1));
  // 64 bytes leave four unused bits in their last character.
  respelt(
      "signature-non-canonical", 1,
      [](std::string& token) {
        token.back() = token.back() == 'A' ? 'B' : static_cast<char>(token.back() + 1);
      },
      refusal("malformed", 1));
  respelt(
      "token-too-large", 1, [](std::string& token) { token.append(66000, 'A'); },
      refusal("too_large", 1));
  const Chain deep(18, [](std::size_t hop, Draft& draft) {
    draft.payload["jti"] = "deep " + std::to_string(hop);
    draft.payload["del_max_depth"] = 16;
  });
  write(forged("chain/seventeen-delegations", deep, arguments, "read_file"), refusal("depth"));
}

// One claim of an honest proof changed.
void write_proofs() {
  const Chain chain(2);
  const Json arguments{{"path", "/data/a"}};
  const Vector whole = forged("proof/", chain, arguments, "read_file");
  const auto proven = [&](const char* name, const std::optional<std::string>& proof,
                          const Json& answer, const std::optional<std::string>& audience = {}) {
    Vector vector = whole;
    vector.id += name;
    vector.proof = proof;
    vector.audience = audience;
    write(vector, answer);
  };
  const auto bent = [&](const char* name, const std::function<void(Json&)>& bend,
                        const Json& answer, const std::optional<std::string>& audience = {}) {
    Json payload = chain.honest_proof("read_file", arguments);
    bend(payload);
    proven(name, forge::sign_proof(payload, chain.holder()), answer, audience);
  };
  const auto set = [](const char* claim, Json value) {
    return [claim, value](Json& payload) { payload[claim] = value; };
  };
  const Json bad = refusal("bad_proof", 1, "read_file");
  const Json elsewhere = refusal("wrong_audience", 1, "read_file");
  proven("whole", whole.proof, permit());
  proven("missing", std::nullopt, refusal("no_proof", 1, "read_file"));
  bent("for-here", set("aat_aud", "https://tools.example"), permit(), "https://tools.example");
  bent("for-elsewhere", set("aat_aud", "https://other.example"), elsewhere,
       "https://tools.example");
  bent("for-nobody", [](Json&) {}, elsewhere, "https://tools.example");
  bent("audience-list", set("aat_aud", Json::array({"https://tools.example"})), bad,
       "https://tools.example");
  bent("other-tool", set("aat_tool", "write_file"), bad);
  bent("other-arguments", set("hta", {{"path", "/data/b"}}), bad);
  bent("more-arguments", set("hta", {{"path", "/data/a"}, {"x", 1}}), bad);
  bent("no-arguments", [](Json& payload) { payload.erase("hta"); }, bad);
  bent("other-receipt", set("aat_id", chain.payload(0)["jti"]), bad);
  bent("too-old", set("iat", kNow - 31), bad);
  bent("oldest", set("iat", kNow - 30), permit());
  bent("from-the-future", set("iat", kNow + 31), bad);
  bent("jti-missing", [](Json& payload) { payload.erase("jti"); }, bad);
  bent("jti-number", set("jti", 1), bad);
  const Json honest = chain.honest_proof("read_file", arguments);
  proven("by-another-key", forge::sign_proof(honest, forge::key(30)), bad);
  proven("by-the-parent", forge::sign_proof(honest, chain.signer(1)), bad);
  const std::string text = json::canonical(forge::parse(honest.dump()).root());
  const auto signed_as = [&](const char* header, const std::string& payload) {
    return forge::sign_text(header, payload, chain.holder());
  };
  proven("typ-of-a-receipt", signed_as(R"({"alg":"EdDSA","typ":"delegation-receipt+jwt"})", text),
         bad);
  proven("typ-jwt", signed_as(R"({"alg":"EdDSA","typ":"JWT"})", text), permit());
  proven("alg-none", signed_as(R"({"alg":"none"})", text), bad);
  proven("not-canonical", signed_as(R"({"alg":"EdDSA"})", "{ " + text.substr(1)), bad);
  proven("a-receipt", std::string(chain.views()[1]), bad);
}

void write_anchors() {
  const Chain chain(
      2, [](std::size_t, Draft& draft) { draft.payload["mandate"] = {{"user", forge::kUser}}; });
  const Json jwk = Json::parse(chain.signer(0).public_key().jwk());
  const auto under = [&](const char* name, const Json& anchor, const Json& answer) {
    Vector vector =
        forged("anchor/" + std::string(name), chain, {{"path", "/data/a"}}, "read_file");
    vector.anchors = {{"keys", Json::array()}};
    if (!anchor.is_null()) vector.anchors["keys"].push_back(anchor);
    write(vector, answer);
  };
  const Json tools = forge::default_tools();
  under("plain", jwk, permit());
  under("none", nullptr, refusal("untrusted_root", 0));
  under("another-key", Json::parse(forge::key(30).public_key().jwk()),
        refusal("untrusted_root", 0));
  under("of-this-user", {{"jwk", jwk}, {"user", forge::kUser}}, permit());
  under("of-another-user", {{"jwk", jwk}, {"user", "mailto:june@example.org"}},
        refusal("untrusted_root", 0));
  under("under-its-ceiling", {{"jwk", jwk}, {"ceiling", {{"tools", tools}}}}, permit());
  under("above-its-ceiling",
        {{"jwk", jwk}, {"ceiling", {{"tools", {{"list_directory", Json::object()}}}}}},
        refusal("above_ceiling", 0, "read_file"));
}

void write_passkeys(const std::string& kind, const forge::Authenticator& authenticator) {
  const auto passkey = [&](const char* name, const forge::RootBend& bend, const Json& answer) {
    const std::string root = forge::sign_root(authenticator, bend);
    const std::string child = forge::sign_child(root);
    Vector vector{"passkey/" + kind + "/" + name,
                  {root, child},
                  {{"keys", {{{"webauthn", authenticator.registration()}}}}}};
    vector.tool = "read_file";
    vector.arguments = {{"path", "/data/a"}};
    vector.proof = forge::sign_proof(Json{{"aat_id", "child-1"},
                                          {"aat_tool", "read_file"},
                                          {"hta", vector.arguments},
                                          {"iat", kNow},
                                          {"jti", "proof-1"}},
                                     forge::key(2));
    write(vector, answer);
  };
  const auto said = [](const std::function<void(forge::Ceremony&)>& change) {
    return forge::RootBend{.ceremony = change};
  };
  const auto client = [&](const char* member, const Json& value) {
    return said([member, value](forge::Ceremony& ceremony) {
      Json data = Json::parse(ceremony.client_data);
      data[member] = value;
      ceremony.client_data = data.dump();
    });
  };
  const auto authenticated = [&](const std::string& data) {
    return said([data](forge::Ceremony& ceremony) { ceremony.authenticator_data = data; });
  };
  const Json bad = refusal("bad_signature", 0);
  passkey("whole", {}, permit());
  passkey("user-not-verified", authenticated(forge::authenticator_data(forge::kRpId, 0x01)), bad);
  passkey("user-not-present", authenticated(forge::authenticator_data(forge::kRpId, 0x04)), bad);
  passkey("other-site", authenticated(forge::authenticator_data("example.com")), bad);
  passkey("other-origin", client("origin", "https://receipts.example.org.evil.example"), bad);
  passkey("a-registration", client("type", "webauthn.create"), bad);
  passkey("other-challenge", client("challenge", sha256_text("another receipt")), bad);
  passkey("in-a-frame", client("crossOrigin", true), bad);
  passkey("by-another-key",
          said([](forge::Ceremony& ceremony) { ceremony.signer = forge::key(30); }), bad);
  passkey("for-another-user",
          {.token = [](Json&,
                       Json& payload) { payload["mandate"]["user"] = "mailto:june@example.org"; }},
          refusal("untrusted_root", 0));
  passkey("kid-of-another",
          {.token = [](Json& header,
                       Json&) { header["kid"] = encode_base64url("another credential"); }},
          refusal("untrusted_root", 0));
}

void write_ed25519() {
  write_depths(ed25519);
  write_constraints(ed25519);
  write_mandates(ed25519);
  write_calls(ed25519);
  write_tokens();
  write_chains();
  write_proofs();
  write_anchors();
  write_passkeys("ed25519", forge::Authenticator(40, KeyType::kEd25519));
}

// Keys that are fixed, since the forger's are new in each process.
void write_p256(const Json& keys) {
  const auto p256 = [&](int number) {
    return must(PrivateKey::from_jwk(
        forge::parse(keys.at("p256-" + std::to_string(number)).dump()).root()));
  };
  const auto mixed = [&](int number) { return number % 2 == 0 ? p256(number) : ed25519(number); };
  const Json tools = act_on(R"({"constraint_type":"range","min":0,"max":9})");
  for (std::size_t depth = 0; depth <= 3; ++depth) {
    const std::vector<HopSays> hops(depth + 1, HopSays{tools});
    write(honest("p256/depth-" + std::to_string(depth), hops, {{"x", 1}}, p256), permit());
    write(honest("mixed/depth-" + std::to_string(depth), hops, {{"x", 1}}, mixed), permit());
    write(honest("p256/denied-" + std::to_string(depth), hops, {{"x", 10}}, p256),
          refusal("argument_denied", static_cast<int>(depth), "act", "x"));
  }
  const auto signature = [&](const char* name, const std::function<void(std::string&)>& bend,
                             const Json& answer) {
    Vector vector = honest("p256/" + std::string(name), {{tools}, {tools}}, {{"x", 1}}, p256);
    std::string& token = vector.chain[1];
    const std::size_t at = token.rfind('.') + 1;
    std::string bytes = *decode_base64url(std::string_view(token).substr(at));
    bend(bytes);
    token.replace(at, std::string::npos, encode_base64url(bytes));
    write(vector, answer);
  };
  signature(
      "signature-in-der", [](std::string& bytes) { bytes = forge::to_der(bytes); },
      refusal("bad_signature", 1));
  signature(
      "signature-of-zeros", [](std::string& bytes) { bytes.assign(64, '\0'); },
      refusal("bad_signature", 1));
  signature(
      "signature-swapped",
      [](std::string& bytes) { bytes = bytes.substr(32) + bytes.substr(0, 32); },
      refusal("bad_signature", 1));
  signature(
      "signature-short", [](std::string& bytes) { bytes.pop_back(); }, refusal("bad_signature", 1));
  forge::Authenticator authenticator(41, KeyType::kEd25519);
  authenticator.key = p256(5);
  write_passkeys("p256", authenticator);
}

}  // namespace
}  // namespace mandated::receipt

int main(int count, char** arguments) {
  const std::string_view which = count == 2 ? arguments[1] : "";
  if (which == "ed25519") {
    mandated::receipt::write_ed25519();
  } else if (which == "p256") {
    std::ifstream stream(KEYS_FILE);
    mandated::receipt::write_p256(nlohmann::ordered_json::parse(stream));
  } else {
    std::cerr << "make_vectors ed25519|p256\n";
    return 2;
  }
  return 0;
}
