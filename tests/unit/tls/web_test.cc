// The client of servers of the web against bare BoringSSL: what it offers, tells and takes.
#include "proxy/identity/pem.h"
#include "tests/unit/tls/tls_fixture.h"

namespace mandated::tls {
namespace {

class WebTest : public TlsFixture {
 protected:
  WebTest() {
    roots_ = *parse_web_roots(identity::to_pem("CERTIFICATE", ca_.certificate_der()));
    svid_ = ca_.svid("/", [](TestCertificate& says) {
      says.uris = {};
      says.dns_names = {"lists.example"};
      says.san_critical = false;
      says.key = TestKey::kP256;
    });
  }

  /// The client's outcome, the server's words, and the SNI that the server saw.
  struct Met {
    Outcome client;
    bool server = false;
    std::string server_name;
    std::string version;
  };
  Met meet(const std::string& host, const std::function<void(SSL_CTX*)>& rules = {}) {
    auto [near, far] = test::make_memory_pipe(clock_);
    RawPeer server(std::move(far), true, &svid_, rules);
    std::optional<Outcome> connected;
    std::optional<bool> accepted;
    const ContextPtr context = *make_web_client_context(roots_, host, {"http/1.1"});
    gate_.spawn(store(connect(std::move(near), context, clock_, clock_.now() + 10s), connected));
    gate_.spawn(store(server.handshake(), accepted));
    clock_.run_until([&] { return connected && accepted; }, 1min);
    if (!connected || !accepted) throw std::runtime_error("the handshake did not end");
    const char* name = SSL_get_servername(server.ssl(), TLSEXT_NAMETYPE_host_name);
    return {std::move(*connected), *accepted, name == nullptr ? "" : name,
            SSL_get_version(server.ssl())};
  }

  WebRootsPtr roots_;
  identity::Svid svid_;
};

TEST_F(WebTest, TellsTheNameAndTakesTheNewestVersion) {
  const Met met = meet("lists.example");
  ASSERT_TRUE(met.client) << met.client.error().text;
  EXPECT_EQ(met.server_name, "lists.example");
  EXPECT_EQ(met.version, "TLSv1.3");
  EXPECT_EQ((*met.client)->peer().proof, identity::PeerIdentity::Proof::kNone);
  EXPECT_EQ((*met.client)->peer().spiffe_id, "");
  EXPECT_EQ((*met.client)->peer_expires(), ca_.sim_start() + 300s);
}

TEST_F(WebTest, TellsNoAddress) {
  const Met met = meet("192.0.2.1");
  expect_fails(met.client, Code::kPeerIdentity, "IP address mismatch");
  EXPECT_EQ(met.server_name, "");
}

TEST_F(WebTest, TakesTls12ButNothingOlder) {
  const Met met = meet("lists.example", [](SSL_CTX* context) {
    SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
  });
  ASSERT_TRUE(met.client) << met.client.error().text;
  EXPECT_EQ(met.version, "TLSv1.2");
  const Met old = meet("lists.example", [](SSL_CTX* context) {
    SSL_CTX_set_min_proto_version(context, TLS1_VERSION);
    SSL_CTX_set_max_proto_version(context, TLS1_1_VERSION);
  });
  EXPECT_FALSE(old.client);
  EXPECT_FALSE(old.server);
}

TEST_F(WebTest, TakesAServerWithP256Only) {
  const Met met = meet("lists.example", [](SSL_CTX* context) {
    constexpr std::uint16_t kGroup = SSL_GROUP_SECP256R1;
    SSL_CTX_set1_group_ids(context, &kGroup, 1);
  });
  EXPECT_TRUE(met.client) << met.client.error().text;
}

TEST_F(WebTest, AServerOfTheTrustDomainIsNoServerOfTheWeb) {
  svid_ = ca_.svid("/server");
  expect_fails(meet("lists.example").client, Code::kPeerIdentity, "Hostname mismatch");
}

TEST_F(WebTest, RootsThatCannotBeReadAreLeftOutButNotAllOfThem) {
  const std::string good = identity::to_pem("CERTIFICATE", ca_.certificate_der());
  const std::string bad = identity::to_pem("CERTIFICATE", "no certificate");
  EXPECT_TRUE(parse_web_roots(bad + good));
  const auto none = parse_web_roots(bad);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, Code::kInvalidConfig);
  EXPECT_FALSE(parse_web_roots(""));
  EXPECT_FALSE(parse_web_roots(identity::to_pem("PRIVATE KEY", "a")));
}

}  // namespace
}  // namespace mandated::tls
