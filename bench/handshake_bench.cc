// Full mTLS handshakes a second on one core: the proxy's TLS beside bare BoringSSL, both over
// memory, with the same certificates, groups and checks of the chain. Interleaved, so that whatever
// else the machine does falls on both alike. Called by bench/handshakes.
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <optional>
#include <vector>

#include "proxy/base/gate.h"
#include "proxy/tls/tls.h"
#include "tests/support/memory_stream.h"
#include "tests/support/sim_clock.h"
#include "tests/support_ca/test_ca.h"

namespace mandated::bench {

namespace {

using test::TestCa;
using test::TestKey;

void check(bool step, const char* what) {
  if (step) return;
  std::fprintf(stderr, "bench: %s\n", what);
  std::exit(1);
}

/// Of this thread: what else runs beside does not count.
double cpu_seconds() {
  timespec time{};
  check(::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time) == 0, "no CPU clock");
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

struct Parties {
  TestCa ca{"bench.example", TestCa::sim_start(), TestKey::kP256};
  identity::SnapshotPtr client = with_key("/client");
  identity::SnapshotPtr server = with_key("/server");

  identity::SnapshotPtr with_key(std::string_view path) {
    return ca.snapshot(
        ca.svid(path, [](test::TestCertificate& says) { says.key = TestKey::kP256; }),
        ca.bundles());
  }
};

// --- bare BoringSSL --------------------------------------------------------------------------

bssl::UniquePtr<SSL_CTX> bare_context(const Parties& parties, const identity::Svid& svid) {
  bssl::UniquePtr<SSL_CTX> context(SSL_CTX_new(TLS_method()));
  const std::array<std::uint16_t, 2> groups{SSL_GROUP_X25519_MLKEM768, SSL_GROUP_X25519};
  const auto x509 = [](const std::string& der) {
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(der.data());
    return bssl::UniquePtr<X509>(d2i_X509(nullptr, &bytes, static_cast<long>(der.size())));
  };
  const bssl::UniquePtr<X509> leaf = x509(svid.chain_der.front());
  const bssl::UniquePtr<X509> root = x509(parties.ca.certificate_der());
  check(SSL_CTX_set_min_proto_version(context.get(), TLS1_3_VERSION) == 1 &&
            SSL_CTX_set1_group_ids(context.get(), groups.data(), groups.size()) == 1 &&
            SSL_CTX_use_certificate(context.get(), leaf.get()) == 1 &&
            SSL_CTX_use_PrivateKey(context.get(), svid.private_key.get()) == 1 &&
            X509_STORE_add_cert(SSL_CTX_get_cert_store(context.get()), root.get()) == 1,
        "the bare context cannot be made");
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_TICKET);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  const auto now = std::chrono::floor<std::chrono::seconds>(TestCa::sim_start());
  X509_VERIFY_PARAM_set_time_posix(SSL_CTX_get0_param(context.get()),
                                   now.time_since_epoch().count());
  return context;
}

class Bare {
 public:
  explicit Bare(const Parties& parties)
      : client_(bare_context(parties, *parties.client->svid)),
        server_(bare_context(parties, *parties.server->svid)) {}

  void shake_hands() {
    const bssl::UniquePtr<SSL> client(SSL_new(client_.get()));
    const bssl::UniquePtr<SSL> server(SSL_new(server_.get()));
    BIO* near = nullptr;
    BIO* far = nullptr;
    check(BIO_new_bio_pair(&near, 65536, &far, 65536) == 1, "no memory");
    SSL_set_bio(client.get(), near, near);
    SSL_set_bio(server.get(), far, far);
    SSL_set_connect_state(client.get());
    SSL_set_accept_state(server.get());
    int client_done = 0;
    int server_done = 0;
    while (client_done != 1 || server_done != 1) {
      if (client_done != 1) client_done = step(client.get());
      if (server_done != 1) server_done = step(server.get());
    }
  }

 private:
  static int step(SSL* ssl) {
    ERR_clear_error();
    const int done = SSL_do_handshake(ssl);
    check(done == 1 || SSL_get_error(ssl, done) == SSL_ERROR_WANT_READ, "a bare handshake failed");
    return done;
  }

  bssl::UniquePtr<SSL_CTX> client_;
  bssl::UniquePtr<SSL_CTX> server_;
};

// --- the proxy's -----------------------------------------------------------------------------

class Ours {
 public:
  explicit Ours(const Parties& parties)
      : client_(*tls::make_client_context(parties.client, {})),
        server_(*tls::make_server_context(parties.server, {})) {}

  void shake_hands() {
    auto [near, far] = test::make_memory_pipe(clock_);
    std::optional<Result<tls::TlsStreamPtr>> connected;
    std::optional<Result<tls::TlsStreamPtr>> accepted;
    const Clock::Time deadline = clock_.now() + std::chrono::seconds(10);
    gate_.spawn(store(tls::connect(std::move(near), client_, clock_, deadline), connected));
    gate_.spawn(store(tls::accept(std::move(far), server_, clock_, deadline), accepted));
    clock_.run_until([&] { return connected && accepted; });
    check(connected && *connected && accepted && *accepted, "a handshake of ours failed");
  }

 private:
  template <class T>
  static Task<void> store(Task<T> task, std::optional<T>& outcome) {
    outcome = co_await std::move(task);
  }

  boost::asio::io_context io_{1};
  test::SimClock clock_{io_};
  Gate gate_{clock_.executor()};
  tls::ContextPtr client_;
  tls::ContextPtr server_;
};

/// Handshakes (both ends of each) in a second of one core.
template <class Side>
double rate(Side& side, double seconds) {
  const double began = cpu_seconds();
  double now = began;
  unsigned count = 0;
  while (now - began < seconds) {
    for (int i = 0; i < 16; ++i) side.shake_hands();
    count += 16;
    now = cpu_seconds();
  }
  return count / (now - began);
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

int run(double seconds, unsigned repetitions) {
  const Parties parties;
  Bare bare(parties);
  Ours ours(parties);
  rate(bare, seconds / 4);
  rate(ours, seconds / 4);
  std::vector<double> of_bare;
  std::vector<double> of_ours;
  std::vector<double> ratios;
  for (unsigned i = 0; i < repetitions; ++i) {
    of_bare.push_back(rate(bare, seconds));
    of_ours.push_back(rate(ours, seconds));
    ratios.push_back(of_ours.back() / of_bare.back());
  }
  const auto [low, high] = std::minmax_element(ratios.begin(), ratios.end());
  std::printf(
      "full mTLS handshakes a second of one core, client and server both on it (P-256, "
      "X25519MLKEM768):\n  bare BoringSSL %.0f, mandated %.0f; ratio %.3f (%.3f–%.3f) of "
      "%u repetitions\ntarget: within 10 %% of bare BoringSSL: %s\n",
      median(of_bare), median(of_ours), median(ratios), *low, *high, repetitions,
      median(ratios) >= 0.9 ? "met" : "NOT MET");
  return 0;
}

}  // namespace

}  // namespace mandated::bench

int main(int argc, char** argv) {
  CLI::App app("Full mTLS handshakes beside bare BoringSSL");
  double seconds = 1;
  unsigned repetitions = 9;
  app.add_option("--seconds", seconds, "of each repetition");
  app.add_option("--repetitions", repetitions);
  CLI11_PARSE(app, argc, argv);
  return mandated::bench::run(seconds, repetitions);
}
