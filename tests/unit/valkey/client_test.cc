// The client against a server that behaves as each test needs, on memory pipes and a virtual clock:
// no question is answered with another's answer, none is done more often than it may be, and
// without a server none waits.
#include "proxy/valkey/client.h"

#include <gtest/gtest.h>

#include <array>
#include <boost/asio/io_context.hpp>

#include "tests/sim/sim_network.h"

namespace mandated::valkey {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kInfo =
    "# Memory\r\nmaxmemory:0\r\nmaxmemory_policy:noeviction\r\n# Persistence\r\naof_enabled:1\r\n";

std::string bulk(std::string_view text) {
  return "$" + std::to_string(text.size()) + "\r\n" + std::string(text) + "\r\n";
}

class ClientTest : public testing::Test {
 protected:
  ~ClientTest() override {
    end_client();
    if (listener_) listener_->close();
    gate_.drain();
    EXPECT_TRUE(clock_.run_until([&] { return gate_.active() == 0; }, 60s));
  }

  // ---- the server

  void start_server() {
    listener_ = network_.listen(address_);
    gate_.spawn(accept(*listener_));
  }
  Task<void> accept(net::Listener& listener) {
    while (true) {
      Result<net::StreamPtr> stream = co_await listener.accept();
      if (!stream) co_return;
      ++connections_;
      gate_.spawn(serve(std::move(*stream)));
    }
  }
  Task<void> serve(net::StreamPtr stream) {
    const Gate::Registration on_drain(gate_, [&stream] { stream->close(); });
    ReplyReader commands;
    std::array<char, 4096> buffer{};
    while (true) {
      const Result<std::size_t> count = co_await stream->read_some(buffer);
      if (!count || *count == 0) co_return;
      EXPECT_TRUE(commands.feed({buffer.data(), *count}));
      while (true) {
        Result<std::optional<Reply>> command = commands.next();
        if (!command || !*command) break;
        const std::string answer = answer_to(**command);
        if (answer == "cut") co_return;
        if (late_ > 0s) co_await clock_.sleep_for(late_);
        const Result<void> sent = co_await stream->write(answer);
        if (!sent) co_return;
      }
    }
  }
  // What the server does; set-up is answered as a good server does unless `answer_` says otherwise.
  std::string answer_to(const Reply& command) {
    std::string words;
    for (const Reply& word : command.items) words += (words.empty() ? "" : " ") + word.text;
    seen_.push_back(words);
    if (answer_) {
      if (std::optional<std::string> answer = answer_(words)) return *answer;
    }
    if (words.starts_with("AUTH")) return "+OK\r\n";
    if (words.starts_with("INFO")) return bulk(kInfo);
    if (words.starts_with("SCRIPT LOAD")) return bulk("d1");
    return bulk("re " + words);
  }

  // ---- the client

  void start_client(Options options = {}) {
    client_gate_ = std::make_unique<Gate>(context_.get_executor());
    client_ = std::make_unique<Client>(
        std::move(options),
        [this](Clock::Time deadline) { return network_.dial(address_, deadline); }, clock_,
        *client_gate_);
    client_->use_script("return 1");
  }
  void end_client() {
    if (!client_) return;
    client_gate_->drain();
    EXPECT_TRUE(clock_.run_until([&] { return client_gate_->active() == 0; }, 60s));
    client_.reset();
  }
  Task<void> ask_task(Words words, Repeat repeat, std::string& outcome) {
    const Result<Reply> reply = co_await client_->ask(std::move(words), repeat);
    outcome = reply ? reply->text : std::string(to_string(reply.error().code));
  }
  Task<void> run_task(Words words, std::string& outcome) {
    const Result<Reply> reply = co_await client_->run(std::move(words), Repeat::kYes);
    outcome = reply ? reply->text : std::string(to_string(reply.error().code));
  }
  std::string ask(Words words, Repeat repeat = Repeat::kYes) {
    std::string outcome;
    gate_.spawn(ask_task(std::move(words), repeat, outcome));
    EXPECT_TRUE(clock_.run_until([&] { return !outcome.empty(); }, 60s));
    return outcome;
  }
  std::ptrdiff_t seen(std::string_view words) const {
    return std::count(seen_.begin(), seen_.end(), words);
  }

