// Real processes, from /bin/sh and python3: what only the operating system can show.
#include "proxy/stdio/posix_child.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <cstdlib>
#include <fstream>
#include <future>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "proxy/base/random.h"
#include "proxy/stdio/stdio_upstream.h"

namespace mandated::stdio {
namespace {

using namespace std::chrono_literals;

bool alive(pid_t pid) {
  if (::kill(pid, 0) != 0) return false;
  std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");  // a zombie is not alive
  std::string text((std::istreambuf_iterator<char>(stat)), {});
  return text.find(") Z") == std::string::npos;
}

bool dies_soon(pid_t pid) {
  for (int i = 0; i < 500 && alive(pid); ++i) std::this_thread::sleep_for(10ms);
  return !alive(pid);
}

/// Runs one coroutine at a time on its own io_context.
class PosixChildTest : public ::testing::Test {
 protected:
  PosixChildTest() : clock(context), gate(context.get_executor()) {}
  ~PosixChildTest() override {
    if (child) child->end();
    child.reset();
    run(gate.wait_empty());
  }

  Command shell(const std::string& script) {
    Command command;
    command.argv = {"sh", "-c", script};
    command.leave_grace = 300ms;
    command.kill_grace = 300ms;
    return command;
  }
  Result<void> start(Command command) {
    children = make_posix_children(std::move(command), clock, gate,
                                   [this](std::string_view line) { log.emplace_back(line); });
    TRY(child, children->start());
    return {};
  }

  template <class T>
  T run(Task<T> task) {
    std::optional<T> out;
    boost::asio::co_spawn(context, std::move(task),
                          [&out](const std::exception_ptr&, T value) { out = std::move(value); });
    spin([&out] { return out.has_value(); });
    return std::move(*out);
  }
  void run(Task<void> task) {
    bool done = false;
    boost::asio::co_spawn(context, std::move(task),
                          [&done](const std::exception_ptr&) { done = true; });
    spin([&done] { return done; });
  }
  void spin(const std::function<bool()>& done) {
    const Clock::Time patience = clock.now() + 60s;
    while (!done() && clock.now() < patience) {
      context.restart();
      context.run_one_for(10ms);
    }
    ASSERT_TRUE(done()) << "it hangs";
  }

  std::string read() {
    auto line = run(child->read_line());
    if (line) return *line;
    return "!" + std::string(to_string(line.error().code));
  }
  void write(std::string text) { EXPECT_TRUE(run(child->write(text))); }

