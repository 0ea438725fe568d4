// Budgets and proofs that are kept in a real server: the script that charges, what two who share it
// see of each other, what a lost answer costs, and what the server's end leaves.
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <thread>

#include "filters/budget/ledger.h"
#include "filters/receipt/key.h"
#include "filters/replay/replays.h"
#include "proxy/net/socket.h"
#include "tests/support/valkey_server.h"
#include "tests/support_ca/run_task.h"

namespace mandated {
namespace {

using namespace std::chrono_literals;
using receipt::Charge;
using receipt::Seconds;

constexpr Seconds kNow = 1780000000;
constexpr std::uint64_t kGreatest = 9'000'000'000'000'000;  // a sum of 9e9, in millionths

Charge charge_of(std::string account, std::uint64_t cost, std::uint64_t limit,
                 Seconds expires = kNow + 60) {
  return {std::move(account), cost, limit, expires, 0, "calls"};
}

// Loses what the other side says from a chosen reply on.
class LossyStream final : public net::Stream {
 public:
  LossyStream(net::StreamPtr stream, int* losses) : stream_(std::move(stream)), losses_(losses) {}
  Task<Result<std::size_t>> read_some(std::span<char> buffer) override {
    CO_TRY(const std::size_t count, co_await stream_->read_some(buffer));
    if (*losses_ > 0) {
      --*losses_;
      stream_->close();
      co_return fail(Code::kReset, "lost on the way");
    }
    co_return count;
  }
  Task<Result<void>> write(std::string_view bytes) override { return stream_->write(bytes); }
  Task<Result<void>> shutdown() override { return stream_->shutdown(); }
  void set_deadline(Clock::Time deadline) override { stream_->set_deadline(deadline); }
  void close() override { stream_->close(); }

 private:
  net::StreamPtr stream_;
  int* losses_;
};

// One worker of one replica.
class Replica {
 public:
  explicit Replica(const std::string& socket)
      : address_{{}, 0, socket},
        client_(
            valkey::Options{}, [this](Clock::Time deadline) { return connect(deadline); }, clock_,
            gate_),
        ledger_(make_valkey_ledger(client_, rng_, "{test}:")),
        replays_(make_valkey_replays(client_, rng_, "{test}:")) {}
  ~Replica() {
    gate_.drain();
    test::run_task(context_, gate_.wait_empty());
  }

  std::string charge(std::vector<Charge> charges, Seconds now = kNow) {
    return test::run_task(context_, charge_task(std::move(charges), now));
  }
  bool give_back(std::vector<Charge> charges) {
    return test::run_task(context_, give_back_task(std::move(charges))).has_value();
  }
  std::string remember(const std::string& jti, Seconds issued, Seconds now = kNow) {
    return test::run_task(context_, remember_task(jti, issued, now));
  }
  std::vector<std::uint64_t> spent(std::vector<Charge> charges) {
    const auto amounts = test::run_task(context_, spent_task(std::move(charges)));
    return amounts ? *amounts : std::vector<std::uint64_t>{999};
  }
  std::string ask(valkey::Words words) {
    const Result<valkey::Reply> reply = test::run_task(context_, ask_task(std::move(words)));
    if (!reply) return std::string(to_string(reply.error().code));
    return reply->kind == valkey::Reply::Kind::kInteger ? std::to_string(reply->integer)
                                                        : reply->text;
  }
  /// Until the server answers.
  void wait_for_server() {
    for (int tries = 0; ask({"PING"}) != "PONG"; ++tries) {
      if (tries > 200) throw std::runtime_error("the server did not come up");
      std::this_thread::sleep_for(50ms);
    }
  }

  int losses = 0;

