#include "proxy/audit/verify.h"

#include <array>

#include "proxy/audit/chain.h"
#include "proxy/audit/file.h"

namespace mandated::audit {

namespace {

/// Lines of a stream, each at most kLineBytesMax and its newline.
class Lines {
 public:
  explicit Lines(std::istream& in) : in_(in) {}

  struct Line {
    std::string bytes;  ///< without the newline
    bool whole = true;  ///< false: no newline, or too long
  };
  std::optional<Line> next() {
    Line line;
    while (true) {
      const std::size_t end = buffer_.find('\n', begin_);
      if (end != std::string::npos) {
        line.bytes.append(buffer_, begin_, end - begin_);
        begin_ = end + 1;
        return line;
      }
      line.bytes.append(buffer_, begin_);
      line.whole = line.bytes.size() <= kLineBytesMax;
      if (!line.whole) return line;
      if (!refill()) break;
    }
    if (line.bytes.empty()) return std::nullopt;
    line.whole = false;
    return line;
  }

 private:
  bool refill() {
    buffer_.resize(65536);
    in_.read(buffer_.data(), static_cast<std::streamsize>(buffer_.size()));
    buffer_.resize(static_cast<std::size_t>(in_.gcount()));
    begin_ = 0;
    return !buffer_.empty();
  }

  std::istream& in_;
  std::string buffer_;
  std::size_t begin_ = 0;
};

class Verifier {
 public:
  Verifier(std::istream& in, const VerifyOptions& options) : lines_(in), options_(options) {}

  Verification run() {
    while (const std::optional<Lines::Line> line = lines_.next()) {
      if (!take(*line)) return result_;
    }
    if (result_.records == 0) return wrong(1, "there is no record");
    if (options_.expect_last && *options_.expect_last != result_.last_hash)
      return wrong(result_.records,
                   "is not the last line that was expected: it was changed, or "
                   "lines after it are missing");
    result_.ok = true;
    return result_;
  }

 private:
  Verification wrong(std::uint64_t line, std::string problem) {
    result_.line = line;
    result_.problem = std::move(problem);
    return result_;
  }

  bool take(const Lines::Line& line) {
    const std::uint64_t number = result_.records + 1;
    if (!line.whole) {
      wrong(number, "is torn: it has no end");
      return false;
    }
    const Result<LineHead> head = parse_line(line.bytes);
    if (!head) {
      wrong(number, head.error().text);
      return false;
    }
    if (!follows(*head, line.bytes, number)) return false;
    next_seq_ = head->seq + 1;
    result_.last_hash = hash(line.bytes);
    result_.records = number;
    return true;
  }

  bool follows(const LineHead& head, const std::string& bytes, std::uint64_t number) {
    if (number == 1) {
      const std::string before = options_.from_hash.value_or("");
      const bool begins = head.prev == before && (options_.from_hash || head.seq == 0);
      if (!begins)
        wrong(1, before.empty() ? "is not the beginning: lines before it are missing"
                                : "does not follow the line with the hash that was given");
      return begins;
    }
    if (head.seq != next_seq_) {
      wrong(number, "has seq " + std::to_string(head.seq) + " where " + std::to_string(next_seq_) +
                        " was expected: lines were dropped, inserted or moved");
      return false;
    }
    if (head.prev == result_.last_hash) return true;
    // Either the line before or this one's `prev` was changed. The line after tells: it names this
    // one's hash as it was written.
    const std::optional<Lines::Line> after = lines_.next();
    const Result<LineHead> after_head =
        after ? parse_line(after->bytes) : fail(Code::kEnd, "there is none");
    const bool this_one = after_head && after_head->prev != hash(bytes);
    wrong(this_one ? number : number - 1, "was changed after it was written");
    return false;
  }

  Lines lines_;
  const VerifyOptions& options_;
  Verification result_;
  std::uint64_t next_seq_ = 0;
};

}  // namespace

Verification verify(std::istream& in, const VerifyOptions& options) {
  return Verifier(in, options).run();
}

}  // namespace mandated::audit