  boost::asio::io_context context;
  RealClock clock;
  Gate gate;
  std::unique_ptr<ChildFactory> children;
  ChildPtr child;
  std::vector<std::string> log;
};

TEST_F(PosixChildTest, AProcessThatRunsAlreadyIsTheFirst) {
  const Command command = shell("echo $$; read -r line; echo \"<$line>\"");
  auto started = start_process(command);
  ASSERT_TRUE(started) << started.error().text;
  children =
      make_posix_children(command, clock, gate, [](std::string_view) {}, std::move(*started));
  auto first = children->start();
  ASSERT_TRUE(first);
  child = std::move(*first);
  const std::string pid = read();
  write("one\n");
  EXPECT_EQ(read(), "<one>");
  child->end();
  run(child->exited());
  auto second = children->start();
  ASSERT_TRUE(second);
  child = std::move(*second);
  EXPECT_NE(read(), pid);
}

TEST_F(PosixChildTest, AProcessThatNobodyTookOverIsKilled) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const std::string path = "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(ends[1]);
  auto started = start_process(shell("exec sleep 60 >" + path));
  ASSERT_TRUE(started);
  char byte = 0;
  ::close(ends[1]);
  started->reset();
  EXPECT_EQ(::read(ends[0], &byte, 1), 0);  // whoever held the other end is gone
  ::close(ends[0]);
  auto nothing = start_process({.argv = {"/no/such/program/anywhere"}, .env = {}, .directory = {}});
  EXPECT_TRUE(nothing);  // found out when it runs
  EXPECT_FALSE(start_process({.argv = {"no-such-program-anywhere"}, .env = {}, .directory = {}}));
}

TEST_F(PosixChildTest, LinesInAndOut) {
  ASSERT_TRUE(start(shell("while read -r line; do echo \"<$line>\"; done")));
  write("one\n");
  write("two\n");
  EXPECT_EQ(read(), "<one>");
  EXPECT_EQ(read(), "<two>");
  child->end();
  EXPECT_EQ(read(), "!end");
  run(child->exited());
}

TEST_F(PosixChildTest, APartOfALineIsNoLine) {
  ASSERT_TRUE(start(shell("printf 'whole\\npart'")));
  EXPECT_EQ(read(), "whole");
  EXPECT_EQ(read(), "!end");
}

TEST_F(PosixChildTest, ManyLinesAtOnceAndOneInPieces) {
  ASSERT_TRUE(start(shell("seq 1 20000; printf 'a'; sleep 0.05; printf 'b\\n'")));
  for (int i = 1; i <= 20000; ++i) ASSERT_EQ(read(), std::to_string(i));
  EXPECT_EQ(read(), "ab");
}

TEST_F(PosixChildTest, WhatItWroteBeforeItsEndIsReadHoweverLate) {
  ASSERT_TRUE(start(shell("seq 1 5000; setsid sleep 20 &")));
  run(clock.sleep_for(1500ms));  // gone for more than a second
  for (int i = 1; i <= 5000; ++i) ASSERT_EQ(read(), std::to_string(i));
  EXPECT_EQ(read(), "!end");
}

TEST_F(PosixChildTest, ALineThatIsTooLongIsSkipped) {
  Command command = shell("head -c 10485760 /dev/zero | tr '\\0' x; echo; echo next");
  command.line_bytes_max = 1U << 20U;
  ASSERT_TRUE(start(command));
  EXPECT_EQ(read(), "!too_large");
  EXPECT_EQ(read(), "next");
}

TEST_F(PosixChildTest, TheLimitIsExact) {
  Command command = shell("printf '12345\\n123456\\n12345\\n'");
  command.line_bytes_max = 5;
  ASSERT_TRUE(start(command));
  EXPECT_EQ(read(), "12345");
  EXPECT_EQ(read(), "!too_large");
  EXPECT_EQ(read(), "12345");
}

TEST_F(PosixChildTest, ALineWithoutEndIsBounded) {
  Command command = shell("cat /dev/zero");
  command.line_bytes_max = 1U << 20U;
  ASSERT_TRUE(start(command));
  EXPECT_EQ(read(), "!too_large");
  child->kill();
  EXPECT_EQ(read(), "!end");
}

TEST_F(PosixChildTest, TheEnvironmentIsMinimal) {
  setenv("MANDATED_TEST_SECRET", "x", 1);
  Command command = shell("env | cut -d= -f1 | sort | tr '\\n' ' '; echo; echo \"$GIVEN\"");
  command.env = {{"GIVEN", "a b=c"}};
  ASSERT_TRUE(start(command));
  std::istringstream names(read());
  for (std::string name; names >> name;) {
    EXPECT_TRUE(name == "PATH" || name == "HOME" || name == "LANG" || name == "GIVEN" ||
                name == "PWD" || name == "SHLVL" || name == "OLDPWD" || name == "_")
        << name;
  }
  EXPECT_EQ(read(), "a b=c");
}

TEST_F(PosixChildTest, TheWorkingDirectory) {
  Command command = shell("pwd");
  command.directory = "/usr";
  ASSERT_TRUE(start(command));
  EXPECT_EQ(read(), "/usr");
}

TEST_F(PosixChildTest, NoDescriptorIsInherited) {
  const int leaked = open("/dev/null", O_RDONLY);  // on purpose without O_CLOEXEC
  ASSERT_GT(leaked, 2);
  ASSERT_LT(leaked, 64);
  Command command;
  command.argv = {"readlink"};
  for (int each = 0; each < 64; ++each) {
    command.argv.push_back("/proc/self/fd/" + std::to_string(each));
  }
  ASSERT_TRUE(start(command));
  for (int each = 0; each < 3; ++each) EXPECT_EQ(read().substr(0, 6), "pipe:[");
  EXPECT_EQ(read(), "!end");
  close(leaked);
}

TEST_F(PosixChildTest, SignalsHaveTheirDefaults) {
  ASSERT_TRUE(
      start(shell("while read name bits; do case $name in SigBlk:|SigIgn:) "
                  "printf '%s %x ' $name $((0x$bits & ~0x180000000));; esac; "
                  "done </proc/$$/status; echo")));
  // Less 32 and 33, glibc's own, which whoever was started by posix_spawn (so by make) ignores.
  EXPECT_EQ(read(), "SigBlk: 0 SigIgn: 0 ");
}

TEST_F(PosixChildTest, ItLeadsAGroupOfItsOwn) {
  ASSERT_TRUE(start(shell("echo $$ $(ps -o pgid= -p $$)")));
  std::istringstream line(read());
  pid_t pid = 0;
  pid_t group = 0;
  line >> pid >> group;
  EXPECT_GT(pid, 0);
  EXPECT_EQ(pid, group);
  EXPECT_NE(group, getpgrp());
}

TEST_F(PosixChildTest, ClosedInputIsEnoughForWhoeverListens) {
  ASSERT_TRUE(start(shell("cat >/dev/null; echo bye")));
  child->end();
  EXPECT_EQ(read(), "bye");
  EXPECT_EQ(read(), "!end");
  run(child->exited());
}

TEST_F(PosixChildTest, WhoeverIgnoresItIsTold) {
  ASSERT_TRUE(
      start(shell("trap 'echo told; exit 0' TERM; echo ready; while :; do sleep 0.05; done")));
  EXPECT_EQ(read(), "ready");
  child->end();
  EXPECT_EQ(read(), "told");
  run(child->exited());
}

TEST_F(PosixChildTest, WhoeverIgnoresThatIsKilledWithItsChildren) {
  ASSERT_TRUE(start(shell("trap '' TERM; sleep 1000 & echo $$ $!; while :; do sleep 0.05; done")));
  std::istringstream line(read());
  pid_t pid = 0;
  pid_t grandchild = 0;
  line >> pid >> grandchild;
  ASSERT_TRUE(alive(pid) && alive(grandchild));
  const Clock::Time begun = clock.now();
  child->end();
  run(child->exited());
  EXPECT_GE(clock.now() - begun, 600ms);
  EXPECT_EQ(read(), "!end");
  EXPECT_FALSE(alive(pid));
  EXPECT_TRUE(dies_soon(grandchild));
}

TEST_F(PosixChildTest, ItsChildrenDieWithIt) {
  ASSERT_TRUE(start(shell("sleep 1000 & echo $!; exit 3")));
  const pid_t grandchild = std::stoi(read());
  EXPECT_EQ(read(), "!end");  // though the grandchild held the pipe
  run(child->exited());
  EXPECT_TRUE(dies_soon(grandchild));
}

TEST_F(PosixChildTest, WhoeverLeavesTheGroupDoesNotHoldUsUp) {
  ASSERT_TRUE(start(shell("setsid sleep 20 & sleep 0.1; exit 0")));
  EXPECT_EQ(read(), "!end");
  run(child->exited());
}

TEST_F(PosixChildTest, DroppedWhileItRunsItIsKilled) {
  ASSERT_TRUE(start(shell("trap '' TERM; sleep 1000 & echo $$ $!; wait")));
  std::istringstream line(read());
  pid_t pid = 0;
  pid_t grandchild = 0;
  line >> pid >> grandchild;
  child.reset();
  run(gate.wait_empty());
  EXPECT_FALSE(alive(pid));
  EXPECT_TRUE(dies_soon(grandchild));
}

TEST_F(PosixChildTest, AWriteToWhoeverDoesNotReadWaitsUntilTheEnd) {
  ASSERT_TRUE(start(shell("trap '' TERM; exec sleep 1000")));
  const std::string much(1U << 20U, 'x');
  std::optional<Result<void>> written;
  boost::asio::co_spawn(
      context, child->write(much),
      [&written](const std::exception_ptr&, Result<void> result) { written = std::move(result); });
  context.restart();
  context.run_for(200ms);
  EXPECT_FALSE(written);
  child->end();
  run(child->exited());
  spin([&written] { return written.has_value(); });
  ASSERT_FALSE(*written);
  EXPECT_EQ(written->error().code, Code::kReset);
}

TEST_F(PosixChildTest, AWriteToWhoeverHasClosedItsInputIsAnError) {
  ASSERT_TRUE(start(shell("exec <&-; echo closed; sleep 1000")));
  EXPECT_EQ(read(), "closed");
  const auto written = run(child->write("x\n"));
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, Code::kReset);
}

