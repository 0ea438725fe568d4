// `mandated receipt …` as a person or a script uses it: real files, real exit codes, and the batch
// contract line by line.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "filters/receipt/batch.h"
#include "filters/receipt/constraint.h"
#include "filters/receipt/issue.h"
#include "filters/receipt/words.h"
#include "proxy/main/receipt_commands.h"
#include "proxy/main/receipt_files.h"
#include "proxy/main/receipt_stream.h"
#include "tests/support/run_command.h"
#include "tests/unit/receipt/authenticator.h"

namespace mandated {
namespace {

using receipt::forge::Chain;
using receipt::forge::Draft;
using receipt::forge::Json;
using receipt::forge::kNow;
using test::Outcome;
using testing::HasSubstr;

constexpr const char* kAt = "1780000000";

class Commands : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "receipt-commands-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string path(const std::string& name) const { return (folder_ / name).string(); }

  static std::string read(const std::string& file) {
    std::ifstream stream(file);
    return {std::istreambuf_iterator<char>(stream), {}};
  }

  static void write(const std::string& file, const std::string& text) {
    std::ofstream(file) << text;
  }

  static Outcome run(std::vector<std::string> words) {
    words.insert(words.begin(), "receipt");
    return test::run_command(add_receipt_commands, words);
  }

  // keygen into NAME.key, the public part into NAME.jwk.
  void make_key(const std::string& name, const std::string& type = "ed25519") {
    const Outcome made = run({"keygen", "--type", type, "--out", path(name + ".key")});
    ASSERT_EQ(made.code, 0) << made.err;
    write(path(name + ".jwk"), made.out);
  }

  std::vector<std::string> issue_arguments(const std::string& tools) const {
    return {"issue",
            "--key",
            path("jane.key"),
            "--issuer",
            "https://issuer.example",
            "--holder",
            path("agent.jwk"),
            "--tools",
            tools,
            "--for",
            "2h",
            "--at",
            kAt,
            "--max-depth",
            "2",
            "--user",
            "mailto:jane@example.com",
            "--intent",
            "Read the reports",
            "--out",
            path("root.json")};
  }

