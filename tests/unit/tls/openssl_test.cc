// Against the TLS library that most peers have: `openssl s_client` and `openssl s_server` of the
// system, over TCP, with SVIDs in PEM files.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>

#include "proxy/base/clock.h"
#include "proxy/identity/embedded.h"
#include "proxy/identity/pem.h"
#include "proxy/net/socket.h"
#include "proxy/tls/tls.h"
#include "tests/support_ca/run_task.h"

namespace mandated::tls {
namespace {

using namespace std::chrono_literals;
using test::run_task;
using testing::HasSubstr;

class OpensslTest : public testing::Test {
 protected:
  OpensslTest() {
    std::string pattern = testing::TempDir() + "mandated_openssl_XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    domain_ = std::move(*identity::EmbeddedTrustDomain::open((folder_ / "state").string(),
                                                             "test.example", clock_.wall()));
    std::ofstream bundle(folder_ / "bundle.pem");
    for (const std::string& der : domain_->bundle()) {
      bundle << identity::to_pem("CERTIFICATE", der);
    }
  }
  ~OpensslTest() override {
    if (child_ > 0) {
      ::kill(child_, SIGKILL);
      ::waitpid(child_, nullptr, 0);
    }
    std::filesystem::remove_all(folder_);
  }

  identity::Svid issue(const std::string& path) {
    const auto id = identity::SpiffeId::parse("spiffe://test.example" + path);
    return *domain_->issue(*id, identity::KeyType::kP256, 5min, clock_.wall());
  }
  identity::SnapshotPtr snapshot(const std::string& path) {
    auto made = std::make_shared<identity::Snapshot>();
    made->svid = std::make_shared<const identity::Svid>(issue(path));
    made->bundles["test.example"] = domain_->bundle();
    return made;
  }
  void write_svid(const identity::Svid& svid) {
    std::ofstream(folder_ / "svid.pem") << identity::to_pem("CERTIFICATE", svid.chain_der[0]);
    std::ofstream(folder_ / "key.pem") << identity::to_pem(svid.private_key.get());
  }

