#include "proxy/attest/process.h"

#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <iterator>

namespace mandated::attest {
namespace {

net::Descriptor pidfd_of(pid_t id) {
  return net::Descriptor(static_cast<int>(::syscall(SYS_pidfd_open, id, 0U)));
}

// A process that waits; killed and reaped at the end.
class Child {
 public:
  Child() : id_(::fork()) {
    if (id_ == 0) {
      while (true) ::pause();
    }
  }
  ~Child() { end(); }
  void end() {
    if (id_ <= 0) return;
    ::kill(id_, SIGKILL);
    ::waitpid(id_, nullptr, 0);
    id_ = -1;
  }
  pid_t id() const { return id_; }

 private:
  pid_t id_;
};

TEST(ParseStartTime, ByTheManualPage) {
  const std::string before = " 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 ";
  struct Case {
    std::string text;
    std::optional<std::uint64_t> ticks;
  };
  const Case cases[] = {
      {"12 (cat) S" + before + "4711 0 0\n", 4711},
      {"12 (a) S (b) R" + before + "18446744073709551615 0\n", 18446744073709551615U},
      {"12 () D" + before + "0 0\n", 0},
      {"12 (cat) Z" + before + "4711 0\n", std::nullopt},  // ended, not yet waited for
      {"12 (cat) X" + before + "4711 0\n", std::nullopt},
      {"12 (cat) S" + before + "18446744073709551616 0\n", std::nullopt},
      {"12 (cat) S" + before + "-1 0\n", std::nullopt},
      {"12 (cat) S" + before + "x 0\n", std::nullopt},
      {"12 (cat) S" + before + "4711", std::nullopt},
      {"12 (cat) S 1 2 3\n", std::nullopt},
      {"12 cat S" + before + "4711 0\n", std::nullopt},
      {"12 (cat)", std::nullopt},
      {"12 (cat) ", std::nullopt},
      {"", std::nullopt},
  };
  for (const Case& each : cases) EXPECT_EQ(parse_start_time(each.text), each.ticks) << each.text;
}

TEST(Process, HoldsWhatRuns) {
  const std::optional<Process> own = Process::hold(::getpid(), pidfd_of(::getpid()));
  ASSERT_TRUE(own);
  EXPECT_EQ(own->id(), ::getpid());
  EXPECT_TRUE(own->is_alive());
  EXPECT_EQ(own->current_image(), own->image());
  EXPECT_EQ(own->certain_path(), own->shown_path());
  std::ifstream stat("/proc/self/stat");
  const std::string line{std::istreambuf_iterator<char>(stat), {}};
  EXPECT_EQ(own->start_time(), parse_start_time(line));
  EXPECT_TRUE(own->cgroup());
}

TEST(Process, WhatHasEndedIsNotHeld) {
  Child child;
  net::Descriptor pidfd = pidfd_of(child.id());
  ASSERT_TRUE(pidfd);
  const pid_t id = child.id();
  child.end();
  EXPECT_FALSE(Process::hold(id, std::move(pidfd)));
}

// The number belongs to somebody else by the time that we look: the pidfd, which the kernel gave
// for the process that connected, says so.
TEST(Process, AnIdThatWasGivenToAnotherProcessIsNotHeld) {
  Child first;
  net::Descriptor pidfd = pidfd_of(first.id());
  ASSERT_TRUE(pidfd);
  first.end();
  const Child second;
  ASSERT_TRUE(Process::hold(second.id(), pidfd_of(second.id())));
  EXPECT_FALSE(Process::hold(second.id(), std::move(pidfd)));
}

TEST(Process, WhatIsHeldIsGoneWhenItEnds) {
  Child child;
  const std::optional<Process> held = Process::hold(child.id(), pidfd_of(child.id()));
  ASSERT_TRUE(held);
  EXPECT_TRUE(held->is_alive());
  child.end();
  EXPECT_FALSE(held->is_alive());
  EXPECT_FALSE(held->current_image());
  EXPECT_FALSE(held->open_executable());
  EXPECT_FALSE(held->certain_path());
  EXPECT_FALSE(held->cgroup());
}

TEST(Process, NobodyIsHeldWithoutAPidfdOrAnId) {
  EXPECT_FALSE(Process::hold(::getpid(), net::Descriptor()));
  EXPECT_FALSE(Process::hold(0, pidfd_of(::getpid())));
  EXPECT_FALSE(Process::hold(-1, pidfd_of(::getpid())));
}

}  // namespace
}  // namespace mandated::attest