  std::filesystem::path folder_;
};

constexpr const char* kTools =
    R"({"read_file":{"path":{"constraint_type":"path_containment","root":"/data"}},"list":{}})";

TEST_F(Commands, KeysArePrivateAndNeverOverwritten) {
  for (const std::string type : {"ed25519", "p256"}) {
    const std::string file = path(type);
    const Outcome made = run({"keygen", "--type", type, "--out", file});
    ASSERT_EQ(made.code, 0) << made.err;
    struct stat status{};
    ASSERT_EQ(::stat(file.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0600);
    EXPECT_TRUE(receipt::PublicKey::from_jwk(receipt::forge::parse(made.out).root())) << made.out;
    EXPECT_THAT(made.out, testing::Not(HasSubstr("\"d\"")));
    const std::string before = read(file);
    const Outcome again = run({"keygen", "--type", type, "--out", file});
    EXPECT_EQ(again.code, 1);
    EXPECT_THAT(again.err, HasSubstr("File exists"));
    EXPECT_EQ(read(file), before);
  }
  EXPECT_NE(run({"keygen", "--type", "rsa", "--out", path("r")}).code, 0);
  EXPECT_EQ(run({"keygen", "--out", path("no/such/folder")}).code, 1);
}

TEST_F(Commands, IssueDelegateShowAndCheck) {
  make_key("jane");
  make_key("agent", "p256");
  make_key("helper");
  write(path("tools.json"), kTools);
  const Outcome issued = run(issue_arguments("@" + path("tools.json")));
  ASSERT_EQ(issued.code, 0) << issued.err;

  const Outcome delegated =
      run({"delegate", "--chain", path("root.json"), "--key", path("agent.key"), "--holder",
           path("helper.jwk"), "--tools",
           R"({"read_file":{"path":{"constraint_type":"exact","value":"/data/q3"}}})", "--for",
           "10m", "--at", kAt, "--task", "One file", "--out", path("chain.json")});
  ASSERT_EQ(delegated.code, 0) << delegated.err;

  const Outcome shown = run({"show", path("chain.json")});
  EXPECT_EQ(shown.code, 0);
  for (const char* words :
       {"Receipt 1 of 2 (root)", "Receipt 2 of 2 (hop 1)",
        "on behalf of \"mailto:jane@example.com\"", "in order to: \"Read the reports\"",
        "this hop's task: \"One file\"", "a path in or below \"/data\"", "exactly \"/data/q3\"",
        "\"list\" with any arguments", "may be passed on 2 more times", "may not be passed on",
        "2026-05-28T22:26:40Z", "Nothing was verified"}) {
    EXPECT_THAT(shown.out, HasSubstr(words));
  }

  const auto check = [&](const std::string& tool, const std::string& arguments,
                         const std::string& at) {
    return run({"check", "--chain", path("chain.json"), "--anchor", path("jane.jwk"), "--tool",
                tool, "--args", arguments, "--at", at});
  };
  const Outcome permitted = check("read_file", R"({"path":"/data/q3"})", "1780000010");
  EXPECT_EQ(permitted.code, 0) << permitted.out;
  EXPECT_THAT(permitted.out, HasSubstr("permitted"));
  const Outcome denied = check("read_file", R"({"path":"/data/q4"})", "1780000010");
  EXPECT_EQ(denied.code, 1);
  EXPECT_THAT(denied.out, HasSubstr("refused: argument_denied at hop 1"));
  EXPECT_THAT(denied.out, HasSubstr("The receipt admits exactly \"/data/q3\"."));
  EXPECT_THAT(check("list", "{}", "1780000010").out,
              HasSubstr("refused: tool_not_granted at hop 1"));
  EXPECT_THAT(check("read_file", R"({"path":"/data/q3"})", "2026-05-28T20:36:40Z").out,
              HasSubstr("refused: expired at hop 1"));
  EXPECT_THAT(check("read_file", R"({"path":"/data/q3"})", "2026-05-28T19:36:40Z").out,
              HasSubstr("refused: not_yet_valid"));
  const Outcome stranger = run({"check", "--chain", path("chain.json"), "--anchor",
                                path("helper.jwk"), "--tool", "read_file", "--at", kAt});
  EXPECT_THAT(stranger.out, HasSubstr("refused: untrusted_root at hop 0"));
}

TEST_F(Commands, ProofAndPresenterAreChecked) {
  make_key("jane");
  make_key("agent");
  auto arguments = issue_arguments(kTools);
  for (const char* more : {"--holder-id", "spiffe://td/agent", "--aud", "https://here"})
    arguments.emplace_back(more);
  ASSERT_EQ(run(arguments).code, 0);
  const auto tokens = *read_chain_file(path("root.json"));
  const std::vector<std::string_view> views(tokens.begin(), tokens.end());
  const auto anchors = *read_anchor_files({path("jane.jwk")});
  const auto chain = *receipt::verify_chain(views, anchors, kNow);
  const auto key = *read_private_key(path("agent.key"));
  write(path("proof"),
        receipt::prove(*chain, key, "list", json::Value(), "https://here", kNow) + "\n");
  const auto check = [&](const std::string& peer, const std::string& here) {
    return run({"check", "--chain", path("root.json"), "--anchor", path("jane.jwk"), "--tool",
                "list", "--proof", "@" + path("proof"), "--peer", peer, "--aud", here, "--at",
                kAt});
  };
  const Outcome permitted = check("spiffe://td/agent", "https://here");
  EXPECT_EQ(permitted.code, 0) << permitted.out;
  EXPECT_THAT(permitted.out, HasSubstr("The proof is that of the receipt's holder."));
  EXPECT_THAT(check("spiffe://td/other", "https://here").out, HasSubstr("refused: wrong_holder"));
  EXPECT_THAT(check("spiffe://td/agent", "https://there").out,
              HasSubstr("refused: wrong_audience"));
  const Outcome bad = run({"check", "--chain", path("root.json"), "--anchor", path("jane.jwk"),
                           "--tool", "list", "--proof", "x.y.z", "--peer", "spiffe://td/agent",
                           "--aud", "https://here", "--at", kAt});
  EXPECT_THAT(bad.out, HasSubstr("refused: bad_proof"));
}

TEST_F(Commands, WhatTheVerifierWouldRefuseIsNotSigned) {
  make_key("jane");
  make_key("agent");
  make_key("helper");
  const auto with = [&](std::vector<std::string> more) {
    auto arguments = issue_arguments(kTools);
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run(arguments);
  };
  ASSERT_EQ(with({}).code, 0);
  const auto delegate = [&](const std::string& key, const std::string& tools,
                            const std::string& duration) {
    return run({"delegate", "--chain", path("root.json"), "--key", path(key), "--holder",
                path("helper.jwk"), "--tools", tools, "--for", duration, "--at", kAt, "--out",
                path("child.json")});
  };
  EXPECT_THAT(delegate("agent.key", R"({"write_file":{}})", "1m").err,
              HasSubstr("(escalation at hop 1)"));
  EXPECT_THAT(delegate("agent.key", kTools, "3h").err, HasSubstr("(lifetime at hop 1)"));
  EXPECT_THAT(delegate("helper.key", kTools, "1m").err, HasSubstr("(wrong_holder)"));
  EXPECT_THAT(delegate("agent.key", R"({"list":{"a":{"constraint_type":"regex"}}})", "1m").err,
              HasSubstr("(unknown_constraint at hop 1)"));
  EXPECT_FALSE(std::filesystem::exists(path("child.json")));
  std::filesystem::remove(path("root.json"));
  EXPECT_EQ(with({"--holder-id", "not-spiffe"}).code, 1);
  EXPECT_EQ(with({"--not-before", "tomorrow"}).code, 1);
  EXPECT_FALSE(std::filesystem::exists(path("root.json")));
}

TEST_F(Commands, ErrorsNameTheFile) {
  make_key("jane");
  make_key("agent");
  EXPECT_THAT(run(issue_arguments("{")).err, HasSubstr("tools map"));
  EXPECT_THAT(run(issue_arguments("@" + path("absent"))).err, HasSubstr("absent"));
  write(path("agent.jwk"), "{}");
  EXPECT_THAT(run(issue_arguments(kTools)).err, HasSubstr("agent.jwk"));
  write(path("root.json"), "{}");
  EXPECT_THAT(run({"show", path("root.json")}).err, HasSubstr("not a JSON array"));
  write(path("root.json"), R"(["x.y.z"])");
  EXPECT_EQ(run({"show", path("root.json")}).code, 1);
  write(path("root.json"), "[]");
  EXPECT_EQ(run({"show", path("root.json")}).code, 1);
  EXPECT_NE(run({}).code, 0);
  EXPECT_NE(run({"verify"}).code, 0);
}

TEST(Durations, AsPeopleWriteThem) {
  EXPECT_EQ(parse_duration("2h"), 7200);
  EXPECT_EQ(parse_duration("1h30m"), 5400);
  EXPECT_EQ(parse_duration("45s"), 45);
  EXPECT_EQ(parse_duration("7d"), 604800);
  for (const char* bad : {"", "2", "h", "2x", "-2h", "2 h", "99999999999s"})
    EXPECT_EQ(parse_duration(bad), std::nullopt) << bad;
  EXPECT_EQ(parse_time("2026-05-28T20:26:40Z"), kNow);
  EXPECT_EQ(parse_time("1780000000.5"), kNow + 0.5);
  for (const char* bad : {"", "2026-05-28", "2026-13-28T20:26:40Z", "2026-02-30T20:26:40Z",
                          "2026-05-28T24:26:40Z", "2026-05-28T20:26:40+", "now"}) {
    EXPECT_EQ(parse_time(bad), std::nullopt) << bad;
  }
}

// One question of the batch contract about `chain`.
Json question(const Chain& chain, const std::string& tool, const Json& arguments) {
  const Json key = Json::parse(chain.signer(0).public_key().jwk());
  Json tokens = Json::array();
  for (const auto view : chain.views()) tokens.push_back(view);
  return Json{
      {"id", "7"},
      {"chain", tokens},
      {"anchors", {{"keys", Json::array({key})}}},
      {"tool", tool},
      {"args", arguments},
      {"pop", receipt::forge::sign_proof(chain.honest_proof(tool, arguments), chain.holder())},
      {"now", kNow},
      {"require_pop", true}};
}

std::string answer(const std::string& line) {
  receipt::BatchVerifier verifier;
  std::string out;
  verifier.answer(line, kNow, out);
  return out;
}

// The commands and the batch verifier take a passkey's file, and its ceiling, as the proxy does.
TEST_F(Commands, RootsOfPasskeysAreChecked) {
  const receipt::forge::Authenticator passkey;
  const std::string root = receipt::forge::sign_root(passkey);
  write(path("root.json"), Json::array({root}).dump());
  const auto check = [&](const Json& anchor) {
    write(path("anchor.json"), anchor.dump());
    return run({"check", "--chain", path("root.json"), "--anchor", path("anchor.json"), "--tool",
                "list_directory", "--at", kAt});
  };
  Json anchor{{"webauthn", passkey.registration()}};
  EXPECT_THAT(check(anchor).out, HasSubstr("permitted"));
  EXPECT_THAT(check({{"keys", {anchor}}}).out, HasSubstr("permitted"));
  anchor["ceiling"] = {{"depth", 0}};
  EXPECT_THAT(check(anchor).out, HasSubstr("refused: above_ceiling at hop 0"));
  EXPECT_THAT(check({{"keys", {anchor}}}).out, HasSubstr("refused: above_ceiling"));
  EXPECT_THAT(check({{"keys", {receipt::forge::Authenticator(44).anchor().key.jwk()}}}).err,
              HasSubstr("holds no trust anchor"));
  anchor["webauthn"].erase("user");
  EXPECT_THAT(check(anchor).err, HasSubstr("The anchor's user is not a URI."));

  Json line{{"id", 1},     {"chain", {root}},      {"tool", "list_directory"},
            {"now", kNow}, {"require_pop", false}, {"anchors", {{"keys", Json::array()}}}};
  EXPECT_THAT(answer(line.dump()), HasSubstr("untrusted_root"));
  line["anchors"]["keys"] = {{{"webauthn", passkey.registration()}}};
  EXPECT_EQ(answer(line.dump()), "{\"id\":1,\"permit\":true}\n");
  line["anchors"]["keys"][0]["ceiling"] = {{"lifetime", 60}};
  EXPECT_THAT(answer(line.dump()), HasSubstr("above_ceiling"));
}

struct BatchCase {
  const char* name;
  std::function<void(Json&)> bend;
  const char* answer;
};

TEST(Batch, AnswersEachQuestion) {
  const Chain chain(2);
  const BatchCase cases[] = {
      {"honest", [](Json&) {}, R"({"id":"7","permit":true})"},
      {"proof not needed",
       [](Json& q) {
         q["pop"] = nullptr;
         q["require_pop"] = false;
       },
       R"({"id":"7","permit":true})"},
      {"proof absent and not needed",
       [](Json& q) {
         q.erase("pop");
         q["require_pop"] = false;
       },
       R"({"id":"7","permit":true})"},
      {"proof not needed but bad",
       [](Json& q) {
         q["pop"] = "x";
         q["require_pop"] = false;
       },
       R"({"id":"7","permit":false,"code":"bad_proof","hop":1,"tool":"read_file"})"},
      {"proof null", [](Json& q) { q["pop"] = nullptr; },
       R"({"id":"7","permit":false,"code":"no_proof","hop":1,"tool":"read_file"})"},
      {"proof absent, required by default",
       [](Json& q) {
         q.erase("pop");
         q.erase("require_pop");
       },
       R"({"id":"7","permit":false,"code":"no_proof","hop":1,"tool":"read_file"})"},
      {"other argument", [](Json& q) { q["args"]["path"] = "/a"; },
       R"({"id":"7","permit":false,"code":"argument_denied","hop":1,"tool":"read_file","argument":"path"})"},
      {"no arguments", [](Json& q) { q.erase("args"); },
       R"({"id":"7","permit":false,"code":"argument_missing","hop":1,"tool":"read_file","argument":"path"})"},
      {"other tool", [](Json& q) { q["tool"] = "write_file"; },
       R"({"id":"7","permit":false,"code":"tool_not_granted","hop":1,"tool":"write_file"})"},
      {"no chain", [](Json& q) { q["chain"] = Json::array(); },
       R"({"id":"7","permit":false,"code":"no_receipt"})"},
      {"no anchors", [](Json& q) { q.erase("anchors"); },
       R"({"id":"7","permit":false,"code":"untrusted_root","hop":0})"},
      {"empty anchors", [](Json& q) { q["anchors"]["keys"] = Json::array(); },
       R"({"id":"7","permit":false,"code":"untrusted_root","hop":0})"},
      {"useless anchors",
       [](Json& q) { q["anchors"]["keys"] = Json::parse(R"([{"kty":"RSA"},7])"); },
       R"({"id":"7","permit":false,"code":"untrusted_root","hop":0})"},
      {"later", [](Json& q) { q["now"] = kNow + 7200; },
       R"({"id":"7","permit":false,"code":"expired","hop":0})"},
      {"audience missing", [](Json& q) { q["aud"] = "https://here"; },
       R"({"id":"7","permit":false,"code":"wrong_audience","hop":1,"tool":"read_file"})"},
      {"audience null", [](Json& q) { q["aud"] = nullptr; }, R"({"id":"7","permit":true})"},
      {"number as id", [](Json& q) { q["id"] = 7; }, R"({"id":7,"permit":true})"},
      {"no id", [](Json& q) { q.erase("id"); }, R"({"id":null,"permit":true})"},
      {"object as id", [](Json& q) { q["id"] = Json::object(); }, R"({"id":null,"permit":true})"},
      {"chain no array", [](Json& q) { q["chain"] = "x"; },
       R"({"id":"7","permit":false,"code":"malformed"})"},
      {"chain of numbers", [](Json& q) { q["chain"] = {1}; },
       R"({"id":"7","permit":false,"code":"malformed"})"},
      {"no tool", [](Json& q) { q.erase("tool"); },
       R"({"id":"7","permit":false,"code":"malformed"})"},
      {"args no object", [](Json& q) { q["args"] = Json::array(); },
       R"({"id":"7","permit":false,"code":"malformed"})"},
      {"chain null", [](Json& q) { q["chain"] = nullptr; },
       R"({"id":"7","permit":false,"code":"no_receipt"})"},
      {"aud no string", [](Json& q) { q["aud"] = 5; },
       R"({"id":"7","permit":false,"code":"malformed"})"},
      {"pop no string", [](Json& q) { q["pop"] = 5; },
       R"({"id":"7","permit":false,"code":"malformed"})"},
      {"now no number", [](Json& q) { q["now"] = "x"; },
       R"({"id":"7","permit":false,"code":"malformed"})"},
      {"require_pop no boolean", [](Json& q) { q["require_pop"] = 0; },
       R"({"id":"7","permit":false,"code":"malformed"})"},
      {"anchors no object", [](Json& q) { q["anchors"] = Json::array(); },
       R"({"id":"7","permit":false,"code":"malformed"})"},
  };
  for (const auto& each : cases) {
    SCOPED_TRACE(each.name);
    Json asked = question(chain, "read_file", Json{{"path", "/data/a"}});
    each.bend(asked);
    EXPECT_EQ(answer(asked.dump()), std::string(each.answer) + "\n");
  }
}

TEST(Batch, AudienceMustEqualTheProofs) {
  const Chain chain(
      2, [](std::size_t, Draft& draft) { draft.payload["mandate"]["aud"] = {"https://here"}; });
  Json asked = question(chain, "list_directory", Json::object());
  Json proof = chain.honest_proof("list_directory", Json::object());
  proof["aat_aud"] = "https://here";
  asked["pop"] = receipt::forge::sign_proof(proof, chain.holder());
  asked["aud"] = "https://here";
  EXPECT_EQ(answer(asked.dump()), "{\"id\":\"7\",\"permit\":true}\n");
  // The receipt itself is not meant for there, whatever the proof says.
  proof["aat_aud"] = "https://there";
  asked["pop"] = receipt::forge::sign_proof(proof, chain.holder());
  asked["aud"] = "https://there";
  EXPECT_EQ(answer(asked.dump()),
            "{\"id\":\"7\",\"permit\":false,\"code\":\"wrong_audience\",\"hop\":0}\n");
}

TEST(Batch, MalformedLinesGetAnAnswer) {
  for (const char* line : {"", "{", "[]", "7", "\xFF", "{\"id\":\"a\",\"id\":\"b\"}", "{} {}"}) {
    EXPECT_EQ(answer(line), "{\"id\":null,\"permit\":false,\"code\":\"malformed\"}\n") << line;
  }
}

// Anchors and chains are remembered from line to line; answers must not be.
TEST(Batch, LinesDoNotInfluenceEachOther) {
  const Chain chain(2);
  const Json good = question(chain, "read_file", Json{{"path", "/data/a"}});
  Json other_anchor = good;
  other_anchor["anchors"]["keys"] =
      Json::array({Json::parse(receipt::forge::key(42).public_key().jwk())});
  Json late = good;
  late["now"] = kNow + 7200;
  receipt::BatchVerifier verifier;
  std::string together;
  std::string apart;
  Json no_anchor = good;
  no_anchor.erase("anchors");
  for (const Json& each :
       {good, other_anchor, good, late, no_anchor, good, other_anchor, late, no_anchor, good}) {
    verifier.answer(each.dump(), kNow, together);
    apart += answer(each.dump());
  }
  EXPECT_EQ(together, apart);
}

// Feeds `input` through pipes as a program would.
std::string through_pipes(const std::string& input, unsigned threads = 1) {
  int in[2];
  int out[2];
  if (::pipe(in) != 0 || ::pipe(out) != 0) return "no pipes";
  std::thread feeder([&] {
    std::string_view rest = input;
    while (!rest.empty()) {
      const ssize_t written = ::write(in[1], rest.data(), rest.size());
      if (written <= 0) break;
      rest.remove_prefix(static_cast<std::size_t>(written));
    }
    ::close(in[1]);
  });
  std::string answers;
  std::thread reader([&] {
    char block[4096];
    ssize_t size = 0;
    while ((size = ::read(out[0], block, sizeof block)) > 0)
      answers.append(block, static_cast<std::size_t>(size));
  });
  EXPECT_TRUE(answer_lines(in[0], out[1], threads, [] { return kNow; }));
  ::close(out[1]);
  feeder.join();
  reader.join();
  ::close(in[0]);
  ::close(out[0]);
  return answers;
}

TEST(Stream, AnswersInOrderAndSurvivesLongLines) {
  const std::string malformed = "{\"id\":null,\"permit\":false,\"code\":\"malformed\"}\n";
  const std::string too_large = "{\"id\":null,\"permit\":false,\"code\":\"too_large\"}\n";
  const std::string no_receipt = "{\"id\":\"a\",\"permit\":false,\"code\":\"no_receipt\"}\n";
  const std::string ask = R"({"id":"a","chain":[],"tool":"t"})";
  EXPECT_EQ(through_pipes(""), "");
  EXPECT_EQ(through_pipes(ask), no_receipt);
  EXPECT_EQ(through_pipes(ask + "\r\n"), no_receipt);
  EXPECT_EQ(through_pipes("\n" + ask + "\n\nx\n"), malformed + no_receipt + malformed + malformed);
  const std::string long_line(17U << 20U, 'x');
  EXPECT_EQ(through_pipes(ask + "\n" + long_line + "\n" + ask + "\n"),
            no_receipt + too_large + no_receipt);
  EXPECT_EQ(through_pipes(long_line), too_large);
}

TEST(Stream, ThreadsKeepTheOrder) {
  std::string asked;
  std::string expected;
  for (int at = 0; at < 20'000; ++at) {
    const std::string id = std::to_string(at);
    asked += at % 7 == 0 ? "x\n" : R"({"id":)" + id + R"(,"chain":[],"tool":"t"})" + "\n";
    expected += at % 7 == 0 ? R"({"id":null,"permit":false,"code":"malformed"})"
                            : R"({"id":)" + id + R"(,"permit":false,"code":"no_receipt"})";
    expected += "\n";
  }
  for (const unsigned threads : {1U, 2U, 5U}) EXPECT_EQ(through_pipes(asked, threads), expected);
}

// A program that asks one question and waits gets its answer before it closes its end.
TEST(Stream, AnswersWithoutWaitingForMore) {
  int in[2];
  int out[2];
  ASSERT_EQ(::pipe(in), 0);
  ASSERT_EQ(::pipe(out), 0);
  std::thread answering([&] { EXPECT_TRUE(answer_lines(in[0], out[1], 2, [] { return kNow; })); });
  const std::string ask = "{\"id\":1,\"chain\":[],\"tool\":\"t\"}\n";
  const std::string expected = "{\"id\":1,\"permit\":false,\"code\":\"no_receipt\"}\n";
  ASSERT_EQ(::write(in[1], ask.data(), ask.size()), static_cast<ssize_t>(ask.size()));
  std::string got(expected.size(), '\0');
  EXPECT_EQ(::read(out[0], got.data(), got.size()), static_cast<ssize_t>(got.size()));
  EXPECT_EQ(got, expected);
  ::close(in[1]);
  answering.join();
  for (const int fd : {in[0], out[0], out[1]}) ::close(fd);
}

TEST_F(Commands, RulesPrintsTheTable) {
  const Outcome rules = run({"rules"});
  EXPECT_EQ(rules.code, 0);
  EXPECT_EQ(rules.out, receipt::Constraint::rules());
  EXPECT_THAT(rules.out, HasSubstr(R"({"child":"exact","parent":"range","rule":"values_pass"})"
                                   "\n"));
}

TEST(Words, TellEveryConstraint) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"constraint_type":"exact","value":true})", "exactly true"},
      {R"({"constraint_type":"range","min":1,"max":2,"max_inclusive":false})",
       "a number from 1 below 2"},
      {R"({"constraint_type":"one_of","values":["a",2]})", "one of \"a\" and 2"},
      {R"({"constraint_type":"not_one_of","excluded":[]})", "anything but (nothing)"},
      {R"({"constraint_type":"contains","required":["a"]})", "a list that holds \"a\""},
      {R"({"constraint_type":"subset","allowed":["a"]})", "a list of nothing but \"a\""},
      {R"({"constraint_type":"wildcard"})", "anything"},
      {R"({"constraint_type":"any","constraints":[{"constraint_type":"wildcard"},{"constraint_type":"exact","value":1}]})",
       "any of: (anything) or (exactly 1)"},
      {R"({"constraint_type":"path_containment","root":"/d"})", "a path in or below \"/d\""},
      {R"({"constraint_type":"path_containment"})", "a path in or below \"(unreadable)\""},
      {R"({"constraint_type":"url_containment","scheme":"https","host":"*.example.com"})",
       "a URL in or below \"https://*.example.com/\""},
      {R"({"constraint_type":"url_containment","scheme":"http","host":"a","port":8080,"path":"/v1"})",
       "a URL in or below \"http://a:8080/v1\""},
      {R"({"constraint_type":"string_prefix","prefix":"a\n"})", "a text that begins with \"a\\n\""},
      {R"({"constraint_type":"cidr","net":"10.0.0.0/8"})", "an IP address in \"10.0.0.0/8\""},
      {R"({"constraint_type":"length","max":5})",
       "a text of at most 5 characters, or a list of at most 5 values"},
      {R"({"constraint_type":"glob","pattern":"a/*"})", "a text of the form \"a/*\""},
      {R"({"constraint_type":"shell_command","programs":["ls","git"]})",
       "a plain command that runs \"ls\" or \"git\" with any flags"},
      {R"({"constraint_type":"shell_command","programs":["ls"],"flags":["-l","-a"]})",
       "a plain command that runs \"ls\" with no flags but \"-l\" and \"-a\""},
      {R"({"constraint_type":"shell_command","programs":["ls"],"flags":[]})",
       "a plain command that runs \"ls\" with no flags but (nothing)"},
      {R"({"constraint_type":"regex"})", "a condition that is not known here, \"regex\""},
      {R"({"constraint_type":"exact"})", "(unreadable)"},
      {"7", "a condition that is not known here, \"\""},
  };
  for (const auto& [text, words] : cases) {
    EXPECT_EQ(receipt::constraint_in_words(receipt::forge::parse(text).root()), words);
  }
}

}  // namespace
}  // namespace mandated
