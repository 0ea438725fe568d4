// What every room that reads or writes files needs of them.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "proxy/base/result.h"

namespace mandated {

/// All that follows, interrupted or not. nullopt when the system refuses (errno says why), or when
/// that is more than `bytes_max` (EFBIG).
std::optional<std::string> read_all(int descriptor, std::size_t bytes_max);
/// The same of a whole file.
std::optional<std::string> read_file(const std::string& path, std::size_t bytes_max);

/// All of `bytes`, interrupted or not. False when the system refuses; errno says why, and a part
/// may have been written.
bool write_all(int descriptor, std::string_view bytes);

/// Whoever reads the file meets the old one or the new one, never half of it. kStorage.
Result<void> replace_file(const std::string& path, std::string_view text, mode_t mode);

/// A password in a file of its own, the line's end removed. kInvalidConfig: it is not there, empty
/// or longer than 1024 bytes, or others than its owner can read it.
Result<std::string> read_secret(const std::string& path);

}  // namespace mandated
