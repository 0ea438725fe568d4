// What has been spent: all charges of a call or none, never more than the limit, and not forgotten.
#include "filters/budget/ledger.h"

#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>
#include <vector>

namespace mandated {
namespace {

using receipt::Charge;
using receipt::Seconds;

constexpr Seconds kNow = 1780000000;

Charge charge_of(std::string account, std::uint64_t cost, std::uint64_t limit,
                 Seconds expires = kNow + 60) {
  return {std::move(account), cost, limit, expires, 0, "calls"};
}

class LedgerTest : public testing::Test {
 protected:
  LedgerTest() {
    std::string name = testing::TempDir() + "ledger-XXXXXX";
    folder_ = ::mkdtemp(name.data());
    path_ = folder_ + "/ledger";
  }
  ~LedgerTest() override { std::filesystem::remove_all(folder_); }

  static Task<void> charge_task(Ledger* ledger, std::vector<Charge> charges, Seconds now,
                                std::string* outcome) {
    const Result<std::optional<std::size_t>> over = co_await ledger->charge(charges, now);
    if (!over) {
      *outcome = to_string(over.error().code);
    } else {
      *outcome = *over ? "over " + std::to_string(**over) : "charged";
    }
  }
  static Task<void> give_back_task(Ledger* ledger, std::vector<Charge> charges) {
    const Result<void> given = co_await ledger->give_back(charges, kNow);
    EXPECT_TRUE(given);
  }
  static Task<void> spent_task(Ledger* ledger, std::vector<Charge> charges,
                               std::vector<std::uint64_t>* spent) {
    Result<std::vector<std::uint64_t>> read = co_await ledger->spent(charges);
    if (read) *spent = std::move(*read);
  }
  static void run(Task<void> task) {
    boost::asio::io_context context(1);
    boost::asio::co_spawn(context, std::move(task),
                          [](const std::exception_ptr& escaped) { EXPECT_EQ(escaped, nullptr); });
    context.run();
  }
  static std::string charge(Ledger& ledger, std::vector<Charge> charges, Seconds now = kNow) {
    std::string outcome;
    run(charge_task(&ledger, std::move(charges), now, &outcome));
    return outcome;
  }
  /// Empty where it cannot be read.
  static std::vector<std::uint64_t> spent(Ledger& ledger, std::vector<Charge> charges) {
    std::vector<std::uint64_t> spent;
    run(spent_task(&ledger, std::move(charges), &spent));
    return spent;
  }
  std::unique_ptr<Ledger> open() const {
    Result<std::unique_ptr<Ledger>> opened = open_ledger(path_);
    if (!opened) throw std::runtime_error(opened.error().text);
    return std::move(*opened);
  }

