#include "proxy/valkey/client.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "proxy/base/log.h"

namespace mandated::valkey {

namespace {

constexpr std::size_t kQuestionsMax = 65536;
constexpr std::size_t kTogetherMax = 1024;
constexpr unsigned kSentMax = 2;
constexpr Clock::Duration kPauseMin = std::chrono::milliseconds(50);
constexpr Clock::Duration kPauseMax = std::chrono::seconds(2);

/// The value of one line of INFO; empty where it does not stand.
std::string_view line_of(std::string_view info, std::string_view name) {
  const std::string start = "\n" + std::string(name) + ":";
  const std::size_t at = info.find(start);
  if (at == std::string_view::npos) return {};
  info.remove_prefix(at + start.size());
  return info.substr(0, info.find_first_of("\r\n"));
}

// A budget that is evicted is a budget that is full again.
Result<void> check_memory(std::string_view info) {
  const std::string_view policy = line_of(info, "maxmemory_policy");
  if (line_of(info, "maxmemory") == "0" || policy == "noeviction") return {};
  return fail(Code::kInvalidConfig, "the server may drop what it keeps (maxmemory-policy " +
                                        std::string(policy) + "); it must be noeviction");
}

}  // namespace

struct Client::Question {
  /// Ties it to the frame that waits.
  class Waiter {
   public:
    Waiter(Question& question, Event& answered) : question_(question) {
      question_.answered = &answered;
    }
    ~Waiter() { question_.answered = nullptr; }
    Waiter(const Waiter&) = delete;
    Waiter& operator=(const Waiter&) = delete;

   private:
    Question& question_;
  };

  Question(Words words_in, bool is_script_in, Repeat repeat_in)
      : words(std::move(words_in)), is_script(is_script_in), repeat(repeat_in) {}

  bool may_be_sent() const {
    return answered != nullptr && sent < (repeat == Repeat::kYes ? kSentMax : 1U);
  }
  void answer(Result<Reply> given) {
    if (answered == nullptr) return;
    outcome = std::move(given);
    answered->notify();
  }

