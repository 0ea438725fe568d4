// Real sockets on loopback and in a temporary folder.
#include "proxy/net/socket.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <vector>

#include "proxy/base/gate.h"
#include "tests/support_ca/run_task.h"

namespace mandated::net {
namespace {

using namespace std::chrono_literals;
using test::run_task;
using testing::HasSubstr;

class SocketTest : public testing::Test {
 protected:
  SocketTest() {
    std::string pattern = testing::TempDir() + "mandated_net_XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
  }
  ~SocketTest() override { std::filesystem::remove_all(folder_); }

  Address unix_address() const { return *Address::parse("unix:" + (folder_ / "a.sock").string()); }

  std::unique_ptr<BoundAddress> bind(const Address& address) {
    auto bound = BoundAddress::bind(address);
    EXPECT_TRUE(bound) << bound.error().text;
    return std::move(*bound);
  }

  std::pair<StreamPtr, StreamPtr> pair() {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    return {make_socket_stream(clock_, ends[0]), make_socket_stream(clock_, ends[1])};
  }

  /// A connection through `listener`, both ends.
  std::pair<StreamPtr, StreamPtr> connect(Listener& listener) {
    const auto dialer = make_socket_dialer(clock_);
    auto near = run_task(io_, dialer->dial(listener.address(), clock_.now() + 30s));
    EXPECT_TRUE(near) << near.error().text;
    auto far = run_task(io_, listener.accept());
    EXPECT_TRUE(far) << far.error().text;
    return {std::move(*near), std::move(*far)};
  }

  Result<std::string> read(Stream& stream, std::size_t size_max = 4096) {
    std::string buffer(size_max, '\0');
    auto size = run_task(io_, stream.read_some(buffer));
    if (!size) return Failure(size.error());
    buffer.resize(*size);
    return buffer;
  }

  void expect_both_ways(Stream& near, Stream& far) {
    EXPECT_TRUE(run_task(io_, near.write("ping")));
    EXPECT_EQ(read(far), "ping");
    EXPECT_TRUE(run_task(io_, far.write("pong")));
    EXPECT_EQ(read(near), "pong");
  }