TEST_F(PosixChildTest, ItsErrorsAreLogged) {
  ASSERT_TRUE(start(shell("printf 'one\\n\\ntw\\033o\\nend' >&2; echo x >&2; echo done")));
  EXPECT_EQ(read(), "done");
  EXPECT_EQ(read(), "!end");
  child.reset();
  run(gate.wait_empty());
  EXPECT_EQ(log, (std::vector<std::string>{"one", "tw o", "endx"}));
}

TEST_F(PosixChildTest, ButNotWithoutBounds) {
  ASSERT_TRUE(
      start(shell("seq 1 10000 >&2; head -c 100000 /dev/zero | tr '\\0' x >&2; echo done")));
  EXPECT_EQ(read(), "done");
  EXPECT_EQ(read(), "!end");
  child.reset();
  run(gate.wait_empty());
  EXPECT_LE(log.size(), 100U);
  EXPECT_NE(log.back().find("more lines were left out"), std::string::npos) << log.back();
  for (const std::string& line : log) EXPECT_LE(line.size(), 1024U);
}

TEST_F(PosixChildTest, WhatCannotBeStarted) {
  Command command;
  command.argv = {"mandated-no-such-program"};
  const auto missing = start(command);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, Code::kUnavailable);
  EXPECT_NE(missing.error().text.find("mandated-no-such-program"), std::string::npos);

  command.argv = {"/etc/passwd"};
  ASSERT_TRUE(start(command));
  EXPECT_EQ(read(), "!end");
  command.argv = {"sh"};
  command.directory = "/mandated-no-such-directory";
  ASSERT_TRUE(start(command));
  EXPECT_EQ(read(), "!end");
  child.reset();
  run(gate.wait_empty());
  EXPECT_EQ(log, (std::vector<std::string>{"the program cannot be executed",
                                           "the working directory cannot be entered"}));
}

