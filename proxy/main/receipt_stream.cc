// Lines are bounded: a longer one is skipped to its end and answered, and the run goes on.
#include "proxy/main/receipt_stream.h"

#include <unistd.h>

#include <cerrno>
#include <string>
#include <string_view>
#include <vector>

#include "filters/receipt/batch.h"
#include "proxy/base/file.h"

namespace mandated {
namespace {

constexpr std::size_t kLineMax = 16U << 20U;
constexpr std::size_t kBlockSize = 1U << 18U;

class LineLoop {
 public:
  LineLoop(int input, int output, const std::function<double()>& now)
      : input_(input), output_(output), now_(now) {}

  bool run() {
    std::vector<char> block(kBlockSize);
    while (true) {
      if (!flush()) return false;
      const ssize_t size = ::read(input_, block.data(), block.size());
      if (size < 0 && errno == EINTR) continue;
      if (size < 0) return false;
      if (size == 0) break;
      if (!take({block.data(), static_cast<std::size_t>(size)})) return false;
    }
    // A last line without its line feed is a line.
    if (skipping_ || !line_.empty()) finish_line({});
    return flush();
  }

 private:
  bool take(std::string_view text) {
    while (!text.empty()) {
      const std::size_t end = text.find('\n');
      if (end == std::string_view::npos) {
        keep(text);
        return true;
      }
      finish_line(text.substr(0, end));
      text.remove_prefix(end + 1);
      if (answers_.size() > kBlockSize && !flush()) return false;
    }
    return true;
  }

  void keep(std::string_view part) {
    if (skipping_ || line_.size() + part.size() > kLineMax) {
      skipping_ = true;
      line_ = {};
    } else {
      line_.append(part);
    }
  }

  void finish_line(std::string_view last_part) {
    if (line_.empty() && !skipping_ && last_part.size() <= kLineMax) {
      verifier_.answer(last_part, now_(), answers_);
      return;
    }
    keep(last_part);
    if (skipping_) {
      receipt::BatchVerifier::refuse_long_line(answers_);
    } else {
      verifier_.answer(line_, now_(), answers_);
    }
    line_.clear();
    skipping_ = false;
  }

  bool flush() {
    if (!write_all(output_, answers_)) return false;
    answers_.clear();
    return true;
  }

  int input_;
  int output_;
  const std::function<double()>& now_;
  receipt::BatchVerifier verifier_;
  std::string line_;       // the beginning of a line whose end is not read yet
  bool skipping_ = false;  // inside a line that is too long
  std::string answers_;
};

}  // namespace

bool answer_lines(int input, int output, const std::function<double()>& now) {
  return LineLoop(input, output, now).run();
}

}  // namespace mandated
