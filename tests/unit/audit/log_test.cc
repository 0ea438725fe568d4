// The audit file's life: durable before it answers, torn and mended, full disks, several workers,
// and workers that go while records are under way.
#include "proxy/audit/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <array>
#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <condition_variable>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <mutex>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>
#include <vector>

#include "proxy/audit/verify.h"
#include "tests/support/sim_clock.h"
#include "tests/support/sim_rng.h"
#include "tests/unit/audit/records.h"

namespace mandated::audit {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::HasSubstr;

/// A disk that fails when told to, and whose sync can be held up.
struct Disk {
  std::mutex mutex;
  std::condition_variable changed;
  std::string bytes;
  std::string synced;
  std::size_t room = std::string::npos;  ///< how many bytes still fit
  bool sync_fails = false;
  bool held = false;
  int syncs = 0;
  int syncs_waiting = 0;

  std::string text() {
    const std::lock_guard lock(mutex);
    return bytes;
  }
  void set(const std::function<void(Disk&)>& change) {
    const std::lock_guard lock(mutex);
    change(*this);
    changed.notify_all();
  }
  void wait_for_sync() {
    std::unique_lock lock(mutex);
    changed.wait(lock, [this] { return syncs_waiting > 0; });
  }
};

class DiskFile final : public File {
 public:
  explicit DiskFile(Disk& disk) : disk_(disk) {}
  Result<void> append(std::string_view bytes) override {
    const std::lock_guard lock(disk_.mutex);
    const std::size_t fits = std::min(bytes.size(), disk_.room);
    disk_.bytes += bytes.substr(0, fits);
    if (disk_.room != std::string::npos) disk_.room -= fits;
    if (fits < bytes.size()) return fail(Code::kStorage, "No space left on device");
    return {};
  }
  Result<void> sync() override {
    std::unique_lock lock(disk_.mutex);
    ++disk_.syncs_waiting;
    disk_.changed.notify_all();
    disk_.changed.wait(lock, [this] { return !disk_.held; });
    --disk_.syncs_waiting;
    ++disk_.syncs;
    if (disk_.sync_fails) return fail(Code::kStorage, "Input/output error");
    disk_.synced = disk_.bytes;
    return {};
  }
  Result<void> truncate(std::uint64_t size) override {
    const std::lock_guard lock(disk_.mutex);
    EXPECT_LE(size, disk_.bytes.size());
    disk_.bytes.resize(size);
    return {};
  }