// A small MCP server of the session kind; what it is told to do stands in the tool's name.
constexpr const char* kServer = R"(
import json, os, sys
def say(message):
    sys.stdout.write(json.dumps(message) + "\n"); sys.stdout.flush()
for line in sys.stdin:
    message = json.loads(line)
    if "id" not in message: continue
    id, method = message["id"], message["method"]
    if method == "initialize":
        say({"jsonrpc": "2.0", "id": id, "result": {"protocolVersion": "2025-11-25", "capabilities": {},
             "serverInfo": {"name": "s", "version": "1"}}})
    elif method == "tools/call":
        name = message["params"]["name"]
        if name == "crash":
            sys.stdout.write('{"jsonrpc":"2.0","id":'); sys.stdout.flush(); os._exit(1)
        if name == "no-newline":
            sys.stdout.write(json.dumps({"jsonrpc": "2.0", "id": id, "result": {}})); sys.stdout.flush(); os._exit(0)
        if name == "large":
            say({"jsonrpc": "2.0", "id": id, "result": {"text": "x" * 10485760}}); continue
        if name == "progress":
            for step in range(3):
                say({"jsonrpc": "2.0", "method": "notifications/progress",
                     "params": {"progressToken": message["params"]["_meta"]["progressToken"], "progress": step}})
        say({"jsonrpc": "2.0", "id": id, "result": {"pid": os.getpid(), "echo": name}})
    else:
        say({"jsonrpc": "2.0", "id": id, "error": {"code": -32601, "message": "Method not found"}})
)";

std::string call(int id, const std::string& tool, const std::string& meta = "{}") {
  return R"({"jsonrpc":"2.0","id":)" + std::to_string(id) +
         R"(,"method":"tools/call","params":{"_meta":)" + meta + R"(,"name":")" + tool + R"("}})";
}

/// The bridge on a home thread of its own, spoken to from the test's threads.
class RealServerTest : public ::testing::Test {
 protected:
  RealServerTest() : clock(home), gate(home.get_executor()), work(home.get_executor()) {
    Command command;
    command.argv = {"python3", "-u", "-c", kServer};
    command.line_bytes_max = 1U << 20U;
    StdioOptions options;
    options.backoff_min = 10ms;
    upstream = std::make_unique<StdioUpstream>(
        options, make_posix_children(command, clock, gate, [](std::string_view) {}), clock, rng,
        [](std::string_view) {});
    thread = std::thread([this] { home.run(); });
  }
  ~RealServerTest() override {
    std::promise<void> closed;
    boost::asio::co_spawn(home, close_all(*upstream, gate),
                          [&closed](const std::exception_ptr&) { closed.set_value(); });
    EXPECT_EQ(closed.get_future().wait_for(60s), std::future_status::ready);
    work.reset();
    thread.join();
  }
  static Task<void> close_all(StdioUpstream& upstream, Gate& gate) {
    co_await upstream.close();
    co_await gate.wait_empty();
  }

