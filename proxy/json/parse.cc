// The parser: simdjson's first stage finds every structural byte and checks UTF-8 and quotes at
// SIMD speed; one walk over its index then builds the tree. simdjson's On-Demand front end is not
// used, because it leaves unvisited values unvalidated and accepts lone surrogates; the DOM front
// end, because it drops the raw text of numbers.
//
// The index (simdjson::internal::dom_parser_implementation) is no stable interface: a new simdjson
// may need a change here, and will say so at compile time.
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "proxy/json/json.h"
#include "proxy/json/number.h"

namespace mandated::json {

struct Document::Storage {
  // A private key in a file is a small document: those leave no copy of their text behind.
  static constexpr std::size_t kWipedMax = 16384;
  ~Storage() {
    if (text && text_size <= kWipedMax) ::explicit_bzero(text.get(), text_size);
  }

  std::unique_ptr<char[]> text;
  std::size_t text_size = 0;
  std::unique_ptr<char[]> unescaped;  // strings that had escapes; at most as long as the text
  std::unique_ptr<std::byte[]> arena;
  Value root;
};

namespace {

using Reason = ParseError::Reason;

constexpr std::size_t kDepthCeiling =
    512;  // the walk recurses; whatever a caller asks, the stack is safe
constexpr std::size_t kScratchBytesKept = 1U << 18U;  // scratch above this is given back after use

// Reused by every parse on this thread; holds no values between calls.
struct Scratch {
  std::unique_ptr<simdjson::internal::dom_parser_implementation> indexer;
  std::vector<Value> values;
  std::vector<Member> members;
  std::vector<std::string_view> names;

