// `mandated consent`: what it prints, and what it leaves in the folder.
#include "proxy/main/consent_commands.h"

#include <regex>

#include "proxy/main/receipt_files.h"
#include "tests/support/run_command.h"
#include "tests/unit/consent/fixture.h"

namespace mandated {
namespace {

using consent::Registry;
using test::Outcome;
using testing::HasSubstr;

class ConsentCommands : public testing::Test {
 protected:
  Outcome run(std::vector<std::string> words) const {
    words.insert(words.begin(), "consent");
    words.insert(words.end(), {"--folder", folder_.path()});
    return test::run_command(add_consent_commands, words);
  }

  consent::test::Folder folder_;
};

TEST_F(ConsentCommands, InviteListAndRemove) {
  const Outcome invited = run(
      {"invite", "--user", "mailto:alice@example.org", "--origin", "https://receipts.example.org"});
  ASSERT_EQ(invited.code, 0) << invited.err;
  std::smatch link;
  ASSERT_TRUE(std::regex_search(
      invited.out, link, std::regex("https://receipts.example.org/register#([0-9a-f]{32})\n")))
      << invited.out;
  EXPECT_THAT(invited.out, HasSubstr(folder_.path() + "/anchors/alice-example.org.json"));
  EXPECT_EQ(run({"list"}).out, "No passkey is registered.\n");

  Registry registry = *Registry::open(folder_.path(), identity::StateFolder::Missing::kFail);
  const consent::test::Person alice(40);
  ASSERT_TRUE(
      registry.admit(link[1].str(), alice.anchor("mailto:alice@example.org"), time_of("").value()));
  const Outcome listed = run({"list"});
  for (const std::string& words :
       {std::string("alice-example.org\n"), std::string("mailto:alice@example.org"),
        alice.authenticator.key.public_key().thumbprint(), folder_.path()})
    EXPECT_THAT(listed.out, HasSubstr(words));
  // What it wrote is what `--anchor` and a proxy's configuration read.
  EXPECT_TRUE(read_anchor_files({registry.path_of("alice-example.org")}));

  EXPECT_EQ(run({"remove", "alice-example.org"}).code, 0);
  EXPECT_EQ(run({"list"}).out, "No passkey is registered.\n");
  const Outcome again = run({"remove", "alice-example.org"});
  EXPECT_EQ(again.code, 1);
  EXPECT_THAT(again.err, HasSubstr("alice-example.org"));
}

TEST_F(ConsentCommands, ErrorsSayWhatIsWrong) {
  const std::pair<std::vector<std::string>, const char*> cases[] = {
      {{"list"}, "does not exist"},
      {{"invite", "--user", "alice"}, "is no URI"},
      {{"invite", "--user", "mailto:a@example.org", "--name", "A B"}, "is no name"},
      {{"invite", "--user", "mailto:a@example.org", "--origin", "http://127.0.0.1:8700"},
       "is no origin"},
      {{"serve", "--origin", "https://192.0.2.1"}, "is no origin"},
      {{"serve", "--address", "0.0.0.0:0"}, "is reached from other machines"},
      {{"serve", "--address", "nonsense"}, "nonsense"},
  };
  for (const auto& [words, expected] : cases) {
    const Outcome outcome = run(words);
    EXPECT_EQ(outcome.code, 1);
    EXPECT_THAT(outcome.err, HasSubstr(expected));
  }
}

}  // namespace
}  // namespace mandated
