// The table of attacks. Each is given an honest attempt and makes one thing of it dishonest, at a
// random place.
#include <algorithm>
#include <memory>

#include "tests/property/receipt/attempt.h"

namespace mandated::receipt::attack {
namespace {

using Change = std::function<void(Draft& draft, Dice& dice)>;
using Prepare = std::function<void(Attempt& attempt, Dice& dice)>;
using enum Code;

// At any hop, or at any but the root.
Prepare at_hop(const Change& change, std::size_t first = 0) {
  return [change, first](Attempt& attempt, Dice& dice) {
    const std::size_t at = first + dice.below(attempt.hops - first);
    const std::uint64_t seed = dice.below(std::size_t{1} << 32U);
    attempt.bend_token = [=](std::size_t hop, Draft& draft) {
      Dice own(seed);
      if (hop == at) change(draft, own);
    };
  };
}
Prepare at_child(const Change& change) { return at_hop(change, 1); }

Prepare at_root(const Change& change) {
  return [change](Attempt& attempt, Dice& dice) {
    const std::uint64_t seed = dice.below(std::size_t{1} << 32U);
    attempt.bend_token = [=](std::size_t hop, Draft& draft) {
      Dice own(seed);
      if (hop == 0) change(draft, own);
    };
  };
}

Prepare at_leaf(const Change& change) {
  return [change](Attempt& attempt, Dice& dice) {
    const std::size_t leaf = attempt.hops - 1;
    const std::uint64_t seed = dice.below(std::size_t{1} << 32U);
    attempt.bend_token = [=](std::size_t hop, Draft& draft) {
      Dice own(seed);
      if (hop == leaf) change(draft, own);
    };
  };
}

Change header(const std::function<void(Json& header, Dice& dice)>& change) {
  return [change](Draft& draft, Dice& dice) {
    Json members = Json::parse(draft.header);
    change(members, dice);
    draft.header = members.dump();
  };
}

Change header_member(const char* member, const Json& value) {
  return header([=](Json& members, Dice&) { members[member] = value; });
}

Change claim(const char* name, const Json& value) {
  return [=](Draft& draft, Dice&) { draft.payload[name] = value; };
}

Change later(const char* name, double first, std::size_t range) {
  return [=](Draft& draft, Dice& dice) {
    draft.payload[name] = first + static_cast<double>(dice.below(range));
  };
}

// Inserted after the payload's opening brace.
Change raw(const std::string& text) {
  return [text](Draft& draft, Dice&) { draft.text = draft.payload.dump().insert(1, text); };
}

Json& tools_of(Draft& draft) { return draft.payload["authorization_details"][0]["tools"]; }

Change for_each_tool(const std::function<void(Json& arguments)>& change) {
  return [change](Draft& draft, Dice&) {
    for (auto& [name, arguments] : tools_of(draft).items()) {
      if (name != "open") change(arguments);
    }
  };
}

// The token at a random hop, after signing.
Prepare respell(const std::function<void(std::string& token, Dice& dice)>& change,
                std::size_t first = 0) {
  return [change, first](Attempt& attempt, Dice& dice) {
    const std::size_t at = first + dice.below(attempt.hops - first);
    const std::uint64_t seed = dice.below(std::size_t{1} << 32U);
    attempt.splice = [=](std::vector<std::string>& tokens, const forge::Chain&) {
      Dice own(seed);
      change(tokens[at], own);
    };
  };
}

Prepare respell_signature(const std::function<void(std::string& bytes, Dice& dice)>& change) {
  return respell([change](std::string& token, Dice& dice) {
    const std::size_t at = token.rfind('.') + 1;
    std::string bytes = *decode_base64url(std::string_view(token).substr(at));
    change(bytes, dice);
    token.replace(at, std::string::npos, encode_base64url(bytes));
  });
}

// Signed again, with somebody else's key.
Prepare sign_again(const std::function<PrivateKey(const forge::Chain& chain, std::size_t at)>& by,
                   std::size_t first = 0) {
  return [by, first](Attempt& attempt, Dice& dice) {
    const std::size_t at = first + dice.below(attempt.hops - first);
    attempt.splice = [=](std::vector<std::string>& tokens, const forge::Chain& chain) {
      const std::string input = forge::signing_input(tokens[at]);
      tokens[at] = input + "." + encode_base64url(by(chain, at).sign(input));
    };
  };
}

Prepare splice(const std::function<void(std::vector<std::string>& tokens, Dice& dice)>& change) {
  return [change](Attempt& attempt, Dice& dice) {
    const std::uint64_t seed = dice.below(std::size_t{1} << 32U);
    attempt.splice = [=](std::vector<std::string>& tokens, const forge::Chain&) {
      Dice own(seed);
      change(tokens, own);
    };
  };
}

// Tokens of a second chain, which the same keys signed.
Prepare mix(
    const std::function<void(std::vector<std::string>& tokens,
                             const std::vector<std::string_view>& others, Dice& dice)>& change) {
  return [change](Attempt& attempt, Dice& dice) {
    const std::uint64_t seed = dice.below(std::size_t{1} << 32U);
    const Attempt twin = attempt;
    attempt.splice = [=](std::vector<std::string>& tokens, const forge::Chain&) {
      Dice own(seed);
      const forge::Chain other = twin.chain("another");
      change(tokens, other.views(), own);
    };
  };
}

// A member of the mandate that every hop above some child carries, and that child and those below
// have otherwise; null drops it.
Prepare loosen(const char* member, const Json& above, const Json& below) {
  return [=](Attempt& attempt, Dice& dice) {
    const std::size_t at = 1 + dice.below(attempt.hops - 1);
    for (std::size_t hop = 0; hop < attempt.hops; ++hop) {
      Json& mandate = attempt.mandates[hop];
      if (mandate.is_null()) mandate = Json::object();
      const Json& value = hop < at ? above : below;
      if (value.is_null()) {
        mandate.erase(member);
      } else {
        mandate[member] = value;
      }
    }
  };
}

std::string print_of(int number) { return forge::key(number).public_key().thumbprint(); }

Prepare call(const std::function<void(Attempt& attempt, Json& arguments, Dice& dice)>& change) {
  return [change](Attempt& attempt, Dice& dice) {
    Json arguments = Json::parse(attempt.arguments);
    change(attempt, arguments, dice);
    attempt.arguments = arguments.dump();
  };
}

// A value that the parent's constraint refuses, as text: what JSON printers do to numbers must not
// matter.
Prepare refused_value() {
  return [](Attempt& attempt, Dice& dice) {
    attempt.arguments = R"({"x":)" + std::string(dice.of(attempt.sample().refused)) + R"(,"y":1})";
  };
}

Prepare proof(const std::function<void(Json& payload)>& change) {
  return [change](Attempt& attempt, Dice&) { attempt.bend_proof = change; };
}

Prepare proof_claim(const char* name, const Json& value) {
  return proof([=](Json& payload) { payload[name] = value; });
}

Prepare proof_token(
    const std::function<void(std::string& proof, const forge::Chain& chain)>& change) {
  return [change](Attempt& attempt, Dice&) { attempt.bend_proof_token = change; };
}

std::string payload_of(std::string_view token) {
  const std::size_t first = token.find('.') + 1;
  return *decode_base64url(token.substr(first, token.rfind('.') - first));
}

Prepare proof_header(const char* text) {
  return proof_token([text](std::string& proof, const forge::Chain& chain) {
    proof = forge::sign_text(text, payload_of(proof), chain.holder());
  });
}

// Letters that look like ASCII ones and are none, and the other ways to write nearly the same name.
std::string look_alike(std::string name, Dice& dice) {
  switch (dice.below(6)) {
    case 0:
      return "\xD1\x82" + name.substr(1);  // CYRILLIC SMALL LETTER TE
    case 1:
      return name + " ";
    case 2:
      return name + "\xE2\x80\x8B";  // ZERO WIDTH SPACE
    case 3:
      name[0] = static_cast<char>(name[0] - 'a' + 'A');
      return name;
    case 4:
      return name + '\0';
    default:
      return "\xEF\xBC\xB4" + name.substr(1);  // FULLWIDTH LATIN CAPITAL LETTER T
  }
}

// S and S plus the order of the group are the same number to a careless Ed25519.
void add_group_order(std::string& bytes, Dice&) {
  constexpr unsigned char kOrder[32] = {0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58,
                                        0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
                                        0,    0,    0,    0,    0,    0,    0,    0,
                                        0,    0,    0,    0,    0,    0,    0,    0x10};
  unsigned carry = 0;
  for (std::size_t at = 0; at < 32; ++at) {
    carry += static_cast<unsigned char>(bytes[32 + at]) + kOrder[at];
    bytes[32 + at] = static_cast<char>(carry & 0xFFU);
    carry >>= 8U;
  }
}

void insert(std::string& token, const char* text, Dice& dice) {
  token.insert(dice.below(token.size() + 1), text);
}

std::vector<Attack> header_attacks() {
  return {
      {"alg_none", {kBadAlg}, at_hop(header_member("alg", "none"))},
      {"alg_none_without_signature",
       {kBadAlg},
       [](Attempt& attempt, Dice& dice) {
         at_hop(header_member("alg", "none"))(attempt, dice);
         attempt.splice = [](std::vector<std::string>& tokens, const forge::Chain&) {
           for (std::string& token : tokens) {
             if (token.find(encode_base64url(R"({"alg":"none")").substr(0, 16)) == 0)
               token.erase(token.rfind('.') + 1);
           }
         };
       }},
      {"alg_hmac", {kBadAlg}, at_hop(header_member("alg", "HS256"))},
      {"alg_rsa", {kBadAlg}, at_hop(header_member("alg", "PS256"))},
      {"alg_of_the_other_key_type", {kBadAlg}, at_hop(header([](Json& members, Dice&) {
         members["alg"] = members["alg"] == "EdDSA" ? "ES256" : "EdDSA";
       }))},
      {"alg_in_other_case", {kBadAlg}, at_hop(header([](Json& members, Dice& dice) {
         members["alg"] = dice.of({"eddsa", "EDDSA", "es256", "Ed25519", "EdDSA "});
       }))},
      {"alg_missing", {kBadAlg}, at_hop(header([](Json& members, Dice&) {
         members.erase("alg");
       }))},
      {"alg_no_text", {kBadAlg}, at_hop(header_member("alg", Json::array({"EdDSA"})))},
      {"alg_of_a_passkey_in_a_child", {kBadAlg}, at_child(header_member("alg", "WebAuthn"))},
      {"alg_of_a_passkey_for_a_plain_key", {kBadAlg}, at_root(header_member("alg", "WebAuthn"))},
      {"typ_of_a_proof", {kMalformed}, at_hop(header_member("typ", "delegation-proof+jwt"))},
      {"typ_of_a_status_list", {kMalformed}, at_hop(header_member("typ", "statuslist+jwt"))},
      {"typ_of_an_approval", {kMalformed}, at_hop(header_member("typ", "delegation-approval+jwt"))},
      {"typ_in_other_case", {kMalformed}, at_hop(header_member("typ", "Delegation-Receipt+JWT"))},
      {"typ_no_text", {kMalformed}, at_hop(header_member("typ", nullptr))},
      {"crit", {kMalformed}, at_hop(header_member("crit", Json::array({"exp"})))},
      {"b64_false", {kMalformed}, at_hop(header_member("b64", false))},
      {"jwk_in_the_header", {kMalformed}, at_hop(header([](Json& members, Dice&) {
         members["jwk"] = Json::parse(forge::key(30).public_key().jwk());
       }))},
      {"jku", {kMalformed}, at_hop(header_member("jku", "https://keys.example"))},
      {"x5u", {kMalformed}, at_hop(header_member("x5u", "https://keys.example"))},
      {"x5c", {kMalformed}, at_hop(header_member("x5c", Json::array()))},
      {"kid_no_text", {kMalformed}, at_hop(header_member("kid", 1))},
      {"header_with_a_member_twice", {kMalformed}, at_hop([](Draft& draft, Dice&) {
         draft.header.insert(1, R"("alg":"none",)");
       })},
      {"header_no_object", {kMalformed}, at_hop([](Draft& draft, Dice&) {
         draft.header = "[" + draft.header + "]";
       })},
      {"header_with_something_after_it", {kMalformed}, at_hop([](Draft& draft, Dice&) {
         draft.header += "{}";
       })},
      {"header_too_deep", {kTooLarge}, at_hop([](Draft& draft, Dice&) {
         draft.header.insert(1, "\"x\":" + std::string(40, '[') + std::string(40, ']') + ",");
       })},
  };
}

std::vector<Attack> signature_attacks() {
  return {
      {"signed_by_a_stranger",
       {kBadSignature, kUntrustedRoot},
       sign_again([](const forge::Chain& chain, std::size_t) {
         return forge::key(30, chain.signer(0).public_key().type());
       })},
      {"signed_by_its_own_holder",
       {kBadSignature, kUntrustedRoot},
       sign_again([](const forge::Chain& chain, std::size_t at) { return chain.signer(at + 1); })},
      {"signed_by_its_grandparent",
       {kBadSignature},
       sign_again([](const forge::Chain& chain, std::size_t at) { return chain.signer(at - 1); },
                  1)},
      {"signature_empty",
       {kBadSignature, kUntrustedRoot},
       respell_signature([](std::string& bytes, Dice&) { bytes.clear(); })},
      {"signature_of_zeros",
       {kBadSignature, kUntrustedRoot},
       respell_signature([](std::string& bytes, Dice&) { bytes.assign(64, '\0'); })},
      {"signature_cut_short",
       {kBadSignature, kUntrustedRoot},
       respell_signature([](std::string& bytes, Dice& dice) { bytes.resize(dice.below(64)); })},
      {"signature_longer",
       {kBadSignature, kUntrustedRoot},
       respell_signature([](std::string& bytes, Dice&) { bytes.push_back('\0'); })},
      {"signature_with_one_bit_flipped",
       {kBadSignature, kUntrustedRoot},
       respell_signature([](std::string& bytes, Dice& dice) {
         bytes[dice.below(64)] ^= static_cast<char>(1U << dice.below(8));
       })},
      {"signature_by_another_number_of_the_group",
       {kBadSignature, kUntrustedRoot},
       respell_signature(add_group_order)},
      {"signature_of_another_token",
       {kBadSignature, kUntrustedRoot},
       splice([](std::vector<std::string>& tokens, Dice& dice) {
         const std::size_t at = dice.below(tokens.size());
         const std::string& from = tokens[(at + 1) % tokens.size()];
         tokens[at] = forge::signing_input(tokens[at]) + from.substr(from.rfind('.'));
       })},
      {"payload_of_another_token",
       {kBadSignature, kUntrustedRoot, kBrokenLink},
       mix([](std::vector<std::string>& tokens, const std::vector<std::string_view>& others,
              Dice& dice) {
         const std::size_t at = dice.below(tokens.size());
         const std::string other(others[at]);
         tokens[at] = forge::signing_input(other) + tokens[at].substr(tokens[at].rfind('.'));
       })},
      {"payload_with_one_byte_changed",
       {kBadSignature, kUntrustedRoot, kMalformed, kBrokenLink},
       respell([](std::string& token, Dice& dice) {
         const std::size_t first = token.find('.') + 1;
         char& byte = token[first + dice.below(token.rfind('.') - first)];
         byte = byte == 'A' ? 'B' : 'A';
       })},
  };
}

std::vector<Attack> spelling_attacks() {
  return {
      {"base64_padded", {kMalformed}, respell([](std::string& token, Dice& dice) {
         token += dice.of({"=", "=="});
       })},
      {"base64_with_other_trailing_bits", {kMalformed}, respell([](std::string& token, Dice&) {
         token.back() = token.back() == 'A' ? 'B' : static_cast<char>(token.back() + 1);
       })},
      {"base64_of_the_other_alphabet",
       {kMalformed, kBadSignature, kUntrustedRoot},
       respell([](std::string& token, Dice& dice) {
         const std::size_t at = token.find_first_of("-_");
         if (at == std::string::npos) {
           insert(token, dice.of({"+", "/"}), dice);
         } else {
           token[at] = token[at] == '-' ? '+' : '/';
         }
       })},
      {"white_space_in_a_token", {kMalformed}, respell([](std::string& token, Dice& dice) {
         insert(token, dice.of({" ", "\n", "\r\n", "\t"}), dice);
       })},
      {"nul_in_a_token", {kMalformed}, respell([](std::string& token, Dice& dice) {
         token.insert(dice.below(token.size() + 1), 1, '\0');
       })},
      {"token_of_four_segments", {kMalformed}, respell([](std::string& token, Dice& dice) {
         token += dice.of({".", ".AA"});
       })},
      {"token_of_two_segments", {kMalformed}, respell([](std::string& token, Dice&) {
         token.erase(token.rfind('.'));
       })},
      {"token_empty", {kMalformed}, respell([](std::string& token, Dice&) { token.clear(); })},
      {"token_as_json", {kMalformed}, respell([](std::string& token, Dice&) {
         token = "{\"protected\":\"" + token + "\"}";
       })},
      {"token_too_long", {kTooLarge}, respell([](std::string& token, Dice&) {
         token.append(70000, 'A');
       })},
      {"payload_with_exp_twice", {kMalformed}, at_hop(raw(R"("exp":4102444800,)"))},
      {"payload_with_exp_twice_once_escaped",
       {kMalformed},
       at_hop(raw(R"("\u0065xp":4102444800,)"))},
      {"payload_with_a_deep_member_twice",
       {kMalformed},
       at_hop(raw(R"("other":{"a":[{"b":1,"b":2}]},)"))},
      {"payload_with_a_number_that_no_double_is",
       {kMalformed},
       at_hop([](Draft& draft, Dice& dice) {
         raw("\"other\":" +
             std::string(
                 dice.of({"9007199254740993", "1e400", "0.1000000000000000055511151231257827"})) +
             ",")(draft, dice);
       })},
      {"payload_with_a_bom", {kMalformed}, at_hop([](Draft& draft, Dice&) {
         draft.text = "\xEF\xBB\xBF" + draft.payload.dump();
       })},
      {"payload_of_overlong_utf8", {kMalformed}, at_hop(raw("\"other\":\"\xC0\xAF\","))},
      {"payload_with_a_lone_surrogate", {kMalformed}, at_hop(raw(R"("other":"\ud800",)"))},
      {"payload_with_a_comment", {kMalformed}, at_hop(raw("/* */"))},
      {"payload_with_something_after_it", {kMalformed}, at_hop([](Draft& draft, Dice&) {
         draft.text = draft.payload.dump() + "{}";
       })},
      {"payload_no_object", {kMalformed}, at_hop([](Draft& draft, Dice&) {
         draft.text = "[" + draft.payload.dump() + "]";
       })},
      {"payload_too_deep",
       {kTooLarge, kMalformed},
       at_hop(raw("\"other\":" + std::string(300, '[') + std::string(300, ']') + ","))},
  };
}

std::vector<Attack> claim_attacks() {
  return {
      {"claim_missing", {kMalformed}, at_child([](Draft& draft, Dice& dice) {
         draft.payload.erase(dice.of({"jti", "iss", "iat", "exp", "del_depth", "del_max_depth",
                                      "par_hash", "cnf", "authorization_details"}));
       })},
      {"claim_of_another_kind", {kMalformed}, at_child([](Draft& draft, Dice& dice) {
         draft.payload[dice.of({"jti", "iss", "iat", "exp", "del_depth", "del_max_depth",
                                "par_hash", "cnf", "authorization_details"})] = true;
       })},
      {"claim_name_in_other_case", {kMalformed}, at_child([](Draft& draft, Dice& dice) {
         const char* name = dice.of({"jti", "iss", "iat", "exp", "cnf"});
         std::string upper = name;
         upper[0] = static_cast<char>(upper[0] - 'a' + 'A');
         draft.payload[upper] = draft.payload[name];
         draft.payload.erase(name);
       })},
      {"jti_of_the_root", {kBrokenLink}, at_child(claim("jti", "honest#0"))},
      {"jti_empty", {kMalformed}, at_hop(claim("jti", ""))},
      {"iss_of_a_stranger", {kBrokenLink}, at_child([](Draft& draft, Dice&) {
         draft.payload["iss"] = "urn:ietf:params:oauth:jwk-thumbprint:sha-256:" + print_of(30);
       })},
      {"iss_of_the_root_issuer", {kBrokenLink}, at_child(claim("iss", "https://issuer.example"))},
      {"iss_in_other_case", {kBrokenLink}, at_child([](Draft& draft, Dice&) {
         std::string issuer = draft.payload["iss"];
         issuer.replace(0, 3, "URN");
         draft.payload["iss"] = issuer;
       })},
      {"iss_that_is_no_uri", {kMalformed}, at_root(claim("iss", "issuer"))},
      {"exp_passed", {kExpired}, at_leaf(later("exp", forge::kNow - 90, 91))},
      {"exp_after_its_parents", {kLifetime}, at_child(later("exp", forge::kNow + 3601, 1000))},
      {"exp_after_its_parents_by_a_fraction", {kLifetime}, at_child([](Draft& draft, Dice&) {
         draft.payload["exp"] = draft.payload["exp"].get<double>() + 1.0625;
       })},
      {"exp_in_text", {kMalformed}, at_hop(claim("exp", "1780003600"))},
      {"exp_before_iat", {kLifetime, kExpired, kNotYetValid}, at_hop([](Draft& draft, Dice&) {
         draft.payload["exp"] = draft.payload["iat"].get<double>() - 1;
       })},
      {"iat_in_the_future",
       {kNotYetValid, kLifetime},
       at_leaf(later("iat", forge::kNow + 31, 1000))},
      {"iat_before_its_parents", {kLifetime}, at_child(later("iat", forge::kNow - 1000, 800))},
      {"nbf_in_the_future", {kNotYetValid, kEscalation}, at_hop([](Draft& draft, Dice& dice) {
         draft.payload["mandate"]["nbf"] = forge::kNow + 1 + static_cast<double>(dice.below(1000));
       })},
      {"life_too_long", {kLifetime}, at_root(later("exp", forge::kNow + 91.0 * 86400, 1000))},
      {"depth_skipped", {kDepth}, at_child([](Draft& draft, Dice& dice) {
         draft.payload["del_depth"] =
             draft.payload["del_depth"].get<int>() + 1 + static_cast<int>(dice.below(5));
       })},
      {"depth_of_its_parent", {kDepth}, at_child([](Draft& draft, Dice&) {
         draft.payload["del_depth"] = draft.payload["del_depth"].get<int>() - 1;
       })},
      {"depth_that_is_no_count", {kMalformed}, at_hop([](Draft& draft, Dice& dice) {
         draft.payload["del_depth"] = Json::parse(dice.of({"-1", "0.5", "1e300", "\"1\"", "null"}));
       })},
      {"depth_of_a_root_above_0", {kDepth}, at_root(claim("del_depth", 1))},
      {"depths_that_begin_at_1",
       {kDepth},
       [](Attempt& attempt, Dice&) {
         attempt.bend_token = [](std::size_t hop, Draft& draft) {
           draft.payload["del_depth"] = hop + 1;
         };
       }},
      {"max_depth_raised", {kDepth}, at_child([](Draft& draft, Dice& dice) {
         draft.payload["del_max_depth"] = 9 + dice.below(1000);
       })},
      {"max_depth_of_a_root_too_large", {kDepth}, at_root([](Draft& draft, Dice& dice) {
         draft.payload["del_max_depth"] = 17 + dice.below(1000);
       })},
      {"max_depth_spent_by_the_root", {kDepth}, at_root(claim("del_max_depth", 0))},
      {"par_hash_of_the_root",
       {kBrokenLink},
       [](Attempt& attempt, Dice&) {
         attempt.hops = 3;
         attempt.mandates.assign(3, Json());
         auto hash = std::make_shared<Json>();
         attempt.bend_token = [hash](std::size_t hop, Draft& draft) {
           if (hop == 1) *hash = draft.payload["par_hash"];
           if (hop == 2) draft.payload["par_hash"] = *hash;
         };
       }},
      {"par_hash_of_nothing", {kBrokenLink}, at_child(claim("par_hash", sha256_text("")))},
      {"par_hash_padded", {kBrokenLink, kMalformed}, at_child([](Draft& draft, Dice&) {
         draft.payload["par_hash"] = draft.payload["par_hash"].get<std::string>() + "=";
       })},
      {"par_hash_of_a_whole_token",
       {kBrokenLink},
       [](Attempt& attempt, Dice&) {
         const Attempt twin = attempt;
         attempt.bend_token = [twin](std::size_t hop, Draft& draft) {
           if (hop != 1) return;
           Attempt same = twin;
           same.bend_token = nullptr;
           draft.payload["par_hash"] = sha256_text(same.chain().views()[0]);
         };
       }},
      {"par_hash_of_a_twin",
       {kBrokenLink},
       [](Attempt& attempt, Dice&) {
         const Attempt twin = attempt;
         attempt.bend_token = [twin](std::size_t hop, Draft& draft) {
           if (hop == 1)
             draft.payload["par_hash"] =
                 sha256_text(forge::signing_input(twin.chain("another").views()[0]));
         };
       }},
      {"par_hash_in_a_root", {kBrokenLink}, at_root(claim("par_hash", sha256_text("")))},
      {"cnf_with_a_private_key", {kMalformed}, at_hop([](Draft& draft, Dice&) {
         draft.payload["cnf"]["jwk"]["d"] = encode_base64url(std::string(32, 'd'));
       })},
      {"cnf_of_another_curve", {kMalformed}, at_hop([](Draft& draft, Dice& dice) {
         draft.payload["cnf"]["jwk"]["crv"] = dice.of({"X25519", "Ed448", "P-384", "secp256k1"});
       })},
      {"cnf_by_thumbprint", {kMalformed}, at_hop([](Draft& draft, Dice&) {
         draft.payload["cnf"] = {{"jkt", print_of(2)}};
       })},
      {"cnf_cut_short", {kMalformed}, at_hop([](Draft& draft, Dice& dice) {
         std::string x = draft.payload["cnf"]["jwk"]["x"];
         draft.payload["cnf"]["jwk"]["x"] = x.substr(0, dice.below(x.size()));
       })},
      {"cnf_of_a_stranger", {kBadSignature, kBadAlg, kBadProof}, at_hop([](Draft& draft, Dice&) {
         draft.payload["cnf"]["jwk"] = Json::parse(forge::key(30).public_key().jwk());
       })},
      {"two_grants", {kMalformed}, at_hop([](Draft& draft, Dice&) {
         Json& details = draft.payload["authorization_details"];
         details.push_back(details[0]);
       })},
      {"grant_of_another_type", {kMalformed}, at_leaf([](Draft& draft, Dice& dice) {
         draft.payload["authorization_details"][0]["type"] = dice.of(
             {"Attenuating_agent_token", "attenuating_agent_token ", "attenuating-agent-token"});
       })},
      {"grant_with_another_member", {kMalformed}, at_hop([](Draft& draft, Dice&) {
         draft.payload["authorization_details"][0]["actions"] = {"*"};
       })},
      {"grant_without_tools", {kMalformed}, at_hop([](Draft& draft, Dice&) {
         draft.payload["authorization_details"][0].erase("tools");
       })},
  };
}

std::vector<Attack> widening_attacks() {
  return {
      {"tool_added", {kEscalation}, at_child([](Draft& draft, Dice&) {
         tools_of(draft)["more"] = Json::object();
       })},
      {"tool_added_under_a_look_alike_name",
       {kEscalation, kMalformed},
       at_child([](Draft& draft, Dice& dice) {
         tools_of(draft)[look_alike("open", dice)] = Json::object();
       })},
      {"tool_that_a_middle_hop_dropped",
       {kEscalation},
       [](Attempt& attempt, Dice&) {
         attempt.hops = 3;
         attempt.mandates.assign(3, Json());
         attempt.bend_token = [](std::size_t hop, Draft& draft) {
           if (hop == 1) tools_of(draft).erase("open");
         };
       }},
      {"tools_after_a_hop_without_a_grant",
       {kEscalation},
       [](Attempt& attempt, Dice&) {
         attempt.hops = 3;
         attempt.mandates.assign(3, Json());
         attempt.bend_token = [](std::size_t hop, Draft& draft) {
           if (hop == 1) draft.payload["authorization_details"] = Json::array();
         };
       }},
      {"constraints_dropped", {kEscalation}, at_child(for_each_tool([](Json& arguments) {
         arguments = Json::object();
       }))},
      {"argument_added", {kEscalation}, at_child(for_each_tool([](Json& arguments) {
         arguments["z"] = {{"constraint_type", "wildcard"}};
       }))},
      {"argument_dropped", {kEscalation}, at_child(for_each_tool([](Json& arguments) {
         arguments.erase("y");
       }))},
      {"argument_renamed", {kEscalation}, at_child([](Draft& draft, Dice& dice) {
         const std::string name = look_alike("y", dice);
         for_each_tool([&](Json& arguments) {
           arguments[name] = arguments["y"];
           arguments.erase("y");
         })(draft, dice);
       })},
      {"constraint_widened",
       {kEscalation},
       [](Attempt& attempt, Dice& dice) {
         const ConstraintSample* sample = &attempt.sample();
         while (sample->wider.empty()) sample = &dice.of(constraint_samples());
         attempt.granted[attempt.called] = {sample, attempt.hops};
         attempt.tool = attempt.granted[attempt.called].tool();
         const std::size_t at = 1 + dice.below(attempt.hops - 1);
         const Json wider = Json::parse(dice.of(sample->wider));
         attempt.bend_token = [=, tool = attempt.tool](std::size_t hop, Draft& draft) {
           if (hop == at) tools_of(draft)[tool]["x"] = wider;
         };
       }},
      {"constraint_wrapped_in_any",
       {kEscalation},
       [](Attempt& attempt, Dice& dice) {
         while (attempt.sample().type == std::string_view("wildcard"))
           attempt.granted[attempt.called].sample = &dice.of(constraint_samples());
         attempt.tool = attempt.granted[attempt.called].tool();
         const std::size_t at = 1 + dice.below(attempt.hops - 1);
         attempt.bend_token = [=, tool = attempt.tool](std::size_t hop, Draft& draft) {
           if (hop != at) return;
           const Json mine = tools_of(draft)[tool]["x"];
           tools_of(draft)[tool]["x"] = {
               {"constraint_type", "any"},
               {"constraints", {mine, {{"constraint_type", "wildcard"}}}}};
         };
       }},
      {"constraint_of_an_unknown_type", {kUnknownConstraint}, at_hop([](Draft& draft, Dice& dice) {
         const char* type = dice.of({"regex", "cel", "Exact", "exact ", "WILDCARD", "not", ""});
         for_each_tool([&](Json& arguments) {
           arguments["x"] = {{"constraint_type", type}, {"value", "a"}};
         })(draft, dice);
       })},
      {"constraint_without_a_type",
       {kMalformed, kUnknownConstraint},
       at_hop(for_each_tool([](Json& arguments) { arguments["x"] = {{"value", "a"}}; }))},
      {"constraint_with_an_unknown_member", {kMalformed}, at_hop(for_each_tool([](Json& arguments) {
         arguments["y"]["unless"] = "weekend";
       }))},
      {"constraint_that_is_no_object",
       {kMalformed, kUnknownConstraint},
       at_hop(for_each_tool([](Json& arguments) { arguments["y"] = "wildcard"; }))},
      {"constraint_too_deep", {kTooLarge}, at_root(for_each_tool([](Json& arguments) {
         for (int depth = 0; depth < 40; ++depth)
           arguments["y"] = {{"constraint_type", "all"}, {"constraints", {arguments["y"]}}};
       }))},
      {"bound_in_text", {kMalformed}, at_hop(for_each_tool([](Json& arguments) {
         arguments["x"] = {{"constraint_type", "range"}, {"max", "5"}};
       }))},
      {"tool_name_too_long", {kTooLarge}, at_root([](Draft& draft, Dice&) {
         tools_of(draft)[std::string(300, 't')] = Json::object();
       })},
  };
}

std::vector<Attack> call_attacks() {
  return {
      {"call_to_another_tool", {kToolNotGranted}, call([](Attempt& attempt, Json&, Dice& dice) {
         attempt.tool = dice.of({"delete", "", "*", "t_", "tools"});
       })},
      {"call_to_a_look_alike", {kToolNotGranted}, call([](Attempt& attempt, Json&, Dice& dice) {
         attempt.tool = look_alike(attempt.tool, dice);
       })},
      {"call_without_an_argument",
       {kArgumentMissing},
       call([](Attempt&, Json& arguments, Dice& dice) { arguments.erase(dice.of({"x", "y"})); })},
      {"call_with_one_argument_more",
       {kArgumentUnexpected},
       call([](Attempt&, Json& arguments, Dice& dice) {
         arguments[dice.of({"z", "X", "", "__proto__"})] = 1;
       })},
      {"call_with_an_argument_under_a_look_alike_name",
       {kArgumentUnexpected},
       call([](Attempt&, Json& arguments, Dice& dice) {
         arguments[look_alike("x", dice)] = arguments["x"];
         arguments.erase("x");
       })},
      {"path_trick", {kArgumentDenied}, refused_value(), "path_containment"},
      {"url_trick", {kArgumentDenied}, refused_value(), "url_containment"},
      {"glob_trick", {kArgumentDenied}, refused_value(), "glob"},
      {"address_trick", {kArgumentDenied}, refused_value(), "cidr"},
      {"shell_trick", {kArgumentDenied}, refused_value(), "shell_command"},
      {"prefix_trick", {kArgumentDenied}, refused_value(), "string_prefix"},
      {"length_trick", {kArgumentDenied}, refused_value(), "length"},
      {"number_trick", {kArgumentDenied}, refused_value(), "range"},
      {"list_trick", {kArgumentDenied}, refused_value(), "one_of"},
      {"exclusion_trick", {kArgumentDenied}, refused_value(), "not_one_of"},
      {"look_alike_value", {kArgumentDenied}, refused_value(), "exact"},
      {"subset_trick", {kArgumentDenied}, refused_value(), "subset"},
      {"contains_trick", {kArgumentDenied}, refused_value(), "contains"},
      {"conjunction_trick", {kArgumentDenied}, refused_value(), "all"},
      {"disjunction_trick", {kArgumentDenied}, refused_value(), "any"},
      {"path_below_the_parent_and_not_the_child",
       {kArgumentDenied},
       [](Attempt& attempt, Dice& dice) {
         attempt.granted[attempt.called].cut = 1;
         attempt.arguments =
             R"({"x":")" +
             std::string(dice.of({"/srv/reports/2025/a", "/srv/reports", "/srv/reports/2026x",
                                  "/srv/reports/2026/../2025/a"})) +
             R"(","y":1})";
       },
       "path_containment"},
  };
}