  void release_excess() {
    if (indexer != nullptr && indexer->capacity() > kScratchBytesKept) indexer.reset();
    if (values.capacity() * sizeof(Value) > kScratchBytesKept) values = {};
    if (members.capacity() * sizeof(Member) > kScratchBytesKept) members = {};
    if (names.capacity() * sizeof(std::string_view) > kScratchBytesKept) names = {};
    values.clear();
    members.clear();
  }
};

Scratch& scratch() {
  thread_local Scratch instance;
  return instance;
}

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

// simdjson's first stage does not say where.
ParseError fail_anywhere(Reason reason, std::string text) { return {reason, 0, std::move(text)}; }

ParseError fail(Reason reason, std::size_t offset, std::string text) {
  return {reason, offset, std::move(text) + " at byte " + std::to_string(offset)};
}

// Finds the structural bytes. simdjson wants the capacity to exceed the length.
tl::expected<void, ParseError> index(Scratch& scratch, const char* text, std::size_t size) {
  constexpr std::size_t kCapacityMin = 4096;
  const std::size_t capacity = std::max(kCapacityMin, size + 1);
  if (scratch.indexer == nullptr) {
    const auto error = simdjson::get_active_implementation()->create_dom_parser_implementation(
        capacity, 1, scratch.indexer);
    if (error != simdjson::SUCCESS) {
      return tl::unexpected(fail_anywhere(Reason::kTooLarge, "no memory for this text"));
    }
  } else if (scratch.indexer->capacity() < capacity) {
    if (scratch.indexer->allocate(capacity, 1) != simdjson::SUCCESS) {
      return tl::unexpected(fail_anywhere(Reason::kTooLarge, "no memory for this text"));
    }
  }
  const auto error = scratch.indexer->stage1(reinterpret_cast<const std::uint8_t*>(text), size,
                                             simdjson::stage1_mode::regular);
  switch (error) {
    case simdjson::SUCCESS:
      return {};
    case simdjson::UTF8_ERROR:
      return tl::unexpected(fail_anywhere(Reason::kEncoding, "invalid UTF-8"));
    case simdjson::EMPTY:
      return tl::unexpected(fail_anywhere(Reason::kSyntax, "no JSON value"));
    case simdjson::UNCLOSED_STRING:
      return tl::unexpected(fail(Reason::kSyntax, size, "unclosed string"));
    case simdjson::UNESCAPED_CHARS:
      return tl::unexpected(fail_anywhere(Reason::kSyntax, "control character in a string"));
    default:
      return tl::unexpected(fail_anywhere(Reason::kSyntax, "malformed JSON"));
  }
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// The four digits after \u, or -1.
std::int32_t read_hex4(std::string_view text) {
  if (text.size() < 4) return -1;
  std::int32_t unit = 0;
  for (const char c : text.substr(0, 4)) {
    const int digit = hex_digit(c);
    if (digit < 0) return -1;
    unit = unit * 16 + digit;
  }
  return unit;
}

char* append_utf8(std::uint32_t point, char* out) {
  const auto put = [&](std::uint32_t byte) {
    *out++ = static_cast<char>(static_cast<unsigned char>(byte));
  };
  if (point < 0x80) {
    put(point);
  } else if (point < 0x800) {
    put(0xC0U | (point >> 6U));
    put(0x80U | (point & 0x3FU));
  } else if (point < 0x10000) {
    put(0xE0U | (point >> 12U));
    put(0x80U | ((point >> 6U) & 0x3FU));
    put(0x80U | (point & 0x3FU));
  } else {
    put(0xF0U | (point >> 18U));
    put(0x80U | ((point >> 12U) & 0x3FU));
    put(0x80U | ((point >> 6U) & 0x3FU));
    put(0x80U | (point & 0x3FU));
  }
  return out;
}

// Reads what follows "\u", with the second half of a surrogate pair. A lone surrogate is no
// character: nullptr.
char* unescape_unicode(std::string_view& rest, char* out) {
  constexpr std::int32_t kHighFirst = 0xD800;
  constexpr std::int32_t kLowFirst = 0xDC00;
  constexpr std::int32_t kLowLast = 0xDFFF;
  const std::int32_t unit = read_hex4(rest);
  if (unit < 0 || (unit >= kLowFirst && unit <= kLowLast)) return nullptr;
  rest.remove_prefix(4);
  if (unit < kHighFirst || unit > kLowLast)
    return append_utf8(static_cast<std::uint32_t>(unit), out);
  if (!rest.starts_with("\\u")) return nullptr;
  const std::int32_t low = read_hex4(rest.substr(2));
  if (low < kLowFirst || low > kLowLast) return nullptr;
  rest.remove_prefix(6);
  return append_utf8(
      static_cast<std::uint32_t>(0x10000 + ((unit - kHighFirst) << 10) + (low - kLowFirst)), out);
}

// Writes the unescaped form to `out`, which has room for `content`; returns its end, or nullptr if
// malformed.
char* unescape(std::string_view content, char* out) {
  while (!content.empty()) {
    const std::size_t plain = std::min(content.find('\\'), content.size());
    std::memcpy(out, content.data(), plain);
    out += plain;
    content.remove_prefix(plain);
    if (content.empty()) break;
    if (content.size() < 2) return nullptr;
    const char c = content[1];
    content.remove_prefix(2);
    switch (c) {
      case '"':
      case '\\':
      case '/':
        *out++ = c;
        break;
      case 'b':
        *out++ = '\b';
        break;
      case 'f':
        *out++ = '\f';
        break;
      case 'n':
        *out++ = '\n';
        break;
      case 'r':
        *out++ = '\r';
        break;
      case 't':
        *out++ = '\t';
        break;
      case 'u':
        out = unescape_unicode(content, out);
        if (out == nullptr) return nullptr;
        break;
      default:
        return nullptr;
    }
  }
  return out;
}

}  // namespace

// Walks the structural index once. Each step is bounded by the index and returns false with error_
// set.
class Builder {
 public:
  Builder(Document::Storage& storage, Scratch& scratch, std::size_t size, const Limits& limits)
      : storage_(storage),
        scratch_(scratch),
        text_(storage.text.get()),
        size_(size),
        escapes_(std::memchr(text_, '\\', size) != nullptr),
        depth_max_(std::min(limits.depth_max, kDepthCeiling)),
        next_(scratch.indexer->structural_indexes.get()),
        last_(next_ + scratch.indexer->n_structural_indexes) {
    // Each element and each member costs at least as many structural bytes as this reserves room
    // for: an array of n has 2n+1 or more (32 bytes each), an object of n has 4n+1 or more (48
    // bytes each).
    static_assert(sizeof(Value) <= 32 && sizeof(Member) <= 48);
    storage_.arena =
        std::make_unique_for_overwrite<std::byte[]>(16 * static_cast<std::size_t>(last_ - next_));
    arena_next_ = storage_.arena.get();
  }

  tl::expected<void, ParseError> build() {
    if (!read_value(storage_.root, 0)) return tl::unexpected(std::move(error_));
    if (next_ != last_) {
      return tl::unexpected(fail(Reason::kTrailing, *next_, "more text after the JSON value"));
    }
    return {};
  }

 private:
  bool refuse(Reason reason, std::size_t offset, std::string text) {
    error_ = fail(reason, offset, std::move(text));
    return false;
  }

  // The structural byte at the cursor, or NUL (which no valid text has there) at the end.
  char peek() const { return next_ == last_ ? '\0' : text_[*next_]; }
  std::size_t here() const { return next_ == last_ ? size_ : *next_; }

