#include "proxy/http/corked_writer.h"

#include <utility>

namespace mandated::http {

CorkedWriter::CorkedWriter(net::Stream& stream, Clock& clock,
                           std::optional<Clock::Duration> stall_max)
    : stream_(stream),
      clock_(clock),
      stall_max_(stall_max),
      asked_(clock.executor()),
      written_(clock.executor()) {}

Task<void> CorkedWriter::run() {
  while (true) {
    co_await asked_.wait();
    if (stopped_) co_return;
    // Whoever is writing now writes the rest too; an error is kept for the next flush().
    if (!writing_) (void)co_await flush();
  }
}

void CorkedWriter::stop() {
  stopped_ = true;
  asked_.notify();
}

void CorkedWriter::flush_soon() {
  if (!gathered_.empty() && !writing_) asked_.notify();
}

Task<Result<void>> CorkedWriter::flush() {
  while (writing_) co_await written_.wait();
  writing_ = true;
  while (!error_ && !gathered_.empty()) {
    under_way_.swap(gathered_);
    if (stall_max_) stream_.set_deadline(clock_.now() + *stall_max_);
    Result<void> written = co_await stream_.write(under_way_);
    if (stall_max_) stream_.set_deadline(Clock::Time::max());
    under_way_.clear();
    if (!written) error_ = std::move(written).error();
  }
  writing_ = false;
  written_.notify();
  if (error_) co_return Failure(*error_);
  co_return Result<void>();
}

Task<Result<void>> CorkedWriter::flush_if_full() {
  if (gathered_.size() >= kGatherMax) co_return co_await flush();
  flush_soon();
  if (error_) co_return Failure(*error_);
  co_return Result<void>();
}

}  // namespace mandated::http