std::vector<Attack> splice_attacks() {
  return {
      {"chain_empty", {kNoReceipt}, splice([](std::vector<std::string>& tokens, Dice&) {
         tokens.clear();
       })},
      {"root_dropped",
       {kUntrustedRoot, kBadAlg},
       splice([](std::vector<std::string>& tokens, Dice&) { tokens.erase(tokens.begin()); })},
      {"leaf_alone", {kUntrustedRoot, kBadAlg}, splice([](std::vector<std::string>& tokens, Dice&) {
         tokens.erase(tokens.begin(), tokens.end() - 1);
       })},
      // The shorter chain is honest, but its holder is somebody else.
      {"leaf_dropped",
       {kBadProof, kWrongHolder},
       [](Attempt& attempt, Dice&) {
         for (Granted& each : attempt.granted) each.cut = 1;
         attempt.splice = [](std::vector<std::string>& tokens, const forge::Chain&) {
           tokens.pop_back();
         };
       }},
      {"middle_dropped",
       {kBadSignature, kBadAlg},
       [](Attempt& attempt, Dice&) {
         attempt.hops = 3;
         attempt.mandates.assign(3, Json());
         attempt.splice = [](std::vector<std::string>& tokens, const forge::Chain&) {
           tokens.erase(tokens.begin() + 1);
         };
       }},
      {"reversed", {kUntrustedRoot, kBadAlg}, splice([](std::vector<std::string>& tokens, Dice&) {
         std::reverse(tokens.begin(), tokens.end());
       })},
      {"two_exchanged",
       {kUntrustedRoot, kBadSignature},
       splice([](std::vector<std::string>& tokens, Dice& dice) {
         const std::size_t at = dice.below(tokens.size() - 1);
         std::swap(tokens[at], tokens[at + 1]);
       })},
      {"one_token_twice", {kBrokenLink}, splice([](std::vector<std::string>& tokens, Dice& dice) {
         const std::size_t at = dice.below(tokens.size());
         tokens.insert(tokens.begin() + static_cast<std::ptrdiff_t>(at), tokens[at]);
       })},
      {"chain_twice", {kBrokenLink}, splice([](std::vector<std::string>& tokens, Dice&) {
         const std::vector<std::string> again = tokens;
         tokens.insert(tokens.end(), again.begin(), again.end());
       })},
      {"leaf_of_another_chain",
       {kBrokenLink},
       mix([](std::vector<std::string>& tokens, const std::vector<std::string_view>& others,
              Dice&) { tokens.back() = others.back(); })},
      {"root_of_another_chain",
       {kBrokenLink},
       mix([](std::vector<std::string>& tokens, const std::vector<std::string_view>& others,
              Dice&) { tokens.front() = others.front(); })},
      {"first_half_of_another_chain",
       {kBrokenLink},
       mix([](std::vector<std::string>& tokens, const std::vector<std::string_view>& others,
              Dice& dice) {
         const std::size_t half = 1 + dice.below(tokens.size() - 1);
         std::copy_n(others.begin(), half, tokens.begin());
       })},
      {"another_chain_in_front",
       {kBadSignature, kBrokenLink},
       mix([](std::vector<std::string>& tokens, const std::vector<std::string_view>& others,
              Dice&) { tokens.insert(tokens.begin(), others.begin(), others.end()); })},
      {"more_tokens_than_any_depth", {kDepth}, splice([](std::vector<std::string>& tokens, Dice&) {
         tokens.resize(18, tokens.back());
       })},
      {"self_made_root",
       {kUntrustedRoot},
       [](Attempt& attempt, Dice&) {
         attempt.splice = [](std::vector<std::string>& tokens, const forge::Chain& chain) {
           const PrivateKey stranger = forge::key(30, chain.signer(0).public_key().type());
           tokens[0] =
               forge::sign_text(forge::honest_header(stranger), payload_of(tokens[0]), stranger);
         };
       }},
  };
}

