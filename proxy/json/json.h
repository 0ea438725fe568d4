// Strict JSON (RFC 8259, I-JSON of RFC 7493 and more): one parse, no ambiguity. Used for receipts,
// proofs, JSON-RPC and everything else that is both checked here and read by somebody else, who
// must not read it differently.
//
// Refused: invalid UTF-8, a BOM, duplicate member names at any depth (after unescaping), lone
// surrogates, trailing bytes, nesting beyond the limit, and numbers whose nearest double, printed
// as RFC 8785 prints it, denotes another decimal value (9007199254740993, 1e400). `0.1` stands;
// `1`, `1.0` and `1e0` are equal.
//
// Depends on simdjson and nothing else of the project, so that the receipt engine stays a library
// of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

namespace mandated::json {

enum class Kind : std::uint8_t { kNull, kFalse, kTrue, kNumber, kString, kArray, kObject };

struct Member;

/// One JSON value; views into its Document, valid as long as that lives. Trivially copyable.
class Value {
 public:
  Kind kind() const { return kind_; }
  bool is_null() const { return kind_ == Kind::kNull; }
  bool is_bool() const { return kind_ == Kind::kTrue || kind_ == Kind::kFalse; }
  bool is_number() const { return kind_ == Kind::kNumber; }
  bool is_string() const { return kind_ == Kind::kString; }
  bool is_array() const { return kind_ == Kind::kArray; }
  bool is_object() const { return kind_ == Kind::kObject; }

  /// Precondition of each: the kind.
  bool boolean() const { return kind_ == Kind::kTrue; }
  double number() const { return number_; }
  std::string_view string() const { return {text_, size_}; }  ///< unescaped UTF-8
  std::span<const Value> array() const;
  std::span<const Member> object() const;  ///< in document order

  /// Member of an object by exact name; null when absent or when this is no object.
  const Value* find(std::string_view name) const;

  /// The string at `name`, or nullopt when absent or of another kind.
  std::optional<std::string_view> find_string(std::string_view name) const;

  /// An integer within ±2^53, or nullopt when this is no number or has a fraction.
  std::optional<std::int64_t> integer() const;

  /// The value's own bytes in the parsed text (no surrounding white space).
  std::string_view raw() const { return {raw_, raw_size_}; }

 private:
  friend class Builder;
  Kind kind_ = Kind::kNull;
  std::uint32_t size_ = 0;  // string bytes, or element count
  std::uint32_t raw_size_ = 0;
  const char* raw_ = nullptr;
  union {
    double number_ = 0;
    const char* text_;
    const Value* elements_;
    const Member* members_;
  };
};

struct Member {
  std::string_view name;  ///< unescaped
  Value value;
};

struct Limits {
  std::size_t bytes_max = 4U << 20U;
  std::size_t depth_max = 64;  ///< nested arrays and objects; a scalar has depth 0. 512 at most
  std::size_t structurals_max =
      1U << 20U;  ///< brackets, commas, colons and scalars: 16 bytes of memory each
};

/// What is wrong and where; `offset` is a byte offset, best effort.
struct ParseError {
  enum class Reason : std::uint8_t {
    kTooLarge,
    kEncoding,
    kSyntax,
    kDuplicate,
    kDepth,
    kNumber,
    kTrailing
  } reason;
  std::size_t offset = 0;
  std::string text;
};

/// Owns the parsed text (a copy) and all values. Movable; values stay valid across a move.
class Document {
 public:
  /// Parses exactly one JSON value. Never throws.
  static tl::expected<Document, ParseError> parse(std::string_view text, const Limits& limits = {});

  const Value& root() const;

  Document(Document&&) noexcept;
  Document& operator=(Document&&) noexcept;
  Document(const Document&) = delete;
  Document& operator=(const Document&) = delete;
  ~Document();

 private:
  friend class Builder;
  struct Storage;
  explicit Document(std::unique_ptr<Storage> storage);
  std::unique_ptr<Storage> storage_;
};

/// Deep equality as RFC 8785 would print both: numbers by value, strings by code points, objects
/// regardless of order.
bool equal(const Value& a, const Value& b);

/// RFC 8785 (JCS) form: members sorted by UTF-16 code units, ECMAScript numbers, minimal escapes.
std::string canonical(const Value& value);
void append_canonical(const Value& value, std::string& out);

/// A JSON string literal with RFC 8785's escapes.
void append_quoted(std::string_view text, std::string& out);
std::string quoted(std::string_view text);

/// An ECMAScript/RFC 8785 number. Precondition: finite.
std::string number_text(double value);

}  // namespace mandated::json
