// The file has one table, account to amount. One thread owns the connection; what has gathered
// while it was busy goes into one transaction, so that a sync is paid once for many calls.
#include <sqlite3.h>
#include <sys/stat.h>

#include <boost/asio/this_coro.hpp>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "filters/budget/ledger.h"
#include "proxy/base/completion.h"
#include "proxy/base/log.h"

namespace mandated {

namespace {

constexpr int kFormat = 1;
constexpr std::size_t kQueueMax = 65536;
constexpr receipt::Seconds kBetweenPurges = 60;

enum class Work : std::uint8_t { kCharge, kGiveBack, kRead };

struct Job {
  Work work = Work::kCharge;
  std::vector<receipt::Charge> charges;
  receipt::Seconds now = 0;
  // Both read once the completion has come.
  std::optional<std::size_t> refused;
  std::vector<std::uint64_t> spent;
  std::shared_ptr<Completion::Shared> waiter;
};
using Jobs = std::vector<std::shared_ptr<Job>>;

struct CloseDatabase {
  void operator()(sqlite3* database) const { sqlite3_close_v2(database); }
};
struct FinalizeStatement {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Statement = std::unique_ptr<sqlite3_stmt, FinalizeStatement>;

/// The connection. Of the ledger's thread alone, once it runs.
class Database {
 public:
  Result<void> open(const std::string& path) {
    sqlite3* opened = nullptr;
    const int status =
        sqlite3_open_v2(path.c_str(), &opened,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
    database_.reset(opened);
    if (status != SQLITE_OK) return failed("open");
    ::chmod(path.c_str(), S_IRUSR | S_IWUSR);
    sqlite3_busy_timeout(database_.get(), 2000);
    CHECK(execute("PRAGMA journal_mode=WAL"));
    CHECK(execute("PRAGMA synchronous=FULL"));
    CHECK(execute("PRAGMA max_page_count=262144"));  // 1 GiB: agents can make accounts at will
    CHECK(execute("BEGIN IMMEDIATE"));
    const Result<void> laid = lay_out();
    CHECK(execute(laid ? "COMMIT" : "ROLLBACK"));
    CHECK(laid);
    TRY(spent_, prepare("SELECT amount FROM spent WHERE account = ?1"));
    TRY(add_, prepare("INSERT INTO spent (account, amount, expires) VALUES (?1, ?2, ?3) "
                      "ON CONFLICT (account) DO UPDATE SET amount = amount + ?2"));
    TRY(purge_, prepare("DELETE FROM spent WHERE expires < ?1"));
    return {};
  }

  /// Does all of the jobs in one durable transaction, or none.
  Result<void> commit(const Jobs& jobs) {
    CHECK(execute("BEGIN IMMEDIATE"));
    Result<void> done;
    for (auto job = jobs.begin(); done && job != jobs.end(); ++job) done = perform(**job);
    if (done) done = purge(jobs.back()->now);
    if (done) done = execute("COMMIT");
    if (!done) static_cast<void>(execute("ROLLBACK"));
    return done;
  }

 private:
  Result<void> lay_out() {
    TRY(const Statement version, prepare("PRAGMA user_version"));
    if (sqlite3_step(version.get()) != SQLITE_ROW) return failed("read");
    const int found = sqlite3_column_int(version.get(), 0);
    if (found == kFormat) return {};
    if (found != 0) return fail(Code::kStorage, "the ledger is of a format that is not known here");
    CHECK(
        execute("CREATE TABLE spent (account TEXT PRIMARY KEY, amount INTEGER NOT NULL, "
                "expires REAL NOT NULL) STRICT, WITHOUT ROWID"));
    return execute("PRAGMA user_version=1");
  }

  Result<void> perform(Job& job) {
    switch (job.work) {
      case Work::kCharge:
        return charge(job);
      case Work::kGiveBack:
        return add(job.charges, -1);
      case Work::kRead:
        break;
    }
    for (const receipt::Charge& charge : job.charges) {
      TRY(const std::uint64_t spent, spent_of(charge.account));
      job.spent.push_back(spent);
    }
    return {};
  }

  Result<void> charge(Job& job) {
    for (std::size_t at = 0; at < job.charges.size(); ++at) {
      const receipt::Charge& charge = job.charges[at];
      TRY(const std::uint64_t spent, spent_of(charge.account));
      if (spent + charge.cost <= charge.limit) continue;
      job.refused = at;
      return {};
    }
    return add(job.charges, 1);
  }

  Result<void> add(const std::vector<receipt::Charge>& charges, sqlite3_int64 sign) {
    for (const receipt::Charge& charge : charges) {
      bind_text(add_, charge.account);
      sqlite3_bind_int64(add_.get(), 2, sign * static_cast<sqlite3_int64>(charge.cost));
      sqlite3_bind_double(add_.get(), 3, charge.expires);
      CHECK(run(add_));
    }
    return {};
  }

  Result<std::uint64_t> spent_of(const std::string& account) {
    bind_text(spent_, account);
    const int status = sqlite3_step(spent_.get());
    const sqlite3_int64 amount =
        status == SQLITE_ROW ? sqlite3_column_int64(spent_.get(), 0) : sqlite3_int64{0};
    sqlite3_reset(spent_.get());
    if (status != SQLITE_ROW && status != SQLITE_DONE) return failed("read");
    if (amount < 0) return fail(Code::kStorage, "the ledger holds an amount below zero");
    return static_cast<std::uint64_t>(amount);
  }

  Result<void> purge(receipt::Seconds now) {
    if (now < next_purge_) return {};
    next_purge_ = now + kBetweenPurges;
    sqlite3_bind_double(purge_.get(), 1, now - kAccountKeptAfterExpiry);
    return run(purge_);
  }

  Result<void> run(const Statement& statement) {
    const int status = sqlite3_step(statement.get());
    sqlite3_reset(statement.get());
    return status == SQLITE_DONE ? Result<void>() : failed("write");
  }
  Result<void> execute(const char* text) {
    const int status = sqlite3_exec(database_.get(), text, nullptr, nullptr, nullptr);
    return status == SQLITE_OK ? Result<void>() : failed("write");
  }
  Result<Statement> prepare(const char* text) {
    sqlite3_stmt* made = nullptr;
    const int status = sqlite3_prepare_v2(database_.get(), text, -1, &made, nullptr);
    Statement statement(made);
    if (status != SQLITE_OK) return failed("read");
    return statement;
  }
  static void bind_text(const Statement& statement, const std::string& text) {
    sqlite3_bind_text(statement.get(), 1, text.data(), static_cast<int>(text.size()),
                      SQLITE_TRANSIENT);
  }
  Failure failed(const char* what) const {
    return fail(Code::kStorage,
                std::string("cannot ") + what + " the ledger: " + sqlite3_errmsg(database_.get()));
  }

  std::unique_ptr<sqlite3, CloseDatabase> database_;
  Statement spent_;
  Statement add_;
  Statement purge_;
  receipt::Seconds next_purge_ = 0;
};

class SqliteLedger final : public Ledger {
 public:
  explicit SqliteLedger(Database database)
      : database_(std::move(database)), thread_([this] { run(); }) {}
  ~SqliteLedger() override {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_one();
    thread_.join();
  }

