// Real processes over a real socket: attest_peer (peer.cc) connects, and does what makes it another
// than it was.
#include "proxy/attest/caller.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include "filters/receipt/digest.h"
#include "proxy/net/socket.h"
#include "tests/support_ca/run_task.h"

namespace mandated::attest {
namespace {

using namespace std::chrono_literals;
using test::run_task;
using testing::HasSubstr;

std::filesystem::path peer_binary() {
  return std::filesystem::read_symlink("/proc/self/exe").parent_path() / "attest_peer";
}

std::string sha256_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  std::string text;
  for (const std::uint8_t byte : receipt::sha256(bytes)) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    text += kDigits[byte >> 4U];
    text += kDigits[byte & 0xFU];
  }
  return text;
}

/// attest_peer, or a copy of it.
class Peer {
 public:
  Peer(const std::filesystem::path& binary, const std::string& socket) {
    int orders[2];
    int answers[2];
    EXPECT_EQ(::pipe2(orders, O_CLOEXEC), 0);
    EXPECT_EQ(::pipe2(answers, O_CLOEXEC), 0);
    orders_ = net::Descriptor(orders[1]);
    answers_ = net::Descriptor(answers[0]);
    id_ = ::fork();
    if (id_ == 0) {
      ::dup2(orders[0], STDIN_FILENO);
      ::dup2(answers[1], STDOUT_FILENO);
      ::execl(binary.c_str(), binary.c_str(), socket.c_str(), nullptr);
      ::_exit(127);
    }
    ::close(orders[0]);
    ::close(answers[1]);
  }
  ~Peer() {
    if (id_ <= 0) return;
    ::kill(id_, SIGKILL);
    wait();
  }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  bool order(char what) { return ::write(orders_.get(), &what, 1) == 1; }
  /// Until it has done it.
  bool tell(char what) {
    char answer = 0;
    return order(what) && ::read(answers_.get(), &answer, 1) == 1 && answer == '.';
  }
  pid_t id() const { return id_; }
  /// Until it has ended; a child that took over goes on listening to orders.
  void wait() {
    ::waitpid(id_, nullptr, 0);
    id_ = -1;
  }

 private:
  net::Descriptor orders_;
  net::Descriptor answers_;
  pid_t id_ = -1;
};

/// This thread without CAP_SYS_PTRACE, as a proxy that does not run as root.
class WithoutPtrace {
 public:
  WithoutPtrace() {
    EXPECT_EQ(::syscall(SYS_capget, &header_, before_), 0);
    __user_cap_data_struct less[2] = {before_[0], before_[1]};
    less[0].effective &= ~(1U << CAP_SYS_PTRACE);
    EXPECT_EQ(::syscall(SYS_capset, &header_, less), 0);
  }
  ~WithoutPtrace() { ::syscall(SYS_capset, &header_, before_); }

 private:
  __user_cap_header_struct header_{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct before_[2]{};
};

class CallerTest : public testing::Test {
 protected:
  CallerTest() {
    std::string pattern = testing::TempDir() + "mandated_attest_XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    std::filesystem::permissions(folder_, std::filesystem::perms::all);
    const net::Address address = *net::Address::parse("unix:" + socket());
    bound_ = std::move(*net::BoundAddress::bind(address, 0666));
    listener_ = std::move(*bound_->listen(clock_));
  }
  ~CallerTest() override { std::filesystem::remove_all(folder_); }

  std::string socket() const { return (folder_ / "s").string(); }
  /// A copy of the peer under a name of its own; `more` is put behind it.
  std::filesystem::path copy(const std::string& name, const std::string& more = "") const {
    const std::filesystem::path path = folder_ / name;
    std::filesystem::copy_file(peer_binary(), path);
    std::ofstream(path, std::ios::binary | std::ios::app) << more;
    return path;
  }
  /// What it wrote is read only once the test wants it.
  net::StreamPtr accept() { return std::move(*run_task(io_, listener_->accept())); }
  std::unique_ptr<Caller> identify(net::Stream& stream) {
    return run_task(io_, Caller::identify(stream, attestor_, clock_));
  }
  std::string read(net::Stream& stream) {
    std::string buffer(64, '\0');
    const auto size = run_task(io_, stream.read_some(buffer));
    buffer.resize(size ? *size : 0);
    return buffer;
  }
  void expect_lost(Caller& caller, const std::string& why) {
    const auto now = run_task(io_, caller.now());
    ASSERT_FALSE(now);
    EXPECT_EQ(now.error().code, Code::kPeerIdentity);
    EXPECT_THAT(now.error().text, HasSubstr(why));
  }
  identity::InstancePtr known(Caller& caller) {
    auto now = run_task(io_, caller.now());
    EXPECT_TRUE(now) << now.error().text;
    return now ? *now : std::make_shared<const identity::Instance>();
  }

