#include "proxy/audit/log.h"

#include <algorithm>
#include <atomic>
#include <boost/asio/this_coro.hpp>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

#include "proxy/audit/chain.h"
#include "proxy/audit/file.h"
#include "proxy/base/completion.h"
#include "proxy/base/log.h"

namespace mandated::audit {

namespace {

struct Entry {
  std::string members;
  Clock::Time queued;
  std::shared_ptr<Completion::Shared> waiter;  // null: nobody waits
};
using Entries = std::deque<Entry>;

}  // namespace

struct Log::State {
  State(OpenedFile opened, const Clock& the_clock, LogOptions the_options)
      : options(std::move(the_options)),
        clock(the_clock),
        file(std::move(opened.file)),
        chain(std::move(opened.chain)),
        size(opened.size) {}

  const LogOptions options;
  const Clock& clock;

  // Of the log's thread, once it runs.
  const std::unique_ptr<File> file;
  Chain chain;
  std::uint64_t size;  // of what is durable
  std::uint64_t lost_before = 0;

  std::mutex mutex;  // guards the next four
  std::condition_variable wake;
  Entries queue;
  std::size_t queue_bytes = 0;
  bool stopping = false;

  std::atomic<bool> failed{false};
  std::atomic<std::uint64_t> lost{0};
  std::atomic<std::uint64_t> refused{0};

  std::thread thread;

  Result<void> enqueue(Entry entry);
  void run();
  void write_batch(Entries batch);
  void recover();
  /// Appends these records and makes them durable, or changes nothing that counts.
  Result<void> commit(const std::vector<std::string_view>& records);
  std::string header(Rng& rng) const;
};

Result<void> Log::State::enqueue(Entry entry) {
  if (failed) {
    ++refused;
    return fail(Code::kStorage, "the audit file cannot be written");
  }
  const std::size_t bytes = entry.members.size();
  bool first = false;
  {
    const std::lock_guard lock(mutex);
    if (queue.size() >= options.queue_records_max || queue_bytes + bytes > options.queue_bytes_max)
      return fail(Code::kStorage, "the audit file cannot be written fast enough");
    first = queue.empty();
    queue_bytes += bytes;
    queue.push_back(std::move(entry));
  }
  if (first) wake.notify_one();  // whoever found it waiting has woken it already
  return {};
}

void Log::State::run() {
  std::unique_lock lock(mutex);
  while (true) {
    if (failed) {
      wake.wait_for(lock, options.retry_after, [this] { return stopping; });
    } else {
      wake.wait(lock, [this] { return stopping || !queue.empty(); });
      if (options.mode == Mode::kAfter) {
        // Nobody waits for these: what comes within a moment goes to the disk together.
        constexpr std::chrono::milliseconds kGather(5);
        wake.wait_for(lock, kGather, [this] { return stopping; });
      }
    }
    Entries batch = std::exchange(queue, {});
    queue_bytes = 0;
    const bool last = stopping;
    lock.unlock();
    if (failed) recover();
    if (!batch.empty()) write_batch(std::move(batch));
    lock.lock();
    if (last && queue.empty()) return;
  }
}

void Log::State::write_batch(Entries batch) {
  std::vector<std::string_view> records;
  records.reserve(batch.size());
  for (const Entry& entry : batch) records.push_back(entry.members);
  const Result<void> committed =
      failed ? fail(Code::kStorage, "the audit file cannot be written") : commit(records);
  if (!committed && !failed.exchange(true))
    log::error("audit.failed", {{"why", committed.error().text}});
  if (options.on_batch) options.on_batch(clock.now() - batch.front().queued, committed.has_value());
  for (Entry& entry : batch) {
    if (entry.waiter)
      Completion::Shared::complete(entry.waiter, committed);
    else if (!committed)
      ++lost;
  }
}

Result<void> Log::State::commit(const std::vector<std::string_view>& records) {
  Chain next = chain;
  std::string bytes;
  for (const std::string_view record : records) bytes += next.next(record);
  CHECK(file->append(bytes));
  CHECK(file->sync());
  chain = std::move(next);
  size += bytes.size();
  return {};
}

void Log::State::recover() {
  const std::uint64_t lost_now = lost;
  std::string record =
      "\"time\":\"" + time_text(clock.wall()) +
      "\",\"phase\":\"recovered\",\"lost\":" + std::to_string(lost_now - lost_before) +
      ",\"refused\":" + std::to_string(refused.exchange(0));
  // What was half written would end in the middle of the next line.
  Result<void> done = file->truncate(size);
  if (done) done = commit({record});
  if (!done) {
    log::warn("audit.still_failing", {{"why", done.error().text}});
    if (options.on_batch) options.on_batch(Clock::Duration::zero(), false);
    return;
  }
  lost_before = lost_now;
  failed = false;
  log::info("audit.recovered");
}

std::string Log::State::header(Rng& rng) const {
  return "\"time\":\"" + time_text(clock.wall()) +
         "\",\"phase\":\"opened\",\"format\":" + std::to_string(kFormat) + ",\"instance\":\"" +
         rng.identifier() + "\"";
}

Log::Log(std::unique_ptr<State> state) : state_(std::move(state)) {
  state_->thread = std::thread([this] { state_->run(); });
}

Log::~Log() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->stopping = true;
  }
  state_->wake.notify_one();
  state_->thread.join();
}

Result<std::unique_ptr<Log>> Log::open(const std::string& path, const Clock& clock, Rng& rng,
                                       LogOptions options) {
  TRY(OpenedFile opened, open_file(path));
  const std::string torn = opened.torn;
  const std::uint64_t torn_bytes = opened.torn_bytes;
  auto state = std::make_unique<State>(std::move(opened), clock, std::move(options));
  std::string recovered;
  const std::string header = state->header(rng);
  std::vector<std::string_view> records = {header};
  if (!torn.empty()) {
    log::warn("audit.torn_line", {{"moved_to", torn}, {"bytes", torn_bytes}});
    recovered = "\"time\":\"" + time_text(clock.wall()) +
                "\",\"phase\":\"recovered\",\"torn\":" + json::quoted(torn) +
                ",\"bytes\":" + std::to_string(torn_bytes);
    records.push_back(recovered);
  }
  CHECK(state->commit(records));
  return std::unique_ptr<Log>(new Log(std::move(state)));
}

Result<std::unique_ptr<Log>> Log::start(std::unique_ptr<File> file, const Clock& clock, Rng& rng,
                                        LogOptions options) {
  OpenedFile opened;
  opened.file = std::move(file);
  auto state = std::make_unique<State>(std::move(opened), clock, std::move(options));
  const std::string header = state->header(rng);
  CHECK(state->commit({header}));
  return std::unique_ptr<Log>(new Log(std::move(state)));
}

Task<Result<void>> Log::append(Record record) {
  Entry entry;
  entry.members = serialize(record);
  entry.queued = state_->clock.now();
  if (state_->options.mode == Mode::kAfter) co_return state_->enqueue(std::move(entry));
  const Executor executor = co_await boost::asio::this_coro::executor;
  Completion completion(executor);
  entry.waiter = completion.shared();
  CO_CHECK(state_->enqueue(std::move(entry)));
  co_return co_await completion.wait();
}

bool Log::healthy() const { return !state_->failed; }

std::uint64_t Log::lost() const { return state_->lost; }

}  // namespace mandated::audit
