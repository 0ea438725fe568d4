// One connection of one worker to the Valkey (or Redis) server that replicas share. What is asked
// while an exchange is under way goes out with the next one, many commands at once. A connection
// that fails is opened again, and what had no answer is asked once more; while none can be had,
// every question is refused at once.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "proxy/base/clock.h"
#include "proxy/base/event.h"
#include "proxy/base/gate.h"
#include "proxy/net/stream.h"
#include "proxy/valkey/reply.h"

namespace mandated::valkey {

struct Options {
  std::string user;      ///< empty: the server's default
  std::string password;  ///< empty: none is asked for
  /// Of a question with its answer, and of opening a connection.
  Clock::Duration timeout = std::chrono::seconds(1);
};

/// Whether a question without an answer is asked again: then it may be done twice.
enum class Repeat : bool { kNo, kYes };

class Client {
 public:
  using Connect = std::function<Task<Result<net::StreamPtr>>(Clock::Time deadline)>;

  /// `connect` opens the way there, TLS included. Serves until the gate drains; the client goes
  /// once the gate is empty.
  Client(Options options, Connect connect, Clock& clock, Gate& gate);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  /// The Lua script that run() runs. Before the first question.
  void use_script(std::string_view text) { script_ = text; }

  /// kUnavailable: there is no connection. kTimeout, kReset and others: sent, but what became of
  /// it is not known. What the server calls an error is a Reply.
  Task<Result<Reply>> ask(Words words, Repeat repeat);
  /// The script, with the number of keys, the keys and the arguments.
  Task<Result<Reply>> run(Words keys_and_arguments, Repeat repeat);

  /// Opens a new connection before the next question: an identity was renewed.
  void retire_connection();

 private:
  struct Question;
  class Connection;

  Task<Result<Reply>> put(std::shared_ptr<Question> question);
  Task<void> serve();
  Task<Result<void>> serve_connection();
  Task<Result<void>> set_up(Connection& connection);
  Task<Result<void>> exchange(Connection& connection);
  void refuse(const Error& why, const std::function<bool(const Question&)>& which);

  Options options_;
  Connect connect_;
  Clock& clock_;
  Gate& gate_;
  Event wake_;  // the serving coroutine: there is something to ask, or an end
  std::string script_;
  std::string script_digest_;                        // as this connection's server named it
  std::deque<std::shared_ptr<Question>> questions_;  // those under way first
  bool open_ = false;                                // the connection was set up
  bool refuses_ = false;                             // the last attempt at a connection failed
  bool retired_ = false;
  bool stopping_ = false;
};

}  // namespace mandated::valkey