  struct Answer {
    int status = -1;
    std::string session;
    std::string body;
    std::string error;
  };
  /// From the calling thread, on an io_context of its own: a worker that is not home.
  Answer ask(StdioRequest request) {
    boost::asio::io_context here;
    Answer answer;
    boost::asio::co_spawn(here, fetch(*upstream, std::move(request), answer),
                          [](const std::exception_ptr&) {});
    here.run_for(60s);
    return answer;
  }
  static Task<void> fetch(StdioUpstream& upstream, StdioRequest request, Answer& answer) {
    auto response = co_await upstream.handle(std::move(request));
    if (!response) {
      answer.error = std::string(to_string(response.error().code));
      co_return;
    }
    answer.status = response->head.status;
    answer.session = std::string(response->head.fields.single("mcp-session-id").value_or(""));
    while (true) {
      auto piece = co_await response->body->read();
      if (!piece) answer.error = std::string(to_string(piece.error().code));
      if (!piece || piece->empty()) co_return;
      answer.body += *piece;
    }
  }
  StdioRequest post(std::string body, std::string session = {}) {
    StdioRequest request;
    request.body = std::move(body);
    request.version = "2025-11-25";
    request.session_id = std::move(session);
    request.deadline = std::chrono::steady_clock::now() + 50s;
    return request;
  }
  StdioRequest stateless(std::string body) {
    StdioRequest request = post(std::move(body));
    request.version = "2026-07-28";
    return request;
  }
  std::string open() {
    return ask(post(R"({"jsonrpc":"2.0","id":0,"method":"initialize","params":{}})")).session;
  }

  boost::asio::io_context home;
  RealClock clock;
  Gate gate;
  boost::asio::executor_work_guard<Executor> work;
  SystemRng rng;
  std::unique_ptr<StdioUpstream> upstream;
  std::thread thread;
};

TEST_F(RealServerTest, SessionsFromManyThreads) {
  std::vector<std::thread> workers;
  for (int worker = 0; worker < 4; ++worker) {
    workers.emplace_back([this] {
      const std::string session = open();
      ASSERT_EQ(session.size(), 32U);
      for (int i = 1; i <= 20; ++i) {
        const Answer answer = ask(post(call(i, "t" + std::to_string(i)), session));
        ASSERT_EQ(answer.status, 200) << answer.error;
        EXPECT_NE(answer.body.find("\"echo\": \"t" + std::to_string(i) + "\""), std::string::npos)
            << answer.body;
      }
      const Answer streamed = ask(post(call(99, "progress", R"({"progressToken":5})"), session));
      EXPECT_NE(streamed.body.find("data: "), std::string::npos);
      EXPECT_NE(streamed.body.find(R"("progress": 2)"), std::string::npos) << streamed.body;
      EXPECT_NE(streamed.body.find(R"("id": 99)"), std::string::npos);
    });
  }
  for (std::thread& worker : workers) worker.join();
  EXPECT_EQ(upstream->counters().started, 4U);
  EXPECT_EQ(upstream->counters().sessions, 4U);
}

TEST_F(RealServerTest, StatelessCallsFromManyThreads) {
  std::vector<std::thread> workers;
  for (int worker = 0; worker < 4; ++worker) {
    workers.emplace_back([this, worker] {
      for (int i = 1; i <= 20; ++i) {
        const std::string name = std::to_string(worker) + "-" + std::to_string(i);
        const Answer answer = ask(stateless(call(i, name)));
        ASSERT_EQ(answer.status, 200) << answer.error;
        EXPECT_NE(answer.body.find(R"("echo":")" + name + "\""), std::string::npos) << answer.body;
        EXPECT_NE(answer.body.find(R"("resultType":"complete")"), std::string::npos);
      }
    });
  }
  for (std::thread& worker : workers) worker.join();
  EXPECT_EQ(upstream->counters().started, 1U);
}

TEST_F(RealServerTest, ACrashInTheMiddleOfAnAnswer) {
  const std::string session = open();
  for (const char* way : {"crash", "no-newline"}) {
    const Answer crashed = ask(post(call(1, way), session));
    EXPECT_EQ(crashed.status, 200);
    EXPECT_EQ(crashed.body,
              R"({"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":)"
              R"("The server ended. Whether it carried out the call is not known."}})");
    const Answer next = ask(post(call(2, "ok"), session));  // the session goes on
    EXPECT_EQ(next.status, 200) << next.error;
    EXPECT_NE(next.body.find("\"echo\": \"ok\""), std::string::npos) << next.body;
  }
  EXPECT_EQ(upstream->counters().died, 2U);
}

TEST_F(RealServerTest, AnAnswerThatIsTooLarge) {
  const std::string session = open();
  const Answer large = ask(post(call(1, "large"), session));
  EXPECT_NE(large.body.find("the line is too long"), std::string::npos) << large.body;
  EXPECT_NE(ask(post(call(2, "ok"), session)).body.find("\"echo\": \"ok\""), std::string::npos);
  EXPECT_EQ(upstream->counters().died, 0U);
}

}  // namespace
}  // namespace mandated::stdio
