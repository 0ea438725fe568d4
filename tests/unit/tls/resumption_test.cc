// Which sessions are resumed, and which are not: an identity, its peer's, bundles and rules are
// those of the moment, whatever a ticket says.
#include "proxy/tls/resumption.h"

#include "tests/unit/tls/tls_fixture.h"

namespace mandated::tls {
namespace {

using identity::SnapshotPtr;

class ResumptionTest : public TlsFixture {
 protected:
  void SetUp() override {
    server_options_.tickets = make_ticket_secret();
    client_options_.sessions = make_session_cache();
  }

  SnapshotPtr now(std::string_view path, std::chrono::seconds life = 5min) {
    return ca_.snapshot(ca_.svid_at(path, clock_.wall(), life), ca_.bundles());
  }

  struct Met {
    TlsStreamPtr client;
    TlsStreamPtr server;
    bool resumed() const { return client->resumed() && server->resumed(); }
  };
  /// A connection over which the server has said something, so that its ticket came with it.
  Met meet(const SnapshotPtr& client, const SnapshotPtr& server) {
    auto [near, far] = shake_hands(client_context(client, client_options_),
                                   server_context(server, server_options_));
    EXPECT_TRUE(near) << near.error().text;
    EXPECT_TRUE(far) << far.error().text;
    Met met{std::move(*near), std::move(*far)};
    EXPECT_EQ(met.client->resumed(), met.server->resumed());
    expect_both_ways(*met.client, *met.server);
    return met;
  }
  bool resumes(const SnapshotPtr& client, const SnapshotPtr& server) {
    return meet(client, server).resumed();
  }
  Options server_options_;
  Options client_options_;
};

TEST_F(ResumptionTest, AnIdentityMeetsItsPeerAgain) {
  const SnapshotPtr client = now("/client");
  const SnapshotPtr server = now("/server");
  const Met first = meet(client, server);
  EXPECT_FALSE(first.resumed());
  for (int i = 0; i < 3; ++i) {  // each brings the ticket for the next
    const Met again = meet(client, server);
    ASSERT_TRUE(again.resumed()) << i;
    EXPECT_EQ(again.client->peer().spiffe_id, "spiffe://test.example/server");
    EXPECT_EQ(again.server->peer().spiffe_id, "spiffe://test.example/client");
    EXPECT_EQ(again.server->peer().proof, identity::PeerIdentity::Proof::kX509Svid);
    EXPECT_EQ(again.server->alpn(), "h2");
    EXPECT_EQ(again.server->peer_expires(), first.server->peer_expires());
    EXPECT_EQ(again.client->peer_expires(), first.client->peer_expires());
  }
}

TEST_F(ResumptionTest, WorksAcrossRotations) {
  const Met first = meet(now("/client"), now("/server"));
  for (int rotation = 0; rotation < 4; ++rotation) {
    clock_.advance(1min);
    const Met again = meet(now("/client"), now("/server"));
    ASSERT_TRUE(again.resumed()) << rotation;
    // What was proven is the SVIDs of the start, so their end is this session's.
    EXPECT_EQ(again.server->peer_expires(), first.server->peer_expires());
    EXPECT_EQ(again.client->own_expires(), first.client->own_expires());
    EXPECT_EQ(again.client->peer_expires(), first.client->peer_expires());
    EXPECT_EQ(again.server->own_expires(), first.server->own_expires());
  }
  clock_.advance(1min);  // the fifth: they have ended
  const Met anew = meet(now("/client"), now("/server"));
  EXPECT_FALSE(anew.resumed());
  EXPECT_EQ(anew.server->peer_expires(), clock_.wall() + 5min);
  EXPECT_TRUE(resumes(now("/client"), now("/server")));
}

TEST_F(ResumptionTest, AnotherServersIdentityOpensNoTicket) {
  meet(now("/client"), now("/server"));
  const Met met = meet(now("/client"), now("/other"));
  EXPECT_FALSE(met.resumed());
  EXPECT_EQ(met.client->peer().spiffe_id, "spiffe://test.example/other");
}

TEST_F(ResumptionTest, AnotherClientsIdentityOffersNone) {
  meet(now("/client"), now("/server"));
  const Met met = meet(now("/other"), now("/server"));
  EXPECT_FALSE(met.resumed());
  EXPECT_EQ(met.server->peer().spiffe_id, "spiffe://test.example/other");
  // Nor does the first one find again what it had before it was another.
  meet(now("/other"), now("/server"));
  EXPECT_FALSE(resumes(now("/client"), now("/server")));
}

TEST_F(ResumptionTest, AnotherProcessOpensNoTicket) {
  meet(now("/client"), now("/server"));
  server_options_.tickets = make_ticket_secret();
  EXPECT_FALSE(resumes(now("/client"), now("/server")));
}

// Ten seconds before: resumed in its last moments, a connection would end at once, and so would the
// next.
TEST_F(ResumptionTest, EndsWithThePeersSvid) {
  meet(now("/client", 60s), now("/server"));
  clock_.advance(49s);
  EXPECT_TRUE(resumes(now("/client"), now("/server")));
  clock_.advance(2s);
  EXPECT_FALSE(resumes(now("/client"), now("/server")));
}

TEST_F(ResumptionTest, EndsWithTheServersSvid) {
  meet(now("/client"), now("/server", 60s));
  clock_.advance(49s);
  EXPECT_TRUE(resumes(now("/client"), now("/server")));
  clock_.advance(2s);
  EXPECT_FALSE(resumes(now("/client"), now("/server")));
}

TEST_F(ResumptionTest, AnAuthorityThatIsTrustedNoMoreVouchesForNoSession) {
  const SnapshotPtr client = now("/client");
  const SnapshotPtr server = now("/server");
  meet(client, server);
  const TestCa next("test.example", TestCa::sim_start(), TestKey::kEd25519, 2);
  const SnapshotPtr moved = ca_.snapshot(ca_.svid_at("/server", clock_.wall()), next.bundles());
  auto [near, far] =
      shake_hands(client_context(client, client_options_), server_context(moved, server_options_));
  ASSERT_FALSE(far);
  EXPECT_THAT(far.error().text, HasSubstr("issuer"));

  meet(client, server);
  const SnapshotPtr wary = ca_.snapshot(ca_.svid_at("/client", clock_.wall()), next.bundles());
  auto [refusing, refused] =
      shake_hands(client_context(wary, client_options_), server_context(server, server_options_));
  ASSERT_FALSE(refusing);
  EXPECT_THAT(refusing.error().text, HasSubstr("issuer"));
}

TEST_F(ResumptionTest, APeerThatIsAllowedNoMoreIsRefused) {
  const SnapshotPtr client = now("/client");
  const SnapshotPtr server = now("/server");
  meet(client, server);
  server_options_.allowed_peers = {"spiffe://test.example/another"};
  auto [near, far] =
      shake_hands(client_context(client, client_options_), server_context(server, server_options_));
  ASSERT_FALSE(far);
  EXPECT_THAT(far.error().text, HasSubstr("not among the allowed peers"));

  server_options_.allowed_peers.clear();
  meet(client, server);
  client_options_.allowed_peers = {"spiffe://test.example/another"};
  auto [refusing, refused] =
      shake_hands(client_context(client, client_options_), server_context(server, server_options_));
  ASSERT_FALSE(refusing);
  EXPECT_THAT(refusing.error().text, HasSubstr("not among the allowed peers"));
}

TEST_F(ResumptionTest, NoneWithoutBothSidesOrWithTls12) {
  const SnapshotPtr client = now("/client");
  const SnapshotPtr server = now("/server");
  Options with_12 = server_options_;
  with_12.allow_tls12 = true;
  const std::pair<Options, Options> cases[] = {
      {Options{}, server_options_}, {client_options_, Options{}}, {client_options_, with_12}};
  for (const auto& [near, far] : cases) {
    client_options_ = near;
    server_options_ = far;
    meet(client, server);
    EXPECT_FALSE(resumes(client, server));
  }
}

TEST(TicketSealer, OpensWhatItSealedAndNothingElse) {
  const TicketSecretPtr secret = make_ticket_secret();
  const TicketSealer sealer(*secret, "spiffe://test.example/a");
  const TicketSealer other(*secret, "spiffe://test.example/b");
  const Clock::WallTime expires{std::chrono::seconds(1780272000)};
  std::size_t sizes[2] = {};
  for (const std::size_t size : {0U, 700U, 701U, 5000U}) {
    const std::string session(size, 's');
    std::string ticket(size + TicketSealer::overhead_max(), '\0');
    const std::span<std::uint8_t> room(reinterpret_cast<std::uint8_t*>(ticket.data()),
                                       ticket.size());
    const std::span<const std::uint8_t> bytes(reinterpret_cast<const std::uint8_t*>(session.data()),
                                              session.size());
    ticket.resize(sealer.seal(room, bytes, expires));
    ASSERT_FALSE(ticket.empty());
    const auto opens = [](const TicketSealer& by, std::string_view text) {
      return by.open({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
    };
    const auto opened = opens(sealer, ticket);
    ASSERT_TRUE(opened);
    EXPECT_EQ(opened->session, session);
    EXPECT_EQ(opened->own_expires, expires);
    EXPECT_EQ(ticket.find("sss"), std::string::npos);
    EXPECT_FALSE(opens(other, ticket));
    EXPECT_FALSE(opens(sealer, std::string_view(ticket).substr(1)));
    EXPECT_FALSE(opens(sealer, ""));
    for (std::size_t at = 0; at < ticket.size(); at += 7) {
      std::string changed = ticket;
      changed[at] = static_cast<char>(changed[at] ^ 1);
      EXPECT_FALSE(opens(sealer, changed)) << at;
    }
    if (size == 700 || size == 701) sizes[size - 700] = ticket.size();
  }
  EXPECT_EQ(sizes[0], sizes[1]);
}

TEST(SessionCache, ForgetsTheOldest) {
  SessionCache cache;
  for (int i = 0; i < 10; ++i) {
    cache.put({nullptr, "a", Clock::WallTime(std::chrono::seconds(i))});
  }
  for (int i = 9; i > 1; --i) {
    const auto taken = cache.take("a");
    ASSERT_TRUE(taken);
    EXPECT_EQ(taken->own_expires, Clock::WallTime(std::chrono::seconds(i)));
  }
  EXPECT_FALSE(cache.take("a"));
}

}  // namespace
}  // namespace mandated::tls
