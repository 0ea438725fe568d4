#include "proxy/stdio/posix_child.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <optional>
#include <utility>

#include "proxy/base/event.h"

extern char** environ;

namespace mandated::stdio {

namespace {

using Descriptor = boost::asio::posix::basic_stream_descriptor<Executor>;

constexpr std::size_t kReadBytes = 65536;
constexpr std::size_t kLogLineBytesMax = 1024;
constexpr int kLogLinesPerSecond = 20;
constexpr Clock::Duration kLastWords = std::chrono::seconds(1);
constexpr std::size_t kLastWordsBytes = 1U << 20U;
constexpr auto kInherited = std::to_array<std::string_view>({"PATH", "HOME", "LANG"});

// Both ends, close-on-exec, and none of them 0, 1 or 2, which the child's dup2 would trample on.
struct Pipe {
  int read = -1;
  int write = -1;
};

int moved_up(int descriptor) {
  if (descriptor > STDERR_FILENO) return descriptor;
  const int higher = fcntl(descriptor, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  close(descriptor);
  return higher;
}

bool open_pipe(Pipe& out) {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) return false;
  out.read = moved_up(ends[0]);
  out.write = moved_up(ends[1]);
  return out.read >= 0 && out.write >= 0;
}

struct Pipes {
  Pipe in, out, err;
  ~Pipes() {
    for (const int each : {in.read, in.write, out.read, out.write, err.read, err.write}) {
      if (each >= 0) close(each);
    }
  }
};

// Everything the child needs between fork and exec, made before: in there only async-signal-safe
// calls are allowed, since other threads' locks may be held.
struct Image {
  std::string path;
  std::vector<std::string> environment;
  std::vector<char*> argv;
  std::vector<char*> envp;
};

Image make_image(Command& command) {
  Image image;
  for (const std::string_view name : kInherited) {
    const std::string key(name);
    const char* value = std::getenv(key.c_str());
    if (value != nullptr && !command.env.contains(key)) {
      image.environment.push_back(key + "=" + value);
    }
  }
  for (const auto& [name, value] : command.env) image.environment.push_back(name + "=" + value);
  for (std::string& entry : image.environment) image.envp.push_back(entry.data());
  image.envp.push_back(nullptr);
  for (std::string& argument : command.argv) image.argv.push_back(argument.data());
  image.argv.push_back(nullptr);
  return image;
}

// As execvp would search, but before the fork.
std::string find_program(const Command& command) {
  const std::string& name = command.argv.front();
  if (name.find('/') != std::string::npos) return name;
  const auto own = command.env.find("PATH");
  const char* inherited = std::getenv("PATH");
  std::string_view path = own != command.env.end() ? std::string_view(own->second)
                          : inherited != nullptr   ? std::string_view(inherited)
                                                 : std::string_view("/usr/local/bin:/usr/bin:/bin");
  while (!path.empty()) {
    const auto colon = path.find(':');
    const std::string folder(path.substr(0, colon));
    const std::string candidate = folder + "/" + name;
    if (!folder.empty() && access(candidate.c_str(), X_OK) == 0) return candidate;
    if (colon == std::string_view::npos) break;
    path.remove_prefix(colon + 1);
  }
  return {};
}

[[noreturn]] void become(const Image& image, const char* directory, const Pipes& pipes,
                         pid_t parent) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(126);  // the parent went before the line above
  // Ignored signals stay ignored through exec; a server expects the defaults.
  for (int number = 1; number < NSIG; ++number) signal(number, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  dup2(pipes.in.read, STDIN_FILENO);
  dup2(pipes.out.write, STDOUT_FILENO);
  dup2(pipes.err.write, STDERR_FILENO);
  // Belt and braces: whatever was opened without O_CLOEXEC.
  syscall(SYS_close_range, 3U, ~0U, 4U /* CLOSE_RANGE_CLOEXEC */);
  static constexpr std::string_view kNoDirectory = "the working directory cannot be entered\n";
  static constexpr std::string_view kNoProgram = "the program cannot be executed\n";
  std::string_view words = kNoProgram;
  if (*directory != '\0' && chdir(directory) != 0) {
    words = kNoDirectory;
  } else {
    execve(image.path.c_str(), image.argv.data(), image.envp.data());
  }
  [[maybe_unused]] const ssize_t ignored = write(STDERR_FILENO, words.data(), words.size());
  _exit(127);
}

class Started final : public StartedProcess {
 public:
  Started(pid_t the_pid, int the_pidfd, Pipes& the_pipes) : pid(the_pid), pidfd(the_pidfd) {
    std::swap(pipes.in.write, the_pipes.in.write);
    std::swap(pipes.out.read, the_pipes.out.read);
    std::swap(pipes.err.read, the_pipes.err.read);
  }
  Started(const Started&) = delete;
  Started& operator=(const Started&) = delete;
  ~Started() override {
    if (pidfd < 0) return;  // it has become a Process
    ::kill(-pid, SIGKILL);
    waitpid(pid, nullptr, 0);
    close(pidfd);
  }