  // The bytes from here up to the next structural byte, without trailing white space: one whole
  // scalar.
  std::string_view take_scalar() {
    const std::size_t start = *next_++;
    std::size_t end = here();
    while (end > start && is_space(text_[end - 1])) --end;
    return {text_ + start, end - start};
  }

  static void set_raw(Value& out, const char* start, std::size_t size) {
    out.raw_ = start;
    out.raw_size_ = static_cast<std::uint32_t>(size);
  }

  bool read_value(Value& out, std::size_t depth) {
    switch (peek()) {
      case '{':
        return read_object(out, depth + 1);
      case '[':
        return read_array(out, depth + 1);
      case '"':
        return read_string(out);
      case 't':
        return read_literal(out, "true", Kind::kTrue);
      case 'f':
        return read_literal(out, "false", Kind::kFalse);
      case 'n':
        return read_literal(out, "null", Kind::kNull);
      case '-':
      case '0':
      case '1':
      case '2':
      case '3':
      case '4':
      case '5':
      case '6':
      case '7':
      case '8':
      case '9':
        return read_number_value(out);
      default:
        return refuse(Reason::kSyntax, here(), "expected a JSON value");
    }
  }

  bool read_literal(Value& out, std::string_view literal, Kind kind) {
    const std::string_view token = take_scalar();
    if (token != literal) return refuse(Reason::kSyntax, offset_of(token), "expected a JSON value");
    out.kind_ = kind;
    set_raw(out, token.data(), token.size());
    return true;
  }

  bool read_number_value(Value& out) {
    const std::string_view token = take_scalar();
    switch (read_number(token, out.number_)) {
      case NumberReading::kSyntax:
        return refuse(Reason::kSyntax, offset_of(token), "malformed number");
      case NumberReading::kInexact:
        return refuse(Reason::kNumber, offset_of(token),
                      "a number that a double cannot hold without changing it");
      case NumberReading::kExact:
        break;
    }
    out.kind_ = Kind::kNumber;
    set_raw(out, token.data(), token.size());
    return true;
  }

  bool read_text(std::string_view& out, std::string_view& raw) {
    raw = take_scalar();
    if (raw.size() < 2 || raw.back() != '"')
      return refuse(Reason::kSyntax, offset_of(raw), "malformed string");
    out = raw.substr(1, raw.size() - 2);
    if (!escapes_ || out.find('\\') == std::string_view::npos) return true;
    if (storage_.unescaped == nullptr) {
      storage_.unescaped = std::make_unique_for_overwrite<char[]>(size_);
      unescaped_next_ = storage_.unescaped.get();
    }
    char* const end = unescape(out, unescaped_next_);
    if (end == nullptr) {
      return refuse(Reason::kEncoding, offset_of(raw), "bad escape or lone surrogate in a string");
    }
    out = {unescaped_next_, static_cast<std::size_t>(end - unescaped_next_)};
    unescaped_next_ = end;
    return true;
  }

  bool read_string(Value& out) {
    std::string_view content;
    std::string_view raw;
    if (!read_text(content, raw)) return false;
    out.kind_ = Kind::kString;
    out.text_ = content.data();
    out.size_ = static_cast<std::uint32_t>(content.size());
    set_raw(out, raw.data(), raw.size());
    return true;
  }

  bool read_array(Value& out, std::size_t depth) {
    const std::size_t start = here();
    if (depth > depth_max_) return refuse(Reason::kDepth, start, "nested too deeply");
    const std::size_t bottom = scratch_.values.size();
    ++next_;
    if (peek() != ']') {
      while (true) {
        Value element;
        if (!read_value(element, depth)) return false;
        scratch_.values.push_back(element);
        if (peek() != ',') break;
        ++next_;
      }
    }
    if (peek() != ']') return refuse(Reason::kSyntax, here(), "expected ',' or ']'");
    out.kind_ = Kind::kArray;
    out.size_ = static_cast<std::uint32_t>(scratch_.values.size() - bottom);
    out.elements_ = move_to_arena(scratch_.values, bottom);
    close(out, start);
    return true;
  }