  Words words;
  bool is_script;
  Repeat repeat;
  unsigned sent = 0;
  Event* answered = nullptr;  // null: nobody waits any more
  std::optional<Result<Reply>> outcome;
};

class Client::Connection {
 public:
  explicit Connection(net::StreamPtr stream) : stream_(std::move(stream)) {}
  ~Connection() { stream_->close(); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void set_deadline(Clock::Time deadline) { stream_->set_deadline(deadline); }
  Task<Result<void>> send(std::string_view bytes) { return stream_->write(bytes); }
  Task<Result<Reply>> receive() {
    while (true) {
      CO_TRY(std::optional<Reply> reply, reader_.next());
      if (reply) co_return std::move(*reply);
      CO_TRY(const std::size_t count, co_await stream_->read_some(buffer_));
      if (count == 0) co_return fail(Code::kEnd, "the server ended the connection");
      CO_CHECK(reader_.feed({buffer_.data(), count}));
    }
  }
  Task<Result<Reply>> ask(Words words) {
    const std::string bytes = encode(words);
    CO_CHECK(co_await send(bytes));
    co_return co_await receive();
  }

 private:
  net::StreamPtr stream_;
  ReplyReader reader_;
  std::array<char, 16384> buffer_{};
};

Client::Client(Options options, Connect connect, Clock& clock, Gate& gate)
    : options_(std::move(options)),
      connect_(std::move(connect)),
      clock_(clock),
      gate_(gate),
      wake_(clock.executor()) {
  gate_.spawn(serve());
}

Client::~Client() = default;

void Client::retire_connection() {
  retired_ = true;
  wake_.notify();
}

Task<Result<Reply>> Client::ask(Words words, Repeat repeat) {
  return put(std::make_shared<Question>(std::move(words), false, repeat));
}

Task<Result<Reply>> Client::run(Words keys_and_arguments, Repeat repeat) {
  Words words = {"EVALSHA", {}};
  std::move(keys_and_arguments.begin(), keys_and_arguments.end(), std::back_inserter(words));
  return put(std::make_shared<Question>(std::move(words), true, repeat));
}

Task<Result<Reply>> Client::put(std::shared_ptr<Question> question) {
  if (refuses_ || stopping_) co_return fail(Code::kUnavailable, "there is no connection to Valkey");
  if (questions_.size() >= kQuestionsMax) {
    co_return fail(Code::kOverloaded, "too many questions wait for Valkey");
  }
  Event answered(clock_.executor());
  const Question::Waiter waiter(*question, answered);
  questions_.push_back(question);
  wake_.notify();
  const std::unique_ptr<Clock::Timer> timer =
      clock_.call_at(clock_.now() + options_.timeout, [event = &answered] { event->notify(); });
  co_await answered.wait();
  if (!question->outcome) co_return fail(Code::kTimeout, "Valkey did not answer in time");
  co_return std::move(*question->outcome);
}

Task<void> Client::serve() {
  const Gate::Registration on_drain(gate_, [this] {
    stopping_ = true;
    wake_.notify();
  });
  Clock::Duration pause = kPauseMin;
  while (!stopping_) {
    const Result<void> ended = co_await serve_connection();
    if (ended) continue;
    log::warn("valkey.lost",
              {{"code", to_string(ended.error().code)}, {"why", ended.error().text}});
    if (std::exchange(open_, false)) {
      pause = kPauseMin;
      refuse(ended.error(), [](const Question& one) { return !one.may_be_sent(); });
      continue;
    }
    refuses_ = true;
    refuse(ended.error(), [](const Question&) { return true; });
    const std::unique_ptr<Clock::Timer> timer =
        clock_.call_at(clock_.now() + pause, [this] { wake_.notify(); });
    co_await wake_.wait();
    pause = std::min(2 * pause, kPauseMax);
  }
}

void Client::refuse(const Error& why, const std::function<bool(const Question&)>& which) {
  std::erase_if(questions_, [&](const std::shared_ptr<Question>& one) {
    if (!which(*one)) return false;
    one->answer(tl::unexpected(why));
    return true;
  });
}

// Until the connection fails; without an error when a new one is wanted, or none.
Task<Result<void>> Client::serve_connection() {
  retired_ = false;
  CO_TRY(net::StreamPtr stream, co_await connect_(clock_.now() + options_.timeout));
  Connection connection(std::move(stream));
  connection.set_deadline(clock_.now() + options_.timeout);
  CO_CHECK(co_await set_up(connection));
  connection.set_deadline(Clock::Time::max());
  open_ = true;
  refuses_ = false;
  log::info("valkey.connected");
  while (true) {
    while (questions_.empty() && !retired_ && !stopping_) co_await wake_.wait();
    if (retired_ || stopping_) co_return Result<void>();
    CO_CHECK(co_await exchange(connection));
  }
}

Task<Result<void>> Client::set_up(Connection& connection) {
  if (!options_.password.empty()) {
    Words auth = {"AUTH"};
    if (!options_.user.empty()) auth.push_back(options_.user);
    auth.push_back(options_.password);
    CO_TRY(const Reply welcome, co_await connection.ask(std::move(auth)));
    if (welcome.kind != Reply::Kind::kText) co_return fail(Code::kDenied, "AUTH: " + welcome.text);
  }
  Words question = {"INFO", "memory", "persistence"};
  CO_TRY(const Reply info, co_await connection.ask(std::move(question)));
  if (info.kind == Reply::Kind::kText) {
    CO_CHECK(check_memory(info.text));
    if (line_of(info.text, "aof_enabled") == "0") {
      log::warn("valkey.not_durable", {{"why", "appendonly is off: a restart of it refills"}});
    }
  } else {
    log::warn("valkey.not_checked", {{"why", "INFO: " + info.text}});
  }
  Words load = {"SCRIPT", "LOAD", script_};
  CO_TRY(Reply loaded, co_await connection.ask(std::move(load)));
  if (loaded.kind != Reply::Kind::kText) {
    co_return fail(Code::kUnavailable, "SCRIPT LOAD: " + loaded.text);
  }
  script_digest_ = std::move(loaded.text);
  co_return Result<void>();
}

// What waits goes out together; replies come in the same order.
Task<Result<void>> Client::exchange(Connection& connection) {
  std::erase_if(questions_, [](const auto& one) { return !one->may_be_sent(); });
  const std::size_t count = std::min(questions_.size(), kTogetherMax);
  std::string bytes;
  for (std::size_t at = 0; at < count; ++at) {
    Question& question = *questions_[at];
    if (question.is_script) question.words[1] = script_digest_;
    bytes += encode(question.words);
    ++question.sent;
  }
  connection.set_deadline(clock_.now() + options_.timeout);
  CO_CHECK(co_await connection.send(bytes));
  for (std::size_t at = 0; at < count; ++at) {
    CO_TRY(Reply reply, co_await connection.receive());
    if (reply.kind == Reply::Kind::kError && reply.text.starts_with("NOSCRIPT")) {
      co_return fail(Code::kUnavailable, "the server forgot the script");
    }
    questions_.front()->answer(std::move(reply));
    questions_.pop_front();
  }
  connection.set_deadline(Clock::Time::max());
  co_return Result<void>();
}

}  // namespace mandated::valkey
