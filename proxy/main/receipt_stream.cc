// Lines are bounded: a longer one is skipped to its end and answered, and the run goes on.
#include "proxy/main/receipt_stream.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "filters/receipt/batch.h"
#include "proxy/base/file.h"

namespace mandated {
namespace {

constexpr std::size_t kLineMax = 16U << 20U;
constexpr std::size_t kBlockSize = 1U << 18U;

// Answers a run of lines: each thread takes as many that follow each other as the others.
class Answerers {
 public:
  Answerers(unsigned threads, const std::function<double()>& now)
      : now_(now), verifiers_(threads), answers_(threads) {}

  /// The lines' answers, in order; nullopt stands for a line that was too long.
  void answer(std::span<const std::optional<std::string_view>> lines, std::string& out) {
    const std::size_t threads = std::min(verifiers_.size(), lines.size());
    const std::size_t share = threads == 0 ? 0 : (lines.size() + threads - 1) / threads;
    std::vector<std::thread> others;
    for (std::size_t at = 1; at * share < lines.size(); ++at) {
      others.emplace_back(
          [this, at,
           part = lines.subspan(at * share).first(std::min(share, lines.size() - at * share))] {
            answer_part(part, at);
          });
    }
    if (!lines.empty()) answer_part(lines.first(share), 0);
    for (std::thread& other : others) other.join();
    for (std::string& part : answers_) out += std::exchange(part, {});
  }

 private:
  void answer_part(std::span<const std::optional<std::string_view>> lines, std::size_t at) {
    std::string& out = answers_[at];
    for (const auto& line : lines) {
      if (line) {
        verifiers_[at].answer(*line, now_(), out);
      } else {
        receipt::BatchVerifier::refuse_long_line(out);
      }
    }
  }

  const std::function<double()>& now_;
  std::vector<receipt::BatchVerifier> verifiers_;
  std::vector<std::string> answers_;
};

class LineLoop {
 public:
  LineLoop(int input, int output, unsigned threads, const std::function<double()>& now)
      : input_(input), output_(output), answerers_(threads, now) {}

  bool run() {
    std::vector<char> block(kBlockSize);
    while (true) {
      const ssize_t size = ::read(input_, block.data(), block.size());
      if (size < 0 && errno == EINTR) continue;
      if (size < 0) return false;
      if (size == 0) break;
      if (!take({block.data(), static_cast<std::size_t>(size)})) return false;
    }
    // A last line without its line feed is a line.
    if (skipping_ || !line_.empty()) return take("\n");
    return true;
  }

 private:
  // Answers all lines that end in `text`.
  bool take(std::string_view text) {
    std::vector<std::optional<std::string_view>> lines;
    std::string first;  // the line that began in an earlier block
    std::size_t end = text.find('\n');
    if (end == std::string_view::npos) {
      keep(text);
      return true;
    }
    keep(text.substr(0, end));
    first.swap(line_);
    lines.push_back(skipping_ ? std::nullopt : std::optional<std::string_view>(first));
    skipping_ = false;
    for (text.remove_prefix(end + 1); (end = text.find('\n')) != std::string_view::npos;
         text.remove_prefix(end + 1)) {
      lines.emplace_back(text.substr(0, end));
    }
    keep(text);
    std::string answers;
    answerers_.answer(lines, answers);
    return write_all(output_, answers);
  }

  void keep(std::string_view part) {
    if (skipping_ || line_.size() + part.size() > kLineMax) {
      skipping_ = true;
      line_ = {};
    } else {
      line_.append(part);
    }
  }

  int input_;
  int output_;
  Answerers answerers_;
  std::string line_;       // the beginning of a line whose end is not read yet
  bool skipping_ = false;  // inside a line that is too long
};

}  // namespace

bool answer_lines(int input, int output, unsigned threads, const std::function<double()>& now) {
  return LineLoop(input, output, threads, now).run();
}

}  // namespace mandated