 private:
  Disk& disk_;
};

class LogTest : public testing::Test {
 protected:
  LogTest() {
    folder_ =
        fs::temp_directory_path() / ("mandated-audit-" + std::to_string(::getpid()) + "-" +
                                     testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(folder_);
    fs::create_directory(folder_);
    path_ = folder_ / "audit.jsonl";
  }
  ~LogTest() override { fs::remove_all(folder_); }

  LogOptions options(Mode mode = Mode::kBefore) {
    LogOptions result;
    result.mode = mode;
    result.retry_after = std::chrono::milliseconds(5);
    return result;
  }
  std::unique_ptr<Log> open(Mode mode = Mode::kBefore) {
    Result<std::unique_ptr<Log>> log = Log::open(path_, clock_, rng_, options(mode));
    if (!log) throw std::runtime_error(log.error().text);
    return std::move(*log);
  }
  std::unique_ptr<Log> start(const LogOptions& wanted) {
    return std::move(*Log::start(std::make_unique<DiskFile>(disk_), clock_, rng_, wanted));
  }

  /// Starts an append on `context`; its outcome is pushed when it completes.
  void begin(Log& log, boost::asio::io_context& context, std::vector<Result<void>>& outcomes) {
    boost::asio::co_spawn(context, log.append(test::full_record()),
                          [&outcomes](const std::exception_ptr& escaped, Result<void> outcome) {
                            EXPECT_EQ(escaped, nullptr);
                            outcomes.push_back(std::move(outcome));
                          });
  }
  Result<void> append(Log& log) {
    std::vector<Result<void>> outcomes;
    begin(log, context_, outcomes);
    context_.restart();
    context_.run_for(std::chrono::seconds(10));
    if (outcomes.size() != 1) throw std::runtime_error("append did not complete");
    return outcomes.front();
  }
  static void wait_healthy(const Log& log) {
    for (int i = 0; i < 2000 && !log.healthy(); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    ASSERT_TRUE(log.healthy());
  }

  std::string read(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  }
  void write(const std::string& bytes) { std::ofstream(path_, std::ios::binary) << bytes; }
  static std::vector<json> records(const std::string& text) {
    std::istringstream in(text);
    std::vector<json> all;
    for (std::string line; std::getline(in, line);) all.push_back(json::parse(line));
    return all;
  }
  static void expect_verifies(const std::string& text, std::size_t count) {
    std::istringstream in(text);
    const Verification result = verify(in);
    EXPECT_TRUE(result.ok) << result.line << ": " << result.problem;
    EXPECT_EQ(result.records, count);
  }

  boost::asio::io_context context_{1};
  mandated::test::SimClock clock_{context_};
  mandated::test::SimRng rng_{1};
  Disk disk_;
  fs::path folder_;
  fs::path path_;
};

TEST_F(LogTest, ANewFileIsPrivateAndBeginsWithItsHeader) {
  {
    const auto log = open();
    EXPECT_TRUE(append(*log));
  }
  struct stat status{};
  ASSERT_EQ(::stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
  const std::vector<json> all = records(read(path_));
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0]["phase"], "opened");
  EXPECT_EQ(all[0]["format"], 1);
  EXPECT_EQ(all[0]["instance"].get<std::string>().size(), 32U);
  EXPECT_EQ(all[0]["time"], "2026-06-01T00:00:00.000000Z");
  EXPECT_EQ(all[1]["tool"], "read_file");
  expect_verifies(read(path_), 2);
}

TEST_F(LogTest, ReopeningGoesOnWithTheChain) {
  for (int run = 0; run < 3; ++run) {
    const auto log = open();
    EXPECT_TRUE(append(*log));
  }
  expect_verifies(read(path_), 6);
  const std::vector<json> all = records(read(path_));
  EXPECT_EQ(all[4]["phase"], "opened");
  EXPECT_EQ(all[4]["seq"], 4);
  EXPECT_NE(all[4]["instance"], all[0]["instance"]);
}

TEST_F(LogTest, AFileHasOneWriter) {
  const auto log = open();
  const auto second = Log::open(path_, clock_, rng_, options());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Code::kStorage);
  EXPECT_THAT(second.error().text, HasSubstr("is in use by another process"));
}

TEST_F(LogTest, ATornLineIsMovedAside) {
  open();
  const std::string whole = read(path_);
  for (const std::string& torn :
       {std::string("{\"seq\":1,\"prev\":\"abc"), std::string("{"), std::string(300, '\0')}) {
    write(whole + torn);
    {
      const auto log = open();
      EXPECT_TRUE(append(*log));
    }
    EXPECT_EQ(read(path_.string() + ".torn-1"), torn);
    expect_verifies(read(path_), 4);
    const std::vector<json> all = records(read(path_));
    EXPECT_EQ(all[1]["phase"], "opened");
    EXPECT_EQ(all[2]["phase"], "recovered");
    EXPECT_EQ(all[2]["torn"], "audit.jsonl.torn-1");
    EXPECT_EQ(all[2]["bytes"], torn.size());
  }
}

TEST_F(LogTest, ATornFirstLine) {
  write("{\"seq\":0,\"pr");
  {
    const auto log = open();
  }
  EXPECT_EQ(read(path_.string() + ".torn-0"), "{\"seq\":0,\"pr");
  expect_verifies(read(path_), 2);
}

TEST_F(LogTest, AForeignFileIsLeftAlone) {
  for (const std::string& foreign :
       {std::string("dear diary\n"), std::string("dear diary"), std::string("{\"seq\":1}\n"),
        std::string("[]\n{\"seq\":1"), std::string("\n"), std::string("{\"a\":1}")}) {
    write(foreign);
    const auto log = Log::open(path_, clock_, rng_, options());
    ASSERT_FALSE(log) << foreign;
    EXPECT_EQ(log.error().code, Code::kStorage);
    EXPECT_THAT(log.error().text, HasSubstr("move")) << foreign;
    EXPECT_EQ(read(path_), foreign);
    EXPECT_EQ(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()), 1);
  }
}

TEST_F(LogTest, WhatIsNoFileIsRefused) {
  struct Case {
    std::string path;
    const char* problem;
  };
  for (const Case& c : {Case{folder_.string(), "Is a directory"},
                        {(folder_ / "none" / "a").string(), "No such file or directory"},
                        {"/dev/null", "is not a regular file"}}) {
    const auto log = Log::open(c.path, clock_, rng_, options());
    ASSERT_FALSE(log) << c.path;
    EXPECT_EQ(log.error().code, Code::kStorage);
    EXPECT_THAT(log.error().text, HasSubstr(c.problem));
  }
}

