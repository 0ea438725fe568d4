// The one server behind all calls of 2026-07-28, which knows no sessions. Requests get ids of ours,
// so that clients cannot collide or cancel each other; answers, progress and subscriptions get the
// client's back. A server that speaks only older revisions is set up with `initialize` by us, and
// what it says is brought into the newer form. Lives on the home executor.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/stdio/supervisor.h"

namespace mandated::stdio {

class SharedServer final : public Supervisor::Owner,
                           public std::enable_shared_from_this<SharedServer> {
 public:
  SharedServer(const Parts& parts, std::function<void()> on_end);

  void begin() { supervisor_.run(shared_from_this()); }
  void end() { supervisor_.stop(); }
  /// Ends the subscriptions; calls go on.
  void close_streams();

  struct Asked {
    std::shared_ptr<Outbox> outbox;
    std::uint64_t id = 0;
  };
  Result<Asked> ask(protocol::Message message, Clock::Time deadline);
  /// Nobody waits for it any more: the server is told.
  void cancel(std::uint64_t id);

  Task<Result<void>> shake_hands() override;
  void received(protocol::Message message) override;
  void unreadable(std::string_view why) override;
  void lost(std::string_view why) override;
  void ended() override;

 private:
  enum class Era : std::uint8_t { kUnknown, kModern, kLegacy };
  struct Pending {
    std::shared_ptr<Outbox> outbox;
    std::string client_id;     ///< JSON
    std::string client_token;  ///< JSON; empty: none
    std::string method;
    std::uint64_t ticket = 0;  ///< 0: not sent, or answered by us
    /// Held back until it is known what the server speaks.
    std::optional<protocol::Message> message;
    /// A subscription that we serve: methods of notifications.
    std::vector<std::string_view> wanted_changes;
  };
  using Pendings = std::map<std::uint64_t, Pending>;

  Task<Result<void>> probe();
  Task<Result<void>> set_up();
  Result<void> start(std::uint64_t id, Pending& pending, const protocol::Message& message);
  void start_waiting();
  void subscribe(Pending& pending, const protocol::Message& message);
  std::string discovery(const Pending& pending) const;

  void answered(const protocol::Message& message);
  void asked(const protocol::Message& message);
  void told(const protocol::Message& message);
  void progress(const protocol::Message& message);
  std::string translated(const protocol::Message& message, const Pending& pending) const;
  Pendings::iterator find(const json::Value* id);
  void finish_with_error(Pendings::iterator pending, std::string_view why);
  void fail_sent(std::string_view why);

  Parts parts_;
  std::function<void()> on_end_;
  Supervisor supervisor_;
  Era era_ = Era::kUnknown;
  std::optional<protocol::Message> set_up_answer_;  // of a legacy server
  std::uint64_t next_id_ = 1;
  Pendings pending_;
};

}  // namespace mandated::stdio