 private:
  Task<Result<net::StreamPtr>> connect(Clock::Time deadline) {
    CO_TRY(net::StreamPtr stream, co_await dialer_->dial(address_, deadline));
    co_return std::make_unique<LossyStream>(std::move(stream), &losses);
  }
  Task<std::string> charge_task(std::vector<Charge> charges, Seconds now) {
    const Result<std::optional<std::size_t>> over = co_await ledger_->charge(charges, now);
    if (!over) co_return std::string(to_string(over.error().code));
    co_return *over ? "over " + std::to_string(**over) : std::string("charged");
  }
  Task<Result<void>> give_back_task(std::vector<Charge> charges) {
    co_return co_await ledger_->give_back(charges, kNow);
  }
  Task<Result<std::vector<std::uint64_t>>> spent_task(std::vector<Charge> charges) {
    co_return co_await ledger_->spent(charges);
  }
  Task<Result<valkey::Reply>> ask_task(valkey::Words words) {
    co_return co_await client_.ask(std::move(words), valkey::Repeat::kYes);
  }
  Task<std::string> remember_task(std::string jti, Seconds issued, Seconds now) {
    const receipt::Proof proof{std::move(jti), issued};
    const receipt::Checked<void> outcome = co_await replays_->remember(holder(), proof, now, 30);
    co_return outcome ? std::string("fresh") : std::string(to_string(outcome.error().code));
  }
  static const receipt::PublicKey& holder() {
    static const receipt::PublicKey key =
        receipt::PrivateKey::generate(receipt::KeyType::kEd25519).public_key();
    return key;
  }

  net::Address address_;
  boost::asio::io_context context_{1};
  RealClock clock_{context_};
  SystemRng rng_;
  std::unique_ptr<net::Dialer> dialer_ = net::make_socket_dialer(clock_);
  Gate gate_{context_.get_executor()};
  valkey::Client client_;
  std::unique_ptr<Ledger> ledger_;
  std::unique_ptr<Replays> replays_;
};

class ValkeySharingTest : public testing::Test {
 protected:
  ValkeySharingTest() {
    std::string name = testing::TempDir() + "valkey-XXXXXX";
    folder_ = ::mkdtemp(name.data());
    server_ = std::make_unique<test::ValkeyServer>(folder_);
    one_ = std::make_unique<Replica>(server_->socket());
    one_->wait_for_server();
    other_ = std::make_unique<Replica>(server_->socket());
  }
  ~ValkeySharingTest() override {
    server_.reset();
    std::filesystem::remove_all(folder_);
  }