TEST_F(LogTest, BeforeCompletesOnlyOnceDurableAndOneSyncServesAll) {
  const auto log = start(options());
  disk_.set([](Disk& disk) { disk.held = true; });
  std::vector<Result<void>> outcomes;
  begin(*log, context_, outcomes);
  context_.poll();
  disk_.wait_for_sync();
  for (int i = 0; i < 100; ++i) begin(*log, context_, outcomes);
  context_.poll();
  EXPECT_TRUE(outcomes.empty()) << "nothing is durable yet";
  disk_.set([](Disk& disk) { disk.held = false; });
  context_.restart();
  context_.run_for(std::chrono::seconds(10));
  ASSERT_EQ(outcomes.size(), 101U);
  for (const Result<void>& outcome : outcomes) EXPECT_TRUE(outcome);
  EXPECT_EQ(disk_.syncs, 3) << "the header, the first record, all others";
  EXPECT_EQ(disk_.synced, disk_.bytes);
  expect_verifies(disk_.text(), 102);
}

TEST_F(LogTest, AfterDoesNotWait) {
  {
    const auto log = start(options(Mode::kAfter));
    disk_.set([](Disk& disk) { disk.held = true; });
    for (int i = 0; i < 10; ++i) EXPECT_TRUE(append(*log));
    disk_.set([](Disk& disk) { disk.held = false; });
  }
  expect_verifies(disk_.text(), 11);
}

TEST_F(LogTest, AFullQueueRefuses) {
  for (const Mode mode : {Mode::kBefore, Mode::kAfter}) {
    for (const bool by_bytes : {false, true}) {
      disk_.set([](Disk& disk) { disk.bytes.clear(); });
      LogOptions wanted = options(mode);
      (by_bytes ? wanted.queue_bytes_max : wanted.queue_records_max) = by_bytes ? 2000 : 2;
      const auto log = start(wanted);
      disk_.set([](Disk& disk) { disk.held = true; });
      std::vector<Result<void>> outcomes;
      begin(*log, context_, outcomes);
      context_.restart();
      context_.poll();
      disk_.wait_for_sync();
      for (int i = 0; i < 5; ++i) begin(*log, context_, outcomes);
      context_.restart();
      context_.poll();
      const auto refused = std::count_if(outcomes.begin(), outcomes.end(), [](const auto& outcome) {
        return !outcome && outcome.error().code == Code::kStorage &&
               outcome.error().text == "the audit file cannot be written fast enough";
      });
      EXPECT_EQ(refused, 3) << by_bytes;
      disk_.set([](Disk& disk) { disk.held = false; });
      context_.restart();
      context_.run_for(std::chrono::seconds(10));
      EXPECT_EQ(outcomes.size(), 6U);
    }
  }
}

TEST_F(LogTest, AFailedSyncRefusesAndRecovers) {
  std::atomic<int> failed_batches{0};
  LogOptions wanted = options();
  wanted.retry_after = std::chrono::milliseconds(50);
  wanted.on_batch = [&](Clock::Duration, bool durable) { failed_batches += durable ? 0 : 1; };
  const auto log = start(wanted);
  ASSERT_TRUE(append(*log));
  disk_.set([](Disk& disk) { disk.sync_fails = true; });
  const Result<void> failed = append(*log);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, Code::kStorage);
  EXPECT_EQ(failed.error().text, "Input/output error");
  EXPECT_FALSE(log->healthy());
  EXPECT_GE(failed_batches, 1);
  const Result<void> refused = append(*log);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().text, "the audit file cannot be written");
  disk_.set([](Disk& disk) { disk.sync_fails = false; });
  wait_healthy(*log);
  EXPECT_TRUE(append(*log));
  expect_verifies(disk_.text(), 4);
  const std::vector<json> all = records(disk_.text());
  EXPECT_EQ(all[2]["phase"], "recovered");
  EXPECT_EQ(all[2]["refused"], 1);
  EXPECT_EQ(log->lost(), 0U);
}

TEST_F(LogTest, AFullDiskLeavesNoHalfLine) {
  const auto log = start(options());
  ASSERT_TRUE(append(*log));
  for (const std::size_t room : {0U, 1U, 100U}) {
    disk_.set([room](Disk& disk) { disk.room = room; });
    const Result<void> failed = append(*log);
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().text, "No space left on device");
    disk_.set([](Disk& disk) { disk.room = std::string::npos; });
    wait_healthy(*log);
    EXPECT_TRUE(append(*log));
  }
  expect_verifies(disk_.text(), 8);
}

