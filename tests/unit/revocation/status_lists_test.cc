// Which receipts still stand, in virtual time: whose list counts, how long, and what is done while
// it cannot be had.
#include "filters/revocation/status_lists.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "filters/receipt/issue.h"
#include "tests/support/sim_clock.h"
#include "tests/support/sim_rng.h"

namespace mandated {
namespace {

using namespace std::chrono_literals;
using receipt::Anchor;
using receipt::AnchorSet;
using receipt::ChainPtr;
using receipt::KeyType;
using receipt::PrivateKey;
using testing::HasSubstr;

constexpr char kUri[] = "https://lists.example/alice/1";

std::string uri(const std::string& path) { return "https://lists.example/" + path; }

/// The web server of the lists, in virtual time.
class ListServer final : public fetch::Fetcher {
 public:
  explicit ListServer(Clock& clock) : clock_(clock) {}

  Task<Result<fetch::Response>> fetch(const fetch::Request& request,
                                      Clock::Time deadline) override {
    fetched.push_back({request.url, clock_.now()});
    last = request;
    ++under_way;
    most_under_way = std::max(most_under_way, under_way);
    const Clock::Time done = clock_.now() + takes;
    co_await clock_.sleep_until(std::min(done, deadline));
    --under_way;
    if (done > deadline)
      co_return fail(Code::kTimeout, Side::kUpstream, "it did not answer in time");
    if (down) co_return fail(Code::kRefused, Side::kUpstream, "nobody is there");
    const auto found = lists.find(request.url);
    if (found == lists.end()) co_return fetch::Response{404, {}, "no"};
    co_return fetch::Response{200, {}, found->second};
  }

  struct Fetched {
    std::string url;
    Clock::Time at;
  };
  std::map<std::string, std::string> lists;
  bool down = false;
  Clock::Duration takes = 10ms;
  std::vector<Fetched> fetched;
  fetch::Request last;
  int under_way = 0;
  int most_under_way = 0;

 private:
  Clock& clock_;
};

class StatusListsTest : public testing::Test {
 protected:
  StatusListsTest() {
    options_.settings.lists = {"https://lists.example/"};
    options_.anchors = anchors_;
  }
  ~StatusListsTest() override { drain(); }

  void drain() {
    gate_.drain();
    EXPECT_TRUE(clock_.run_until([&] { return gate_.active() == 0; }, 1min));
  }
  StatusLists& lists() {
    if (!lists_) {
      lists_ = std::make_unique<StatusLists>(options_, server_, clock_, rng_, gate_);
    }
    return *lists_;
  }

  static std::string status(const std::string& at, int index) {
    return R"("status":{"uri":")" + at + R"(","idx":)" + std::to_string(index) + "}";
  }
  /// A chain of which each hop says what `mandates` says: the root of `signer`, its holder and the
  /// holders below being holders_[0], holders_[1]…
  ChainPtr chain(const std::vector<std::string>& mandates, const PrivateKey& signer) const {
    std::vector<std::string> tokens;
    for (std::size_t hop = 0; hop < mandates.size(); ++hop) {
      receipt::Grant grant;
      grant.tools_json = R"({"read_file":{"path":{"constraint_type":"wildcard"}}})";
      grant.mandate_json = "{" + mandates[hop] + "}";
      grant.holder = holders_[hop].public_key();
      grant.issued_at = std::floor(start_) - 10;
      grant.expires = start_ + 86400 * 80;
      grant.depth_max = 10;
      if (hop == 0) {
        tokens.push_back(*receipt::issue_root(grant, "https://alice.example", signer));
      } else {
        const std::vector<std::string_view> parent{tokens.begin(), tokens.end()};
        tokens.push_back(*receipt::derive(parent, grant, holders_[hop - 1]));
      }
    }
    const std::vector<std::string_view> views{tokens.begin(), tokens.end()};
    return *receipt::verify_chain(views, anchors_, clock_.wall_seconds());
  }
  ChainPtr chain(int index = 0, const std::string& at = kUri) const {
    return chain({status(at, index)}, alice_);
  }