  boost::asio::io_context io_{1};
  RealClock clock_{io_};
  Attestor attestor_;
  std::filesystem::path folder_;
  std::unique_ptr<net::BoundAddress> bound_;
  std::unique_ptr<net::Listener> listener_;
};

TEST_F(CallerTest, IsToldByUserProgramAndTime) {
  Peer peer(peer_binary(), socket());
  ASSERT_TRUE(peer.tell('c') && peer.tell('w'));
  const net::StreamPtr stream = accept();
  const auto caller = identify(*stream);
  ASSERT_TRUE(caller);
  EXPECT_EQ(read(*stream), "w");
  const identity::InstancePtr instance = known(*caller);
  EXPECT_EQ(instance->process, peer.id());
  EXPECT_EQ(instance->executable, peer_binary());
  EXPECT_EQ(instance->executable_sha256, sha256_of(peer_binary()));
  auto selectors = instance->selectors;
  EXPECT_EQ(selectors["unix:uid"], std::to_string(::geteuid()));
  EXPECT_EQ(selectors["unix:gid"], std::to_string(::getegid()));
  EXPECT_EQ(selectors["unix:pid"], std::to_string(peer.id()));
  EXPECT_EQ(selectors["unix:start-time"], std::to_string(instance->start_time));
  EXPECT_EQ(selectors["unix:path"], peer_binary());
  EXPECT_EQ(selectors["unix:sha256"], sha256_of(peer_binary()));
}

TEST_F(CallerTest, ThatBecomesAnotherProgramIsLost) {
  Peer peer(peer_binary(), socket());
  ASSERT_TRUE(peer.tell('c') && peer.tell('w'));
  const net::StreamPtr stream = accept();
  const auto caller = identify(*stream);
  ASSERT_TRUE(caller);
  known(*caller);
  ASSERT_TRUE(peer.order('x'));
  const auto give_up = clock_.now() + 20s;
  while (run_task(io_, caller->now()) && clock_.now() < give_up) std::this_thread::sleep_for(1ms);
  expect_lost(*caller, "has become another program");
}

TEST_F(CallerTest, ThatEndedIsLostThoughItsSocketIsPassedOn) {
  Peer peer(peer_binary(), socket());
  ASSERT_TRUE(peer.tell('c'));
  const net::StreamPtr stream = accept();
  const auto caller = identify(*stream);
  ASSERT_TRUE(caller);
  known(*caller);
  ASSERT_TRUE(peer.tell('d'));  // the child answers
  peer.wait();
  ASSERT_TRUE(peer.tell('w'));
  EXPECT_EQ(read(*stream), "w");
  expect_lost(*caller, "another process wrote");
}

TEST_F(CallerTest, ThatEndedBeforeItWasAskedForIsNobody) {
  net::StreamPtr stream;
  {
    Peer peer(peer_binary(), socket());
    ASSERT_TRUE(peer.tell('c') && peer.tell('w'));
    stream = accept();
  }
  EXPECT_FALSE(identify(*stream));
}

TEST_F(CallerTest, ThatEndsIsLost) {
  net::StreamPtr stream;
  std::unique_ptr<Caller> caller;
  {
    Peer peer(peer_binary(), socket());
    ASSERT_TRUE(peer.tell('c'));
    stream = accept();
    caller = identify(*stream);
    ASSERT_TRUE(caller);
  }
  expect_lost(*caller, "has ended");
}

TEST_F(CallerTest, WhoseChildWritesIsLost) {
  Peer peer(peer_binary(), socket());
  ASSERT_TRUE(peer.tell('c') && peer.tell('w'));
  const net::StreamPtr stream = accept();
  const auto caller = identify(*stream);
  ASSERT_TRUE(caller);
  EXPECT_EQ(read(*stream), "w");
  known(*caller);
  ASSERT_TRUE(peer.tell('f'));
  EXPECT_EQ(read(*stream), "f");
  expect_lost(*caller, "another process wrote");
}

TEST_F(CallerTest, IsToldByItsFileAfterThatWasDeletedAndReplaced) {
  const std::filesystem::path binary = copy("agent");
  const std::string before = sha256_of(binary);
  Peer peer(binary, socket());
  ASSERT_TRUE(peer.tell('c'));
  std::filesystem::remove(binary);
  copy("agent", "another");
  const net::StreamPtr stream = accept();
  const auto caller = identify(*stream);
  ASSERT_TRUE(caller);
  const identity::InstancePtr instance = known(*caller);
  EXPECT_EQ(instance->executable_sha256, before);
  EXPECT_NE(instance->executable_sha256, sha256_of(binary));
  EXPECT_FALSE(instance->selectors.contains("unix:path")) << "another file has that path now";
}

TEST_F(CallerTest, StaysWhoItIsWhenItsFileIsMoved) {
  const std::filesystem::path binary = copy("agent");
  Peer peer(binary, socket());
  ASSERT_TRUE(peer.tell('c'));
  const net::StreamPtr stream = accept();
  const auto caller = identify(*stream);
  ASSERT_TRUE(caller);
  std::filesystem::rename(binary, folder_ / "moved");  // which changes its ctime
  known(*caller);
  std::filesystem::remove(folder_ / "moved");
  EXPECT_EQ(known(*caller)->executable_sha256, sha256_of(peer_binary()));
}

TEST_F(CallerTest, AChangedFileHasAnotherHash) {
  Peer peer(copy("agent", "changed"), socket());
  ASSERT_TRUE(peer.tell('c'));
  const net::StreamPtr stream = accept();
  const auto caller = identify(*stream);
  ASSERT_TRUE(caller);
  EXPECT_NE(known(*caller)->executable_sha256, sha256_of(peer_binary()));
  EXPECT_EQ(known(*caller)->executable_sha256, sha256_of(folder_ / "agent"));
}

TEST_F(CallerTest, AScriptIsItsInterpreter) {
  const std::filesystem::path script = folder_ / "script";
  std::ofstream(script) << "#!" << peer_binary().string() << "\n";
  std::filesystem::permissions(script, std::filesystem::perms::owner_all);
  Peer peer(script, socket());
  ASSERT_TRUE(peer.tell('c'));
  const net::StreamPtr stream = accept();
  const auto caller = identify(*stream);
  ASSERT_TRUE(caller);
  EXPECT_EQ(known(*caller)->executable, peer_binary());
  EXPECT_EQ(known(*caller)->executable_sha256, sha256_of(peer_binary()));
}

TEST_F(CallerTest, OfWhichWeMayNotSeeTheFileIsAUserAndNoProgram) {
  const WithoutPtrace here;
  Peer peer(peer_binary(), socket());
  const bool root = ::geteuid() == 0;
  if (root) {
    ASSERT_TRUE(peer.tell('u'));
  }
  ASSERT_TRUE(peer.tell('n') && peer.tell('c'));
  const net::StreamPtr stream = accept();
  const auto caller = identify(*stream);
  ASSERT_TRUE(caller);
  const identity::InstancePtr instance = known(*caller);
  auto selectors = instance->selectors;
  EXPECT_EQ(selectors["unix:uid"], root ? "65534" : std::to_string(::geteuid()));
  EXPECT_EQ(instance->executable_sha256, "");
  EXPECT_FALSE(selectors.contains("unix:sha256"));
  EXPECT_FALSE(selectors.contains("unix:path"));
  EXPECT_EQ(attestor_.files_read(), 0U);
}

TEST_F(CallerTest, AFileIsReadOnceForManyConnections) {
  for (int connection = 0; connection < 3; ++connection) {
    Peer peer(peer_binary(), socket());
    ASSERT_TRUE(peer.tell('c'));
    const net::StreamPtr stream = accept();
    const auto caller = identify(*stream);
    ASSERT_TRUE(caller);
    for (int call = 0; call < 100; ++call) known(*caller);
  }
  EXPECT_EQ(attestor_.files_read(), 1U);
}

TEST_F(CallerTest, AFileThatJustChangedIsReadEachTime) {
  const std::filesystem::path binary = copy("agent");
  for (int connection = 0; connection < 2; ++connection) {
    Peer peer(binary, socket());
    ASSERT_TRUE(peer.tell('c'));
    const net::StreamPtr stream = accept();
    ASSERT_TRUE(identify(*stream));
  }
  EXPECT_EQ(attestor_.files_read(), 2U);
}

TEST_F(CallerTest, OverTcpIsNobody) {
  const auto bound = net::BoundAddress::bind(*net::Address::parse("127.0.0.1:0"));
  const auto listener = (*bound)->listen(clock_);
  const auto dialer = net::make_socket_dialer(clock_);
  const auto near = run_task(io_, dialer->dial((*listener)->address(), clock_.now() + 30s));
  const net::StreamPtr far = std::move(*run_task(io_, (*listener)->accept()));
  EXPECT_FALSE(identify(*far));
}

TEST(IsAmong, EveryMemberMustFit) {
  identity::Instance instance;
  instance.selectors = {{"unix:uid", "1000"}, {"unix:path", "/usr/bin/agent"}};
  const config::AllowedCaller user = {{"unix:uid", "1000"}};
  const config::AllowedCaller other = {{"unix:uid", "1001"}};
  const config::AllowedCaller both = {{"unix:uid", "1000"}, {"unix:path", "/usr/bin/agent"}};
  const config::AllowedCaller wrong_path = {{"unix:uid", "1000"}, {"unix:path", "/usr/bin/agent2"}};
  const config::AllowedCaller unknown = {{"unix:uid", "1000"}, {"unix:sha256", "00"}};
  EXPECT_TRUE(is_among({user}, &instance));
  EXPECT_TRUE(is_among({other, both}, &instance));
  EXPECT_FALSE(is_among({other}, &instance));
  EXPECT_FALSE(is_among({wrong_path}, &instance));
  EXPECT_FALSE(is_among({unknown}, &instance));
  EXPECT_FALSE(is_among({}, &instance));
  EXPECT_FALSE(is_among({user}, nullptr));
}

}  // namespace
}  // namespace mandated::attest