  std::string folder_;
  std::string path_;
};

TEST_F(LedgerTest, ChargesUpToTheLimitAndAllOrNone) {
  for (const bool durable : {false, true}) {
    const std::unique_ptr<Ledger> ledger = durable ? open() : make_memory_ledger();
    EXPECT_EQ(charge(*ledger, {charge_of("a", 2, 5), charge_of("b", 1, 1)}), "charged");
    EXPECT_EQ(charge(*ledger, {charge_of("a", 2, 5), charge_of("b", 1, 1)}), "over 1");
    EXPECT_EQ(charge(*ledger, {charge_of("a", 3, 5)}), "charged")
        << "the refused call cost nothing";
    EXPECT_EQ(charge(*ledger, {charge_of("a", 1, 5)}), "over 0");
    EXPECT_EQ(charge(*ledger, {charge_of("a", 0, 5)}), "charged");
    EXPECT_EQ(charge(*ledger, {charge_of("none", 1, 0)}), "over 0");
  }
}

TEST_F(LedgerTest, GivesBack) {
  for (const bool durable : {false, true}) {
    const std::unique_ptr<Ledger> ledger = durable ? open() : make_memory_ledger();
    EXPECT_EQ(charge(*ledger, {charge_of("a", 1, 1)}), "charged");
    run(give_back_task(ledger.get(), {charge_of("a", 1, 1)}));
    EXPECT_EQ(charge(*ledger, {charge_of("a", 1, 1)}), "charged");
    EXPECT_EQ(charge(*ledger, {charge_of("a", 1, 1)}), "over 0");
  }
}

TEST_F(LedgerTest, TellsWhatWasSpentAndReadingCostsNothing) {
  using Amounts = std::vector<std::uint64_t>;
  for (const bool durable : {false, true}) {
    const std::unique_ptr<Ledger> ledger = durable ? open() : make_memory_ledger();
    EXPECT_EQ(charge(*ledger, {charge_of("a", 2, 5), charge_of("b", 7, 9)}), "charged");
    EXPECT_EQ(charge(*ledger, {charge_of("a", 4, 5), charge_of("b", 1, 9)}), "over 0");
    for (int time = 0; time < 2; ++time) {
      EXPECT_EQ(
          spent(*ledger, {charge_of("b", 9, 9), charge_of("none", 1, 1), charge_of("a", 0, 5)}),
          (Amounts{7, 0, 2}));
    }
    run(give_back_task(ledger.get(), {charge_of("a", 2, 5)}));
    EXPECT_EQ(spent(*ledger, {charge_of("a", 0, 5)}), Amounts{0});
    EXPECT_EQ(charge(*ledger, {charge_of("a", 5, 5)}), "charged");
  }
  EXPECT_EQ(spent(*open(), {charge_of("a", 0, 5)}), Amounts{5}) << "after a restart, too";
}

TEST_F(LedgerTest, ARestartRefillsNothing) {
  EXPECT_EQ(charge(*open(), {charge_of("a", 4, 5)}), "charged");
  const std::unique_ptr<Ledger> again = open();
  EXPECT_EQ(charge(*again, {charge_of("a", 2, 5)}), "over 0");
  EXPECT_EQ(charge(*again, {charge_of("a", 1, 5)}), "charged");
  struct stat status{};
  ASSERT_EQ(::stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
}

// Forgotten when nobody can use the receipt any more, and not when a clock jumped a little.
TEST_F(LedgerTest, ForgetsWhatExpiredADayAgo) {
  const std::unique_ptr<Ledger> ledger = open();
  EXPECT_EQ(charge(*ledger, {charge_of("a", 1, 1, kNow)}), "charged");
  EXPECT_EQ(charge(*ledger, {charge_of("x", 1, 9)}, kNow + 3600), "charged");
  EXPECT_EQ(charge(*ledger, {charge_of("a", 1, 1)}, kNow - 60), "over 0");
  EXPECT_EQ(charge(*ledger, {charge_of("x", 1, 9)}, kNow + 86500), "charged");
  EXPECT_EQ(charge(*ledger, {charge_of("a", 1, 1)}, kNow + 86500), "charged");
}

TEST_F(LedgerTest, TwoThatShareTheFileShareTheBudgets) {
  const std::unique_ptr<Ledger> one = open();
  const std::unique_ptr<Ledger> other = open();
  EXPECT_EQ(charge(*one, {charge_of("a", 1, 2)}), "charged");
  EXPECT_EQ(charge(*other, {charge_of("a", 1, 2)}), "charged");
  EXPECT_EQ(charge(*one, {charge_of("a", 1, 2)}), "over 0");
}

TEST_F(LedgerTest, ManyAtOnceNeverOverspend) {
  constexpr int kCalls = 200;
  const std::unique_ptr<Ledger> one = open();
  const std::unique_ptr<Ledger> other = open();
  std::vector<std::string> outcomes(4UL * kCalls);
  std::vector<std::thread> threads;
  for (std::size_t thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      boost::asio::io_context context(1);
      Ledger* ledger = thread % 2 == 0 ? one.get() : other.get();
      for (std::size_t call = 0; call < kCalls; ++call) {
        std::string* outcome = &outcomes[thread * kCalls + call];
        boost::asio::co_spawn(
            context,
            charge_task(ledger, {charge_of("a", 1, 100), charge_of("b", 1, 500)}, kNow, outcome),
            [](const std::exception_ptr& escaped) { EXPECT_EQ(escaped, nullptr); });
      }
      context.run();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(std::count(outcomes.begin(), outcomes.end(), "charged"), 100);
  EXPECT_EQ(std::count(outcomes.begin(), outcomes.end(), "over 0"), 700);
  EXPECT_EQ(charge(*one, {charge_of("b", 400, 500)}), "charged") << "refused calls cost nothing";
  EXPECT_EQ(charge(*one, {charge_of("b", 1, 500)}), "over 0");
}

// A waiter may be gone by the time the disk has answered.
TEST_F(LedgerTest, AnAbandonedCallIsLeftCharged) {
  const std::unique_ptr<Ledger> ledger = open();
  std::string outcome;
  {
    boost::asio::io_context context(1);
    boost::asio::co_spawn(context,
                          charge_task(ledger.get(), {charge_of("a", 1, 1)}, kNow, &outcome),
                          [](const std::exception_ptr&) {});
    context.poll();
    // The ledger's thread answers to an executor that still lives; the frame goes first.
    context.stop();
    EXPECT_EQ(charge(*ledger, {charge_of("b", 1, 1)}), "charged");
  }
  EXPECT_EQ(charge(*ledger, {charge_of("a", 1, 1)}), "over 0");
}

TEST_F(LedgerTest, WhatIsNoLedgerIsNotOpened) {
  std::ofstream(path_) << std::string(8192, 'x');
  Result<std::unique_ptr<Ledger>> opened = open_ledger(path_);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Code::kStorage);
  opened = open_ledger(folder_ + "/missing/ledger");
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Code::kStorage);
  std::filesystem::remove(path_);
  sqlite3* database = nullptr;
  ASSERT_EQ(sqlite3_open(path_.c_str(), &database), SQLITE_OK);
  sqlite3_exec(database, "PRAGMA user_version=2", nullptr, nullptr, nullptr);
  sqlite3_close(database);
  opened = open_ledger(path_);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().text, "the ledger is of a format that is not known here");
}

// Another process holds the file for longer than a call can wait.
TEST_F(LedgerTest, WhatCannotBeWrittenIsNotCharged) {
  const std::unique_ptr<Ledger> ledger = open();
  sqlite3* database = nullptr;
  ASSERT_EQ(sqlite3_open(path_.c_str(), &database), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(database, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);
  EXPECT_EQ(charge(*ledger, {charge_of("a", 1, 1)}), "storage");
  EXPECT_EQ(spent(*ledger, {charge_of("a", 1, 1)}).size(), 0U);
  sqlite3_exec(database, "ROLLBACK", nullptr, nullptr, nullptr);
  sqlite3_close(database);
  EXPECT_EQ(charge(*ledger, {charge_of("a", 1, 1)}), "charged");
}

}  // namespace
}  // namespace mandated