  struct Issue {
    std::vector<std::uint64_t> revoked{};
    std::optional<double> ttl = 60;
    std::optional<double> valid_for = 86400;
    double issued = 0;  // seconds from now
    std::uint8_t as = status::kInvalid;
    std::uint64_t size = 64;
  };
  void publish(const PrivateKey& key, const Issue& issue, const std::string& at = kUri) {
    status::PublishedList list{at,        std::floor(clock_.wall_seconds()) + issue.issued, {}, {},
                               issue.ttl, *status::StatusList::make(2, issue.size)};
    if (issue.valid_for) list.expires = list.issued_at + *issue.valid_for;
    for (const std::uint64_t index : issue.revoked) ASSERT_TRUE(list.list.set(index, issue.as));
    server_.lists[at] = *status::issue_status_list(list, key);
  }

  static Task<void> store(Task<receipt::Checked<void>> task,
                          std::optional<receipt::Checked<void>>& outcome) {
    outcome = co_await std::move(task);
  }
  receipt::Checked<void> check(const ChainPtr& presented) {
    std::optional<receipt::Checked<void>> outcome;
    gate_.spawn(store(lists().check(*presented), outcome));
    EXPECT_TRUE(clock_.run_until([&] { return outcome.has_value(); }, 10s));
    return *outcome;
  }
  /// "stands", or the code.
  std::string standing(const ChainPtr& presented) {
    const auto checked = check(presented);
    return checked ? "stands" : std::string(receipt::to_string(checked.error().code));
  }
  std::string sentence(const ChainPtr& presented) {
    const auto checked = check(presented);
    return checked ? "stands" : checked.error().sentence;
  }
  std::size_t fetches() const { return server_.fetched.size(); }