std::vector<Attack> mandate_attacks() {
  const Json holders = Json::array({"spiffe://td/agents/**"});
  const Json budget{{"calls", 5}, {"tools", {{"open", 3}}}, {"sum", {{"open.x", 10}}}};
  const auto with = [&](const char* part, const Json& value) {
    Json changed = budget;
    changed[part] = value;
    return changed;
  };
  const auto without = [&](const char* part) {
    Json changed = budget;
    changed.erase(part);
    return changed;
  };
  const Json approvers{{"keys", {print_of(20), print_of(21), print_of(22)}}, {"min", 2}};
  return {
      {"user_changed",
       {kEscalation},
       loosen("user", "mailto:jane@example.org", "mailto:june@example.org")},
      {"user_in_other_case",
       {kEscalation},
       loosen("user", "mailto:jane@example.org", "mailto:Jane@example.org")},
      {"user_dropped", {kEscalation}, loosen("user", "mailto:jane@example.org", nullptr)},
      {"intent_changed",
       {kEscalation},
       loosen("intent", "Sum up the reports", "Delete the reports")},
      {"intent_dropped", {kEscalation}, loosen("intent", "Sum up the reports", nullptr)},
      {"holder_dropped", {kEscalation}, loosen("holder", "spiffe://td/agents/leaf", nullptr)},
      {"holder_outside_holders",
       {kEscalation},
       [=](Attempt& attempt, Dice& dice) {
         loosen("holders", holders, holders)(attempt, dice);
         attempt.holder = dice.of(
             {"spiffe://td/agentsx/leaf", "spiffe://td2/agents/leaf", "spiffe://td/agents"});
         attempt.mandates.back()["holder"] = attempt.holder;
       }},
      {"holders_widened",
       {kEscalation},
       loosen("holders", holders, Json::array({"spiffe://td/**"}))},
      {"holders_added_to",
       {kEscalation},
       loosen("holders", holders, {"spiffe://td/agents/**", "spiffe://td/x"})},
      {"holders_dropped", {kEscalation}, loosen("holders", holders, nullptr)},
      {"instance_dropped",
       {kEscalation},
       [](Attempt& attempt, Dice& dice) {
         loosen("instance", {{"unix:sha256", "aa"}}, nullptr)(attempt, dice);
         attempt.selectors = Selectors{{"unix:sha256", "aa"}};
       }},
      {"aud_added_to",
       {kEscalation},
       loosen("aud", Json::array({forge::kAudience}), {forge::kAudience, "https://more.example"})},
      {"aud_dropped", {kEscalation}, loosen("aud", Json::array({forge::kAudience}), nullptr)},
      {"nbf_earlier", {kEscalation}, loosen("nbf", forge::kNow - 10, forge::kNow - 10.5)},
      {"nbf_dropped", {kEscalation}, loosen("nbf", forge::kNow - 10, nullptr)},
      {"budget_of_calls_raised", {kEscalation}, loosen("budget", budget, with("calls", 6))},
      {"budget_of_a_tool_raised",
       {kEscalation},
       loosen("budget", budget, with("tools", {{"open", 4}}))},
      {"budget_of_another_tool",
       {kEscalation},
       loosen("budget", budget, with("tools", {{"Open", 3}}))},
      {"budget_of_a_sum_raised",
       {kEscalation},
       loosen("budget", budget, with("sum", {{"open.x", 10.000001}}))},
      {"budget_without_calls", {kEscalation}, loosen("budget", budget, without("calls"))},
      {"budget_without_a_tool", {kEscalation}, loosen("budget", budget, without("tools"))},
      {"budget_without_a_sum", {kEscalation}, loosen("budget", budget, without("sum"))},
      {"budget_dropped", {kEscalation}, loosen("budget", budget, nullptr)},
      {"budget_with_a_negative_figure", {kMalformed}, loosen("budget", budget, with("calls", -1))},
      {"budget_with_an_unknown_part", {kMalformed}, loosen("budget", budget, with("bytes", 1))},
      {"requirement_dropped",
       {kEscalation},
       loosen("require", {{"open", {"reason", "approval"}}}, {{"open", {"reason"}}})},
      {"requirement_of_another_tool",
       {kEscalation},
       loosen("require", {{"open", "approval"}}, {{"Open", "approval"}})},
      {"requirements_dropped", {kEscalation}, loosen("require", {{"open", "approval"}}, nullptr)},
      {"approver_added",
       {kEscalation},
       loosen("approvers", approvers,
              {{"keys", {print_of(20), print_of(21), print_of(22), print_of(30)}}, {"min", 2}})},
      {"approvers_fewer_needed",
       {kEscalation},
       loosen("approvers", approvers,
              {{"keys", {print_of(20), print_of(21), print_of(22)}}, {"min", 1}})},
      {"approvers_dropped", {kEscalation}, loosen("approvers", approvers, nullptr)},
      {"approvers_of_one_key_twice",
       {kMalformed},
       loosen("approvers", approvers, {{"keys", {print_of(20), print_of(20)}}, {"min", 2}})},
      {"mandate_dropped",
       {kEscalation},
       [](Attempt& attempt, Dice& dice) {
         loosen("user", "mailto:jane@example.org", "mailto:jane@example.org")(attempt, dice);
         attempt.mandates[1 + dice.below(attempt.hops - 1)] = nullptr;
       }},
      {"mandate_with_an_unknown_member", {kMalformed}, loosen("until", "tomorrow", "never")},
      {"mandate_that_is_no_object",
       {kMalformed},
       [](Attempt& attempt, Dice& dice) {
         attempt.mandates[dice.below(attempt.hops)] = Json::array();
       }},
      {"call_that_wants_a_reason",
       {kReasonRequired},
       [](Attempt& attempt, Dice& dice) {
         const Json wanted{{attempt.tool, "reason"}};
         loosen("require", wanted, wanted)(attempt, dice);
       }},
      {"call_that_wants_an_approval",
       {kApprovalRequired},
       [](Attempt& attempt, Dice& dice) {
         const Json wanted{{attempt.tool, "approval"}};
         loosen("require", wanted, wanted)(attempt, dice);
       }},
      {"call_that_wants_a_clean_session",
       {kUnclean},
       [](Attempt& attempt, Dice& dice) {
         const Json wanted{{attempt.tool, "clean"}};
         loosen("require", wanted, wanted)(attempt, dice);
       }},
      {"presented_by_another_workload",
       {kWrongHolder},
       [](Attempt& attempt, Dice& dice) {
         for (Json& mandate : attempt.mandates) {
           if (mandate.is_null()) mandate = Json::object();
           mandate["holder"] = "spiffe://td/agents/leaf";
         }
         attempt.holder = dice.of({"spiffe://td/agents/other", "spiffe://td/agents/leaf/",
                                   "spiffe://TD/agents/leaf", ""});
       }},
      {"presented_to_another_tool",
       {kWrongAudience},
       [](Attempt& attempt, Dice& dice) {
         loosen("aud", Json::array({forge::kAudience}), Json::array({forge::kAudience}))(attempt,
                                                                                         dice);
         attempt.audiences = {"https://elsewhere.example"};
       }},
      {"presented_by_another_instance",
       {kWrongInstance},
       [](Attempt& attempt, Dice& dice) {
         const Json wanted{{"unix:sha256", "aa"}, {"k8s:pod-uid", "1"}};
         loosen("instance", wanted, wanted)(attempt, dice);
         attempt.selectors = dice.maybe() ? Selectors{{"unix:sha256", "aa"}}
                                          : Selectors{{"unix:sha256", "AA"}, {"k8s:pod-uid", "1"}};
       }},
  };
}

