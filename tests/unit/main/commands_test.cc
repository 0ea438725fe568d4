// The words and exit codes of `config` and `audit`.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "proxy/main/audit_commands.h"
#include "proxy/main/config_commands.h"
#include "tests/support/run_command.h"

namespace mandated {
namespace {

namespace fs = std::filesystem;
using test::Outcome;
using testing::HasSubstr;

const std::string kExample = SOURCE_FOLDER "/config/examples/laptop.yaml";
const std::string kTrail = SOURCE_FOLDER "/tests/golden/audit/trail.jsonl";

Outcome run(const std::vector<std::string>& words) {
  const auto add = [](CLI::App& app, int& exit_code) {
    add_config_commands(app, exit_code);
    add_audit_commands(app, exit_code);
  };
  return test::run_command(add, words);
}

std::string read(const std::string& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& text)
      : path_(fs::temp_directory_path() / ("mandated-commands-" + std::to_string(::getpid()))) {
    std::ofstream(path_) << text;
  }
  ~TemporaryFile() { fs::remove(path_); }
  std::string path() const { return path_; }

 private:
  fs::path path_;
};

TEST(ConfigCommands, Schema) {
  const Outcome outcome = run({"config", "schema"});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(outcome.out, read(SOURCE_FOLDER "/config/schema.json"));
  EXPECT_EQ(nlohmann::json::parse(outcome.out)["title"], "mandated");
}

// What only the receipt engine can judge has its place in the file as well.
TEST(ConfigCommands, CheckReadsAnchorsThatStandInTheFile) {
  const std::string text = R"(version: 1
role: outbound
listeners: [{name: l, address: "127.0.0.1:1", tls: none}]
routes: [{name: r, upstream: u, mandate: off}]
upstreams: [{name: u, url: "http://127.0.0.1:2"}]
audit: {file: a}
receipts:
  anchors:
    - {file: elsewhere.jwk, ceiling: {tools: {t: {a: {constraint_type: moon}}}}}
    - {jwk: {kty: OKP, crv: Ed25519, x: 11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo}, ceiling: {depth: 1}}
    - {jwk: {kty: OKP, crv: Ed25519, x: abc}}
)";
  const TemporaryFile file(text);
  const Outcome outcome = run({"config", "check", file.path()});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr(file.path() + ":9:7: /receipts/anchors/0: its ceiling: "));
  EXPECT_THAT(outcome.err, HasSubstr("\"moon\""));
  EXPECT_THAT(outcome.err, HasSubstr(file.path() + ":11:7: /receipts/anchors/2: "));
  EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 2) << outcome.err;
}

TEST(ConfigCommands, CheckAGoodFile) {
  const Outcome outcome = run({"config", "check", kExample});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(outcome.out, kExample + ": ok\n");
  EXPECT_EQ(outcome.err, "");
}

TEST(ConfigCommands, CheckABadFile) {
  std::string text = read(kExample);
  text.replace(text.find("address:"), 8, "adress:");
  const TemporaryFile file(text);
  const Outcome outcome = run({"config", "check", file.path()});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err, HasSubstr(file.path() + ":9:5: /listeners/0/adress: unknown member; did "
                                                   "you mean \"address\"?\n"));
}

TEST(ConfigCommands, CheckNoFile) {
  const Outcome outcome = run({"config", "check", "/nonexistent"});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_EQ(outcome.err, "/nonexistent:1:1: cannot be read: No such file or directory\n");
  EXPECT_NE(run({"config", "check"}).code, 0);
  EXPECT_NE(run({"config"}).code, 0);
}

TEST(AuditCommands, VerifyAGoodFile) {
  const Outcome outcome = run({"audit", "verify", kTrail});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_THAT(outcome.out, HasSubstr(kTrail + ": ok, 3 records, last hash "));
  const std::string last = outcome.out.substr(outcome.out.size() - 44, 43);
  EXPECT_EQ(run({"audit", "verify", kTrail, "--expect-last", last}).code, 0);
}

TEST(AuditCommands, VerifyABadFile) {
  std::string text = read(kTrail);
  text.replace(text.find("read_file"), 9, "kill_file");
  const TemporaryFile file(text);
  const Outcome outcome = run({"audit", "verify", file.path()});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_EQ(outcome.out, file.path() + ":2: was changed after it was written\n");
}

TEST(AuditCommands, VerifyWithOtherHashes) {
  const Outcome last = run({"audit", "verify", kTrail, "--expect-last", "x"});
  EXPECT_EQ(last.code, 1);
  EXPECT_THAT(last.out, HasSubstr(":3: is not the last line that was expected"));
  const Outcome from = run({"audit", "verify", kTrail, "--from-hash", "x"});
  EXPECT_EQ(from.code, 1);
  EXPECT_THAT(from.out, HasSubstr(":1: does not follow the line with the hash that was given"));
}

TEST(AuditCommands, VerifyNoFile) {
  const Outcome outcome = run({"audit", "verify", "/nonexistent"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_EQ(outcome.err, "mandated: /nonexistent cannot be read: No such file or directory\n");
}

}  // namespace
}  // namespace mandated