  boost::asio::io_context io_{1};
  test::SimClock clock_{io_};
  const double start_ = clock_.wall_seconds();
  test::SimRng rng_{1};
  Gate gate_{clock_.executor()};
  ListServer server_{clock_};
  PrivateKey alice_ = PrivateKey::generate(KeyType::kEd25519);
  PrivateKey bob_ = PrivateKey::generate(KeyType::kP256);
  PrivateKey operator_ = PrivateKey::generate(KeyType::kEd25519);
  std::vector<PrivateKey> holders_{PrivateKey::generate(KeyType::kEd25519),
                                   PrivateKey::generate(KeyType::kP256),
                                   PrivateKey::generate(KeyType::kEd25519)};
  AnchorSet anchors_{{Anchor{"alice", alice_.public_key(), std::nullopt},
                      Anchor{"bob", bob_.public_key(), std::nullopt}}};
  StatusOptions options_;
  std::unique_ptr<StatusLists> lists_;
};

// --- what an entry says

TEST_F(StatusListsTest, AReceiptStandsUntilItsEntrySaysOtherwise) {
  publish(alice_, {.revoked = {7}});
  EXPECT_EQ(standing(chain(6)), "stands");
  EXPECT_EQ(standing(chain(7)), "revoked");
  EXPECT_EQ(standing(chain(63)), "stands");
  EXPECT_EQ(standing(chain(64)), "status_unknown") << "no such entry";
  EXPECT_EQ(fetches(), 1U);
}

TEST_F(StatusListsTest, ASuspendedReceiptDoesNotStand) {
  publish(alice_, {.revoked = {7}, .as = status::kSuspended});
  EXPECT_EQ(standing(chain(7)), "revoked");
  EXPECT_THAT(sentence(chain(7)), HasSubstr("suspended"));
}

TEST_F(StatusListsTest, AChainWithoutListsAsksNobody) {
  EXPECT_EQ(first_status_hop(*chain({""}, alice_)), std::nullopt);
  EXPECT_EQ(first_status_hop(*chain({"", status(kUri, 1)}, alice_)), 1U);
  EXPECT_EQ(standing(chain({"", ""}, alice_)), "stands");
  EXPECT_EQ(fetches(), 0U);
}

TEST_F(StatusListsTest, EveryHopCountsAndIsNamed) {
  publish(alice_, {.revoked = {1}}, uri("root"));
  publish(holders_[0], {.revoked = {2}}, uri("child"));
  const auto outcome = [&](int root, int child) {
    const auto checked =
        check(chain({status(uri("root"), root), "", status(uri("child"), child)}, alice_));
    return checked ? -1 : checked.error().hop;
  };
  // The third hop's list would have to be signed by the second's holder.
  EXPECT_EQ(outcome(0, 0), 2);
  publish(holders_[1], {.revoked = {2}}, uri("child"));
  clock_.advance(1min);
  EXPECT_EQ(outcome(0, 0), -1);
  EXPECT_EQ(outcome(1, 0), 0);
  EXPECT_EQ(outcome(0, 2), 2);
}

// --- whose list it must be

// The attack: Bob's key is trusted, too. He puts a list where Alice's is, in which everything is
// well.
TEST_F(StatusListsTest, AnotherAnchorsListClearsNothing) {
  publish(alice_, {.revoked = {7}});
  EXPECT_EQ(standing(chain(7)), "revoked");
  publish(bob_, {.issued = 1});
  for (int minute = 0; minute < 10; ++minute) {
    EXPECT_EQ(standing(chain(7)), "revoked") << minute;
    clock_.advance(1min);
  }
  clock_.advance(2min);  // beyond Alice's ttl and the grace
  EXPECT_EQ(standing(chain(7)), "status_unknown");
  EXPECT_EQ(standing(chain(6)), "status_unknown");
  EXPECT_THAT(sentence(chain(6)), HasSubstr("is not signed by who signed the receipt"));
  EXPECT_EQ(standing(chain({status(kUri, 7)}, bob_)), "stands") << "of his own it speaks";
}

TEST_F(StatusListsTest, AnotherAnchorsListIsNoneFromTheBeginning) {
  publish(bob_, {});
  EXPECT_EQ(standing(chain(7)), "status_unknown");
  EXPECT_EQ(standing(chain({status(kUri, 7)}, bob_)), "stands");
  EXPECT_EQ(standing(chain(7)), "status_unknown");
  EXPECT_EQ(fetches(), 1U) << "who asks in vain starts no fetch";
}

TEST_F(StatusListsTest, AnUntrustedKeysListIsNone) {
  publish(operator_, {});
  EXPECT_EQ(standing(chain(7)), "status_unknown");
  EXPECT_THAT(sentence(chain(7)), HasSubstr("None of the trusted keys has signed"));
}

// A child's list is its parent's holder's: neither the root's signer nor the child itself can say
// that it stands.
TEST_F(StatusListsTest, AChildsListIsItsSigners) {
  const ChainPtr presented = chain({"", status(kUri, 0)}, alice_);
  publish(alice_, {});
  EXPECT_EQ(standing(presented), "status_unknown") << "the root's signer";
  publish(holders_[1], {}, uri("b"));
  EXPECT_EQ(standing(chain({"", status(uri("b"), 0)}, alice_)), "status_unknown") << "itself";
  publish(holders_[0], {}, uri("c"));
  EXPECT_EQ(standing(chain({"", status(uri("c"), 0)}, alice_)), "stands");
}

TEST_F(StatusListsTest, ANamedIssuerSpeaksForEverybody) {
  options_.issuers = AnchorSet({Anchor{{}, operator_.public_key(), std::nullopt}});
  publish(operator_, {.revoked = {3, 4, 5}});
  EXPECT_EQ(standing(chain({status(kUri, 1), status(kUri, 2)}, alice_)), "stands");
  EXPECT_EQ(standing(chain({status(kUri, 1), status(kUri, 3)}, bob_)), "revoked");
  EXPECT_EQ(standing(chain(4)), "revoked");
  EXPECT_EQ(fetches(), 1U);
}

TEST_F(StatusListsTest, OfTwoListsThatCountTheLaterOneDoes) {
  options_.issuers = AnchorSet({Anchor{{}, operator_.public_key(), std::nullopt}});
  publish(alice_, {.revoked = {1}});
  EXPECT_EQ(standing(chain(1)), "revoked");
  clock_.advance(10s);
  publish(operator_, {.revoked = {2}});
  clock_.advance(1min);
  EXPECT_EQ(standing(chain(1)), "stands");
  EXPECT_EQ(standing(chain(2)), "revoked");
}

// Hundreds of strangers' keys in front of it do not keep the anchor's list from being known.
TEST_F(StatusListsTest, WhoAsksInVainDoesNotCrowdOutTheIssuer) {
  publish(alice_, {.revoked = {7}});
  for (int i = 0; i < 40; ++i) {
    holders_[0] = PrivateKey::generate(KeyType::kEd25519);
    EXPECT_EQ(standing(chain({"", status(kUri, 0)}, bob_)), "status_unknown");
  }
  EXPECT_EQ(standing(chain(7)), "revoked");
  EXPECT_EQ(standing(chain(6)), "stands");
  EXPECT_EQ(fetches(), 1U);
}

// --- what is fetched at all

TEST_F(StatusListsTest, OnlyWhatIsUnderItsPlacesIsFetched) {
  options_.settings.lists = {"https://lists.example/a/", "https://lists.example/b",
                             "https://other.example"};
  const std::vector<std::pair<std::string, bool>> table = {
      {"https://lists.example/a/1", true},
      {"https://lists.example/a/1/2?x=y", true},
      {"https://lists.example/b", true},
      {"https://lists.example/b/1", true},
      {"https://other.example/", true},
      {"https://other.example/x/y", true},
      {"https://lists.example/a", false},
      {"https://lists.example/", false},
      {"https://lists.example/ab", false},
      {"https://lists.example/bc", false},
      {"https://lists.example/b?x", false},
      {"https://lists.example/a/../c", false},
      {"https://lists.example/a/%2e%2e/c", false},
      {"https://lists.example/a/..%2fc", false},
      {"https://lists.example/a/1#x", false},
      {"https://lists.example:8443/a/1", false},
      {"https://lists.example@evil.example/a/1", false},
      {"https://other.example.evil.example/", false},
      {"https://other.example:443@evil.example/", false},
      {"https://other.exampleevil/", false},
      {"https://127.0.0.1/a/1", false},
      {"https://169.254.169.254/latest/meta-data", false},
  };
  for (const auto& [at, taken] : table) {
    const std::size_t before = fetches();
    EXPECT_EQ(standing(chain(0, at)), "status_unknown");
    EXPECT_EQ(fetches() - before, taken ? 1 : 0) << at;
    if (!taken) {
      EXPECT_THAT(sentence(chain(0, at)), HasSubstr("at none of the places")) << at;
    }
  }
}

TEST_F(StatusListsTest, AsksForAListOfBoundedSize) {
  publish(alice_, {});
  EXPECT_EQ(standing(chain()), "stands");
  ASSERT_EQ(fetches(), 1U);
  EXPECT_EQ(server_.last.method, "GET");
  EXPECT_EQ(server_.last.url, kUri);
  EXPECT_EQ(server_.last.accept, "application/statuslist+jwt");
  EXPECT_EQ(server_.last.answer_bytes_max, 4U << 20U);
}

TEST_F(StatusListsTest, WhatIsNoGoodListIsNone) {
  const auto why = [&](const std::string& served) {
    server_.lists[kUri] = served;
    clock_.advance(1min);  // beyond the back-off
    return sentence(chain());
  };
  publish(alice_, {}, uri("other"));
  const std::string other = server_.lists[uri("other")];
  publish(alice_, {});
  const std::string good = server_.lists[kUri];
  EXPECT_THAT(sentence(chain(0, uri("nothing"))), HasSubstr("the server answers 404"));
  EXPECT_THAT(why(""), HasSubstr("cannot be had"));
  EXPECT_THAT(why("<html>"), HasSubstr("cannot be had"));
  EXPECT_THAT(why(good + "\n"), HasSubstr("cannot be had"));
  EXPECT_THAT(why(other), HasSubstr("The status list is that of"));
  publish(alice_, {.issued = 3600});
  EXPECT_THAT(why(server_.lists[kUri]), HasSubstr("not valid before"));
  publish(alice_, {.valid_for = 10, .issued = -100});
  EXPECT_THAT(why(server_.lists[kUri]), HasSubstr("expired"));
  EXPECT_EQ(why(good), "stands");
}

// --- how long it counts

TEST_F(StatusListsTest, ItIsFetchedAgainBeforeItsTimeIsOver) {
  publish(alice_, {.ttl = 60});
  EXPECT_EQ(standing(chain(7)), "stands");
  for (int time = 1; time <= 20; ++time) {
    const std::size_t before = fetches();
    clock_.run_until([&] { return fetches() > before; }, 5min);
    const Clock::Duration apart = server_.fetched[before].at - server_.fetched[before - 1].at;
    EXPECT_GE(apart, 40s);
    EXPECT_LE(apart, 55s);
    standing(chain());
  }
  publish(alice_, {.revoked = {7}});
  clock_.advance(60s);
  const std::size_t before = fetches();
  EXPECT_EQ(standing(chain(7)), "revoked") << "within its ttl";
  EXPECT_EQ(fetches(), before) << "and no call waited for it";
}

TEST_F(StatusListsTest, ItsTtlIsBounded) {
  const auto interval = [&](std::optional<double> ttl, const std::string& at) {
    publish(alice_, {.ttl = ttl}, at);
    EXPECT_EQ(standing(chain(0, at)), "stands");
    const std::size_t before = fetches();
    clock_.run_until([&] { return fetches() > before; }, 1h);
    const Clock::Duration apart = server_.fetched[before].at - server_.fetched[before - 1].at;
    EXPECT_EQ(server_.fetched[before].url, at);
    clock_.advance(2h);  // so that nobody asks for this one any more
    return apart;
  };
  EXPECT_GE(interval(0.001, uri("1")), 6750ms);
  EXPECT_LE(interval(0.001, uri("2")), 10s);
  EXPECT_GE(interval(1e12, uri("3")), 10min);
  EXPECT_LE(interval(1e12, uri("4")), 15min);
  EXPECT_GE(interval(std::nullopt, uri("5")), 10min);
  EXPECT_LE(interval(std::nullopt, uri("6")), 15min);
}

TEST_F(StatusListsTest, ProxiesThatBeganTogetherPart) {
  publish(alice_, {.ttl = 60});
  test::SimRng other_rng(2);
  StatusLists other(options_, server_, clock_, other_rng, gate_);
  std::optional<receipt::Checked<void>> outcome;
  const ChainPtr presented = chain();
  gate_.spawn(store(other.check(*presented), outcome));
  EXPECT_EQ(standing(presented), "stands");
  ASSERT_EQ(fetches(), 2U);
  clock_.run_until([&] { return fetches() == 4; }, 5min);
  EXPECT_NE(server_.fetched[2].at, server_.fetched[3].at);
  drain();
}

TEST_F(StatusListsTest, WhileTheServerIsDownItCountsForTtlAndGrace) {
  publish(alice_, {.revoked = {7}, .ttl = 60});
  EXPECT_EQ(standing(chain()), "stands");
  server_.down = true;
  clock_.advance(60s + 10min - 1s);
  EXPECT_EQ(standing(chain()), "stands");
  EXPECT_EQ(standing(chain(7)), "revoked");
  clock_.advance(2s);
  EXPECT_EQ(standing(chain()), "status_unknown");
  EXPECT_THAT(sentence(chain()), HasSubstr("nobody is there"));
  EXPECT_EQ(standing(chain(7)), "status_unknown");
  server_.down = false;
  clock_.advance(30s);  // the back-off
  EXPECT_EQ(standing(chain()), "stands");
  EXPECT_EQ(standing(chain(7)), "revoked");
}

TEST_F(StatusListsTest, NeitherTtlNorGraceGoesBeyondItsExpiry) {
  publish(alice_, {.ttl = 60, .valid_for = 100});
  EXPECT_EQ(standing(chain()), "stands");
  clock_.advance(98s);
  EXPECT_EQ(standing(chain()), "stands");
  clock_.advance(2s);
  EXPECT_EQ(standing(chain()), "status_unknown");
  publish(alice_, {});
  clock_.advance(30s);
  EXPECT_EQ(standing(chain()), "stands");
}

TEST_F(StatusListsTest, WallTimeThatJumpsEndsItToo) {
  publish(alice_, {.valid_for = 3600});
  EXPECT_EQ(standing(chain()), "stands");
  clock_.jump_wall(2h);
  EXPECT_EQ(standing(chain()), "status_unknown");
}

TEST_F(StatusListsTest, WithoutExpiryItHasAGreatestAge) {
  publish(alice_, {.valid_for = std::nullopt, .issued = -86400 + 60});
  EXPECT_EQ(standing(chain()), "stands");
  clock_.advance(61s);
  EXPECT_EQ(standing(chain()), "status_unknown");
  EXPECT_THAT(sentence(chain()), HasSubstr("it is too old"));
}

TEST_F(StatusListsTest, ItDoesNotGoBackwards) {
  publish(alice_, {.ttl = 60, .issued = -30});
  const std::string old = server_.lists[kUri];
  publish(alice_, {.revoked = {7}, .ttl = 60});
  EXPECT_EQ(standing(chain(7)), "revoked");
  server_.lists[kUri] = old;
  clock_.advance(60s + 10min - 1s);
  EXPECT_EQ(standing(chain(7)), "revoked");
  clock_.advance(2s);
  EXPECT_EQ(standing(chain(7)), "status_unknown");
  EXPECT_THAT(sentence(chain(7)), HasSubstr("older than the one that was there before"));
  publish(alice_, {.revoked = {7}});
  clock_.advance(30s);
  EXPECT_EQ(standing(chain(6)), "stands");
}

// Two revocations within a second have one time of issue.
TEST_F(StatusListsTest, AnotherListOfTheSameTimeIsTaken) {
  publish(alice_, {.ttl = 60, .issued = 5});
  EXPECT_EQ(standing(chain(7)), "stands");
  publish(alice_, {.revoked = {7}, .ttl = 60, .issued = 5});
  clock_.advance(60s);
  EXPECT_EQ(standing(chain(7)), "revoked");
}

// --- how often, and how much

TEST_F(StatusListsTest, CallsAtOnceShareOneFetch) {
  publish(alice_, {});
  server_.takes = 3s;
  const ChainPtr presented = chain();
  std::vector<std::optional<receipt::Checked<void>>> outcomes(100);
  for (auto& outcome : outcomes) gate_.spawn(store(lists().check(*presented), outcome));
  clock_.run_ready();
  EXPECT_FALSE(outcomes[0].has_value()) << "it waits for the first";
  clock_.advance(3s);
  for (const auto& outcome : outcomes) {
    ASSERT_TRUE(outcome.has_value());
    EXPECT_TRUE(*outcome);
  }
  EXPECT_EQ(fetches(), 1U);
}

TEST_F(StatusListsTest, ACallWaitsForTheFirstFetchAndNoLonger) {
  publish(alice_, {}, uri("0"));
  publish(holders_[0], {}, uri("1"));
  publish(holders_[1], {}, uri("2"));
  server_.takes = 1h;
  const ChainPtr presented =
      chain({status(uri("0"), 0), status(uri("1"), 0), status(uri("2"), 0)}, alice_);
  const Clock::Time before = clock_.now();
  EXPECT_EQ(standing(presented), "status_unknown");
  EXPECT_EQ(clock_.now() - before, 5s);
  EXPECT_THAT(sentence(presented), HasSubstr("did not answer in time"));
  EXPECT_EQ(clock_.now() - before, 5s) << "it was tried a moment ago";
  server_.takes = 10ms;
  clock_.advance(5s);
  const Clock::Time again = clock_.now();
  EXPECT_EQ(standing(presented), "stands");
  EXPECT_EQ(clock_.now() - again, 10ms) << "those of all hops at once";
}

TEST_F(StatusListsTest, AServerThatIsDownIsNotFlooded) {
  server_.down = true;
  for (int second = 0; second < 600; ++second) {
    EXPECT_EQ(standing(chain()), "status_unknown");
    clock_.advance(1s);
  }
  EXPECT_LE(fetches(), 50U);
  EXPECT_GE(fetches(), 20U);
  EXPECT_EQ(lists().counters().failed, fetches());
}

TEST_F(StatusListsTest, FewListsAreFetchedAtOnce) {
  server_.takes = 1s;
  std::vector<ChainPtr> chains;
  std::vector<std::optional<receipt::Checked<void>>> outcomes(40);
  for (int i = 0; i < 40; ++i) {
    publish(alice_, {}, uri(std::to_string(i)));
    chains.push_back(chain(0, uri(std::to_string(i))));
    gate_.spawn(store(lists().check(*chains.back()), outcomes[static_cast<std::size_t>(i)]));
  }
  clock_.advance(5s);
  EXPECT_EQ(server_.most_under_way, 8);
  for (const auto& outcome : outcomes) {
    ASSERT_TRUE(outcome.has_value());
    EXPECT_TRUE(*outcome);
  }
}

// Whoever may delegate can name new lists as fast as it can call.
TEST_F(StatusListsTest, ListsThatAreHeldComeBeforeNewOnes) {
  options_.settings.grace = 0s;
  publish(alice_, {});
  ASSERT_TRUE(check(chain()));
  server_.takes = 1s;
  clock_.advance(36s);
  for (int second = 36; second < 62; ++second) {
    for (int each = 0; each < 20; ++each) {
      lists().want(*chain(0, uri("new/" + std::to_string(second * 20 + each))));
    }
    clock_.advance(1s);
  }
  const auto again = std::count_if(server_.fetched.begin(), server_.fetched.end(),
                                   [](const auto& fetched) { return fetched.url == kUri; });
  EXPECT_EQ(again, 2);
  EXPECT_EQ(server_.most_under_way, 8);
  const Clock::Time now = clock_.now();
  EXPECT_TRUE(check(chain()));
  EXPECT_EQ(clock_.now(), now) << "it was there";
}

TEST_F(StatusListsTest, WhoGetsNoTurnInTimeIsToldSo) {
  server_.takes = 1h;
  std::vector<ChainPtr> chains;
  std::vector<std::optional<receipt::Checked<void>>> outcomes(9);
  for (int i = 0; i < 9; ++i) {
    chains.push_back(chain(0, uri(std::to_string(i))));
    gate_.spawn(store(lists().check(*chains.back()), outcomes[static_cast<std::size_t>(i)]));
  }
  clock_.advance(5s);
  ASSERT_TRUE(outcomes[8].has_value());
  ASSERT_FALSE(*outcomes[8]);
  EXPECT_EQ(outcomes[8]->error().code, receipt::Code::kStatusUnknown);
  EXPECT_EQ(fetches(), 8U);
}

TEST_F(StatusListsTest, ListsThatNobodyAsksForAreGivenUp) {
  publish(alice_, {.ttl = 60});
  EXPECT_EQ(standing(chain()), "stands");
  EXPECT_EQ(lists().counters().lists, 1U);
  clock_.advance(1h);
  EXPECT_EQ(lists().counters().lists, 0U);
  const std::size_t before = fetches();
  EXPECT_LE(before, 50U);
  clock_.advance(10h);
  EXPECT_EQ(fetches(), before);
  EXPECT_EQ(standing(chain()), "stands") << "asked for again";
}

// The memory of what was newest outlives the list.
TEST_F(StatusListsTest, AListThatWasGivenUpDoesNotGoBackwardsEither) {
  publish(alice_, {.issued = -30});
  const std::string old = server_.lists[kUri];
  publish(alice_, {.revoked = {7}});
  EXPECT_EQ(standing(chain(7)), "revoked");
  clock_.advance(2h);
  server_.lists[kUri] = old;
  EXPECT_EQ(standing(chain(7)), "status_unknown");
}

TEST_F(StatusListsTest, OnlySoManyListsAreKept) {
  options_.settings.lists_max = 3;
  for (int i = 0; i < 4; ++i) publish(alice_, {}, uri(std::to_string(i)));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(standing(chain(0, uri(std::to_string(i)))), "stands");
  EXPECT_THAT(sentence(chain(0, uri("3"))), HasSubstr("more lists than this proxy keeps"));
  EXPECT_EQ(standing(chain(0, uri("0"))), "stands");
}

TEST_F(StatusListsTest, PlacesWithoutAListMakeRoom) {
  options_.settings.lists_max = 3;
  publish(alice_, {}, uri("good"));
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(standing(chain(0, uri(std::to_string(i)))), "status_unknown");
  }
  EXPECT_EQ(standing(chain(0, uri("good"))), "stands");
}

TEST_F(StatusListsTest, OnlySoManyBytesAreKept) {
  options_.settings.bytes_max = 1000;
  publish(alice_, {.size = 3600}, uri("1"));  // 900 bytes
  publish(alice_, {.size = 800}, uri("2"));   // 200
  EXPECT_EQ(standing(chain(0, uri("1"))), "stands");
  EXPECT_THAT(sentence(chain(0, uri("2"))), HasSubstr("larger than this proxy keeps"));
  // A list takes its own place.
  publish(alice_, {.revoked = {1}, .size = 3600}, uri("1"));
  clock_.advance(1min);
  EXPECT_EQ(standing(chain(1, uri("1"))), "revoked");
  clock_.advance(2h);  // given up
  EXPECT_EQ(standing(chain(0, uri("2"))), "stands");
}

TEST_F(StatusListsTest, CountsWhatItHolds) {
  publish(alice_, {.ttl = 60}, uri("1"));
  publish(alice_, {.ttl = 60}, uri("2"));
  EXPECT_EQ(standing(chain(0, uri("1"))), "stands");
  clock_.advance(5s);
  EXPECT_EQ(standing(chain(0, uri("2"))), "stands");
  const StatusLists::Counters counters = lists().counters();
  EXPECT_EQ(counters.lists, 2U);
  EXPECT_EQ(counters.fetched, 2U);
  EXPECT_EQ(counters.failed, 0U);
  EXPECT_NEAR(counters.oldest_age, 5, 0.1);
  server_.down = true;
  clock_.advance(5min);
  EXPECT_GT(lists().counters().oldest_age, 240);
  EXPECT_GT(lists().counters().failed, 2U);
}

TEST_F(StatusListsTest, ADrainEndsTheWaiting) {
  publish(alice_, {});
  EXPECT_EQ(standing(chain()), "stands");
  drain();
  const std::size_t before = fetches();
  EXPECT_EQ(standing(chain(0, uri("2"))), "status_unknown");
  EXPECT_EQ(fetches(), before);
}

// --- threads

/// Serves one list, from any thread.
class PlainServer final : public fetch::Fetcher {
 public:
  explicit PlainServer(std::string token) : token_(std::move(token)) {}
  Task<Result<fetch::Response>> fetch(const fetch::Request&, Clock::Time) override {
    co_return fetch::Response{200, {}, token_};
  }

