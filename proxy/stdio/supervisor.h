// Keeps one server running: starts it, lets its owner shake hands with it, carries lines both ways,
// and starts it again with a growing delay when it dies.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "proxy/base/event.h"
#include "proxy/protocol/jsonrpc.h"
#include "proxy/stdio/child.h"
#include "proxy/stdio/stdio_upstream.h"

namespace mandated::stdio {

/// What sessions share with the upstream they belong to; all of it outlives them.
struct Parts {
  const StdioOptions& options;
  ChildFactory& children;
  Clock& clock;
  Gate& gate;
  const LogLine& log;
  StdioCounters& counters;
};

class Supervisor {
 public:
  /// Who uses the server. Called on the home executor.
  class Owner {
   public:
    virtual ~Owner() = default;
    /// After each start, before any other line: speaks through say() and ask(). An error ends this
    /// process, which then counts as dead.
    virtual Task<Result<void>> shake_hands() = 0;
    virtual void received(protocol::Message message) = 0;
    /// The answer to something in flight came and cannot be read.
    virtual void unreadable(std::string_view why) = 0;
    /// The process is gone, and what was in flight with it.
    virtual void lost(std::string_view why) = 0;
    /// It will not be started again.
    virtual void ended() = 0;
  };

  explicit Supervisor(const Parts& parts);

  /// Runs until stop() or until the server has died too quickly too often. `owner` owns this
  /// supervisor, and is kept alive by the run.
  void run(std::shared_ptr<Owner> owner);
  void stop();
  bool stopping() const { return stopping_; }

  /// Puts a message in line for the server; it waits there while the server is not up or does not
  /// read. kOverloaded when too much waits already. The ticket takes it out again.
  Result<std::uint64_t> send(std::string line);
  /// Takes back what has not begun to be written; false when it was too late.
  bool take_back(std::uint64_t ticket);
  bool still_waits(std::uint64_t ticket) const;

  // For shake_hands only.
  Task<Result<void>> say(std::string line);
  /// The response with that id; anything else that comes meanwhile is passed over.
  Task<Result<protocol::Message>> ask(std::string id, std::string line, Clock::Duration timeout);

 private:
  struct Waiting {
    std::uint64_t ticket;
    std::string line;
  };
  static Task<void> keep_running(std::shared_ptr<Owner> owner, Supervisor& self);
  static Task<void> write_lines(std::shared_ptr<Owner> owner, Supervisor& self);
  Task<bool> live(std::shared_ptr<Owner> owner);
  Task<void> read_lines(Owner& owner);
  Task<void> pause(Clock::Duration delay);
  void drop_line(Owner& owner, std::string_view line, std::string_view why);

  Parts parts_;
  ChildPtr child_;
  std::deque<Waiting> waiting_;
  std::size_t waiting_bytes_ = 0;
  std::uint64_t next_ticket_ = 1;
  Event wake_writer_;
  Event writer_done_;
  Event wake_pause_;
  bool writing_ = false;  // a writer runs for the current child
  bool stopping_ = false;
  int quick_deaths_ = 0;
};

/// A message as one line: JSON may hold line breaks between its tokens.
std::string as_line(const protocol::Message& message);

}  // namespace mandated::stdio