  boost::asio::io_context io_{1};
  RealClock clock_{io_};
  std::filesystem::path folder_;
};

TEST_F(SocketTest, CarriesBytesBothWaysOverTcpAndUnix) {
  for (const Address& address :
       {*Address::parse("127.0.0.1:0"), *Address::parse("localhost:0"), unix_address()}) {
    SCOPED_TRACE(address.to_string());
    const auto bound = bind(address);
    const auto listener = bound->listen(clock_);
    ASSERT_TRUE(listener) << listener.error().text;
    if (!address.is_unix()) {
      EXPECT_NE(bound->address().port, 0);
    }
    EXPECT_EQ((*listener)->address(), bound->address());
    const auto [near, far] = connect(**listener);
    expect_both_ways(*near, *far);
  }
}

TEST_F(SocketTest, EndOfOneSideIsZeroAndTheOtherGoesOn) {
  const auto [near, far] = pair();
  EXPECT_TRUE(run_task(io_, near->write("last")));
  EXPECT_TRUE(run_task(io_, near->shutdown()));
  EXPECT_EQ(read(*far), "last");
  EXPECT_EQ(read(*far), "");
  EXPECT_TRUE(run_task(io_, far->write("answer")));
  EXPECT_EQ(read(*near), "answer");
}

Task<void> write_into(Stream& stream, std::string bytes, Result<void>& outcome) {
  outcome = co_await stream.write(bytes);
}

TEST_F(SocketTest, WritesMoreThanTheSocketHolds) {
  const auto [near, far] = pair();
  std::string bytes(8U << 20U, '\0');
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 31 >> 3U);
  Gate gate(clock_.executor());
  Result<void> written = fail(Code::kInternal, "never ended");
  gate.spawn(write_into(*near, bytes, written));
  std::string received;
  while (received.size() < bytes.size()) {
    const auto piece = read(*far, 65536);
    ASSERT_TRUE(piece) << piece.error().text;
    ASSERT_FALSE(piece->empty());
    received += *piece;
  }
  run_task(io_, gate.wait_empty());
  EXPECT_TRUE(written);
  EXPECT_TRUE(received == bytes);
}

TEST_F(SocketTest, DeadlineEndsAPendingReadAndAllAfterIt) {
  const auto [near, far] = pair();
  near->set_deadline(clock_.now() + 20ms);
  EXPECT_EQ(read(*near).error().code, Code::kTimeout);
  EXPECT_EQ(read(*near).error().code, Code::kTimeout);
  EXPECT_EQ(run_task(io_, near->write("late")).error().code, Code::kTimeout);
  EXPECT_EQ(run_task(io_, near->shutdown()).error().code, Code::kTimeout);
  near->close();
  EXPECT_EQ(read(*near).error().code, Code::kTimeout);
  EXPECT_EQ(read(*far), "");  // the peer sees it end
}

TEST_F(SocketTest, DeadlineEndsAWriteThatNobodyReads) {
  const auto [near, far] = pair();
  near->set_deadline(clock_.now() + 30ms);
  EXPECT_EQ(run_task(io_, near->write(std::string(8U << 20U, 'x'))).error().code, Code::kTimeout);
}

TEST_F(SocketTest, DeadlineThatIsMovedOrLiftedDoesNotFire) {
  const auto [near, far] = pair();
  near->set_deadline(clock_.now() + 10ms);
  near->set_deadline(clock_.now() + 1h);
  run_task(io_, clock_.sleep_for(30ms));
  EXPECT_TRUE(run_task(io_, near->write("on time")));
  near->set_deadline(clock_.now() + 10ms);
  near->set_deadline(Clock::Time::max());
  run_task(io_, clock_.sleep_for(30ms));
  EXPECT_TRUE(run_task(io_, near->write("!")));
  EXPECT_EQ(read(*far), "on time!");
}

Task<void> read_into(Stream& stream, Result<std::size_t>& outcome) {
  std::array<char, 16> buffer{};
  outcome = co_await stream.read_some(buffer);
}

TEST_F(SocketTest, CloseCancelsWhatIsPending) {
  const auto [near, far] = pair();
  Gate gate(clock_.executor());
  Result<std::size_t> outcome = std::size_t{7};
  gate.spawn(read_into(*near, outcome));
  run_task(io_, clock_.sleep_for(5ms));
  near->close();
  near->close();
  run_task(io_, gate.wait_empty());
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, Code::kCancelled);
  EXPECT_EQ(run_task(io_, near->write("x")).error().code, Code::kCancelled);
  EXPECT_EQ(read(*near).error().code, Code::kCancelled);
}

TEST_F(SocketTest, WritingToAPeerThatIsGoneIsReset) {
  auto [near, far] = pair();
  far.reset();
  EXPECT_EQ(run_task(io_, near->write("x")).error().code, Code::kReset);
}

