// What verify() says about damaged trails, word by word.
#include "proxy/audit/verify.h"

#include <gtest/gtest.h>

#include <sstream>

#include "tests/unit/audit/records.h"

namespace mandated::audit {
namespace {

using test::joined;
using test::trail;

Verification verified(const std::string& text, const VerifyOptions& options = {}) {
  std::istringstream in(text);
  return verify(in, options);
}

VerifyOptions expecting(const std::string& last) {
  VerifyOptions options;
  options.expect_last = last;
  return options;
}

VerifyOptions following(const std::string& before) {
  VerifyOptions options;
  options.from_hash = before;
  return options;
}

void expect_wrong(const Verification& result, std::uint64_t line, const std::string& problem) {
  EXPECT_FALSE(result.ok);
  EXPECT_EQ(result.line, line) << result.problem;
  EXPECT_EQ(result.problem, problem);
}

TEST(Verify, AnUntouchedTrail) {
  const std::vector<std::string> lines = trail(5);
  const Verification result = verified(joined(lines), expecting(hash(lines[4])));
  EXPECT_TRUE(result.ok) << result.problem;
  EXPECT_EQ(result.records, 5U);
  EXPECT_EQ(result.last_hash, hash(lines[4]));
}

TEST(Verify, Changed) {
  std::vector<std::string> lines = trail(5);
  lines[2].replace(lines[2].find("argument_denied"), 8, "ARGUMENT");
  expect_wrong(verified(joined(lines)), 3, "was changed after it was written");
}

TEST(Verify, ChangedAndItsSuccessorMadeToFit) {
  std::vector<std::string> lines = trail(5);
  const std::string before = hash(lines[2]);
  lines[2].replace(lines[2].find("argument_denied"), 8, "ARGUMENT");
  lines[3].replace(lines[3].find(before), before.size(), hash(lines[2]));
  expect_wrong(verified(joined(lines)), 4, "was changed after it was written");
}

TEST(Verify, Dropped) {
  std::vector<std::string> lines = trail(5);
  lines.erase(lines.begin() + 2);
  expect_wrong(verified(joined(lines)), 3,
               "has seq 3 where 2 was expected: lines were dropped, inserted or moved");
}

TEST(Verify, FirstDropped) {
  std::vector<std::string> lines = trail(5);
  lines.erase(lines.begin());
  expect_wrong(verified(joined(lines)), 1, "is not the beginning: lines before it are missing");
}

TEST(Verify, Inserted) {
  std::vector<std::string> lines = trail(5);
  lines.insert(lines.begin() + 3, lines[1]);
  expect_wrong(verified(joined(lines)), 4,
               "has seq 1 where 3 was expected: lines were dropped, inserted or moved");
}

TEST(Verify, Moved) {
  std::vector<std::string> lines = trail(5);
  std::swap(lines[1], lines[3]);
  expect_wrong(verified(joined(lines)), 2,
               "has seq 3 where 1 was expected: lines were dropped, inserted or moved");
}

TEST(Verify, Torn) {
  std::string text = joined(trail(3));
  text.pop_back();
  expect_wrong(verified(text), 3, "is torn: it has no end");
}

TEST(Verify, EndCutOffIsFoundWithTheLastHash) {
  std::vector<std::string> lines = trail(5);
  const VerifyOptions options = expecting(hash(lines[4]));
  lines.pop_back();
  EXPECT_TRUE(verified(joined(lines)).ok);
  expect_wrong(verified(joined(lines), options), 4,
               "is not the last line that was expected: it was changed, or lines after it are "
               "missing");
}

TEST(Verify, APartOfATrail) {
  const std::vector<std::string> lines = trail(5);
  const std::string part = joined({lines.begin() + 2, lines.end()});
  EXPECT_TRUE(verified(part, following(hash(lines[1]))).ok);
  expect_wrong(verified(part, following(hash(lines[0]))), 1,
               "does not follow the line with the hash that was given");
}

TEST(Verify, Foreign) {
  expect_wrong(verified(""), 1, "there is no record");
  expect_wrong(verified("{}\n"), 1, "is no audit record: seq or prev is missing");
  expect_wrong(verified("{\"seq\":0.5,\"prev\":\"\"}\n"), 1,
               "is no audit record: seq or prev is missing");
  expect_wrong(verified("{\"seq\":-1,\"prev\":\"\"}\n"), 1,
               "is no audit record: seq or prev is missing");
  expect_wrong(verified("{\"seq\":0,\"prev\":\"\",\"phase\":\"opened\",\"format\":2}\n"), 1,
               "is of another format than 1");
  const Verification text = verified("hello\n");
  EXPECT_EQ(text.line, 1U);
  EXPECT_TRUE(text.problem.starts_with("is not JSON: ")) << text.problem;
  const Verification twice = verified("{\"seq\":0,\"seq\":0,\"prev\":\"\"}\n");
  EXPECT_TRUE(twice.problem.starts_with("is not JSON: ")) << twice.problem;
}

TEST(Verify, AnEndlessLineIsNotReadToItsEnd) {
  expect_wrong(verified(std::string(16U << 20U, 'x')), 1, "is torn: it has no end");
}

}  // namespace
}  // namespace mandated::audit
