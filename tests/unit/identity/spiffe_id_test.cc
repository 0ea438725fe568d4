#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "proxy/identity/identity.h"

namespace mandated::identity {
namespace {

using testing::HasSubstr;

TEST(SpiffeId, ParsesItsParts) {
  struct Case {
    std::string text, trust_domain, path;
  };
  const std::string longest = "spiffe://td/" + std::string(2048 - 12, 'a');
  const Case cases[] = {
      {"spiffe://example.org/ns/prod/sa/agent", "example.org", "/ns/prod/sa/agent"},
      {"spiffe://example.org", "example.org", ""},
      {"spiffe://a/B", "a", "/B"},
      {"spiffe://1.2.3.4/a", "1.2.3.4", "/a"},
      {"spiffe://under_score-dash.dot/Az0._-", "under_score-dash.dot", "/Az0._-"},
      {"spiffe://td/...", "td", "/..."},
      {"spiffe://td/.a/..b", "td", "/.a/..b"},
      {"spiffe://" + std::string(255, 'd') + "/a", std::string(255, 'd'), "/a"},
      {longest, "td", longest.substr(11)},
  };
  for (const Case& wanted : cases) {
    SCOPED_TRACE(wanted.text);
    const Result<SpiffeId> id = SpiffeId::parse(wanted.text);
    ASSERT_TRUE(id) << id.error().text;
    EXPECT_EQ(id->text(), wanted.text);
    EXPECT_EQ(id->trust_domain(), wanted.trust_domain);
    EXPECT_EQ(id->path(), wanted.path);
  }
}

TEST(SpiffeId, RefusesAllElse) {
  const std::pair<std::string, std::string> cases[] = {
      {"", "spiffe://"},
      {"spiffe:/td/a", "spiffe://"},
      {"SPIFFE://td/a", "spiffe://"},
      {"https://td/a", "spiffe://"},
      {" spiffe://td/a", "spiffe://"},
      {"spiffe://", "trust domain is empty"},
      {"spiffe:///a", "trust domain is empty"},
      {"spiffe://TD/a", "trust domain has"},
      {"spiffe://user@td/a", "trust domain has"},
      {"spiffe://td:80/a", "trust domain has"},
      {"spiffe://t\xc3\xa4/a", "trust domain has"},
      {"spiffe://td?q", "trust domain has"},
      {"spiffe://*/a", "trust domain has"},
      {std::string("spiffe://td\0/a", 14), "trust domain has"},
      {"spiffe://" + std::string(256, 'd') + "/a", "255"},
      {"spiffe://td/", "ends in a slash"},
      {"spiffe://td/a/", "ends in a slash"},
      {"spiffe://td//a", "empty segment"},
      {"spiffe://td/a//b", "empty segment"},
      {"spiffe://td/./a", "dot segment"},
      {"spiffe://td/a/..", "dot segment"},
      {"spiffe://td/%61", "path has a character"},
      {"spiffe://td/a?b", "path has a character"},
      {"spiffe://td/a#b", "path has a character"},
      {"spiffe://td/a b", "path has a character"},
      {"spiffe://td/a*", "path has a character"},
      {std::string("spiffe://td/a\0b", 15), "path has a character"},
      {"spiffe://td/" + std::string(2048 - 11, 'a'), "2048"},
  };
  for (const auto& [text, reason] : cases) {
    SCOPED_TRACE(text);
    const Result<SpiffeId> id = SpiffeId::parse(text);
    ASSERT_FALSE(id);
    EXPECT_EQ(id.error().code, Code::kMalformed);
    EXPECT_THAT(id.error().text, HasSubstr(reason));
  }
}

TEST(SpiffeId, EmptyOneHasNoParts) {
  const SpiffeId none;
  EXPECT_EQ(none.trust_domain(), "");
  EXPECT_EQ(none.path(), "");
}

TEST(SpiffeIdPattern, Matches) {
  struct Case {
    std::string pattern, id;
    bool matches;
  };
  const Case cases[] = {
      {"spiffe://td/a", "spiffe://td/a", true},
      {"spiffe://td/a", "spiffe://td/b", false},
      {"spiffe://td/a", "spiffe://td/A", false},
      {"spiffe://td/a", "spiffe://td/a/b", false},
      {"spiffe://td/a/b", "spiffe://td/a", false},
      {"spiffe://td/a", "spiffe://other/a", false},
      {"spiffe://td", "spiffe://td", true},
      {"spiffe://td", "spiffe://td/a", false},
      {"spiffe://td/*", "spiffe://td/a", true},
      {"spiffe://td/*", "spiffe://td", false},
      {"spiffe://td/*", "spiffe://td/a/b", false},
      {"spiffe://td/ns/*/sa/x", "spiffe://td/ns/prod/sa/x", true},
      {"spiffe://td/ns/*/sa/x", "spiffe://td/ns/prod/sa/y", false},
      {"spiffe://td/ns/*/sa/x", "spiffe://td/ns/a/b/sa/x", false},
      {"spiffe://td/ns/*/sa/x", "spiffe://td/ns//sa/x", false},
      {"spiffe://td/ns/**", "spiffe://td/ns/a", true},
      {"spiffe://td/ns/**", "spiffe://td/ns/a/b/c", true},
      {"spiffe://td/ns/**", "spiffe://td/ns", false},
      {"spiffe://td/ns/**", "spiffe://td/nsx/a", false},
      {"spiffe://td/**", "spiffe://td/a", true},
      {"spiffe://td/**", "spiffe://td", false},
      {"spiffe://td/**", "spiffe://tdx/a", false},
      {"spiffe://td/**/x", "spiffe://td/a/x", false},
      {"spiffe://td/a*", "spiffe://td/ab", false},
      {"spiffe://td/*/**", "spiffe://td/a/b/c", true},
      {"spiffe://td/*/**", "spiffe://td/a", false},
      {"spiffe://*/a", "spiffe://td/a", false},
      {"spiffe://**", "spiffe://td/a", false},
      {"**", "spiffe://td/a", false},
      {"*", "spiffe://td/a", false},
      {"", "spiffe://td/a", false},
      {"", "", false},
      {"spiffe://td/a", "", false},
      {"spiffe://", "spiffe://", false},
      {"spiffe://td/a/", "spiffe://td/a", false},
      {"spiffe://td/a", "spiffe://td/a/", false},
      {"spiffe://td/*/", "spiffe://td/a", false},
      {"https://td/a", "https://td/a", false},
      {"wimse://td/a", "wimse://td/a", true},
      {"wimse://td/*", "wimse://td/a", true},
      {"wimse://td/a", "spiffe://td/a", false},
      {"spiffe://td/a", "wimse://td/a", false},
      {"spiffe://td/**", "wimse://td/a", false},
      {"wimse://*/a", "wimse://td/a", false},
  };
  for (const Case& wanted : cases) {
    EXPECT_EQ(spiffe_id_matches(wanted.pattern, wanted.id), wanted.matches)
        << wanted.pattern << " over " << wanted.id;
  }
}

}  // namespace
}  // namespace mandated::identity