  const pid_t pid;  // and its process group
  int pidfd;
  Pipes pipes;  // our ends
};

// What the child and its background coroutines share; the last of them frees it.
class Process {
 public:
  Process(const Command& command, Clock& clock, Started& started)
      : line_bytes_max_(command.line_bytes_max),
        leave_grace_(command.leave_grace),
        kill_grace_(command.kill_grace),
        clock_(clock),
        pid_(started.pid),
        exit_(clock.executor(), std::exchange(started.pidfd, -1)),
        in_(clock.executor(), std::exchange(started.pipes.in.write, -1)),
        out_(clock.executor(), std::exchange(started.pipes.out.read, -1)),
        err_(clock.executor(), std::exchange(started.pipes.err.read, -1)),
        gone_(clock.executor()) {}
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process() { kill_group(); }

  static Task<Result<std::string>> read_line(std::shared_ptr<Process> self);
  static Task<Result<void>> write(std::shared_ptr<Process> self, std::string_view bytes);
  static Task<void> watch(std::shared_ptr<Process> self);
  static Task<void> log_errors(std::shared_ptr<Process> self, LogLine log);
  static void end(const std::shared_ptr<Process>& self);
  Task<void> exited();
  void kill_group() {
    if (!reaped_) ::kill(-pid_, SIGKILL);
  }

 private:
  std::optional<std::string> take_line();
  std::size_t read_last_words(boost::asio::mutable_buffer room, boost::system::error_code& error);
  void reap();
  void close_descriptor(Descriptor& descriptor) {
    boost::system::error_code ignored;
    descriptor.close(ignored);
  }