  Task<Result<std::optional<std::size_t>>> charge(std::span<const receipt::Charge> charges,
                                                  receipt::Seconds now) override {
    const std::shared_ptr<Job> job = make_job(Work::kCharge, charges, now);
    CO_CHECK(co_await perform(job));
    co_return job->refused;
  }
  Task<Result<void>> give_back(std::span<const receipt::Charge> charges,
                               receipt::Seconds now) override {
    const std::shared_ptr<Job> job = make_job(Work::kGiveBack, charges, now);
    co_return co_await perform(job);
  }
  Task<Result<std::vector<std::uint64_t>>> spent(
      std::span<const receipt::Charge> charges) override {
    const std::shared_ptr<Job> job = make_job(Work::kRead, charges, 0);
    CO_CHECK(co_await perform(job));
    co_return std::move(job->spent);
  }

 private:
  static std::shared_ptr<Job> make_job(Work work, std::span<const receipt::Charge> charges,
                                       receipt::Seconds now) {
    auto job = std::make_shared<Job>();
    job->work = work;
    job->charges.assign(charges.begin(), charges.end());
    job->now = now;
    return job;
  }

  Task<Result<void>> perform(std::shared_ptr<Job> job) {
    const Executor executor = co_await boost::asio::this_coro::executor;
    Completion completion(executor);
    job->waiter = completion.shared();
    {
      const std::lock_guard lock(mutex_);
      if (queue_.size() >= kQueueMax) {
        co_return fail(Code::kOverloaded, "the ledger cannot be written fast enough");
      }
      queue_.push_back(std::move(job));
    }
    wake_.notify_one();
    co_return co_await completion.wait();
  }

  void run() {
    std::unique_lock lock(mutex_);
    while (true) {
      wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
      if (queue_.empty()) return;
      const Jobs jobs = std::exchange(queue_, {});
      lock.unlock();
      const Result<void> committed = database_.commit(jobs);
      if (!committed) log::error("ledger.failed", {{"why", committed.error().text}});
      for (const std::shared_ptr<Job>& job : jobs) {
        Completion::Shared::complete(job->waiter, committed);
      }
      lock.lock();
    }
  }

  Database database_;  // of the thread
  std::mutex mutex_;   // guards the next two
  Jobs queue_;
  bool stopping_ = false;
  std::condition_variable wake_;
  std::thread thread_;
};

}  // namespace

Result<std::unique_ptr<Ledger>> open_ledger(const std::string& path) {
  Database database;
  CHECK(database.open(path));
  return std::make_unique<SqliteLedger>(std::move(database));
}

}  // namespace mandated