  std::string folder_;
  std::unique_ptr<test::ValkeyServer> server_;
  std::unique_ptr<Replica> one_;
  std::unique_ptr<Replica> other_;
};

TEST_F(ValkeySharingTest, ChargesUpToTheLimitAndAllOrNone) {
  EXPECT_EQ(one_->charge({charge_of("a", 2, 5), charge_of("b", 1, 1)}), "charged");
  EXPECT_EQ(other_->charge({charge_of("a", 2, 5), charge_of("b", 1, 1)}), "over 1");
  EXPECT_EQ(other_->charge({charge_of("a", 3, 5)}), "charged") << "the refused call cost nothing";
  EXPECT_EQ(one_->charge({charge_of("a", 1, 5)}), "over 0");
  EXPECT_EQ(one_->charge({charge_of("a", 0, 5)}), "charged");
  EXPECT_EQ(one_->charge({charge_of("none", 1, 0)}), "over 0");
  EXPECT_EQ(one_->spent({charge_of("b", 0, 0), charge_of("none", 0, 0), charge_of("a", 0, 0)}),
            (std::vector<std::uint64_t>{1, 0, 5}));
}

TEST_F(ValkeySharingTest, CountsTheGreatestSumsToTheMillionth) {
  EXPECT_EQ(one_->charge({charge_of("a", kGreatest - 1, kGreatest)}), "charged");
  EXPECT_EQ(one_->charge({charge_of("a", 2, kGreatest)}), "over 0");
  EXPECT_EQ(one_->charge({charge_of("a", kGreatest, kGreatest)}), "over 0");
  EXPECT_EQ(one_->charge({charge_of("a", 1, kGreatest)}), "charged");
  EXPECT_EQ(one_->charge({charge_of("a", 1, kGreatest)}), "over 0");
  EXPECT_EQ(one_->spent({charge_of("a", 0, 0)}), (std::vector<std::uint64_t>{kGreatest}));
}

TEST_F(ValkeySharingTest, GivesBackButNeverBelowZero) {
  EXPECT_EQ(one_->charge({charge_of("a", 1, 1)}), "charged");
  EXPECT_TRUE(other_->give_back({charge_of("a", 1, 1)}));
  EXPECT_EQ(one_->charge({charge_of("a", 1, 1)}), "charged");
  EXPECT_TRUE(one_->give_back({charge_of("a", 3, 1), charge_of("never", 2, 1)}));
  EXPECT_EQ(one_->spent({charge_of("a", 0, 0), charge_of("never", 0, 0)}),
            (std::vector<std::uint64_t>{0, 0}));
  EXPECT_EQ(one_->charge({charge_of("a", 2, 1)}), "over 0");
}

TEST_F(ValkeySharingTest, ALostAnswerIsChargedOnce) {
  EXPECT_EQ(one_->charge({charge_of("a", 1, 9)}), "charged");
  one_->losses = 1;
  EXPECT_EQ(one_->charge({charge_of("a", 1, 9)}), "charged") << "asked for again";
  EXPECT_EQ(one_->spent({charge_of("a", 0, 0)}), (std::vector<std::uint64_t>{2}));
  // Every answer is lost: the call is refused, and what it was to cost stays spent.
  one_->losses = 1000;
  EXPECT_NE(one_->charge({charge_of("a", 1, 9)}), "charged");
  EXPECT_EQ(other_->spent({charge_of("a", 0, 0)}), (std::vector<std::uint64_t>{3}));
}

TEST_F(ValkeySharingTest, WhatIsGivenBackIsGivenBackOnceAtMost) {
  EXPECT_EQ(one_->charge({charge_of("a", 5, 9)}), "charged");
  one_->losses = 1;
  EXPECT_FALSE(one_->give_back({charge_of("a", 1, 9)}));
  EXPECT_EQ(other_->spent({charge_of("a", 0, 0)}), (std::vector<std::uint64_t>{4}));
}

TEST_F(ValkeySharingTest, AccountsEndADayAfterTheirReceipt) {
  EXPECT_EQ(one_->charge({charge_of("a", 1, 9, kNow + 3600)}), "charged");
  EXPECT_NEAR(std::stod(one_->ask({"TTL", "{test}:b:a"})), 90000, 2);
  // By this replica's clock the receipt has ended; whoever's is behind must still find the account.
  EXPECT_EQ(one_->charge({charge_of("b", 1, 9, kNow - 10)}), "charged");
  EXPECT_NEAR(std::stod(one_->ask({"TTL", "{test}:b:b"})), 86400, 2);
}

TEST_F(ValkeySharingTest, AnAmountThatIsNoneIsRefused) {
  for (const char* text : {"-1", "x", ""}) {
    EXPECT_EQ(one_->ask({"SET", "{test}:b:a", text}), "OK");
    EXPECT_EQ(one_->charge({charge_of("a", 1, 9)}), "storage") << text;
    EXPECT_EQ(one_->spent({charge_of("a", 0, 0)}), (std::vector<std::uint64_t>{999})) << text;
  }
}

TEST_F(ValkeySharingTest, ARestartOfTheServerRefillsAndForgetsNothing) {
  EXPECT_EQ(one_->charge({charge_of("a", 4, 5)}), "charged");
  EXPECT_EQ(one_->remember("p", kNow), "fresh");
  server_->stop();
  EXPECT_NE(one_->charge({charge_of("a", 1, 5)}), "charged");
  EXPECT_EQ(one_->remember("q", kNow), "internal");
  server_->start();
  one_->wait_for_server();
  EXPECT_EQ(one_->charge({charge_of("a", 2, 5)}), "over 0");
  EXPECT_EQ(one_->charge({charge_of("a", 1, 5)}), "charged");
  EXPECT_EQ(one_->remember("p", kNow), "replayed");
}

TEST_F(ValkeySharingTest, AProofIsUsedOnceByAll) {
  EXPECT_EQ(one_->remember("a", kNow), "fresh");
  EXPECT_EQ(one_->remember("a", kNow), "replayed");
  EXPECT_EQ(other_->remember("a", kNow, kNow + 30), "replayed");
  EXPECT_EQ(other_->remember("b", kNow, kNow + 31), "bad_proof");
  EXPECT_EQ(other_->remember("b", kNow + 30), "fresh");
  one_->losses = 1;
  EXPECT_EQ(one_->remember("c", kNow), "fresh") << "its own trace is no replay";
  EXPECT_EQ(one_->remember("c", kNow), "replayed");
}

}  // namespace
}  // namespace mandated
