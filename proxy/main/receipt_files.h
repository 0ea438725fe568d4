// What the receipt commands read and write: keys as JWK, chains as a JSON array of compact JWS,
// times and durations as people write them. Errors are sentences.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "filters/receipt/chain.h"
#include "filters/receipt/key.h"
#include "proxy/json/json.h"

namespace mandated {

template <class T>
using Read = tl::expected<T, std::string>;

/// At most 4 MiB. "-" is the standard input.
Read<std::string> read_file(const std::string& path);

/// The text itself, or the content of FILE for "@FILE".
Read<std::string> read_argument(const std::string& argument);

/// Mode 0600. A new file only, or also over an old one.
enum class Overwrite { kNo, kYes };
Read<void> write_file(const std::string& path, std::string_view text, Overwrite overwrite);

Read<json::Document> parse_json(std::string_view text, std::string_view what);

Read<receipt::PublicKey> read_public_key(const std::string& path);
Read<receipt::PrivateKey> read_private_key(const std::string& path);
/// Each file holds one JWK or a JWK Set; a file without a usable key is an error.
Read<receipt::AnchorSet> read_anchor_files(const std::vector<std::string>& paths);

Read<std::vector<std::string>> read_chain_file(const std::string& path);

/// "2h", "90m", "1h30m", "45s", "7d": seconds.
std::optional<double> parse_duration(std::string_view text);

/// Seconds since the epoch, or "2026-07-28T12:00:00Z".
std::optional<double> parse_time(std::string_view text);

/// The time that a command works at: as asked, or now where `text` is empty.
Read<double> time_of(const std::string& text);

}  // namespace mandated
