// A record is the key's 32 bytes and the time as 8 bytes of a double. What is no whole record at
// the end of a file was being written when the process died, and that call never left.
#include "filters/replay/proof_journal.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>

#include "proxy/base/file.h"

namespace mandated {

namespace {

constexpr std::size_t kKeySize = 32;
constexpr std::size_t kRecordSize = kKeySize + sizeof(double);
// The other file is taken once all in it is forgotten and this one has as many records.
constexpr std::size_t kRecordsBeforeTurn = 4096;

std::string record_of(const receipt::ReplayMemory::Seen& seen) {
  std::string record = seen.key;
  record.resize(kRecordSize);
  std::memcpy(record.data() + kKeySize, &seen.until, sizeof(double));
  return record;
}

receipt::ReplayMemory::Seen seen_in(std::string_view record) {
  receipt::ReplayMemory::Seen seen;
  seen.key = record.substr(0, kKeySize);
  std::memcpy(&seen.until, record.data() + kKeySize, sizeof(double));
  return seen;
}

}  // namespace

Result<std::unique_ptr<ProofJournal>> ProofJournal::open(const std::string& path,
                                                         receipt::Seconds now,
                                                         receipt::ReplayMemory& memory) {
  std::unique_ptr<ProofJournal> journal(new ProofJournal);
  for (std::size_t each = 0; each < journal->parts_.size(); ++each) {
    Part& part = journal->parts_[each];
    const std::string name = path + "." + std::to_string(each);
    part.descriptor = ::open(name.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (part.descriptor < 0) return fail(Code::kStorage, name + ": " + std::strerror(errno));
    const std::optional<std::string> bytes = read_all(part.descriptor, SIZE_MAX);
    if (!bytes) return fail(Code::kStorage, name + ": " + std::strerror(errno));
    part.records = bytes->size() / kRecordSize;
    const std::size_t whole = part.records * kRecordSize;
    if (whole < bytes->size() && ::ftruncate(part.descriptor, static_cast<off_t>(whole)) != 0)
      return fail(Code::kStorage, name + ": " + std::strerror(errno));
    for (std::size_t at = 0; at < whole; at += kRecordSize) {
      const receipt::ReplayMemory::Seen seen =
          seen_in(std::string_view(*bytes).substr(at, kRecordSize));
      part.until = std::max(part.until, seen.until);
      if (seen.until >= now) memory.restore(seen);
    }
  }
  journal->current_ = journal->parts_[0].until >= journal->parts_[1].until ? 0 : 1;
  return journal;
}

ProofJournal::~ProofJournal() {
  for (const Part& part : parts_) {
    if (part.descriptor >= 0) ::close(part.descriptor);
  }
}

bool ProofJournal::append(const receipt::ReplayMemory::Seen& seen, receipt::Seconds now) {
  const Part& other = parts_[1 - current_];
  if (parts_[current_].records >= kRecordsBeforeTurn && other.until < now) {
    if (::ftruncate(other.descriptor, 0) != 0) return false;
    current_ = 1 - current_;
    parts_[current_].records = 0;
    parts_[current_].until = 0;
  }
  Part& part = parts_[current_];
  if (!write_all(part.descriptor, record_of(seen))) {
    // A part of a record would shift all that follow it.
    static_cast<void>(::ftruncate(part.descriptor, static_cast<off_t>(part.records * kRecordSize)));
    return false;
  }
  ++part.records;
  part.until = std::max(part.until, seen.until);
  return true;
}

}  // namespace mandated