  const std::size_t line_bytes_max_;
  const Clock::Duration leave_grace_;
  const Clock::Duration kill_grace_;
  Clock& clock_;
  const pid_t pid_;  // and its process group
  Descriptor exit_;
  Descriptor in_;
  Descriptor out_;
  Descriptor err_;
  std::string buffer_;
  std::size_t begin_ = 0;    // of the buffer: lines before it were given out
  std::size_t scanned_ = 0;  // no newline from begin_ to here
  bool skipping_ = false;    // inside a line that was too long
  bool ending_ = false;
  bool reaped_ = false;
  bool last_words_ = false;  // it is gone, and what it wrote is all there will be
  std::size_t last_words_bytes_ = 0;
  Event gone_;
  std::unique_ptr<Clock::Timer> timer_;
};

// A complete line of the buffer, if there is one.
std::optional<std::string> Process::take_line() {
  const auto newline = buffer_.find('\n', scanned_);
  if (newline == std::string::npos) {
    scanned_ = buffer_.size();
    return std::nullopt;
  }
  std::string line = buffer_.substr(begin_, newline - begin_);
  begin_ = scanned_ = newline + 1;
  return line;
}

Task<Result<std::string>> Process::read_line(std::shared_ptr<Process> self) {
  while (true) {
    while (auto line = self->take_line()) {
      if (std::exchange(self->skipping_, false)) continue;  // the end of what was too long
      if (line->size() <= self->line_bytes_max_) co_return std::move(*line);
      co_return fail(Code::kTooLarge, Side::kUpstream, "the line is too long");
    }
    self->buffer_.erase(0, std::exchange(self->begin_, 0));
    self->scanned_ = self->buffer_.size();
    if (self->skipping_ || self->buffer_.size() > self->line_bytes_max_) {
      self->buffer_.clear();
      self->scanned_ = 0;
      if (!std::exchange(self->skipping_, true)) {
        co_return fail(Code::kTooLarge, Side::kUpstream, "the line is too long");
      }
    }
    const std::size_t held = self->buffer_.size();
    self->buffer_.resize(held + kReadBytes);
    boost::system::error_code error;
    const auto room = boost::asio::buffer(self->buffer_.data() + held, kReadBytes);
    std::size_t count = 0;
    if (!self->last_words_) {
      count =
          co_await self->out_.async_read_some(room, boost::asio::redirect_error(use_task, error));
    }
    if (self->last_words_ && count == 0) count = self->read_last_words(room, error);
    self->buffer_.resize(held + count);
    // What stands there without a newline is half a message, and no answer.
    if (error) co_return fail(Code::kEnd, Side::kUpstream, "the server closed its output");
  }
}

// What is still in the pipe, without waiting for more. A descendant that has left the group may go
// on writing: it gets no further than a pipe's capacity.
std::size_t Process::read_last_words(boost::asio::mutable_buffer room,
                                     boost::system::error_code& error) {
  if (last_words_bytes_ >= kLastWordsBytes) {
    error = boost::asio::error::eof;
    return 0;
  }
  error = {};
  const std::size_t count = out_.read_some(room, error);
  last_words_bytes_ += count;
  return count;
}

Task<Result<void>> Process::write(std::shared_ptr<Process> self, std::string_view bytes) {
  boost::system::error_code error;
  co_await boost::asio::async_write(self->in_, boost::asio::buffer(bytes.data(), bytes.size()),
                                    boost::asio::redirect_error(use_task, error));
  if (error) co_return fail(Code::kReset, Side::kUpstream, "the server does not take input");
  co_return Result<void>();
}

// pidfd_open(2): readable once the process has exited. It is a zombie until reaped, so that its
// number, and with it the group's, cannot have been given to anybody else when the group is killed.
Task<void> Process::watch(std::shared_ptr<Process> self) {
  boost::system::error_code error;
  co_await self->exit_.async_wait(Descriptor::wait_read,
                                  boost::asio::redirect_error(use_task, error));
  self->reap();
}

void Process::reap() {
  kill_group();
  siginfo_t info{};
  while (waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED) != 0 && errno == EINTR) {
  }
  reaped_ = true;
  gone_.notify();
  close_descriptor(in_);
  // Its pipes end with its group, unless a descendant has left the group.
  timer_ = clock_.call_at(clock_.now() + kLastWords, [this] {
    boost::system::error_code ignored;
    last_words_ = true;
    out_.non_blocking(true, ignored);
    out_.cancel(ignored);
    close_descriptor(err_);
  });
}

// Input closed, then SIGTERM, then SIGKILL (2025-11-25, lifecycle, "Shutdown").
void Process::end(const std::shared_ptr<Process>& self) {
  if (std::exchange(self->ending_, true) || self->reaped_) return;
  self->close_descriptor(self->in_);
  self->timer_ =
      self->clock_.call_at(self->clock_.now() + self->leave_grace_, [weak = std::weak_ptr(self)] {
        const auto process = weak.lock();
        if (process == nullptr || process->reaped_) return;
        ::kill(-process->pid_, SIGTERM);
        auto later = process->clock_.call_at(process->clock_.now() + process->kill_grace_, [weak] {
          if (const auto still = weak.lock()) still->kill_group();
        });
        process->timer_.swap(later);
      });
}

Task<void> Process::exited() {
  if (!reaped_) co_await gone_.wait();
}

std::string cleaned(std::string_view line) {
  std::string out(line.substr(0, kLogLineBytesMax));
  std::replace_if(
      out.begin(), out.end(),
      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }, ' ');
  return out;
}