TEST_F(SocketTest, ResetOfATcpConnectionIsToldFromItsEnd) {
  const auto bound = bind(*Address::parse("127.0.0.1:0"));
  const auto listener = bound->listen(clock_);
  const int raw = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  name.sin_port = htons(bound->address().port);
  ASSERT_EQ(::connect(raw, reinterpret_cast<sockaddr*>(&name), sizeof(name)), 0);
  auto far = run_task(io_, (*listener)->accept());
  ASSERT_TRUE(far);
  const linger hard{1, 0};
  ::setsockopt(raw, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
  ::close(raw);
  EXPECT_EQ(read(**far).error().code, Code::kReset);
}

Task<void> count_accepted(Listener& listener, int& count) {
  for (;;) {
    const auto accepted = co_await listener.accept();
    if (!accepted) co_return;
    ++count;
  }
}

TEST_F(SocketTest, EveryWorkerGetsConnectionsOfThePortThatWasChosen) {
  for (const Address& address : {*Address::parse("127.0.0.1:0"), unix_address()}) {
    SCOPED_TRACE(address.to_string());
    const auto bound = bind(address);
    const auto first = bound->listen(clock_);
    const auto second = bound->listen(clock_);
    ASSERT_TRUE(first && second);
    EXPECT_EQ((*first)->address(), (*second)->address());
    Gate gate(clock_.executor());
    std::array<int, 2> counts{};
    gate.spawn(count_accepted(**first, counts[0]));
    gate.spawn(count_accepted(**second, counts[1]));
    const auto dialer = make_socket_dialer(clock_);
    std::vector<StreamPtr> dialled;
    for (int i = 0; i < 64; ++i) {
      auto near = run_task(io_, dialer->dial(bound->address(), clock_.now() + 30s));
      ASSERT_TRUE(near) << near.error().text;
      dialled.push_back(std::move(*near));
    }
    for (int tries = 0; tries < 1000 && counts[0] + counts[1] < 64; ++tries) {
      run_task(io_, clock_.sleep_for(2ms));
    }
    EXPECT_EQ(counts[0] + counts[1], 64);
    // The kernel spreads TCP by the hash of the addresses; a Unix socket's is a race.
    if (!address.is_unix()) {
      EXPECT_GT(std::min(counts[0], counts[1]), 0);
    }
    (*first)->close();
    (*second)->close();
    run_task(io_, gate.wait_empty());
  }
}

TEST_F(SocketTest, SecondProcessOnThePortIsRefused) {
  const auto bound = bind(*Address::parse("127.0.0.1:0"));
  const auto listener = bound->listen(clock_);
  ASSERT_TRUE(listener);
  const auto again = BoundAddress::bind(bound->address());
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, Code::kUnavailable);
  EXPECT_THAT(again.error().text, HasSubstr("in use"));
}

TEST_F(SocketTest, NamesAreNotListenedOn) {
  const auto bound = BoundAddress::bind(*Address::parse("host.example:80"));
  ASSERT_FALSE(bound);
  EXPECT_EQ(bound.error().code, Code::kUnavailable);
  EXPECT_THAT(bound.error().text, HasSubstr("a name"));
}

TEST_F(SocketTest, AcceptedAndDialledTcpSendsAtOnceAndIsNotInherited) {
  const auto bound = bind(*Address::parse("127.0.0.1:0"));
  const auto listener = bound->listen(clock_);
  const auto [near, far] = connect(**listener);
  int found = 0;
  for (int descriptor = 3; descriptor < 256; ++descriptor) {
    sockaddr_in peer{};
    socklen_t size = sizeof(peer);
    if (::getpeername(descriptor, reinterpret_cast<sockaddr*>(&peer), &size) != 0) continue;
    if (peer.sin_family != AF_INET) continue;
    ++found;
    int on = 0;
    size = sizeof(on);
    ASSERT_EQ(::getsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, &size), 0);
    EXPECT_EQ(on, 1);
    EXPECT_NE(::fcntl(descriptor, F_GETFD) & FD_CLOEXEC, 0);
  }
  EXPECT_EQ(found, 2);
}

TEST_F(SocketTest, AcceptWaitsWhenDescriptorsRunOut) {
  const auto bound = bind(unix_address());
  const auto listener = bound->listen(clock_);
  ASSERT_TRUE(listener);
  const auto dialer = make_socket_dialer(clock_);
  auto near = run_task(io_, dialer->dial(bound->address(), clock_.now() + 30s));
  ASSERT_TRUE(near);
  rlimit saved{};
  ::getrlimit(RLIMIT_NOFILE, &saved);
  rlimit none = saved;
  none.rlim_cur = 3;
  ::setrlimit(RLIMIT_NOFILE, &none);
  const auto restore =
      clock_.call_at(clock_.now() + 50ms, [&saved] { ::setrlimit(RLIMIT_NOFILE, &saved); });
  const Clock::Time begun = clock_.now();
  auto far = run_task(io_, (*listener)->accept());
  ::setrlimit(RLIMIT_NOFILE, &saved);
  ASSERT_TRUE(far) << far.error().text;
  EXPECT_GE(clock_.now() - begun, 100ms);
  expect_both_ways(**near, **far);
}

Task<void> accept_into(Listener& listener, Code& code) {
  auto accepted = co_await listener.accept();
  code = accepted ? Code::kInternal : accepted.error().code;
}

