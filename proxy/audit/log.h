// The audit file: appended by a thread of its own, so that no worker waits for a disk. Records that
// queue up together are made durable by one fdatasync.
//
// When the disk fails, every waiter is told, appends are refused at once, and the thread tries
// again every second: it cuts off what was half written and goes on from the last whole line.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "proxy/audit/record.h"
#include "proxy/base/random.h"

namespace mandated::audit {

/// When append() completes: once the record is on the disk, or once it is queued.
enum class Mode : std::uint8_t { kBefore, kAfter };

/// The open file, as the log needs it. Called from the log's thread only.
class File {
 public:
  virtual ~File() = default;
  /// May have written a part when it fails.
  virtual Result<void> append(std::string_view bytes) = 0;
  virtual Result<void> sync() = 0;
  virtual Result<void> truncate(std::uint64_t size) = 0;
};

struct LogOptions {
  Mode mode = Mode::kBefore;
  std::size_t queue_records_max = 8192;
  std::size_t queue_bytes_max = 64U << 20U;
  std::chrono::milliseconds retry_after = std::chrono::seconds(1);
  /// Called on the log's thread after each batch: how long the oldest record of it took from
  /// append() to the disk, and whether it got there.
  std::function<void(Clock::Duration took, bool durable)> on_batch;
};

class Log final : public Sink {
 public:
  /// Opens or creates `path` (mode 0600) and locks it: kStorage when another process has it. A last
  /// line that is not whole is moved to PATH.torn-<seq>; the chain goes on from the line before
  /// it. `clock` is asked for wall and monotonic time from several threads.
  static Result<std::unique_ptr<Log>> open(const std::string& path, const Clock& clock, Rng& rng,
                                           LogOptions options);
  /// Over another file, which is empty.
  static Result<std::unique_ptr<Log>> start(std::unique_ptr<File> file, const Clock& clock,
                                            Rng& rng, LogOptions options);
  /// Writes what is queued and ends the thread.
  ~Log() override;
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  /// Safe from any worker; completes on the caller's executor. The caller's io_context
  /// outlives the log, but need not run to the end of the append.
  Task<Result<void>> append(Record record) override;

  /// False from the first failed write to the first that succeeds again. Any thread.
  bool healthy() const;
  /// Records that append() accepted in mode `after` and that were then lost. Any thread.
  std::uint64_t lost() const;

 private:
  struct State;
  explicit Log(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace mandated::audit
