// One MCP session (revisions up to 2025-11-25) with a server of its own. The client's messages pass
// as they are; what comes back is sorted to the request it answers, to the request it belongs to,
// or to the GET stream. Lives on the home executor.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "proxy/base/watchdog.h"
#include "proxy/stdio/supervisor.h"

namespace mandated::stdio {

class Session final : public Supervisor::Owner, public std::enable_shared_from_this<Session> {
 public:
  /// `on_end` is called once, when the session is over.
  Session(const Parts& parts, std::string id, std::string peer, std::function<void()> on_end);

  const std::string& id() const { return id_; }
  const std::string& peer() const { return peer_; }

  bool established() const { return established_; }

  void begin() { supervisor_.run(shared_from_this()); }
  /// The client ended it, or it was idle for too long, or we drain.
  void end();
  void close_stream();

  /// The outbox that will hold the answer. An error is a bound that was reached; a rejection, what
  /// the client did wrong.
  using Asked = protocol::Accepted<std::shared_ptr<Outbox>>;
  Result<Asked> ask(const protocol::Message& message, Clock::Time deadline);
  /// A notification, or a response to what the server asked.
  Result<protocol::Accepted<void>> tell(const protocol::Message& message);
  /// The GET stream; an older one ends.
  std::shared_ptr<Outbox> listen(Clock::Time deadline);
  /// The caller stopped waiting at the deadline: the server is told, the answer is not awaited.
  void forget(const std::string& request_id, const Outbox* outbox);

  Task<Result<void>> shake_hands() override;
  void received(protocol::Message message) override;
  void unreadable(std::string_view why) override;
  void lost(std::string_view why) override;
  void ended() override;

 private:
  struct Pending {
    std::shared_ptr<Outbox> outbox;
    std::string progress_token;  ///< JSON; empty: none
    std::uint64_t ticket = 0;
  };
  void answered(const protocol::Message& message);
  void asked(const protocol::Message& message);
  bool deliver(const protocol::Message& message);
  void fail_sent(std::string_view why);
  void fail_one(const std::string& request_id, const Pending& pending, std::string_view why);
  void drop_expired();
  void used();

  Parts parts_;
  std::string id_;
  std::string peer_;
  std::function<void()> on_end_;
  Supervisor supervisor_;
  Watchdog idle_;
  std::map<std::string, Pending, std::less<>> pending_;  // by request id, as JSON
  std::set<std::string, std::less<>> server_requests_;   // ids that the client has yet to answer
  std::shared_ptr<Outbox> stream_;
  bool stream_open_ = false;

  // To bring a new process to where the old one was.
  std::string initialize_id_;
  std::string initialize_;
  std::string initialized_;
  bool established_ = false;  // the server took the client's initialize
};

}  // namespace mandated::stdio