TEST_F(LogTest, AfterCountsWhatItLost) {
  const auto log = start(options(Mode::kAfter));
  disk_.set([](Disk& disk) { disk.sync_fails = true; });
  EXPECT_TRUE(append(*log)) << "queued: nobody knows yet";
  for (int i = 0; i < 2000 && log->healthy(); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  ASSERT_FALSE(log->healthy());
  disk_.set([](Disk& disk) { disk.sync_fails = false; });
  wait_healthy(*log);
  EXPECT_EQ(log->lost(), 1U);
  const std::vector<json> all = records(disk_.text());
  EXPECT_EQ(all.back()["phase"], "recovered");
  EXPECT_EQ(all.back()["lost"], 1);
}

// The real file, at a limit of the operating system's: writes come back short, then fail.
TEST_F(LogTest, ARealFileThatCannotGrow) {
  const auto log = open();
  ASSERT_TRUE(append(*log));
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  rlimit tight = before;
  tight.rlim_cur = fs::file_size(path_) + 100;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &tight), 0);
  const Result<void> failed = append(*log);
  EXPECT_FALSE(log->healthy());
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  ASSERT_FALSE(failed);
  EXPECT_THAT(failed.error().text, HasSubstr("File too large"));
  wait_healthy(*log);
  EXPECT_TRUE(append(*log));
  expect_verifies(read(path_), 4);
}

TEST_F(LogTest, AWorkerMayGoWhileItsRecordsAreUnderWay) {
  const auto log = start(options());
  disk_.set([](Disk& disk) { disk.held = true; });
  std::vector<Result<void>> outcomes;
  {
    boost::asio::io_context worker(1);
    for (int i = 0; i < 10; ++i) begin(*log, worker, outcomes);
    worker.poll();
    disk_.wait_for_sync();
  }
  disk_.set([](Disk& disk) { disk.held = false; });
  EXPECT_TRUE(append(*log));
  EXPECT_TRUE(outcomes.empty());
  expect_verifies(disk_.text(), 12);  // what was queued is written all the same
}

Task<void> append_many(Log& log, int count, std::atomic<int>& durable) {
  for (int i = 0; i < count; ++i) {
    const Result<void> outcome = co_await log.append(test::outcome_record());
    if (outcome) ++durable;
  }
}

TEST_F(LogTest, ManyWorkers) {
  constexpr int kWorkers = 4;
  constexpr int kEach = 8;
  constexpr int kRecords = 20;
  std::atomic<int> durable{0};
  {
    const auto log = open();
    std::vector<std::thread> threads;
    for (int worker = 0; worker < kWorkers; ++worker) {
      threads.emplace_back([&] {
        boost::asio::io_context context(1);
        for (int i = 0; i < kEach; ++i)
          boost::asio::co_spawn(
              context, append_many(*log, kRecords, durable),
              [](const std::exception_ptr& escaped) { EXPECT_EQ(escaped, nullptr); });
        context.run();
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  EXPECT_EQ(durable, kWorkers * kEach * kRecords);
  expect_verifies(read(path_), 1 + kWorkers * kEach * kRecords);
}

// Workers that die at any moment, under a disk that fails on and off: nothing is torn, nobody
// hangs.
TEST_F(LogTest, WorkersComeAndGoUnderAFailingDisk) {
  std::array<std::vector<std::unique_ptr<boost::asio::io_context>>, 3> contexts;  // outlive the log
  const auto log = start(options());
  std::atomic<bool> stop{false};
  std::atomic<int> durable{0};
  std::vector<std::thread> threads;
  for (int worker = 0; worker < 3; ++worker) {
    threads.emplace_back([&, worker] {
      while (!stop) {
        auto& own = contexts.at(static_cast<std::size_t>(worker));
        boost::asio::io_context& context =
            *own.emplace_back(std::make_unique<boost::asio::io_context>(1));
        for (int i = 0; i < 4; ++i)
          boost::asio::co_spawn(context, append_many(*log, 5, durable),
                                [](const std::exception_ptr&) {});
        context.run_for(std::chrono::microseconds(300));
      }
    });
  }
  for (int i = 0; i < 20; ++i) {
    disk_.set([i](Disk& disk) { disk.room = i % 2 == 0 ? 777 : std::string::npos; });
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  disk_.set([](Disk& disk) { disk.room = std::string::npos; });
  wait_healthy(*log);
  std::istringstream in(disk_.text());
  const Verification result = verify(in);
  EXPECT_TRUE(result.ok) << result.line << ": " << result.problem;
  EXPECT_GT(durable, 0);
}

}  // namespace
}  // namespace mandated::audit