std::vector<Attack> proof_attacks() {
  return {
      {"proof_missing", {kNoProof}, proof_token([](std::string& proof, const forge::Chain&) {
         proof.clear();
       })},
      {"proof_of_another_tool", {kBadProof}, proof_claim("aat_tool", "open")},
      {"proof_of_other_arguments", {kBadProof}, proof_claim("hta", {{"x", "other"}, {"y", 1}})},
      {"proof_of_a_number_in_text", {kBadProof}, proof([](Json& payload) {
         payload["hta"]["y"] = "1";
       })},
      {"proof_of_no_arguments", {kBadProof}, proof_claim("hta", Json::object())},
      {"proof_without_arguments", {kBadProof}, proof([](Json& payload) { payload.erase("hta"); })},
      {"proof_of_another_receipt", {kBadProof}, proof_claim("aat_id", "another#1")},
      {"proof_of_an_ancestor", {kBadProof}, proof_claim("aat_id", "honest#0")},
      {"proof_for_elsewhere",
       {kWrongAudience},
       proof_claim("aat_aud", "https://elsewhere.example")},
      {"proof_for_nobody", {kWrongAudience}, proof([](Json& payload) {
         payload.erase("aat_aud");
       })},
      {"proof_for_a_list", {kBadProof}, proof_claim("aat_aud", Json::array({forge::kAudience}))},
      {"proof_too_old",
       {kBadProof},
       [](Attempt& attempt, Dice& dice) {
         const double age = 31 + static_cast<double>(dice.below(10000));
         attempt.bend_proof = [=](Json& payload) { payload["iat"] = forge::kNow - age; };
       }},
      {"proof_from_the_future",
       {kBadProof},
       [](Attempt& attempt, Dice& dice) {
         const double ahead = 31 + static_cast<double>(dice.below(10000));
         attempt.bend_proof = [=](Json& payload) { payload["iat"] = forge::kNow + ahead; };
       }},
      {"proof_without_time", {kBadProof}, proof([](Json& payload) { payload.erase("iat"); })},
      {"proof_without_name", {kBadProof}, proof([](Json& payload) { payload.erase("jti"); })},
      {"proof_by_a_stranger",
       {kBadProof},
       proof_token([](std::string& proof, const forge::Chain& chain) {
         const PrivateKey stranger = forge::key(30, chain.signer(0).public_key().type());
         proof = forge::sign_text(forge::honest_header(stranger, "delegation-proof+jwt"),
                                  payload_of(proof), stranger);
       })},
      {"proof_by_the_delegator",
       {kBadProof},
       proof_token([](std::string& proof, const forge::Chain& chain) {
         const PrivateKey parent = chain.signer(chain.views().size() - 1);
         proof = forge::sign_text(forge::honest_header(parent, "delegation-proof+jwt"),
                                  payload_of(proof), parent);
       })},
      {"proof_used_twice",
       {kReplayed},
       [](Attempt& attempt, Dice& dice) {
         attempt.presented = 2 + static_cast<int>(dice.below(3));
       }},
      {"proof_of_a_receipts_type",
       {kBadProof},
       proof_header(R"({"alg":"EdDSA","typ":"delegation-receipt+jwt"})")},
      {"proof_without_algorithm", {kBadProof}, proof_header(R"({"typ":"delegation-proof+jwt"})")},
      {"proof_of_no_algorithm",
       {kBadProof},
       proof_header(R"({"alg":"none","typ":"delegation-proof+jwt"})")},
      {"proof_of_a_passkeys_algorithm",
       {kBadProof},
       proof_header(R"({"alg":"WebAuthn","typ":"delegation-proof+jwt"})")},
      {"proof_with_its_own_key",
       {kBadProof},
       proof_header(R"({"alg":"EdDSA","jwk":{},"typ":"delegation-proof+jwt"})")},
      {"proof_that_is_a_receipt",
       {kBadProof},
       proof_token(
           [](std::string& proof, const forge::Chain& chain) { proof = chain.views().back(); })},
      {"proof_padded", {kBadProof}, proof_token([](std::string& proof, const forge::Chain&) {
         proof += "=";
       })},
      {"proof_not_canonical",
       {kBadProof},
       proof_token([](std::string& proof, const forge::Chain& chain) {
         const std::string text = "{ " + payload_of(proof).substr(1);
         proof = forge::sign_text(forge::honest_header(chain.holder(), "delegation-proof+jwt"),
                                  text, chain.holder());
       })},
      {"proof_with_a_member_twice",
       {kBadProof},
       proof_token([](std::string& proof, const forge::Chain& chain) {
         const std::string text = R"({"aat_tool":"open",)" + payload_of(proof).substr(1);
         proof = forge::sign_text(forge::honest_header(chain.holder(), "delegation-proof+jwt"),
                                  text, chain.holder());
       })},
      {"proof_with_one_byte_changed",
       {kBadProof},
       [](Attempt& attempt, Dice& dice) {
         const std::size_t roll = dice.below(std::size_t{1} << 32U);
         attempt.bend_proof_token = [=](std::string& proof, const forge::Chain&) {
           char& byte = proof[roll % proof.size()];
           byte = byte == 'A' ? 'B' : 'A';
         };
       }},
  };
}

}  // namespace

const std::vector<Attack>& attacks() {
  static const std::vector<Attack> table = [] {
    std::vector<Attack> all;
    for (auto& part : {header_attacks(), signature_attacks(), spelling_attacks(), claim_attacks(),
                       widening_attacks(), call_attacks(), splice_attacks(), mandate_attacks(),
                       proof_attacks()}) {
      all.insert(all.end(), part.begin(), part.end());
    }
    return all;
  }();
  return table;
}

}  // namespace mandated::receipt::attack