// Lines beyond the rate are counted, not kept; a line without end is cut into pieces.
Task<void> Process::log_errors(std::shared_ptr<Process> self, LogLine log) {
  std::string buffer;
  Clock::Time second = self->clock_.now();
  int lines = 0;
  int left_out = 0;
  std::array<char, 4096> piece{};
  while (true) {
    boost::system::error_code error;
    const std::size_t count = co_await self->err_.async_read_some(
        boost::asio::buffer(piece), boost::asio::redirect_error(use_task, error));
    if (error) break;
    buffer.append(piece.data(), count);
    if (self->clock_.now() - second >= std::chrono::seconds(1)) {
      if (left_out > 0) log(std::to_string(left_out) + " more lines were left out");
      second = self->clock_.now();
      lines = left_out = 0;
    }
    std::size_t begin = 0;
    while (true) {
      const auto newline = buffer.find('\n', begin);
      const bool whole = newline != std::string::npos;
      if (!whole && buffer.size() - begin < kLogLineBytesMax) break;
      const std::size_t size = whole ? newline - begin : kLogLineBytesMax;
      if (size > 0 && ++lines <= kLogLinesPerSecond) {
        log(cleaned(std::string_view(buffer).substr(begin, size)));
      } else if (size > 0) {
        ++left_out;
      }
      begin += size + (whole ? 1 : 0);
    }
    buffer.erase(0, begin);
  }
  if (!buffer.empty()) log(cleaned(buffer));
  if (left_out > 0) log(std::to_string(left_out) + " more lines were left out");
}

class PosixChild final : public Child {
 public:
  explicit PosixChild(std::shared_ptr<Process> process) : process_(std::move(process)) {}
  PosixChild(const PosixChild&) = delete;
  PosixChild& operator=(const PosixChild&) = delete;
  ~PosixChild() override {
    Process::end(process_);
    process_->kill_group();
  }
  Task<Result<std::string>> read_line() override { return Process::read_line(process_); }
  Task<Result<void>> write(std::string_view bytes) override {
    return Process::write(process_, bytes);
  }
  void end() override { Process::end(process_); }
  void kill() override { process_->kill_group(); }
  Task<void> exited() override { return process_->exited(); }

 private:
  std::shared_ptr<Process> process_;
};

Failure no_start(std::string_view what) {
  return fail(Code::kUnavailable, Side::kUpstream,
              "the server cannot be started: " + std::string(what));
}

Result<std::unique_ptr<Started>> begin(Command& command) {
  if (command.argv.empty()) return no_start("the command is empty");
  Image image = make_image(command);
  image.path = find_program(command);
  if (image.path.empty()) return no_start("there is no program " + command.argv.front());
  Pipes pipes;
  if (!open_pipe(pipes.in) || !open_pipe(pipes.out) || !open_pipe(pipes.err)) {
    return no_start("no pipes are left");
  }
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) return no_start("no process is left");
  if (pid == 0) become(image, command.directory.c_str(), pipes, parent);
  setpgid(pid, pid);  // in the child too: whoever comes first
  const auto pidfd = static_cast<int>(syscall(SYS_pidfd_open, pid, 0U));
  if (pidfd < 0) {
    ::kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
    return no_start("no descriptor is left");
  }
  return std::make_unique<Started>(pid, pidfd, pipes);
}

class PosixChildren final : public ChildFactory {
 public:
  PosixChildren(Command command, Clock& clock, Gate& gate, LogLine log, StartedProcessPtr first)
      : command_(std::move(command)),
        clock_(clock),
        gate_(gate),
        log_(std::move(log)),
        first_(static_cast<Started*>(first.release())) {
    struct sigaction current{};
    // A server that closes its input is an error of one write, not the end of the proxy.
    if (sigaction(SIGPIPE, nullptr, &current) == 0 && current.sa_handler == SIG_DFL) {
      signal(SIGPIPE, SIG_IGN);
    }
  }

  Result<ChildPtr> start() override {
    std::unique_ptr<Started> started = std::move(first_);
    if (started == nullptr) {
      TRY(started, begin(command_));
    }
    auto process = std::make_shared<Process>(command_, clock_, *started);
    gate_.spawn(Process::watch(process));
    gate_.spawn(Process::log_errors(process, log_));
    return std::make_unique<PosixChild>(std::move(process));
  }

 private:
  Command command_;
  Clock& clock_;
  Gate& gate_;
  LogLine log_;
  std::unique_ptr<Started> first_;
};

}  // namespace

Result<StartedProcessPtr> start_process(Command command) { return begin(command); }

std::unique_ptr<ChildFactory> make_posix_children(Command command, Clock& clock, Gate& gate,
                                                  LogLine log, StartedProcessPtr first) {
  return std::make_unique<PosixChildren>(std::move(command), clock, gate, std::move(log),
                                         std::move(first));
}

}  // namespace mandated::stdio
