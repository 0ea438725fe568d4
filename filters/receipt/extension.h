// The constraint types of profile section 3: each a strict parse of its members, the check of one
// argument, and the subsumes relation to another of its type. Internal to the engine.
//
// Every parse answers nullopt where a member is missing, of another kind, or has a second reading.
// All but PathContainment view the constraint's own JSON. The caller of a check spends the effort
// of reading the argument once; what costs more than that spends its own.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "filters/receipt/effort.h"
#include "proxy/json/json.h"

namespace mandated::receipt {

class PathContainment {
 public:
  static std::optional<PathContainment> parse(const json::Value& source);
  bool accepts(const json::Value& argument, Effort& effort) const;
  bool within(const PathContainment& parent) const;

 private:
  std::string root_;  // normalised
};

/// Without `port` it means its scheme's default port, without `path` all paths.
class UrlContainment {
 public:
  static std::optional<UrlContainment> parse(const json::Value& source);
  bool accepts(const json::Value& argument, Effort& effort) const;
  bool within(const UrlContainment& parent) const;

 private:
  bool covers_host(std::string_view host) const;

  std::string_view scheme_;
  std::string_view host_;  // without the "*." of a wildcard
  bool wildcard_ = false;
  std::uint16_t port_ = 0;
  std::string_view path_;  // without a trailing slash, unless it is "/"
};

class StringPrefix {
 public:
  static std::optional<StringPrefix> parse(const json::Value& source);
  bool accepts(const json::Value& argument, Effort& effort) const;
  bool within(const StringPrefix& parent) const;

 private:
  std::string_view prefix_;
};

/// An IPv4 or IPv6 address, in network byte order.
struct Address {
  std::array<std::uint8_t, 16> bytes{};
  std::size_t bits = 0;  // 32 or 128
};

class AddressBlock {
 public:
  static std::optional<AddressBlock> parse(const json::Value& source);
  bool accepts(const json::Value& argument, Effort& effort) const;
  bool within(const AddressBlock& parent) const;

 private:
  bool holds(const Address& address) const;

  Address address_;
  std::size_t prefix_bits_ = 0;
};

class LengthBound {
 public:
  static std::optional<LengthBound> parse(const json::Value& source);
  bool accepts(const json::Value& argument, Effort& effort) const;
  bool within(const LengthBound& parent) const;

 private:
  std::size_t max_ = 0;
};

class Glob {
 public:
  static std::optional<Glob> parse(const json::Value& source);
  bool accepts(const json::Value& argument, Effort& effort) const;
  bool within(const Glob& parent) const;

 private:
  enum class Kind : std::uint8_t { kLiteral, kOne, kRunInSegment, kRun };
  struct Token {
    Kind kind;
    std::string_view literal;  // one code point
  };

  static bool is_run(const Token& token);
  static bool takes(const Token& token, std::string_view code_point);
  bool skip_runs(std::vector<std::uint8_t>& reached) const;

  std::string_view pattern_;
  std::vector<Token> tokens_;
};

class ShellCommand {
 public:
  static std::optional<ShellCommand> parse(const json::Value& source);
  bool accepts(const json::Value& argument, Effort& effort) const;
  bool within(const ShellCommand& parent) const;

 private:
  std::vector<std::string_view> programs_;              // sorted
  std::optional<std::vector<std::string_view>> flags_;  // sorted
};

using Extension = std::variant<PathContainment, UrlContainment, StringPrefix, AddressBlock,
                               LengthBound, Glob, ShellCommand>;

/// An absolute path without NUL, with `.`, `..` and empty segments resolved ("/" or "/a/b");
/// nullopt for any other text.
std::optional<std::string> normal_path(std::string_view path);

/// Whether `path` is `root` or below it; both absolute, `root` without a trailing slash.
bool path_within(std::string_view path, std::string_view root);

/// Reads a command word by word, as every POSIX shell would, as long as it is nothing but words.
class ShellWords {
 public:
  explicit ShellWords(std::string_view command) : rest_(command) {}

  /// The next word with its quotes removed. False at the end, and at whatever is no plain word.
  bool next(std::string& word);
  /// Whether reading ended at something else than the end.
  bool refused() const { return refused_; }

 private:
  bool read_quoted(char quote, std::string& word);
  bool refuse_rest();

  std::string_view rest_;
  bool refused_ = false;
};

}  // namespace mandated::receipt