TEST_F(SocketTest, ClosedListenerIsCancelled) {
  const auto bound = bind(unix_address());
  const auto listener = bound->listen(clock_);
  ASSERT_TRUE(listener);
  Gate gate(clock_.executor());
  Code code = Code::kInternal;
  gate.spawn(accept_into(**listener, code));
  run_task(io_, clock_.sleep_for(5ms));
  (*listener)->close();
  run_task(io_, gate.wait_empty());
  EXPECT_EQ(code, Code::kCancelled);
  const auto again = run_task(io_, (*listener)->accept());
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, Code::kCancelled);
}

TEST_F(SocketTest, UnixSocketIsPrivateAndRemovedAtTheEnd) {
  const Address address = unix_address();
  auto bound = bind(address);
  struct stat status{};
  ASSERT_EQ(::lstat(address.unix_path.c_str(), &status), 0);
  EXPECT_TRUE(S_ISSOCK(status.st_mode));
  EXPECT_EQ(status.st_mode & 07777U, 0600U);
  bound.reset();
  EXPECT_FALSE(std::filesystem::exists(address.unix_path));
}

TEST_F(SocketTest, UnixSocketHasTheModeThatWasAskedForWhateverTheUmask) {
  const Address address = unix_address();
  for (const mode_t umask : {0077U, 0022U, 0000U}) {
    for (const mode_t mode : {0600U, 0660U}) {
      const mode_t before = ::umask(umask);
      const auto bound = BoundAddress::bind(address, mode);
      ::umask(before);
      ASSERT_TRUE(bound) << bound.error().text;
      struct stat status{};
      ASSERT_EQ(::lstat(address.unix_path.c_str(), &status), 0);
      EXPECT_EQ(status.st_mode & 07777U, mode) << "umask " << umask;
    }
  }
}

TEST_F(SocketTest, ALinkInTheWayIsNotFollowed) {
  const Address address = unix_address();
  const std::filesystem::path elsewhere = folder_ / "elsewhere.sock";
  const auto served = bind(*Address::parse("unix:" + elsewhere.string()));
  std::filesystem::create_symlink(elsewhere, address.unix_path);
  const auto refused = BoundAddress::bind(address);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().text, HasSubstr("a file that is no socket is in the way"));
  EXPECT_TRUE(std::filesystem::exists(elsewhere));
  EXPECT_TRUE(std::filesystem::is_symlink(address.unix_path));
}

TEST_F(SocketTest, TheSystemVouchesForThePeerOfAUnixSocketOnly) {
  const auto tcp = bind(*Address::parse("127.0.0.1:0"));
  const auto tcp_listener = tcp->listen(clock_);
  ASSERT_TRUE(tcp_listener);
  EXPECT_EQ(connect(**tcp_listener).second->credentials(), std::nullopt);

  const auto bound = bind(unix_address());
  const auto listener = bound->listen(clock_);
  ASSERT_TRUE(listener);
  auto [near, far] = connect(**listener);
  near.reset();  // what counts is who connected
  const std::optional<PeerCredentials> peer = far->credentials();
  ASSERT_TRUE(peer);
  EXPECT_EQ(peer->user, ::geteuid());
  EXPECT_EQ(peer->process, ::getpid());
  far->close();
  EXPECT_EQ(far->credentials(), std::nullopt);
}

TEST_F(SocketTest, StaleUnixSocketIsReplaced) {
  const Address address = unix_address();
  const int old = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  address.unix_path.copy(name.sun_path, sizeof(name.sun_path) - 1);
  ASSERT_EQ(::bind(old, reinterpret_cast<sockaddr*>(&name), sizeof(name)), 0);
  ::close(old);
  const auto bound = bind(address);
  const auto listener = bound->listen(clock_);
  const auto [near, far] = connect(**listener);
  expect_both_ways(*near, *far);
}