 private:
  std::string token_;
};

Task<void> check_often(StatusLists& lists, ChainPtr presented, int& stood) {
  for (int i = 0; i < 2000; ++i) {
    if (co_await lists.check(*presented)) ++stood;
  }
}

// Workers ask on their threads while the list is fetched and replaced on another.
TEST_F(StatusListsTest, IsSafeFromAnyThread) {
  publish(alice_, {});
  PlainServer server(server_.lists[kUri]);
  options_.settings.ttl_min = 1ms;
  options_.settings.ttl_max = 1ms;
  boost::asio::io_context home{1};
  auto guard = boost::asio::make_work_guard(home);
  boost::asio::io_context measure;
  const RealClock now(measure);
  const auto ahead = std::chrono::duration_cast<std::chrono::seconds>(clock_.wall() - now.wall());
  RealClock clock(home, ahead);
  SystemRng rng;
  Gate gate(clock.executor());
  StatusLists lists(options_, server, clock, rng, gate);
  const ChainPtr presented = chain();
  std::thread home_thread([&] { home.run(); });
  std::vector<int> stood(3);
  std::vector<std::thread> workers;
  for (int& count : stood) {
    workers.emplace_back([&] {
      boost::asio::io_context context{1};
      Gate own(context.get_executor());
      own.spawn(check_often(lists, presented, count));
      context.run();
    });
  }
  for (std::thread& worker : workers) worker.join();
  boost::asio::post(home, [&] { gate.drain(); });
  guard.reset();
  home_thread.join();
  EXPECT_EQ(gate.active(), 0U);
  for (const int count : stood) EXPECT_EQ(count, 2000);
  EXPECT_GE(lists.counters().fetched, 1U);
}

}  // namespace
}  // namespace mandated
