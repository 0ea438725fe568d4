// Who gets in, who does not, and what each side is told.
#include <openssl/nid.h>

#include <array>

#include "tests/unit/tls/tls_fixture.h"

namespace mandated::tls {
namespace {

using identity::PeerIdentity;
using Lie = std::function<void(TestCertificate&)>;

class HandshakeTest : public TlsFixture {
 protected:
  identity::SnapshotPtr lying(const char* path, const Lie& lie) {
    return ca_.snapshot(ca_.svid(path, lie), ca_.bundles());
  }

  /// Our server against a bare client.
  struct Met {
    Outcome server;
    bool client_done = false;
    std::string client_error;
  };
  Met meet(RawPeer& client, const ContextPtr& server, net::StreamPtr far) {
    std::optional<Outcome> accepted;
    gate_.spawn(
        store(accept(std::move(far), server, clock_, clock_.now() + 10s, &failure_), accepted));
    Met met{fail(Code::kInternal, "never ended"), run(client.handshake()), client.error()};
    clock_.run_until([&] { return accepted.has_value(); }, 1min);
    if (accepted) met.server = std::move(*accepted);
    return met;
  }
};

TEST_F(HandshakeTest, BothSidesKnowEachOther) {
  for (const TestKey key : {TestKey::kEd25519, TestKey::kP256, TestKey::kP384, TestKey::kRsa2048}) {
    const Lie with_key = [key](TestCertificate& says) { says.key = key; };
    auto [client, server] = shake_hands(client_context(lying("/client", with_key)),
                                        server_context(lying("/server", with_key)));
    ASSERT_TRUE(client) << client.error().text;
    ASSERT_TRUE(server) << server.error().text;
    EXPECT_EQ((*client)->peer().spiffe_id, "spiffe://test.example/server");
    EXPECT_EQ((*server)->peer().spiffe_id, "spiffe://test.example/client");
    EXPECT_EQ((*client)->peer().proof, PeerIdentity::Proof::kX509Svid);
    EXPECT_EQ((*server)->peer().proof, PeerIdentity::Proof::kX509Svid);
    EXPECT_EQ((*server)->peer_expires(), TestCa::sim_start() + 5min);
    EXPECT_EQ((*client)->alpn(), "h2");
    EXPECT_EQ((*server)->alpn(), "h2");
    expect_both_ways(**client, **server);
  }
}

TEST_F(HandshakeTest, AcrossTrustDomainsAndThroughIntermediates) {
  const TestCa other("other.example", TestCa::sim_start(), TestKey::kP256, 2);
  identity::Bundles both = ca_.bundles();
  both.merge(other.bundles());
  auto [client, server] =
      shake_hands(client_context(ca_.snapshot(ca_.intermediate().svid("/client"), both)),
                  server_context(other.snapshot(other.intermediate().svid("/server"), both)));
  ASSERT_TRUE(client) << client.error().text;
  ASSERT_TRUE(server) << server.error().text;
  EXPECT_EQ((*client)->peer().spiffe_id, "spiffe://other.example/server");
  EXPECT_EQ((*server)->peer().spiffe_id, "spiffe://test.example/client");
}

TEST_F(HandshakeTest, WorksWhenBytesComeOneByOne) {
  test::PipeOptions pipe;
  pipe.read_max = 1;
  pipe.write_max = 3;
  const auto [client, server] = connection(pipe);
  expect_both_ways(*client, *server);
}

TEST_F(HandshakeTest, AllowedPeersAreHeldToOnBothSides) {
  Options only;
  only.allowed_peers = {"spiffe://test.example/a", "spiffe://test.example/ns/*/sa/x"};
  {
    auto [client, server] = shake_hands(client_context(ca_.snapshot("/ns/prod/sa/x")),
                                        server_context(ca_.snapshot("/server"), only));
    EXPECT_TRUE(client && server);
  }
  {
    auto [client, server] = shake_hands(client_context(ca_.snapshot("/client")),
                                        server_context(ca_.snapshot("/server"), only));
    expect_fails(server, Code::kPeerIdentity,
                 "spiffe://test.example/client is not among the allowed peers");
    EXPECT_EQ(server.error().side, Side::kDownstream);
    EXPECT_EQ(failure_, HandshakeFailure::kNotAllowed);
    ASSERT_TRUE(client);  // TLS 1.3: it learns of it when it reads
    expect_fails(read(**client), Code::kHandshake, "access denied");
  }
  {
    auto [client, server] = shake_hands(client_context(ca_.snapshot("/client"), only),
                                        server_context(ca_.snapshot("/server")));
    expect_fails(client, Code::kPeerIdentity,
                 "spiffe://test.example/server is not among the allowed peers");
    EXPECT_EQ(client.error().side, Side::kUpstream);
    expect_fails(server, Code::kHandshake, "access denied");
    EXPECT_EQ(failure_, HandshakeFailure::kPeerRefused);
  }
}

TEST_F(HandshakeTest, UnfitClientIsRefusedAndToldWhy) {
  const TestCa stranger("test.example", TestCa::sim_start(), TestKey::kEd25519, 2);
  const TestCa foreign("other.example", TestCa::sim_start(), TestKey::kEd25519, 3);
  struct Case {
    const char* what;
    identity::SnapshotPtr client;
    const char* reason;
    const char* alert;
    HandshakeFailure failure;
  };
  const Case cases[] = {
      {"expired", lying("/c", [](TestCertificate& says) { says.ends = -1s; }), "has expired",
       "certificate expired", HandshakeFailure::kExpired},
      {"not yet valid", lying("/c", [](TestCertificate& says) { says.begins = 60s; }),
       "not yet valid", "bad certificate", HandshakeFailure::kBadCertificate},
      {"two IDs", lying("/c", [](TestCertificate& says) { says.uris.push_back("spiffe://td/b"); }),
       "2 URI names", "bad certificate", HandshakeFailure::kBadCertificate},
      {"a CA", lying("/c", [](TestCertificate& says) { says.ca = true; }), "is a CA",
       "bad certificate", HandshakeFailure::kBadCertificate},
      {"server only",
       lying("/c", [](TestCertificate& says) { says.extended_usage = {NID_server_auth}; }),
       "lacks clientAuth", "bad certificate", HandshakeFailure::kBadCertificate},
      {"unknown authority", stranger.snapshot(stranger.svid("/c"), ca_.bundles()), "issuer",
       "unknown CA", HandshakeFailure::kUnknownAuthority},
      {"unknown trust domain", foreign.snapshot(foreign.svid("/c"), ca_.bundles()),
       "other.example is unknown", "unknown CA", HandshakeFailure::kUnknownAuthority},
      {"broken signature", lying("/c", [](TestCertificate& says) { says.break_signature = true; }),
       "signature failure", "bad certificate", HandshakeFailure::kBadCertificate},
  };
  for (const Case& broken : cases) {
    SCOPED_TRACE(broken.what);
    auto [client, server] =
        shake_hands(client_context(broken.client), server_context(ca_.snapshot("/server")));
    expect_fails(server, Code::kPeerIdentity, broken.reason);
    EXPECT_EQ(to_string(failure_), to_string(broken.failure));
    ASSERT_TRUE(client);
    expect_fails(read(**client), Code::kHandshake, broken.alert);
    EXPECT_FALSE(run((*client)->write("too late")));
  }
}

TEST_F(HandshakeTest, UnfitServerIsRefusedAndToldWhy) {
  const TestCa stranger("test.example", TestCa::sim_start(), TestKey::kEd25519, 2);
  struct Case {
    const char* what;
    identity::SnapshotPtr server;
    const char* reason;
    const char* alert;
  };
  const Case cases[] = {
      {"expired", lying("/s", [](TestCertificate& says) { says.ends = -1s; }), "has expired",
       "certificate expired"},
      {"client only",
       lying("/s", [](TestCertificate& says) { says.extended_usage = {NID_client_auth}; }),
       "lacks serverAuth", "bad certificate"},
      {"unknown authority", stranger.snapshot(stranger.svid("/s"), ca_.bundles()), "issuer",
       "unknown CA"},
      {"no SPIFFE ID",
       lying("/s",
             [](TestCertificate& says) {
               says.uris = {};
               says.dns_names = {"server.example"};
             }),
       "0 URI names", "bad certificate"},
  };
  for (const Case& broken : cases) {
    SCOPED_TRACE(broken.what);
    auto [client, server] =
        shake_hands(client_context(ca_.snapshot("/client")), server_context(broken.server));
    expect_fails(client, Code::kPeerIdentity, broken.reason);
    expect_fails(server, Code::kHandshake, broken.alert);
    EXPECT_EQ(server.error().side, Side::kDownstream);
  }
}

TEST_F(HandshakeTest, ClientWithoutCertificateIsRefused) {
  auto [near, far] = test::make_memory_pipe(clock_);
  RawPeer client(std::move(near), false, nullptr);
  const Met met = meet(client, server_context(ca_.snapshot("/server")), std::move(far));
  expect_fails(met.server, Code::kPeerIdentity, "presented no certificate");
  EXPECT_EQ(failure_, HandshakeFailure::kNoCertificate);
  EXPECT_TRUE(met.client_done);
  EXPECT_EQ(run(client.read()), "");
  EXPECT_EQ(client.error(), "TLSV1_ALERT_CERTIFICATE_REQUIRED");
}

TEST_F(HandshakeTest, PlainTlsServerAsksForNone) {
  Options plain;
  plain.require_client_certificate = false;
  auto [client, server] = shake_hands(client_context(ca_.snapshot("/client")),
                                      server_context(ca_.snapshot("/server"), plain));
  ASSERT_TRUE(client && server);
  EXPECT_EQ((*server)->peer().proof, PeerIdentity::Proof::kNone);
  EXPECT_EQ((*server)->peer().spiffe_id, "");
  EXPECT_EQ((*server)->peer_expires(), Clock::WallTime::max());
  EXPECT_EQ((*client)->peer().spiffe_id, "spiffe://test.example/server");
}

TEST_F(HandshakeTest, AlpnIsTheServersChoice) {
  const auto agree = [this](std::vector<std::string> clients, std::vector<std::string> servers) {
    Options client_options;
    client_options.alpn = std::move(clients);
    Options server_options;
    server_options.alpn = std::move(servers);
    return shake_hands(client_context(ca_.snapshot("/client"), client_options),
                       server_context(ca_.snapshot("/server"), server_options));
  };
  struct Case {
    std::vector<std::string> client, server;
    const char* agreed;
  };
  const Case cases[] = {
      {{"http/1.1", "h2"}, {"h2", "http/1.1"}, "h2"},
      {{"http/1.1"}, {"h2", "http/1.1"}, "http/1.1"},
      {{}, {"h2"}, ""},
      {{"h2"}, {}, ""},
  };
  for (const Case& wanted : cases) {
    auto [client, server] = agree(wanted.client, wanted.server);
    ASSERT_TRUE(client && server);
    EXPECT_EQ((*client)->alpn(), wanted.agreed);
    EXPECT_EQ((*server)->alpn(), wanted.agreed);
  }
  auto [client, server] = agree({"h2"}, {"http/1.1"});
  expect_fails(server, Code::kHandshake, "no application protocol");
  expect_fails(client, Code::kHandshake, "no application protocol");
}

TEST_F(HandshakeTest, GroupsAreTheTwoAndNoOther) {
  const auto with_groups = [this](std::vector<std::uint16_t> groups) {
    auto [near, far] = test::make_memory_pipe(clock_);
    const identity::Svid svid = ca_.svid("/client");
    RawPeer client(std::move(near), false, &svid, [&](SSL_CTX* context) {
      SSL_CTX_set1_group_ids(context, groups.data(), groups.size());
    });
    const Met met = meet(client, server_context(ca_.snapshot("/server")), std::move(far));
    EXPECT_EQ(met.server.has_value(), met.client_done);
    if (!met.server) {
      expect_fails(met.server, Code::kHandshake, "NO_SHARED_GROUP");
      return 0;
    }
    return static_cast<int>(SSL_get_group_id(client.ssl()));
  };
  EXPECT_EQ(with_groups({SSL_GROUP_X25519, SSL_GROUP_X25519_MLKEM768}), SSL_GROUP_X25519_MLKEM768);
  EXPECT_EQ(with_groups({SSL_GROUP_X25519}), SSL_GROUP_X25519);
  EXPECT_EQ(with_groups({SSL_GROUP_SECP256R1}), 0);
  EXPECT_EQ(with_groups({SSL_GROUP_SECP384R1}), 0);
}

TEST_F(HandshakeTest, Tls12OnlyWhenAllowedAndThenWithModernSuites) {
  const auto with_suites = [this](bool allow, const char* suites) {
    Options options;
    options.allow_tls12 = allow;
    auto [near, far] = test::make_memory_pipe(clock_);
    const identity::Svid svid =
        ca_.svid("/client", [](TestCertificate& says) { says.key = TestKey::kP256; });
    RawPeer client(std::move(near), false, &svid, [&](SSL_CTX* context) {
      SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
      EXPECT_EQ(SSL_CTX_set_strict_cipher_list(context, suites), 1);
    });
    const auto snapshot =
        lying("/server", [](TestCertificate& says) { says.key = TestKey::kP256; });
    Met met = meet(client, server_context(snapshot, options), std::move(far));
    if (met.server) {
      EXPECT_EQ((*met.server)->peer().spiffe_id, "spiffe://test.example/client");
    }
    return std::move(met.server);
  };
  EXPECT_TRUE(with_suites(true, "ECDHE-ECDSA-AES128-GCM-SHA256"));
  EXPECT_TRUE(with_suites(true, "ECDHE-ECDSA-CHACHA20-POLY1305"));
  expect_fails(with_suites(true, "ECDHE-ECDSA-AES128-SHA"), Code::kHandshake, "NO_SHARED_CIPHER");
  expect_fails(with_suites(false, "ECDHE-ECDSA-AES128-GCM-SHA256"), Code::kHandshake,
               "protocol version");
}

TEST_F(HandshakeTest, NoSessionIsHandedOut) {
  for (const std::uint16_t version :
       {std::uint16_t{TLS1_2_VERSION}, std::uint16_t{TLS1_3_VERSION}}) {
    Options options;
    options.allow_tls12 = true;
    auto [near, far] = test::make_memory_pipe(clock_);
    const identity::Svid svid = ca_.svid("/client");
    RawPeer client(std::move(near), false, &svid,
                   [&](SSL_CTX* context) { SSL_CTX_set_max_proto_version(context, version); });
    Met met = meet(client, server_context(ca_.snapshot("/server"), options), std::move(far));
    ASSERT_TRUE(met.server) << met.server.error().text;
    ASSERT_TRUE(run((*met.server)->write("data")));
    EXPECT_EQ(run(client.read()), "data");
    if (version == TLS1_3_VERSION) {
      EXPECT_EQ(client.sessions(), 0);
    }
    EXPECT_EQ(SSL_SESSION_has_ticket(SSL_get_session(client.ssl())), 0);
    EXPECT_EQ(SSL_early_data_accepted(client.ssl()), 0);
  }
}

TEST_F(HandshakeTest, NonsenseIsAnsweredWithAnAlert) {
  const std::pair<std::string, const char*> cases[] = {
      {"GET / HTTP/1.1\r\nhost: a\r\n\r\n", "HTTP_REQUEST"},
      {std::string(100, '\0'), "WRONG_VERSION_NUMBER"},
      {std::string("\x16\x03\x01\x00\x04\x01\x00\x00\x00", 9), "decode error"},
  };
  for (const auto& [bytes, reason] : cases) {
    auto [near, far] = test::make_memory_pipe(clock_);
    const auto context = server_context(ca_.snapshot("/server"));
    ASSERT_TRUE(run(near->write(bytes)));
    ASSERT_TRUE(run(near->shutdown()));
    const auto server = run(accept(std::move(far), context, clock_, clock_.now() + 10s, &failure_));
    expect_fails(server, Code::kHandshake, reason);
    EXPECT_EQ(failure_, HandshakeFailure::kProtocol);
  }
}

TEST_F(HandshakeTest, PeerThatLeavesIsTheEndAndACutIsReset) {
  const auto context = server_context(ca_.snapshot("/server"));
  {
    auto [near, far] = test::make_memory_pipe(clock_);
    ASSERT_TRUE(run(near->write("\x16")));
    ASSERT_TRUE(run(near->shutdown()));
    failure_ = HandshakeFailure::kProtocol;
    const auto server = run(accept(std::move(far), context, clock_, clock_.now() + 10s, &failure_));
    expect_fails(server, Code::kEnd, "during the handshake");
    EXPECT_EQ(failure_, HandshakeFailure::kClosed);
  }
  {
    auto [near, far] = test::make_memory_pipe(clock_);
    near->close();
    const auto server = run(accept(std::move(far), context, clock_, clock_.now() + 10s));
    expect_fails(server, Code::kReset, "");
    EXPECT_EQ(server.error().side, Side::kDownstream);
  }
  for (std::uint64_t cut_at = 100; cut_at < 3200; cut_at += 300) {
    test::PipeOptions pipe;
    pipe.reset_after_bytes = cut_at;
    auto [client, server] = shake_hands(client_context(ca_.snapshot("/client")), context, pipe);
    if (!client) {
      EXPECT_EQ(client.error().code, Code::kReset);
    }
    ASSERT_FALSE(client && server) << cut_at;
  }
}

TEST_F(HandshakeTest, SilentPeerTimesOut) {
  auto [near, far] = test::make_memory_pipe(clock_);
  const Clock::Time begun = clock_.now();
  const auto server = run(accept(std::move(far), server_context(ca_.snapshot("/server")), clock_,
                                 begun + 10s, &failure_));
  expect_fails(server, Code::kTimeout, "");
  EXPECT_EQ(failure_, HandshakeFailure::kTimeout);
  EXPECT_EQ(clock_.now() - begun, 10s);

  auto [near2, far2] = test::make_memory_pipe(clock_);
  const auto client = run(connect(std::move(near2), client_context(ca_.snapshot("/client")), clock_,
                                  clock_.now() + 10s));
  expect_fails(client, Code::kTimeout, "");
  EXPECT_EQ(client.error().side, Side::kUpstream);
}

TEST_F(HandshakeTest, RefusedClientThatStaysIsLeftSoon) {
  auto [near, far] = test::make_memory_pipe(clock_);
  RawPeer client(std::move(near), false, nullptr);
  std::optional<Outcome> accepted;
  gate_.spawn(store(
      accept(std::move(far), server_context(ca_.snapshot("/server")), clock_, clock_.now() + 1h),
      accepted));
  EXPECT_TRUE(run(client.handshake()));
  const Clock::Time begun = clock_.now();
  clock_.run_until([&] { return accepted.has_value(); }, 1h);
  ASSERT_TRUE(accepted);
  expect_fails(*accepted, Code::kPeerIdentity, "no certificate");
  EXPECT_LE(clock_.now() - begun, 1s);
}

TEST_F(HandshakeTest, CertificateTimesAreThoseOfTheClock) {
  clock_.jump_wall(2h);
  auto [client, server] =
      shake_hands(client_context(ca_.snapshot("/client")), server_context(ca_.snapshot("/server")));
  expect_fails(client, Code::kPeerIdentity, "has expired");
  clock_.jump_wall(-2h);
  connection();
}

TEST_F(HandshakeTest, StandingConnectionSurvivesRotationAndTheOldSvidsEnd) {
  auto old_server = server_context(ca_.snapshot("/server"));
  auto old_client = client_context(ca_.snapshot("/client"));
  auto [client, server] = shake_hands(old_client, old_server);
  ASSERT_TRUE(client && server);
  old_server.reset();
  old_client.reset();
  clock_.advance(1h);

  // The rotated identity, from a new authority that the bundle carries with the old one.
  const TestCa renewed("test.example", clock_.wall(), TestKey::kEd25519, 7);
  const identity::Bundles both{
      {"test.example", {ca_.certificate_der(), renewed.certificate_der()}}};
  auto [client2, server2] =
      shake_hands(client_context(ca_.snapshot(ca_.svid_at("/client", clock_.wall()), both)),
                  server_context(renewed.snapshot(renewed.svid("/server"), both)));
  ASSERT_TRUE(client2) << client2.error().text;
  ASSERT_TRUE(server2) << server2.error().text;
  expect_both_ways(**client2, **server2);
  expect_both_ways(**client, **server);
  EXPECT_EQ((*server)->peer().spiffe_id, "spiffe://test.example/client");
}

TEST_F(HandshakeTest, UnfitContextsAreRefused) {
  identity::Svid wrong_key = ca_.svid("/a");
  wrong_key.private_key = ca_.svid("/b").private_key;
  expect_fails(make_server_context(ca_.snapshot(std::move(wrong_key), ca_.bundles()), {}),
               Code::kInvalidConfig, "do not fit");
  expect_fails(make_server_context(std::make_shared<identity::Snapshot>(), {}),
               Code::kInvalidConfig, "needs an SVID");
  expect_fails(make_client_context(ca_.snapshot(ca_.svid("/a"), {{"td", {"nonsense"}}}), {}),
               Code::kInvalidConfig, "trust bundle of td");
  Options bad;
  bad.alpn = {""};
  expect_fails(make_client_context(ca_.snapshot("/a"), bad), Code::kInvalidConfig, "ALPN");
}

}  // namespace
}  // namespace mandated::tls