  /// Runs openssl in the folder; its standard input stays open, its output goes to a file.
  void start(std::vector<std::string> arguments) {
    int input[2];
    ASSERT_EQ(::pipe(input), 0);
    child_ = ::fork();
    if (child_ == 0) {
      ::dup2(input[0], 0);
      ::close(input[0]);
      ::close(input[1]);
      if (::chdir(folder_.c_str()) != 0 || !::freopen("out.txt", "w", stdout)) ::_exit(126);
      ::dup2(1, 2);
      std::vector<char*> argv{const_cast<char*>("openssl")};
      for (std::string& argument : arguments) argv.push_back(argument.data());
      argv.push_back(nullptr);
      ::execvp("openssl", argv.data());
      ::_exit(127);
    }
    ::close(input[0]);
    input_ = input[1];
  }
  void type(const std::string& text) {
    ASSERT_EQ(::write(input_, text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  int finish() {
    ::close(input_);
    int status = 0;
    ::waitpid(child_, &status, 0);
    child_ = -1;
    return WEXITSTATUS(status);
  }
  std::string output() {
    std::ifstream file(folder_ / "out.txt");
    return std::string(std::istreambuf_iterator<char>(file), {});
  }

  Result<TlsStreamPtr> accept_one(net::Listener& listener, const ContextPtr& context) {
    auto transport = run_task(io_, listener.accept());
    if (!transport) return Failure(transport.error());
    return run_task(io_, accept(std::move(*transport), context, clock_, clock_.now() + 30s));
  }

  boost::asio::io_context io_{1};
  RealClock clock_{io_};
  std::filesystem::path folder_;
  std::unique_ptr<identity::EmbeddedTrustDomain> domain_;
  pid_t child_ = -1;
  int input_ = -1;
};

TEST_F(OpensslTest, ClientIsServed) {
  const auto bound = net::BoundAddress::bind(*net::Address::parse("127.0.0.1:0"));
  ASSERT_TRUE(bound);
  const auto listener = (*bound)->listen(clock_);
  const auto context = make_server_context(snapshot("/server"), {});
  ASSERT_TRUE(context);
  write_svid(issue("/client"));
  start({"s_client", "-connect", (*bound)->address().to_string(), "-cert", "svid.pem", "-key",
         "key.pem", "-CAfile", "bundle.pem", "-verify_return_error", "-alpn", "http/1.1,h2",
         "-quiet"});
  auto stream = accept_one(**listener, *context);
  ASSERT_TRUE(stream) << stream.error().text << output();
  EXPECT_EQ((*stream)->peer().spiffe_id, "spiffe://test.example/client");
  EXPECT_EQ((*stream)->alpn(), "h2");
  type("hello\n");
  std::array<char, 64> buffer{};
  const auto size = run_task(io_, (*stream)->read_some(buffer));
  ASSERT_TRUE(size);
  EXPECT_EQ(std::string_view(buffer.data(), *size), "hello\n");
  ASSERT_TRUE(run_task(io_, (*stream)->write("welcome\n")));
  ASSERT_TRUE(run_task(io_, (*stream)->shutdown()));
  EXPECT_EQ(finish(), 0);
  EXPECT_THAT(output(), HasSubstr("welcome"));
}

TEST_F(OpensslTest, ClientWithoutCertificateIsToldSo) {
  const auto bound = net::BoundAddress::bind(*net::Address::parse("127.0.0.1:0"));
  ASSERT_TRUE(bound);
  const auto listener = (*bound)->listen(clock_);
  const auto context = make_server_context(snapshot("/server"), {});
  start({"s_client", "-connect", (*bound)->address().to_string(), "-CAfile", "bundle.pem"});
  // What it sends right away must not make a reset overtake the alert.
  type("GET / HTTP/1.1\r\n\r\n");
  const auto stream = accept_one(**listener, *context);
  ASSERT_FALSE(stream);
  EXPECT_EQ(stream.error().code, Code::kPeerIdentity);
  EXPECT_THAT(stream.error().text, HasSubstr("no certificate"));
  finish();
  EXPECT_THAT(output(), HasSubstr("alert certificate required"));
}

TEST_F(OpensslTest, Tls12ClientIsToldSo) {
  const auto bound = net::BoundAddress::bind(*net::Address::parse("127.0.0.1:0"));
  ASSERT_TRUE(bound);
  const auto listener = (*bound)->listen(clock_);
  const auto context = make_server_context(snapshot("/server"), {});
  start({"s_client", "-connect", (*bound)->address().to_string(), "-tls1_2"});
  const auto stream = accept_one(**listener, *context);
  ASSERT_FALSE(stream);
  EXPECT_EQ(stream.error().code, Code::kHandshake);
  EXPECT_THAT(stream.error().text, HasSubstr("protocol version"));
  finish();
  EXPECT_THAT(output(), HasSubstr("alert protocol version"));
}

TEST_F(OpensslTest, ServerIsSpokenTo) {
  write_svid(issue("/server"));
  const std::string port = [] {
    const auto bound = net::BoundAddress::bind(*net::Address::parse("127.0.0.1:0"));
    return std::to_string((*bound)->address().port);
  }();
  start({"s_server", "-accept", "127.0.0.1:" + port, "-cert", "svid.pem", "-key", "key.pem",
         "-CAfile", "bundle.pem", "-Verify", "1", "-verify_return_error", "-rev", "-alpn", "h2"});
  const auto dialer = net::make_socket_dialer(clock_);
  const auto address = *net::Address::parse("127.0.0.1:" + port);
  Result<net::StreamPtr> transport = fail(Code::kInternal, "never dialled");
  for (int tries = 0; tries < 100 && !transport; ++tries) {
    transport = run_task(io_, dialer->dial(address, clock_.now() + 1s));
    if (!transport) run_task(io_, clock_.sleep_for(20ms));
  }
  ASSERT_TRUE(transport) << transport.error().text;
  Options options;
  options.allowed_peers = {"spiffe://test.example/server"};
  const auto context = make_client_context(snapshot("/client"), options);
  auto stream = run_task(io_, connect(std::move(*transport), *context, clock_, clock_.now() + 30s));
  ASSERT_TRUE(stream) << stream.error().text;
  EXPECT_EQ((*stream)->alpn(), "h2");
  ASSERT_TRUE(run_task(io_, (*stream)->write("abc\n")));
  std::array<char, 64> buffer{};
  const auto size = run_task(io_, (*stream)->read_some(buffer));
  ASSERT_TRUE(size) << size.error().text;
  EXPECT_EQ(std::string_view(buffer.data(), *size), "cba\n");
}

}  // namespace
}  // namespace mandated::tls