TEST_F(SocketTest, ServedUnixSocketAndOtherFilesAreLeftAlone) {
  const Address address = unix_address();
  {
    const auto bound = bind(address);
    const auto again = BoundAddress::bind(address);
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().code, Code::kUnavailable);
    EXPECT_THAT(again.error().text, HasSubstr("another process serves it"));
  }
  std::ofstream(address.unix_path) << "precious";
  const auto blocked = BoundAddress::bind(address);
  ASSERT_FALSE(blocked);
  EXPECT_THAT(blocked.error().text, HasSubstr("no socket is in the way"));
  EXPECT_TRUE(std::filesystem::exists(address.unix_path));
}

TEST_F(SocketTest, ReplacedUnixSocketIsNotRemoved) {
  const Address address = unix_address();
  auto bound = bind(address);
  std::filesystem::remove(address.unix_path);
  std::ofstream(address.unix_path) << "somebody else's";
  bound.reset();
  EXPECT_TRUE(std::filesystem::exists(address.unix_path));
}

TEST_F(SocketTest, DialRefusedUnknownAndLate) {
  const auto dialer = make_socket_dialer(clock_);
  Address closed;
  {
    const auto bound = bind(*Address::parse("127.0.0.1:0"));
    closed = bound->address();
  }
  auto refused = run_task(io_, dialer->dial(closed, clock_.now() + 30s));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kRefused);
  EXPECT_EQ(refused.error().side, Side::kUpstream);

  refused = run_task(io_, dialer->dial(unix_address(), clock_.now() + 30s));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kRefused);

  auto late = run_task(io_, dialer->dial(closed, clock_.now() - 1s));
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, Code::kTimeout);

  // A name nobody has (RFC 6761 section 6.4); where there is no resolver at all, the look-up fails
  // another way.
  auto unknown =
      run_task(io_, dialer->dial(*Address::parse("nobody.invalid:1"), clock_.now() + 30s));
  ASSERT_FALSE(unknown);
  EXPECT_TRUE(unknown.error().code == Code::kNotFound || unknown.error().code == Code::kRefused)
      << unknown.error().text;
  EXPECT_THAT(unknown.error().text, HasSubstr("nobody.invalid"));
}

TEST_F(SocketTest, FullUnixQueueIsRefusedNotTakenForAConnection) {
  const Address address = unix_address();
  const int listening = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  address.unix_path.copy(name.sun_path, sizeof(name.sun_path) - 1);
  ASSERT_EQ(::bind(listening, reinterpret_cast<sockaddr*>(&name), sizeof(name)), 0);
  ASSERT_EQ(::listen(listening, 1), 0);
  const auto dialer = make_socket_dialer(clock_);
  std::vector<StreamPtr> queued;
  Result<StreamPtr> last = fail(Code::kInternal, "never dialled");
  for (int i = 0; i < 8; ++i) {
    last = run_task(io_, dialer->dial(address, clock_.now() + 30s));
    if (!last) break;
    queued.push_back(std::move(*last));
  }
  ASSERT_FALSE(last);
  EXPECT_EQ(last.error().code, Code::kRefused);
  EXPECT_THAT(last.error().text, HasSubstr("queue"));
  ::close(listening);
}

TEST_F(SocketTest, ConnectThatIsNotAnsweredTimesOut) {
  // Once the queue of a listener that never accepts is full, Linux drops what comes.
  const int listening = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(name);
  ASSERT_EQ(::bind(listening, reinterpret_cast<sockaddr*>(&name), size), 0);
  ASSERT_EQ(::listen(listening, 0), 0);
  ASSERT_EQ(::getsockname(listening, reinterpret_cast<sockaddr*>(&name), &size), 0);
  const Address address = *Address::parse("127.0.0.1:" + std::to_string(ntohs(name.sin_port)));
  const auto dialer = make_socket_dialer(clock_);
  std::vector<StreamPtr> queued;
  Result<StreamPtr> last = fail(Code::kInternal, "never dialled");
  for (int i = 0; i < 8; ++i) {
    last = run_task(io_, dialer->dial(address, clock_.now() + 50ms));
    if (!last) break;
    queued.push_back(std::move(*last));
  }
  ASSERT_FALSE(last);
  EXPECT_EQ(last.error().code, Code::kTimeout);
  EXPECT_EQ(last.error().side, Side::kUpstream);
  ::close(listening);
}

}  // namespace
}  // namespace mandated::net
