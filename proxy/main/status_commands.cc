// A list is changed under a lock from its reading to its replacement, so that of two commands at
// once neither loses the other's entries.
#include "proxy/main/status_commands.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "filters/receipt/claims.h"
#include "filters/status/token.h"
#include "proxy/base/file.h"
#include "proxy/main/receipt_files.h"

namespace mandated {
namespace {

using status::PublishedList;

struct StatusOptions {
  std::string key;
  std::vector<std::string> anchors;
  std::string file;
  std::string uri;
  std::string size;
  std::string ttl;
  std::string duration;
  std::vector<std::string> indices;
  std::string at;
};

int finish(const Read<std::string>& words) {
  if (words) {
    std::fwrite(words->data(), 1, words->size(), stdout);
    return 0;
  }
  std::fprintf(stderr, "mandated: %s\n", words.error().c_str());
  return 1;
}

template <class T>
Read<T> in_words(receipt::Checked<T> checked) {
  return std::move(checked).map_error([](const receipt::Refusal& refusal) {
    return refusal.sentence + " (" + std::string(receipt::to_string(refusal.code)) + ")";
  });
}

// Beside the list, since the list itself is replaced; gone with the descriptor.
class FileLock {
 public:
  static Read<FileLock> take(const std::string& list) {
    const std::string path = list + ".lock";
    FileLock lock(::open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
    int locked = lock.descriptor_ < 0 ? -1 : ::flock(lock.descriptor_, LOCK_EX);
    while (lock.descriptor_ >= 0 && locked != 0 && errno == EINTR)
      locked = ::flock(lock.descriptor_, LOCK_EX);
    if (locked != 0) return tl::unexpected("cannot lock " + path + ": " + std::strerror(errno));
    return lock;
  }

  FileLock(FileLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  FileLock& operator=(FileLock&&) = delete;
  ~FileLock() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }

 private:
  explicit FileLock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_;
};

// Decimal digits and nothing else: an index that is misread revokes somebody else.
Read<std::uint64_t> read_count(const std::string& text) {
  std::uint64_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc{} || end != text.data() + text.size())
    return tl::unexpected(text + " is no whole number of 0 or more");
  return count;
}

Read<std::optional<double>> read_duration(const std::string& text) {
  if (text.empty()) return std::nullopt;
  const auto seconds = parse_duration(text);
  if (!seconds) return tl::unexpected(text + " is no duration; expected e.g. 60s or 24h");
  return seconds;
}

Read<PublishedList> read_list(const std::string& file, const receipt::AnchorSet& anchors) {
  TRY(const std::string token, read_file(file));
  auto published = in_words(status::open_status_list(token, anchors));
  if (!published) return tl::unexpected(file + ": " + published.error());
  return published;
}

// Issued at `now`, valid as long as it was. A clock that was set back a little does not make it
// older than the list before it: proxies that hold that one would not take it. Gives a warning, or
// nothing.
std::string renew(PublishedList& published, double now) {
  constexpr double kSetBackMax = 30;
  const double before = published.issued_at;
  if (before > now && before <= now + kSetBackMax) now = before;
  if (published.expires) published.expires = now + (*published.expires - before);
  published.issued_at = now;
  if (before <= now) return {};
  return "warning: the list before it was issued later, at " + receipt::time_text(before) +
         "; proxies that have that one will not take this one\n";
}

Read<std::string> sign_into(const std::string& file, const PublishedList& published,
                            const receipt::PrivateKey& key, const std::string& warning) {
  TRY(const std::string token, in_words(status::issue_status_list(published, key)));
  if (const auto written = replace_file(file, token, 0644); !written)
    return tl::unexpected(written.error().text);
  std::string words = published.uri + ": " + std::to_string(published.list.count_revoked()) +
                      " revoked of " + std::to_string(published.list.size());
  if (published.expires) words += ", until " + receipt::time_text(*published.expires);
  return words + "\n" + warning;
}

// --- publish

// The list that the file holds, or a new one without entries.
Read<PublishedList> start(const StatusOptions& options, const receipt::PrivateKey& key) {
  std::error_code error;
  const bool exists = std::filesystem::exists(options.file, error);
  if (error) return tl::unexpected(options.file + ": " + error.message());
  if (!exists) {
    if (options.size.empty()) return tl::unexpected(std::string("a new list needs a --size"));
    TRY(auto list, in_words(status::StatusList::make(1, 0)));
    return PublishedList{options.uri, 0, {}, {}, {}, std::move(list)};
  }
  TRY(const receipt::AnchorSet others, read_anchor_files(options.anchors));
  std::vector<receipt::Anchor> anchors = others.anchors();
  anchors.push_back({{}, key.public_key(), std::nullopt});
  TRY(PublishedList published, read_list(options.file, receipt::AnchorSet(anchors)));
  if (published.uri != options.uri) {
    return tl::unexpected(options.file + " is the list of " + receipt::shown(published.uri) +
                          ", not of " + options.uri);
  }
  return published;
}

Read<std::string> publish(const StatusOptions& options) {
  TRY(const receipt::PrivateKey key, read_private_key(options.key));
  TRY(const double now, time_of(options.at));
  TRY(const std::optional<double> ttl, read_duration(options.ttl));
  TRY(const std::optional<double> duration, read_duration(options.duration));
  TRY(const FileLock lock, FileLock::take(options.file));
  TRY(PublishedList published, start(options, key));
  if (!options.size.empty()) {
    TRY(const std::uint64_t size, read_count(options.size));
    CHECK(in_words(published.list.grow(size)));
  }
  const std::string warning = renew(published, std::floor(now));
  if (duration) published.expires = published.issued_at + *duration;
  if (ttl) published.ttl = ttl;
  return sign_into(options.file, published, key, warning);
}

// --- revoke

Read<std::string> revoke(const StatusOptions& options) {
  TRY(const receipt::PrivateKey key, read_private_key(options.key));
  TRY(const double now, time_of(options.at));
  TRY(const FileLock lock, FileLock::take(options.file));
  const receipt::AnchorSet anchors({receipt::Anchor{{}, key.public_key(), std::nullopt}});
  TRY(PublishedList published, read_list(options.file, anchors));
  for (const std::string& text : options.indices) {
    TRY(const std::uint64_t index, read_count(text));
    CHECK(in_words(published.list.set(index, status::kInvalid)));
  }
  const std::string warning = renew(published, std::floor(now));
  return sign_into(options.file, published, key, warning);
}

// --- show

Read<PublishedList> look_at(const StatusOptions& options) {
  if (options.anchors.empty()) {
    TRY(const std::string token, read_file(options.file));
    return in_words(status::inspect_status_list(token));
  }
  TRY(const receipt::AnchorSet anchors, read_anchor_files(options.anchors));
  return read_list(options.file, anchors);
}

Read<std::string> show(const StatusOptions& options) {
  TRY(const PublishedList published, look_at(options));
  const status::StatusList& list = published.list;
  std::string words = "list       " + receipt::shown(published.uri) + "\nsignature  " +
                      (options.anchors.empty() ? "not checked" : "good") + "\nentries    " +
                      std::to_string(list.size()) + " of " + std::to_string(list.bits()) +
                      (list.bits() == 1 ? " bit" : " bits") + "\nrevoked    " +
                      std::to_string(list.count_revoked()) + "\nissued     " +
                      receipt::time_text(published.issued_at) + "\nexpires    " +
                      (published.expires ? receipt::time_text(*published.expires) : "never") + "\n";
  if (published.ttl) words += "ttl        " + json::number_text(*published.ttl) + "s\n";
  for (const std::string& text : options.indices) {
    TRY(const std::uint64_t index, read_count(text));
    TRY(const std::uint8_t entry, in_words(list.get(index)));
    words += "entry " + std::to_string(index) + "  " + status::status_text(entry) + "\n";
  }
  return words;
}

// --- the command line

void add_signer(CLI::App& command, StatusOptions& options) {
  command.add_option("--key", options.key, "The issuer's private JWK")->required();
  command.add_option("--at", options.at, "The time of issue (default: now)");
}

}  // namespace

void add_status_commands(CLI::App& app, int& exit_code) {
  CLI::App* group = app.add_subcommand("status", "Status lists, which take receipts back");
  group->require_subcommand(1);
  auto options = std::make_shared<StatusOptions>();

  CLI::App* published = group->add_subcommand(
      "publish", "Make a list, or sign it again with the entries that it has");
  add_signer(*published, *options);
  published->add_option("--uri", options->uri, "The https URI where it will be found")->required();
  published->add_option(
      "--size", options->size,
      "At least so many entries; needed for a new list, and never fewer than before");
  published->add_option("--ttl", options->ttl,
                        "How long a copy may be used, e.g. 60s (default: as before)");
  published->add_option("--for", options->duration,
                        "How long it is valid, e.g. 24h (default: as before, or for ever)");
  published->add_option("--anchor", options->anchors,
                        "A former public key of the list, to go over to --key; may be repeated");
  published->add_option("--out", options->file, "The file to write or to replace")->required();
  published->callback([options, &exit_code] { exit_code = finish(publish(*options)); });

  CLI::App* revoked =
      group->add_subcommand("revoke", "Take receipts back, and sign the list again");
  add_signer(*revoked, *options);
  revoked->add_option("--list", options->file, "The list's file")->required();
  revoked->add_option("--idx", options->indices, "A receipt's entry; may be repeated")->required();
  revoked->callback([options, &exit_code] { exit_code = finish(revoke(*options)); });

  CLI::App* shown = group->add_subcommand("show", "Tell in words what a list says");
  shown->add_option("file", options->file, "The list's file, or - for standard input")->required();
  shown->add_option("--anchor", options->anchors,
                    "A public JWK or JWK Set that must have signed it (default: not checked)");
  shown->add_option("--idx", options->indices, "An entry to look up; may be repeated");
  shown->callback([options, &exit_code] { exit_code = finish(show(*options)); });
}

}  // namespace mandated