  bool read_object(Value& out, std::size_t depth) {
    const std::size_t start = here();
    if (depth > depth_max_) return refuse(Reason::kDepth, start, "nested too deeply");
    const std::size_t bottom = scratch_.members.size();
    ++next_;
    if (peek() != '}') {
      while (true) {
        if (!read_member(depth)) return false;
        if (peek() != ',') break;
        ++next_;
      }
    }
    if (peek() != '}') return refuse(Reason::kSyntax, here(), "expected ',' or '}'");
    const std::span members(scratch_.members.begin() + static_cast<std::ptrdiff_t>(bottom),
                            scratch_.members.end());
    if (has_duplicate(members))
      return refuse(Reason::kDuplicate, start, "duplicate member name in the object");
    out.kind_ = Kind::kObject;
    out.size_ = static_cast<std::uint32_t>(members.size());
    out.members_ = move_to_arena(scratch_.members, bottom);
    close(out, start);
    return true;
  }

  bool read_member(std::size_t depth) {
    if (peek() != '"') return refuse(Reason::kSyntax, here(), "expected a member name");
    Member member;
    std::string_view raw;
    if (!read_text(member.name, raw)) return false;
    if (peek() != ':') return refuse(Reason::kSyntax, here(), "expected ':'");
    ++next_;
    if (!read_value(member.value, depth)) return false;
    scratch_.members.push_back(member);
    return true;
  }

  // Pairwise for the usual small object, by sorting for a large one.
  bool has_duplicate(std::span<const Member> members) {
    constexpr std::size_t kPairwiseMax = 16;
    if (members.size() <= kPairwiseMax) {
      for (std::size_t i = 1; i < members.size(); ++i) {
        for (std::size_t j = 0; j < i; ++j) {
          if (members[i].name == members[j].name) return true;
        }
      }
      return false;
    }
    auto& names = scratch_.names;
    names.clear();
    for (const Member& member : members) names.push_back(member.name);
    std::sort(names.begin(), names.end());
    return std::adjacent_find(names.begin(), names.end()) != names.end();
  }

  template <class T>
  const T* move_to_arena(std::vector<T>& stack, std::size_t bottom) {
    T* const start = reinterpret_cast<T*>(arena_next_);
    T* const end = std::uninitialized_copy(stack.begin() + static_cast<std::ptrdiff_t>(bottom),
                                           stack.end(), start);
    arena_next_ = reinterpret_cast<std::byte*>(end);
    stack.resize(bottom);
    return start;
  }

  // At the closing bracket: takes it and notes the container's own bytes.
  void close(Value& out, std::size_t start) {
    const std::size_t end = *next_++ + 1U;
    set_raw(out, text_ + start, end - start);
    // Between the bracket and the next structural byte only white space may stand; a scalar there
    // would be structural.
  }

  std::size_t offset_of(std::string_view token) const {
    return static_cast<std::size_t>(token.data() - text_);
  }

  Document::Storage& storage_;
  Scratch& scratch_;
  const char* text_;
  std::size_t size_;
  bool escapes_;
  std::size_t depth_max_;
  const std::uint32_t* next_;
  const std::uint32_t* last_;
  char* unescaped_next_ = nullptr;
  std::byte* arena_next_ = nullptr;
  ParseError error_{};
};

tl::expected<Document, ParseError> Document::parse(std::string_view text, const Limits& limits) {
  constexpr std::size_t kBytesCeiling = 1U << 30U;  // offsets are 32 bits
  if (text.size() > std::min(limits.bytes_max, kBytesCeiling)) {
    return tl::unexpected(
        fail(Reason::kTooLarge, std::min(limits.bytes_max, kBytesCeiling), "text too long"));
  }
  if (text.starts_with("\xEF\xBB\xBF")) {
    return tl::unexpected(fail(Reason::kEncoding, 0, "byte order mark"));
  }
  auto storage = std::make_unique<Storage>();
  storage->text = std::make_unique_for_overwrite<char[]>(text.size() + simdjson::SIMDJSON_PADDING);
  storage->text_size = text.size();
  std::copy(text.begin(), text.end(), storage->text.get());
  std::memset(storage->text.get() + text.size(), 0, simdjson::SIMDJSON_PADDING);

  Scratch& space = scratch();
  tl::expected<void, ParseError> outcome = index(space, storage->text.get(), text.size());
  if (outcome && space.indexer->n_structural_indexes > limits.structurals_max) {
    outcome = tl::unexpected(fail_anywhere(Reason::kTooLarge, "too many values"));
  }
  if (outcome) outcome = Builder(*storage, space, text.size(), limits).build();
  space.release_excess();
  if (!outcome) return tl::unexpected(std::move(outcome.error()));
  return Document(std::move(storage));
}

Document::Document(std::unique_ptr<Storage> storage) : storage_(std::move(storage)) {}
Document::Document(Document&&) noexcept = default;
Document& Document::operator=(Document&&) noexcept = default;
Document::~Document() = default;

const Value& Document::root() const { return storage_->root; }

}  // namespace mandated::json
