// An audit trail in memory, for tests and the simulator: the same lines as the file would hold,
// durable at once, or refused while `failing`.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "proxy/audit/chain.h"
#include "proxy/audit/record.h"

namespace mandated::audit {

/// Not thread-safe: one io_context.
class MemorySink final : public Sink {
 public:
  Task<Result<void>> append(Record record) override {
    if (failing) co_return fail(Code::kStorage, "the audit trail cannot be written");
    text_ += chain_.next(serialize(record));
    records_.push_back(std::move(record));
    co_return Result<void>();
  }

  bool failing = false;
  const std::vector<Record>& records() const { return records_; }
  /// What verify() takes.
  const std::string& text() const { return text_; }

 private:
  Chain chain_{0, ""};
  std::vector<Record> records_;
  std::string text_;
};

}  // namespace mandated::audit