  boost::asio::io_context context_{1};
  test::SimClock clock_{context_};
  test::SimRng rng_{7};
  sim::Network network_{clock_, rng_, sim::Faults{}};
  Gate gate_{context_.get_executor()};
  const net::Address address_{"127.0.0.1", 6379, {}};
  std::unique_ptr<net::Listener> listener_;
  std::unique_ptr<Gate> client_gate_;
  std::unique_ptr<Client> client_;
  std::function<std::optional<std::string>(const std::string& words)> answer_;
  Clock::Duration late_{0};
  int connections_ = 0;
  std::vector<std::string> seen_;
};

TEST_F(ClientTest, AsksAndRuns) {
  start_server();
  start_client();
  EXPECT_EQ(ask({"GET", "a"}), "re GET a");
  std::string outcome;
  gate_.spawn(run_task({"1", "key"}, outcome));
  EXPECT_TRUE(clock_.run_until([&] { return !outcome.empty(); }, 60s));
  EXPECT_EQ(outcome, "re EVALSHA d1 1 key");
  EXPECT_EQ(seen_, (std::vector<std::string>{"INFO memory persistence", "SCRIPT LOAD return 1",
                                             "GET a", "EVALSHA d1 1 key"}));
}

TEST_F(ClientTest, EachOfManyGetsItsOwnAnswer) {
  start_server();
  start_client();
  std::vector<std::string> outcomes(3000);
  for (std::size_t at = 0; at < outcomes.size(); ++at) {
    gate_.spawn(ask_task({"GET", std::to_string(at)}, Repeat::kYes, outcomes[at]));
  }
  EXPECT_TRUE(clock_.run_until([&] { return !outcomes.back().empty(); }, 60s));
  for (std::size_t at = 0; at < outcomes.size(); ++at) {
    EXPECT_EQ(outcomes[at], "re GET " + std::to_string(at));
  }
  EXPECT_EQ(connections_, 1);
}

TEST_F(ClientTest, ShowsItsPassword) {
  start_server();
  start_client({"mandated", "secret", 1s});
  EXPECT_EQ(ask({"GET", "a"}), "re GET a");
  EXPECT_EQ(seen_.front(), "AUTH mandated secret");
}

TEST_F(ClientTest, AServerThatDoesNotFitIsNotAsked) {
  struct Case {
    const char* command;
    std::string answer;
    const char* code;
  };
  for (const Case& c : {
           Case{"AUTH", "-WRONGPASS invalid password\r\n", "denied"},
           Case{"INFO", bulk("# Memory\r\nmaxmemory:1000\r\nmaxmemory_policy:allkeys-lru\r\n"),
                "invalid_config"},
           Case{"INFO", bulk("# Memory\r\nmaxmemory:1000\r\nmaxmemory_policy:volatile-ttl\r\n"),
                "invalid_config"},
           Case{"INFO", bulk(""), "invalid_config"},
           Case{"SCRIPT", "-LOADING the dataset\r\n", "unavailable"},
           Case{"SCRIPT", "HTTP/1.1 400\r\n", "malformed"},
       }) {
    SCOPED_TRACE(c.command + c.answer);
    if (!listener_) start_server();
    answer_ = [&c](const std::string& words) {
      return words.starts_with(c.command) ? std::optional(c.answer) : std::nullopt;
    };
    start_client({{}, "secret", 1s});
    EXPECT_EQ(ask({"GET", "a"}), c.code);
    EXPECT_EQ(seen("GET a"), 0);
    // Mended, it is used.
    answer_ = nullptr;
    clock_.advance(5s);
    EXPECT_EQ(ask({"GET", "a"}), "re GET a");
    seen_.clear();
    end_client();
  }
}

TEST_F(ClientTest, MemoryThatIsBoundedButNeverEvictedWillDoAndSoWillAServerThatDoesNotSay) {
  start_server();
  for (const std::string& answer :
       {bulk("# Memory\r\nmaxmemory:1000\r\nmaxmemory_policy:noeviction\r\n"),
        std::string("-NOPERM\r\n")}) {
    answer_ = [&answer](const std::string& words) {
      return words.starts_with("INFO") ? std::optional(answer) : std::nullopt;
    };
    start_client();
    EXPECT_EQ(ask({"GET", "a"}), "re GET a");
    end_client();
  }
}

TEST_F(ClientTest, ALostAnswerIsAskedForOnceMoreWhereThatIsAllowed) {
  start_server();
  start_client();
  EXPECT_EQ(ask({"GET", "a"}), "re GET a");
  int losses = 1;
  answer_ = [&losses](const std::string& words) {
    return words.starts_with("SET") && losses-- > 0 ? std::optional<std::string>("cut")
                                                    : std::nullopt;
  };
  EXPECT_EQ(ask({"SET", "b"}), "re SET b");
  EXPECT_EQ(seen("SET b"), 2);
  losses = 1;
  EXPECT_EQ(ask({"SET", "c"}, Repeat::kNo), "reset");
  EXPECT_EQ(seen("SET c"), 1);
  losses = 2;
  EXPECT_EQ(ask({"SET", "d"}), "reset");
  EXPECT_EQ(seen("SET d"), 2);
  EXPECT_EQ(ask({"GET", "e"}), "re GET e");
}

TEST_F(ClientTest, ALateAnswerIsNobodyElses) {
  start_server();
  start_client();
  EXPECT_EQ(ask({"GET", "a"}), "re GET a");
  late_ = 1500ms;
  const Clock::Time began = clock_.now();
  EXPECT_EQ(ask({"GET", "b"}), "timeout");
  EXPECT_EQ(clock_.now() - began, 1s);
  late_ = 0s;
  clock_.advance(3s);
  EXPECT_EQ(ask({"GET", "c"}), "re GET c");
  EXPECT_EQ(seen("GET b"), 1);
  EXPECT_EQ(connections_, 2);
}

TEST_F(ClientTest, WithoutAServerNothingWaits) {
  start_client();
  EXPECT_EQ(ask({"GET", "a"}), "refused");
  const Clock::Time began = clock_.now();
  for (int times = 0; times < 3; ++times) EXPECT_EQ(ask({"GET", "a"}), "unavailable");
  EXPECT_EQ(clock_.now(), began);
  start_server();
  clock_.advance(3s);
  EXPECT_EQ(ask({"GET", "a"}), "re GET a");
}

TEST_F(ClientTest, AScriptThatTheServerForgotIsLoadedAgain) {
  start_server();
  start_client();
  EXPECT_EQ(ask({"GET", "a"}), "re GET a");
  int forgets = 1;
  answer_ = [&forgets](const std::string& words) {
    return words.starts_with("EVALSHA") && forgets-- > 0
               ? std::optional<std::string>("-NOSCRIPT No matching script\r\n")
               : std::nullopt;
  };
  std::string outcome;
  gate_.spawn(run_task({"0"}, outcome));
  EXPECT_TRUE(clock_.run_until([&] { return !outcome.empty(); }, 60s));
  EXPECT_EQ(outcome, "re EVALSHA d1 0");
  EXPECT_EQ(seen("SCRIPT LOAD return 1"), 2);
}

TEST_F(ClientTest, AConnectionIsRetiredBetweenQuestions) {
  start_server();
  start_client();
  EXPECT_EQ(ask({"GET", "a"}), "re GET a");
  std::string outcome;
  gate_.spawn(ask_task({"GET", "b"}, Repeat::kNo, outcome));
  client_->retire_connection();
  EXPECT_TRUE(clock_.run_until([&] { return !outcome.empty(); }, 60s));
  EXPECT_EQ(outcome, "re GET b");
  EXPECT_EQ(ask({"GET", "c"}), "re GET c");
  EXPECT_EQ(connections_, 2);
  EXPECT_EQ(seen("GET b"), 1);
}

TEST_F(ClientTest, AnErrorOfTheServerIsAnAnswer) {
  start_server();
  answer_ = [](const std::string& words) {
    return words == "GET a" ? std::optional<std::string>("-OOM too much\r\n") : std::nullopt;
  };
  start_client();
  EXPECT_EQ(ask({"GET", "a"}), "OOM too much");
  EXPECT_EQ(ask({"GET", "b"}), "re GET b");
  EXPECT_EQ(connections_, 1);
}

}  // namespace
}  // namespace mandated::valkey
