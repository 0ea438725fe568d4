// Gathers what a message writes during one turn of the event loop and puts it on the wire in one
// write. append, then either flush() (waits until it is written) or flush_soon(): that wakes run(),
// which the event loop resumes only after the coroutine that called has suspended. So a head
// followed at once by a small body is one write, and a head whose handler then waits (SSE) is on
// the wire all the same, without a timer.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "proxy/base/clock.h"
#include "proxy/base/event.h"
#include "proxy/base/task.h"
#include "proxy/net/stream.h"

namespace mandated::http {

class CorkedWriter {
 public:
  /// More than this is not gathered: the caller must flush.
  static constexpr std::size_t kGatherMax = 16384;

  /// `stall_max`: a write that takes longer ends the stream (kTimeout); unset, the owner has its
  /// own deadline.
  CorkedWriter(net::Stream& stream, Clock& clock, std::optional<Clock::Duration> stall_max);

  /// Does what flush_soon() asks for. The owner spawns it once, and outlives it.
  Task<void> run();
  /// For the owner, after it closed the stream: lets run() return.
  void stop();

  /// To append to. Not to be kept across an await.
  std::string& gathered() { return gathered_; }
  void flush_soon();
  Task<Result<void>> flush();
  /// flush() if more than kGatherMax bytes are gathered, else flush_soon().
  Task<Result<void>> flush_if_full();

 private:
  net::Stream& stream_;
  Clock& clock_;
  const std::optional<Clock::Duration> stall_max_;
  Event asked_;
  Event written_;
  std::string gathered_;
  std::string under_way_;
  bool writing_ = false;
  bool stopped_ = false;
  std::optional<Error> error_;
};

}  // namespace mandated::http
