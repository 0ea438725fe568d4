// The audit file on disk: opened once, locked, found whole or cut back to its last whole line.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "proxy/audit/chain.h"
#include "proxy/audit/log.h"

namespace mandated::audit {

/// No line that serialize() makes is longer.
inline constexpr std::size_t kLineBytesMax = 4U << 20U;

/// What stands in a line besides the record.
struct LineHead {
  std::uint64_t seq = 0;
  std::string prev;
  int format = kFormat;  ///< of an `opened` record
};
/// kMalformed says why the line (without its newline) is no record of ours.
Result<LineHead> parse_line(std::string_view line);

struct OpenedFile {
  std::unique_ptr<File> file;
  std::uint64_t size = 0;
  Chain chain{0, ""};
  std::string torn;  ///< name of the file that the torn last line was moved to; empty: none was
  std::uint64_t torn_bytes = 0;
};

/// kStorage.
Result<OpenedFile> open_file(const std::string& path);

}  // namespace mandated::audit
